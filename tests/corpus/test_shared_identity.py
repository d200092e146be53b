"""One work in other clothes, and different works that look alike, on the archive; the figures are printed (-s).

Lines are grouped as `digest rank` groups them (FILE's `also`), and works are ingested into a store. Pairs are made of
real records: a paper as Hugging Face shows it and as arXiv lists it, and one paper dressed otherwise by rule. Ids are
hidden unless the disguise is an id. Baseline: an id or link in common, or an equal title with a common author.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from digest.entries.diff import diff
from digest.entries.identity import share_author, title_key
from digest.entries.near import compare
from digest.entries.works import COMMON
from digest.model.feeds import Source, SourceId
from digest.ranking.observations import Line, observation, works
from digest.ranking.rank_file import rank_file
from digest.services.fetching.keeping import keep, known
from digest.services.learning.rank_file import IDENTITY
from digest.storage import likeness

pytestmark = pytest.mark.shared

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data" / "archive"
NOW = datetime(2025, 12, 31, tzinfo=UTC)
Row = dict[str, object]


def rows(name: str) -> list[Row]:
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@cache
def archive() -> tuple[dict[str, Row], list[tuple[str, Row, Row]]]:
    """Every paper once by its arXiv id, and (id, as Hugging Face shows it, as arXiv lists it)."""
    shown = {str(row["id"]): row for row in (*rows("hf_late_dev"), *rows("hf_daily_dev"))}
    listed = {str(row["id"]): row for row in rows("arxiv_pool_dev")}
    both = [(id_, shown[id_], listed[id_]) for id_ in sorted(shown.keys() & listed.keys())]
    return {**listed, **shown}, both


def bare(row: Row, id_: str, **changes: object) -> Row:
    """A line without the paper's ids."""
    said = {"id": id_, "title": row["title"], "abstract": row["abstract"], "authors": row["authors"]}
    return {**said, "observed_at": "2025-12-30T08:00:00Z", "source": "other", **changes}


def grouped(lines: Sequence[Row]) -> list[frozenset[str]]:
    seen = [observation(Line(number=n, says=says), IDENTITY, name="F") for n, says in enumerate(lines, 1)]
    return [frozenset(one.id for one in group) for group in works(seen, IDENTITY)]


def baseline(lines: Sequence[Row]) -> int:
    """Of pairs (each two lines), how many the rule of ids or equal titles joins."""
    seen = [observation(Line(number=n, says=says), IDENTITY, name="F") for n, says in enumerate(lines, 1)]
    joined = 0
    for one, other in zip(seen[::2], seen[1::2], strict=True):
        key = title_key(one.data.title)
        titled = bool(key) and key == title_key(other.data.title)
        joined += bool({*one.aliases} & {*other.aliases}) or (
            titled and share_author(one.data.authors, other.data.authors)
        )
    return joined


def title_of(row: Row) -> str:
    return " ".join(str(row["title"]).split())


def authors_of(row: Row) -> list[str]:
    return list(row["authors"])  # type: ignore[call-overload]


def sentences(row: Row) -> list[str]:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(str(row["abstract"]).split()))


def reworded(row: Row) -> str:
    """The abstract without one of its sentences and with other small words, as a later version has it."""
    said = sentences(row)
    kept = said if len(said) < 4 else [*said[:2], *said[3:]]
    changes = {" we propose ": " we present ", " shows ": " demonstrates ", " Moreover,": " Furthermore,"}
    text = " ".join(kept)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def surname_first(name: str) -> str:
    *given, family = name.split()
    return f"{family}, {' '.join(given)}" if given else family


def initials(name: str) -> str:
    *given, family = name.split()
    return " ".join([*(f"{part[0]}." for part in given), family])


def misspelt(title: str) -> str:
    """One letter of the longest word doubled by a slip of the hand."""
    longest = max(re.findall(r"[A-Za-z]+", title), key=len, default="")
    middle = len(longest) * 2 // 3
    return title.replace(longest, f"{longest[:middle]}{longest[middle]}{longest[middle:]}", 1)


