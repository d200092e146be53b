"""Postfix, Exim and OpenSMTPD as the relay of `digest send`: what they deliver is what we wrote, and their own reports
about what they could not deliver come home to the right person.

What we wrote is known from a twin: a copy of the installation, taken when the edition was published and nothing sent,
that writes its mails into a folder instead.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dkim
import pytest

import digest
from digest.app import build
from digest.cli import run
from digest.config import load
from tests.acceptance.servers import (
    BOUNCES,
    MAILBOXES,
    NEEDS,
    PASSWORD,
    QUOTED,
    READERS,
    USER,
    WIDE,
    Onward,
    Server,
    parameter,
    running,
    wait_for,
)

SAMPLES = Path(digest.__file__).parent / "samples" / "day-1"
#: Five minutes after the slot of the samples' day.
NOW = datetime(2026, 3, 3, 7, 5, tzinfo=UTC)
LANGUAGES = ("en", "de", "ar", "zh")
PEOPLE = tuple(f"{mailbox}@{READERS}" for mailbox in MAILBOXES[:40])
#: Whom a server cannot reach, by what its report says of them.
UNKNOWN = (f"nobody@{READERS}", "gone@away.example")
FULL = (f"full@{READERS}", "full@away.example")
#: The last is for OpenSMTPD alone, which takes an LMTP server's 550 for a reason to try again.
LATE = ("busy@away.example", "gone@lmtp.example")
#: What a server may put above a mail, and nothing else.
TRACE = {"return-path", "x-original-to", "delivered-to", "received", "envelope-to", "delivery-date"}
SIGNATURE = re.compile(rb"^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", re.M)

CONFIG = """
[mail]
from = "Digest <digest@ours.example>"
bounces_to = "{bounces}"
unsubscribe_to = "leave@ours.example"
[smtp]
{relay}
[web]
public_url = "https://digest.ours.example"
[inbound]
maildir = "{inbound}"
[fetch]
arxiv_api = ""
[[source]]
id = "hf-daily"
kind = "huggingface"
url = "feeds/hf-daily.json"
[[source]]
id = "arxiv"
kind = "arxiv"
url = "feeds/arxiv.atom"
[[digest]]
name = "papers"
title = "Trending papers, 论文"
send_at = "07:00"
max_items = 25
"""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A folder with a configuration and a database, and calls of `digest` in it, without a process each."""

    folder: Path

    def call(self, *arguments: str, codes: Sequence[int] = (0,), given: bytes | None = None) -> Any:
        """The JSON that a call prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        told, problems, standard_input = StringIO(), StringIO(), TextIOWrapper(BytesIO(given or b""))
        with (
            chdir(self.folder),
            patch.dict(os.environ, {**kept, "DIGEST_NOW": NOW.isoformat(), "HOME": str(self.folder)}, clear=True),
            patch.object(sys, "stdin", standard_input),
            redirect_stdout(told),
            redirect_stderr(problems),
        ):
            code = run([*arguments, "--json"])
        assert code in codes, (arguments, code, told.getvalue(), problems.getvalue())
        return json.loads(told.getvalue())

    def deliveries(self) -> dict[str, Mapping[str, Any]]:
        """Every delivery by its address."""
        found = self.call("deliveries", "list", "--all", "--limit", "1000")["deliveries"]
        assert len({row["address"] for row in found}) == len(found)
        return {row["address"]: row for row in found}

    def suppressed(self) -> dict[str, str]:
        """Address -> why it is not written to."""
        return {one["address"]: one["reason"] for one in self.call("suppressions", "list")["suppressions"]}

    def listen(self) -> None:
        """Reads the mailbox that [inbound] names, as the daemon does."""
        app = build(load(self.folder / "config.toml", {}), clock=lambda: NOW)
        app.read_mailbox()
        app.close()


@dataclass(frozen=True, kw_only=True)
class Template:
    """An installation with papers, keys and no reader, which sends nothing yet; to be copied."""

    office: Installation
    config: str
    """Of its two keys."""
    records: Mapping[str, str]
    """Their DNS names and records."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(SAMPLES, folder / "feeds")
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "config.toml").write_text(CONFIG.format(bounces=BOUNCES, relay="", inbound="inbound"), "utf-8")
    office = Installation(folder=folder)
    office.call("fetch")
    office.call("deliveries", "pause")
    keys = [office.call("dkim", "keygen", "--type", kind) for kind in ("rsa", "ed25519")]
    return Template(
        office=office,
        config="\n\n".join(key["config"] for key in keys),
        records={key["record"]["name"]: key["record"]["value"] for key in keys},
    )


