"""What leaves us is what arrives: every kind of mail through Postfix's submission path and over a strict 7-bit relay.

Each mail is sent by our own session, over a real socket, and compared with what the relay at the end was given.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache

import lxml.html
import pytest

from digest.delivery.catchall import CatchAll
from digest.model.editions import Item
from digest.model.mail import Envelope, Message, Outcome, OutcomeKind, Sender, Stamp
from digest.rendering.message import stamp
from digest.rendering.render import Renderer, default_template_folder
from tests.acceptance.relays import MAX_LINE, Postfix, SevenBit, fault_of, submission_server
from tests.delivery import conftest as delivery
from tests.delivery.peers import connected, relay_to, submit
from tests.rendering.samples import DIGEST, SENDER, SLOT, VALUES, edition, item

certificate = delivery.certificate

ABSTRACT = "From here on it is told plainly.\n.\n.. \nFrom  there\ttoo, with blanks at the end   "
ARABIC = "ملح على النوافذ: دراسة في قاعات القراءة عند البحر"
CHINESE = "窗上的盐:海边阅览室的研究"
HOSTILE = (
    "Salt\r\nBcc: everybody@inbox.example\r\n\r\n=?utf-8?q?x?= \u202eevil\u202c "
    "<script>{{ 7*7 }}</script> ]]> 𝕊🧂\x00\x92"
)
#: The secrets of nine subscriptions, as one mail that joins them carries them.
JOINED = ".".join(["s" * 22] * 9)
LONG = replace(
    SENDER,
    public_url=f"https://{'the-reading-rooms-of-' * 2}wren.example/{'papers/' * 20}digest",
    from_name="Wren, Ltd.",
)
SINGLE = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type")
LISTED = ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID")
#: The kinds of mail that carry the list's headers.
LISTING = ("edition", "welcome", "bounce")
#: All in one process: they share the server and what went through it.
BY_POSTFIX = (pytest.mark.needs_postfix, pytest.mark.xdist_group("submission"))
#: What a relay may put above a mail.
TRACE = {"received", "return-path", "delivered-to", "x-original-to"}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A mail as we hand it over, and what it means to say."""

    message: Message
    values: Mapping[Stamp, str]
    display: str
    site: str
    titles: tuple[str, ...]
    """Of its papers, in the order in which they stand."""
    urls: tuple[str, ...]

    @property
    def segments(self) -> tuple[bytes, ...]:
        return stamp(self.message, self.values)

    def to(self, recipient: str, number: int) -> Sent:
        return replace(self, values={**self.values, Stamp.TO: recipient, Stamp.MESSAGE_ID: f"{number:032x}"})


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A mail before and after its way."""

    sent: Sent
    before: bytes
    after: bytes

    @property
    def mail(self) -> EmailMessage:
        mail = message_from_bytes(self.after, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return mail


def _sent(printed: Sequence[Item], message: Message, sender: Sender = SENDER, **values: str) -> Sent:
    return Sent(
        message=message,
        values={**VALUES, **{Stamp(name): value for name, value in values.items()}},
        display=sender.from_name,
        site=sender.public_url,
        titles=tuple(paper.title for paper in printed),
        urls=tuple(paper.url for paper in printed),
    )


@cache
def _renderer() -> Renderer:
    return Renderer([default_template_folder()])


def _papers(number: int, spoken: str = "en", sender: Sender = SENDER, /, **fields: object) -> Sent:
    papers = [item(position, **fields) for position in range(1, number + 1)]
    made = _renderer().edition((edition(*papers),), (DIGEST,), sender=sender, language=spoken)
    return _sent(papers, made, sender)


def _hostile() -> Sent:
    papers = [
        item(1, title=HOSTILE, abstract=ABSTRACT, authors=(HOSTILE,)),
        item(2, title="W" * 3000, abstract=ABSTRACT * 40),
        item(3, title=".", abstract=".\n" * 30),
    ]
    # What is left of such titles is a matter of rendering's own tests.
    sent = _sent(papers, _renderer().edition((edition(*papers),), (DIGEST,), sender=SENDER, language="en"))
    return replace(sent, titles=())


def _joined() -> Sent:
    names = ("morning", "tides", "lanterns")
    papers = [item(position, title=f"Salt in room {position}") for position in range(1, 7)]
    editions = tuple(
        replace(edition(*papers[at : at + 2]), slot=replace(SLOT, digest=name))
        for at, name in zip((0, 2, 4), names, strict=True)
    )
    digests = tuple(replace(DIGEST, name=name, title=f"The {name} papers") for name in names)
    made = _renderer().edition(editions, digests, sender=SENDER, language="en")
    return _sent(papers, made, unsubscribe=JOINED)


def _notice(kind: str, printed: Sequence[Item] = (), **context: object) -> Sent:
    digest = None if kind == "alert" else DIGEST
    made = _renderer().notice(
        kind, sender=SENDER, digest=digest, language="en", date=SLOT.at, key=kind, context=context
    )
    return _sent(printed, made)


MAILS: dict[str, Callable[[], Sent]] = {
    "english": lambda: _papers(12),
    "arabic": lambda: _papers(5, "ar", title=ARABIC, abstract=f"{ARABIC}. " * 9, language="ar"),
    "chinese": lambda: _papers(5, "zh", title=CHINESE, abstract=f"{CHINESE}。" * 9, language="zh"),
    "many": lambda: _papers(60, abstract="They read « sel », Salz, соль and 盐 in 𝒪(n²) evenings. " * 30),
    "hostile": _hostile,
    "long-unsubscribe": lambda: _papers(2, "en", LONG),
    "joined": _joined,
    "welcome": lambda: _notice("welcome", [item()], rhythm="every day at 08:00", edition=edition(item())),
    "confirmation": lambda: _notice("confirmation"),
    "goodbye": lambda: _notice("goodbye"),
    "bounce": lambda: _notice("bounce", number=3, remote="550 5.1.1 Postfach überfüllt, 盐"),
    "alert": lambda: _notice(
        "alert", title="Søndag: a source is broken", lines=("It answered 404.", "From now on it rests."), advice="look"
    ),
}


def _hand_over(port: int, mails: Sequence[Sent], **settings: object) -> None:
    """All over one connection, as a send does."""
    with connected(relay_to(port, **settings)) as line:
        for mail in mails:
            segments, recipient = mail.segments, mail.values[Stamp.TO]
            envelope = Envelope(sender=SENDER.from_address, recipient=recipient, size=sum(map(len, segments)))
            outcome = line.submit(envelope, segments)
            assert outcome.kind is OutcomeKind.ACCEPTED, outcome


def _paired(mails: Mapping[str, Sent], arrived: Sequence[bytes]) -> dict[str, Carried]:
    """What arrived beside what was sent, by Message-ID; each once."""
    by_id = {message_from_bytes(raw)["Message-ID"]: raw for raw in arrived}
    assert len(by_id) == len(arrived) == len(mails)
    return {
        name: Carried(
            sent=mail,
            before=b"".join(mail.segments),
            after=by_id[f"<{mail.values[Stamp.MESSAGE_ID]}@wren.example>"],
        )
        for name, mail in mails.items()
    }


def _mails_to(recipient: str, start: int) -> dict[str, Sent]:
    return {name: make().to(recipient, start + number) for number, (name, make) in enumerate(MAILS.items())}


def _await(arrived: Callable[[], int], number: int, postfix: Postfix) -> None:
    deadline = time.monotonic() + 60
    while arrived() < number:
        refused = "status=bounced" in postfix.log
        assert not refused and time.monotonic() < deadline, f"{arrived()} of {number} arrived:\n{postfix.log}"
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Post:
    """Postfix between us and two relays: one that offers 8BITMIME, one that is strict."""

    postfix: Postfix
    eight: CatchAll
    seven: SevenBit
    settings: Mapping[str, object]


@pytest.fixture(scope="module")
def post(certificate: delivery.Certificate) -> Iterator[Post]:
    with CatchAll() as eight, SevenBit() as seven:
        ports = {"eight.example": eight.port, "seven.example": seven.port}
        with submission_server(certificate, ports) as postfix:
            settings = {"security": "starttls", "ca_file": certificate.file, "timeout": 20.0, "dot_timeout": 20.0}
            yield Post(postfix=postfix, eight=eight, seven=seven, settings=settings)


@pytest.fixture(scope="module")
def by_postfix(post: Post) -> dict[str, dict[str, Carried]]:
    """Route -> name -> mail."""
    eight = _mails_to("reader@eight.example", 100)
    seven = _mails_to("reader@seven.example", 200)
    _hand_over(post.postfix.port, [*eight.values(), *seven.values()], **post.settings)
    _await(lambda: post.eight.count, len(eight), post.postfix)
    _await(lambda: len(post.seven.taken), len(seven), post.postfix)
    assert post.seven.refusals == []
    return {
        "Postfix": _paired(eight, [caught.content for caught in post.eight.messages]),
        "Postfix to 7-bit": _paired(seven, post.seven.taken),
    }


@pytest.fixture(scope="module")
def straight() -> dict[str, Carried]:
    mails = _mails_to("reader@inbox.example", 300)
    with SevenBit() as relay:
        _hand_over(relay.port, list(mails.values()))
        assert relay.refusals == []
        return _paired(mails, relay.taken)


@pytest.fixture(
    params=[
        pytest.param("Postfix", marks=BY_POSTFIX),
        pytest.param("Postfix to 7-bit", marks=BY_POSTFIX),
        "7-bit",
    ]
)
def route(request: pytest.FixtureRequest) -> dict[str, Carried]:
    if request.param == "7-bit":
        return request.getfixturevalue("straight")
    return request.getfixturevalue("by_postfix")[request.param]


@pytest.fixture(params=MAILS)
def carried(request: pytest.FixtureRequest, route: dict[str, Carried]) -> Carried:
    """Each mail on each way."""
    return route[request.param]


# What was sent.


def test_a_mail_is_7_bit_in_short_lines(carried: Carried) -> None:
    """Only the secrets of a joined mail, which stand alone on their lines, and unbroken header values are longer."""
    head, _, body = carried.before.partition(b"\r\n\r\n")
    assert [fault for line in carried.before.splitlines(keepends=True) if (fault := fault_of(line))] == []
    token = carried.sent.values[Stamp.UNSUBSCRIBE].encode()
    assert [line for line in body.split(b"\r\n") if len(line) > 76 and line != token + b"="] == []
    assert [line for line in body.split(b"\r\n") if line.endswith((b" ", b"\t")) or line == b"."] == []
    assert b"\nFrom " not in body
    assert max(map(len, head.split(b"\r\n"))) <= MAX_LINE


# What arrived.


def test_nothing_is_changed_and_only_trace_headers_are_added(carried: Carried) -> None:
    before_head, _, before_body = carried.before.partition(b"\r\n\r\n")
    after_head, _, after_body = carried.after.partition(b"\r\n\r\n")
    assert [one for one in fields(after_head) if one[0] not in TRACE] == fields(before_head)
    assert after_body == before_body


def test_what_a_dkim_signature_covers_is_unchanged(carried: Carried) -> None:
    """Whether the signer stands before or behind the relay (RFC 6376, relaxed/relaxed)."""
    before_head, _, before_body = carried.before.partition(b"\r\n\r\n")
    after_head, _, after_body = carried.after.partition(b"\r\n\r\n")
    signed = {name.lower() for name in (*SINGLE, *LISTED, "Reply-To")}
    assert relaxed_body(after_body) == relaxed_body(before_body)
    assert [line for line in relaxed_head(after_head) if line.partition(b":")[0].decode() in signed] == relaxed_head(
        before_head
    )


def test_each_header_stands_once_and_says_what_was_meant(carried: Carried) -> None:
    mail, sent = carried.mail, carried.sent
    kind, token = sent.message.kind, sent.values[Stamp.UNSUBSCRIBE]
    names = [name for name in mail.keys() if name.lower() not in TRACE]  # noqa: SIM118 - a name may come twice
    assert sorted(names) == sorted((*SINGLE, "Reply-To", *(LISTED if kind in LISTING else ())))
    assert mail.defects == []
    assert [header.defects for header in mail.values() if header.defects] == []  # type: ignore[attr-defined]
    assert [(one.display_name, one.addr_spec) for one in mail["From"].addresses] == [
        (sent.display, SENDER.from_address)
    ]
    assert [one.addr_spec for one in mail["To"].addresses] == [sent.values[Stamp.TO]]
    assert [one.addr_spec for one in mail["Reply-To"].addresses] == [SENDER.reply_to]
    assert " ".join(str(mail["Subject"]).split()) == " ".join(sent.message.subject.split())
    assert mail["Date"].datetime == SLOT.at
    assert mail["Message-ID"] == f"<{sent.values[Stamp.MESSAGE_ID]}@wren.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["MIME-Version"] == "1.0"
    if kind in LISTING:
        web, box = f"{sent.site}/unsubscribe/{token}", f"mailto:leave@wren.example?subject=unsubscribe%20{token}"
        assert str(mail["List-Unsubscribe"]) == f"<{web}>, <{box}>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["Feedback-ID"] == f"2026-11-20:morning:{kind}:wrenexample"
        assert str(mail["List-Id"]).endswith("<morning.wren.example>")


def test_the_unsubscribe_header_is_no_encoded_word(carried: Carried) -> None:
    """Each link unbroken on a line of its own, as one-click needs it."""
    head = carried.after.partition(b"\r\n\r\n")[0]
    found = [raw for name, raw in fields(head) if name == "list-unsubscribe"]
    for raw in found:
        assert b"=?" not in raw
        assert re.fullmatch(rb"List-Unsubscribe: <https://[^\s<>]+>,\r\n <mailto:[^\s<>]+>", raw)
    assert len(found) == (carried.sent.message.kind in LISTING)


def test_the_parts_are_a_text_and_then_its_html(carried: Carried) -> None:
    mail = carried.mail
    assert mail.get_content_type() == "multipart/alternative"
    parts = list(mail.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [str(part.get_content_charset()) for part in parts] == ["utf-8", "utf-8"]
    assert [str(part["Content-Transfer-Encoding"]) for part in parts] == ["quoted-printable"] * 2
    assert [part.defects for part in mail.walk()] == [[], [], []]


def test_both_parts_decode_to_the_words_and_links_that_were_sent(carried: Carried) -> None:
    """In the same order. What was sent is read by hand, what arrived by the standard library."""
    text, html = decoded(carried.before)
    parts = [str(part.get_content()) for part in carried.mail.iter_parts()]  # type: ignore[attr-defined]
    assert [part.replace("\r\n", "\n") for part in parts] == [text, html]
    assert (words(parts[0]), links(parts[0])) == (words(text), links(text))
    assert (visible_words(parts[1]), targets(parts[1])) == (visible_words(html), targets(html))
    assert len(words(text)) > 20 and len(visible_words(html)) > 20


def test_the_papers_stand_in_both_parts_in_their_order(carried: Carried) -> None:
    text, html = (str(part.get_content()) for part in carried.mail.iter_parts())  # type: ignore[attr-defined]
    sent = carried.sent
    kept = [url for url in sent.urls if url in targets(html)]
    assert len(kept) >= min(len(sent.urls), 30)
    assert in_order(kept, targets(html)) and in_order(kept, links(text))
    for part in (text, str(lxml.html.fromstring(html).text_content())):
        said = squeezed(part)
        assert [title for title in sent.titles[: len(kept)] if squeezed(title) not in said] == []


# That the relays would have noticed.


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"plain\r\n", ""),
        (b"x" * MAX_LINE + b"\r\n", ""),
        (b"x" * (MAX_LINE + 1) + b"\r\n", "a line of more than 998 bytes"),
        (b"plain\n", "bare LF"),
        (b"pl\rain\r\n", "bare CR"),
        ("Grüße\r\n".encode(), "a byte that is not 7-bit text"),
        (b"nul\0\r\n", "a byte that is not 7-bit text"),
    ],
)
def test_the_strict_relay_refuses_what_is_not_7_bit_text(line: bytes, fault: str) -> None:
    assert fault_of(line) == fault


EIGHT_BIT = (
    b"From: papers@wren.example\r\nTo: reader@seven.example\r\nSubject: Salt\r\nMessage-ID: <8@wren.example>\r\n"
    b"Date: Fri, 20 Nov 2026 07:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße, 盐\r\n".encode()
)


def _submit(port: int, *, eight_bit: bool, **settings: object) -> Outcome:
    envelope = Envelope(
        sender=SENDER.from_address, recipient="reader@seven.example", size=len(EIGHT_BIT), eight_bit=eight_bit
    )
    return submit(relay_to(port, **settings), envelope, (EIGHT_BIT,))


def test_8_bit_text_is_refused_by_the_strict_relay() -> None:
    with SevenBit() as relay:
        assert _submit(relay.port, eight_bit=True).kind is OutcomeKind.REJECTED
        assert _submit(relay.port, eight_bit=False).remote == "a byte that is not 7-bit text"
        assert relay.taken == []


@pytest.mark.needs_postfix
@pytest.mark.xdist_group("submission")
def test_8_bit_text_is_rewritten_by_postfix_for_the_strict_relay(post: Post, by_postfix: object) -> None:
    """So ours arrives unchanged because nothing in it had to be changed, not because Postfix would not."""
    had = len(post.seven.taken)
    assert _submit(post.postfix.port, eight_bit=True, **post.settings).kind is OutcomeKind.ACCEPTED
    _await(lambda: len(post.seven.taken), had + 1, post.postfix)
    mail = message_from_bytes(post.seven.taken[-1], policy=policy.default)
    assert mail["Content-Transfer-Encoding"] == "quoted-printable"
    assert mail.get_content().split() == ["Grüße,", "盐"]  # type: ignore[attr-defined]


def test_the_canonical_form_is_that_of_the_standards_example() -> None:
    """RFC 6376 section 3.4.5."""
    assert relaxed_head(b"A: X\r\nB : Y\t\r\n\tZ  ") == [b"a:X\r\n", b"b:Y Z\r\n"]
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"
    assert relaxed_body(b"") == relaxed_body(b"\r\n\r\n") == b""


# Reading.


def fields(head: bytes) -> list[tuple[str, bytes]]:
    """(name in small letters, the whole field as it stands), folded lines kept together."""
    found = re.split(rb"\r\n(?![ \t])", head)
    return [(raw.partition(b":")[0].strip().decode("ascii").lower(), raw) for raw in found]


def relaxed_head(head: bytes) -> list[bytes]:
    """RFC 6376 section 3.4.2."""
    out: list[bytes] = []
    for name, raw in fields(head):
        value = re.sub(rb"[ \t]+", b" ", raw.partition(b":")[2].replace(b"\r\n", b"")).strip(b" ")
        out.append(name.encode() + b":" + value + b"\r\n")
    return out


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def decoded(raw: bytes) -> tuple[str, str]:
    """(text, html) by hand: cut at the boundary, soft line breaks taken out, ``=XX`` put back (RFC 2045, 2046)."""
    head, _, body = raw.partition(b"\r\n\r\n")
    found = re.search(rb'boundary="([^"]+)"', head)
    assert found is not None
    _, text, html, end = (b"\r\n" + body).split(b"\r\n--" + found[1])
    assert end == b"--\r\n"
    return _unquoted(text), _unquoted(html)


def _unquoted(part: bytes) -> str:
    joined = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")[2].replace(b"=\r\n", b"").replace(b"\r\n", b"\n")
    return re.sub(rb"=([0-9A-F]{2})", lambda code: bytes([int(code[1], 16)]), joined).decode()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def visible_words(html: str) -> list[str]:
    return words(str(lxml.html.fromstring(html).text_content()))


def links(text: str) -> list[str]:
    return re.findall(r"(?:https?://|mailto:)[^\s<>]+", text)


def targets(html: str) -> list[str]:
    return [str(link) for link in lxml.html.fromstring(html).xpath("//a/@href")]


def in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether all of ``wanted`` stand in ``found``, one behind the other."""
    rest = iter(found)
    return all(one in rest for one in wanted)


def squeezed(text: str) -> str:
    """Without what wrapping, underlining and places to break put in."""
    return re.sub(r"[\s\u200b\u2066-\u2069\u200e\u200f]+", "", text)
