"""`digest backtest`: an archive or the store is replayed, a prior is fitted, and what cannot be read is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from digest.storage import fits
from digest.storage.engine import open_store
from tests.services.histories import FIRST, listed, text, voted
from tests.services.test_backtest import stored

LAST = "2026-02-11"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with a plain and a packed file."""
    folder = tmp_path / "seen"
    folder.mkdir()
    (folder / "hf.jsonl").write_text("".join(text(voted())), encoding="utf-8")
    with gzip.open(folder / "arxiv.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(text(listed()))
    (folder / "README.md").write_text("not read")
    return folder


def replay(call, *more: object, days: str = str(FIRST)):
    return call("backtest", "--archive", "seen", "--from", days, "--to", LAST, *more)


def test_an_archive_is_scored_without_a_configuration(call, archive, tmp_path):
    done = replay(call, "--source", "hf", "--json")
    assert (done.code, done.err) == (0, "")
    rows = {(row["measure"], row["list"]): row["value"] for row in done.json["rows"]}
    assert rows["precision", "raw votes"]["mean"] == pytest.approx(0.7)
    assert rows["precision", "raw votes"]["low"] <= 0.7 <= rows["precision", "raw votes"]["high"]
    assert (rows["precision", "general"]["count"], len(done.json["pools"])) == (2, 2)
    assert Path(done.json["report"]) == tmp_path / "backtest.html"
    assert "<h1>Backtest</h1>" in (tmp_path / "backtest.html").read_text(encoding="utf-8")
    assert not (tmp_path / "digest.db").exists()


def test_the_table_is_printed_with_intervals(call, archive):
    done = replay(call, "--out", "r.html")
    assert done.code == 0
    assert "2026-02-02 to 2026-02-11: 2 pools of 5 days, 3 listings without votes." in done.out
    assert "P@10 against final votes" in done.out
    assert "chance" in done.out
    assert "Calibration error of P(featured) over 150 papers" in done.out
    assert done.out.rstrip().endswith("r.html")


def test_two_profiles_are_compared_pool_by_pool(call, archive, tmp_path):
    (tmp_path / "one.toml").write_text("weights = { trend = 100 }\n")
    (tmp_path / "other.toml").write_text("weights = { novelty = 100 }\n")
    done = replay(call, "--profile", "one.toml", "--against", "other.toml", "--json")
    assert (done.json["lists"], done.json["compared_with"]) == (["one.toml", "other.toml"], "other.toml")
    first = next(row for row in done.json["rows"] if row["list"] == "one.toml")
    assert first["over_other"]["count"] == len(done.json["pools"])
    told = replay(call, "--profile", "one.toml", "--against", "other.toml").out
    assert "2026-02-02 to 2026-02-06" in told
    assert "gain over other.toml" in told


def test_a_switch_is_compared_with_how_it_usually_is(call, archive):
    done = replay(call, "--no-prestige", "--json")
    assert (done.code, done.json["lists"]) == (0, ["general", "general, as usual"])


def test_the_store_is_replayed_by_the_digests_profile(call, read):
    done = call("backtest", "--store", "--json")
    assert done.code == 1
    assert "too little" in done.json["error"]["what"]
    assert done.json["error"]["where"].endswith("digest.db")


def test_the_store_is_scored_at_the_hour_at_which_its_digest_goes_out(call, installed, at):
    store = open_store(f"sqlite:///{installed / 'digest.db'}")
    stored(store, sorted(voted(), key=lambda line: line["observed_at"]))
    store.close()
    at("2026-04-01T00:00:00Z")
    done = call("backtest", "--store", "--from", str(FIRST), "--to", "2026-02-12", "--json")
    assert (done.code, done.json["lists"]) == (0, ["papers"])
    # Papers come in at eight, the digest goes out at seven: they are in the next morning's.
    assert [pool["at"] for pool in done.json["pools"]] == ["2026-02-07T07:00:00Z", "2026-02-12T07:00:00Z"]
    assert done.json["rows"][0]["value"]["mean"] == pytest.approx(0.7)


def test_too_few_papers_teach_no_prior(call, archive):
    done = call("backtest", "--fit", "--archive", "seen", "--to", LAST, "--out", "prior.json", "--json")
    assert done.code == 1
    assert "works have final votes, and a prior needs" in done.json["error"]["what"]
    assert not Path("prior.json").exists()


def test_a_prior_is_fitted_and_used(call, tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    (folder / "hf.jsonl").write_text("".join(text(voted(days=20, a_day=30))))
    done = call("backtest", "--fit", "--archive", "seen", "--to", "2026-03-01", "--out", "prior.json", "--json")
    assert (done.code, done.json["votes"], done.json["first"]) == (0, 600, str(FIRST))
    assert done.json["listed"] == 0
    used = replay(call, "--prior", "prior.json", "--json")
    assert (used.code, used.json["lists"]) == (0, ["general", "general, as usual"])
    assert any("A fitted prior was fitted on papers of 2026-02-02" in note for note in used.json["notes"])
    again = call("backtest", "--fit", "--archive", "seen", "--to", "2026-03-01", "--out", "again.json")
    assert again.code == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "prior.json").read_bytes()


def test_a_prior_can_go_into_the_database(call, installed, tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    (folder / "hf.jsonl").write_text("".join(text(voted(days=20, a_day=30))))
    done = call("backtest", "--fit", "--archive", "seen", "--json")
    assert (done.code, done.json["file"]) == (0, None)
    store = open_store(f"sqlite:///{installed / 'digest.db'}")
    with store.reading() as tx:
        assert fits.newest_at(tx) is not None
    store.close()


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        ((), 2, "digest backtest"),
        (("--archive", "seen", "--store"), 2, "digest backtest"),
        (("--archive", "none"), 1, "none"),
        (("--archive", "empty"), 1, "empty"),
        (("--archive", "seen", "--from", "2026-03-01", "--to", "2026-02-01"), 2, "--from"),
        (("--archive", "seen", "--from", "yesterday"), 2, "--from"),
        (("--archive", "seen", "--at", "noon"), 2, "--at"),
        (("--archive", "seen", "--days", "0"), 2, "digest backtest"),
        (("--archive", "bad"), 1, "bad/lines.jsonl, line 2"),
        (("--archive", "undated"), 1, "undated/lines.jsonl, line 1"),
        (("--archive", "latin"), 1, "latin/lines.jsonl, line 1"),
        (("--archive", "torn"), 1, "torn/lines.jsonl.gz"),
        (("--archive", "seen", "--profile", "none.toml"), 2, "none.toml"),
        (("--archive", "seen", "--against", "typo.toml"), 2, "typo.toml"),
        (("--archive", "seen", "--prior", "old.json"), 1, "old.json"),
        (("--archive", "seen", "--prior", "none.json"), 1, "none.json"),
        (("--store",), 2, ""),
    ],
)
def test_what_cannot_be_used_is_named(call, archive, tmp_path, arguments, code, where):
    for name in ("empty", "bad", "undated", "latin", "torn"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad/lines.jsonl").write_text(text(voted())[0] + "{not JSON\n")
    (tmp_path / "undated/lines.jsonl").write_text('{"id": "2602.00001", "title": "A lamp that nobody dated"}\n')
    (tmp_path / "latin/lines.jsonl").write_bytes(b'{"id": "caf\xe9"}\n')
    (tmp_path / "torn/lines.jsonl.gz").write_bytes((archive / "arxiv.jsonl.gz").read_bytes()[:-20])
    (tmp_path / "typo.toml").write_text("keyword = []\n")
    (tmp_path / "old.json").write_text(json.dumps({"format": 0}))
    done = call("backtest", *arguments, "--json")
    assert (done.code, done.err) == (code, "")
    assert done.json["error"]["where"] == where or not where
    assert done.json["error"]["try"]
    assert "Traceback" not in done.out
    assert not (tmp_path / "backtest.html").exists()


def test_one_day_of_history_is_too_little(call, tmp_path):
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen/one.jsonl").write_text("".join(text(voted(days=1))))
    done = call("backtest", "--archive", "seen", "--json")
    assert done.code == 1
    assert "too little" in done.json["error"]["what"]
