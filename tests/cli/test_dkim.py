"""`digest dkim keygen` and `record`, and what `digest doctor` says of the configured keys."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Records = dict[str, Sequence[str]]


@pytest.fixture
def dns(monkeypatch) -> Records:
    """What the resolver knows: a policy, a sender, and what a test adds."""
    records: Records = {"example.org": ("v=spf1 -all",), "_dmarc.example.org": ("v=DMARC1; p=none",)}
    monkeypatch.setattr("digest.app.operating.text_records", lambda name: records.get(name, ()))
    return records


@pytest.fixture
def keygen(call) -> Callable[..., Any]:
    """Makes a key and puts its section into config.toml."""

    def keygen_(*arguments: str) -> Any:
        made = call("dkim", "keygen", "--json", *arguments)
        assert made.code == 0
        with Path("config.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{made.json['config']}\n")
        return made.json

    return keygen_


@pytest.fixture
def doctor(call) -> Callable[[], list[tuple[str, str, str]]]:
    """What the doctor finds of DKIM: (what, state, detail), and with "try" where something is to be done."""

    def doctor_() -> list[tuple[str, str, str]]:
        findings = call("doctor", "--json").json["findings"]
        found = [one for one in findings if one["what"].startswith(("DKIM", "DNS"))]
        assert all(bool(one["try"]) == (one["state"] != "ok") for one in found)
        return [(one["what"], one["state"], one["detail"]) for one in found]

    return doctor_


def test_a_new_key_comes_with_its_record_and_its_section(call, installed):
    made = call("dkim", "keygen")
    name, value, zone = (made.out.split(word)[1].split("\n")[0].strip() for word in ("name: ", "value: ", "file:\n"))
    assert (made.code, name) == (0, "digest._domainkey.example.org")
    assert value.startswith("v=DKIM1; k=rsa; p=MII")
    assert zone == f'{name}. IN TXT ( "{value[:255]}" "{value[255:]}" )'
    file = installed / "dkim-digest.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.out.split("config.toml:\n")[1].split("\n\n")[0].split() == [
        "[[dkim]]",
        *("selector", "=", '"digest"'),
        *("key_file", "=", '"dkim-digest.pem"'),
    ]
    assert "PRIVATE" in file.read_text()
    assert "PRIVATE" not in made.out


def test_the_records_of_the_configured_keys_are_printed_again(call, installed, keygen):
    made = [keygen(), keygen("--type", "ed25519")]
    told = call("dkim", "record", "--json")
    assert told.json["records"] == [
        {name: one[name] for name in ("selector", "domain", "type", "bits", "record")} for one in made
    ]
    assert [(one["type"], one["bits"]) for one in made] == [("rsa", 2048), ("ed25519", 256)]
    printed = call("dkim", "record").out
    assert all(one["record"]["value"] in printed and one["record"]["zone"] in printed for one in made)


def test_a_key_in_use_is_never_overwritten(call, installed):
    assert call("dkim", "keygen", "--out", "mine.pem").code == 0
    before = Path("mine.pem").read_bytes()
    again = call("dkim", "keygen", "--out", "mine.pem", "--json")
    assert (again.code, Path("mine.pem").read_bytes()) == (2, before)
    assert again.json["error"]["what"] == "exists already, and keygen never overwrites"


def test_with_a_domain_no_configuration_is_needed(call, tmp_path):
    made = call("dkim", "keygen", "--domain", "Bücher.example", "--selector", "march", "--json")
    assert (made.code, made.json["record"]["name"]) == (0, "march._domainkey.xn--bcher-kva.example")
    assert tomllib.loads(made.json["config"])["dkim"] == [
        {"selector": "march", "key_file": str(tmp_path / "dkim-march.pem"), "domain": "xn--bcher-kva.example"}
    ]
    assert (tmp_path / "dkim-march.pem").exists()


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("--type", "dsa"), "--type"),
        (("--selector", "a b"), "--selector"),
        (("--domain", "a b"), "--domain"),
    ],
)
def test_what_cannot_be_a_key_writes_nothing(call, installed, arguments, where):
    made = call("dkim", "keygen", *arguments, "--json")
    assert (made.code, made.json["error"]["where"]) == (2, where)
    assert not list(Path().glob("*.pem"))


def test_without_keys_there_is_no_record_to_print(call, installed):
    told = call("dkim", "record", "--json")
    assert (told.code, told.json["error"]["what"]) == (2, "the configuration has no [[dkim]]")


def test_the_doctor_finds_the_record_of_every_key(read, dns, keygen, doctor):
    made = [keygen(), keygen("--type", "ed25519")]
    dns.update({one["record"]["name"]: (one["record"]["value"],) for one in made})
    assert doctor() == [
        (f"DKIM {one['selector']}", "ok", f"the record at {one['record']['name']} is this key's") for one in made
    ]


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        (lambda value: (), "fail", "there is no record"),
        (lambda value: (value.partition("p=")[0] + "p=",), "fail", "revokes"),
        (lambda value: (value.replace("k=rsa", "k=ed25519"),), "fail", "k=ed25519"),
        (lambda value: (value[:-20],), "fail", "cut short"),
        (lambda value: (value.replace("p=", "t=y; p="),), "warn", "t=y"),
    ],
)
def test_the_doctor_says_what_is_wrong_with_a_record(read, dns, keygen, doctor, change, state, said):
    record = keygen()["record"]
    dns[record["name"]] = change(record["value"])
    ((what, found, detail),) = doctor()
    assert (what, found, said in detail) == ("DKIM digest", state, True)
    assert record["name"] in detail


def test_the_doctor_doubts_a_key_of_another_domain_and_a_short_one(read, dns, keygen, doctor, call):
    other = keygen("--domain", "elsewhere.example")["record"]
    dns[other["name"]] = (other["value"],)
    below = keygen("--domain", "mail.example.org", "--selector", "below")["record"]
    dns[below["name"]] = (below["value"],)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    Path("short.pem").write_bytes(
        short.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    with Path("config.toml").open("a") as file:
        file.write('\n[[dkim]]\nselector = "short"\nkey_file = "short.pem"\n')
    for one in call("dkim", "record", "--json").json["records"]:
        dns[one["record"]["name"]] = (one["record"]["value"],)
    found = {what: (state, detail) for what, state, detail in doctor()}
    assert found["DKIM digest"][0] == "warn"
    assert "it signs for elsewhere.example, but mails are from example.org" in found["DKIM digest"][1]
    assert found["DKIM below"][0] == "ok"
    assert found["DKIM short"][0] == "warn"
    assert "1024 bits" in found["DKIM short"][1]


def test_a_key_that_cannot_be_read_is_a_finding_of_its_own(read, dns, keygen, doctor):
    keygen()
    good = keygen("--selector", "good")["record"]
    dns[good["name"]] = (good["value"],)
    Path("dkim-digest.pem").write_text("gone")
    found = doctor()
    assert [one[:2] for one in found] == [("DKIM", "fail"), ("DKIM good", "ok")]
    assert "dkim-digest.pem: holds no private key" in found[0][2]
    Path("dkim-digest.pem").unlink()
    assert "dkim-digest.pem: cannot be read: No such file" in doctor()[0][2]


def test_without_a_resolver_nothing_is_claimed_of_a_record(read, keygen, doctor, monkeypatch):
    def nobody(_name: str) -> tuple[str, ...]:
        raise OSError("no resolver answers")

    monkeypatch.setattr("digest.app.operating.text_records", nobody)
    keygen()
    assert doctor() == [("DNS", "warn", "not checked: no resolver answers")]
