"""The App: what its services share, and what a process that stays has made at its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from digest.app import build
from digest.config import from_table
from digest.daemon.worker import _TO_PUBLISH
from digest.model.ranking import Evidence
from digest.ranking import semantic
from tests.ranking import tiny_model
from tests.services.road import SLOT, table

ROOT = Path(__file__).parent.parent


@pytest.fixture
def database():
    return "sqlite"


def test_all_that_rank_share_one_model_of_sentences(url, tmp_path, monkeypatch):
    tiny_model.write(tmp_path / "tiny")
    read: list[str] = []
    monkeypatch.setattr("digest.app.ranking.load_model", lambda *said: read.append(said[0]) or semantic.load(*said))
    app = build(from_table(table(url, ranking={"semantic": "tiny"}), folder=tmp_path), clock=lambda: SLOT)
    for service in (app.publish, app.preview, app.explain, app.silence):
        service.prepare([], Evidence(), SLOT)
    assert read == ["tiny"]
    app.close()


#: In a process of its own: in this one other tests have imported everything.
STAYS = """
import sys
from dataclasses import replace
from pathlib import Path
from digest.app import build
from digest.config import from_table
from tests.services.road import SLOT, table

url, folder, *needs = sys.argv[1:]
app = replace(build(from_table(table(url), folder=Path(folder)), clock=lambda: SLOT), needs=(*needs,)).ready()
ours = {name for name in sys.modules if name.startswith("digest.")}
if not needs:
    app.prune(), app.refit(), app.read_mailbox(), app.category_title("cs.CL")
app.publish.run(SLOT)
print(sorted({name for name in sys.modules if name.startswith("digest.")} - ours))
"""


@pytest.mark.parametrize("needs", [(), _TO_PUBLISH], ids=["all", "only to publish"])
def test_what_stays_reads_no_code_of_ours_after_its_start(url, tmp_path, needs):
    command = [sys.executable, "-c", STAYS, url, str(tmp_path), *needs]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr
