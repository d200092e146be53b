"""Signatures that others verify: dkimpy, by arithmetic of its own, and OpenDKIM."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.sign import Segments, Signer
from digest.delivery.signing_key import new_key
from digest.model.errors import InputError
from digest.model.mail import Message, Stamp
from digest.model.signing import KeyKind, SigningKey
from digest.rendering.message import Head, encode, mark, segments, stamp_bytes
from digest.rendering.render import Renderer, default_template_folder
from tests.rendering.generated import made
from tests.rendering.samples import DIGEST, SENDER, VALUES, edition, item

SENT_AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
STAMPS = stamp_bytes(VALUES)
RSA, ED25519 = (new_key(kind, selector=f"s-{kind.value}", domain="wren.example")[1] for kind in KeyKind)
BOTH = (RSA, ED25519)
#: The keys are published for another domain as well, so that what names it is refused by its signature alone.
DNS = {
    f"{key.selector}._domainkey.{domain}.".encode(): key.record.encode()
    for key in BOTH
    for domain in ("wren.example", "wrem.example")
}


def signer(*keys: SigningKey, now: datetime = SENT_AT) -> Signer:
    return Signer(keys or BOTH, clock=lambda: now)


def filled(cut: Segments, values: Mapping[Stamp, bytes] = STAMPS) -> bytes:
    return b"".join(values[piece] if isinstance(piece, Stamp) else piece for piece in cut)


def signed(cut: Segments, values: Mapping[Stamp, bytes] = STAMPS, *keys: SigningKey) -> bytes:
    return signer(*keys).prepare(cut).sign(values) + filled(cut, values)


def verdicts(raw: bytes, signatures: int = 2) -> list[bool]:
    """Of each signature, from the top, in dkimpy's judgement."""

    def verified(number: int) -> bool:
        try:
            return dkim.DKIM(raw).verify(number, dnsfunc=lambda name, timeout=5: DNS[name])
        except dkim.ValidationError:
            return False

    return [verified(number) for number in range(signatures)]


def tags(raw: bytes) -> list[dict[str, str]]:
    """The tags of each signature."""
    found = re.findall(rb"(?ms)^DKIM-Signature:(.*?)\r\n(?=\S|\r\n)", raw)
    pieces = [re.sub(rb"\s+", b"", one).decode().split(";") for one in found]
    return [dict(piece.split("=", 1) for piece in one) for one in pieces]


def message(html: str = "<p>Hé</p>", subject: str = "Salt", name: str = "Morgenblätter") -> Message:
    head = Head(
        sender=SENDER,
        date=SENT_AT,
        listed=True,
        list_id="m.wren.example",
        list_title=name,
        feedback=("2026-11-20", "m"),
    )
    return encode(key="k", kind="edition", subject=subject, preheader="", html=html, text=html, head=head)


@pytest.fixture(scope="module")
def rendered() -> Sequence[Message]:
    """Ordinary and extreme mails, several digests in one, all languages."""
    renderer = Renderer([default_template_folder()])
    mails = [renderer.edition((edition(item(1), item(2)),), (DIGEST,), sender=SENDER)]
    for number in (*range(12), 15, 23, 31):
        one = made(number)
        mails.append(renderer.edition(one.editions, one.digests, sender=one.sender))
    return mails


def test_every_rendered_mail_verifies_with_both_keys(rendered):
    assert [verdicts(signed(segments(mail))) for mail in rendered] == [[True, True]] * len(rendered)


def test_the_fields_that_matter_are_named_and_no_other_can_be_added(rendered):
    raw = signed(segments(rendered[0]))
    expected = (
        "From:From:To:To:Subject:Subject:Date:Date:Reply-To:Reply-To:MIME-Version:MIME-Version:Content-Type:"
        "Content-Type:Message-ID:List-Id:List-Unsubscribe:List-Unsubscribe-Post:Auto-Submitted:Feedback-ID"
    )
    for one, key in zip(tags(raw), BOTH, strict=True):
        assert list(one) == ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]
        assert (one["a"], one["c"], one["h"]) == (key.algorithm, "relaxed/relaxed", expected)
        assert (one["d"], one["s"], one["t"]) == ("wren.example", key.selector, str(int(SENT_AT.timestamp())))
    assert tags(raw)[0]["bh"] == tags(raw)[1]["bh"]
    top = raw.partition(b"Date: ")[0]
    assert top.endswith(b"\r\n")
    assert max(len(line) for line in top.split(b"\r\n")) <= 76


def test_a_field_that_is_not_there_is_oversigned_all_the_same():
    raw = signed((b"From: a@wren.example\r\nSubject: x\r\n\r\nHello\r\n",), {}, RSA)
    assert tags(raw)[0]["h"] == "From:From:To:Subject:Subject:Date:Reply-To:MIME-Version:Content-Type"
    assert verdicts(raw, 1) == [True]
    assert verdicts(b"Reply-To: thief@evil.example\r\n" + raw, 1) == [False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"From: Papers", b"From: Rapers"),
        (b"To: reader@", b"To: leader@"),
        (b"Subject: Salt", b"Subject: Malt"),
        (b"Date: Fri, 20", b"Date: Fri, 21"),
        (b"Reply-To: <desk@", b"Reply-To: <disk@"),
        (b"Message-ID: <0", b"Message-ID: <1"),
        (b"List-Id: =?utf-8?q?M", b"List-Id: =?utf-8?q?N"),
        (b"List-Unsubscribe: <https://wren.example/unsubscribe/u", b"List-Unsubscribe: <https://wren.example/leave/u"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One", b"List-Unsubscribe-Post: List-Unsubscribe=Two"),
        (b"Feedback-ID: 2026", b"Feedback-ID: 2027"),
        (b"Auto-Submitted: auto", b"Auto-Submitted: otto"),
        (b"multipart/alternative", b"multipart/mixed"),
        (b"H=C3=A9<", b"H=C3=A8<"),
        (b"--\r\n", b"--\r\nmore"),
        (b"; d=wren.example", b"; d=wrem.example"),
    ],
)
def test_one_changed_byte_breaks_every_signature(old, new):
    raw = signed(segments(message()))
    assert old in raw
    assert verdicts(raw) == [True, True]
    assert verdicts(raw.replace(old, new)) == [False, False]


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date", "Reply-To", "Content-Type", "MIME-Version"])
def test_a_second_field_breaks_every_signature(name):
    raw = signed(segments(message()))
    assert verdicts(f"{name}: other\r\n".encode() + raw) == [False, False]
    assert verdicts(raw.replace(b"\r\nMessage-ID: <", f"\r\n{name}: other\r\nMessage-ID: <".encode())) == [False, False]


def test_what_relays_do_on_the_way_breaks_nothing():
    raw = signed(segments(message()))
    moved = b"Received: from here\r\n by there; Fri, 20 Nov 2026 07:00:01 +0000\r\n" + raw.replace(
        b"Subject: ", b"SUBJECT:  "
    )
    assert verdicts(moved.replace(b",\r\n <mailto", b", <mailto") + b"\r\n\r\n") == [True, True]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
usual = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=60).map(str.encode)
odd = st.one_of(usual, st.sampled_from([b"", b" ", b"\t", b"a b", b" a", b"a  ", b"\r\n", b"\x02to\x03", b"\x7f"]))


@given(texts, texts, texts, st.fixed_dictionaries(dict.fromkeys(Stamp, usual)))
def test_any_text_and_any_stamp_verifies(html, subject, name, values):
    body = html.replace("\x02", "").replace("\x03", "")
    cut = segments(message(f"{body}{mark(Stamp.PREFERENCES)} {body}{mark(Stamp.UNSUBSCRIBE)}", subject, name))
    raw = signed(cut, values)
    assert verdicts(raw) == [True, True]
    assert signed((filled(cut, values),), {}) == raw


constant = st.sampled_from(
    [b" ", b"\t", b"\r\n", b"a", b"A", b":", b"From", b"Subject: ", b"\r\n\r\n", b"\x02to\x03", b"\x02"]
)
pieces = st.lists(st.one_of(st.sampled_from(Stamp), constant), max_size=25)


