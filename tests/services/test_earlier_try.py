"""With the policy resend: a mail that may have arrived at an earlier try never ends as undelivered."""

from __future__ import annotations

import pytest

from digest.delivery.catchall import CatchAll
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering, office, reader


@pytest.fixture
def doubted(store):
    """One reader whose relay took the mail and hung up before it said so."""
    desk = office(store, 1)
    with playing(answering(Mails(), dot=lambda address: None)) as peer:
        desk.send(peer.port, resend=True)
    assert desk.states() == {"deferred": 1}
    return desk


def uncertain_as(desk, why: str) -> None:
    assert desk.states() == {"uncertain": 1}
    assert desk.row(reader(0)).reason == f"{why}; an earlier try may have arrived"


def test_cancelled_it_is_uncertain(doubted):
    assert doubted.ledger.cancel("daily") == 1
    uncertain_as(doubted, "cancelled")


def test_too_late_it_is_uncertain(doubted):
    doubted.later(days=30)
    with CatchAll() as relay:
        doubted.send(relay.port, resend=True)
        assert relay.count == 0
    uncertain_as(doubted, "it could not be sent in time")


def test_refused_at_the_next_try_it_is_uncertain(doubted):
    doubted.later(hours=1)
    with playing(answering(Mails(), rcpt=lambda address: "550 5.1.1 no such user")) as peer:
        with doubted.store.transaction() as tx:
            # The same place as before, though the test's server has another port.
            tx.exec_driver_sql(f"UPDATE deliveries SET relay = '127.0.0.1:{peer.port}'")
        doubted.send(peer.port, resend=True)
    assert doubted.states() == {"uncertain": 1}
    assert doubted.row(reader(0)).reason.endswith("; an earlier try may have arrived")
