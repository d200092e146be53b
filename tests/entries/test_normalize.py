"""What a feed says is put right: text, names, ids, links, instants."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.entries import names
from digest.entries.normalize import clean, clean_abstract, clean_title, safe_url
from digest.model.errors import InputError
from digest.model.feeds import EntryData


def test_a_raw_item_comes_out_as_the_model_promises() -> None:
    east = timezone(timedelta(hours=-5))
    raw = EntryData(
        key=" oai:arXiv.org:2510.01459v2 ",
        title="[2510.01459] A   <b>Study</b> of\r\nX&amp;amp;Y (arXiv:2510.01459v2 [cs.CL])",
        url="https://arxiv.org/abs/2510.01459v2#S1",
        abstract="<p>Abstract: We show <i>p</i> &lt; .05</p><p>and $x^2$.</p><script>alert(1)</script>",
        authors=("DOE, JANE", "J\\'er\\^ome  Petit (INRIA (Paris), France)"),
        institutions=("MIT", "MIT", ""),
        categories=(" cs.CL ", "cs.LG", "cs.CL"),
        published_at=datetime(2025, 10, 2, 0, 0, tzinfo=east),
        submitted_at=datetime(2025, 10, 3),
        doi="https://doi.org/10.48550/arXiv.2510.01459",
        upvotes=3,
        comment="12 pages",
        code_url="javascript:alert(1)",
        pdf_url="https://user:secret@arxiv.org/pdf/2510.01459",
        announce="Replace",
        language="en_GB",
    )
    assert clean(raw) == EntryData(
        key="oai:arXiv.org:2510.01459v2",
        title="A Study of X&Y",
        url="https://arxiv.org/abs/2510.01459v2#S1",
        abstract="We show p < .05 and x².",
        authors=("Jane Doe", "Jérôme Petit"),
        institutions=("MIT",),
        categories=("cs.CL", "cs.LG"),
        published_at=datetime(2025, 10, 2, 5, 0, tzinfo=UTC),
        submitted_at=datetime(2025, 10, 3, tzinfo=UTC),
        arxiv_id="2510.01459",
        version=2,
        upvotes=3,
        comment="12 pages",
        announce="replace",
        language="en-GB",
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("If a < b and c > d", "If a < b and c > d"),
        ("The <think> token", "The <think> token"),
        ("H<sub>2</sub>O and CO<sub>2</sub>", "H₂O and CO₂"),
        ("Caf\u0065\u0301\u200b \u202egnp.exe\u2069 \x00ok\x07", "Café gnp.exe ok"),
        ("It\x92s C1", "It’s C1"),
        ("Kroi\u00c3\u009f, Ram\u00c3\u00adrez, it\u00e2\u20ac\u2122s 5\u00c2\u00b0", "Kroiß, Ramírez, it’s 5°"),
        ("NÃO, LIBERTÉ» and Â alone", "NÃO, LIBERTÉ» and Â alone"),
        ("می\u200cخواهم and a\u200cb and 👩\u200d🔬", "می\u200cخواهم and ab and 👩\u200d🔬"),
        ("<scr<script>ipt>x</script> y", "<scr y"),
        ("&amp;lt;b&amp;gt;bold&amp;lt;/b&amp;gt; title", "bold title"),
        ("Attention (arXiv:2510.01459v1 [cs.CL] UPDATED)", "Attention"),
        ("Results (extended version)", "Results (extended version)"),
    ],
)
def test_titles_are_one_plain_line(raw: str, shown: str) -> None:
    assert clean_title(raw) == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("arXiv:2510.01459v1 Announce Type: new \nAbstract: We do.", "We do."),
        ("Abstract meaning representation is", "Abstract meaning representation is"),
        ("<div>one</div><div>two<br/>three</div> if x<y and y>z", "one two three if x<y and y>z"),
        ("<jats:p>We use <jats:italic>E. coli</jats:italic>.</jats:p>", "We use E. coli."),
        ("plain a &amp; b\n  and c", "plain a & b and c"),
        ("<!-- hidden -->seen<style>p{}</style>", "seen"),
        ("<P>one</P>two<br />three <div>four", "one two three four"),
        ("<p>x < y</p> and <pre>z</pre>", "x < y and z"),
        ("<p>cut ]]> off</p>", "cut off"),
        ("<p>a\ud800b</p> <i>c</i>&lt;", "ab c<"),
        ('<a href="x" onclick="y">link</a>ed <img src=x onerror=z>end', "linked end"),
    ],
)
def test_abstracts_lose_their_markup_and_keep_their_words(raw: str, shown: str) -> None:
    assert clean_abstract(raw) == shown


@pytest.mark.parametrize("title", ["", "  ", "<br>", "\u200b", "...", "&nbsp;"])
def test_an_item_without_a_title_is_refused_by_name(title: str) -> None:
    with pytest.raises(InputError) as caught:
        clean(EntryData(key="k1", title=title))
    assert str(caught.value) == "k1: the item has no title (the item is left out)"


def test_long_texts_are_clamped_between_words() -> None:
    data = clean(EntryData(key="k", title="word " * 200, abstract="word " * 6_000, authors=("A B",) * 2_500))
    assert len(data.title) <= 500 and data.title.endswith("word…")
    assert len(data.abstract) <= 20_000 and len(data.authors) == 2_000


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (("Last, First",), ("First Last",)),
        (("García Márquez, Gabriel",), ("Gabriel García Márquez",)),
        (("Smith, John, Jr.",), ("John Smith Jr.",)),
        (("Jane Doe, PhD",), ("Jane Doe",)),
        (("JANE VAN DER BERG", "ANNA O'NEIL-MCGEE", "CERN"), ("Jane van der Berg", "Anna O'Neil-McGee", "CERN")),
        (("ATLAS COLLABORATION",), ("ATLAS COLLABORATION",)),
        (("Ann One, Bob Two, Cy Three",), ("Ann One", "Bob Two", "Cy Three")),
        (("Ann One, Bob Two and Cy Three",), ("Ann One", "Bob Two", "Cy Three")),
        (("Ann One and Bob Two",), ("Ann One", "Bob Two")),
        (("One, A.; Two, B.",), ("A. One", "B. Two")),
        (("One, A., Two, B. C.",), ("A. One", "B. C. Two")),
        (("Ann One (MIT, Boston), Bob Two (ETH)",), ("Ann One", "Bob Two")),
        (("a@b.org (Jane Doe)",), ("Jane Doe",)),
        (("Ann One", "et al."), ("Ann One",)),
        (("Wei Wang", "Wei Wang"), ("Wei Wang", "Wei Wang")),
        (("李雷",), ("李雷",)),
    ],
)
def test_names_are_put_right(said: tuple[str, ...], shown: tuple[str, ...]) -> None:
    assert names.put_right(said) == shown


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://example.org/a?b=1&amp;c=2", "https://example.org/a?b=1&c=2"),
        (" http://example.org/a b ", "http://example.org/a%20b"),
        ("javascript:alert(1)", ""),
        ("JaVaScRiPt://x/%0aalert(1)", ""),
        ("data:text/html,x", ""),
        ("https://u:p@example.org/", ""),
        ("https://example.org\\@evil.org", ""),
        ("https://example.org/\u202egpj", ""),
        ("https://example.org/\r\nX: y", ""),
        ("https://[::1", ""),
        ("https://example.org:99999/", ""),
        ("https:///nohost", ""),
        ("/relative", ""),
    ],
)
def test_only_plain_web_links_pass(url: str, safe: str) -> None:
    assert safe_url(url) == safe


@pytest.mark.parametrize(
    ("comment", "abstract", "withdrawn"),
    [
        ("This paper has been withdrawn by the author due to an error", "", True),
        ("Withdrawn", "", True),
        ("withdrawn by arXiv administrators", "", True),
        ("", "This submission has been withdrawn by arXiv administrators", True),
        ("12 pages", "Patients withdrawn from the trial were counted.", False),
        ("", "We study when a paper is retracted or money withdrawn from banks", False),
    ],
)
def test_withdrawals_are_read_as_arxiv_words_them(comment: str, abstract: str, withdrawn: bool) -> None:
    assert clean(EntryData(key="k", title="T", comment=comment, abstract=abstract)).withdrawn is withdrawn


def test_an_arxiv_id_in_the_abstract_is_not_the_papers_own() -> None:
    assert clean(EntryData(key="k", title="T", abstract="We extend arXiv:2510.01459v2.")).arxiv_id is None


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>" * 25_000,
        "<!--" * 50_000,
        "<div>" * 40_000,
        "<a " * 60_000,
        "&amp;" * 40_000,
        "(" * 100_000,
        "<" * 200_000,
    ],
)
def test_hostile_markup_takes_no_longer_than_its_length_warrants(hostile: str) -> None:
    started = time.process_time()
    clean(EntryData(key="k", title="T " + hostile, abstract=hostile, authors=(hostile,)))
    assert time.process_time() - started < 6


raw_text = st.text(
    alphabet=st.one_of(st.sampled_from("<>&;/b p$\\{}\x00\u202e\x92\u200d("), st.characters()), max_size=40
)


@given(raw_text, raw_text, raw_text)
@settings(max_examples=200, deadline=None)
def test_whatever_comes_in_nothing_hidden_comes_out(title: str, abstract: str, url: str) -> None:
    data = clean(EntryData(key="k", title="T " + title, abstract=abstract, url=url, authors=(title,)))
    shown = data.title + data.abstract + data.url + "".join(data.authors)
    assert not any(
        ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E or 0xD800 <= ord(c) < 0xE000 for c in shown
    )
    again = clean(data)
    assert (again.url, again.arxiv_id, again.doi) == (data.url, data.arxiv_id, data.doi)


def test_escape_sequences_of_a_terminal_go_whole():
    """Without its first character the rest would stand as letters in the title."""
    title = "A \x1b[31mred\x1b[0m title \x1b]0;owned\x07with much in it"
    assert clean(EntryData(key="1", title=title)).title == "A red title with much in it"
