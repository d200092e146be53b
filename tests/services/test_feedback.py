"""Mail that asks to leave is obeyed before it is taken out of the box; other mail is left alone."""

from __future__ import annotations

import pytest

from digest.model.people import SubscriptionState
from digest.services.readers.feedback import Acted, Heard, Obeyed
from digest.storage import people
from tests.services.world import World


def mail(subject, body="Please."):
    return f"From: ada@example.org\r\nTo: leave@example.org\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


def state(store, subscription):
    with store.reading() as tx:
        return people.subscription(tx, subscription.id).state


def test_a_mail_with_a_token_ends_that_subscription_and_is_acknowledged_after_it(store):
    world = World(store)
    ada, bo = world.reader(), world.reader("bo@example.org")
    acknowledged = []

    def acknowledge(handle):
        assert state(store, ada) is SubscriptionState.UNSUBSCRIBED
        acknowledged.append(handle)

    done = world.feedback.obey([("1", mail(f"unsubscribe {ada.secret}")), ("2", mail("A question"))], acknowledge)
    assert done == Obeyed(read=2, left=1, ended=1, unknown=0, unrelated=1)
    assert acknowledged == ["1"]
    assert state(store, bo) is SubscriptionState.CONFIRMED


def test_a_token_of_several_secrets_ends_all_and_asking_again_is_a_no_op(store):
    world = World(store)
    ada, bo = world.reader(), world.reader("bo@example.org")
    raw = mail(f"unsubscribe {ada.secret}.{bo.secret}")
    assert world.feedback.one(raw) == Acted(heard=Heard.LEFT, ended=2, address="ada@example.org")
    assert world.feedback.one(raw) == Acted(heard=Heard.LEFT, ended=0, address="ada@example.org")


def test_a_token_that_nobody_has_is_counted_and_its_mail_stays(store):
    acknowledged, left = [], []
    mails = [("1", mail("unsubscribe " + "x" * 22)), ("2", mail("A question"))]
    done = World(store).feedback.obey(mails, acknowledged.append, left.append)
    assert (done, acknowledged, left) == (Obeyed(read=2, unknown=1, unrelated=1), [], ["1", "2"])


def test_a_mailbox_that_breaks_off_loses_nothing_that_was_obeyed(store):
    world = World(store)
    ada = world.reader()

    def mails():
        yield "1", mail(f"unsubscribe {ada.secret}")
        raise ConnectionError("gone")

    acknowledged = []
    with pytest.raises(ConnectionError):
        world.feedback.obey(mails(), acknowledged.append)
    assert (acknowledged, state(store, ada)) == (["1"], SubscriptionState.UNSUBSCRIBED)
