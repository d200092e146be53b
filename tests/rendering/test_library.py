"""Templates: how they speak a language, how a wrong one is named, that none goes on for ever, that changes are seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pytest

from digest.model.errors import ConfigError, DigestError, TemplateError
from digest.rendering import bounded
from digest.rendering.language import ENGLISH, language_for
from digest.rendering.library import Library, default_template_folder
from digest.rendering.render import Renderer
from tests.rendering.samples import DIGEST, SENDER, edition, item

LONG = range(10**12)


@dataclass(frozen=True, slots=True)
class Paper:
    title: str = "Salt & <i>Windows</i>"
    votes: tuple[int, ...] = (3, 1, 2)


def written(folder: Path, name: str, source: str) -> Path:
    """A template in an operator's folder."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")
    return file


def body(html: str) -> str:
    """What stands in the body, without which premailer leaves no document."""
    return html.partition("<body>")[2].partition("</body>")[0].strip()


def mail(folder: Path, name: str, language: str = "en", **context: object) -> str:
    return Library([folder]).mail(name, {"paper": Paper(), **context}, language_for(language))


# --- languages --------------------------------------------------------------------------------------------------------


def test_values_in_a_message_are_escaped_in_html_and_the_message_is_not(tmp_path: Path) -> None:
    written(tmp_path, "a.html.j2", '<p>{{ _("<b>New</b>: %(title)s", title=paper.title) }}</p>')
    assert body(mail(tmp_path, "a.html.j2")) == "<p><b>New</b>: Salt &amp; &lt;i&gt;Windows&lt;/i&gt;</p>"
    assert "<b>New</b>: Salt &amp; &lt;i&gt;" in Library([tmp_path]).page("a.html.j2", {"paper": Paper()})


def test_values_in_a_message_are_not_escaped_in_text(tmp_path: Path) -> None:
    written(tmp_path, "a.txt.j2", '{{ _("New: %(title)s", title=paper.title) }}')
    assert mail(tmp_path, "a.txt.j2") == "New: Salt & <i>Windows</i>"
    assert Library([tmp_path]).page("a.txt.j2", {"paper": Paper()}) == "New: Salt & <i>Windows</i>"


def test_a_value_that_is_markup_is_not_escaped_again(tmp_path: Path) -> None:
    written(
        tmp_path, "a.html.j2", '<p>{{ _("%(a)s %(b)s", a=_("x &amp; y"), b=paper.title | soft) | soft | nobreak }}</p>'
    )
    assert "<p>x&nbsp;&amp;" in body(mail(tmp_path, "a.html.j2")).replace("\xa0", "&nbsp;")
    assert "&lt;i&gt;" in mail(tmp_path, "a.html.j2")


def test_counts_take_the_plural_form_and_group_digits(tmp_path: Path) -> None:
    count = '{{ count("%(n)s paper of %(t)s", "%(n)s papers of %(t)s", number, t=paper.title) }}'
    written(tmp_path, "a.html.j2", f"<p>{count}</p>")
    assert "1 paper of Salt &amp; " in mail(tmp_path, "a.html.j2", number=1)
    assert "1,234 papers of Salt &amp; " in mail(tmp_path, "a.html.j2", number=1234)


def test_messages_stand_in_includes_conditions_and_loops(tmp_path: Path) -> None:
    written(tmp_path, "a.txt.j2", '{% include "b.txt.j2" %}')
    source = (
        '{% for vote in paper.votes if _("yes") %}{% if _("yes") == "yes" %}'
        '{{ _("%(v)s up", v=vote) }} {% endif %}{% endfor %}'
    )
    written(tmp_path, "b.txt.j2", source)
    assert mail(tmp_path, "a.txt.j2") == "3 up 1 up 2 up "
    assert Library([tmp_path]).page("a.txt.j2", {"paper": Paper()}) == "3 up 1 up 2 up "


def test_a_sign_of_percent_needs_no_doubling_where_nothing_is_filled_in(tmp_path: Path) -> None:
    written(tmp_path, "a.txt.j2", '{{ _("100 % of it") }} {{ _("%(n)s %% of it", n=5) }}')
    assert mail(tmp_path, "a.txt.j2") == "100 % of it 5 % of it"


