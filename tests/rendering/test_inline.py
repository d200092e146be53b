"""Inlining a template once and rendering it gives the document that rendering first and inlining afterwards gives, and
either inliner gives the same.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import lxml.html
import pytest

from digest.model.editions import Digest, Edition
from digest.rendering.inline import ENGINES, inline_document, inline_template
from digest.rendering.language import ENGLISH, Language
from digest.rendering.library import Library, default_template_folder
from digest.rendering.render import Renderer
from tests.rendering.reading import unmarked
from tests.rendering.samples import DIGEST, SENDER, SLOT, VALUES, card, edition, item, said, silence

CATEGORIES = ("cs.CL", "cs.CV", "other", "q-bio.NC")
Call = tuple[str, Mapping[str, object], Language]
Node = tuple[str, dict[str, str], dict[str, str], str]


# --- what is compared -------------------------------------------------------------------------------------------------


def computed(style: str) -> dict[str, str]:
    """The declarations that hold: a later one hides an earlier, a shorthand what it stands for; names without order."""
    held: dict[str, str] = {}
    for declaration in re.split(r";(?![^(]*\))", style):
        name, colon, value = declaration.partition(":")
        if colon:
            name = name.strip().lower()
            hidden = {"font": ("line-height",)}.get(name, ())
            for other in [one for one in held if one.startswith(f"{name}-") or one in hidden]:
                del held[other]
            held.pop(name, None)
            value = re.sub(r"\s*,\s*", ",", re.sub(r"\s+", " ", value.strip()))
            held[name] = re.sub(r"#([0-9a-f])\1([0-9a-f])\2([0-9a-f])\3\b", r"#\1\2\3", value)
    return held


def tree(html: str) -> list[Node]:
    """Elements with attributes, computed inline declarations and texts; white space and comments aside."""
    root = lxml.html.document_fromstring(unmarked(html, VALUES))
    found: list[Node] = []
    for element in root.iter():
        if isinstance(element.tag, str):
            texts = [element.text, *(child.tail for child in element)]
            text = re.sub(r"\s+", "", " ".join(t for t in texts if t))
            # nowrap, nowrap="" and nowrap="nowrap" are one.
            attributes = {name: "" if value == name else value for name, value in element.attrib.items()}
            attributes.pop("style", None)
            found.append((element.tag, attributes, computed(element.get("style", "")), text))
    return found


def remarks(html: str) -> list[str]:
    """The conditional comments."""
    return [re.sub(r"\s+", "", one) for one in re.findall(r"<!--.*?-->", html, re.DOTALL)]


class Recording(Library):
    """A library that remembers the HTML it was asked for."""

    def __init__(self, folders: Sequence[Path], inliner: str = "premailer") -> None:
        super().__init__(folders, inliner)
        self.calls: list[Call] = []

    def mail(self, name: str, context: Mapping[str, object], language: Language) -> str:
        if name.endswith(".html.j2"):
            self.calls.append((name, context, language))
        return super().mail(name, context, language)


def recorded(*folders: Path) -> tuple[Renderer, Recording]:
    renderer, library = (
        Renderer([*folders, default_template_folder()]),
        Recording([*folders, default_template_folder()]),
    )
    renderer._library = library
    return renderer, library


def several(papers: int) -> Edition:
    """An edition of papers of four categories, some without a link, an abstract or figures."""
    bare: dict[str, object] = {
        "url": "", "abstract": "", "authors": (), "parts": (), "also": (), "code_url": "", "upvotes": None,
    }  # fmt: skip
    items = (
        item(n, category=CATEGORIES[n % 4], **bare if n % 5 == 3 else {"url": f"https://x.example/?a={n}&b=1"})
        for n in range(1, papers + 1)
    )
    return edition(*items, reason=said("It is Sunday."), notes=silence(), cards=(card(), card(h_index=None, url="")))


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    """What each kind of mail is made from: editions of all layouts and sizes, joined ones, the notices."""
    renderer, library = recorded()
    last: list[Call] = []

    def made(*editions: Edition, language: str = "en") -> None:
        digests: tuple[Digest, ...] = (DIGEST,) * len(editions)
        renderer.edition(editions, digests, sender=SENDER, language=language)
        last.append(library.calls[-1])  # the step of the ladder that fits

    for papers in (0, 1, 12, 60, 500):
        made(several(papers))
    made(edition(*(item(n) for n in range(1, 13)), layout="brief"))
    made(edition(*(item(n) for n in range(1, 13)), layout="titles"))
    made(several(3), several(4))
    notices: Mapping[str, dict[str, object]] = {
        "confirmation": {"digests": ("The Morning Papers", "The Evening Papers")},
        "welcome": {"rhythm": "every weekday at 08:00", "edition": several(3)},
        "goodbye": {},
        "bounce": {"number": 3, "remote": "550 5.1.1 no such user"},
        "alert": {"title": "Source broken", "lines": ("It answered 404.", "Twice."), "advice": "Look at it."},
    }
    for kind, context in notices.items():
        for given in (context, {"lines": (), "title": "x", "number": 1} if kind in ("alert", "bounce") else {}):
            renderer.notice(
                kind, sender=SENDER, digest=DIGEST, language="en", date=SLOT.at, key="k", context=given
            )  # fmt: skip
            last.append(library.calls[-1])
    return last


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_inlined_once_equals_rendered_then_inlined(engine: str, calls: list[Call]) -> None:
    library = Library([default_template_folder()], engine)
    assert {name for name, _, _ in calls} >= {"edition.html.j2", "mail/welcome.html.j2", "mail/alert.html.j2"}
    for name, context, language in calls:
        once = library.mail(name, context, language)
        after = inline_document(unmarked(library.page(name, context, language), VALUES), engine)
        assert tree(once) == tree(after)
        assert remarks(once) == remarks(after)


def test_both_inliners_put_the_same_declarations_onto_the_same_elements(calls: list[Call]) -> None:
    ours, theirs = (Library([default_template_folder()], engine) for engine in ENGINES)
    for name, context, language in calls:
        one, other = ours.mail(name, context, language), theirs.mail(name, context, language)
        assert tree(one) == tree(other)
        assert remarks(one) == remarks(other)
        assert abs(len(one) - len(other)) <= len(one) // 50


@pytest.mark.parametrize("engine", ENGINES)
def test_no_mark_of_the_inlining_is_left(engine: str, calls: list[Call]) -> None:
    library = Library([default_template_folder()], engine)
    for name, context, language in calls:
        html = library.mail(name, context, language)
        assert not re.search(r"zq[sok]\d|\{[{%#]|data-keep|data-premailer|data-css-inline|data-ours", html)
        assert html.startswith("<!DOCTYPE html>")
        assert html.count("<style") == 1 + html.count("<!--[if mso]><style")
        assert "prefers-color-scheme" in html
        assert "[data-ogsc]" in html


@pytest.mark.shared
def test_inlined_once_equals_rendered_then_inlined_on_every_day_of_the_archive() -> None:
    from tests.acceptance.mails import days, on, paper

    renderer, library = recorded()
    every = days()
    assert len(every) > 300
    for day, rows in every:
        library.calls.clear()
        items = [paper(row, position) for position, row in enumerate(rows[:50], 1)]
        renderer.edition((edition(*items, **on(day)),), (DIGEST,), sender=SENDER)
        name, context, language = library.calls[-1]
        once = library.mail(name, context, language)
        assert tree(once) == tree(inline_document(unmarked(library.page(name, context, language), VALUES))), day


TEMPLATE = """<!DOCTYPE html>
<html><head><title>{% if a %}A & {{ a }}{% else %}none{% endif %}</title>
<style>td { color: red; } .x { color: {{ colour }}; margin: 0 } p.x { margin-top: 4px; } .never { color: #123456; }</style>
<style data-keep>.x { color: blue !important; } @media (max-width: {{ wide }}px) { .y { color: {{ colour }} } }</style>
<!--[if mso]><style>{% if a %}td { font: {{ a }} }{% endif %}</style><![endif]--><!-- gone {% if a %} --></head>
<body>{% endif %}<!--[if !mso]><!--><p class="x y">&nbsp;{{ a }}</p><!--<![endif]-->
<table><tr><td>{% for b in bs %}<a href="{{ b }}?a=1&amp;b={{ b }}" style="top:{{ loop.index }}px">{{ b }}</a>{% endfor %}</td></tr>
{% for b in bs %}{% if b %}<tr><td class="x z">{{ b }}</td></tr>{% endif %}{% endfor %}</table>
<table><thead><tr><td>h</td></tr></thead><tbody class="x">{% for b in bs %}<tr><td>{{ b }}</td></tr>{% endfor %}</tbody></table>
</body></html>"""  # noqa: E501


@pytest.mark.parametrize("engine", ENGINES)
def test_marks_stand_in_titles_styles_comments_attributes_and_between_rows(engine: str, tmp_path: Path) -> None:
    (tmp_path / "a.html.j2").write_text(TEMPLATE)
    library = Library([tmp_path], engine)
    for context in (
        {"a": "<i>", "bs": ("1", "2", "", "a&b"), "colour": "#ff0000", "wide": 640},
        {"a": "A", "bs": (), "colour": "green", "wide": 1},
    ):
        once = library.mail("a.html.j2", context, ENGLISH)
        after = inline_document(library.page("a.html.j2", context), engine)
        assert tree(once) == tree(after)
        assert remarks(once) == remarks(after)
        assert f"(max-width: {context['wide']}px) {{ .y {{ color: {context['colour']} }} }}</style>" in once
        assert "gone" not in once
        assert once.count("<tbody") == once.count("</tbody") == 1
        assert 'class="x y"' in once
        assert 'class="x z"' not in once
    assert "<style>.x { color: blue !important; }" in once


@pytest.mark.parametrize("engine", ENGINES)
def test_statements_keep_their_order_and_number(engine: str) -> None:
    marks = re.compile(r"\{%.*?%\}")
    # A comment holds none that is left out: what it holds is run.
    assert marks.findall(inline_template(TEMPLATE, engine)) == marks.findall(TEMPLATE)


def test_nothing_that_fetches_is_imported_to_inline() -> None:
    """In a process of its own, for this one may know it already; and others find the real one afterwards."""
    code = (
        "import sys; from digest.rendering.inline import engine_for;"
        "print(engine_for('premailer')('<p>a</p>')); print('requests' in sys.modules, 'urllib3' in sys.modules);"
        "import requests; print(requests.get.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "<p>a</p>" in done.stdout
    assert done.stdout.endswith("\nFalse False\nget\n")
