"""What is uncertain is settled by the relay's log, as far as the log proves it, and no further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from sqlalchemy import update

from digest.model.errors import InputError, UsageError
from digest.services.sending.reconcile import Log, Reconciled
from digest.storage import people
from digest.storage.deliveries import deliveries
from digest.storage.oversight import Which
from tests.delivery import maillogs as log
from tests.services.sending import Office, identity, office, reader

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Case:
    """An installation: the first mail was accepted, the others are uncertain; the log of its relay is written here."""

    def __init__(self, store, readers: int = 2) -> None:
        self.store = store
        self.desk: Office = office(store, readers)
        self.at = self.desk.world.now
        tried = {"tried_at": self.at, "settled_at": self.at + MINUTE}
        with store.transaction() as tx:
            tx.execute(update(deliveries).values(state="uncertain", reason="no answer came", relay="smtp", **tried))
            tx.execute(update(deliveries).where(deliveries.c.id == 1).values(state="accepted", reason="", relay=""))
        self.desk.later(hours=3)
        self.lines: list[str] = []
        self.stamped: Callable[[datetime], str] = log.iso
        self.witnessed()

    def name(self, delivery_id: int) -> str:
        return self.desk.ledger.show(delivery_id).message_id.strip("<>")

    def path(self, delivery_id: int) -> str:
        return self.desk.ledger.show(delivery_id).return_path

    def witnessed(self) -> None:
        """The log as it is without the uncertain ones: from before the try until long after it."""
        self.lines = [
            *log.noise(self.stamped(self.at - HOUR)),
            *log.whole(self.stamped(self.at), "4F00AA11B1", self.name(1), reader(0), log.SENT),
            *log.noise(self.stamped(self.at + HOUR)),
        ]

    def add(self, *lines: str) -> None:
        self.lines[-1:-1] = lines

    def mail(self, delivery_id: int, status: str = log.SENT) -> None:
        address = self.desk.ledger.show(delivery_id).delivery.address
        self.add(*log.whole(self.stamped(self.at), f"4F00AA11B{delivery_id}", self.name(delivery_id), address, status))

    def run(self, **options: object) -> Reconciled:
        done = self.desk.reconcile.run([self.log()], **options)  # type: ignore[arg-type]
        identity(self.store)
        return done

    def log(self, name: str = "mail.log") -> Log:
        return Log(name=name, blocks=iter(["\n".join(self.lines).encode() + b"\n"]))

    def state(self, delivery_id: int) -> str:
        return self.desk.ledger.show(delivery_id).delivery.state


def test_what_the_relay_passed_on_is_accepted(store):
    case = Case(store)
    case.mail(2)
    told = case.run()
    assert told.counts == {"accepted": 1}
    shown = case.desk.ledger.show(2)
    assert (shown.delivery.state, shown.delivery.code, shown.delivery.enhanced) == ("accepted", 250, "2.0.0")
    assert shown.delivery.reason == "the log of the relay shows it: it was passed on as 4F00AA11B2"
    assert [(one.outcome, one.started_at) for one in shown.tries] == [("uncertain", case.at)]


def test_what_waits_in_the_relays_queue_is_accepted(store):
    case = Case(store)
    case.mail(2, log.DEFERRED)
    assert case.run().counts == {"accepted": 1}


def test_what_came_back_is_rejected_and_a_mailbox_that_does_not_exist_suppressed(store):
    case = Case(store, 3)
    case.mail(2, log.UNKNOWN)
    case.mail(3, log.UNKNOWN.replace("5.1.1", "5.7.1").replace("User unknown", "not wanted here"))
    assert case.run().counts == {"rejected": 2}
    with store.reading() as tx:
        (listed,) = people.suppression_list(tx)
    assert (listed.address, listed.reason.value) == (reader(1), "hard-bounce")
    assert "5.1.1" in listed.detail


def test_opensmtpd_by_its_return_path(store):
    case = Case(store)
    case.add(*log.open7(log.iso(case.at), "78e5c402", case.path(2), reader(1), "Ok", "250 2.0.0 ok"))
    assert case.run().counts == {"accepted": 1}


class TestWithoutATrace:
    def test_it_stays_uncertain_until_the_operator_says_lost(self, store):
        case = Case(store)
        assert [(one.state, one.reason) for one in case.run().found] == [("uncertain", "not in this log")]
        assert case.run(absent="lost").counts == {"expired": 1}
        assert case.desk.ledger.show(2).delivery.reason == "the operator says it was lost: not in this log"

    def test_it_can_be_sent_again_in_time(self, store):
        case = Case(store)
        case.desk.later(days=5)
        assert [one.reason for one in case.run(absent="resend").found] == ["not in this log; it is too late to send it"]
        case.desk.later(days=-5)
        assert case.run(absent="resend").counts == {"queued": 1}
        assert case.desk.ledger.show(2).relay == "smtp"  # only there may it go again

    @pytest.mark.parametrize(("since", "until"), [(0, 60), (-60, 10)])
    def test_a_log_that_does_not_run_over_the_try_proves_nothing(self, store, since: int, until: int):
        case = Case(store)
        names = {f"{(case.at - HOUR).isoformat(timespec='microseconds')} ": case.at + since * MINUTE,
                 f"{(case.at + HOUR).isoformat(timespec='microseconds')} ": case.at + until * MINUTE}  # fmt: skip
        for old, new in names.items():
            case.lines = [line.replace(old, f"{new.isoformat(timespec='microseconds')} ") for line in case.lines]
        (one,) = case.run(absent="lost").found
        assert (one.state, one.reason) == ("uncertain", "the log does not run from before the try until after it")

    def test_the_log_of_another_relay_proves_nothing(self, store):
        """None of the mails that were accepted at that time is in it."""
        case = Case(store)
        case.lines = [*log.noise(log.iso(case.at - HOUR)), *log.noise(log.iso(case.at + HOUR))]
        told = case.run(absent="lost")
        assert (told.counts, "log of the relay that was used" in told.note) == ({"uncertain": 1}, True)

    @pytest.mark.parametrize(("zone", "counts"), [(UTC, {"expired": 1}), ("Asia/Tokyo", {"uncertain": 1})])
    def test_stamps_in_a_zone_we_were_not_told_prove_nothing(self, store, zone: tzinfo | str, counts: dict[str, int]):
        from zoneinfo import ZoneInfo

        case = Case(store)
        case.stamped = log.classic
        case.witnessed()
        told = case.run(absent="lost", zone=ZoneInfo(zone) if isinstance(zone, str) else zone)
        assert (told.counts, "--zone" in told.note) == (counts, zone is not UTC)

    def test_a_log_of_last_year_proves_nothing(self, store):
        """Its stamps name no year, and the mails in it are not those of this year."""
        case = Case(store)
        case.lines = [*log.noise(log.classic(case.at - HOUR)),
                      *log.whole(log.classic(case.at), "4F00AA11B1", f"{'a' * 32}@example.org", reader(0), log.SENT),
                      *log.noise(log.classic(case.at + HOUR))]  # fmt: skip
        assert case.run(absent="lost", zone=UTC).counts == {"uncertain": 1}

    def test_a_gap_between_two_logs_proves_nothing(self, store):
        case = Case(store)
        early, late = case.at - 30 * HOUR, case.at + 30 * HOUR
        logs = [
            [*log.noise(log.iso(early)), *log.noise(log.iso(case.at - 2 * HOUR))],
            [*log.whole(log.iso(case.at - MINUTE), "4F00AA11B1", case.name(1), reader(0), log.SENT)],
            log.noise(log.iso(late)),
        ]
        given = [Log(name=str(n), blocks=iter(["\n".join(lines).encode()])) for n, lines in enumerate(logs)]
        told = case.desk.reconcile.run(given, absent="lost")
        assert (told.counts, len(told.covers)) == ({"uncertain": 1}, 3)

    def test_a_mail_that_the_relay_began_to_read_needs_the_operators_word(self, store):
        case = Case(store)
        case.add(*log.begun(log.iso(case.at), "4F00AA11B2", case.name(2)))
        (one,) = case.run().found
        assert (one.state, one.reason) == ("uncertain", "the relay began to read it and did not keep it")
        assert case.run(absent="lost").counts == {"expired": 1}


def test_rotated_logs_are_read_in_the_order_of_their_dates(store):
    """``mail.log*`` names the newest first; a mail's lines may stand in two of them."""
    case = Case(store)
    at = log.iso(case.at)
    first = [*log.noise(log.iso(case.at - HOUR)), *log.taken(at, "4F00AA11B2", case.name(2))]
    second = [log.tried(at, "4F00AA11B2", reader(1), log.UNKNOWN), *log.noise(log.iso(case.at + HOUR))]
    logs = [Log(name=name, blocks=iter(["\n".join(lines).encode()])) for name, lines in (("1", second), ("0", first))]
    logs.append(Log(name="empty", blocks=iter([])))
    told = case.desk.reconcile.run(logs)
    assert (told.counts, told.covers) == ({"rejected": 1}, ((case.at - HOUR, case.at + HOUR),))


