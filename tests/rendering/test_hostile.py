"""Nothing a feed says runs, injects, overflows or makes the mail too large."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import lxml.html
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.model.editions import Edition, Item, Part
from digest.model.mail import Message
from digest.rendering.ladder import LIMIT
from digest.rendering.message import parts, stamp
from digest.rendering.render import Renderer
from tests.rendering.samples import DIGEST, SENDER, VALUES, edition, item

ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "div",
    "table",
    "tr",
    "td",
    "h1",
    "h2",
    "h3",
    "p",
    "a",
    "b",
    "br",
}
ATTACKS = {
    "script": "<script>alert(1)</script>",
    "template": "{{7*7}} {% if x %} {# y #}",
    "cdata": "]]> <![CDATA[ x",
    "conditional": "<!--[if mso]><b>x</b><![endif]-->",
    "closing": "</td></table></style></title>",
    "attribute": '" onmouseover="alert(1)" \' x=\'',
    "header": "Salt\r\nBcc: everybody@inbox.example\r\n\r\n<b>body</b>",
    "sentinel": "\x02unsubscribe\x03 \x02to\x03",
    "mask": "zqo0qz <!--zqs0qz-->",
    "unbroken": "W" * 3000,
    "bidi": "\u202eevil\u202c \u2067x",
    "zalgo": "z" + "\u0301\u0489\u20dd" * 400,
    "nul": "a\x00b\x92c",
    "surrogate": "a\ud800b",
    "rtl": "מדריך לקריאה ארוכה על חלונות ומלח",
    "entities": "&lt;b&gt; &amp;amp; &#x3c;",
    "astral": "𝕊𝕒𝕝𝕥 🧂" * 20,
}


def hostile(text: str, position: int = 1) -> Item:
    """A paper that carries ``text`` in every field."""
    return item(
        position,
        title=text,
        abstract=f"{text} {text}",
        authors=(text,) * 900,
        institutions=(text,) * 9,
        comment=text,
        url=f"javascript:{text}",
        code_url=f"javascript:{text}",
        pdf_url=text,
        project_url=f'https://x.example/"{text}',
        category=text[:30],
        categories=(text,),
        also=(text, f"url:{text}"),
        seen_in=(text, text),
        language=text,
        arxiv_id=None,
        doi=text,
        parts=(Part(key=text, points=3), Part(key="topic", points=4, figures={"keywords": (text,)})),
    )


def sent(message: Message) -> tuple[str, str, bytes]:
    raw = b"".join(stamp(message, VALUES))
    return (*parts(raw), raw)


def rendered(renderer: Renderer, *editions: Edition) -> Message:
    return renderer.edition(editions, (DIGEST,) * len(editions), sender=SENDER, language="en")


@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_a_feed_says_is_text(renderer: Renderer, name: str) -> None:
    text = ATTACKS[name]
    message = rendered(renderer, edition(hostile(text), hostile(text, 2), item(3), reason=text, notes=(text,)))
    html, plain, raw = sent(message)
    document = lxml.html.document_fromstring(html)
    assert {element.tag for element in document.iter() if isinstance(element.tag, str)} <= ALLOWED
    assert not [a for element in document.iter() for a in element.attrib if a.startswith("on")]
    assert all(re.match(r"https?://|mailto:|#p\d", url) for url in document.xpath("//@href"))
    assert html.count("<!--") == 3 and "49" not in message.subject
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail.keys().count("Bcc") == 0 and not mail.defects
    bad = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\u202a-\u202e\u2066-\u2069]")
    assert not bad.search(html + plain + message.subject + message.preheader)
    assert raw.count(b"uuuuuuuuuuuuuuuuuuuuuu") == sent(rendered(renderer, edition(item())))[2].count(b"u" * 22)


def test_long_runs_can_break_and_marks_are_few(renderer: Renderer) -> None:
    html, _, _ = sent(rendered(renderer, edition(hostile("W" * 3000))))
    visible = lxml.html.document_fromstring(html).xpath("//td//text()")
    assert max(map(len, re.findall(r"W+", " ".join(visible)))) == 32
    html, _, _ = sent(rendered(renderer, edition(hostile(ATTACKS["zalgo"]))))
    assert not re.search("[\u0300-\u036f\u0489\u20dd]{4}", html)


def test_right_to_left_titles_are_marked_so(renderer: Renderer) -> None:
    html, _, _ = sent(rendered(renderer, edition(item(title=ATTACKS["rtl"], abstract=ATTACKS["rtl"]))))
    assert lxml.html.document_fromstring(html).xpath("//*[@dir='rtl']/@lang") == ["he", "he"]


@pytest.mark.parametrize("papers", [0, 1, 5, 30, 50, 500, 5000])
def test_the_html_part_is_never_larger_than_98_kb(renderer: Renderer, papers: int) -> None:
    message = rendered(renderer, edition(*[item(n, abstract=item().abstract * 12) for n in range(1, papers + 1)]))
    html, text, _ = sent(message)
    assert len(html.encode()) <= LIMIT
    shown = {url for url in lxml.html.document_fromstring(html).xpath("//a/@href") if "arxiv.org/abs" in url}
    cut = re.search(r"And (\d+) more papers", html)
    assert len(shown) + (int(cut[1]) if cut else 0) == papers
    assert bool(cut) == ("more papers, which this mail has no room for" in text) == (papers > 500)


def test_a_huge_abstract_is_cut(renderer: Renderer) -> None:
    html, _, _ = sent(rendered(renderer, edition(item(abstract="Salt is heavy. " * 7000), item(2))))
    assert len(html) < 20_000


def test_many_joined_hostile_digests_stay_small(renderer: Renderer) -> None:
    noisy = edition(*[hostile("'&<" * 200, n) for n in range(1, 40)], reason="'" * 900, notes=("'" * 900,) * 90)
    html, _, _ = sent(rendered(renderer, *(noisy,) * 30))
    assert len(html.encode()) <= LIMIT


words = st.text(max_size=60) | st.sampled_from(sorted(ATTACKS.values())) | st.text(min_size=500, max_size=2500)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(words, words, st.integers(0, 100)), max_size=6),
    st.integers(1, 25),
    st.sampled_from(["full", "brief", "titles"]),
)
def test_size_and_escaping_hold_for_any_input(
    renderer: Renderer, said: list[tuple[str, str, int]], times: int, layout: str
) -> None:
    items = [
        item(n, title=title, abstract=abstract, score=score, category=title[:8], authors=(abstract,), comment=title)
        for n, (title, abstract, score) in enumerate(said * times, 1)
    ]
    html, _, raw = sent(rendered(renderer, edition(*items, layout=layout)))
    assert len(html.encode()) <= LIMIT
    document = lxml.html.document_fromstring(html)
    assert {element.tag for element in document.iter() if isinstance(element.tag, str)} <= ALLOWED
    assert max(map(len, raw.split(b"\r\n"))) <= 998
