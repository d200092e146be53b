"""What arrives instead of a good feed: each is either a ParseError with a sentence, or costs only the damaged part."""

from __future__ import annotations

import time

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import FetchResponse, ParsedFeed, Problem, Source, SourceId
from digest.sources.kinds import KINDS
from digest.sources.kinds.feed import FEED
from digest.sources.reading.syndication import MOST_ENTRIES

SOURCE = Source(id=SourceId("s"), kind="feed")


def parse(body: bytes | str, content_type: str = "", kind: str = "feed") -> ParsedFeed:
    headers = {"content-type": content_type} if content_type else {}
    body = body if isinstance(body, bytes) else body.encode()
    return KINDS[kind].parse(SOURCE, FetchResponse(url="https://x.example/f", status=200, headers=headers, body=body))


def error_of(body: bytes | str, kind: str = "feed") -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse(body, kind=kind)
    assert caught.value.where == "https://x.example/f"
    assert caught.value.try_
    return caught.value


def rss(*items: str) -> str:
    return f"<rss version='2.0'><channel><title>t</title>{''.join(items)}</channel></rss>"


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\x00\x00\x00"])
def test_an_empty_document_is_called_empty(body, kind):
    assert error_of(body, kind).what == "the document is empty"


def test_an_html_page_is_called_one_and_the_feed_it_names_is_offered():
    page = (
        "<!DOCTYPE html><!-- x --><html><head><link rel=alternate type='application/rss+xml' href='/feed?a=1&amp;b=2'>"
    )
    error = error_of(page)
    assert (error.what, error.try_) == ("this is an HTML page, not a feed", "the page names this feed: /feed?a=1&b=2")
    assert error_of("<HTML><body>Log in</body></HTML>").try_.startswith("give the address of the feed itself")
    assert error_of("<html>", kind="arxiv").what == error_of("<html>", kind="huggingface").what == error.what


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<opml version='2.0'><body/></opml>", "a list of feeds (OPML)"),
        ("just some text", "neither XML nor JSON"),
        (b"%PDF-1.7\n\x80\x81", "neither XML nor JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither XML nor JSON"),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", "XML, but not RSS or Atom"),
        ("<a><b></a>", "not well-formed XML"),
        ("<rss version='2.0'><channel><title>cut o", "cut off before its first entry"),
        ('{"version": "https://jsonfeed.org/version/1", "items": [{"id', "not whole JSON"),
        ('{"a": 1}', "not a JSON Feed"),
        ("[1, 2]", "not a JSON Feed"),
        ("[" * 100_000, "not JSON that can be read"),
        (b'{"a": "\xff"}', "not JSON that can be read"),
    ],
)
def test_what_is_no_feed_is_named(body, words):
    assert words in error_of(body).what


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE x [<!ENTITY a "h"><!ENTITY b "&a;">]><rss version="2.0"><channel><title>&b;</title></channel></rss>',
        '<?xml version="1.0"?><!-- <a --><!DOCTYPE x SYSTEM "<a>" [ <!entity % p SYSTEM "file:///etc/passwd">%p;]><rss/>',
        '<!DOCTYPE rss [<!ELEMENT rss ANY>\n<!ENTITY x SYSTEM "http://169.254.169.254/">]><rss>&x;</rss>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "cp037"])
@pytest.mark.parametrize("kind", ["feed", "arxiv"])
def test_entity_declarations_are_refused_in_every_encoding(bomb, encoding, kind):
    if encoding == "cp037" and not bomb.startswith("<?xml"):
        bomb = "<?xml version='1.0' encoding='cp037'?>" + bomb
    assert "declares XML entities" in error_of(bomb.encode(encoding), kind).what


def test_an_entity_declaration_hidden_in_utf_7_is_refused():
    body = b"<?xml version='1.0' encoding='utf-7'?>" + "<!DOCTYPE x [<!ENTITY a 'b'>]><rss/>".encode("utf-7")
    assert "declares XML entities" in error_of(body).what


def test_a_text_about_entities_is_only_a_text():
    parsed = parse(
        rss("<item><title>t</title><description><![CDATA[<!DOCTYPE x [<!ENTITY a 'b'>]>]]></description></item>")
    )
    assert len(parsed.entries) == 1


def test_a_cut_off_document_keeps_the_entries_that_were_whole():
    whole = rss(*(f"<item><title>number {n}</title><link>https://x.example/{n}</link></item>" for n in range(3)))
    parsed = parse(whole[: whole.rindex("<link>")])
    assert [entry.title for entry in parsed.entries] == ["number 0", "number 1"]
    assert parsed.problems == (Problem(where="the last entry", what="it is cut off; the document ends early"),)


def test_a_whole_feed_with_a_damaged_title_and_no_entries_is_only_empty():
    assert parse("<rss version='2.0'><channel><title>caf&eacute; & co</title></channel></rss>\n").entries == ()


