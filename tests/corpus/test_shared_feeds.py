"""Every document of the shared feeds and of three parsers' own corpora: none crashes, and what was counted is found."""

from __future__ import annotations

import json
import os
import tarfile
import time
from pathlib import Path

import pytest

from digest.delivery.mailbox import Maildir
from digest.model.errors import ParseError
from digest.model.feeds import FetchRequest, FetchResponse, ParsedFeed, Source, SourceId
from digest.services.fetching.check import check
from digest.services.fetching.letters import road
from digest.sources.kinds import KINDS, sniff

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / ".." / "shared"))
DATA = SHARED / "data"

#: What the manifest counts but is no feed that a source could name, and why.
EXCEPTIONS = {
    "feeds/opml/": "lists of feeds",
    "feeds/authors/": "answers of author services",
    "feeds/peer_digest_eml/2026": "mails",
    "feeds/hf_api/daily_papers_2024-12-11.json": "damaged by its collector: printed objects instead of JSON",
    "feeds/hf_api/daily_papers_2025-01-10.json": "damaged by its collector: printed objects instead of JSON",
}


def parse(name: str, body: bytes, kind: str | None = None) -> ParsedFeed | ParseError:
    kind = kind or sniff(name, body)
    response = FetchResponse(url=f"https://shared.example/{name}", status=200, body=body)
    try:
        return KINDS[kind].parse(Source(id=SourceId("s"), kind=kind), response)
    except ParseError as error:
        assert error.what
        assert error.try_
        return error


def manifest() -> list[dict]:
    path = DATA / "feeds" / "manifest.jsonl"
    assert path.exists(), f"{path} is not there: these tests need the shared data (set DIGEST_SHARED to its folder)"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_document_gives_the_number_of_entries_that_the_manifest_counts():
    counted = 0
    wrong = []
    for row in manifest():
        got = parse(row["path"], (DATA / row["path"]).read_bytes())
        if row["entries"] is None or any(row["path"].startswith(start) for start in EXCEPTIONS):
            continue
        counted += 1
        number = len(got.entries) + len(got.problems) if isinstance(got, ParsedFeed) else str(got)
        if number != row["entries"]:
            wrong.append((row["path"], row["entries"], number))
    assert wrong == []
    assert counted >= 100


def test_every_document_is_survived_by_every_kind():
    for row in manifest():
        body = (DATA / row["path"]).read_bytes()
        for kind in KINDS:
            parse(row["path"], body, kind)