Disguise = Callable[[str, Row], tuple[Row, Row] | None]


def disguises() -> dict[str, Disguise]:
    def pair(change: Callable[[Row], Row | None]) -> Disguise:
        def dress(id_: str, row: Row) -> tuple[Row, Row] | None:
            said = change(row)
            if said is None:
                return None
            own = bare(row, f"https://arxiv.org/abs/{id_}", source="arxiv")
            return own, bare(row, f"x-{id_}", **said)

        return dress

    def named(**ids: str) -> Disguise:
        return lambda id_, row: (
            bare(row, id_, source="hf"),
            bare(row, f"y-{id_}", title="Untitled", **{key: value.format(id_) for key, value in ids.items()}),
        )

    def subtitle(row: Row) -> Row | None:
        title = title_of(row)
        return (
            {"title": title.split(": ", 1)[1]} if ": " in title and len(title.split(": ", 1)[1].split()) > 3 else None
        )

    return {
        "link to the PDF of version 2": named(url="https://arxiv.org/pdf/{}v2.pdf"),
        "page on Hugging Face": named(url="https://huggingface.co/papers/{}"),
        "DataCite DOI": named(doi="https://doi.org/10.48550/arXiv.{}"),
        "ids hidden": pair(lambda row: {}),
        "capitals": pair(lambda row: {"title": title_of(row).upper()}),
        "no hyphens": pair(lambda row: {"title": title_of(row).replace("-", "")}),
        "no punctuation": pair(lambda row: {"title": re.sub(r"[^\w\s$\\{}^]", " ", title_of(row))}),
        "TeX": pair(lambda row: {"title": re.sub(r"^([A-Za-z]+)\b", r"$\\textbf{\1}$", title_of(row))}),
        "dashes and quotes": pair(lambda row: {"title": title_of(row).replace("-", "–").replace("'", "’")}),
        "one letter wrong": pair(lambda row: {"title": misspelt(title_of(row))}),
        "without its nickname": pair(subtitle),
        "two sentences of the abstract": pair(lambda row: {"abstract": " ".join(sentences(row)[:2])}),
        "no abstract": pair(lambda row: {"abstract": ""}),
        "no authors": pair(lambda row: {"authors": []}),
        "first author and others": pair(lambda row: {"authors": authors_of(row)[:1]}),
        "initials": pair(lambda row: {"authors": [initials(name) for name in authors_of(row)]}),
        "surname first": pair(lambda row: {"authors": [surname_first(name) for name in authors_of(row)]}),
        "later version, reworded": pair(lambda row: {"abstract": reworded(row)}),
        "publisher": pair(
            lambda row: {
                "doi": f"10.1145/{zlib.crc32(title_of(row).encode())}",
                "title": title_of(row).title(),
                "abstract": reworded(row) + " © 2025 The Authors.",
                "authors": [initials(name) for name in authors_of(row)],
            }
        ),
        "publisher, retitled": pair(
            lambda row: {
                "doi": f"10.1109/{zlib.crc32(title_of(row).encode())}",
                "title": "On " + title_of(row).replace("Towards ", "Toward ") + " and Its Limits",
                "abstract": reworded(row),
            }
        ),
    }


def paper_of(id_: str) -> str:
    return re.sub(r"^(?:x-|y-|https://arxiv.org/abs/)", "", id_)


