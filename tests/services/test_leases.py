"""Time: what expires, who holds a mail, what a lost lease or a lost database means, and how fast mails go."""

from __future__ import annotations

import queue
import threading
import time
from datetime import timedelta

from digest.delivery.catchall import CatchAll
from digest.delivery.pool import RateLimit
from digest.model.errors import StorageError
from digest.services.sending import book
from digest.storage import editions, people, sending
from digest.storage.lane import Lane
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering, office, reader, until


class TestTimeAndLeases:
    def test_what_is_too_late_expires_and_frees_its_papers(self, store):
        desk = office(store, 1)
        desk.later(hours=37)
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0
            assert desk.states() == {"expired": 1}
            desk.world.publish.run(desk.world.now)
            desk.send(relay.port)
            (mail,) = relay.messages
        assert b"volume 1" in mail.content
        assert desk.states() == {"accepted": 1, "expired": 1}

    def test_a_mail_whose_message_was_pruned_ends_with_its_reason(self, store):
        desk = office(store, 2)
        with store.transaction() as tx:
            assert editions.prune_messages(tx, desk.world.now + timedelta(days=1), frozenset()) > 0
        with CatchAll() as relay:
            desk.send(relay.port)
            assert relay.count == 0
        assert {row.reason for row in desk.rows()} == {"its message is no longer kept"}
        assert desk.states() == {"expired": 2}

    def test_two_senders_at_once_send_each_mail_once(self, store, url, open_database):
        desk = office(store, 60)
        other = open_database(url)
        faults = []

        def run(held, holder):
            try:
                desk.send(relay.port, connections=3, store=held, holder=holder)
            except BaseException as error:
                faults.append(error)

        with CatchAll() as relay:
            senders = [
                threading.Thread(target=run, args=(held, f"host:{n}:1")) for n, held in enumerate((store, other))
            ]
            for thread in senders:
                thread.start()
            for thread in senders:
                thread.join(60)
            assert sorted(mail.recipient for mail in relay.messages) == [reader(n) for n in range(60)]
        assert faults == []
        assert desk.states() == {"accepted": 60}

    def test_who_lost_the_lease_settles_nothing(self, store):
        desk = office(store, 1)
        mails = Mails()

        freed = []

        def taken(address):
            if freed:
                return
            desk.later(hours=1)
            with store.transaction() as tx:
                freed.append(sending.recover(tx, now=desk.world.now, dead=[], resend=False))

        with playing(answering(mails, before_content=taken), answering(mails)) as peer:
            sent = desk.send(peer.port)
        assert freed == [(1, 0)]
        # The first try stopped before its dot; the same run then took the mail anew.
        assert mails.to == [reader(0)]
        assert dict(sent.outcomes) == {"lost": 1, "accepted": 1}
        assert desk.states() == {"accepted": 1}

    def test_an_answer_that_comes_after_the_lease_was_lost_changes_nothing(self, store):
        desk = office(store, 1)
        mails = Mails()

        def late(address):
            desk.later(hours=1)
            with store.transaction() as tx:
                assert sending.recover(tx, now=desk.world.now, dead=[], resend=False) == (0, 1)
            return "250 ok"

        with playing(answering(mails, dot=late)) as peer:
            sent = desk.send(peer.port)
        assert dict(sent.outcomes) == {"lost": 1}
        assert desk.states() == {"uncertain": 1}

    def test_renewing_never_shortens_the_lease_of_a_mail_that_awaits_its_reply(self, store):
        desk = office(store, 1)
        now = desk.world.now
        with store.transaction() as tx:
            (one,) = sending.claim(tx, lease="host:1:1:9", now=now, until=now + timedelta(minutes=1), limit=9)
            assert (
                sending.gate_joined(tx, one.id, "host:1:1:9", now=now, until=now + timedelta(minutes=15), relay="")
                == ""
            )
            sending.renew(tx, "host:1:1:9", now + timedelta(minutes=2))
            assert sending.recover(tx, now=now + timedelta(minutes=14), dead=[], resend=False) == (0, 0)
            assert sending.recover(tx, now=now + timedelta(minutes=16), dead=[], resend=False) == (0, 1)

    def test_what_a_dead_process_held_is_taken_at_once(self, store):
        desk = office(store, 1)
        now = desk.world.now
        with store.transaction() as tx:
            sending.claim(tx, lease="host:77:1:1", now=now, until=now + timedelta(hours=1), limit=9)
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0
            assert desk.send(relay.port, dead=lambda held: [one for one in held if ":77:" in one]).tried == 1

    def test_a_database_that_fails_at_the_gate_stops_before_the_dot(self, store, monkeypatch):
        desk = office(store, 3)

        def failing(*args, **rest):
            raise StorageError("could not be written: the disk is full", where="digest.db", try_="free some space")

        with monkeypatch.context() as patch, CatchAll() as relay:
            patch.setattr(Lane, "group", failing)
            patch.setattr(book, "_DATABASE_WAITS", ())
            sent = desk.send(relay.port)
            assert relay.count == 0
        assert "disk is full" in str(sent.problem)
        assert desk.states() == {"open": 3}
        desk.later(minutes=20)
        with CatchAll() as relay:
            desk.send(relay.port)
            assert relay.count == 3
        assert desk.states() == {"accepted": 3}

    def test_a_database_that_fails_at_the_first_claim_leaves_no_thread_behind(self, store, monkeypatch):
        desk = office(store, 1)

        def failing(*args, **rest):
            raise StorageError("is locked by another program", where="digest.db")

        before = threading.active_count()
        with monkeypatch.context() as patch:
            patch.setattr(sending, "claim", failing)
            sent = desk.send(1)
        assert "locked" in str(sent.problem)
        until(lambda: threading.active_count() <= before)
        assert desk.states() == {"open": 1}


def office_again(desk, number):
    """The next day's mails for the same readers."""
    desk.later(days=1)
    desk.world.paper(number + 10, seen_at=desk.world.now - timedelta(hours=1))
    desk.world.publish.run(desk.world.now)
    return desk


class TestHowFast:
    def test_the_rate_is_kept(self, store):
        desk = office(store, 6)
        with CatchAll() as relay:
            started = time.monotonic()
            desk.send(relay.port, connections=3, rates=RateLimit(10.0, {}), seconds=time.monotonic)
            quick = time.monotonic() - started
            assert relay.count == 6
        assert quick < 5
        desk = office_again(desk, 4)
        with CatchAll() as relay:
            started = time.monotonic()
            desk.send(relay.port, rates=RateLimit(None, {"example.net": 4.0}), seconds=time.monotonic)
            assert relay.count == 6
            assert time.monotonic() - started > 0.4

    def test_a_click_beside_a_running_send_is_answered_at_once(self, store):
        desk = office(store, 40)
        waits: queue.Queue[float] = queue.Queue()

        def clicking(address):
            started = time.monotonic()
            with store.reading() as tx:
                mine = people.subscriptions_of(tx, people.subscriber(tx, reader(39)).id)[0]
            desk.world.subscribe.leave_by_token(mine.secret)
            waits.put(time.monotonic() - started)
            return "250 ok"

        mails = Mails()
        with playing(answering(mails, dot=clicking), answering(mails)) as peer:
            desk.send(peer.port)
        assert max(waits.queue) < 2
        assert desk.states() == {"accepted": 39, "suppressed": 1}