@given(pieces, st.fixed_dictionaries(dict.fromkeys(Stamp, odd)))
def test_where_a_mail_is_cut_makes_no_difference(cut, values):
    """Stamps within names, folds, blanks and at the end; values that are empty or hold blanks."""
    whole = filled((b"From: a\r\n", *cut), values)
    ours = signer(ED25519).prepare((b"From: a\r\n", *cut)).sign(values)
    assert ours == signer(ED25519).prepare((whole,)).sign({})
    body = whole.partition(b"\r\n\r\n")[2]
    on_the_wire = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    expected = hashlib.sha256(Relaxed.canonicalize_body(on_the_wire)).digest()
    assert tags(ours + b"\r\n")[0]["bh"] == base64.b64encode(expected).decode()


def test_the_body_of_rfc_8463_has_the_hash_that_stands_there():
    mail = (
        b"From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n"
        b"Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
        b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    )
    found = tags(signed((mail,), {}, ED25519))[0]
    assert (found["bh"], found["t"]) == ("2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", "1057982437")


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"a", b"a \t\r\n\r\n \r\n", b" \r\n", b"a\r\nb  c"])
def test_the_end_of_a_body_is_read_as_others_read_it(body):
    for separator in (b"\r\n\r\n", b"\r\n \t\r\n\r\n"):
        assert verdicts(signed((b"From: a@wren.example" + separator + body,), {})) == [True, True]


@pytest.mark.parametrize(
    ("date", "claimed"),
    [
        (b"Date: Fri, 20 Nov 2026 07:00:00 +0000", "1795158000"),
        (b"Date: Fri, 20 Nov 2026 07:00:00 -0000", "1795158000"),
        (b"Date: Fri, 20 Nov 2026 07:00:01 +0000", None),
        (b"Date: Thu, 19 Nov 2026 07:00:00 wrong", "1795071600"),
        (b"Date: soon", None),
        (b"Date: \xff", None),
        (b"Date: Fri, 99 Nov 9999 07:00:00 +0000", None),
        (b"X: y", None),
    ],
)
def test_the_signature_is_as_old_as_the_mail_and_never_from_the_future(date, claimed):
    """Receivers refuse a signature that claims to be made later than now."""
    assert tags(signed((b"From: a\r\n" + date + b"\r\n\r\nx\r\n",), {}))[0].get("t") == claimed


def test_equal_mails_have_equal_signatures():
    cut = segments(message(f"{mark(Stamp.PREFERENCES)}"))
    form = signer().prepare(cut)
    again = signer(now=datetime(2026, 12, 24, tzinfo=UTC)).prepare(cut)
    assert form.sign(STAMPS) == form.sign(STAMPS) == again.sign(STAMPS)
    assert form.sign(STAMPS) != form.sign({**STAMPS, Stamp.PREFERENCES: b"other"})


def test_several_threads_sign_at_once():
    cut = segments(message(f"{'x' * 60_000}{mark(Stamp.PREFERENCES)}{'y' * 60_000}"))
    form = signer().prepare(cut)
    every = [
        {**STAMPS, Stamp.TO: b"r%d@inbox.example" % number, Stamp.PREFERENCES: b"%d" % number} for number in range(40)
    ]
    alone = [form.sign(values) for values in every]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(form.sign, every)) == alone
    assert verdicts(alone[7] + filled(cut, every[7])) == [True, True]


def test_a_missing_stamp_is_named():
    with pytest.raises(InputError, match="stamp to"):
        signer().prepare(segments(message())).sign({stamp: b"x" for stamp in Stamp if stamp is not Stamp.TO})


@pytest.mark.needs_opendkim
def test_opendkim_takes_the_signatures_of_every_mail_and_of_no_changed_one(rendered, tmp_path):
    program = shutil.which("opendkim") or "/usr/sbin/opendkim"
    (tmp_path / "records").write_text("".join(f"{key.name} {key.record}\n" for key in BOTH))
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path / 'records'}\n")

    def passed(raw: bytes) -> int:
        Path(tmp_path / "mail").write_bytes(raw)
        command = [program, "-x", tmp_path / "conf", "-vvv", "-t", tmp_path / "mail"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        return len(re.findall(r"\bdkim=pass\b", told.stdout + told.stderr))

    wide = {**STAMPS, Stamp.TO: "lesérin@inbox.example".encode()}
    mails = [signed(segments(mail), values) for mail in rendered for values in (STAMPS, wide)]
    assert [passed(raw) for raw in mails] == [2] * len(mails)
    assert [passed(raw.replace(b"\r\nSubject: ", b"\r\nSubject: X")) for raw in mails] == [0] * len(mails)
