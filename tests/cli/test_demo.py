"""`digest demo`."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path


def test_two_days_are_two_mails_and_the_second_holds_nothing_of_the_first(call, tmp_path):
    done = call("demo", "--out", tmp_path / "road", "--json")
    assert (done.code, done.err) == (0, "")
    first, second = done.json["mails"]
    assert (first["printed"], second["printed"], done.json["repeated"]) == (19, 16, [])
    assert (first["day"], second["day"]) == ("2026-03-03", "2026-03-04")
    assert set(first["works"]) & set(second["works"]) == set()
    for mail in (first, second):
        raw = email.message_from_bytes(Path(mail["eml"]).read_bytes(), policy=email.policy.default)
        assert (raw["To"], raw["List-Id"] is not None) == ("reader@example.org", True)
        text = raw.get_body(("plain",)).get_content()
        assert all(work.removeprefix("arxiv:") in text for work in mail["works"] if work.startswith("arxiv:"))
        assert "<html" in Path(mail["html"]).read_text("utf-8").lower()
        assert Path(mail["text"]).read_text("utf-8").startswith("Trending papers")


def test_a_paper_of_several_sources_with_a_revision_and_growing_votes_comes_once(call, tmp_path):
    """2603.90101 stands in all three feeds on both days; 2603.90104 has a second version on the second day."""
    first, second = call("demo", "--out", tmp_path / "road", "--json").json["mails"]
    works = [*first["works"], *second["works"]]
    assert [works.count(f"arxiv:2603.90{number}") for number in (101, 104, 203)] == [1, 1, 1]


def test_it_tells_where_the_mails_lie(call, tmp_path):
    done = call("demo", "--out", tmp_path / "road")
    assert done.code == 0
    written = sorted(path.name for path in (tmp_path / "road").glob("mail-*"))
    assert written == [f"mail-{n}.{kind}" for n in (1, 2) for kind in ("eml", "html", "txt")]
    assert all(str(tmp_path / "road" / name) in done.out for name in written)


def test_a_folder_that_is_in_use_is_refused(call, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    done = call("demo", "--out", tmp_path / "mine")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {tmp_path}/mine: is there already and not empty\n  try: name a new folder\n"