def test_one_template_speaks_every_language_without_being_compiled_again(tmp_path: Path) -> None:
    written(tmp_path, "a.txt.j2", '{{ count("%(n)s", "%(n)s", 12345) }}')
    library = Library([tmp_path])
    said = {code: library.mail("a.txt.j2", {}, language_for(code)) for code in ("en", "en-IN")}
    assert said == {"en": "12,345", "en-IN": "12,345"}
    assert len(library._held) == 1


@pytest.mark.parametrize("call", ['_("at %(place)s", time=1)', '_("at %(place)s")', 'count("%(m)s", "%(m)s", 2)'])
@pytest.mark.parametrize("name", ["a.html.j2", "a.txt.j2"])
def test_a_message_with_a_value_that_is_not_given_is_named_with_its_line(tmp_path: Path, name: str, call: str) -> None:
    file = written(tmp_path, name, f"<p>\n{{{{ {call} }}}}</p>")
    with pytest.raises(TemplateError) as caught:
        mail(tmp_path, name)
    assert caught.value.where == f"{file}:2"
    assert "is given" in caught.value.what
    assert caught.value.what.endswith(f"– in: {{{{ {call} }}}}</p>")


# --- wrong templates --------------------------------------------------------------------------------------------------

WRONG = {
    "a statement that is not closed": ("<p>\n{% if page %}</p>", 2, r"endif"),
    "a tag of Jinja that does not exist": ("<p>\n\n{% fro x in y %}</p>", 3, r"unknown tag 'fro'"),
    "an output that is not closed": ("<p>\n{{ page.subject }</p>", 2, r"unexpected '}'"),
    "a field that does not exist": ("<p>\n{{ page.sbuject }}</p>", 2, r"PageView has no field 'sbuject'"),
    "a field of a loop's value that does not exist": (
        "{% for d in view.digests %}\n<p>{{ d.hedaing }}</p>\n{% endfor %}", 2, r"DigestView has no field 'hedaing'",
    ),
    "a name that does not exist": ("<p>{{ pgae }}</p>", 1, r"'pgae' is undefined"),
    "a filter that does not exist": ("<p>\n{{ page.subject | sfot }}</p>", 2, r"No filter named 'sfot'"),
    "a division by nothing": ("<p>\n{{ 1 // 0 }}</p>", 2, r"ZeroDivisionError"),
    "a value of the wrong kind": ("<p>\n{{ page.subject + 1 }}</p>", 2, r"TypeError"),
    "a loop over a number": ("{% for x in view.more %}\n{% endfor %}", 1, r"TypeError"),
    "an include that is missing": ('<p>\n{% include "parts/none.html.j2" %}</p>', 2, r"none\.html\.j2 is missing"),
    "a statement inside a tag": ('<p>a</p>\n<p class="x{% if page %} y{% endif %}">b</p>', 2, r"inside a tag"),
    "a statement between attributes": ('<p\n{% if page %} dir="ltr"{% endif %}>b</p>', 2, r"inside a tag"),
    "an include with a name from a field": ("<p>\n{% include page.subject %}</p>", 2, r"one literal name"),
    "an import": ('{% import "parts/foot.html.j2" as foot %}', 1, r"no \{% import %\} in a mail"),
    "a layout that is extended": ('{% extends "edition.html.j2" %}', 1, r"no \{% extends %\} in a mail"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "line", "what"), WRONG.values(), ids=WRONG)
def test_an_operators_wrong_part_is_named_and_ours_is_not_used(
    tmp_path: Path, source: str, line: int, what: str
) -> None:
    file = written(tmp_path, "parts/foot.html.j2", source)
    renderer = Renderer([tmp_path, default_template_folder()])
    for _ in range(2):  # a second rendering must not find anything left over
        with pytest.raises(TemplateError, match=what) as caught:
            renderer.edition((edition(item()),), (DIGEST,), sender=SENDER)
        assert caught.value.where == f"{file}:{line}"
        assert caught.value.what.endswith(f"– in: {source.splitlines()[line - 1].strip()}")
        assert caught.value.try_


