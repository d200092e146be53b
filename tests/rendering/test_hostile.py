"""Nothing a feed or an operator's setting says runs, injects, overflows, or makes the mail too large."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.model.editions import Look
from digest.model.mail import Message
from digest.rendering.ladder import LIMIT
from digest.rendering.language import LANGUAGES
from digest.rendering.render import Renderer
from digest.rendering.text import width
from tests.rendering.hostile import ARABIC, CRLF, EMOJI, HOSTILE, QUOTES, ZALGO, Hostile, as_fed, everywhere
from tests.rendering.reading import Sent, sent
from tests.rendering.samples import ABSTRACT, DIGEST, SENDER, SLOT, card, edition, item, said

#: What a mail is made of. Whatever else appears came in with a text.
ALLOWED = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "div",
        "table",
        "tbody",
        "tr",
        "td",
        "h1",
        "h2",
        "h3",
        "p",
        "a",
        "b",
        "br",
        "span",
    ]
)
HARMFUL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]")
#: What relays and sending services fill in by themselves.
MERGE_FIELD = re.compile(r"\{\{|\}\}|\{%|%\}")
HEADERS = [
    "Date",
    "Message-ID",
    "From",
    "To",
    "Subject",
    "Reply-To",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]


def printed(renderer: Renderer, mail: Hostile) -> tuple[Message, Sent]:
    message = renderer.edition(mail.editions, mail.digests, sender=mail.sender, language=mail.language)
    return message, sent(message)


#: Each hostile mail as it is, and with its papers cleaned as a feed's are.
MAILS = {**HOSTILE, **{f"{name}-fed": mail for name, mail in HOSTILE.items()}}


@pytest.fixture(scope="module", params=MAILS)
def hostile(renderer: Renderer, request: pytest.FixtureRequest) -> tuple[Hostile, Message, Sent]:
    """One of them, printed."""
    name = str(request.param)
    mail = as_fed(MAILS[name]) if name.endswith("-fed") else MAILS[name]
    return (mail, *printed(renderer, mail))


@pytest.fixture(scope="module")
def good(renderer: Renderer) -> Sent:
    return printed(renderer, Hostile(editions=(edition(item()),)))[1]


def test_whatever_is_said_is_text(good: Sent, hostile: tuple[Hostile, Message, Sent]) -> None:
    _, message, arrived = hostile
    elements = [element for element in arrived.document.iter() if isinstance(element.tag, str)]
    assert {element.tag for element in elements} <= ALLOWED
    assert not [a for element in elements for a in element.attrib if a.startswith("on")]
    assert not [
        url for url in arrived.links() if not re.match(r"https?://[^\s/?#<>\"']+|mailto:[^\s<>\"']+@", url, re.I)
    ]
    styles = " ".join(arrived.document.xpath("//@style"))
    assert not re.search(r"[{}<>\\@]|url\(|expression|position:|javascript", styles)
    assert arrived.document.xpath("count(//style)") == good.document.xpath("count(//style)")
    assert "body{display" not in "".join(arrived.document.xpath("//style/text()")).replace(" ", "")
    assert comments(arrived.html) == comments(good.html)
    shown = arrived.html + arrived.text + message.subject + message.preheader
    assert [found[0] for found in HARMFUL.finditer(shown)] == []
    body = re.sub(r"<style.*?</style>", "", arrived.html, flags=re.DOTALL)
    assert [found[0] for found in MERGE_FIELD.finditer(body + arrived.text + message.subject + message.preheader)] == []


def test_the_message_stays_whole(good: Sent, hostile: tuple[Hostile, Message, Sent]) -> None:
    _, _, arrived = hostile
    parsed = message_from_bytes(arrived.raw, policy=policy.default)
    assert parsed.keys() == HEADERS
    assert [part.get_content_type() for part in parsed.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert not [defect for part in parsed.walk() for defect in part.defects]
    head, _, body = arrived.raw.partition(b"\r\n\r\n")
    assert head.isascii() and max(map(len, head.split(b"\r\n"))) <= 998 and max(map(len, body.split(b"\r\n"))) <= 78
    assert parsed["Subject"].strip() and len(parsed["Subject"]) <= 120
    assert arrived.raw.count(b"u" * 22) == good.raw.count(b"u" * 22)
    assert arrived.raw.count(b"p" * 22) == good.raw.count(b"p" * 22)


def test_the_text_part_says_what_the_html_part_says(hostile: tuple[Hostile, Message, Sent]) -> None:
    _, _, arrived = hostile
    lost, words = arrived.lost_words()
    assert len(lost) <= 0.01 * words, sorted(lost)
    assert not arrived.lost_links()
    assert [
        line for line in arrived.text.splitlines() if width(line) > 72 and not re.match("https?://|mailto:", line)
    ] == []


def test_the_html_part_is_never_larger_than_98_kb_and_no_paper_is_lost(hostile: tuple[Hostile, Message, Sent]) -> None:
    mail, message, arrived = hostile
    assert arrived.size <= LIMIT
    places = Counter((one.key, paper.position) for one in mail.editions for paper in one.items)
    assert not Counter(message.omitted) - places


@pytest.mark.parametrize("papers", [0, 1, 5, 30, 50, 500, 2000])
def test_papers_are_printed_or_counted(renderer: Renderer, papers: int) -> None:
    many = [item(n, abstract=ABSTRACT * 12, score=max(1, 99 - n // 60)) for n in range(1, papers + 1)]
    message, arrived = printed(renderer, Hostile(editions=(edition(*many),)))
    assert arrived.size <= LIMIT
    shown = {url for url in arrived.links() if "arxiv.org/abs" in url}
    assert len(shown) + len(message.omitted) == papers
    assert bool(message.omitted) == (papers > 500)
    if message.omitted:
        assert all(f"{len(message.omitted):,} more" in part for part in (arrived.readable(), arrived.text))


def test_long_runs_can_break_and_marks_are_few(renderer: Renderer) -> None:
    _, arrived = printed(renderer, HOSTILE["title-unbroken"])
    assert max(map(len, re.findall(r"[Wm]+", " ".join(arrived.document.xpath("//td//text()"))))) == 32
    _, arrived = printed(renderer, Hostile(editions=(edition(everywhere(ZALGO)),)))
    assert not re.search("[\u0300-\u036f\u0489\u20dd]{4}", arrived.html + arrived.text)


def test_right_to_left_titles_are_marked_so(renderer: Renderer) -> None:
    _, arrived = printed(renderer, HOSTILE["right-to-left"])
    titles = arrived.document.xpath("//h2[@dir='rtl']/@lang | //h3[@dir='rtl']/@lang")
    assert sorted(titles) == ["ar", "ar", "he"]
    assert set(arrived.document.xpath("//p[@dir='rtl']/@lang")) >= {"ar", "he"}


def test_a_script_link_is_dropped_and_its_text_kept(renderer: Renderer) -> None:
    _, arrived = printed(renderer, HOSTILE["script-links"])
    assert all(f"Part {n}: A Study of Reading Rooms" in arrived.readable() for n in range(1, 6))
    assert not re.search("javascript|vbscript|data:|file:|secret|ftp:", arrived.html + arrived.text)


def test_a_huge_abstract_is_cut(renderer: Renderer) -> None:
    _, arrived = printed(renderer, HOSTILE["abstract-100-kb"])
    assert arrived.size < 40_000


def test_many_joined_hostile_digests_stay_small(renderer: Renderer) -> None:
    noisy = edition(
        *[everywhere("'&<" * 200, n) for n in range(1, 40)], reason=said("'" * 900), notes=said(*["'" * 900] * 90)
    )
    several = tuple(replace(noisy, slot=replace(SLOT, digest=f"d{n}")) for n in range(30))
    message, arrived = printed(renderer, Hostile(editions=several, digests=(DIGEST,) * 30))
    assert arrived.size <= LIMIT
    # What a mail has no room for is told, also when it is a whole digest.
    assert len(set(message.omitted)) == len(message.omitted) >= 18 * 39


@pytest.mark.parametrize(
    "text", [QUOTES, CRLF, "Q&A", "{{ 7*7 }} %(n)s <script>", ARABIC, "W" * 3000, ZALGO, EMOJI, "\x02to\x03"]
)
@pytest.mark.parametrize("kind", ["confirmation", "welcome", "goodbye", "bounce", "alert"])
def test_a_notice_says_whatever_it_is_given_as_text(renderer: Renderer, good: Sent, kind: str, text: str) -> None:
    contexts = {
        "confirmation": {"digests": (text, "Salt")},
        "welcome": {"rhythm": text, "edition": edition(everywhere(text))},
        "goodbye": {},
        "bounce": {"number": 3, "remote": text},
        "alert": {"title": text, "lines": (text, text), "advice": text},
    }
    digest = replace(DIGEST, title=text, look=Look(logo=text, header=text, footer=text))
    message = renderer.notice(
        kind, sender=SENDER, digest=digest, language="en", date=SLOT.at, key="k", context=contexts[kind]
    )
    arrived = sent(message)
    elements = [element for element in arrived.document.iter() if isinstance(element.tag, str)]
    assert {element.tag for element in elements} <= ALLOWED and comments(arrived.html) == comments(good.html)
    assert not [a for element in elements for a in element.attrib if a.startswith("on")]
    shown = arrived.html + arrived.text + message.subject + message.preheader
    assert not HARMFUL.search(shown) and not re.search("&amp;(amp|lt|gt|quot|#)", arrived.html)
    assert set(message_from_bytes(arrived.raw, policy=policy.default).keys()) <= set(HEADERS)
    lost, words = arrived.lost_words()
    assert len(lost) <= 0.01 * words, sorted(lost)
    assert not arrived.lost_links() and arrived.size <= LIMIT


def test_nothing_is_escaped_twice(renderer: Renderer) -> None:
    odd = 'Q&A\'s <b> "Salt"'
    mail = Hostile(
        editions=(
            edition(everywhere(odd), item(2, title=odd), reason=said(odd), notes=said(odd), cards=(card(name=odd),)),
        ),
        digests=(replace(DIGEST, title=odd, look=Look(logo=odd, header=odd, footer=odd)),),
        sender=replace(SENDER, from_name=odd, postal_address=odd),
    )
    _, arrived = printed(renderer, mail)
    assert re.findall("&amp;(?:amp|lt|gt|quot|#)[^ ]*", arrived.html) == []
    assert not re.search("&(amp|lt|gt|quot|#)", arrived.text)


def comments(html: str) -> list[str]:
    """The comments of the HTML part, conditional ones with their markup; colours are the operator's."""
    return [re.sub("#[0-9a-f]{6}", "#", found) for found in re.findall(r"<!--.*?-->", html, re.DOTALL)]


