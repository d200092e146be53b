// The workbench's page. What is wished stands in the URL; twice a second the server is asked for the state of that wish,
// and when the mail has changed the frames are loaded again, where they were scrolled to.
"use strict";

const WISHES = ["digest", "for", "profile", "language", "layout", "at"];
const form = document.getElementById("wish");
const fields = form.elements;
let wished = new URLSearchParams(location.search);
let told = "";       // the last state, as text
let asking = 0;      // which question is the newest
let again = false;

function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

function wish() {
  return new URLSearchParams(WISHES.filter(name => wished.get(name)).map(name => [name, wished.get(name)]));
}

// -- what is wished ------------------------------------------------------------------------------------------------

function change(changes) {
  for (const [name, value] of Object.entries(changes)) value ? wished.set(name, value) : wished.delete(name);
  const query = wished.toString();
  history.pushState(null, "", query ? "?" + query : location.pathname);
  look();
}

form.addEventListener("submit", event => { event.preventDefault(); change({ at: fields.at.value.trim() }); });
form.addEventListener("change", event => {
  const { name, value } = event.target;
  if (name === "reader") {
    const cut = value.indexOf(":"), kind = value.slice(0, cut), who = value.slice(cut + 1);
    change({ for: kind === "for" ? who : "", profile: kind === "profile" ? who : "" });
  } else if (name === "digest") change({ digest: value, for: "", at: "" });
  else if (name === "date") change({ at: value });
  else if (name === "size") { change({ size: value }); measure(); }
  else change({ [name]: value.trim() });
});
document.getElementById("again").addEventListener("click", () => { again = true; look(); });
window.addEventListener("popstate", () => { wished = new URLSearchParams(location.search); told = ""; look(); });
window.addEventListener("resize", measure);

// -- asking --------------------------------------------------------------------------------------------------------

async function look() {
  const mine = ++asking;
  const query = wish();
  if (again) query.set("again", "1");
  again = false;
  let wait = document.hidden ? 3000 : 500;
  try {
    const answer = await fetch("/state?" + query, { cache: "no-store" });
    if (!answer.ok) throw new Error(await answer.text());
    const text = await answer.text();
    if (mine !== asking) return;
    if (text !== told) { told = text; show(JSON.parse(text), wish().toString()); }
  } catch (problem) {
    if (mine !== asking) return;
    told = "";
    wait = 2000;
    errors([{ what: "The workbench does not answer.", where: "", try: "Start digest preview --serve again; this page then goes on by itself." }]);
  }
  setTimeout(() => { if (mine === asking) look(); }, wait);
}

// -- showing -------------------------------------------------------------------------------------------------------

function show(state, query) {
  choices(state);
  errors(state.errors);
  summary(state.proofs);
  frames(state.frames, state.version + "&" + query, query);
  document.body.classList.toggle("stale", state.stale);
}

function options(select, offered, chosen) {
  if (chosen && !offered.some(([value]) => value === chosen)) offered = [...offered, [chosen, chosen]];
  const made = offered.map(([value, text]) => new Option(text, value, false, value === chosen));
  if (select !== document.activeElement || select.value !== chosen) select.replaceChildren(...made);
}

function languageName(code) {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code);
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}

function dateName(text) {
  const day = new Date(text + "T12:00:00");
  return isNaN(day) ? text : day.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
}

function choices({ choices: offered }) {
  const get = name => wished.get(name) || "";
  options(fields.digest, offered.digests.map(one => [one.name, one.title]), get("digest") || (offered.digests[0] || {}).name);
  const readers = [["", "General profile"], ...offered.readers.map(one => ["for:" + one, one]),
    ...offered.profiles.map(one => ["profile:" + one, one])];
  const reader = get("profile") ? "profile:" + get("profile") : get("for") ? "for:" + get("for") : "";
  options(fields.reader, reader && !readers.some(([value]) => value === reader)
    ? [...readers, [reader, get("profile") || get("for")]] : readers, reader);
  options(fields.language, [["", "The profile’s own"], ...offered.languages.map(code => [code, languageName(code)])], get("language"));
  options(fields.layout, [["", "The profile’s own"], ...offered.layouts.map(name => [name, name.charAt(0).toUpperCase() + name.slice(1)])], get("layout"));
  const dates = [["", "The next one"], ...offered.dates.map(day => [day, dateName(day)])];
  options(fields.date, get("at") && !offered.dates.includes(get("at")) ? [...dates, [get("at"), "As of …"]] : dates, get("at"));
  if (fields.at !== document.activeElement) fields.at.value = get("at");
  fields.size.value = get("size");
}

function errors(list) {
  document.getElementById("errors").replaceChildren(...list.map(wrong => {
    const box = element("div", { class: "error" }, element("h3", {}, wrong.what));
    if (wrong.where) box.append(element("p", { class: "where" }, wrong.where));
    if (wrong.excerpt) box.append(element("pre", {}, ...wrong.excerpt.lines.map(([number, text]) =>
      element("span", number === wrong.excerpt.line ? { class: "meant" } : {}, element("i", {}, String(number)), text || " "))));
    if (wrong.try) box.append(element("p", { class: "soft" }, "Try: " + wrong.try));
    return box;
  }));
}

