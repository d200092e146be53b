"""Headers survive a round trip through the standard library, and nothing in a value can start another header."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, message_from_string, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader, DateHeader
from email.message import EmailMessage
from email.utils import parseaddr
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.model.mail import Sender, Stamp
from digest.rendering.headers import address, unstructured
from digest.rendering.message import Head, encode, fill, segments
from digest.rendering.text import plain
from tests.rendering.samples import SENDER, VALUES

AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
#: Text as nobody writes it: halves of letters, controls, overrides, words that look encoded, and what ends a header.
letters = st.characters(codec=None)
BREAKS = ("\r\n", "\n", "\r", "\x00", "\x1b", "\x85", "\u2028", "\u202e", "\ud800", "\ufeff", "\t")
MARKS = (*':;,<>@"\\() =_', "=?utf-8?q?", "?=", "\r\nBcc: all@inbox.example", "é", "漢", "👩‍🔬", "{{x}}")
nasty = st.lists(st.sampled_from((*BREAKS, *MARKS)) | st.text(letters, max_size=8), max_size=30).map("".join)
anything = st.text(letters, max_size=120) | nasty
local = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9+-]{1,10}){0,2}", fullmatch=True)
domain = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10}){1,3}", fullmatch=True)
mailbox = st.builds("{}@{}".format, local, domain)


def parsed(raw: bytes) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(raw + b"\r\n", policy=policy.default))


def squeezed(text: object) -> str:
    return " ".join(str(text).split())


def shown(text: str, limit: int) -> str:
    return plain(text, limit).encode("utf-8", "ignore").decode()


def assert_from(mail: EmailMessage, name: str, box: str) -> None:
    """But for blanks, which Python's own address parser puts between encoded words (RFC 2047 section 6.2 does not)."""
    (one,) = cast(AddressHeader, mail["From"]).addresses
    assert one.display_name.replace(" ", "") == shown(name, 120).replace(" ", "")
    assert one.addr_spec == box


@given(st.text(max_size=200) | nasty)
@example("a" * 500)
@example("=?utf-8?q?no?= yes")
def test_a_subject_reads_back_as_it_was(text: str) -> None:
    raw = unstructured("Subject", text)
    mail = parsed(raw)
    assert mail.keys() == ["Subject"]
    assert squeezed(mail["Subject"]) == squeezed(shown(text, 900))
    assert raw.isascii()
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))


@given(anything, mailbox)
@example('Papers, at "Wren Hall" (and its long, long name; with a comma)' * 2, "papers@wren.example")
@example("W" * 119, "papers@wren.example")
@example("", "papers@" + "wren." * 12 + "example")
@example("é" * 119, "p" * 64 + "@wren.example")
def test_a_display_name_reads_back_as_it_was(name: str, box: str) -> None:
    raw = address("From", name, box)
    mail = message_from_bytes(raw + b"\r\n")
    assert mail.keys() == ["From"]
    found, there = parseaddr(str(mail["From"]))
    assert (str(make_header(decode_header(found))), there) == (shown(name, 120), box)
    assert_from(parsed(raw), name, box)
    # An address is never cut; without a display name it stands on the line of the field.
    assert all(len(line) <= max(78, len(f"From: <{box}>")) for line in raw.split(b"\r\n"))


def test_line_breaks_cannot_inject() -> None:
    mail = parsed(unstructured("Subject", "Hello\r\nBcc: all@inbox.example\r\n\r\nbody"))
    assert dict(mail.items()) == {"Subject": "Hello Bcc: all@inbox.example body"}


BARE = ["Date", "Message-ID", "From", "To", "Subject"]
MIME = ["Auto-Submitted", "MIME-Version", "Content-Type"]
LISTED = ["List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"]


def written(sender: Sender, head: dict[str, object], subject: str, values: dict[Stamp, str]) -> bytes:
    message = encode(
        key="k",
        kind="edition",
        subject=subject,
        preheader="",
        html="<p>x</p>",
        text="x",
        head=Head(sender=sender, date=AT, **head),  # type: ignore[arg-type]
    )
    return b"".join(fill(segments(message), values))


def names(mail: EmailMessage) -> list[str]:
    return list(mail.keys())


