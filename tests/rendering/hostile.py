"""Editions as bad feeds, careless operators and odd days make them: pure data, by name.

``HOSTILE[name]`` is what the renderer is given. ``as_fed`` is the same edition after its papers went through
entries/normalize.py, as in life; the renderer must bear both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from digest.entries.normalize import clean, clean_title
from digest.model.editions import Counts, Digest, Edition, Figure, Figures, Item, Look, Part, Remark
from digest.model.errors import InputError
from digest.model.feeds import EntryData
from digest.model.mail import Sender
from tests.rendering.samples import ABSTRACT, DIGEST, SENDER, SLOT, card, edition, item, said


@dataclass(frozen=True, kw_only=True, slots=True)
class Hostile:
    """What one mail is made of."""

    editions: tuple[Edition, ...]
    digests: tuple[Digest, ...] = (DIGEST,)
    sender: Sender = SENDER
    language: str = "en"


def _papers(*items: Item, language: str = "en", **changes: Any) -> Hostile:
    return Hostile(editions=(edition(*items, **changes),), language=language)


def _saying(text: str, **changes: Any) -> Hostile:
    """Three papers: one with ``text`` in every field, one with it in the title alone, and a good one."""
    return _papers(everywhere(text), item(2, title=text), item(3), reason=said(text), notes=said(text, text), **changes)


def everywhere(text: str, position: int = 1) -> Item:
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
        html_url=text,
        project_url=f'https://x.example/"{text}',
        category=text[:30],
        categories=(text,),
        also=(text, f"url:{text}", f"doi:{text}"),
        seen_in=(text, text),
        language=text,
        arxiv_id=None,
        doi=text,
        parts=(Part(key=text, points=3), Part(key="topic", points=4, figures={"keywords": (text,)})),
    )


def _many(number: int, **changes: object) -> Hostile:
    items = [item(n, score=max(1, 97 - n // 6), **changes) for n in range(1, number + 1)]
    return _papers(*items, counts=Counts(candidates=number + 11, printed=number))


def _named(digest: Digest, n: int) -> Digest:
    return replace(digest, name=f"{digest.name}-{n}", title=f"{digest.title} {n}")


def _joined(*editions: Edition) -> Hostile:
    """Editions of as many digests in one mail."""
    several = tuple(
        replace(one, slot=replace(one.slot, digest=f"{one.slot.digest}-{n}")) for n, one in enumerate(editions, 1)
    )
    return Hostile(editions=several, digests=tuple(_named(DIGEST, n) for n in range(1, len(editions) + 1)))


def _look(**look: str) -> Hostile:
    few = (item(1), item(2, category="cs.CV"), item(3))
    return Hostile(editions=(edition(*few),), digests=(replace(DIGEST, look=Look(**look)),))


HEBREW = "מדריך לקריאה ארוכה על חלונות ומלח בספריה"
ARABIC = "قياس الملح على نوافذ قاعات القراءة المطلة على البحر"
PERSIAN = "اندازه‌گیری نمک روی پنجره‌های کتابخانه"
JAPANESE = "東京の窓と塩に関する長い長い研究報告"
CHINESE = "海边阅览室窗户上的盐分测量及其对阅读速度的影响"
KOREAN = "바닷가 열람실 창문에 쌓이는 소금의 측정"
THAI = "การวัดเกลือบนหน้าต่างห้องอ่านหนังสือริมทะเล"
HINDI = "समुद्र के किनारे वाचनालय की खिड़कियों पर नमक का मापन"
EMOJI = "👩‍👩‍👧‍👦 Salt 🧂 on 🏴󠁧󠁢󠁳󠁣󠁴󠁿 windows 👍🏽 1️⃣ 🇨🇭 ☃️"
ZALGO = "S" + "\u0301\u0489\u20dd\u0325" * 300 + "alt on the z" + "\u0336" * 200 + " windows"
CRLF = "Salt\r\nBcc: everybody@inbox.example\r\nContent-Type: text/html\r\n\r\n<b>body</b>"
LONG_URL = "https://papers.example/" + "y" * 1400
QUOTES = 'O\'Neill & "Sons" <b>Ltd</b> \\ «Wren» ’’ `x`'

HOSTILE: dict[str, Hostile] = {
    "title-unbroken": _papers(item(1, title="W" * 3000), item(2, title="m" * 3000), item(3, title="é" * 3000)),
    "fields-unbroken": _papers(
        item(
            1,
            title="W" * 3000,
            abstract="V" * 9000,
            authors=("U" * 300,) * 9,
            institutions=("T" * 400,) * 9,
            comment="s" * 900,
            category="x" * 200,
            seen_in=("h" * 500,) * 5,
            parts=(Part(key="topic", points=94, figures={"keywords": ("k" * 300,) * 3}),),
        ),
        item(2),
    ),
    "right-to-left": _papers(
        item(1, title=HEBREW, abstract=f"{HEBREW}. " * 12, authors=("מירה הלדן", "תומס וגה")),
        item(2, title=ARABIC, abstract=f"{ARABIC}. " * 12, authors=("ميرا هالدن",), institutions=("قاعة رين",)),
        item(3, title=PERSIAN, abstract=ABSTRACT),
        item(4, abstract=f"{ARABIC}. " * 3),
    ),
    "mixed-direction": _papers(
        item(
            1, title=f"Salt ({HEBREW}) on the {ARABIC} windows, 1:2 [3]", abstract=f"{ARABIC} GPT-4 (95 %) {ABSTRACT}"
        ),
        item(2, title=f"{ARABIC}: BERT-large, v2.0 (ACL 2026)!", abstract=f"{HEBREW} https://x.example/?a=1 {HEBREW}"),
        item(3, title="Windows", authors=(ARABIC, "Wen Li", HEBREW), institutions=(HEBREW, "Wren Hall")),
    ),
    "arabic-mail": _papers(
        item(1, title="W" * 3000, abstract=ABSTRACT * 3), item(2, title=HEBREW), item(3, title=ARABIC), language="ar"
    ),
    "zalgo": _papers(everywhere(ZALGO), item(2, title=ZALGO, abstract=ZALGO * 3), item(3)),
    "emoji": _papers(everywhere(EMOJI), item(2, title=EMOJI * 12, abstract=EMOJI * 80), item(3, abstract="🧂" * 900)),
    "bidi-overrides": _saying("\u202egnp.exe\u202c \u2067x\u2069 \u202dabc \u200fdef\u200e \u061c Salt"),
    "template": _saying("Salt {{ 7*7 }} {% raw %} {# y #} <%= 7*7 %> #{7*7} {{{x}}} {{ config.items() }}"),
    "formats": _saying("Salt %(n)s %s %d 100% %(title)s %% {0} {title!r}"),
    "script": _saying("Salt <script>alert(1)</script> <img src=x onerror=alert(1)> <svg/onload=alert(1)>"),
    "cdata": _saying("Salt ]]> <![CDATA[ x ]]> <?php echo 1 ?> <!DOCTYPE x>"),
    "conditional": _saying("Salt <!--[if mso]><b>x</b><![endif]--> <!--[if !mso]><!--> --> <!-- "),
    "closing": _saying("Salt </td></tr></table></h3></style></title></body></html> windows"),
    "attributes": _saying("Salt \" onmouseover=\"alert(1)\" ' style='display:none' x='"),
    "entities": _saying("Salt &lt;b&gt; &amp;amp; &#x3c; &nbsp; &copy; &bogus; AT&T windows"),
    "sentinels": _saying("Salt \x02unsubscribe\x03 \x02to\x03 zqo0qz <!--zqs0qz--> windows"),
    "headers": _saying(CRLF),
    "script-links": _papers(
        item(1, url="javascript:alert(1)", code_url="data:text/html,<b>x</b>", project_url="vbscript:x"),
        item(2, url="java\nscript:alert(1)", arxiv_id=None, doi=None, also=("url:javascript:alert(1)",)),
        item(3, url=" JaVaScRiPt:alert(1)", arxiv_id=None, pdf_url="file:///etc/passwd", also=("url:data:,x",)),
        item(4, url="https://user:secret@papers.example/", arxiv_id=None, html_url="//papers.example/x"),
        item(5, url="ftp://papers.example/x", arxiv_id=None, code_url="mailto:x@inbox.example?bcc=y"),
    ),
    "long-links": _papers(
        *[
            item(
                n,
                url=f"{LONG_URL}{n}",
                code_url=f"{LONG_URL}c{n}",
                pdf_url=LONG_URL + "p" * n * 300,
                also=tuple(f"url:https://m{k}.example/{'z' * 700}" for k in range(5)),
            )
            for n in range(1, 9)
        ]
    ),
    "odd-links": _papers(
        item(1, url="http://papers.example/a b", project_url="https://bücher.example/ü?q=é#ñ"),
        item(2, url="https://papers.example/a\"b'c<d>e", code_url="https://[::1]:8080/x"),
        item(3, url="https://papers.example:99999/", pdf_url="https://papers.example/%zz?a=1&b=2&amp;c=3"),
        item(4, url="https://papers.example/(x)_[y];z,w.!", html_url="HTTPS://PAPERS.EXAMPLE/X"),
        item(5, url="https:///x", arxiv_id="2611.00001\r\nBcc: x", also=("doi:10.5555/a<b>c", "arxiv:../../x")),
        item(6, url="https://papers.example/{x}|{y}^`", arxiv_id=None, doi='10.5555/"x"'),
    ),
    "none": _papers(reason=said(CRLF, QUOTES), notes=said("n" * 3000, ARABIC, "<script>", "", EMOJI)),
    "one": _papers(item(1, score=100)),
    "five": _many(5),
    "thirty": _many(30, abstract=ABSTRACT * 6),
    "fifty": _many(50, abstract=ABSTRACT * 8),
    "five-hundred": _many(500, abstract=ABSTRACT * 8),
    "three-thousand": _many(3000),
    "no-abstracts": _many(30, abstract=""),
    "abstract-100-kb": _papers(item(1, abstract="Salt is heavy. " * 7000), item(2, abstract="salt " * 20_000), item(3)),
    "abstract-unbroken": _papers(item(1, abstract="塩" * 40_000), item(2, abstract="x" * 100_000), item(3)),
    "authors-900": _papers(*[item(n, authors=tuple(f"Mira Halden {k}" for k in range(900))) for n in range(1, 12)]),
    "institutions-300": _papers(
        item(1, institutions=tuple(f"Hall {n} of the {'very ' * 30}North" for n in range(300)))
    ),
    "logo-quotes": _look(logo=QUOTES, header=f"“{QUOTES}”", footer=f"'{QUOTES}'\" {CRLF}"),
    "look-long": _look(logo="L" * 3000, header="header " * 430, footer="F" * 3000, accent="#123456"),
    "look-marks": _look(
        logo="{{ 7*7 }} <script>alert(1)</script>", header=f"{ARABIC} \u202e {ZALGO}", footer="]]><!--[if mso]> %(n)s"
    ),
    "accent-yellow": _look(accent="#ffff00", logo="Wren", header="Yellow on white", footer="Still read"),
    "accent-black": _look(accent="#000000", logo="Wren", header="Black on black", footer="Still read"),
    "accent-white": _look(accent="#ffffff", logo="Wren", header="White on white", footer="Still read"),
    "accent-bad": _look(accent="red;}body{display:none}</style>", logo="Wren"),
    "controls": _saying("Salt\x00 a\x01b\x08c\x0bd\x1fe\x7ff\x92g\x9dh \x85 \u2028 \u2029 \ufeff \ufffd on windows"),
    "surrogates": _saying("Salt \ud800 a\udfffb \udbff\udc00 \uffff \ufffe \ufdd0 windows"),
    "private-use": _saying("Salt \ue000\uf8ff \U000f0000 \U000e0041\U000e007f \ufe0f\U000e0100 \u115f\u3164 windows"),
    "operator-headers": Hostile(
        editions=(edition(item(1)),),
        digests=(
            replace(DIGEST, title=CRLF, list_id=f"x.example>{CRLF}", look=Look(logo=CRLF, header=CRLF, footer=CRLF)),
        ),
        sender=replace(SENDER, from_name=CRLF, postal_address=f"Wren Hall\r\nBcc: x {QUOTES}"),
    ),
    "operator-long": Hostile(
        editions=(edition(item(1), item(2)),),
        digests=(replace(DIGEST, title="The Very Long Papers of " + "Wren" * 700),),
        sender=replace(SENDER, from_name=f'Näme, "{"N" * 900}" <x>', postal_address="street " * 400),
    ),
    "sixty-categories": _papers(
        *[item(n, category=f"cs.{n:02d}X", categories=(f"cs.{n:02d}X",)) for n in range(1, 61)]
    ),
    "hundred-categories": _papers(*[item(n, category=f"c{n}", categories=(f"c{n}",)) for n in range(1, 101)]),
    "category-wide": _papers(
        *[
            item(n, category=text, categories=(text,), title=f"Salt {n}", abstract="")
            for n, text in enumerate(("W" * 24, "塩" * 24, "﷽" * 24, "WWWW " * 6, HEBREW, f"{ARABIC} {ARABIC}"), 1)
        ]
    ),
    "styled": _papers(
        item(1, title="𝕊𝕒𝕝𝕥 𝔬𝔫 𝓽𝓱𝓮 𝗪𝗶𝗻𝗱𝗼𝘄𝘀", abstract="𝗪𝗲 𝗺𝗲𝗮𝘀𝘂𝗿𝗲 𝒪(n²) 𝘀𝗮𝗹𝘁. " * 9),
        item(2, title="Ｓａｌｔ ﷽ Ⓢⓐⓛⓣ 🅂🄰🄻🅃"),
    ),
    "unknown-everything": _papers(
        *[
            Item(position=n, entry_id=item(n).entry_id, work=item(n).work, title=f"Salt {n}", url="")
            for n in range(1, 4)
        ]
    ),
    "no-titles": _papers(
        item(1, title=""), item(2, title=" \u200b "), item(3, title="…"), item(4, title="?!"), item(5)
    ),
    "numbers": _papers(
        item(1, score=100, upvotes=10**12, comments=10**9, stars=10**10, version=10**6),
        item(2, score=0, upvotes=0, comments=0, stars=0, version=0, parts=(Part(key="trend", points=0),)),
        item(3, score=-5, upvotes=-3, comments=-1, stars=-1, version=-1),
        item(4, score=10**6, published_at=datetime(1, 1, 1, tzinfo=UTC)),
        item(5, published_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
        item(6, parts=(Part(key="trend", points=9, figures={"votes": float("nan"), "hours": float("inf")}),)),
        item(7, parts=(Part(key="novelty", points=-3, figures={"share": 1e300}),)),
        counts=Counts(candidates=10**15, printed=7),
    ),
    "parts": _papers(
        item(1, parts=tuple(Part(key=f"k{n}", points=n) for n in range(60))),
        item(
            2, parts=(Part(key="people", points=9, figures={"authors": ("A" * 400, QUOTES), "institutions": (CRLF,)}),)
        ),
        item(3, parts=(Part(key="novelty", points=5, figures={"share": 0.5, "neighbour": "N" * 3000}),)),
        item(4, parts=(Part(key="topic", points=5, figures={"keywords": (HEBREW, ZALGO, "{{x}}")}),)),
    ),
    "remarks": _papers(
        reason=(Remark(key="unfit", figures={"muted": -5, "bogus": 3}), Remark(key="bogus"), Remark(key="said")),
        notes=tuple(
            Remark(key="source", figures={"source": f"{QUOTES} {n}", "state": state, "kind": CRLF})
            for n, state in enumerate(("ok", "holiday", "broken", "bogus", CRLF, "") * 20)
        ),
    ),
    "cards": _papers(
        item(1),
        cards=(
            card(),
            card(name=QUOTES, url="javascript:alert(1)", institutions=("I" * 900,) * 9, citations=10**12, novelty=400),
            card(name="W" * 900, h_index=0, papers=0, citations=0, novelty=0, ai_score=0, category="c" * 300),
            card(name=ARABIC, url="", institutions=(), h_index=None, papers=None, citations=None, novelty=None),
            card(name=ZALGO, url=LONG_URL, ai_score=None, category=""),
            *(card(name=f"Follower {n}") for n in range(60)),
        ),
    ),
    "scripts": _papers(
        *[
            item(n, title=text * 3, abstract=f"{text}. " * 30, authors=(text[:12], text[:9]))
            for n, text in enumerate((JAPANESE, CHINESE, KOREAN, THAI, HINDI), 1)
        ]
    ),
    "same-title": _papers(*[item(n, title="Unsubscribe") for n in range(1, 41)]),
    "replies": _papers(item(1, title="Re: [12] FWD: AW: YOUR PAPER!!!"), item(2, title="RE: RE: Salt")),
    "astral": _saying("𝕊alt 🜔 on 𐎀𐎁𐎂 windows ﷽ ꧅ 𒐫 " * 5),
    "long-words": _papers(
        *[
            item(n, title=" ".join(f"{'poly' * k}ethylen" for k in range(1, 20)), abstract="anti" * 9 + " x " * 60)
            for n in (1, 2)
        ]
    ),
    "sections": _papers(item(1), sections=(replace(edition(item(1)).sections[0], title="", category="", new=10**9),)),
    "language-tags": _papers(
        item(1, language='en" onload="x'), item(2, language="x" * 900), item(3, language="tlh-Latn")
    ),
    "joined-hostile": _joined(
        edition(everywhere(QUOTES), reason=said(QUOTES)),
        edition(notes=said(CRLF), slot=SLOT),
        edition(item(1, title="W" * 3000), item(2, title=HEBREW), layout="titles"),
    ),
    "joined-thirty": _joined(*[edition(*[item(n) for n in range(1, 9)]) for _ in range(30)]),
    "titles-hostile": _papers(
        *[everywhere(text, n) for n, text in enumerate((QUOTES, EMOJI, HEBREW), 1)], layout="titles"
    ),
    "brief-hostile": _papers(
        *[everywhere(text, n) for n, text in enumerate((QUOTES, EMOJI, HEBREW), 1)], layout="brief"
    ),
}


def as_fed(hostile: Hostile) -> Hostile:
    """The same with each paper, category and source name cleaned as a feed's are; papers without a title do not get
    in.
    """
    return replace(hostile, editions=tuple(_cleaned(one) for one in hostile.editions))


def _cleaned(one: Edition) -> Edition:
    sections = tuple(
        replace(
            section,
            category=clean_title(section.category),
            title=clean_title(section.title),
            items=tuple(fed for paper in section.items if (fed := _fed(paper))),
        )
        for section in one.sections
    )
    return replace(
        one,
        sections=tuple(section for section in sections if section.items),
        reason=_remarks(one.reason),
        notes=_remarks(one.notes),
    )


def _remarks(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple(replace(remark, figures=_figures(remark.figures)) for remark in remarks)


def _figures(figures: Figures) -> Figures:
    """The names and titles that figures tell of were cleaned where they came from."""
    return {key: _figure(figure) for key, figure in figures.items()}


def _figure(figure: Figure) -> Figure:
    if isinstance(figure, str):
        return clean_title(figure)
    return tuple(clean_title(name) for name in figure) if isinstance(figure, tuple) else figure


#: Fields of a paper that a feed says under the same name.
_SAME = sorted({field.name for field in fields(Item)} & {field.name for field in fields(EntryData)})


def _fed(paper: Item) -> Item | None:
    try:
        data = clean(EntryData(key=paper.work, **{name: getattr(paper, name) for name in _SAME}))
    except InputError:
        return None
    return replace(
        paper,
        category=clean_title(paper.category),
        seen_in=tuple(clean_title(name) for name in paper.seen_in),
        parts=tuple(replace(part, key=clean_title(part.key), figures=_figures(part.figures)) for part in paper.parts),
        **{name: getattr(data, name) for name in _SAME},
    )