def test_a_dry_run_changes_nothing(store):
    case = Case(store)
    case.mail(2, log.UNKNOWN)
    told = case.run(dry_run=True)
    assert (told.counts, told.dry_run, case.state(2)) == ({"rejected": 1}, True, "uncertain")
    with store.reading() as tx:
        assert people.suppression_list(tx) == ()


def test_a_joined_mail_is_settled_as_one(store):
    case = Case(store, 3)
    with store.transaction() as tx:
        tx.execute(update(deliveries).where(deliveries.c.id == 3).values(leader_id=2))
    assert [one.id for one in case.desk.ledger.show(3).joined] == [2, 3]
    case.mail(2)
    assert case.run().counts == {"accepted": 1}
    assert case.desk.states() == {"accepted": 3}


def test_only_those_that_are_asked_for(store):
    case = Case(store, 3)
    case.mail(2)
    case.mail(3)
    assert case.run(which=Which(address=reader(1))).counts == {"accepted": 1}
    assert (case.state(2), case.state(3)) == ("accepted", "uncertain")
    assert case.run(which=Which(digest="weekly")).uncertain == 0


def test_the_operator_may_be_quicker(store):
    """What was decided while the log was read stays as it was decided."""
    case = Case(store)
    case.mail(2, log.UNKNOWN)
    desk = case.desk

    def decided() -> datetime:
        if case.state(2) == "uncertain":
            desk.ledger.resolve(2, "accepted")
        return desk.world.now

    service = replace(desk.reconcile, clock=decided)
    told = service.run([case.log()])
    assert (told.counts, case.state(2)) == ({}, "accepted")


def test_the_host_of_the_message_id_is_the_one_it_was_sent_with(store):
    """The operator has changed [mail] from since."""
    case = Case(store)
    case.mail(2)
    service = replace(case.desk.reconcile, host="new.example")
    assert service.run([case.log()]).counts == {"accepted": 1}


@pytest.mark.parametrize(
    ("blocks", "what"),
    [
        ([], "no line of Postfix or OpenSMTPD"),
        ([b"\x00\xff\xfe" * 100_000], "nothing in it begins with a date"),
        ([b"May  4 06:00:00 relay kernel: up\n"], "no line of Postfix or OpenSMTPD"),
    ],
)
def test_what_is_no_mail_log_is_refused(store, blocks: list[bytes], what: str):
    desk = office(store, 1)
    with pytest.raises(InputError, match=what):
        desk.reconcile.run([Log(name="some.bin", blocks=iter(blocks))])


def test_an_unknown_word_is_refused(store):
    with pytest.raises(UsageError):
        office(store, 1).reconcile.run([], absent="guess")