@settings(deadline=None)
@given(
    name=anything,
    title=anything,
    subject=anything,
    digest=anything,
    day=anything,
    box=mailbox,
    reply=mailbox,
    list_id=domain,
)
def test_any_text_in_any_field_gives_the_contracts_headers_and_their_values(
    name: str, title: str, subject: str, digest: str, day: str, box: str, reply: str, list_id: str
) -> None:
    sender = Sender(
        from_name=name,
        from_address=box,
        reply_to=reply,
        unsubscribe_address=reply,
        public_url="https://wren.example/digest",
    )
    head = {"listed": True, "list_id": list_id, "list_title": title, "feedback": (day, digest)}
    raw = written(sender, head, subject, VALUES)
    mail = parsed(raw)
    assert names(mail) == [*BARE, "Reply-To", *LISTED, *MIME]
    assert not mail.defects
    assert_from(mail, name, box)
    (one,) = cast(AddressHeader, mail["Reply-To"]).addresses
    assert (one.display_name, one.addr_spec) == ("", reply)
    assert cast(DateHeader, mail["Date"]).datetime == AT
    assert str(mail["To"]) == VALUES[Stamp.TO]
    assert squeezed(mail["Subject"]) == squeezed(shown(subject, 900))
    assert str(mail["Message-ID"]) == f"<{VALUES[Stamp.MESSAGE_ID]}@{box.rpartition('@')[2]}>"
    assert address("List-Id", title, list_id) in raw
    https, mailto = str(mail["List-Unsubscribe"]).split(", ")
    token = VALUES[Stamp.UNSUBSCRIBE]
    assert https == f"<https://wren.example/digest/unsubscribe/{token}>"
    assert mailto.startswith("<mailto:")
    assert mailto.endswith(f"?subject=unsubscribe%20{token}>")
    assert str(mail["Feedback-ID"]).count(":") == 3
    assert 5 <= len(str(mail["Feedback-ID"]).rpartition(":")[2]) <= 15
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(line.isascii() and len(line) <= 998 for line in lines)
    assert [line for line in lines if len(line) > 76 and b" " in line.strip().partition(b": ")[2]] == []


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "from_name": anything,
            "from_address": anything,
            "reply_to": anything,
            "unsubscribe_address": anything,
            "public_url": st.just("") | anything.map("https://".__add__),
        }
    ),
    st.fixed_dictionaries(
        {
            "listed": st.booleans(),
            "list_id": anything,
            "list_title": anything,
            "feedback": st.tuples(anything, anything),
        }
    ),
    anything,
)
def test_even_what_no_configuration_allows_starts_no_header(sender, head, subject) -> None:
    mail = parsed(written(Sender(**sender), head, subject, VALUES))
    allowed = [*BARE, "Reply-To", *LISTED, *MIME]
    assert [name for name in allowed if name in names(mail)] == names(mail)
    raw = written(Sender(**sender), head, subject, VALUES)
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")


@pytest.mark.parametrize(
    ("listed", "sender", "more"),
    [
        (True, SENDER, ["Reply-To", *LISTED]),
        (
            True,
            Sender(from_name="", from_address="p@wren.example", public_url="http://x.example"),
            LISTED[:2] + LISTED[3:],
        ),
        (True, Sender(from_name="", from_address="p@wren.example"), ["List-Id", "Feedback-ID"]),
        (False, SENDER, ["Reply-To"]),
        (False, Sender(from_name="P", from_address="p@wren.example"), []),
    ],
)
def test_nothing_but_the_contracts_headers(listed: bool, sender: Sender, more: list[str]) -> None:
    head = {"listed": listed, "list_id": "m.wren.example", "list_title": "M", "feedback": ("d", "m")}
    assert names(parsed(written(sender, head, "s", VALUES))) == [*BARE, *more, *MIME]


READERS = ['"a b"@inbox.example', '"a,b"@inbox.example', "a+b@inbox.example", "o'neil@inbox.example", "x@[192.0.2.1]"]


@pytest.mark.parametrize("reader", [*READERS, "jürg@inbox.example", "用户@xn--fsq.example", "ΑΒ+γ@inbox.example"])
def test_a_readers_address_stands_in_to_as_it_is(reader: str) -> None:
    raw = written(SENDER, {"listed": False}, "s", {**VALUES, Stamp.TO: reader})
    mail = message_from_string(raw.decode(), policy=policy.SMTPUTF8)
    (one,) = cast(AddressHeader, mail["To"]).addresses
    assert one.addr_spec == reader
    assert f"\r\nTo: {reader}\r\n".encode() in raw
