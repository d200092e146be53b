"""The demo's mails and the readers' pages in a real browser: nothing overflows, nothing is too small, dark is dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from digest.rendering.render import Renderer, default_template_folder

pytestmark = pytest.mark.needs_chromium
WIDTHS = (320, 375, 800)

PAGES = {
    "unsubscribe": {
        "action": "/unsubscribe/x",
        "digests": [{"name": "a", "title": "A" * 80}, {"name": "b", "title": "B"}],
    },
    "unsubscribed": {"digests": [{"name": "a", "title": "The Morning Papers"}]},
    "preferences": {
        "action": "/preferences/x",
        "title": "The Morning Papers",
        "send_at": "07:00",
        "timezone": "America/Argentina/ComodRivadavia",
        "days": [{"number": n, "name": name, "chosen": True} for n, name in enumerate(("Monday", "Tuesday"))],
        "max_items": 12,
        "layout": "full",
        "explain": "empty",
        "chosen_language": "de",
        "languages": [{"code": "en", "name": "English"}, {"code": "de", "name": "Deutsch"}],
        "categories": [{"code": "cs.CL", "title": "Computation and Language", "chosen": True}],
        "joined": True,
        "problems": ["The time of day could not be read."],
        "said": "/preferences/x/said",
        "unsubscribe": "/unsubscribe/x",
    },
    "feedback": {"action": "/feedback/x/1", "title": "Deoxyribonucleic" * 8, "value": 1, "kept": True},
    "said": {
        "action": "/preferences/x/said",
        "back": "/preferences/x",
        "words": ["interferometry"] * 10,
        "people": ["Ada Lovelace"] * 10,
        "said": [
            {
                "id": "arxiv:1",
                "title": "Slow Tokens " * 12,
                "url": "https://a.example",
                "value": 1,
                "day": "2026-05-04",
            },
            {"id": "arxiv:2", "title": "深度学习", "url": "", "value": -1, "day": "2026-05-03"},
        ],
    },
    "message": {"title": "This link does not work", "lines": ["It is too old."]},
}

#: Loads the document in a frame of each width and writes down what it measures there.
_WRAPPER = """<!doctype html><meta charset=utf-8><body style="margin:0"><script>
const source = {source}, widths = {widths}, found = {{}};
let left = widths.length;
for (const width of widths) {{
  const frame = document.createElement('iframe');
  frame.style.cssText = `width:${{width}}px;height:900px;border:0`;
  frame.onload = () => {{
    const page = frame.contentDocument, root = page.documentElement;
    const texts = [...page.querySelectorAll('body *')].filter(node =>
      [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()) &&
      node.getClientRects().length && getComputedStyle(node).display !== 'none');
    const light = texts.map(node => {{
      const [r, g, b] = getComputedStyle(node).color.match(/\\d+/g).map(Number);
      return (r * 299 + g * 587 + b * 114) / 1000 > 128;
    }});
    found[width] = {{
      overflow: root.scrollWidth - root.clientWidth,
      smallest: Math.min(...texts.map(node => parseFloat(getComputedStyle(node).fontSize))),
      words: page.body.innerText.split(/\\s+/).length,
      light: light.filter(Boolean).length / light.length,
    }};
    if (--left === 0) document.title = JSON.stringify(found);
  }};
  frame.srcdoc = source;
  document.body.append(frame);
}}
</script>"""


def measured(source: str, folder: Path, *options: str) -> dict[str, dict[str, float]]:
    """Per width: overflow in pixels, the smallest type, words shown, share of texts in a light colour."""
    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    wrapper = folder / "wrapper.html"
    literal = json.dumps(source).replace("</", "<\\/")
    wrapper.write_text(_WRAPPER.format(source=literal, widths=list(WIDTHS)), "utf-8")
    command = [
        chromium,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        f"--user-data-dir={folder / 'profile'}",
        *options,
        "--virtual-time-budget=5000",
        "--dump-dom",
        wrapper.as_uri(),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    title = re.search(r"<title>(.*?)</title>", run.stdout, re.S)
    assert title, run.stderr[-2000:]
    return json.loads(html.unescape(title.group(1)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two mails of `digest demo`."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-c", "from digest.cli import main; main()", "demo", "--out", str(folder / "demo")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder / "demo"


@pytest.mark.parametrize("name", ["mail-1", "mail-2"])
def test_a_mail_fits_every_width_and_turns_dark(name: str, demo: Path, tmp_path: Path) -> None:
    source = (demo / f"{name}.html").read_text("utf-8")
    light = measured(source, tmp_path)
    dark = measured(source, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert [light[str(width)]["overflow"] for width in WIDTHS] == [0, 0, 0]
    assert min(view["smallest"] for view in light.values()) >= 13
    assert all(view["words"] > 500 for view in light.values())
    assert max(view["light"] for view in light.values()) < 0.1
    assert min(view["light"] for view in dark.values()) > 0.9


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_width_and_turns_dark(name: str, tmp_path: Path) -> None:
    source = Renderer((default_template_folder(),)).page(name, PAGES[name])
    light = measured(source, tmp_path)
    dark = measured(source, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert [light[str(width)]["overflow"] for width in WIDTHS] == [0, 0, 0]
    assert min(view["smallest"] for view in light.values()) >= 13
    assert min(view["light"] for view in dark.values()) > 0.5
