"""What a relay's mail log tells of our mails: Postfix and OpenSMTPD, between other people's lines."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from digest.delivery.maillog import Evidence, LogReader, Trace
from digest.delivery.tokens import read_return_path, return_path
from tests.delivery import maillogs as log

KEYS = (b"l" * 32,)
AT = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
HEAD = log.classic(AT)
MINE = "0123456789abcdef0123456789abcdef@example.org"
OTHER = "fedcba9876543210fedcba9876543210@example.org"
READER = "ada@example.net"
PATH = return_path("bounces@example.org", 7, KEYS)


def reader(*, near: datetime = AT, zone: tzinfo | None = UTC) -> LogReader:
    return LogReader(
        wanted={MINE.encode(): 7},
        addresses={7: READER},
        owner=lambda path: read_return_path(path, KEYS),
        near=near,
        zone=zone,
    )


def read(*lines: str | list[str]) -> Evidence | None:
    """What these lines tell of the mail, the same whatever the size of the blocks."""
    flat = [one for line in lines for one in (line if isinstance(line, list) else [line])]
    raw = "".join(f"{line}\n" for line in flat).encode("utf-8", "surrogateescape")
    found: list[Evidence | None] = []
    for size in (len(raw), 97, 4096):
        reading = reader()
        reading.read(raw[i : i + size] for i in range(0, len(raw), size))
        found.append(reading.evidence().get(7))
    assert found[0] == found[1] == found[2]
    return found[0]


def told(*lines: str | list[str]) -> Trace | None:
    found = read(*lines)
    return found.trace if found else None


class TestPostfix:
    def test_a_mail_that_was_passed_on(self):
        lines = log.whole(HEAD, "4F00AA11BB", MINE, READER, log.SENT)
        assert read(log.noise(HEAD), lines, log.noise(HEAD)) == Evidence(
            trace=Trace.SENT,
            at=AT,
            host="relay",
            queue_id="4F00AA11BB",
            code=250,
            enhanced="2.0.0",
            text="250 2.0.0 Ok: queued as 9A1B2C3D4E",
        )

    def test_a_refusal_of_the_readers_server(self):
        found = read(log.whole(HEAD, "4F00AA11BB", MINE, READER, log.UNKNOWN))
        assert found is not None
        assert (found.trace, found.code, found.enhanced) == (Trace.BOUNCED, 550, "5.1.1")
        assert "User unknown" in found.text

    def test_what_is_in_the_queue_was_taken(self):
        assert told(log.taken(HEAD, "4F00AA11BB", MINE)) is Trace.TAKEN
        deferred = log.tried(HEAD, "4F00AA11BB", READER, log.DEFERRED)
        assert told(log.taken(HEAD, "4F00AA11BB", MINE), deferred) is Trace.TAKEN

    def test_the_last_try_counts(self):
        lines = [*log.taken(HEAD, "4F00AA11BB", MINE), log.tried(HEAD, "4F00AA11BB", READER, log.DEFERRED)]
        assert told(lines, log.tried(HEAD, "4F00AA11BB", READER, log.SENT)) is Trace.SENT
        assert told(lines, log.tried(HEAD, "4F00AA11BB", READER, log.UNKNOWN)) is Trace.BOUNCED
        given_up = f"{HEAD} postfix/qmgr[700]: 4F00AA11BB: from=<{PATH}>, status=expired, returned to sender"
        assert told(lines, given_up) is Trace.EXPIRED

    def test_a_message_id_alone_proves_nothing(self):
        """cleanup writes it while the mail is still being read."""
        lost = f"{HEAD} postfix/smtpd[7001]: lost connection after DATA (9321 bytes) from app.example.org[192.0.2.1]"
        assert told(log.begun(HEAD, "4F00AA11BB", MINE), lost) is Trace.BEGUN

    @pytest.mark.parametrize(
        ("reply", "trace"), [("5.7.1 Command rejected", Trace.REFUSED), ("4.7.1 Try later", Trace.BEGUN)]
    )
    def test_a_filter_that_refuses_the_content(self, reply: str, trace: Trace):
        line = (
            f"{HEAD} postfix/cleanup[7002]: 4F00AA11BB: milter-reject: END-OF-MESSAGE from app.example.org[192.0.2.1]: "
            f"{reply}; from=<{PATH}> to=<{READER}> proto=ESMTP helo=<app>"
        )
        found = read(log.begun(HEAD, "4F00AA11BB", MINE), line)
        assert found is not None
        assert (found.trace, f"{found.enhanced} {found.text}") == (trace, reply)

    def test_the_return_path_names_it_where_the_message_id_was_changed(self):
        assert told(log.taken(HEAD, "4F00AA11BB", "other@relay.example", PATH)) is Trace.TAKEN

    @pytest.mark.parametrize("name", ["postfix", "postfix-out", "postfix/submission", "mail.relay/587"])
    def test_services_and_instances_have_names_of_their_own(self, name: str):
        assert told(log.taken(HEAD, "4F00AA11BB", MINE, syslog_name=name)) is Trace.TAKEN

    @pytest.mark.parametrize("queue_id", ["A1B2C", "4F00AA11BB", "3xPVBd1Xn5zL8y", "4bXyZ12JkLzQwRt"])
    def test_queue_ids_are_short_or_long(self, queue_id: str):
        assert told(log.whole(HEAD, queue_id, MINE, READER, log.SENT)) is Trace.SENT

    def test_a_queue_id_that_is_used_again_is_another_mail(self):
        """With or without a line that says that the first one went."""
        first = log.taken(HEAD, "A1B2C", MINE)
        second = [*log.taken(HEAD, "A1B2C", OTHER), log.tried(HEAD, "A1B2C", "bob@example.net", log.UNKNOWN)]
        assert told(first, log.removed(HEAD, "A1B2C"), second) is Trace.TAKEN
        assert told(first, second) is Trace.TAKEN
        assert told(second, first) is Trace.TAKEN

    def test_two_relays_may_use_the_same_queue_id(self):
        there = log.classic(AT, "other-relay")
        lines = [*log.taken(HEAD, "A1B2C", MINE), log.tried(there, "A1B2C", READER, log.UNKNOWN)]
        assert told(lines) is Trace.TAKEN
        assert told(lines, log.tried(HEAD, "A1B2C", READER, log.SENT)) is Trace.SENT

    @pytest.mark.parametrize(
        ("end", "trace"), [(log.SENT, Trace.SENT), (log.UNKNOWN, Trace.BOUNCED), (log.DEFERRED, Trace.TAKEN)]
    )
    def test_behind_a_filter_the_last_hop_counts(self, end: str, trace: Trace):
        """amavis hands the mail back under a new queue id; which line comes first is a race."""
        passed = (
            "dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5B11CC22DD)"
        )
        hop = [*log.taken(HEAD, "4F00AA11BB", MINE, PATH)]
        back = log.taken(HEAD, "5B11CC22DD", MINE, PATH)
        handed = log.tried(HEAD, "4F00AA11BB", READER, passed, agent="lmtp")
        last = log.tried(HEAD, "5B11CC22DD", READER, end)
        assert told(hop, back, handed, log.removed(HEAD, "4F00AA11BB"), last) is trace
        assert told(hop, back, last, log.removed(HEAD, "5B11CC22DD"), handed) is trace

    def test_the_readers_own_line_counts_where_others_get_a_copy(self):
        """A blind copy to an archive says nothing about the reader; an alias is the reader."""
        lines = log.taken(HEAD, "4F00AA11BB", MINE)
        copy = log.tried(HEAD, "4F00AA11BB", "archive@example.org", log.SENT, agent="local")
        assert told(lines, copy, log.tried(HEAD, "4F00AA11BB", READER, log.UNKNOWN)) is Trace.BOUNCED
        alias = log.tried(HEAD, "4F00AA11BB", "ada@inside", log.UNKNOWN, more=f"orig_to=<{READER}>, ")
        assert told(lines, copy, alias) is Trace.BOUNCED
        assert told(
            lines, alias, log.tried(HEAD, "4F00AA11BB", "a2@inside", log.SENT, more=f"orig_to=<{READER}>, ")
        ) is (Trace.SENT)

    def test_a_mail_that_came_twice_is_there_if_one_is(self):
        gone = log.whole(HEAD, "4F00AA11BB", MINE, READER, log.UNKNOWN)
        assert told(gone, log.whole(HEAD, "5B11CC22DD", MINE, READER, log.SENT)) is Trace.SENT

    def test_an_operator_who_empties_the_queue(self):
        assert told(log.taken(HEAD, "4F00AA11BB", MINE), log.removed(HEAD, "4F00AA11BB", "postsuper")) is Trace.TAKEN

    def test_a_mail_in_a_circle_ends(self):
        ring = [f"{number:010X}" for number in range(40)]
        lines: list[str] = []
        for here, there in zip(ring, [*ring[1:], ring[0]], strict=True):
            lines += log.taken(HEAD, here, MINE)
            lines.append(log.tried(HEAD, here, READER, f"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {there})"))
        assert told(lines) is Trace.SENT


class TestOpenSMTPD:
    @pytest.mark.parametrize("form", [log.open7, log.open6, log.open5])
    @pytest.mark.parametrize(
        ("result", "stat", "expected"),
        [
            ("Ok", "250 2.0.0 Ok: queued as 9A1B2C3D4E", (Trace.SENT, 250, "2.0.0")),
            ("TempFail", "451 4.7.1 Greylisted", (Trace.TAKEN, 451, "4.7.1")),
            ("PermFail", "550 5.1.1 User unknown", (Trace.BOUNCED, 550, "5.1.1")),
            ("LoopDetected", "Loop detected", (Trace.BOUNCED, None, "")),
        ],
    )
    def test_each_form_and_result(self, form, result: str, stat: str, expected: object):
        found = read(log.noise(HEAD), form(HEAD, "78e5c402", PATH, READER, result, stat))
        assert found is not None
        assert (found.trace, found.code, found.enhanced) == expected
        assert found.queue_id == "78e5c402"
        assert found.text == stat

    def test_what_was_taken_and_not_tried_yet(self):
        assert told(log.open7(HEAD, "78e5c402", PATH, READER)) is Trace.TAKEN

    def test_a_mailbox_on_the_relay(self):
        line = (
            f"{HEAD} smtpd[3920]: f274cf35d39a7d0b mda delivery evpid=78e5c402920bcc4f from=<{PATH}> to=<{READER}> "
            f"rcpt=<{READER}> user=ada delay=1s result=Ok stat=Delivered"
        )
        assert told(log.open7(HEAD, "78e5c402", PATH, READER), line) is Trace.SENT

    def test_given_up(self):
        line = (
            f"{HEAD} smtpd[3920]: relay: Expire for 78e5c402920bcc4f: from=<{PATH}>, to=<{READER}>, rcpt=<->, "
            "delay=4d, stat=Envelope expired"
        )
        assert told(log.open7(HEAD, "78e5c402", PATH, READER), line) is Trace.EXPIRED

    def test_behind_a_filter_the_last_hop_counts(self):
        first = log.open7(HEAD, "78e5c402", PATH, READER, "Ok", "250 2.0.0 09e5c671 Message accepted for delivery")
        assert told(first, log.open7(HEAD, "09e5c671", PATH, READER)) is Trace.TAKEN

    def test_without_a_return_path_of_its_own_a_mail_cannot_be_found(self):
        """It does not log the Message-ID."""
        assert told(log.open7(HEAD, "78e5c402", "digest@example.org", READER, "Ok", "250 ok")) is None


class TestOthers:
    def test_other_peoples_lines_tell_nothing(self):
        assert read(log.noise(HEAD), log.whole(HEAD, "4F00AA11BB", OTHER, READER, log.SENT)) is None

    @pytest.mark.parametrize(
        "line",
        [
            f"{HEAD} sshd[1]: 4F00AA11BB: message-id=<{MINE}>",
            f"{HEAD} cleanup[1]: 4F00AA11BB: message-id=<{MINE}>",
            f"{HEAD} dovecot/lmtp[1]: 4F00AA11BB: message-id=<{MINE}>",
            f"{HEAD} httpd[1]: GET / {HEAD} postfix/cleanup[7002]: 4F00AA11BB: message-id=<{MINE}>",
            f"{HEAD} postfix/smtpd[1]: warning: {HEAD} postfix/cleanup[7002]: 4F00AA11BB: message-id=<{MINE}>",
            f"{HEAD} postfix/cleanup[7002]: 4F00AA11BB: warning: header Subject: message-id=<{MINE}> from x",
            f"{HEAD} postfix/cleanup[7002]: 4F00AA11BB: resent-message-id=<{MINE}>",
            f"{HEAD} postfix/cleanup[7002]: 4F00AA11BB: message-id=<{MINE.replace('example.org', 'example.net')}>",
            f"{HEAD} postfix/cleanup[7002]: 4F00AA11BB: message-id=<x{MINE}>",
            f"postfix/cleanup[7002]: 4F00AA11BB: message-id=<{MINE}>",
        ],
    )
    def test_a_forged_line_does_not_name_a_mail(self, line: str):
        active = f"{HEAD} postfix/qmgr[700]: 4F00AA11BB: from=<digest@example.org>, size=1, nrcpt=1 (queue active)"
        assert read(line, active, log.tried(HEAD, "4F00AA11BB", READER, log.SENT)) is None

    @pytest.mark.parametrize(
        "path",
        [
            "bounces+b7-00000000000000000000@example.org",
            return_path("bounces@example.org", 7, (b"x" * 32,)),
            return_path("bounces@example.org", 8, KEYS),
            PATH.replace("+b7-", "+b8-"),
        ],
    )
    def test_a_forged_return_path_names_nothing(self, path: str):
        assert read(log.taken(HEAD, "4F00AA11BB", OTHER, path)) is None
        assert read(log.open7(HEAD, "78e5c402", path, READER, "Ok", "250 ok")) is None

    def test_any_bytes_are_survived(self):
        """Random bytes, our lines with bytes changed in them, and lines of 10 MB."""
        chance = random.Random(5)
        lines = "\n".join(
            [
                *log.whole(HEAD, "4F00AA11BB", MINE, READER, log.UNKNOWN, PATH),
                *log.open7(HEAD, "78e5c402", PATH, READER, "Ok", "250 ok"),
            ]
        ).encode()
        reading = reader()
        for _ in range(2000):
            mutated = bytearray(lines)
            for _ in range(chance.randint(1, 8)):
                mutated[chance.randrange(len(mutated))] = chance.randrange(256)
            reading.read([bytes(mutated)])
        reading.read(chance.randbytes(100_000) for _ in range(20))
        long = b"x" * 1_000_000
        after = "\n".join(["", *log.whole(HEAD, "5B11CC22DD", MINE, READER, log.SENT)]).encode()
        reading.read([*([long] * 10), after])
        assert reading.evidence()[7].trace is Trace.SENT


class TestStamps:
    @pytest.mark.parametrize(
        ("stamp", "zone", "at"),
        [
            ("May  4 06:00:00", UTC, AT),
            ("May  4 06:00:00.123456", UTC, AT),
            ("May  4 08:00:00", ZoneInfo("Europe/Berlin"), AT),
            ("<22>May  4 06:00:00", UTC, AT),
            ("2026-05-04T06:00:00Z", None, AT),
            ("2026-05-04T08:00:00.250000+02:00", None, AT),
            ("2026-05-04T08:00:00+0200", None, AT),
            ("2026-05-04T01:30:00-0430", None, AT),
            ("2026-05-04 06:00:00,123", UTC, AT),
            ("Mon 2026-05-04 06:00:00 UTC", None, AT),
        ],
    )
    def test_forms(self, stamp: str, zone: tzinfo | None, at: datetime):
        reading = reader(zone=zone)
        reading.read(["\n".join(log.taken(f"{stamp} relay", "4F00AA11BB", MINE)).encode()])
        assert reading.evidence()[7].at == at
        assert reading.spans == [(at, at)]

    @pytest.mark.parametrize("stamp", ["Feb 30 06:00:00", "May  4 26:00:00", "2026-13-04T06:00:00Z", "Mai  4 06:00:00"])
    def test_a_date_that_does_not_exist_is_none(self, stamp: str):
        reading = reader()
        reading.read(["\n".join(log.taken(f"{stamp} relay", "4F00AA11BB", MINE)).encode()])
        assert reading.spans == []

    @pytest.mark.parametrize(
        ("stamp", "near", "year"),
        [("Dec 31 23:59:00", datetime(2027, 1, 1, 1, tzinfo=UTC), 2026),
         ("Jan  1 00:01:00", datetime(2026, 12, 31, 23, tzinfo=UTC), 2027),
         ("Feb 29 12:00:00", datetime(2028, 3, 1, tzinfo=UTC), 2028)],
    )  # fmt: skip
    def test_the_year_is_the_one_nearest_to_the_try(self, stamp: str, near: datetime, year: int):
        reading = reader(near=near)
        reading.read([f"{stamp} relay postfix/qmgr[1]: x".encode()])
        assert reading.spans[0][0].year == year

    def test_a_log_tells_from_when_to_when_it_runs(self):
        reading = reader()
        later = [log.iso((AT + timedelta(hours=n)).astimezone(timezone(timedelta(hours=2)))) for n in range(30)]
        raw = "\n".join(line for head in later for line in log.noise(head)).encode()
        reading.read(raw[i : i + 500] for i in range(0, len(raw), 500))
        assert reading.spans == [(AT, AT + timedelta(hours=29))]
        assert reading.is_mail_log
