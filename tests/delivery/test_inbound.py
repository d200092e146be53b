"""Who asks to leave is heard; bounces, automatic answers and quoted digests are not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.delivery.inbound import read_inbound
from digest.model.mail import Inbound

ONE = "AbC_-0123456789abcdefG"
TWO = "zzzzzzzzzzzzzzzzzzzzzz"


def mail(*headers: str, body: str = "") -> bytes:
    return "\r\n".join([*headers, "", body]).encode()


@pytest.mark.parametrize(
    ("raw", "token"),
    [
        (mail(f"Subject: unsubscribe {ONE}"), ONE),
        (mail(f"Subject: UNSUBSCRIBE   {ONE}.{TWO}"), f"{ONE}.{TWO}"),
        (mail(f"Subject: Re: unsubscribe\r\n {ONE}"), ONE),
        (mail(f"Subject: =?utf-8?Q?unsubscribe_{ONE.replace('_', '=5F')}?="), ONE),
        (mail("Subject: leave", body=f"Hello,\r\n\r\nunsubscribe {ONE}\r\nBye"), ONE),
        (mail(f"To: leave+{ONE}@example.org"), ONE),
        (mail(f"To: Digest <leave+unsubscribe-{ONE}@example.org>"), ONE),
        (mail("To: leave@example.org", f"Delivered-To: leave+{ONE}.{TWO}@example.org"), f"{ONE}.{TWO}"),
        (mail("Content-Type: text/html", body=f"<p>unsubscribe&nbsp;{ONE}</p>"), ONE),
        (mail("Content-Transfer-Encoding: base64", body="dW5zdWJzY3JpYmUgenp6enp6enp6enp6enp6enp6enp6eg=="), TWO),
        (mail(f"Subject: unsubscribe {ONE}", "Auto-Submitted: no"), ONE),
        (mail(f"Subject: unsubscribe {ONE}", "Return-Path: <ann@example.org>"), ONE),
        (mail('Content-Type: text/plain; charset="no-such"', body=f"unsubscribe {ONE}"), ONE),
        (
            mail(
                'Content-Type: multipart/alternative; boundary="b"',
                body=f"--b\r\nContent-Type: text/html\r\n\r\nno\r\n--b\r\n\r\nunsubscribe {ONE}\r\n--b--",
            ),
            ONE,
        ),
    ],
)
def test_a_wish_to_leave_is_found(raw, token):
    found = read_inbound(raw)
    assert found is not None
    assert (found.token, found.raw) == (token, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        mail("Subject: unsubscribe"),
        mail("Subject: please unsubscribe me"),
        mail(f"Subject: unsubscribe {ONE}x"),
        mail(f"Subject: unsubscribe {ONE[:-1]}"),
        mail(f"Subject: unsubscribe {ONE}.short"),
        mail("Subject: Re: Papers", body=f"Nice!\r\n> unsubscribe {ONE}\r\n"),
        mail("Subject: Fwd: Papers", body=f"See https://x.example/unsubscribe/{ONE}\r\n"),
        mail("Subject: Fwd", body="text\r\n" * 20 + f"unsubscribe {ONE}\r\n"),
        mail(f"Subject: unsubscribe {ONE}", "Auto-Submitted: auto-replied; owner=x"),
        mail(f"Subject: unsubscribe {ONE}", "Auto-Submitted: auto-generated"),
        mail(f"Subject: unsubscribe {ONE}", "Return-Path: <>"),
        mail(f"Subject: unsubscribe {ONE}", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"),
    ],
)
def test_what_asks_for_nothing_is_nothing(raw):
    assert read_inbound(raw) is None


def test_the_headers_that_say_who_asked_come_along_decoded_and_harmless():
    raw = mail(
        "From: =?utf-8?Q?Ann_=1b[31m?= <ann@example.org>", f"Subject: unsubscribe {ONE}", "To: leave@example.org"
    )
    assert read_inbound(raw) == Inbound(
        token=ONE,
        raw=raw,
        headers={
            "from": "Ann [31m <ann@example.org>",
            "to": "leave@example.org",
            "subject": f"unsubscribe {ONE}",
        },
    )


@given(st.binary(max_size=400))
@example(b"Subject: =?utf-8?B?a?=\n\n")
@example(b"Subject: =?x\xff?Q?=ff?=\nContent-Type: text/plain; charset=\x00\n\nx")
@example(b"Content-Transfer-Encoding: base64\n\n=a=\xff")
@example(b"Content-Type: multipart/mixed; boundary=\n\n--\n")
def test_no_bytes_raise(raw):
    assert read_inbound(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: message/rfc822\n\n" * 5000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(3000)),
    ],
    ids=["rfc822", "multipart"],
)
def test_parts_within_parts_without_end_do_not_raise(raw):
    assert read_inbound(raw) is None


pieces = st.sampled_from(
    [
        b"Subject: ", b"unsubscribe ", ONE.encode(), b"\r\n", b"\r\n\r\n", b"=?utf-8?B?", b"=?utf-7?Q?+AC",
        b"?=", b"\xff\x00",
        b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/plain; charset*=utf-16''%ff", b"message/rfc822",
        b"--b", b"\r\n ",
        b"Content-Transfer-Encoding: ", b"base64", b"x-uuencode", b"quoted-printable", b"begin 6 x", b"=",
        b"To: ", b"+", b"@x",
        b"charset=idna", b"charset=punycode", b"charset=hex", b"; ", b"charset=unicode_escape", b"\\U9",
    ]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map(b"".join))
def test_no_broken_mail_raises(raw):
    found = read_inbound(raw)
    assert found is None or found.token