def test_the_same_work_in_other_clothes_is_one_item():
    everything, both = archive()
    papers = sorted(everything.items())[::16]
    told: dict[str, tuple[int, int, int]] = {}
    wrong: list[frozenset[str]] = []

    def run(name: str, pairs: Iterable[tuple[Row, Row]]) -> None:
        lines = [line for pair in pairs for line in pair]
        groups = grouped(lines)
        group_of = {id_: group for group in groups for id_ in group}
        found = sum(
            str(other["id"]) in group_of[str(one["id"])] for one, other in zip(lines[::2], lines[1::2], strict=True)
        )
        wrong.extend(group for group in groups if len({paper_of(id_) for id_ in group}) > 1)
        told[name] = (found, len(lines) // 2, baseline(lines))

    run(
        "Hugging Face and arXiv",
        ((bare(shown, f"https://arxiv.org/abs/{id_}"), bare(listed, f"x-{id_}")) for id_, shown, listed in both),
    )
    for name, dress in disguises().items():
        run(name, (dressed for id_, row in papers if (dressed := dress(id_, row)) is not None))
    print()
    for name, (found, pairs, plain) in told.items():
        print(f"{name:32} {found:5} of {pairs:5} = {found / pairs:.4f}   baseline {plain / pairs:.4f}")
    found, pairs, plain = (sum(row[n] for row in told.values()) for n in range(3))
    low, high = interval(found, pairs)
    print(
        f"{'all':32} {found:5} of {pairs:5} = {found / pairs:.4f} (95 % {low:.4f} to {high:.4f})   "
        f"baseline {plain / pairs:.4f}; {len(wrong)} false"
    )
    assert not wrong
    assert found / pairs >= 0.999


def interval(found: int, pairs: int) -> tuple[float, float]:
    """Bootstrap over the pairs, 95 %."""
    drawn = np.random.default_rng(1).binomial(pairs, found / pairs, 2000) / pairs
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def test_no_two_papers_of_the_archive_are_taken_for_one_with_all_ids_hidden():
    everything, _ = archive()
    texts = {id_: IDENTITY.words(observation(Line(number=1, says=bare(row, f"x-{id_}")), IDENTITY, name="F").data)
             for id_, row in everything.items()}  # fmt: skip
    under: dict[int, list[str]] = defaultdict(list)
    for id_, text in texts.items():
        for band in text.bands:
            under[band].append(id_)
    pairs = {pair for ids in under.values() if len(ids) <= COMMON for pair in combinations(ids, 2)}
    answers = Counter(compare(texts[one], texts[other]).answer.value for one, other in pairs)
    count = len(texts)
    print(f"\n{count} papers, {count * (count - 1) // 2} pairs, {len(pairs)} compared: {dict(answers)}")
    assert answers["same"] == 0
    assert answers["possibly"] <= 12
    assert len(pairs) < 3 * count, "what is compared must grow with the papers, not with their square"


def test_digest_rank_makes_one_item_of_both_and_a_store_one_work(store):
    _, both = archive()
    some = both[::3]
    lines = [line for id_, shown, listed in some for line in (bare(shown, id_), bare(listed, f"x-{id_}"))]
    numbered = [Line(number=n, says=says) for n, says in enumerate(lines, 1)]
    items = rank_file(numbered, identity=IDENTITY)["items"]
    assert sorted((item["id"], item["also"]) for item in items) == [(id_, [f"x-{id_}"]) for id_, *_ in some]
    feeds = {
        "hf": [observation(line, IDENTITY, name="F").data for line in numbered[::2]],
        "mirror": [observation(line, IDENTITY, name="F").data for line in numbered[1::2]],
    }
    kinds = []
    for name, said in feeds.items():
        with store.transaction() as tx:
            taken, held = known(tx, said, now=NOW)
            changes = diff(taken, held, source=Source(id=SourceId(name), kind="feed"), now=NOW, backfill=False)
            keep(tx, changes, now=NOW)
            kinds.append(Counter(change.kind.value for change in changes))
            likely = likeness.likely(tx)
    print(
        f"\n{len(some)} papers: first {dict(kinds[0])}, then without ids {dict(kinds[1])}; {len(likely)} likely pairs"
    )
    assert kinds[0] == {"new": len(some)} and kinds[1]["new"] == 0
