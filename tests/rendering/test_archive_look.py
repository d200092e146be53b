"""The archive wears the mail's colours, in light and in dark."""

from __future__ import annotations

import re

from digest.rendering import palette
from digest.rendering.render import default_template_folder


def test_its_categories_have_the_mails_colours_and_their_dark_twins() -> None:
    folder = default_template_folder() / "css"
    ours, mails = (folder / "archive.css").read_text("utf-8"), (folder / "kept.css").read_text("utf-8")
    for colour in palette.PALETTE:
        twin = re.search(rf"\.t{colour.number} {{ color: (#\w+) !important; background-color: (#\w+)", mails)
        assert twin
        found = re.findall(rf"\.c{colour.number} {{ --c: (#\w+); --t: (#\w+); }}", ours)
        assert found == [(colour.ink, colour.tint), (twin[1], twin[2])]
