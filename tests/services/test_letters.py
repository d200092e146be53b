"""A mailbox as a source, from the files on disk to the store: what is new is read once, and the mails stay."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.delivery.inbound import Batch, MailboxError
from digest.delivery.mailbox import Maildir
from digest.model.errors import ConfigError, FetchError, ParseError
from digest.model.feeds import FetchRequest, FetchResponse, Source, SourceId, Validators
from digest.services.fetching.letters import TOTAL, Place, place_of, road
from digest.sources import kit
from digest.sources.kinds.mailboxes import IMAP, MAILDIR

MAILS = Path(__file__).parents[1] / "sources" / "mails"
NOW = datetime(2025, 11, 21, 7, tzinfo=UTC)


@pytest.fixture
def maildir(tmp_path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


def deliver(maildir: Path, name: str) -> None:
    (maildir / "new" / f"{name}.host").write_bytes((MAILS / f"{name}.eml").read_bytes())


def source(maildir: Path) -> Source:
    return Source(id=SourceId("alerts"), kind="maildir", url=str(maildir))


def reader(maildir: Path) -> Callable[[Validators], FetchResponse]:
    fetch = road(lambda place: Maildir(Path(place.folder), clock=lambda: time.time_ns() + 3_000_000_000))
    (request,) = MAILDIR.plan(source(maildir), NOW, None)
    return lambda validators: fetch(replace(request, validators=validators))


def test_new_mails_become_entries_once_and_stay_where_they_are(maildir):
    deliver(maildir, "google_scholar")
    read = reader(maildir)
    first = read(Validators())
    parsed = MAILDIR.parse(source(maildir), first)
    assert [entry.arxiv_id or entry.doi or entry.url for entry in parsed.entries] == [
        "2511.01234",
        "10.1038/s41586-025-09999-1",
        "https://hal.science/hal-01234567/document",
    ]
    assert {entry.published_at for entry in parsed.entries} == {datetime(2025, 11, 21, 6, 10, tzinfo=UTC)}
    mark = Validators(etag=first.headers["etag"])
    assert read(mark).status == 304
    deliver(maildir, "arxiv")
    then = read(mark)
    assert [entry.arxiv_id for entry in MAILDIR.parse(source(maildir), then).entries] == [
        "2511.11111",
        "2511.22222",
        "2401.33333",
    ]
    assert sorted(path.name for path in (maildir / "new").iterdir()) == ["arxiv.host", "google_scholar.host"]


def test_a_mail_that_is_no_alert_is_named_and_costs_nothing_else(maildir):
    for name in ("no_alert", "pubmed_text", "empty"):
        deliver(maildir, name)
    parsed = MAILDIR.parse(source(maildir), reader(maildir)(Validators()))
    assert len(parsed.entries) == 2
    assert sorted(problem.where for problem in parsed.problems) == [
        'the mail "" from Nobody <nobody@example.org>',
        'the mail "Lunch on Friday?" from A Friend <friend@example.org>',
    ]
    assert {problem.what for problem in parsed.problems} == {
        "it is no alert that can be read: nothing in it names a paper by a link"
    }


def test_the_same_paper_in_two_mails_is_one_entry(maildir):
    deliver(maildir, "pubmed_text")
    deliver(maildir, "pubmed_html")
    parsed = MAILDIR.parse(source(maildir), reader(maildir)(Validators()))
    assert len(parsed.entries) == 2


def test_mails_that_wait_are_said():
    class Full:
        def after(self, mark: str, *, most: int, size: int, total: int) -> Batch:
            return Batch(mails=(("1", b"Subject: x\n\nx"),), mark="7:1", waiting=12)

        def close(self) -> None:
            pass

    response = road(lambda place: Full())(FetchRequest(url="maildir:/x", allow_files=True))
    parsed = MAILDIR.parse(Source(id=SourceId("a"), kind="maildir"), response)
    assert parsed.problems[-1].what == "12 more mails wait for the next round"


def test_mails_beyond_the_bytes_of_a_round_are_read_in_the_next_one_and_none_is_emptied(maildir):
    mail = (MAILS / "google_scholar.eml").read_bytes()
    for number in range(50):
        (maildir / "new" / f"{number:02d}.host").write_bytes(
            b"Subject: %d\nContent-Type: text/plain\n\n" % number + b"x" * 900_000
        )
    time.sleep(0.02)
    (maildir / "new" / "99.host").write_bytes(mail)
    read, seen, mark = reader(maildir), [], Validators()
    while (response := read(mark)).status == 200:
        told = json.loads(response.body)
        seen += [bool(one["text"] or one["html"]) for one in told["digest_mails"]]
        assert len(response.body) < TOTAL + 1_000_000
        assert len(seen) + told["waiting"] == 51
        mark = Validators(etag=response.headers["etag"])
    assert seen == [True] * 51


def test_a_box_that_cannot_be_read_is_a_sentence(tmp_path):
    with pytest.raises(FetchError, match="the Maildir cannot be read: No such file"):
        reader(tmp_path / "none")(Validators())


def test_a_box_is_closed_whatever_happens():
    closed: list[bool] = []

    class Broken:
        def after(self, mark: str, *, most: int, size: int, total: int) -> Batch:
            raise MailboxError("the mailbox cannot be used: gone", where="mail.example:993", try_="check host")

        def close(self) -> None:
            closed.append(True)

    with pytest.raises(FetchError) as caught:
        road(lambda place: Broken())(FetchRequest(url="maildir:/x"))
    assert (caught.value.what, caught.value.where, closed) == (
        "the mailbox cannot be used: gone",
        "mail.example:993",
        [True],
    )


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("maildir:/var/mail/a b", Place(folder="/var/mail/a b")),
        ("maildir:///var/mail", Place(folder="/var/mail")),
        (
            "imaps://me%40x.example@mail.example/Alerts%2FScholar",
            Place(folder="Alerts/Scholar", host="mail.example", username="me@x.example", password_file=Path("/p")),
        ),
        (
            "imap://me@mail.example:1143",
            Place(
                folder="INBOX",
                host="mail.example",
                port=1143,
                security="starttls",
                username="me",
                password_file=Path("/p"),
            ),
        ),
    ],
)
def test_an_address_names_a_box(url, place):
    assert place_of(FetchRequest(url=url, arguments=("/p",))) == place


@pytest.mark.parametrize("url", ["imaps://mail.example/x", "imaps://me@[x/", "imaps://me@x.example:99999999/"])
def test_an_address_that_names_none_is_a_sentence(url):
    with pytest.raises(FetchError) as caught:
        place_of(FetchRequest(url=url, arguments=("/p",)))
    assert caught.value.try_


@pytest.mark.parametrize(
    ("kind", "given", "wanting"),
    [
        (MAILDIR, {}, "needs a url"),
        (MAILDIR, {"url": "https://x.example"}, "should have a path"),
        (MAILDIR, {"url": "/var/mail"}, ""),
        (MAILDIR, {"url": "maildir:/var/mail"}, ""),
        (IMAP, {}, "needs a url such as imaps://"),
        (IMAP, {"url": "imaps://mail.example"}, "does not say who reads"),
        (IMAP, {"url": "imaps://me:secret@mail.example"}, "has a password in its url"),
        (IMAP, {"url": "imaps://me@mail.example"}, "needs a password_file"),
        (IMAP, {"url": "imaps://me@mail.example", "options": (("password_file", ("/p",)),)}, ""),
    ],
)
def test_what_a_mailbox_lacks_is_said(kind, given, wanting):
    told = kind.wants(Source(id=SourceId("a"), kind=kind.name, **given))
    assert told.startswith(wanting)
    assert bool(told) == bool(wanting)


def test_a_document_that_is_no_mailbox_is_named():
    for body in (b"{}", b"[]", b"<rss/>", b'{"digest_mails": 3}'):
        with pytest.raises(ParseError):
            MAILDIR.parse(source(Path("/x")), FetchResponse(url="maildir:/x", status=200, body=body))


def test_both_kinds_keep_the_protocol(maildir):
    for name in ("google_scholar", "arxiv", "no_alert"):
        deliver(maildir, name)
    document = reader(maildir)(Validators()).body
    assert json.loads(document)["digest_mails"]
    kit.check_kind(MAILDIR, source(maildir), [document])
    options = (("password_file", ("/p",)),)
    imap = Source(id=SourceId("a"), kind="imap", url="imaps://me@mail.example/Alerts", options=options)
    kit.check_kind(IMAP, imap, [document])


def test_a_password_file_that_cannot_be_read_is_told_with_its_path_and_what_to_do():
    class Locked:
        def after(self, mark: str, *, most: int, size: int, total: int) -> Batch:
            raise ConfigError("cannot be read: No such file", where="/etc/scholar", try_="check the path")

        def close(self) -> None:
            pass

    with pytest.raises(FetchError) as caught:
        road(lambda place: Locked())(FetchRequest(url="maildir:/x", allow_files=True))
    assert caught.value.what == "the password of the mailbox cannot be used: /etc/scholar: cannot be read: No such file"
    assert "as the first line of that file" in caught.value.try_
