"""docs/templates.md names every field of every view, with its type, and every template that exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from digest.rendering import palette, view
from digest.rendering.library import Library, default_template_folder

DOC = Path(__file__).parents[2] / "docs" / "templates.md"
VIEWS = (
    view.EditionView, view.DigestView, view.SectionView, view.ItemView, view.WhyView, view.LinkView, palette.ColourView,
    view.LinksView, view.NoticeView,
)  # fmt: skip


def documented() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for chunk in re.split(r"^### ", DOC.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        name = chunk.split("\n", 1)[0]
        rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| .*\S.* \|$", chunk, re.MULTILINE)
        found[name] = [(field, kind.replace("\\|", "|")) for field, kind in rows]
    return found


def test_every_field_is_documented_with_its_type_in_order() -> None:
    assert documented() == {one.__name__: [(field.name, str(field.type)) for field in fields(one)] for one in VIEWS}


def test_every_filter_is_documented() -> None:
    library = Library([default_template_folder()])
    ours = {name for name, made in library._env.filters.items() if made.__module__.startswith("digest.")}
    assert ours and all(f"`{name}" in DOC.read_text("utf-8") for name in ours)


def test_every_page_and_notice_says_what_it_is_given() -> None:
    folder = default_template_folder()
    for path in [*folder.glob("pages/*.j2"), *folder.glob("mail/*.j2")]:
        assert path.read_text("utf-8").startswith("{# "), path.name
        note = path.read_text("utf-8").split("#}")[0]
        assert "ontext" in note, path.name


def test_each_colour_has_a_dark_twin() -> None:
    css = (default_template_folder() / "css" / "kept.css").read_text("utf-8")
    for colour in palette.PALETTE:
        assert all(f".{letter}{colour.number} {{" in css for letter in "kltf")


def light(hexadecimal: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_can_be_read_on_its_grounds_in_light_and_dark() -> None:
    css = (default_template_folder() / "css" / "kept.css").read_text("utf-8")
    for colour in palette.PALETTE:
        dark = re.search(rf"\.t{colour.number} {{ color: (#\w+) !important; background-color: (#\w+)", css)
        assert dark
        pairs = [(colour.ink, ground) for ground in (colour.tint, "#ffffff", "#f7f5ef")]
        pairs += [(dark[1], ground) for ground in (dark[2], "#181c21", "#1f2329")]
        assert all(contrast(*pair) >= 4.5 for pair in pairs), colour


def test_a_category_keeps_its_colour_and_eight_differ() -> None:
    chosen = palette.colours(["cs.CL", "cs.CV", "q-bio.NC", "a", "b", "c", "d", "e"])
    assert len({colour.number for colour in chosen.values()}) == 8
    assert (chosen["cs.CL"].number, chosen["cs.CV"].number) == (0, 1)
    assert palette.colours(["q-bio.NC"]) == palette.colours(["q-bio.NC", "q-bio.NC"])
