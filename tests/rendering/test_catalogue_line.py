"""The layout catalogue: of each paper a title, a line of facts and a line of authors; and cards with what is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from digest.model.editions import Edition, Part
from digest.rendering.items import short_category
from digest.rendering.message import parts, stamp
from digest.rendering.render import Renderer
from tests.rendering.samples import DIGEST, SENDER, VALUES, card, edition, item


def bodies(renderer: Renderer, one: Edition, language: str = "en") -> tuple[str, str]:
    mail = b"".join(stamp(renderer.edition((one,), (DIGEST,), sender=SENDER, language=language), VALUES))
    html, text = parts(mail)
    return html.replace("\r\n", "\n"), text.replace("\r\n", "\n")


def block(text: str, title: str) -> list[str]:
    """The lines of one paper of a text part."""
    return text[text.index(title) :].partition("\n\n")[0].splitlines()


def test_a_paper_is_its_title_its_line_of_facts_and_its_authors_and_nothing_else(renderer: Renderer) -> None:
    html, text = bodies(renderer, edition(item(), layout="catalogue"))
    assert block(text, "1. Salt") == [
        "1. Salt on the Windows, Part 1: A Study of Reading Rooms by the Sea",
        "https://arxiv.org/abs/2611.00001",
        "94 · CL · 19 Nov · Code",
        "https://code.example/salt",
        "Mira Halden, Tomás Vega, Wen Li et al. · Wren Hall, Ambleford College",
    ]
    assert "Tides leave salt" not in html + text
    assert "Why here" not in text
    assert 'href="https://code.example/salt"' in html
    assert "Mira Halden, Tomás Vega, Wen Li et al.\u00a0· Wren Hall, Ambleford College" in html


def test_what_is_unknown_leaves_no_trace_in_the_line(renderer: Renderer) -> None:
    bare = item(
        score=0, parts=(), category="other", published_at=None, code_url="", authors=(), institutions=(), url=""
    )
    _, text = bodies(renderer, edition(bare, layout="catalogue"))
    lines = block(text, "Salt on the Windows, Part 1")
    assert not any(" · " in line or "None" in line for line in lines)


def test_the_line_keeps_the_order_and_is_told_in_the_reader_s_language(renderer: Renderer) -> None:
    _, text = bodies(renderer, edition(item(published_at=None), layout="catalogue"), "de")
    assert "94 · CL · Code" in text


def test_in_the_catalogue_no_paper_leads_and_all_keep_their_number(renderer: Renderer) -> None:
    items = [item(n, score=50 + n) for n in range(1, 13)]
    _, text = bodies(renderer, edition(*items, layout="catalogue"))
    assert [f"\n{n}. Salt" in text for n in range(1, 13)] == [True] * 12
    assert "In this edition" not in text


def test_a_mail_without_room_prints_titles_alone(renderer: Renderer) -> None:
    many = [item(n, title=f"Salt {n} " + "x" * 280, url=f"https://a.example/{'y' * 280}/{n}") for n in range(1, 300)]
    html, text = bodies(renderer, edition(*many, layout="catalogue"))
    assert len(html.encode()) <= 98 * 1024
    assert text.count("Salt ") >= 250


@pytest.mark.parametrize(
    ("category", "short"),
    [
        ("cs.CL", "CL"),
        ("cond-mat.mes-hall", "mes-hall"),
        ("q-bio.NC", "NC"),
        ("hep-th", "hep-th"),
        ("Node.js", "Node.js"),
    ],
)
def test_an_arxiv_category_is_shortened_to_its_own_part(category: str, short: str) -> None:
    assert short_category(category) == short


def test_the_card_of_somebody_whom_no_catalogue_knows_tells_what_was_seen_here(renderer: Renderer) -> None:
    known = {"h_index": None, "papers": None, "citations": None, "seen": 7, "votes": 310}
    _, text = bodies(renderer, edition(item(), cards=(card(**known),)))
    for line in ("papers here 7", "votes 310", "novelty 46\u00a0%", "AI score 56"):
        assert f"\n{line}\n" in text
    assert "h-index" not in text


def test_the_card_of_somebody_whom_a_catalogue_knows_tells_that_instead(renderer: Renderer) -> None:
    _, text = bodies(renderer, edition(item(), cards=(card(seen=7, votes=310, citations=None),)))
    assert "\nh-index 24\n" in text
    assert "papers here" not in text and "votes 310" not in text


def test_an_edition_about_people_names_those_whose_papers_it_prints(renderer: Renderer) -> None:
    one = edition(item(parts=(Part(key="people", points=94, figures={"authors": ("Mira Halden",)}),)), cards=(card(),))
    followed = replace(one.profile, authors=("Mira Halden (orcid:0000-0002-1825-0097)", "Tomás Vega"))
    _, text = bodies(renderer, replace(one, profile=followed))
    assert "New papers by Mira Halden." in text
    assert "orcid" not in text
