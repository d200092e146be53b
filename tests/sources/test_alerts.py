"""Alert mails, made by hand after the manner of each sender: ``mails/NAME.eml`` beside ``mails/NAME.expect``.

An expectation gives, for each entry, every field that is not empty. ``python -m tests.sources.test_alerts`` writes
them anew; look at what changed.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.delivery.mime import read
from digest.services.fetching.letters import SIZE, told
from digest.sources.reading import alerts
from digest.sources.reading.markup import Line, Link, lines_of_html, lines_of_text
from digest.sources.reading.wrapped_links import is_scholars, unwrapped
from tests.sources.test_samples import filled

MAILS = Path(__file__).parent / "mails"
SENT = datetime(2025, 11, 21, 6, 10, tzinfo=UTC)


def described(path: Path) -> list[dict[str, object]]:
    mail = told("1", read(path.read_bytes(), SIZE))
    found = alerts.entries_of(sender=mail["from"], text=mail["text"], markup=mail["html"], at=SENT)
    return [filled(entry) for entry in found]


@pytest.mark.parametrize("path", sorted(MAILS.glob("*.eml")), ids=lambda path: path.stem)
def test_the_mail_gives_the_papers_that_a_person_sees_in_it(path):
    assert described(path) == json.loads(path.with_suffix(".expect").read_text("utf-8"))


def test_a_mail_that_is_no_alert_gives_nothing():
    assert described(MAILS / "no_alert.eml") == []
    assert described(MAILS / "empty.eml") == []


def test_a_paper_that_a_mail_names_twice_is_one_entry_with_what_either_says():
    link = '<p><a href="https://arxiv.org/abs/2511.00001">A paper about snails and gardens</a></p>'
    other = '<h3><a href="https://doi.org/10.48550/arXiv.2511.00001v2">A paper about snails and gardens</a></h3>'
    about = "<p>Ana Example, Bert Sample</p><p>Snails live in gardens, and gardens live with snails, as we find.</p>"
    between = '<p><a href="https://arxiv.org/abs/2511.00002">Another paper, about something else</a></p>'
    (one, two) = alerts.entries_of(sender="", text="", markup=link + between + other + about, at=None)
    assert (one.key, one.authors) == ("mail:arxiv:2511.00001", ("Ana Example", "Bert Sample"))
    assert one.abstract.startswith("Snails live in gardens")
    assert two.arxiv_id == "2511.00002"


def test_a_heading_is_the_title_where_the_link_is_only_called_read_more():
    markup = (
        "<h2>3. Gardens without snails</h2><p>Too long.</p><p><a href='https://doi.org/10.5555/g.1'>Read more</a></p>"
    )
    (entry,) = alerts.entries_of(sender="", text="", markup=markup, at=None)
    assert (entry.title, entry.doi) == ("Gardens without snails", "10.5555/g.1")


def test_a_hidden_link_counts_only_from_a_sender_of_alerts_and_is_not_passed_on():
    link = "<p><a href=https://click.example/x1>Gardens and their many slow inhabitants</a></p>"
    markup = link + "<p>Ana Example, B. Doe</p>"
    assert alerts.entries_of(sender="Shop <news@shop.example>", text="", markup=markup, at=None) == ()
    (entry,) = alerts.entries_of(sender="Cell <toc@cell.com>", text="", markup=markup, at=None)
    assert (entry.url, entry.title) == ("", "Gardens and their many slow inhabitants")
    assert alerts.entries_of(sender="x <toc@cell.com.evil.example>", text="", markup=markup, at=None) == ()


def test_plain_text_with_titles_above_their_links_is_read():
    text = "New papers\n\nGardens without snails\nAna Example\nhttps://arxiv.org/abs/2511.00003\n\nBye\n"
    (entry,) = alerts.entries_of(sender="", text=text, markup="", at=SENT)
    assert (entry.title, entry.arxiv_id, entry.published_at) == ("Gardens without snails", "2511.00003", SENT)


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("https://scholar.google.co.uk/scholar_url?url=https://x.example/a%3Fb%3D1&hl=en", "https://x.example/a?b=1"),
        ("https://www.google.com/url?q=https://x.example/&sa=D", "https://x.example/"),
        ("https://a.safelinks.protection.outlook.com/?url=https%3A%2F%2Fx.example%2F1&data=5", "https://x.example/1"),
        ("https://urldefense.com/v3/__https://x.example/2__;!!a!b$", "https://x.example/2"),
        ("https://urldefense.proofpoint.com/v2/url?u=https-3A__x.example_3&d=D", "https://x.example/3"),
        ("https://click.example/c/https%3A%2F%2Fx.example%2F4", "https://x.example/4"),
        ("https://x.example/5?utm_source=a&id=7&dgcid=b#top", "https://x.example/5?id=7"),
        (
            "https://click.example/c?to=https%3A%2F%2Fwww.google.com%2Furl%3Fq%3Dhttps%3A%2F%2Fx.example",
            "https://x.example",
        ),
        ("https://hidden.example/abc", "https://hidden.example/abc"),
        ("javascript:alert(1)", ""),
        ("mailto:a@x.example", ""),
        ("https://[x", ""),
        ("", ""),
    ],
)
def test_a_wrapped_link_is_opened_as_far_as_it_tells(href, target):
    assert unwrapped(href) == target


def test_only_scholars_own_redirect_vouches_for_a_paper():
    assert is_scholars("https://scholar.google.com/scholar_url?url=https://x.example/")
    assert not is_scholars("https://scholar.google.com/scholar?q=x")
    assert not is_scholars("https://example.com/?url=https://x.example/")


def test_markup_becomes_lines_with_their_links():
    markup = (
        "<title>no</title><p>a&nbsp;b<br>c <a href='/x?a=1&amp;b=2'>d <b>e</b></a></p><!-- <p>no --><h2>h</h2>a < b"
    )
    assert lines_of_html(markup) == (
        Line("a b"),
        Line("c d e", (Link("/x?a=1&b=2", "d e"),)),
        Line("h", heading=True),
        Line("a < b"),
    )
    assert lines_of_text("Title\nsee https://x.example/a.\n\nhttps://y.example\n") == (
        Line("Title", heading=True),
        Line("see https://x.example/a.", (Link("https://x.example/a"),)),
        Line("https://y.example", (Link("https://y.example"),)),
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "<" * 300_000,
        '<a href="' * 40_000,
        "<style>" * 40_000,
        "<!--" * 80_000,
        '<a "' * 80_000 + ">",
        "<p>" * 100_000,
        "<p>" + "A B, " * 60_000,
        "\\\\\narXiv:2501.00001\nTitle: x\n" * 10_000,
        ("A, B. Title of it. " * 40 + "\n\n") * 400 + "PMID",
        "\\\\\narXiv:2501.00001\nTitle:" + " \n" * 100_000,
    ],
    ids=range(10),
)
def test_a_mail_made_to_keep_us_busy_does_not(hostile):
    began = time.perf_counter()
    alerts.entries_of(sender="a@nature.com", text=hostile, markup=hostile, at=None)
    assert time.perf_counter() - began < 10


if __name__ == "__main__":
    for mail in sorted(MAILS.glob("*.eml")):
        mail.with_suffix(".expect").write_text(
            json.dumps(described(mail), ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
