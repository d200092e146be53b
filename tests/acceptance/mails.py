"""Mails for the judge, by name: days of the archive, the seeds' pages as digests, hostile editions, every language,
layout and look, and the mails that are no editions.

Reads the shared data; nothing of it is kept here.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import Any

from digest.entries.normalize import clean
from digest.model.editions import AuthorCard, Counts, Digest, Edition, Item, Look, Part, Remark
from digest.model.feeds import EntryData, EntryId, WorkId
from digest.model.mail import Message
from digest.rendering.language import LANGUAGES
from digest.rendering.message import stamp
from digest.rendering.render import Renderer
from tests.acceptance.archive import shared
from tests.rendering.hostile import HOSTILE, Hostile, as_fed
from tests.rendering.samples import DIGEST, SENDER, SLOT, VALUES, card, edition, item, silence

Row = Mapping[str, Any]
Mails = dict[str, bytes]

#: Signs that a text lost something before the archive was made: commands of TeX, or their remains.
_DAMAGE = re.compile(r"\\[A-Za-z]{2}|\$|\d(?:times|leq|geq|pm|sim)\b|\bell_")
#: Hostile editions that are also judged as no feed could bring them: the layout must bear them all the same.
UNCLEANED = ("title-unbroken", "fields-unbroken", "zalgo", "emoji", "long-links", "numbers", "authors-900", "remarks")
#: Notices that carry nothing to unsubscribe with, by the contract.
UNLISTED = ("confirmation", "goodbye", "alert")


def days() -> list[tuple[str, list[Row]]]:
    """The archive, a day after the other."""
    with gzip.open(shared() / "data/archive/hf_daily_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [(day, list(of)) for day, of in groupby(rows, key=lambda row: row["date"])]


def chosen_days() -> list[tuple[str, list[Row]]]:
    """Forty days: one in thirteen, and the eight whose texts are damaged most."""
    every = days()
    regular = every[::13]
    rest = [day for day in every if day not in regular]
    damaged = sorted(rest, key=lambda day: -sum(len(_DAMAGE.findall(_text(row))) for row in day[1]))[:8]
    return regular + damaged


def _text(row: Row) -> str:
    return f"{row['title']} {row['abstract']}"


def paper(row: Row, position: int) -> Item:
    """A row of the archive as a printed paper."""
    data = clean(
        EntryData(
            key=row["id"],
            title=row["title"],
            abstract=row["abstract"] or "",
            authors=tuple(row["authors"] or ()),
            institutions=(row["organization"],) if row.get("organization") else (),
            project_url=row.get("project_url") or "",
            code_url=row["code_url"] or "",
        )
    )
    score = max(9, 96 - position)
    trend = Part(key="trend", points=score - 4, figures={"votes": row["upvotes"], "hours": 20.5, "expected": 99.0})
    return item(
        position,
        work=WorkId(f"arxiv:{row['id']}"),
        title=data.title,
        abstract=data.abstract,
        authors=data.authors,
        institutions=data.institutions,
        url=f"https://arxiv.org/abs/{row['id']}",
        arxiv_id=row["id"],
        version=None,
        categories=tuple(row["categories"] or ()),
        category=(row["categories"] or ["cs.LG"])[0],
        published_at=datetime.fromisoformat(row["published_at"]) if row["published_at"] else None,
        score=score,
        parts=(trend, Part(key="novelty", points=4)),
        upvotes=row["upvotes"],
        comments=row["comments"],
        comment="",
        code_url=data.code_url,
        project_url=data.project_url,
        stars=row["stars"],
        also=(),
        seen_in=("Hugging Face",),
    )


def papers(number: int) -> tuple[Item, ...]:
    """So many real papers in a row, of the end of the archive."""
    rows = [row for _, day in days()[300:306] for row in day]
    return tuple(paper(row, position) for position, row in enumerate(rows[:number], 1))


def on(day: str) -> dict[str, Any]:
    """An edition's date."""
    local = date.fromisoformat(day)
    return {"slot": replace(SLOT, local_date=local, at=datetime.combine(local, time(7), UTC))}


# -- the seeds -------------------------------------------------------------------------------------------------------