def test_a_part_that_was_right_and_is_now_wrong_is_not_printed_as_it_was(tmp_path: Path) -> None:
    library = Library([tmp_path])
    file = written(tmp_path, "a.html.j2", "<p>{{ paper.title }}</p>")
    context = {"paper": Paper()}
    assert "Salt" in library.mail("a.html.j2", context, ENGLISH)
    file.write_text("<p>{{ paper.title</p>")
    os.utime(file, ns=(1, 1))
    for _ in range(2):
        with pytest.raises(TemplateError, match=r"a\.html\.j2:1"):
            library.mail("a.html.j2", context, ENGLISH)
    file.write_text("<p>{{ paper.votes | sum }}</p>")
    os.utime(file, ns=(2, 2))
    assert body(library.mail("a.html.j2", context, ENGLISH)) == "<p>6</p>"


def test_a_statement_inside_an_inlined_style_is_named(tmp_path: Path) -> None:
    css = written(tmp_path, "css/mail.css", "p { margin: 0; }\n{% if paper %}p { color: red; }{% endif %}")
    written(
        tmp_path,
        "a.html.j2",
        '<html><head><style>{% include "css/mail.css" %}</style></head><body><p>a</p></body></html>',
    )
    with pytest.raises(TemplateError, match="inlining the styles") as caught:
        mail(tmp_path, "a.html.j2")
    assert caught.value.where == f"{css}:2"


@pytest.mark.parametrize(
    "source",
    [
        "<p>{{ paper.title }}</p><!-- {% if paper %} -->",
        '<p title="a > b"><b title=\'{{ paper.title }}\'>{{ "%}" }}</b></p>',
        "{# <p {% if paper %}> #}<p>a</p>",
        '<p class="{{ "a" if paper.votes else "b" }}">5 < 7 {% if 3 < 4 %}and 1 > 0{% endif %}</p>',
        "<p>{% raw %}{{ {% endraw %}</p>",
    ],
)
def test_what_only_looks_wrong_is_not_refused(tmp_path: Path, source: str) -> None:
    written(tmp_path, "a.html.j2", source + ("{% endif %}" if "<!--" in source else ""))
    assert "</p>" in mail(tmp_path, "a.html.j2")


def test_pages_may_hold_what_mails_may_not(tmp_path: Path) -> None:
    written(tmp_path, "base.html.j2", '<p{% if paper %} dir="ltr"{% endif %}>{% block inner %}{% endblock %}</p>')
    written(tmp_path, "a.html.j2", '{% extends "base.html.j2" %}{% block inner %}{{ paper.votes | sum }}{% endblock %}')
    assert Library([tmp_path]).page("a.html.j2", {"paper": Paper()}) == '<p dir="ltr">6</p>'


# --- endless templates ------------------------------------------------------------------------------------------------

ENDLESS = {
    "nested ranges": (
        "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}x"
        "{% endfor %}{% endfor %}{% endfor %}"
    ),
    "nested loops that print nothing": (
        "{% for a in range(999) %}{% for b in range(999) %}{% if a %}{% endif %}{% endfor %}{% endfor %}"
    ),
    "a huge range": "{% for a in range(10 ** 12) %}x{% endfor %}",
    "a range too long to be counted": "{% for a in range(10 ** 40) %}x{% endfor %}",
    "a huge range that is made into a list": "{{ range(10 ** 10) | list | length }}",
    "a huge range from outside": "{% for a in long %}x{% endfor %}",
    "a loop over what never ends": "{% for a in forever %}x{% endfor %}",
    "a filtered loop over what never ends": "{% for a in forever | select %}x{% endfor %}",
    "a loop that chooses nothing from what never ends": "{% for a in forever if not a %}x{% endfor %}",
    "a loop that calls itself": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "a loop that calls itself twice": (
        "{% for a in [1, 2] recursive %}{% if loop.depth < 60 %}{{ loop([1, 2]) }}{% endif %}{% endfor %}"
    ),
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a macro that calls itself twice": (
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}"
    ),
    "a text a thousand million times": '{{ "x" * 10 ** 9 }}',
    "a text of texts": '{{ (("x" * 90000) * 90000) * 90000 }}',
    "a list a thousand million times": "{{ ([0] * 10 ** 9) | length }}",
    "a number without end": "{{ 9 ** (9 ** 9) }}",
    "a text that doubles": (
        "{% set ns = namespace(t='xx') %}{% for a in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}"
    ),
    "much too much text": "{% for a in range(9000) %}{{ 'x' * 90000 }}{% endfor %}",
    "much too much text in a block": (
        "{% set all %}{% for a in range(9000) %}{{ 'x' * 90000 }}{% endfor %}{% endset %}{{ all | length }}"
    ),
}


