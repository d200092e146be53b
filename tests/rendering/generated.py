"""Mails of every size and kind from a number: the same number gives the same editions. Cheap, so that ten thousand are
feasible. Most are ordinary days; every eighth is extreme in some way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from digest.model.editions import AuthorCard, Counts, Digest, Edition, Item, Look, Part, Section
from digest.model.feeds import EntryId, WorkId
from digest.model.mail import Sender
from digest.model.people import Layout, Profile
from digest.rendering.language import LANGUAGES
from tests.rendering.hostile import ARABIC, CHINESE, EMOJI, HEBREW, JAPANESE, KOREAN, LONG_URL, QUOTES, ZALGO
from tests.rendering.samples import ABSTRACT, DIGEST, SENDER, SLOT, edition, said, silence

_WORDS = (ABSTRACT + " windows that face the sea; brushes, pails & readers (n = 412) of <salt> in “Wren Hall”").split()
_SCRIPTS = (ARABIC, HEBREW, JAPANESE, CHINESE, KOREAN)
#: Texts whose letters grow most when escaped, encoded or broken.
_WILD = ("'", '"<&>', "W" * 70, ZALGO[:400], EMOJI, "\u202e{{ x }} <script>", "塩", QUOTES, "é\u0301 ")
_CATEGORIES = (
    "cs.CL",
    "cs.CV",
    "cs.LG",
    "cs.AI",
    "cs.RO",
    "stat.ML",
    "cs.IR",
    "eess.AS",
    "q-bio.NC",
    "math.OC",
    "other",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What one mail is made of."""

    editions: tuple[Edition, ...]
    digests: tuple[Digest, ...]
    sender: Sender
    language: str
    wild: bool
    """Extreme in some way."""