function kilobytes(bytes) {
  return (bytes / 1024).toFixed(bytes < 10240 ? 1 : 0);
}

function milliseconds(number) {
  return number < 10 ? number.toFixed(1) : Math.round(number);
}

function summary(proofs) {
  const section = document.getElementById("summary"), mail = Boolean(proofs && proofs.is_mail);
  for (const name of ["summary", "view", "frames"]) document.getElementById(name).hidden = !mail;
  document.getElementById("silence").hidden = !proofs || mail;
  if (!proofs) return;
  const day = dateName(proofs.slot.slice(0, 10)), time = proofs.slot.slice(22, 27);
  document.title = proofs.title + " – workbench";
  document.getElementById("title").textContent = proofs.title;
  const line = [day, time + " UTC"];
  if (mail) line.push(`${proofs.printed} of ${proofs.candidates} new papers`, proofs.reason, ...proofs.notes);
  if (proofs.omitted) line.push(`${proofs.omitted} had no room`);
  document.getElementById("dateline").textContent = line.filter(Boolean).join(" · ");
  if (!mail) {
    document.getElementById("reason").textContent = proofs.reason;
    document.getElementById("notes").replaceChildren(...proofs.notes.map(note => element("li", {}, note)));
    return;
  }
  const name = proofs.sender.replace(/\s*<[^>]*>$/, "").replace(/^"(.*)"$/, "$1") || proofs.sender;
  const say = (selector, text) => { for (const node of section.querySelectorAll(selector)) node.textContent = text; };
  say(".sender", name);
  say(".subject", proofs.subject);
  say(".preheader", proofs.preheader);
  say(".when", day.split(" ").slice(1, 3).join(" "));
  const share = proofs.html_bytes / proofs.limit_bytes;
  section.classList.toggle("over", share > 1);
  document.getElementById("weight").textContent = kilobytes(proofs.html_bytes) + " KB";
  document.getElementById("limit").textContent = kilobytes(proofs.limit_bytes);
  document.getElementById("filled").style.width = Math.min(100, share * 100) + "%";
  document.getElementById("bar").setAttribute("aria-label", Math.round(share * 100) + " % of what Gmail shows whole");
  document.getElementById("rest").textContent = (share > 1 ? "too heavy, Gmail cuts it off · " : "") + `text ${kilobytes(proofs.text_bytes)} KB · .eml ${kilobytes(proofs.eml_bytes)} KB` +
    ` · printed in ${milliseconds(proofs.again_ms)} ms (${milliseconds(proofs.first_ms)} at first), composed in ${milliseconds(proofs.composed_ms)} ms`;
}

// -- the frames ----------------------------------------------------------------------------------------------------

const made = new Map();  // name -> { figure, frame, link, toggle, width, shown }

function frames(list, newest, query) {
  for (const one of list) if (!made.has(one.name)) add(one);
  const hidden = (wished.get("hide") || "").split(",");
  for (const [name, one] of made) {
    one.figure.hidden = hidden.includes(name);
    one.toggle.checked = !one.figure.hidden;
    const url = `/frame/${name}?${query}`;
    one.link.href = url;
    if (one.figure.hidden || one.shown === newest) continue;
    load(one, `${url}&v=${encodeURIComponent(newest.slice(0, 16))}-${Date.now()}`);
    one.shown = newest;
  }
  measure();
}

function add({ name, title, note, width }) {
  const frame = element("iframe", {
    class: name, title, referrerpolicy: "no-referrer",
    sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
  });
  const link = element("a", { target: "_blank", title: title + " alone" }, "alone");
  const caption = element("figcaption", {}, element("b", {}, title), element("span", { class: "soft" }, note), link);
  const figure = element("figure", { id: name }, caption, element("div", { class: "window" }, frame));
  const toggle = element("input", { type: "checkbox", name });
  toggle.addEventListener("change", () => {
    const off = [...made].filter(([, one]) => !one.toggle.checked).map(([other]) => other);
    change({ hide: off.join(",") });
    told = "";
  });
  document.getElementById("shown").append(element("label", {}, toggle, title));
  document.getElementById("frames").append(figure);
  made.set(name, { figure, frame, link, toggle, width, shown: "" });
}

function load(one, url) {
  let down = 0;
  try { down = one.frame.contentWindow.scrollY || 0; } catch { }
  one.frame.addEventListener("load", () => { try { one.frame.contentWindow.scrollTo(0, down); } catch { } }, { once: true });
  // replace() leaves the browser's history to the wishes
  try { one.frame.contentWindow.location.replace(url); } catch { one.frame.src = url; }
}

// A frame keeps its width whatever room there is; where it does not fit it is drawn smaller.
function measure() {
  const room = document.getElementById("frames").clientWidth;
  if (!room) return;  // nothing is shown
  const size = (Number(wished.get("size")) || 100) / 100;
  const height = Math.max(480, Math.min(1000, innerHeight * .86));
  for (const { figure, frame, width } of made.values()) {
    const scale = Math.min(size, room / width);
    frame.style.width = width + "px";
    frame.style.height = height / scale + "px";
    frame.style.transform = scale === 1 ? "" : `scale(${scale})`;
    frame.parentElement.style.width = figure.style.width = width * scale + "px";
    frame.parentElement.style.height = height + "px";
  }
}

look();
