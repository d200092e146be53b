"""A mail's tree, as the standard library would give it, and within bounds whatever the bytes."""

from __future__ import annotations

import email
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.mime import MAX_MAIL, MAX_TEXT, Part, headers_of, read

TREE = """Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
 =?utf-8?q?_an_alle?=
Content-Type: multipart/mixed;
  boundary = "a b"

before
--a b
Content-Type: multipart/alternative; boundary=in

--in

first
--in \t
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<p>second =E4</p>
--in--
--a b

Content-Type: not a header

--a b
Content-Type: message/rfc822

Subject: inner

--a b--
after
"""


def medias(part: Part) -> list[str]:
    return [one.media for one in part.walk()]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_tree_is_taken_apart(end):
    mail = read(TREE.replace("\n", end).encode())
    assert mail.words("subject") == "Grüße an alle"
    alternative, plain, inner = mail.parts
    first, second = alternative.parts
    assert (first.text(), second.text()) == ("first", "<p>second ä</p>")
    assert plain.text() == "Content-Type: not a header\n"
    assert (inner.media, inner.body.strip()) == ("message/rfc822", b"Subject: inner")


def test_the_parts_are_those_of_the_standard_library():
    made = EmailMessage()
    made["Subject"] = "x"
    made.set_content("plain äöü\n" * 50)
    made.add_alternative("<p>html</p>", subtype="html")
    made.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream")
    raw = made.as_bytes()
    theirs = [part.get_content_type() for part in email.message_from_bytes(raw).walk()]
    mail = read(raw)
    assert medias(mail) == theirs
    assert [part.content() for part in mail.walk() if part.media.startswith("application")] == [b"\x00\x01"]
    assert mail.parts[0].parts[0].text() == "plain äöü\n" * 50


def test_the_last_boundary_may_be_missing():
    assert [part.body for part in read(b"Content-Type: multipart/x; boundary=b\n\n--b\n\none\n--b\n\ntwo").parts] == [
        b"one",
        b"two",
    ]


def test_a_boundary_counts_only_as_a_whole_line():
    mail = read(b"Content-Type: multipart/x; boundary=b\n\n--b\n\n--bc\nx --b\n--b--\n")
    assert [part.body for part in mail.parts] == [b"--bc\nx --b"]


@pytest.mark.parametrize("charset", ["punycode", "idna", "rot13", "unicode_escape", "no-such", "utf-16-\xff"])
def test_what_is_no_character_set_is_read_as_utf_8(charset):
    assert read(f"Content-Type: text/plain; charset={charset}\n\ngrün".encode()).text() == "grün"


@pytest.mark.parametrize(
    ("body", "content"), [(b"YWJj", b"abc"), (b"YW Jj\nZ", b"abc"), (b"YWI=", b"ab"), (b"YWI", b"ab")]
)
def test_base64_is_read_as_far_as_it_goes(body, content):
    assert read(b"Content-Transfer-Encoding: BASE64\n\n" + body).content() == content


def test_headers_are_unfolded_in_lower_case_and_cut():
    found = headers_of(b"To:  a\r\n b\r\nno colon\r\nA B: c\r\nX-Y:" + b"z" * 9_000)
    assert found[0] == ("to", "a b")
    assert [name for name, _ in found] == ["to", "x-y"]
    assert len(found[1][1]) == 4_000


def test_parts_depth_text_and_mail_have_their_bounds():
    many = read(b"Content-Type: multipart/x; boundary=b\n\n" + b"--b\n\nx\n" * 1_000)
    deep = read(b"Content-Type: multipart/x; boundary=b\n\n--b\n" * 1_000)
    assert len(medias(many)) == 60
    assert len(medias(deep)) <= 60
    assert len(read(b"\n" + b"x" * 2 * MAX_TEXT).text()) == MAX_TEXT
    assert len(read(b"\n" + b"x" * 2 * MAX_MAIL).body) == MAX_MAIL - 1


@given(st.binary(max_size=1_500))
def test_any_bytes_make_a_tree(raw):
    for part in read(raw).walk():
        part.text()
        part.words("subject")
        assert "/" in part.media