def made(number: int) -> Made:
    """The mail of this number."""
    dice = random.Random(number)
    wild = number % 8 == 7
    several = dice.choices((1, dice.randint(2, 4), dice.randint(5, 16)), (85, 12, 3))[0]
    papers = _how_many(dice, wild)
    shares = [papers // several] * (several - 1)
    shares.append(papers - sum(shares))
    texts = _Texts(dice, wild)
    language = dice.choice(LANGUAGES)
    look = _look(dice, texts) if dice.random() < 0.2 else Look()
    return Made(
        editions=tuple(_edition(dice, texts, n, share, language, wild) for n, share in enumerate(shares)),
        digests=tuple(
            replace(DIGEST, name=f"d{n}", title=texts.some(4) if wild else f"The Papers {n}", look=look)
            for n in range(several)
        ),
        sender=SENDER if dice.random() < 0.9 else replace(SENDER, public_url=""),
        language=language,
        wild=wild,
    )


def _how_many(dice: random.Random, wild: bool) -> int:
    ranges = ((0, 3), (4, 15), (16, 60), (61, 200), (201, 700), (701, 2500))
    low, high = dice.choices(ranges, (3, 5, 10, 40, 40, 2) if wild else (10, 50, 36, 3.5, 0.4, 0.1))[0]
    return dice.randint(low, high)


class _Texts:
    """Texts of one mail: slices of one long text, so that they cost nothing."""

    def __init__(self, dice: random.Random, wild: bool) -> None:
        self._dice = dice
        self._wild = dice.choice(_WILD) if wild else ""
        words = dice.choices(_WORDS, k=900)
        for _ in range(dice.choice((0, 0, 5, 60))):
            words[dice.randrange(900)] = dice.choice(_SCRIPTS)
        self._prose = ". ".join(" ".join(words[at : at + 15]).capitalize() for at in range(0, 900, 15))

    def some(self, words: int) -> str:
        """About so many words, or as many letters of a wild text."""
        size = words * 6
        if self._wild and self._dice.random() < 0.8:
            return (self._wild * (size // len(self._wild) + 1))[:size]
        at = self._dice.randrange(2000)
        return self._prose[at : at + size]


def _look(dice: random.Random, texts: _Texts) -> Look:
    return Look(
        accent=f"#{dice.randrange(1 << 24):06x}",
        logo=texts.some(dice.choice((1, 3, 400))),
        header=texts.some(dice.choice((0, 10, 400))),
        footer=texts.some(dice.choice((0, 10, 400))),
    )


def _edition(dice: random.Random, texts: _Texts, n: int, papers: int, language: str, wild: bool) -> Edition:
    categories = [*_CATEGORIES[: dice.randint(1, len(_CATEGORIES))]]
    if wild and dice.random() < 0.2:
        categories = [f"c.{k}" for k in range(papers)] or categories
    whole = dice.choice((0, 40, 150, 250, 250, 450))
    items = [_item(dice, texts, n, position, dice.choice(categories), whole) for position in range(1, papers + 1)]
    items.sort(key=lambda one: -one.score)
    sections = tuple(
        Section(category=category, title=category, items=tuple(of), new=len(of) + dice.randrange(40))
        for category in categories
        if (of := [one for one in items if one.category == category])
    )
    layout = dice.choices((Layout.FULL, Layout.BRIEF, Layout.TITLES), (65, 20, 15))[0]
    return replace(
        edition(),
        slot=replace(SLOT, digest=f"d{n}"),
        profile=Profile(layout=layout, language=language),
        sections=sections,
        counts=Counts(candidates=papers + dice.randrange(300), printed=papers),
        reason=said(texts.some(12)) if not papers or dice.random() < 0.1 else (),
        notes=(*silence(), *said(*(texts.some(20) for _ in range(dice.choice((0, 3, 90))))))
        if not papers or wild
        else (),
        cards=tuple(_card(dice, texts) for _ in range(dice.choice((1, 2, 40)))) if dice.random() < 0.08 else (),
    )


def _card(dice: random.Random, texts: _Texts) -> AuthorCard:
    def figure(most: int) -> int | None:
        return dice.choice((None, dice.randint(0, most)))

    return AuthorCard(
        name=texts.some(2),
        url="https://people.example/x",
        institutions=(texts.some(3),),
        category="cs.CL",
        h_index=figure(200),
        papers=figure(900),
        citations=figure(10**6),
        novelty=figure(100),
        ai_score=figure(100),
    )


def _item(dice: random.Random, texts: _Texts, n: int, position: int, category: str, words: int) -> Item:
    chance = dice.random()
    score = dice.randint(0, 100)
    trend = dice.randint(0, score)
    return Item(
        position=position,
        entry_id=EntryId(position),
        work=WorkId(f"work:{n}-{position}"),
        title=texts.some(500 if chance < 0.01 else 3 + int(chance * 14)),
        url=address(n, position),
        abstract=texts.some(17_000 if chance < 0.001 else int(words * (0.5 + chance))),
        authors=tuple(texts.some(2) for _ in range(300 if chance < 0.003 else dice.randint(0, 8))),
        institutions=tuple(texts.some(3) for _ in range(dice.randint(0, 3))),
        categories=(category,),
        category=category,
        published_at=SLOT.at - timedelta(hours=dice.randrange(9000)) if chance < 0.9 else None,
        score=score,
        parts=(
            Part(key="trend", points=trend, figures={"votes": dice.randrange(500), "hours": 20.5, "expected": 300.0}),
            Part(key="topic", points=score - trend, figures={"keywords": (texts.some(2), "salt")}),
        ),
        upvotes=dice.choice((None, dice.randrange(5000))),
        comments=dice.choice((None, dice.randrange(90))),
        comment=texts.some(dice.choice((0, 0, 8, 60))),
        code_url=dice.choice(("", "https://code.example/salt", f"{LONG_URL[: int(chance * 1400)]}")),
        stars=dice.choice((None, dice.randrange(90_000))),
        arxiv_id=dice.choice((None, f"2611.{position:05d}")),
        version=dice.choice((None, 1, 3)),
        also=dice.choice(((), ("doi:10.5555/salt", "url:https://mirror.example/" + "m" * int(chance * 700)))),
        seen_in=("Hugging Face", "arXiv cs.CL")[: dice.randint(0, 2)],
    )


def address(n: int, position: int) -> str:
    """The link of a paper, short enough for every step of the ladder, so that it tells whether it was printed."""
    return f"https://papers.example/{n}/{position}"


def places(mail: Made) -> dict[tuple[str, int], tuple[int, Item]]:
    """(edition key, position) -> (edition, paper), for every paper of the mail."""
    return {(one.key, paper.position): (n, paper) for n, one in enumerate(mail.editions) for paper in one.items}
