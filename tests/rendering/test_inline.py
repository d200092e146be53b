"""Inlining a template once and rendering it gives the document that rendering first and inlining afterwards gives."""

from __future__ import annotations

import re
from pathlib import Path

import lxml.html
import pytest

from digest.model.errors import TemplateError
from digest.rendering.build import build, prepare
from digest.rendering.inline import inline_document
from digest.rendering.ladder import STEPS, Step
from digest.rendering.library import Library, default_template_folder
from digest.rendering.view import LinksView
from tests.rendering.samples import DIGEST, SENDER, edition, item

LINKS = LinksView(
    unsubscribe="https://wren.example/unsubscribe/u",
    preferences="https://wren.example/preferences/p",
    read="https://wren.example/read/k",
    confirm="",
    never="",
)


def tree(html: str) -> list[tuple[str, dict[str, str], str]]:
    """Elements with attributes and texts, white space and comments aside."""
    root = lxml.html.document_fromstring(html)
    found: list[tuple[str, dict[str, str], str]] = []
    for element in root.iter():
        if isinstance(element.tag, str):
            texts = [element.text, *(child.tail for child in element)]
            text = re.sub(r"\s+", " ", " ".join(t for t in texts if t)).strip()
            style = re.sub(r"\s*([:;,])\s*", r"\1", element.get("style", ""))
            found.append((element.tag, {**dict(element.attrib), "style": style}, text.replace(" ", "")))
    return found


@pytest.mark.parametrize("step", [STEPS[0], STEPS[9], STEPS[-1], Step(papers=2)])
@pytest.mark.parametrize("papers", [0, 1, 12])
def test_inlined_once_equals_rendered_then_inlined(step: Step, papers: int) -> None:
    library = Library([default_template_folder()])
    categories = ("cs.CL", "cs.CV", "other", "q-bio.NC")
    many = [
        item(n, category=categories[n % 4], url="" if n == 3 else f"https://x.example/?a={n}&b=1")
        for n in range(1, papers + 1)
    ]
    ready = prepare((edition(*many, reason="It is Sunday.", notes=("cs.CL: holiday",)),), (DIGEST,), language="en")
    view = build(ready, step, sender=SENDER, links=LINKS, because="You get this because you joined.")
    context = {"view": view, "page": view}
    once = library.mail("edition.html.j2", context)
    after = inline_document(library.page("edition.html.j2", context))
    assert tree(once) == tree(after)


def test_no_template_mark_is_left() -> None:
    html = Library([default_template_folder()]).mail("edition.html.j2", _context())
    assert not re.search(r"zq[so]\d|\{[{%#]", html)


def _context() -> dict[str, object]:
    ready = prepare((edition(item()),), (DIGEST,), language="en")
    view = build(ready, STEPS[0], sender=SENDER, links=LINKS, because="")
    return {"view": view, "page": view}


def test_an_operators_part_hides_ours_and_is_seen_when_it_changes(tmp_path: Path) -> None:
    part = tmp_path / "parts" / "why.html.j2"
    part.parent.mkdir()
    part.write_text("<p>Ours: {{ item.score }}</p>")
    library = Library([tmp_path, default_template_folder()])
    assert "Ours: 94" in library.mail("edition.html.j2", _context())
    part.write_text("<p>Mine now: {{ item.score }}</p>")
    import os

    os.utime(part, ns=(1, 1))
    assert "Mine now: 94" in library.mail("edition.html.j2", _context())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<p>\n{{ item.scroe }}</p>", r"why\.html\.j2:2: .*no attribute 'scroe' – in: \{\{ item\.scroe \}\}"),
        ("<p>\n\n{% if item %}</p>", r"why\.html\.j2:3: .*endif.* – in: \{% if item %\}"),
        ('{% include "parts/none.j2" %}', r"template parts/none\.j2 is missing"),
    ],
)
def test_a_wrong_template_is_named_with_file_line_and_the_line(tmp_path: Path, source: str, message: str) -> None:
    part = tmp_path / "parts" / "why.html.j2"
    part.parent.mkdir()
    part.write_text(source)
    library = Library([tmp_path, default_template_folder()])
    with pytest.raises(TemplateError, match=message):
        library.mail("edition.html.j2", _context())
