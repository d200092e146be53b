"""Headers survive a round trip through the standard library, and nothing in a value can start another header."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.headers import address, unstructured
from digest.rendering.text import plain


def parsed(raw: bytes):
    return message_from_bytes(raw + b"\r\n", policy=policy.default)


@given(st.text(max_size=200))
def test_a_subject_reads_back_as_it_was(text: str) -> None:
    raw = unstructured("Subject", text)
    mail = parsed(raw)
    assert mail.keys() == ["Subject"]
    assert " ".join(str(mail["Subject"]).split()) == " ".join(plain(text, 900).split())
    assert raw.isascii()
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))


@given(st.text(max_size=100))
def test_a_display_name_reads_back_as_it_was(name: str) -> None:
    raw = address("From", name, "papers@wren.example")
    mail = message_from_bytes(raw + b"\r\n")
    assert mail.keys() == ["From"]
    found, box = parseaddr(str(mail["From"]))
    assert (str(make_header(decode_header(found))), box) == (plain(name, 120), "papers@wren.example")


def test_line_breaks_cannot_inject() -> None:
    mail = parsed(unstructured("Subject", "Hello\r\nBcc: all@inbox.example\r\n\r\nbody"))
    assert dict(mail.items()) == {"Subject": "Hello Bcc: all@inbox.example body"}