def forever():
    """Ones without end, but a test that reads far too many of them fails."""
    for _ in range(10 * bounded.TURNS):
        yield 1
    raise AssertionError("nobody counted")


@pytest.mark.parametrize("name", ["a.html.j2", "a.txt.j2"])
@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_a_template_that_does_not_end_is_stopped_and_named(
    tmp_path: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "TURNS", 20_000)
    monkeypatch.setattr(bounded, "CHARACTERS", 1_000_000)
    file = written(tmp_path, name, f"<p>one</p>\n{source}")
    library = Library([tmp_path, default_template_folder()])
    for act in (library.mail, library.page):
        with pytest.raises(TemplateError, match=r"more than [\d,]+|without end|does not end") as caught:
            act(name, {"long": LONG, "forever": forever()}, ENGLISH)
        assert caught.value.where == f"{file}:2"
        assert "– in: " in caught.value.what


def test_a_loop_that_adds_to_its_own_list_takes_what_was_there_before(tmp_path: Path) -> None:
    written(tmp_path, "a.txt.j2", "{% set l = [1, 2] %}{% for a in l %}{{ l.append(a) or a }}{% endfor %}{{ l | sum }}")
    assert mail(tmp_path, "a.txt.j2") == "126"


def test_parts_that_include_each_other_are_named_with_their_circle(tmp_path: Path) -> None:
    written(tmp_path, "a.html.j2", '<p>a</p>{% include "b.html.j2" %}')
    file = written(tmp_path, "b.html.j2", '<p>b</p>\n{% include "a.html.j2" %}')
    with pytest.raises(TemplateError, match=r"a\.html\.j2 → b\.html\.j2 → a\.html\.j2 – in: ") as caught:
        mail(tmp_path, "a.html.j2")
    assert caught.value.where == f"{file}:2"
    with pytest.raises(TemplateError, match="without end"):
        Library([tmp_path]).page("a.html.j2", {})


def test_pages_that_include_themselves_twice_as_often_each_time_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "TURNS", 2_000)
    source = "{% set n = n - 1 %}{% if n %}" + '{% include "a.html.j2" %}' * 2 + "{% endif %}"
    written(tmp_path, "a.html.j2", source)
    with pytest.raises(TemplateError, match=r"does not end|without end"):
        Library([tmp_path]).page("a.html.j2", {"n": 60})
    written(tmp_path, "b.html.j2", "{% block b %}{% if n %}{{ self.b() }}{{ self.b() }}{% endif %}{% endblock %}")
    with pytest.raises(TemplateError, match=r"does not end|without end"):
        Library([tmp_path]).page("b.html.j2", {"n": 60})


def test_what_one_rendering_took_is_not_missing_in_the_next(tmp_path: Path) -> None:
    written(tmp_path, "a.txt.j2", "{% for a in range(200000) %}{% endfor %}ok")
    library = Library([tmp_path])
    assert [library.mail("a.txt.j2", {}, ENGLISH) for _ in range(3)] == ["ok"] * 3


def test_five_hundred_papers_are_no_endless_loop() -> None:
    papers = [item(n) for n in range(1, 501)]
    renderer = Renderer([default_template_folder()])
    message = renderer.edition((edition(*papers),), (DIGEST,), sender=SENDER)
    assert b"Part 1:" in message.content