texts = (
    st.text(max_size=60)
    | st.sampled_from(sorted(everywhere_text for everywhere_text in ("'\"&<>", "{{x}}", "\u202e", "塩", "W" * 99)))
    | st.text(min_size=500, max_size=2500)
)
looks = st.builds(
    Look, accent=st.from_regex("#[0-9a-f]{6}", fullmatch=True) | texts, logo=texts, header=texts, footer=texts
)


@st.composite
def mails(draw: st.DrawFn) -> Hostile:
    """One to four digests in any language, layout and look, of papers that say anything."""
    said_ = draw(st.lists(st.tuples(texts, texts, st.integers(0, 100)), max_size=6)) * draw(
        st.sampled_from((1, 3, 25, 90))
    )
    papers = [
        item(n, title=title, abstract=abstract, score=score, category=title[:8], authors=(abstract,) * 4, comment=title)
        for n, (title, abstract, score) in enumerate(said_, 1)
    ]
    number = draw(st.integers(1, 4))
    layout = draw(st.sampled_from(("full", "brief", "titles")))
    note = draw(texts)
    return Hostile(
        editions=tuple(
            edition(*papers[n::number], layout=layout, notes=said(note), slot=replace(SLOT, digest=f"d{n}"))
            for n in range(number)
        ),
        digests=(replace(DIGEST, title=draw(texts), look=draw(looks)),) * number,
        sender=draw(st.sampled_from((SENDER, replace(SENDER, public_url=""), replace(SENDER, from_name="'\"<x>\n")))),
        language=draw(st.sampled_from(LANGUAGES)),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails())
def test_size_escaping_and_text_hold_for_any_input(renderer: Renderer, mail: Hostile) -> None:
    message, arrived = printed(renderer, mail)
    assert arrived.size <= LIMIT
    elements = [element for element in arrived.document.iter() if isinstance(element.tag, str)]
    assert {element.tag for element in elements} <= ALLOWED
    assert not [a for element in elements for a in element.attrib if a.startswith("on")]
    assert not HARMFUL.search(arrived.html + arrived.text + message.subject + message.preheader)
    assert max(map(len, arrived.raw.split(b"\r\n"))) <= 998
    parsed = message_from_bytes(arrived.raw, policy=policy.default)
    assert not parsed.defects and set(parsed.keys()) <= set(HEADERS)
    lost, words = arrived.lost_words()
    assert len(lost) <= 0.01 * words, sorted(lost)
    assert not arrived.lost_links()