def test_an_unescaped_ampersand_costs_nothing():
    parsed = parse(rss("<item><title>Q & A</title></item>", "<item><title>B</title></item>"))
    assert [entry.title for entry in parsed.entries] == ["Q & A", "B"]


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        ("<?xml version='1.0' encoding='windows-1251'?>" + rss("<item><title>Жук</title></item>"), "", "Жук"),
        (rss("<item><title>Müller</title></item>"), "text/xml; charset=iso-8859-1", "Müller"),
        ("<?xml version='1.0' encoding='utf-8'?>" + rss("<item><title>caf\xe9</title></item>"), "", "café"),
        (rss("<item><title>Größe</title></item>"), "text/xml; charset=nonsense", "Größe"),
        ("<?xml version='1.0'?>" + rss("<item><title>木</title></item>"), "", "木"),
    ],
)
def test_a_wrong_or_missing_encoding_is_survived(body, content_type, title):
    encoding = {"Жук": "windows-1251", "Müller": "iso-8859-1", "café": "iso-8859-1", "木": "utf-16"}.get(title, "utf-8")
    assert parse(body.encode(encoding), content_type).entries[0].title == title


def test_an_entry_that_says_nothing_is_a_problem_and_the_others_are_kept():
    parsed = parse(rss("<item><guid>1</guid></item>", "<item><title>B</title></item>", "<item/>"))
    assert [entry.title for entry in parsed.entries] == ["B"]
    assert parsed.problems == (
        Problem(where="entry 1", what="it has neither a title nor a text"),
        Problem(where="entry 3", what="it has neither a title nor a text"),
    )


def test_an_entry_without_link_and_date_is_taken_with_a_key_of_its_text():
    first, again = (parse(rss("<item><title>Alone</title></item>")).entries[0] for _ in range(2))
    assert (first.url, first.published_at) == ("", None)
    assert first.key == again.key
    assert first.key.startswith("hash:")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("tomorrow", None),
        ("", None),
        ("Thu, 01 Jan 2099 00:00:00 GMT", "2099-01-01T00:00:00+00:00"),
        ("Thu, 20 Nov 2025 23:00:00 EST", "2025-11-21T04:00:00+00:00"),
        ("Thu, 20 Nov 2025 23:00:00 ", "2025-11-20T23:00:00+00:00"),
    ],
)
def test_dates_that_cannot_be_are_left_out(written, read):
    at = parse(rss(f"<item><title>t</title><pubDate>{written}</pubDate></item>")).entries[0].published_at
    assert (at.isoformat() if at else None) == read


def test_only_the_end_of_a_word_that_is_far_too_long_is_left_out_wherever_it_begins():
    for before in (0, 1, 374, 375, 749):
        title = f"{'a ' * before}{'x' * 1_500}"
        (entry,) = parse(rss(f"<item><title>{title}yy tail</title></item>")).entries
        assert entry.title == f"{title} tail"


def test_authors_in_one_element_cost_the_item_nothing():
    got = parse(rss("<item><title>T</title><authors>Jane Doe</authors><links>x</links></item>"))
    assert [entry.title for entry in got.entries] == ["T"] and got.problems == ()


def test_a_title_of_a_megabyte_is_read_quickly():
    began = time.perf_counter()
    for title in ("x" * 1_000_000, "&lt;" * 200_000, "((" * 400_000, "(a)" * 300_000, "a, " * 300_000, "a@" * 400_000):
        item = f"<item><title>{title}</title><author>{title}</author><description>{title}</description></item>"
        assert len(parse(rss(item, "<item><title>B</title></item>")).entries) == 2
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    "title",
    [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "a&#13;&#10;Bcc: x@y",
        "\u202emirror\u202c",
        "nul \x00 here",
        "bell \x07",
    ],
)
def test_what_a_title_says_is_kept_as_text_and_stops_nothing(title):
    parsed = parse(rss(f"<item><title>{title}</title></item>", "<item><title>B</title></item>"))
    assert [entry.title for entry in parsed.entries][1:] == ["B"]
    assert "\x00" not in parsed.entries[0].title


def test_only_the_first_entries_of_an_endless_feed_are_taken():
    many = rss(*(f"<item><title>n{n}</title></item>" for n in range(MOST_ENTRIES + 2)))
    parsed = parse(many)
    assert len(parsed.entries) == MOST_ENTRIES
    assert [problem.where for problem in parsed.problems] == ["entry 5001", "entry 5002"]


def test_the_servers_freshness_counts_where_the_feed_names_no_ttl():
    response = FetchResponse(url="u", status=200, headers={"cache-control": "public, max-age=600"}, body=rss().encode())
    ttl = FEED.parse(SOURCE, response).ttl
    assert ttl is not None
    assert ttl.total_seconds() == 600