def test_the_loop_variable_is_as_jinja_documents_it(tmp_path: Path) -> None:
    each = (
        "{{ x }} {{ loop.index }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }}"
        " {{ loop.last }} {{ loop.length }} {{ loop.cycle('a', 'b') }} {{ loop.changed(x) }}"
        " {{ loop.previtem if not loop.first }}"
        " {{ loop.nextitem if not loop.last }} {{ loop.depth }};"
    )
    sources = (
        f"{{% for x in {values} %}}{each}{{% else %}}none{{% endfor %}}"
        for values in (
            "()",
            "(7,)",
            "(3, 3, 4)",
            "[3, 3, 4]",
            "range(3)",
            "few | map('upper')",
            "{'a': 1, 'b': 2}",
            "few",
        )
    )
    tree = (
        "{% for x in tree recursive %}<{{ loop.depth }}{{ x }}{{ loop(inner[x]) if x in inner }}"
        "{{ loop.last }}>{% endfor %}"
    )
    # Asked only in the middle, of a loop that leaves some out.
    odd = (
        "{% for x in (1, 2, 3, 4) if x != 3 %}{% if x == 2 %}{{ loop.nextitem }}{{ loop.last }}{% endif %}{{ x }}"
        "{% endfor %}"
    )
    source = "\n".join((*sources, tree, odd, "{% for a, b in pairs %}{{ a }}{{ b }}{{ loop.last }}{% endfor %}"))
    context: Mapping[str, object] = {
        "few": "abc", "tree": (1, 2), "inner": {1: (5, 6), 6: (7,)}, "pairs": ((1, 2), (3, 4)),
    }  # fmt: skip
    written(tmp_path, "a.txt.j2", source)
    expected = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(source).render(context)
    assert Library([tmp_path]).mail("a.txt.j2", context, ENGLISH) == expected
    assert Library([tmp_path]).page("a.txt.j2", context) == expected


def test_arithmetic_is_as_jinja_does_it(tmp_path: Path) -> None:
    source = (
        "{{ 6 * 7 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1.5 * 2 }} {{ 'ab' * 3 }} {{ 3 * [1] }} {{ 'ab' * -1 }}"
        " {{ (1, 2) * 2 }}"
    )
    written(tmp_path, "a.txt.j2", source)
    assert mail(tmp_path, "a.txt.j2") == jinja2.Environment().from_string(source).render()


def test_values_that_are_no_records_are_read_as_jinja_reads_them(tmp_path: Path) -> None:
    source = (
        "<p>{{ link.url }} {{ link.items }} {{ paper.title }} {{ link.none is defined }} {{ paper.none is defined }}"
        " {{ nil.at if nil is defined }} {{ link['url'] }} {{ (1).real }} {{ 'a b'.title() }} {{ nil is defined }}"
        " {{ true }} {{ 1.5 }} {{ 7 }} {{ 'x' if false }} {{ links | map(attribute='url') | join(' ') }}"
        " {{ papers | map(attribute='title') | join(', ') }} {{ links | map(attribute='n', default=3) | sum }}"
        " {{ papers | map(attribute='votes.1') | sum }} {{ 'ab' | map('upper') | join }}</p>"
    )
    written(tmp_path, "a.html.j2", source)
    link = {"url": "a&b", "items": 3}
    context = {"link": link, "paper": Paper(), "links": (link, link), "papers": (Paper(), Paper())}
    plain = jinja2.Environment(autoescape=True).from_string(source)
    told = plain.render(context)
    assert Library([tmp_path]).page("a.html.j2", context) == told
    assert body(Library([tmp_path]).mail("a.html.j2", context, ENGLISH)) == told


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_part_that_is_added_changed_or_removed_is_seen_at_the_next_rendering(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    written(ours, "a.html.j2", '<p>{% include "parts/b.html.j2" %}</p>')
    written(ours, "parts/b.html.j2", "ours")
    library = Library([theirs, ours])

    def both() -> tuple[str, str]:
        return body(library.mail("a.html.j2", {}, ENGLISH)), library.page("a.html.j2", {})

    assert both() == ("<p>ours</p>", "<p>ours</p>")
    file = written(theirs, "parts/b.html.j2", "theirs")
    assert both() == ("<p>theirs</p>", "<p>theirs</p>")
    file.write_text("changed")
    os.utime(file, ns=(1, 1))
    assert both() == ("<p>changed</p>", "<p>changed</p>")
    file.unlink()
    assert both() == ("<p>ours</p>", "<p>ours</p>")


def test_an_inliner_that_is_unknown_or_not_installed_is_refused_before_any_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match=r"no inliner 'juice'.*premailer, css-inline"):
        Library([default_template_folder()], "juice")
    monkeypatch.setitem(sys.modules, "css_inline", None)
    with pytest.raises(ConfigError, match=r"css-inline is not installed.*digest-papers\[fast\]"):
        Library([default_template_folder()], "css-inline")
    assert issubclass(ConfigError, DigestError)