def seed(number: str) -> list[Row]:
    """The rows of one of the project's sample pages."""
    lines = (shared() / "data" / "seeds" / f"{number}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def seed_paper(row: Row, position: int, **changes: object) -> Item:
    """A row of a page as a printed paper: what the page does not say is not known. Links are made up, the pages have
    none.
    """
    category = f"cs.{row['category']}" if row["category"] else "other"
    # The page says "et al." where we would print it for a fourth name.
    names = (*(row["authors"] or ()), *(("Et Alii",) if row["et_al"] else ()))
    data = clean(
        EntryData(
            key=f"{row['seed']}-{row['n']}",
            title=row["title"],
            abstract=row["abstract"] or "",
            authors=names,
            institutions=tuple(row["institutions"] or ()),
        )
    )
    score = row["score"] or 0
    known: dict[str, object] = {
        "position": position,
        "entry_id": EntryId(position),
        "work": WorkId(f"work:{row['seed']}-{row['n']}"),
        "title": data.title,
        "url": f"https://papers.example/{row['seed']}/{row['n']}",
        "abstract": data.abstract,
        "authors": data.authors,
        "institutions": data.institutions,
        "category": category,
        "published_at": datetime.fromisoformat(f"{row['date']}T00:00:00+00:00") if row["date"] else None,
        "score": score,
        "parts": (Part(key="trend", points=score),) if score else (),
        "code_url": f"https://code.example/{row['n']}" if row["code"] else "",
    }
    return Item(**{**known, **changes})  # type: ignore[arg-type]


def seed_edition(number: str, **changes: Any) -> Edition:
    rows = seed(number)
    items = [seed_paper(row, position) for position, row in enumerate(rows, 1)]
    return edition(*items, counts=Counts(candidates=len(items), printed=len(items)), **changes)


def author_edition() -> Edition:
    """Page 000: somebody's card and papers."""
    said = json.loads((shared() / "data" / "seeds" / "author.json").read_text("utf-8"))
    who = AuthorCard(
        name=said["name"],
        category=f"cs.{said['primary_category']}",
        h_index=said["h_index"],
        papers=said["papers"],
        citations=said["citations"],
        novelty=said["novelty_pct"],
        ai_score=said["ai_score"],
    )
    return seed_edition("000", cards=(who,))


def topic_edition(number: str, phrase: str) -> Edition:
    """A page of the papers that are most similar to a phrase, the most similar first."""
    rows = seed(number)
    items = [
        seed_paper(
            row,
            n,
            score=(score := row["score"] or max(1, 99 - 98 * n // len(rows))),
            parts=(Part(key="topic", points=score, figures={"topics": (phrase,)}),),
        )
        for n, row in enumerate(rows, 1)
    ]
    return edition(*items, counts=Counts(candidates=len(items), printed=len(items)))


# -- groups of mails -------------------------------------------------------------------------------------------------


class Press:
    """Prints mails as they are sent."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def edition(self, *editions: Edition, language: str = "en", **digest: Any) -> bytes:
        one = replace(DIGEST, **digest)
        several = tuple(
            replace(one, title=f"{one.title}{' II' * n}", name=f"{one.name}{n}") for n in range(len(editions))
        )
        return _stamped(self._renderer.edition(editions, several, sender=SENDER, language=language))

    def hostile(self, mail: Hostile) -> bytes:
        return _stamped(self._renderer.edition(mail.editions, mail.digests, sender=mail.sender, language=mail.language))

    def notice(self, kind: str, language: str = "en", digest: Digest | None = DIGEST, **context: object) -> bytes:
        message = self._renderer.notice(
            kind,
            sender=SENDER,
            digest=digest,
            language=language,
            date=SLOT.at,
            key=f"{kind}-{language}",
            context=context,
        )
        return _stamped(message)


def _stamped(message: Message) -> bytes:
    return b"".join(stamp(message, VALUES))


def sizes(press: Press) -> Mails:
    return {f"papers-{number}": press.edition(edition(*papers(number))) for number in (5, 15, 30, 50)}


def archive_days(press: Press) -> Mails:
    """Every paper of forty days, nothing left out."""
    return {
        f"day-{day}": press.edition(
            edition(
                *[paper(row, position) for position, row in enumerate(rows, 1)],
                counts=Counts(candidates=len(rows) + 90, printed=len(rows)),
                **on(day),
            )
        )
        for day, rows in chosen_days()
    }


def seed_pages(press: Press) -> Mails:
    return {
        "seed-000-author": press.edition(author_edition(), title="Papers of Alexander M. Rush"),
        "seed-001-trending": press.edition(seed_edition("001", **on("2025-03-17")), title="Trending papers"),
        "seed-002-topic": press.edition(topic_edition("002", "factuality"), title="Factuality"),
        "seed-003-topic": press.edition(topic_edition("003", "quantization of large models"), title="Quantization"),
        "seed-004-topic": press.edition(topic_edition("004", "contrastive learning"), title="Contrastive learning"),
    }


def hostile_editions(press: Press) -> Mails:
    mails = {f"hostile-{name}": press.hostile(as_fed(mail)) for name, mail in HOSTILE.items()}
    return mails | {f"hostile-{name}-uncleaned": press.hostile(HOSTILE[name]) for name in UNCLEANED}


def languages(press: Press) -> Mails:
    """In each language an edition of real papers with everything, an empty one, a joined one, and a welcome."""
    few = [*papers(9), item(10), item(11, category="cs.CV", title="مقدمة في قياس الملح على النوافذ")]
    mails: Mails = {}
    for code in LANGUAGES:
        full = edition(*few, cards=(card(),), reason=(Remark(key="best-of", figures={"days": 3}),), notes=silence())
        mails[f"{code}-edition"] = press.edition(full, language=code)
        mails[f"{code}-empty"] = press.edition(empty(), language=code)
        mails[f"{code}-joined"] = press.edition(edition(*few[:3]), edition(*few[3:9], layout="brief"), language=code)
    return mails


def empty() -> Edition:
    """An edition that explains its silence."""
    return edition(reason=(Remark(key="nothing-new"),), notes=silence())


def notices(press: Press) -> Mails:
    """Each other mail, in each language; the operator's alert is English."""
    mails: Mails = {}
    for code in LANGUAGES:
        mails[f"confirmation-{code}"] = press.notice("confirmation", code)
        mails[f"welcome-{code}"] = press.notice("welcome", code, rhythm="every weekday at 08:00")
        with_papers = press.notice("welcome", code, rhythm="every weekday at 08:00", edition=edition(*papers(4)))
        mails[f"welcome-edition-{code}"] = with_papers
        mails[f"goodbye-{code}"] = press.notice("goodbye", code)
        mails[f"bounce-{code}"] = press.notice("bounce", code, number=4, remote="452 4.2.2 The mailbox is full")
    mails["bounce-bare"] = press.notice("bounce")
    mails["alert-source"] = press.notice(
        "alert",
        digest=None,
        title="The source arXiv cs.CL does not answer",
        lines=("6 fetches in a row have failed; it last worked 2026-11-19 07:00 UTC.", "HTTP 503 of rss.arxiv.org"),
        advice="Look at it with `digest sources check` and its address; we go on trying.",
    )
    mails["alert-deliveries"] = press.notice(
        "alert",
        digest=None,
        title="41 of 214 mails were refused",
        lines=("550 5.7.1 " + "x" * 300, "relay.example"),
    )
    return mails


def layouts_and_looks(press: Press) -> Mails:
    few = papers(14)
    mails = {
        f"layout-{name}": press.edition(edition(*few, layout=name)) for name in ("full", "brief", "catalogue", "titles")
    }
    mails["joined"] = press.edition(edition(*few[:4]), edition(*few[4:9], layout="titles"), empty())
    looks = {
        "accent": Look(
            accent="#7a3b93", logo="WREN HALL", header="Every weekday, from the reading room.", footer="Salt."
        ),
        "accent-pale": Look(accent="#ffff00", logo="Wren", header="Yellow"),
        "accent-dark": Look(accent="#000000", logo="Wren", header="Black"),
        "accent-grey": Look(accent="#808080", logo="Wren", header="Grey"),
        "arabic": Look(accent="#0d6668", logo="قاعة رين", header="رسالة يومية من قاعة القراءة", footer="ملح"),
    }
    mails |= {f"look-{name}": press.edition(edition(*few[:6]), look=look) for name, look in looks.items()}
    mails["look-arabic-mail"] = press.edition(edition(*few[:6]), look=looks["arabic"], language="ar")
    return mails


GROUPS: Mapping[str, Callable[[Press], Mails]] = {
    "sizes": sizes,
    "days": archive_days,
    "seeds": seed_pages,
    "hostile": hostile_editions,
    "languages": languages,
    "notices": notices,
    "looks": layouts_and_looks,
}


def unlisted(names: Sequence[str]) -> Iterator[str]:
    """Those that carry nothing to unsubscribe with."""
    return (name for name in names if name.split("-")[0] in UNLISTED)
