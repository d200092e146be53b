"""docs/templates.md names every field of every view, with its type, and every template that exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from digest.rendering import palette, view
from digest.rendering.library import Library, default_template_folder

DOC = Path(__file__).parents[2] / "docs" / "templates.md"
VIEWS = (
    view.PageView, palette.AccentView, view.LinksView, view.EditionView, view.ContentsView, view.DigestView,
    view.CardView, view.FigureView, view.SectionView, view.ItemView, view.WhyView, view.LinkView, palette.ColourView,
)  # fmt: skip
VERSION_1 = {
    "PageView": (
        "version subject preheader language direction start end comma gap mark title date accent logo header footer "
        "links sender postal_address"
    ),
    "AccentView": "rule link dark_rule dark_link",
    "LinksView": "unsubscribe preferences read confirm never",
    "EditionView": "summary lead contents digests more because",
    "ContentsView": "heading items",
    "DigestView": "heading summary intro cards reason notes sections silence",
    "CardView": "name url direction institutions category figures",
    "FigureView": "name value",
    "SectionView": "title category colour count items rows",
    "ItemView": (
        "number title url title_direction title_language authors institutions who_direction category "
        "colour score bar bar_rest facts comment abstract abstract_direction abstract_language why "
        "actions also brief"
    ),
    "WhyView": "text points",
    "LinkView": "text url",
    "ColourView": "number ink tint",
}


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
    ours = {
        name
        for name, made in library._env.filters.items()
        if made.__module__.startswith("digest.") and name.isidentifier()
    }
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


def test_every_colour_can_be_read_on_its_grounds_in_light_and_dark() -> None:
    css = (default_template_folder() / "css" / "kept.css").read_text("utf-8")
    for colour in palette.PALETTE:
        dark = re.search(rf"\.t{colour.number} {{ color: (#\w+) !important; background-color: (#\w+)", css)
        assert dark
        pairs = [(colour.ink, ground) for ground in (colour.tint, "#ffffff", "#f7f5ef")]
        pairs += [(dark[1], ground) for ground in (dark[2], "#181c21", "#1f2329")]
        assert all(palette.contrast(*pair) >= 4.5 for pair in pairs), colour


@pytest.mark.parametrize("colour", ["#ffcc00", "#000000", "#ffffff", "#7f7f7f", "#0b4a8f", "#FF0000", "#00ff00"])
def test_any_accent_can_be_read_in_light_and_dark(colour: str) -> None:
    made = palette.accent(colour)
    assert all(palette.contrast(made.link, ground) >= 4.5 for ground in palette.LIGHT)
    assert all(palette.contrast(made.dark_link, ground) >= 4.5 for ground in palette.DARK)
    assert palette.contrast("#ffffff", made.link) >= 4.5 and palette.contrast("#101317", made.dark_link) >= 4.5


def test_an_accent_that_can_be_read_stays_and_another_text_is_none() -> None:
    assert palette.accent("#0b4a8f").link == "#0b4a8f"
    assert palette.accent("red") == palette.accent("") == palette.PLAIN


def test_contrast_is_that_of_the_standard() -> None:
    assert palette.contrast("#000000", "#ffffff") == 21
    assert round(palette.contrast("#767676", "#ffffff"), 2) == 4.54


def test_a_renamed_or_removed_field_is_a_new_version() -> None:
    """What templates of version 1 may use. A name that is gone from here needs another version, and this list anew."""
    assert view.VERSION == 1
    for name, given in VERSION_1.items():
        kept = {field.name for one in VIEWS if one.__name__ == name for field in fields(one)}
        assert set(given.split()) <= kept, name


def test_a_category_keeps_its_colour_and_eight_differ() -> None:
    chosen = palette.colours(["cs.CL", "cs.CV", "q-bio.NC", "a", "b", "c", "d", "e"])
    assert len({colour.number for colour in chosen.values()}) == 8
    assert (chosen["cs.CL"].number, chosen["cs.CV"].number) == (0, 1)
    assert palette.colours(["q-bio.NC"]) == palette.colours(["q-bio.NC", "q-bio.NC"])