@pytest.mark.parametrize(("corpus", "least"), [("feedparser", 2_000), ("gofeed", 1_000), ("miniflux", 20)])
def test_every_input_of_another_parsers_corpus_is_survived(corpus, least):
    seen = feeds = 0
    with tarfile.open(DATA / "conformance" / f"{corpus}.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            seen += 1
            feeds += isinstance(parse(member.name, file.read()), ParsedFeed)
    print(f"{corpus}: {seen} inputs, {feeds} read as feeds, {seen - feeds} refused with a sentence")
    assert seen >= least
    assert feeds > 0


#: What a person sees in the documents of journals and preprint servers: how many of the entries show an abstract,
#: authors, a date, a DOI and an arXiv id, and how the first title begins.
SEEN = {
    "arxiv_rss/rss.arxiv.org_atom_cs.AI_2025-08-20.xml": (86, 86, 86, 1, 86, "Chain-of-Agents: End-to-End Ag"),
    "arxiv_rss/rss.arxiv.org_atom_cs.AI_2025-08-20_trimmed.xml": (7, 7, 7, 0, 7, "ALIGN: Word Association Learni"),
    "hf_rss/huangboming_daily_2025-05-01.xml": (19, 19, 19, 0, 19, "Certified Mitigation of Worst-"),
    "hf_rss/huangboming_daily_2025-10-02.xml": (58, 58, 58, 0, 58, "Context Is What You Need: The"),
    "hf_rss/huangboming_weekly_2025-06-02.xml": (105, 105, 105, 0, 105, "ModernGBERT: German-only 1B En"),
    "hf_rss/huangboming_monthly_2025-08-01.xml": (105, 105, 105, 0, 105, "Radial Attention: O(nlog n) Sp"),
    "preprints/biorxiv_plant_biology_rss1.rdf": (30, 30, 30, 30, 0, "Wheat inositol pyrophosphate k"),
    "preprints/rss_1.0_biorxiv.xml": (1, 1, 1, 1, 0, "Complete genome of the Medicag"),
    "preprints/wduverger_biorxiv-afm.xml": (0, 10, 10, 10, 0, "Enhancing the imaging rate of"),
    "preprints/wduverger_biorxiv.xml": (0, 75, 75, 75, 0, "Fibrin Selective Alteplase wit"),
    "journals/biotaxa.org-Phytotaxa-gateway-plugin-WebFeedGatewayPlugin-rss.xml": (
        4,
        6,
        6,
        6,
        0,
        "Seed Micromorphology of Eleven",
    ),
    "journals/cambridge.org-core-rss-product-id-2DD17A42E6E59026C256A7EBBDB96645.xml": (
        13,
        13,
        15,
        15,
        0,
        "Detection of food in immature",
    ),
    "journals/contributions-to-entomology.org-gateway-plugin-WebFeedGatewayPlugin-atom.xml": (
        9,
        9,
        9,
        0,
        0,
        "The Cephennium fauna of Turkey",
    ),
    "journals/et-online.nu-index.php-contents-gateway-plugin-WebFeedGatewayPlugin-atom.xml": (
        10,
        10,
        10,
        0,
        0,
        "Ett nytt släkte Gretiella Stig",
    ),
    "journals/journals.flvc.org-mundi-gateway-plugin-WebFeedGatewayPlugin-rss.xml": (
        6,
        6,
        6,
        0,
        0,
        "Survey of the Attelabidae of W",
    ),
    "journals/journals.rbge.org.uk-ejb-gateway-plugin-WebFeedGatewayPlugin-rss.xml": (
        25,
        25,
        25,
        25,
        0,
        "EDITORIAL: MAJOR CHANGES TO TH",
    ),
    "journals/jstage.jst.go.jp-AF05S010NewRssDld.xml": (0, 0, 0, 0, 0, ""),
    "journals/microbiologyresearch.org-rss-content-journal-ijsem-latestarticles.xml": (
        22,
        25,
        25,
        25,
        0,
        "Mycolicibacterium baixiangning",
    ),
    "journals/navi.cnki.net-knavi-rss-yzlq.xml": (20, 20, 20, 0, 0, "Disordered Translocation is Ha"),
    "journals/onlinelibrary.wiley.com-feed-19968175-most-recent.xml": (
        28,
        63,
        66,
        66,
        0,
        "Phylogenomic analysis confirms",
    ),
    "journals/phytokeys.pensoft.net-rss.php.xml": (100, 100, 100, 100, 0, "Two new species in the fern ge"),
    "pubmed/pubmed.ncbi.nlm.nih.gov-rss-search-1rE397IRBYU0-ogsyRnEw9o91K808u0evolcHK9IDZ0PVH5cqD-.xml": (
        15,
        15,
        15,
        15,
        0,
        "Description of Gyrodactylus ba",
    ),
    "journals/riviste.unimi.it-index.php-RIPS-gateway-plugin-WebFeedGatewayPlugin-rss.xml": (
        11,
        11,
        11,
        11,
        0,
        "TELEOST OTOLITHS FROM THE AQUI",
    ),
    "journals/rss.sciencedirect.com-publication-science-10557903.xml": (
        0,
        50,
        51,
        0,
        0,
        "Propagating clade and model un",
    ),
    "journals/schweizerbart.de-services-feeds-papers-nova_hedwigia-de-rss.xml.xml": (
        10,
        10,
        10,
        0,
        0,
        "On the genus Alisphaera (Alisp",
    ),
    "journals/tandfonline.com-feed-rss-tzme20.xml": (0, 13, 13, 13, 0, "Taxonomic status of Dahl’s Jir"),
    "journals/threatenedtaxa.org-index.php-JoTT-gateway-plugin-WebFeedGatewayPlugin-rss.xml": (
        26,
        27,
        27,
        27,
        0,
        "Successful rescue, medical man",
    ),
    "pubmed/pubmed_rss_2021-11.xml": (15, 15, 15, 15, 0, "Alternaria koreana sp. nov., a"),
    "journals/ex_elsevier.xml": (0, 35, 36, 0, 0, "One crawled over the dolphin's"),
    "journals/ex_tand.rdf": (0, 5, 5, 5, 0, "The puzzling, rarely encounter"),
    "journals/ex_ingenta.rdf": (0, 11, 0, 0, 0, "Diversity of Backusella (Mucor"),
    "journals/ex_googlescholar.xml": (10, 0, 10, 3, 0, "Description of a new species o"),
    "journals/ex_cnki.xml": (20, 20, 20, 0, 0, "A New Species of Cyrtodactylus"),
    "journals/ex_treebase.rdf": (3, 0, 0, 0, 0, "Web page"),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_a_person_sees_in_a_journals_feed_is_read(name):
    body = (DATA / "feeds" / name).read_bytes()
    response = FetchResponse(url=f"https://shared.example/{name}", status=200, body=body)
    (checked,) = check([name], lambda _: response, kind=sniff(name, body))
    found = tuple(
        sum(bool(getattr(entry, field)) for entry in checked.entries)
        for field in ("abstract", "authors", "published_at", "doi", "arxiv_id")
    )
    *counts, title = SEEN[name]
    assert found == tuple(counts)
    assert (checked.entries[0].title if checked.entries else "").startswith(title)
    assert all(entry.url.startswith("http") for entry in checked.entries)


@pytest.mark.parametrize(
    ("name", "papers"),
    [
        ("2026-01-29.eml", ["2601.18778", "2601.22061", "2601.20339", "2601.18510"]),
        ("2026-05-19.eml", []),  # its titles lead to places in the mail only
        ("2026-08-22.eml", []),
    ],
)
def test_a_digest_that_another_tool_mailed_gives_the_papers_it_links_to(name, papers, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.host").write_bytes((DATA / "feeds" / "peer_digest_eml" / name).read_bytes())
    box = lambda place: Maildir(Path(place.folder), clock=lambda: time.time_ns() + 3_000_000_000)  # noqa: E731
    response = road(box)(FetchRequest(url=f"maildir:{tmp_path}"))
    parsed = KINDS["maildir"].parse(Source(id=SourceId("s"), kind="maildir"), response)
    assert [entry.arxiv_id for entry in parsed.entries] == papers
    assert all(entry.title and entry.abstract and entry.published_at for entry in parsed.entries)
    assert len(parsed.problems) == (not papers)
