"""The demo's mails in a real browser: nothing overflows, nothing is too small, dark is dark. Pages: test_accessible."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_chromium
WIDTHS = (320, 375, 800)

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
