"""What the workbench makes of a mail for each frame, on small pieces and on the demo's real mails."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from digest.cli.demo import two_days
from digest.cli.workbench.clients import (
    FRAMES,
    framed,
    in_scheme,
    in_word,
    recoloured,
    text_page,
    without_images,
    without_styles,
)
from digest.cli.workbench.markup import declarations, rewritten, rules, sheet


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, str], ...]:
    """(HTML, text) of the demo's two mails."""
    demo = two_days(tmp_path_factory.mktemp("demo"))
    return tuple((Path(mail.html).read_text("utf-8"), Path(mail.text).read_text("utf-8")) for mail in demo.mails)


class Words(HTMLParser):
    """What a reader sees: the text outside of styles, titles and comments."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words += data.split()


def test_every_frame_shows_every_word_of_a_real_mail(mails):
    for html, text in mails:
        for frame in FRAMES:
            shown = Words(frame.view(html if frame.part == "html" else text)).words
            assert shown == (Words(html).words if frame.part == "html" else text.split()), frame.name


def test_what_is_not_touched_comes_out_byte_for_byte(mails):
    for html, _ in mails:
        assert rewritten(html, tag=lambda _, attributes: attributes, css=lambda css: css) == html


def test_the_mails_own_dark_styles_hold_or_not_whatever_this_machine_has(mails):
    for html, _ in mails:
        assert "prefers-color-scheme: dark" in html
        dark, light = in_scheme(html, "dark"), in_scheme(html, "light")
        assert "prefers-color-scheme" not in dark + light
        assert "@media (min-width: 0)" in dark
        assert "@media (max-width: 0)" in light
        assert '<meta name="color-scheme" content="dark">' in dark
        assert '<meta name="color-scheme" content="light">' in light


@pytest.mark.parametrize(
    ("html", "dark"),
    [
        ("<style>:root { color-scheme: light dark; }</style>", "<style>:root { color-scheme: dark; }</style>"),
        # A mail that never turns dark stays light where everything else is dark.
        ("<style>:root { color-scheme: only light }</style>", "<style>:root { color-scheme: only light }</style>"),
        (
            "<style>@media screen and (Prefers-Color-Scheme:dark) { b { color: red } }</style>",
            "<style>@media screen and (min-width: 0) { b { color: red } }</style>",
        ),
        (
            '<source media="(prefers-color-scheme: light)" srcset=x>',
            '<source media="(max-width: 0)" srcset="x">',
        ),
        ("<p>(prefers-color-scheme: dark)</p>", "<p>(prefers-color-scheme: dark)</p>"),
    ],
)
def test_only_the_readers_scheme_is_decided(html, dark):
    assert in_scheme(html, "dark") == dark


def test_dropped_styles_leave_the_inline_ones(mails):
    for html, _ in mails:
        left = without_styles(html)
        assert "<style" not in re.sub(r"<!--.*?-->", "", left, flags=re.S)
        assert left.count(' style="') == html.count(' style="') > 100
    assert without_styles('<link rel="Stylesheet" href=x><link rel=icon><p>1') == "<link rel=icon><p>1"


def test_blocked_images_leave_their_words():
    html = (
        '<td background="x.png" style="color: red; background: url(y.png)"><img src="z.png" srcset="z" alt="A &lt; B">'
    )
    assert without_images(html) == '<td style="color: red"><img src="data:," alt="A &lt; B">'


@pytest.mark.parametrize(
    ("html", "word"),
    [
        ("<!--[if mso]><b>1</b><![endif]-->2", "<b>1</b>2"),
        ("<!--[if !mso]><!--><b>1</b><!--<![endif]-->2", "2"),
        ("<!--[if !mso]><!-- --><b>1</b><!--<![endif]-->2", "2"),
        ("<![if !mso]><b>1</b><![endif]>2", "2"),
        ("<!--[if (gte mso 9)|(IE)]>1<![endif]-->2", "12"),
        ("<!--[if lt mso 12]>1<![endif]-->2", "2"),
        ("<!--[if mso & IE]>1<![endif]-->2", "2"),
        ("<!--[if gt mso 15]>1<![endif]--><!-- kept -->2", "1<!-- kept -->2"),
        ("<!--[if vml]>1<![endif]-->2", "12"),
        ("<!--[if mso]><xml><o:PixelsPerInch>96</o:PixelsPerInch></xml>1<![endif]-->2", "12"),
    ],
)
def test_word_obeys_conditional_comments(html, word):
    assert in_word(html).partition("</style>")[2] == word


@pytest.mark.parametrize(
    ("html", "word"),
    [
        ('<div style="background-color: #eee; padding: 4px; width: 10px; color: red">', '<div style="color: red">'),
        ('<td style="padding: 4px; width: 10px; background: #eee">', None),
        ('<p style="padding: 4px; margin: 0 0 8px">', '<p style="margin: 0 0 8px">'),
        ('<table style="max-width: 640px; border-radius: 4px; margin: 0 auto">', "<table>"),
        ('<div style="display: none">', None),
        ('<div style="display: flex; opacity: .5">', "<div>"),
        ('<td style="text-align: end; background: linear-gradient(red, blue); color: rgba(0,0,0,.5)">', "<td>"),
        ('<td style="font: bold 15px/22px Georgia, serif">', None),
        (
            '<td style="font: bold 15px/22px Inter, sans-serif">',
            '<td style="font: bold 15px/22px &#x27;Times New Roman&#x27;">',
        ),
        ('<td style="font-family: system-ui">', '<td style="font-family: &#x27;Times New Roman&#x27;">'),
        (
            "<style>@media (max-width: 9px) { td { color: red } } /* x */ div { padding: 1px }"
            " td { padding: 1px }</style>",
            "<style>td { padding: 1px }</style>",
        ),
    ],
)
def test_word_drops_what_it_does_not_know(html, word):
    assert in_word(html).partition("</style>")[2] == (html if word is None else word)


def test_word_draws_the_mails_ghost_table_and_none_of_its_media(mails):
    for html, _ in mails:
        word = in_word(html)
        assert word.count("<table") == html.count("<table")
        assert re.sub(r"<!--.*?-->", "", html, flags=re.S).count("<table") < word.count("<table")
        assert "@media" not in word
        assert "[if" not in word


@pytest.mark.parametrize(
    ("html", "dark"),
    [
        ('<p style="color: #000">', '<p style="color: #ffffff">'),
        ('<p style="background: white url(x.png)">', '<p style="background: #121212 url(x.png)">'),
        ('<td bgcolor="#fff" style="border: 0 rgb(0, 0, 0)">', '<td bgcolor="#121212" style="border: 0 #ffffff">'),
        ('<p style="color: rgba(0, 0, 0, .5); width: 10px">', '<p style="color: #ffffff80; width: 10px">'),
        ("<style>@media (prefers-color-scheme: dark) { p {x: y} } b {color: #000}", "<style>b { color: #ffffff }"),
        ('<meta name="color-scheme" content="light dark"><p>#000 white', "<p>#000 white"),
    ],
)  # fmt: skip
def test_a_program_that_recolours_turns_lightness_round(html, dark):
    assert recoloured(html).partition("</style>")[2] == dark


def test_recoloured_twice_a_colour_keeps_its_hue():
    link = recoloured('<a style="color: #0b4a8f">').rpartition("color: #")[2][:6]
    red, green, blue = (int(link[at : at + 2], 16) for at in (0, 2, 4))
    assert red < green < blue
    assert blue > 200


def test_a_frame_opens_links_beside_it_and_goes_nowhere_by_itself():
    html = (
        '<base href="//x"><meta http-equiv=Refresh content="0"><a href="https://x/?a=1&amp;b">1</a><a href="#c1">2</a>'
    )
    assert framed(html).partition("</style>")[2] == (
        '<a href="https://x/?a=1&amp;b" target="_blank" rel="noreferrer">1</a><a href="#c1">2</a>'
    )


def test_the_text_part_is_only_text():
    page = text_page('<script>alert("1")</script> & so on')
    assert page.endswith("<pre>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; so on</pre>")


def test_tags_are_read_as_browsers_do():
    seen: list[tuple[str, dict[str, str]]] = []
    rewritten('<A HREF=x Title="a > b" data-n=\'"\' hidden><br/>', tag=lambda *one: seen.append(one) or one[1])
    assert seen == [("a", {"href": "x", "title": "a > b", "data-n": '"', "hidden": ""}), ("br", {})]


@pytest.mark.parametrize(
    ("css", "found"),
    [
        ("@import 'x;y'; a{b: c} @media x {d {e}}", [("@import 'x;y'", None), ("a", "b: c"), ("@media x", "d {e}")]),
        ('a { content: "}" } b { c: d', [("a", ' content: "}" '), ("b", "c: d")]),
        ("} } a{}", [("} } a", "")]),
        ("", []),
    ],
)  # fmt: skip
def test_style_sheets_are_read_by_their_braces(css, found):
    assert list(rules(css)) == found


def test_declarations_are_read_past_strings_and_brackets():
    style = "Color : red;; background: url(data:a;b) no-repeat; font-family: 'A;B', serif; broken; margin:0 !important"
    assert declarations(style) == [
        ("color", "red"),
        ("background", "url(data:a;b) no-repeat"),
        ("font-family", "'A;B', serif"),
        ("margin", "0 !important"),
    ]


def test_a_rule_of_which_nothing_is_left_is_dropped():
    css = (
        "@font-face { src: url(x) } p, td p { padding: 0 } a.p { padding: 0 } @media x { p { padding: 0; color: red } }"
    )

    def change(element, pairs):
        return [pair for pair in pairs if element != "p" or pair[0] != "padding"]

    assert sheet(css, change) == (
        "@font-face { src: url(x) }\na.p { padding: 0 }\n@media x {\np { color: red }\n}"
    )  # fmt: skip
