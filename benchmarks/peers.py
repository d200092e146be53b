"""`digest send` beside what others send with: ``python benchmarks/peers.py [--rounds 7] [--tools FOLDER]``.

The same recipients, the same mail of 60 KB with each recipient's own address and token in it, into smtp-sink. What a
mail costs is the difference between few and many of them, as in throughput.py; how many depends on the program, so that
each runs for a few seconds. All run in each round, in an order that turns; the ratios are to ``smtp-source -d -s 16 -l
60000`` of the same round. The others (in others/) get the mail as they usually would: smtplib and aiosmtplib encoded,
Nodemailer and Django as text and HTML, the textbook loop as templates.

The other libraries are installed by pip and npm into FOLDER, or a temporary one. Prints a table in Markdown, then JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prepared import PAPERS_60KB, Prepared, copied, prepare, send
from processes import HERE, Cost, Run, in_turn, machine, marginal, own_sink, postfix_sink, run, smtp_source, spread

from digest.app import build
from digest.config import load
from digest.model.mail import Stamp
from digest.rendering.language import Language
from digest.rendering.library import Library
from digest.rendering.message import parts, stamp
from digest.rendering.render import Renderer, default_template_folder
from digest.storage import editions

LIBRARIES = ("aiosmtplib", "django", "jinja2", "premailer")
OURS, SOURCE = "Digest", "smtp-source"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A program of others/ and between how many mails its cost is taken."""

    title: str
    program: str
    few: int
    many: int
    library: str = ""


PEERS = (
    Peer(title="smtplib, one connection", program="smtplib_loop.py", few=500, many=5_000),
    Peer(title="aiosmtplib, 16 connections", program="aiosmtplib_pool.py", few=500, many=5_000, library="aiosmtplib"),
    Peer(title="Nodemailer, pool of 16", program="nodemailer_pool.js", few=300, many=2_000, library="nodemailer"),
    Peer(title="Django, send_messages", program="django_messages.py", few=100, many=1_000, library="Django"),
    Peer(title="textbook loop: Jinja, premailer, connect", program="textbook.py", few=5, many=50, library="premailer"),
)


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("--few", type=int, default=2_000)
    given.add_argument("--many", type=int, default=20_000)
    given.add_argument("--connections", type=int, default=16)
    given.add_argument("--tools", type=Path)
    options = given.parse_args()
    alone = machine()
    costs: dict[str, list[Cost]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools = options.tools or folder / "tools"
        versions = install(tools)
        ready = {n: prepare(folder / f"with-{n}", n, items=PAPERS_60KB) for n in (options.few, options.many)}
        write_mail(ready[options.few], folder)
        sizes = {peer.title: size(peer, tools, folder) for peer in PEERS}
        for _, title in in_turn((OURS, SOURCE, *(peer.title for peer in PEERS)), options.rounds):
            peer = next((one for one in PEERS if one.title == title), None)
            counts = (peer.few, peer.many) if peer else tuple(ready)
            runs: list[tuple[int, Run]] = []
            for mails in counts:
                with postfix_sink(folder) as sink:
                    runs.append((mails, sent(title, peer, mails, sink.port, ready, options.connections, tools, folder)))
                    assert sink.mails == mails, (title, sink.mails, mails)
            costs[title].append(marginal(*runs))
    sizes |= {OURS: ready[options.few].bytes_a_mail, SOURCE: 60_000}
    names = {peer.title: " ".join(filter(None, (peer.library, versions.get(peer.library, "")))) for peer in PEERS}
    print(table(costs, names))
    print(json.dumps({**alone, "rounds": options.rounds, "bytes_a_mail": sizes, **figures(costs)}, indent=1))


def sent(
    title: str, peer: Peer | None, mails: int, port: int, ready: dict[int, Prepared], connections: int, *folders: Path
) -> Run:
    """One run of a program, to its end."""
    tools, folder = folders
    if peer is not None:
        return run(*command(peer, port, mails, tools, folder))
    if title == SOURCE:
        return smtp_source(port, mails)
    with copied(ready[mails], folder / "copy") as mine:
        return send(mine, port, connections=connections)


def command(peer: Peer, port: int, mails: int, tools: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    program = [str(HERE / "others" / peer.program), str(port), str(mails), str(folder)]
    if peer.program.endswith(".js"):
        return ["node", *program], {"NODE_PATH": str(tools / "node_modules")}
    return [str(tools / "python/bin/python"), *program], {"PYTHONPATH": ""}


def install(tools: Path) -> dict[str, str]:
    """Puts the other libraries into a folder, unless they are there; gives their versions."""
    python = tools / "python/bin/python"
    if not (tools / "node_modules/nodemailer").is_dir():
        tools.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(tools / "python")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *LIBRARIES], check=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(tools), "nodemailer"], check=True)
    listed = run([str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]).told
    versions = {one["name"]: one["version"] for one in json.loads(listed)}
    nodemailer = json.loads((tools / "node_modules/nodemailer/package.json").read_text("utf-8"))
    return {**versions, "nodemailer": nodemailer["version"]}


