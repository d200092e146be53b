"""A message is encoded once, stamped in microseconds, and reads back as what went in."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.model.errors import InputError
from digest.model.mail import Message, Sender, Stamp
from digest.rendering.message import Head, encode, fill, mark, parts, segments, stamp
from digest.rendering.text import plain
from tests.rendering.samples import SENDER, VALUES

AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
HEAD = Head(
    sender=SENDER,
    date=AT,
    listed=True,
    list_id="morning.wren.example",
    list_title="Morgenblätter",
    feedback=("2026-11-20", "morning"),
)


def made(html: str = "<p>Hé</p>", text: str = "Hé", subject: str = "Salt", head: Head = HEAD) -> Message:
    return encode(key="k", kind="edition", subject=subject, preheader="", html=html, text=text, head=head)


def test_the_headers_are_those_of_the_contract() -> None:
    mail = message_from_bytes(b"".join(stamp(made(), VALUES)), policy=policy.default)
    assert {name: str(value) for name, value in mail.items() if name != "Content-Type"} == {
        "Date": "Fri, 20 Nov 2026 07:00:00 +0000",
        "Message-ID": "<0123456789abcdef0123456789abcdef@wren.example>",
        "From": "Papers at Wren Hall <papers@wren.example>",
        "To": "reader@inbox.example",
        "Subject": "Salt",
        "Reply-To": "desk@wren.example",
        "List-Id": "Morgenblätter <morning.wren.example>",
        "List-Unsubscribe": "<https://wren.example/unsubscribe/uuuuuuuuuuuuuuuuuuuuuu>,"
        " <mailto:leave@wren.example?subject=unsubscribe%20uuuuuuuuuuuuuuuuuuuuuu>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": "2026-11-20:morning:edition:wrenexample",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert [part.get_content_charset() for part in mail.iter_parts()] == ["utf-8", "utf-8"]  # type: ignore[attr-defined]


def test_without_a_public_url_only_the_mailto_form_remains() -> None:
    sender = Sender(from_name="P", from_address="p@wren.example", unsubscribe_address="leave+x@wren.example")
    mail = message_from_bytes(b"".join(stamp(made(head=Head(sender=sender, date=AT, listed=True)), VALUES)))
    assert mail["List-Unsubscribe"] == ("<mailto:leave+x@wren.example?subject=unsubscribe%20uuuuuuuuuuuuuuuuuuuuuu>")
    assert mail["List-Unsubscribe-Post"] is None


def test_a_long_list_unsubscribe_is_never_an_encoded_word() -> None:
    joined = ".".join(["s" * 22] * 8)
    raw = b"".join(stamp(made(), {**VALUES, Stamp.UNSUBSCRIBE: joined}))
    header = raw.split(b"List-Unsubscribe: ")[1].split(b"\r\nList-Unsubscribe-Post")[0]
    assert (
        header
        == (
            f"<https://wren.example/unsubscribe/{joined}>,\r\n"
            f" <mailto:leave@wren.example?subject=unsubscribe%20{joined}>"
        ).encode()
    )


def test_equal_arguments_give_equal_bytes() -> None:
    assert made() == made()


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t .=é☃"), max_size=500)


@settings(deadline=None)
@given(printable, printable, st.text(max_size=100), st.integers(1, 20))
def test_both_parts_and_the_subject_read_back(html: str, text: str, subject: str, digests: int) -> None:
    token = ".".join(["t" * 22] * digests)
    link = f"https://wren.example/unsubscribe/{mark(Stamp.UNSUBSCRIBE)}/end"
    message = made(html=html + link + html, text=text + link, subject=subject)
    raw = b"".join(stamp(message, {**VALUES, Stamp.UNSUBSCRIBE: token}))
    there = f"https://wren.example/unsubscribe/{token}/end"
    assert tuple(part.replace("\r\n", "\n") for part in parts(raw)) == (html + there + html, text + there)
    mail = message_from_bytes(raw, policy=policy.default)
    assert " ".join(str(mail["Subject"]).split()) == " ".join(plain(subject, 900).split())
    assert not mail.defects
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert all(len(line) <= 76 for line in raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_token_of_many_digests_stands_on_several_lines_of_a_body_and_none_begins_with_a_dot() -> None:
    token = ".".join(f"{n:022d}" for n in range(5))
    raw = b"".join(stamp(made(text=f"left{mark(Stamp.UNSUBSCRIBE)}right"), {**VALUES, Stamp.UNSUBSCRIBE: token}))
    first, second = token[:69].encode(), token[69:].encode()
    assert b"left=\r\n" + first + b"=\r\n" + second + b"=\r\nright" in raw
    assert parts(raw)[1].strip() == f"left{token}right"


def test_a_lone_dot_never_stands_on_a_line() -> None:
    assert b"\r\n.\r\n" not in made(text="a\n.\nb").content


def test_no_line_of_a_body_begins_like_an_mbox() -> None:
    """Also where a stamp's line ends before it."""
    text = f"From here\nFrom {mark(Stamp.UNSUBSCRIBE)}From there\nFromage"
    raw = b"".join(stamp(made(text=text), VALUES))
    assert b"\nFrom " not in raw.partition(b"\r\n\r\n")[2]
    assert parts(raw)[1].splitlines() == ["From here", "From uuuuuuuuuuuuuuuuuuuuuuFrom there", "Fromage"]


def test_segments_can_be_kept_and_filled_for_each_recipient() -> None:
    message = made()
    cut = segments(message)
    assert b"".join(fill(cut, VALUES)) == b"".join(stamp(message, VALUES))
    assert b"To: other@inbox.example\r\n" in b"".join(fill(cut, {**VALUES, Stamp.TO: "other@inbox.example"}))


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nBcc: c@d.example", "a\x00@b.example", "ä\u2028@b.example", "\u202ea@b.example", "\ud800@b.x"],
)
def test_a_stamp_cannot_break_a_line(address: str) -> None:
    with pytest.raises(InputError, match="not printable ASCII"):
        stamp(made(), {**VALUES, Stamp.TO: address})


def test_only_the_address_may_have_letters_outside_ascii() -> None:
    assert "\r\nTo: jürg@b.example\r\n".encode() in b"".join(stamp(made(), {**VALUES, Stamp.TO: "jürg@b.example"}))
    for other in set(VALUES) - {Stamp.TO}:
        with pytest.raises(InputError, match=f"stamp {other}"):
            stamp(made(), {**VALUES, other: "jürg"})


def test_a_stamp_cannot_make_a_line_too_long() -> None:
    with pytest.raises(InputError, match="at most 600 characters"):
        stamp(made(), {**VALUES, Stamp.UNSUBSCRIBE: "u" * 601})


def test_a_missing_stamp_is_named() -> None:
    with pytest.raises(InputError, match="stamp to"):
        stamp(made(), {stamp_: value for stamp_, value in VALUES.items() if stamp_ is not Stamp.TO})
