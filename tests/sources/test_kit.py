"""The kit finds fault with what is wrong, each by its sentence, and with nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, ParsedFeed, Problem, Source, SourceId, SourceKind
from digest.sources import kit
from digest.sources.kinds import KINDS
from tests.sources.test_samples import SAMPLES

DOCUMENT = b'[{"id": "1", "title": "A paper"}, {"id": "2", "title": "Another"}]'
SOURCE = Source(id=SourceId("board"), kind="board", options=(("board", ("42",)),))


def plan(source, now, since):
    return (FetchRequest(url=f"https://board.example/{source.one('board')}", allow_files=source.from_operator),)


def parse(source, response):
    try:
        items = json.loads(response.body)
        entries = tuple(EntryData(key=item["id"], title=item["title"]) for item in items)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ParseError("this is no board", where=response.url, try_="check the number") from error
    return ParsedFeed(entries=entries)


GOOD = SourceKind(
    name="board",
    about="the papers of a board",
    plan=plan,
    parse=parse,
    follow=lambda request, parsed: None,
    wants=lambda source: "" if source.one("board") else "needs a board",
    options={"board": "its number"},
)
NUMBERS = count()


def returning(**fields):
    """A parse whose one entry has these fields."""

    def one(source, response):
        parse(source, response)
        return ParsedFeed(entries=(replace(EntryData(key="k", title="t"), **fields),))

    return one


def raising(error):
    def step(*args):
        raise error

    return step


def test_a_kind_that_keeps_the_protocol_passes():
    kit.check_kind(GOOD, SOURCE, [DOCUMENT])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"name": "Board!"}, "its name 'Board!' is not lower-case"),
        ({"about": ""}, "`about` is not one short phrase"),
        ({"options": {}}, "the source gives board, which `options` does not declare"),
        ({"options": {"board": ""}}, "`options` does not say what board means"),
        ({"wants": lambda source: "Needs a board."}, "`wants` finds fault with the source"),
        ({"wants": lambda source: "" if source.options else "Give a board."}, "does not go on after"),
        ({"wants": raising(KeyError("board"))}, "`wants` raises KeyError"),
        ({"plan": raising(IndexError("x"))}, "`plan` raises IndexError"),
        ({"plan": lambda *_: ()}, "`plan` gives no FetchRequest"),
        (
            {"plan": lambda *_: (FetchRequest(url=f"https://x/{next(NUMBERS)}"),)},
            "other requests when it is asked again",
        ),
        ({"plan": lambda *_: (FetchRequest(url="https://x/"),) * 2}, "asks for the same address twice"),
        ({"plan": lambda *_: (FetchRequest(url="/x", allow_files=True),)}, "allows files for a source"),
        ({"parse": raising(ValueError("x"))}, "document 1: `parse` raises ValueError"),
        ({"parse": lambda *_: ParsedFeed()}, "document 1: no entry was found in it"),
        ({"parse": lambda *_: ParsedFeed()}, "nothing: `parse` takes it for a good document"),
        ({"parse": lambda *_: ParsedFeed(title=str(next(NUMBERS)))}, "gives something else when it reads the same"),
        ({"parse": raising(ParseError("x"))}, "its ParseError does not say"),
        (
            {"parse": lambda *_: ParsedFeed(entries=(EntryData(key="a", title="t"),) * 2)},
            "two entries have the key 'a'",
        ),
        ({"parse": returning(key=" ")}, "it has no key"),
        ({"parse": returning(title=" ")}, "it has no title"),
        ({"parse": returning(published_at=datetime(2025, 1, 1))}, "published_at is not an aware instant in UTC"),
        ({"parse": returning(abstract="a\x00")}, "abstract holds what is no character"),
        ({"parse": returning(authors=["A"])}, "authors is a list, not a tuple"),
        ({"parse": returning(url="/a/1")}, "url '/a/1' is not an address of the web"),
        ({"parse": returning(authors=("A", "B"), author_ids=("x",))}, "author_ids do not stand beside authors"),
        ({"parse": returning(arxiv_id="2501.00001v2")}, "holds a version"),
        ({"parse": returning(doi="10.1/ABC")}, "is not written as 10."),
        ({"parse": returning(upvotes=-1)}, "upvotes is -1, not a count"),
        ({"follow": lambda request, parsed: request}, "`follow` asks for https://board.example/42 again"),
        ({"follow": lambda request, parsed: FetchRequest(url=request.url + "1")}, "goes on after 200 empty pages"),
        ({"follow": raising(TypeError("x"))}, "`follow` raises TypeError"),
    ],
)
def test_each_fault_has_its_sentence(kind, words):
    found = list(kit.faults(replace(GOOD, **kind), SOURCE, [DOCUMENT]))
    assert any(words in fault for fault in found), found


def test_a_fragile_parse_is_found_out_by_what_arrives_on_a_bad_day():
    def trusting(source, response):
        return ParsedFeed(
            entries=tuple(EntryData(key=one["id"], title=one["title"]) for one in json.loads(response.body))
        )

    with pytest.raises(AssertionError) as caught:
        kit.check_kind(replace(GOOD, parse=trusting), SOURCE, [DOCUMENT])
    assert "an HTML page: `parse` raises JSONDecodeError" in str(caught.value)
    assert "a document cut off after 50 %: `parse` raises" in str(caught.value)


def test_one_bad_item_may_be_a_problem():
    def careful(source, response):
        found = parse(source, response)
        return replace(found, problems=(Problem(where="entry 3", what="it has no title"),))

    kit.check_kind(replace(GOOD, parse=careful), SOURCE, [DOCUMENT])


def test_without_a_document_nothing_is_proved():
    assert "no document was given" in next(kit.faults(GOOD, SOURCE, []))


GIVEN = {
    "feed": {"url": "https://x.example/f"},
    "arxiv": {"category": "cs.CL"},
    "huggingface": {},
    "biorxiv": {"category": "neuroscience"},
    "medrxiv": {"category": "neurology"},
    "pubmed": {"options": (("query", ("snail",)),)},
    "crossref": {"options": (("journals", ("0028-0836",)),)},
    "openalex": {"options": (("authors", ("A5023888391",)),)},
    "semanticscholar": {"options": (("authors", ("1741101",)),)},
    "hackernews": {},
    "github": {"options": (("repositories", ("example/snails",)),)},
    "openreview": {"options": (("venue", ("ICLR.cc/2027/Conference",)),)},
}
"""A source for each of our own kinds; maildir, imap, file and command are tried beside their own tests."""


@pytest.mark.parametrize("name", GIVEN)
def test_our_own_kinds_keep_the_protocol(name):
    documents = [
        path.read_bytes()
        for path in sorted(SAMPLES.iterdir())
        if path.suffix != ".expect"
        and (expected := json.loads(path.with_suffix(".expect").read_text("utf-8")))["kind"] == name
        and expected["entries"]
    ]
    source = Source(id=SourceId("ours"), kind=name, **GIVEN[name])
    found = list(kit.faults(KINDS[name], source, documents))
    assert [fault for fault in found if "no document was given" not in fault] == []
