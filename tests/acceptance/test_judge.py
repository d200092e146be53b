"""Real days of the archive and difficult papers pass the e-mail judge (../shared/judge, an installed copy in
JUDGE_DIR).
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

import pytest

from digest.entries.normalize import clean
from digest.model.editions import Edition, Item, Part
from digest.model.feeds import EntryData
from digest.rendering.message import stamp
from digest.rendering.render import Renderer, default_template_folder
from tests.rendering.samples import DIGEST, SENDER, VALUES, edition, item

SHARED = Path(os.environ.get("DIGEST_SHARED", "../shared"))
JUDGE = Path(os.environ.get("JUDGE_DIR", str(SHARED / "judge")))

#: Commands and signs that lost their meaning before the archive was made; cleaning them is the business of entries.
DAMAGED = re.compile(r"\\[A-Za-z]{2}|\d(?:times|leq|geq|pm|sim)\b")


def days() -> Iterator[list[dict[str, object]]]:
    """The archive, a day after the other."""
    with gzip.open(SHARED / "data/archive/hf_daily_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for _, day in groupby(rows, key=lambda row: row["date"]):
        yield list(day)


def printed(row: dict, position: int) -> Item:
    """An archive row as a printed paper."""
    data = clean(
        EntryData(
            key=row["id"],
            title=row["title"],
            abstract=row["abstract"] or "",
            authors=tuple(row["authors"] or ()),
            institutions=(row["organization"],) if row.get("organization") else (),
        )
    )
    category = (row["categories"] or ["cs.LG"])[0]
    score = max(9, 96 - position)
    trend = Part(key="trend", points=score - 4, figures={"votes": row["upvotes"], "hours": 20.5, "expected": 99.0})
    return item(
        position,
        title=data.title,
        abstract=data.abstract,
        authors=data.authors,
        institutions=data.institutions,
        url=f"https://arxiv.org/abs/{row['id']}",
        arxiv_id=row["id"],
        version=None,
        category=category,
        published_at=datetime.fromisoformat(row["published_at"]) if row["published_at"] else None,
        score=score,
        parts=(trend, Part(key="novelty", points=4)),
        upvotes=row["upvotes"],
        comments=row["comments"],
        comment="",
        code_url=row["code_url"] or "",
        stars=row["stars"],
        also=(),
        seen_in=("Hugging Face",),
    )


def difficult() -> Edition:
    """Everything that breaks layouts, without what the judge rightly calls residue."""
    return edition(
        item(1, title="W" * 3000, abstract="V" * 9000, authors=("U" * 300,) * 900, institutions=("T" * 400,) * 9),
        item(2, title="מדריך לקריאה ארוכה על חלונות ומלח בספריה", abstract="מלח על החלונות מצטבר בכל לילה מחדש. " * 20),
        item(3, title="z" + "\u0301\u0302" * 300 + " marks", abstract="<script>alert(1)</script> ]]> " * 30),
        item(4, title="東京の窓と塩に関する長い長い研究報告" * 12, abstract="塩は重い。" * 200, category="q-bio.NC"),
        item(5, title="\u202egnp.exe\u202c", url="javascript:alert(1)", abstract="", category="x" * 200),
        item(
            6,
            code_url="https://code.example/" + "y" * 900,
            comment="s" * 900,
            also=("url:https://z.example/" + "z" * 700,),
        ),
    )


@pytest.mark.shared
def test_stamped_mails_of_real_days_pass_the_gate(tmp_path: Path) -> None:
    """5, 15, 30 and 50 papers, three layouts, an empty edition, a joined mail, a welcome, and a difficult edition."""
    assert (JUDGE / "node_modules").is_dir(), f"{JUDGE}: install a copy of the judge and name it in JUDGE_DIR"
    pool = [
        row for day in list(days())[300:306] for row in day if not DAMAGED.search(f"{row['title']} {row['abstract']}")
    ]
    papers = [printed(row, position) for position, row in enumerate(pool[:50], 1)]
    renderer = Renderer([default_template_folder()])

    def made(*editions: Edition, **sender: str) -> bytes:
        digests = tuple(replace(DIGEST, title=f"{DIGEST.title}{' II' * n}") for n in range(len(editions)))
        mail = renderer.edition(editions, digests, sender=replace(SENDER, **sender), language="en")
        return b"".join(stamp(mail, VALUES))

    welcome = renderer.notice(
        "welcome",
        sender=SENDER,
        digest=DIGEST,
        language="en",
        date=edition().slot.at,
        key="w",
        context={"rhythm": "every weekday at 08:00", "edition": edition(*papers[:4])},
    )
    mails = {
        **{f"papers-{n}": made(edition(*papers[:n])) for n in (5, 15, 30, 50)},
        **{layout: made(edition(*papers[:12], layout=layout)) for layout in ("brief", "titles")},
        "empty": made(edition(reason="arXiv does not announce on Sundays.", notes=("cs.CL: holiday",))),
        "joined": made(edition(*papers[:3]), edition(*papers[3:9])),
        "difficult": made(difficult()),
        "welcome": b"".join(stamp(welcome, VALUES)),
    }
    for name, raw in mails.items():
        (tmp_path / f"{name}.eml").write_bytes(raw)
    python = JUDGE / ".venv" / "bin" / "python"
    result = subprocess.run(
        [python, JUDGE / "judge.py", "--gate", *sorted(tmp_path.glob("*.eml"))], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout.splitlines()[-1].split(", ")[:3]) == (
        0,
        [f"{len(mails)} passed", "0 failed", "0 not judged"],
    ), result.stdout + result.stderr