def install(
    template: Template, folder: Path, server: Server, people: Mapping[str, Sequence[str]], *settings: str
) -> Installation:
    """One that sends through the server, with people (language -> addresses) for whom an edition is due."""
    shutil.copytree(template.office.folder, folder)
    relay = ['host = "localhost"', f"port = {server.port}", "connections = 4", *settings]
    if server.encrypts:
        relay += [f'ca_file = "{server.root.post}/cert.pem"', f'username = "{USER}"', 'password_file = "password"']
    else:
        relay += ['security = "none"']
    config = CONFIG.format(bounces=BOUNCES, relay="\n".join(relay), inbound=f"{server.root.post}/mail/bounces")
    (folder / "config.toml").write_text(f"{config}\n{template.config}\n", "utf-8")
    with (folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
        rows = ((address, "papers", language) for language, addresses in people.items() for address in addresses)
        csv.writer(file).writerows([("address", "digest", "language"), *rows])
    made = Installation(folder=folder)
    made.call("subscribers", "import", "people.csv")
    return made


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What was sent through a server, and what it made of it."""

    server: Server
    office: Installation
    wrote: Mapping[str, bytes]
    """By the address of its reader."""
    mails: Mapping[str, bytes]
    """What lies in the mailbox of an address, with CRLF as on the wire."""
    rows: Mapping[str, Mapping[str, Any]]
    """The ledger, by address."""
    records: Mapping[str, str]

    def added(self, address: str) -> bytes:
        """What the server put above the mail of ours, which is otherwise as it was."""
        mail, ours = self.mails[address], self.wrote[address]
        assert mail.endswith(ours), f"{address}: {mail[:4000]!r} is not {ours[:3000]!r}"
        return mail.removesuffix(ours)


def send(office: Installation, *, codes: Sequence[int] = (0,)) -> dict[str, bytes]:
    """Sends what is due. Gives what it writes, by the address of its reader."""
    office.call("send")  # paused as it is, it only publishes
    twin = Installation(folder=office.folder.with_name(f"{office.folder.name}-twin"))
    shutil.copytree(office.folder, twin.folder)
    config = (office.folder / "config.toml").read_text("utf-8")
    into = '[smtp]\ntransport = "folder"\npath = "outbox"\n[web]'
    (twin.folder / "config.toml").write_text(re.sub(r"(?s)\[smtp\].*?\[web\]", into, config), "utf-8")
    for one, accepted in ((twin, (0,)), (office, codes)):
        one.call("deliveries", "resume")
        one.call("send", codes=accepted)
    wrote = [file.read_bytes() for file in (twin.folder / "outbox").glob("*.eml")]
    return {reader_of(raw): raw for raw in wrote}


def reader_of(raw: bytes) -> str:
    """In UTF-8 where it is no ASCII (RFC 6532), which the standard library does not read."""
    (address,) = re.findall(rb"^To: <?([^<>\r\n]+)>?\r\n", raw, re.M)
    return address.decode()


def wired(stored: bytes) -> bytes:
    """Maildirs end lines with a bare LF."""
    assert b"\r" not in stored
    return stored.replace(b"\n", b"\r\n")


def delivered(server: Server, addresses: Iterable[str]) -> dict[str, bytes]:
    """The mails of these, when each has one; none has two."""
    boxes = {address: address.partition("@")[0].partition("+")[0].strip('"') for address in addresses}
    wait_for(lambda: all(server.mails(box) for box in boxes.values()), server)
    found = {address: server.mails(box) for address, box in boxes.items()}
    assert {address: len(mails) for address, mails in found.items() if len(mails) != 1} == {}
    return {address: wired(mails[0]) for address, mails in found.items()}


@pytest.fixture(scope="module", params=[parameter(name, "servers") for name in NEEDS])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with closing(Onward()) as onward, running(request.param, folder, onward) as server:
        yield server


@pytest.fixture(scope="module")
def sent(server: Server, template: Template, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Forty readers with four languages, and some whom the server cannot reach; everything that comes back is there."""
    late = LATE if server.name == "OpenSMTPD" else LATE[:1]
    lost = (*UNKNOWN, *FULL, *late)
    people = {language: [*PEOPLE[at::4]] for at, language in enumerate(LANGUAGES)}
    people["en"] += lost
    office = install(template, tmp_path_factory.mktemp("office") / "digest", server, people)
    wrote = send(office)
    mails = delivered(server, PEOPLE)
    wait_for(lambda: len(server.mails("bounces")) >= len(lost), server)
    rows = office.deliveries()
    return Sent(server=server, office=office, wrote=wrote, mails=mails, rows=rows, records=template.records)


# What arrives.


def test_every_mail_arrives_once_and_the_ledger_says_so(sent: Sent) -> None:
    """What the server cannot deliver it has accepted all the same."""
    assert {address: row["state"] for address, row in sent.rows.items()} == dict.fromkeys(sent.wrote, "accepted")
    boxes = [box for box in MAILBOXES if sent.server.mails(box)]
    assert [f"{box}@{READERS}" for box in boxes] == [*PEOPLE]


def test_every_mail_arrives_as_it_was_written(sent: Sent) -> None:
    """Byte for byte, below the trace of its way."""
    above = {name for address in PEOPLE for name in names(sent.added(address))}
    assert "received" in above and above <= TRACE
    assert len(set(sent.mails.values())) == len(PEOPLE)


def test_each_mail_has_a_return_path_of_its_own(sent: Sent) -> None:
    paths = {address: re.findall(rb"(?im)^return-path: <([^>]*)>", sent.added(address)) for address in PEOPLE}
    assert {len(found) for found in paths.values()} == {1}
    local, _, domain = BOUNCES.partition("@")
    assert all(re.fullmatch(rf"{local}\+[^@]+@{domain}".encode(), found[0]) for found in paths.values())
    assert len({found[0] for found in paths.values()}) == len(PEOPLE)


def test_the_one_click_headers_are_byte_equal(sent: Sent) -> None:
    """RFC 8058: one https link, unbroken; each reader's is another."""
    links: set[bytes] = set()
    for address in PEOPLE:
        wrote, mail = sent.wrote[address], sent.mails[address]
        for name in (b"List-Unsubscribe", b"List-Unsubscribe-Post"):
            field = re.compile(rb"^%s:.*\r\n(?:[ \t].*\r\n)*" % name, re.M)
            assert field.findall(mail) == field.findall(wrote)
            assert len(field.findall(mail)) == 1
        assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail
        links.update(re.findall(rb"\r\nList-Unsubscribe: <(https://[^\s<>]+)>,\r\n <mailto:[^\s<>]+>\r\n", mail))
    assert len(links) == len(PEOPLE)


def test_the_connection_is_encrypted_and_logged_in(sent: Sent) -> None:
    """RFC 3848: ESMTPSA. OpenSMTPD of Debian 12 can do neither."""
    protocols = {re.search(rb"with (e?smtp[sa]*)\b", sent.added(address), re.I)[1].upper() for address in PEOPLE}
    assert protocols == ({b"ESMTPSA"} if sent.server.encrypts else {b"ESMTP"})


def test_the_ledger_knows_the_servers_own_number_of_each_mail(sent: Sent) -> None:
    """The answer to the final dot is kept, and the mail's Received has the same number."""
    for address in PEOPLE:
        number = re.search(
            r"queued as (\w+)|OK id=([\w-]+)|([0-9a-f]{8}) Message accepted", sent.rows[address]["remote"]
        )
        assert number is not None, sent.rows[address]["remote"]
        assert f"id {number[number.lastindex]}".encode() in sent.added(address)


def test_mails_go_in_chunks_where_the_server_offers_it(sent: Sent) -> None:
    """RFC 3030. OpenSMTPD does not offer it."""
    if sent.server.name == "Postfix":
        wait_for(lambda: chunks(sent.server.log) >= len(PEOPLE), sent.server)
    elif sent.server.name == "Exim":
        taken = [line for line in sent.server.log.splitlines() if " <= bounces+" in line]
        assert len(taken) >= len(PEOPLE)
        assert [line for line in taken if " K " not in line] == []


def chunks(log: str) -> int:
    """BDAT commands that Postfix counted at the ends of connections."""
    return sum(int(number) for number in re.findall(r"disconnect from .* bdat=(\d+)", log))


# Who signed it.


def test_both_signatures_are_good_for_dkimpy(sent: Sent) -> None:
    assert {address: verified(sent, sent.mails[address]) for address in PEOPLE} == {one: [True, True] for one in PEOPLE}


def test_both_signatures_are_good_for_opendkim(sent: Sent) -> None:
    assert opendkim(sent, {address: sent.mails[address] for address in PEOPLE[:12]}) == {}


def test_what_changed_on_the_way_would_be_noticed(sent: Sent) -> None:
    """By both: one-click headers, too, are signed."""
    mail = sent.mails[PEOPLE[0]]
    for number, (old, new) in enumerate(
        [(b"/unsubscribe/", b"/unsubscribed/"), (b"=One-Click", b"=Two-Click"), (b"</html>", b" </html>")]
    ):
        above = len(sent.added(PEOPLE[0]))
        changed = mail[:above] + mail[above:].replace(old, new, 1)
        assert changed != mail
        assert verified(sent, changed) == [False, False]
        assert opendkim(sent, {f"changed-{number}": changed}).keys() == {f"changed-{number}"}


def verified(sent: Sent, mail: bytes) -> list[bool]:
    """What dkimpy finds of each of the two signatures. Its DNS knows our records only."""

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        return sent.records.get(name.decode().rstrip("."), "").encode() or None

    return [_verified(dkim.DKIM(mail), number, ask) for number in range(2)]


def _verified(signer: dkim.DKIM, number: int, ask: Callable[..., bytes | None]) -> bool:
    try:
        return bool(signer.verify(idx=number, dnsfunc=ask))
    except dkim.ValidationError:
        return False


def opendkim(sent: Sent, mails: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of whose two signatures it does not find both good."""
    root, check = sent.server.root, "/srv/post/check"
    root.write(f"{check}/records", "".join(f"{name} {text}\n" for name, text in sent.records.items()))
    root.write(f"{check}/conf", f"Mode v\nTestPublicKeys {check}/records\n")
    names: dict[str, str] = {}
    for at, (address, mail) in enumerate(mails.items()):
        # Of several signatures one good one is enough for it, so it is shown one at a time.
        signatures = SIGNATURE.findall(mail)
        assert len(signatures) == 2
        for number, other in enumerate(signatures):
            names[f"{check}/{at}-{number}"] = address
            root.path(f"{check}/{at}-{number}").write_bytes(mail.replace(other, b""))
    said = root.run("opendkim", "-x", f"{check}/conf", "-t", ",".join(names), must=False)
    good = re.findall(r"opendkim: (\S+): verification \(s=\S+, d=ours\.example, .*\) succeeded", said)
    return {address: mails[address] for name, address in names.items() if name not in good}


# What comes back.


@pytest.fixture(scope="module")
def heard(sent: Sent) -> Sent:
    """The same after the mailbox was read."""
    sent.office.listen()
    return sent


def test_an_unknown_person_is_suppressed_and_nobody_else(heard: Sent) -> None:
    assert heard.office.suppressed() == dict.fromkeys(UNKNOWN, "hard-bounce")


def test_a_full_mailbox_is_counted(heard: Sent) -> None:
    """One row each, soft, so that the fifth on another day suppresses; a delay leaves nothing."""
    assert sorted(bounces(heard.office)) == sorted(
        [*((one, "hard") for one in UNKNOWN), *((one, "soft") for one in FULL)]
    )


def test_reading_the_same_reports_again_changes_nothing(heard: Sent) -> None:
    """Whether they lie in the mailbox once more or a mail server hands them over."""
    before = bounces(heard.office), heard.office.suppressed()
    box = heard.server.root.post / "mail" / "bounces"
    for file in (box / "cur").iterdir():
        file.rename(box / "new" / file.name.partition(":")[0])
    reports = heard.server.mails("bounces")
    assert len(reports) >= 5
    heard.office.listen()
    heard.office.call("bounce", given=next(one for one in reports if b"<gone@away.example>" in one))
    assert (bounces(heard.office), heard.office.suppressed()) == before


def test_the_readers_whom_it_reached_stay_subscribed(heard: Sent) -> None:
    """Though every report quotes a mail with its links to unsubscribe."""
    states = {one["state"] for one in heard.office.call("subscribers", "list")["subscriptions"]}
    assert states == {"confirmed"}


def bounces(office: Installation) -> list[tuple[str, str]]:
    """(address, kind) of what was counted."""
    with closing(sqlite3.connect(office.folder / "digest.db")) as database:
        return database.execute(
            "SELECT d.address, b.kind FROM bounces b JOIN deliveries d ON d.id = b.delivery_id"
        ).fetchall()


# Addresses of an unusual form, and mails without chunks.


def test_addresses_that_the_server_does_not_take_fail_alone(server: Server, template: Template, tmp_path: Path) -> None:
    """OpenSMTPD offers no SMTPUTF8 (RFC 6531) and refuses quotes; all take a plus. DATA is seen at work here, too."""
    usual = tuple(f"{mailbox}@{READERS}" for mailbox in (*MAILBOXES[50:54], f"{MAILBOXES[54]}+papers"))
    odd = (f"{WIDE}@{READERS}", *(f'"{mailbox}"@{READERS}' for mailbox in QUOTED))
    office = install(template, tmp_path / "digest", server, {"en": [*usual, *odd]}, "chunking = false")
    takes = server.name != "OpenSMTPD"
    wrote = send(office, codes=(0,) if takes else (3,))
    reached = (*usual, *odd) if takes else usual
    mails = delivered(server, reached)
    assert [address for address in reached if not mails[address].endswith(wrote[address])] == []
    states = {address: row["state"] for address, row in office.deliveries().items()}
    assert states == dict.fromkeys(usual, "accepted") | dict.fromkeys(odd, "accepted" if takes else "rejected")


def names(head: bytes) -> list[str]:
    """Of header fields, in small letters."""
    return [line.partition(b":")[0].decode().lower() for line in re.findall(rb"^[^ \t\r\n].*", head, re.M)]
