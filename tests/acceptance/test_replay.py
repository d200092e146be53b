"""Every state of a source over one month, in time order: vote changes and revisions never make a repeat."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from digest.app import build
from digest.config import from_table
from digest.storage import deliveries, editions
from digest.storage.entries import entries
from tests.acceptance.archive import shared

pytestmark = pytest.mark.shared

#: replay -> (kind, document's name)
REPLAYS = {
    "hf_api_2025-11": ("huggingface", "state.json"),
    "hf_rss_2025-11": ("feed", "state.xml"),
    "arxiv_filtered_2025-05": ("arxiv", "state.xml"),
}
_ARXIV = re.compile(r"(\d{4}\.\d{4,5})")


def states(name: str) -> list[tuple[datetime, bytes]]:
    """(observed at, document) in time order."""
    folder = shared() / "data" / "replay"
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]
    with tarfile.open(folder / f"{name}.tar.gz") as archive:
        found = []
        for row in sorted(rows, key=lambda row: row["observed_at"]):
            member = archive.extractfile(row["file"])
            assert member is not None
            found.append((datetime.fromisoformat(row["observed_at"]), member.read()))
    return found


@pytest.mark.parametrize("name", REPLAYS)
def test_a_month_of_states_repeats_nothing(name: str, tmp_path: Path) -> None:
    """Each state is fetched at its time; an edition goes out after it; no paper is new or printed a second time."""
    kind, document = REPLAYS[name]
    now = [datetime.fromisoformat("2025-01-01T00:00:00+00:00")]
    table = {
        "mail": {"from": "digest@example.org"},
        "smtp": {"transport": "folder", "path": "outbox"},
        "web": {"enabled": False},
        "fetch": {"arxiv_api": ""},
        "source": [{"id": "replayed", "kind": kind, "url": document}],
        "digest": [{"name": "papers", "send_at": "12:00", "max_items": 200, "layout": "titles"}],
    }
    app = build(from_table(table, folder=tmp_path, environ={}), clock=lambda: now[0])
    app.subscribe.add("reader@example.org", "papers")
    totals: Counter[str] = Counter()
    first_slot = states(name)[0][0].replace(hour=12, minute=0, second=0)
    for at, body in states(name):
        now[0] = at
        (tmp_path / document).write_bytes(body)
        (row,) = app.ingest.run(everything=True)
        assert row.state.value != "broken", row.detail
        totals.update(new=row.new, revised=row.revised, unchanged=row.unchanged)
        now[0] = at.replace(hour=12, minute=0, second=0)
        app.publish.run(now[0], insist=True)
    now[0] += timedelta(days=1)
    app.publish.run(now[0], insist=True)
    printed: dict[str, list[str]] = defaultdict(list)
    with app.store.reading() as tx:
        for delivery in deliveries.listing(tx, limit=1000):
            edition = editions.load(tx, delivery.edition_id)
            for item in edition.items:
                found = _ARXIV.search(item.url)
                printed[found.group(1) if found else item.url].append(edition.slot.key)
        too_old = tx.execute(
            select(func.count())
            .select_from(entries)
            .where(entries.c.first_seen_at <= first_slot - timedelta(days=3), entries.c.merged_into.is_(None))
        ).scalar_one()
    repeated = {paper: slots for paper, slots in printed.items() if len(slots) > 1}
    assert repeated == {}
    assert sum(len(slots) for slots in printed.values()) == totals["new"] - too_old
    if name != "hf_api_2025-11":  # whose states are a day's own list each
        assert totals["unchanged"] > 0
    print(f"{name}: {dict(totals)}, printed {len(printed)}")
    app.close()
