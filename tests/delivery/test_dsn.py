"""What comes back is understood; automatic replies never count; nothing that anybody sends breaks or holds up reading.

A hundred thousand mutated reports run by name: ``pytest -m shared -s tests/delivery/test_dsn.py``.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.delivery.dsn import read_report
from digest.model.mail import Report, Reported, ReportKind
from tests.delivery.mutated import mutated
from tests.delivery.returned import HARD, PATH, READER, SAMPLES, SOFT, Sample, dsn, failed, mail

QUICK, MANY = 2_000, 100_000


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_program_s_report_is_understood(sample: Sample):
    found = read_report(mail(sample))
    assert found.kind is sample.kind
    assert tuple((one.final, one.kind, one.status) for one in found.recipients) == sample.says
    assert all(one.counts is sample.counts for one in found.recipients if one.kind in (HARD, SOFT))
    assert PATH in found.paths or found.kind is ReportKind.UNRELATED


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "reports").glob("*.eml")), ids=lambda file: file.stem)
def test_what_real_servers_sent_back_is_understood(file):
    found = read_report(file.read_bytes())
    (one,) = found.recipients
    words = {"unknown": HARD, "full": SOFT, "delayed": ReportKind.DELAYED}
    assert found.kind is next(kind for word, kind in words.items() if word in file.stem)
    assert one.final.endswith(".example") and one.counts is (found.kind is not ReportKind.DELAYED)
    assert found.paths[0].startswith("bounces+b") and one.text


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_bare_line_feeds_and_a_mailbox_s_first_line_change_nothing(sample: Sample):
    raw = mail(sample)
    assert read_report(b"From MAILER-DAEMON Sat Nov 21 07:30:12 2026\n" + raw.replace(b"\r\n", b"\n")) == read_report(
        raw
    )


def test_a_report_tells_everything_it_knows_of_a_recipient():
    raw = mail(
        Sample(
            "",
            dsn("Original-Recipient: rfc822;first@uni.example\n" + failed("5.1.1", "550 5.1.1 \x1b[31mno\x07")),
            HARD,
        )
    )
    assert read_report(raw) == Report(
        kind=HARD,
        paths=(PATH,),
        recipients=(
            Reported(
                kind=HARD,
                final=READER,
                original="first@uni.example",
                status="5.1.1",
                text="550 5.1.1 [31mno",
                remote_mta="mx.uni.example",
            ),
        ),
    )


def test_an_address_in_letters_numbers_is_read_as_its_letters():
    (one,) = read_report(mail(next(each for each in SAMPLES if each.name == "utf-8 address"))).recipients
    assert (one.final, one.original) == ("größe@bücher.example", "größe@bücher.example")


@pytest.mark.parametrize("name", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_the_return_path_is_found_where_our_server_noted_it(name):
    raw = mail(Sample("", dsn(failed("5.1.1"), head=f"{name}: PATH\n"), HARD)).replace(
        f"To: {PATH}\r\nSubject".encode(), b"To: undisclosed\r\nSubject"
    )
    assert read_report(raw).paths[0] == PATH


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_status_that_is_encoded_for_transport_is_read(encoding):
    import base64
    import quopri

    fields = f"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; {READER}\nAction: failed\nStatus: 5.1.1\n".encode()
    body = base64.encodebytes(fields) if encoding == "base64" else quopri.encodestring(fields)
    raw = (
        (
            f"To: {PATH}\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n"
            f"Content-Transfer-Encoding: {encoding}\n\n"
        ).encode()
        + body
        + b"\n--b--\n"
    )
    assert [(one.final, one.kind) for one in read_report(raw).recipients] == [(READER, HARD)]


HOSTILE = {
    "nested parts": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(6_000)),
    "one boundary, everywhere": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 60_000,
    "parts within parts, one boundary": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 5_000,
    "mails within mails": b"Content-Type: message/rfc822\n\n" * 8_000,
    "a giant header": b"Subject: " + b"=?utf-8?q?=41?= " * 20_000,
    "a giant boundary": b'Content-Type: multipart/mixed; boundary="' + b'\\"' * 120_000,
    "many boundaries": b"Content-Type: multipart/mixed; " + b'boundary="' * 25_000,
    "headers without end": b"a:b\n" * 60_000,
    "folds without end": b"To: " + b"\n x" * 80_000,
    "a giant address": b"To: " + b"a" * 250_000 + b"@",
    "ats": b"From: mailer-daemon\nSubject: failure notice\n\n" + b"@" * 200_000,
    "angles": b"Content-Type: text/html\nFrom: mailer-daemon@x\n\n" + b"<" * 200_000,
    "blanks": b"From: mailer-daemon@x\nSubject: failure\n\n" + b" " * 250_000,
    "names": b"From: mailer-daemon@x\nSubject: failure\n\n" + b"user " * 50_000,
    "dots": b"From: mailer-daemon@x\nSubject: failure\n\n" + b"5." * 120_000,
    "digits": b"From: mailer-daemon@x\nSubject: failure\n\n" + b"5.1.1" * 50_000,
    "dashes": b"From: mailer-daemon@x\nSubject: failure\n\n" + b"-" * 250_000,
    "recipients": mail(Sample("", dsn((failed("5.1.1") + "\n") * 2_000), HARD)),
    "punycode": b"From: mailer-daemon@x\nContent-Type: text/plain; charset=punycode\n\n" + b"a" * 250_000,
    "idna": b"Subject: =?idna?q?" + b"xn--a." * 600 + b"?=\n\n",
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"A=" * 120_000,
    "status base64": b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n" + b"=A" * 120_000,
    "nothing": b"",
    "zeros": bytes(250_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_read_in_a_moment(name):
    began = time.process_time()
    read_report(HOSTILE[name])
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("length", [2_000_000, 8_000_000])
def test_what_lies_beyond_the_limit_costs_nothing(length):
    raw = mail(SAMPLES[0]) + b"x" * length
    began = time.process_time()
    assert read_report(raw).kind is HARD
    assert time.process_time() - began < 0.2


@given(st.binary(max_size=2_000))
@example(b'Content-Type: multipart/report; boundary=""\n\n--\n\n--\n')
@example(b"Content-Type: multipart/report; boundary=\xff\n\n--\xff\n")
@example(
    b"Content-Type: message/delivery-status\n\n\x00\n\nStatus: 5.1.1\nFinal-Recipient: utf-8;\\x{FFFFFF}\\x{D800}\n"
)
def test_any_bytes_are_read(raw):
    found = read_report(raw)
    assert found.recipients or found.kind in (ReportKind.UNRELATED, ReportKind.AUTO_REPLY)


def read_many(number: int, seed: int) -> float:
    """Reads so many mutated reports; gives the longest of them in seconds."""
    chance = random.Random(seed)
    slowest = 0.0
    raws = [mail(sample) for sample in SAMPLES]
    for _ in range(number):
        raw = mutated(chance, raws)
        began = time.process_time()
        found = read_report(raw)
        slowest = max(slowest, time.process_time() - began)
        assert len(found.recipients) <= 102
        assert all(len(one.text) <= 500 and one.text.isprintable() for one in found.recipients)
    return slowest


def test_mutated_reports_break_nothing():
    assert read_many(QUICK, 7) < 1.0


@pytest.mark.shared
@pytest.mark.timeout(1_800)
def test_a_hundred_thousand_mutated_reports_break_nothing():
    began = time.monotonic()
    slowest = read_many(MANY, 11)
    assert slowest < 1.0
    print(f"\n{MANY} reports in {time.monotonic() - began:.0f} s, the slowest {1000 * slowest:.0f} ms")
