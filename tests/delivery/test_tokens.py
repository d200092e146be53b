"""Tokens carry their payload, cannot be forged or used elsewhere, and outlive a change of keys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.tokens import address_key, message_id, new_secret, sign, verify

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32


@given(st.text(), st.binary(max_size=200))
def test_a_token_gives_back_its_payload(purpose, payload):
    token = sign(purpose, payload, [NEW])
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert verify(purpose, token, [NEW]) == payload


@given(st.text(), st.text(), st.binary(max_size=20))
def test_a_token_is_of_no_use_for_another_purpose(purpose, other, payload):
    if purpose != other:
        assert verify(other, sign(purpose, payload, [NEW]), [NEW]) is None


@given(st.binary(max_size=20), st.data())
def test_a_changed_token_is_refused(payload, data):
    token = sign("confirm", payload, [NEW])
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_=.+/é"))
    changed = token[:at] + letter + token[at + 1 :]
    if changed != token:
        assert verify("confirm", changed, [NEW]) is None


@given(st.text())
def test_garbage_is_refused(token):
    assert verify("confirm", token, [NEW, OLD]) is None


def test_a_key_can_be_changed_while_old_tokens_still_work():
    token = sign("confirm", b"7", [OLD])
    assert verify("confirm", token, [NEW, OLD]) == b"7"
    assert verify("confirm", sign("confirm", b"7", [NEW, OLD]), [NEW]) == b"7"
    assert verify("confirm", token, [NEW]) is None
    assert verify("confirm", token, []) is None
    with pytest.raises(ValueError, match="no key to sign with"):
        sign("confirm", b"7", [])


def test_equally_long_payloads_give_equally_long_tokens():
    assert {len(sign("confirm", n.to_bytes(8, "big"), [NEW])) for n in range(300)} == {32}


def test_spellings_of_one_address_have_one_key():
    same = {address_key(text, NEW) for text in ("Ann@Example.org", " ann@example.ORG ", "ANN@EXAMPLE.ORG")}
    assert len(same) == 1
    assert re.fullmatch("[0-9a-f]{64}", same.pop())
    assert address_key("j\u00fcrgen@b.example", NEW) == address_key("ju\u0308rgen@b.example", NEW)
    assert address_key("ann@example.org", NEW) != address_key("ann@example.org", OLD)
    assert address_key("ann@example.org", NEW) != address_key("bob@example.org", NEW)


def test_a_message_id_is_stable_and_differs_by_message_and_recipient():
    first = message_id(NEW, "edition-1", 7)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first == message_id(NEW, "edition-1", 7)
    assert (
        len({first, message_id(NEW, "edition-1", 8), message_id(NEW, "edition-17", 7), message_id(OLD, "edition-1", 7)})
        == 4
    )
    assert message_id(NEW, "a", "bc") != message_id(NEW, "ab", "c")


def test_a_secret_is_22_url_safe_characters():
    assert new_secret(bytes(16)) == "A" * 22
    assert new_secret(b"\xff" * 16) == "_" * 21 + "w"
    with pytest.raises(ValueError, match="16 random bytes"):
        new_secret(b"short")
