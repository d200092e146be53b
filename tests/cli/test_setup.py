"""`digest init` and `digest doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.services.tending import doctor
from tests.cli.conftest import SAMPLES


@pytest.fixture(autouse=True)
def without_dns(monkeypatch):
    """A resolver that never answers."""

    def nobody(_name: str) -> tuple[str, ...]:
        raise OSError("no resolver answers")

    monkeypatch.setattr("digest.app.operating.text_records", nobody)


def test_the_defaults_make_a_configuration_that_works_offline(call, tmp_path):
    made = call("init", "--yes")
    assert (made.code, made.out.splitlines()[0]) == (0, "Wrote config.toml.")
    checked = call("sources", "check", SAMPLES / "day-1/blog.rss", "--json")
    assert (checked.code, checked.json["inputs"][0]["ok"]) == (0, True)
    shown = call("preview", "--json")
    assert (shown.code, shown.json["files"]) == (0, None)
    assert "config.toml" in {path.name for path in tmp_path.iterdir()}


def test_an_existing_file_is_never_overwritten(call, tmp_path):
    (tmp_path / "config.toml").write_text("mine")
    made = call("init", "--yes", "--json")
    assert (made.code, (tmp_path / "config.toml").read_text()) == (2, "mine")
    assert made.json["error"]["where"] == "config.toml"


def test_the_answers_are_kept_and_the_reader_is_subscribed(call, monkeypatch, tmp_path):
    answers = iter(["me@example.org", "mail.example.org:2587", "Me@Example.org", "stat.ML, cs.LG", "06:15 Asia/Tokyo"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    made = call("init", "--config", tmp_path / "new/config.toml", "--json")
    assert (made.code, made.json["reader"]) == (0, "me@example.org")
    listed = call("subscribers", "list", "--config", tmp_path / "new/config.toml", "--json")
    assert [(one["address"], one["digest"], one["state"]) for one in listed.json["subscriptions"]] == [
        ("me@example.org", "papers", "confirmed")
    ]
    assert 'timezone = "Asia/Tokyo"' in (tmp_path / "new/config.toml").read_text()


def test_answers_that_cannot_work_write_nothing(call, monkeypatch, tmp_path):
    answers = iter(["me@example.org", "", "", "cs.CL", "25:99 UTC"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    made = call("init")
    assert (made.code, "send_at" in made.err, list(tmp_path.iterdir())) == (2, True, [])


def test_the_doctor_names_what_how_and_what_to_do(call, read):
    told = call("doctor", "--json")
    assert told.code == 0
    found = {one["what"]: (one["state"], bool(one["try"])) for one in told.json["findings"]}
    assert found == {
        "configuration": ("ok", False),
        "database": ("ok", False),
        "digest papers": ("ok", False),
        "source arxiv": ("ok", False),
        "source hf-daily": ("ok", False),
        "mail server": ("warn", True),
        "public URL": ("ok", False),
        "mailbox": ("warn", True),
        "DNS": ("warn", True),
    }
    assert call("doctor").out.splitlines()[-1] == "0 wrong, 3 worth a look."


def test_the_doctor_fetches_every_source_when_asked(call, read):
    Path("feeds/arxiv.atom").unlink()
    told = call("doctor", "--live", "--json")
    found = {one["what"]: (one["state"], one["detail"]) for one in told.json["findings"]}
    assert (told.code, found["source hf-daily"]) == (1, ("ok", "16 papers now"))
    assert found["source arxiv"][0] == "fail"
    assert "there is no such file" in found["source arxiv"][1]


def test_the_doctor_tells_a_broken_template_with_its_line(call, read):
    text = Path("config.toml").read_text().replace("[mail]", '[mail]\ntemplates = "mine"')
    Path("config.toml").write_text(text)
    Path("mine").mkdir()
    Path("mine/edition.html.j2").write_text("one\n{% if %}")
    told = call("doctor", "--json")
    (wrong,) = (one for one in told.json["findings"] if one["state"] == "fail")
    assert (told.code, wrong["what"]) == (1, "templates")
    assert "edition.html.j2:2" in wrong["detail"]


def test_the_doctor_looks_at_pages_that_are_seldom_used_and_tells_each_fault_once(call, read):
    text = Path("config.toml").read_text().replace("[mail]", '[mail]\ntemplates = "mine"')
    Path("config.toml").write_text(text)
    Path("mine/pages").mkdir(parents=True)
    Path("mine/parts").mkdir()
    Path("mine/pages/unsubscribe.html.j2").write_text("{# Context: x. #}\n{% if %}")
    Path("mine/parts/foot.html.j2").write_text("{{ oops")
    told = call("doctor", "--json")
    wrong = [one["detail"] for one in told.json["findings"] if one["state"] == "fail"]
    assert told.code == 1
    assert len(wrong) == 2
    assert any("pages/unsubscribe.html.j2:2" in one for one in wrong)
    assert any("parts/foot.html.j2:1" in one for one in wrong)


def test_a_mail_server_that_is_not_there_is_a_finding(call, read):
    text = Path("config.toml").read_text()
    server = 'host = "127.0.0.1"\nport = 1\nsecurity = "none"'
    Path("config.toml").write_text(text.replace('transport = "folder"\npath = "outbox"', server))
    told = call("doctor", "--json")
    found = {one["what"]: one for one in told.json["findings"]}
    assert (told.code, found["mail server"]["state"], bool(found["mail server"]["try"])) == (1, "fail", True)


def test_a_wrong_configuration_is_the_only_finding(call, installed):
    Path("config.toml").write_text("[mail]\nfrmo = 1\n")
    told = call("doctor", "--json")
    assert (told.code, [one["what"] for one in told.json["findings"]]) == (2, ["configuration"])


def test_dns_records_are_looked_up_at_their_names(call, read, monkeypatch):
    asked: list[str] = []
    records = {"example.org": ("other", "v=spf1 -all"), "s1._domainkey.example.org": ("v=DKIM1; p=abc",)}

    def answer(name: str) -> tuple[str, ...]:
        asked.append(name)
        return records.get(name, ())

    monkeypatch.setattr("digest.app.operating.text_records", answer)
    told = call("doctor", "--json")
    found = {one["what"]: (one["state"], one["detail"]) for one in told.json["findings"]}
    assert (found["SPF"], found["DMARC"]) == (("ok", "v=spf1 -all"), ("warn", "there is no record"))
    assert found["DKIM"] == ("ok", "a key at s1._domainkey.example.org")
    selectors = doctor.SELECTORS[: doctor.SELECTORS.index("s1") + 1]
    assert asked == ["example.org", "_dmarc.example.org", *(f"{one}._domainkey.example.org" for one in selectors)]