class Styled(Library):
    """Mails as their templates are written, the styles not inlined."""

    def mail(self, name: str, context: Mapping[str, object], language: Language) -> str:
        return self.page(name, context, language)


def write_mail(prepared: Prepared, folder: Path) -> None:
    """What the others send: the mail encoded, its two parts, and its HTML before inlining, all with placeholders."""
    values = dict.fromkeys(Stamp, "@@TOKEN@@") | {Stamp.TO: "@@TO@@"}
    app = build(load(prepared.folder / "config.toml", {}))
    try:
        with app.store.reading() as tx:
            edition = editions.last_of(tx, "papers")
            assert edition is not None
            message = editions.message(tx, edition.key)
    finally:
        app.close()
    assert message is not None
    renderer = Renderer([default_template_folder()])
    vars(renderer)["_library"] = Styled([default_template_folder()], "premailer")
    styled = renderer.edition((edition,), app.config.digests, sender=app.config.sender)
    whole = b"".join(stamp(message, values))
    html, text = parts(whole)
    (folder / "mail.eml").write_bytes(whole)
    (folder / "mail.html").write_text(html, "utf-8")
    (folder / "mail.txt").write_text(text, "utf-8")
    (folder / "styled.html").write_text(parts(b"".join(stamp(styled, values)))[0], "utf-8")


def size(peer: Peer, tools: Path, folder: Path) -> int:
    """Bytes of one of its mails, as our sink counts them."""
    with own_sink(folder, chunking=False) as sink:
        run(*command(peer, sink.port, 10, tools, folder))
        assert sink.mails == 10, sink.mails
        return sink.content_bytes // 10


def figures(costs: dict[str, list[Cost]]) -> dict[str, dict[str, dict[str, float]]]:
    """Each program's figures over the rounds."""
    sources = costs[SOURCE]
    return {
        title: {
            "rate_per_smtp_source": spread([a.rate / b.rate for a, b in zip(found, sources, strict=True)], 4),
            "cpu_per_smtp_source": spread([a.cpu / b.cpu for a, b in zip(found, sources, strict=True)]),
            "mails_a_second": spread([one.rate for one in found], 0),
            "cpu_microseconds_a_mail": spread([1e6 * one.cpu for one in found], 0),
        }
        for title, found in costs.items()
    }


def table(costs: dict[str, list[Cost]], names: dict[str, str]) -> str:
    """The medians, as docs/performance.md has them; the fastest first."""
    lines = ["| sender | rate, to smtp-source's | processor time a mail, to smtp-source's |", "|---|---|---|"]
    told = figures(costs)
    for title in sorted(told, key=lambda one: -told[one]["rate_per_smtp_source"]["median"]):
        rate, cpu = (told[title][name]["median"] for name in ("rate_per_smtp_source", "cpu_per_smtp_source"))
        name = f" ({names[title]})" if names.get(title) else ""
        lines.append(f"| {title}{name} | {short(rate)} | {short(cpu)} |")
    return "\n".join(lines)


def short(number: float) -> str:
    """Two digits that count: 0.012, 1.1, 33, 580."""
    return f"{float(f'{number:.2g}'):g}"


if __name__ == "__main__":
    main()
