"""Editions and notices become whole mails; pages become pages."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes

import lxml.html
import pytest

from digest.model.editions import Counts, Item, Look, Part
from digest.model.errors import ConfigError, TemplateError
from digest.model.mail import Sender, Stamp
from digest.model.people import Profile
from digest.rendering.message import mark, parts, stamp
from digest.rendering.palette import accent
from digest.rendering.render import SECRET, TOKEN, Renderer, message_key, size_of
from digest.rendering.text import width
from tests.rendering.samples import DIGEST, SENDER, SLOT, VALUES, card, edition, item, said


def bodies(message) -> tuple[str, str]:
    html, text = parts(b"".join(stamp(message, VALUES)))
    return html.replace("\r\n", "\n"), text.replace("\r\n", "\n")


def words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.replace("\u200b", "").lower()))


def readable(html: str) -> str:
    """The words a reader of the HTML part sees."""
    document = lxml.html.document_fromstring(html)
    for element in [*document.iter("style", "title"), *document.find_class("hide")]:
        element.drop_tree()
    return " ".join(document.itertext())


def test_a_paper_is_printed_with_everything_known_about_it(renderer: Renderer) -> None:
    message = renderer.edition((edition(item()),), (DIGEST,), sender=SENDER)
    _, text = bodies(message)
    assert (
        text
        == """\
The Morning Papers
Friday 20 November 2026 · 1 of 214 new papers · 1 min read
------------------------------------------------------------------------

1. Salt on the Windows, Part 1: A Study of Reading Rooms by the Sea
https://arxiv.org/abs/2611.00001
Mira Halden, Tomás Vega, Wen Li et al. · Wren Hall, Ambleford College
cs.CL · 94 · 128 votes · 31 comments · 19 Nov · Code ★ 1.9k · v2 of
2611.00001
https://code.example/salt

Tides leave salt on every window of the reading room. We measure 0.4
grams a night, e.g. after storms, following Brandt et al. and their
pails. A soft brush removes most of it! Whoever reads through the rest
reads slower.

12 pages, 3 windows

Why here:
- 128 votes in 21 h, on the way to about 190 +93
- more novel than 83 % of its nearest earlier papers, the nearest is
  “Salt on the Doors” +1

PDF
https://arxiv.org/pdf/2611.00001

also on doi.org · papers.example · arXiv cs.CL
https://doi.org/10.5555/salt
https://papers.example/salt

More / less like this
https://wren.example/feedback/tttttttttttttttttttttttttttttttttttttt/1


------------------------------------------------------------------------
You get this because you joined The Morning Papers.

Choose what you get
https://wren.example/preferences/pppppppppppppppppppppp

Read on the web
https://wren.example/read/KEY

Unsubscribe
https://wren.example/unsubscribe/uuuuuuuuuuuuuuuuuuuuuu

Papers at Wren Hall, Wren Hall, 4 Mill Lane, Ambleford""".replace("KEY", message.key)
    )


@pytest.mark.parametrize("layout", ["full", "brief", "titles"])
@pytest.mark.parametrize("papers", [0, 1, 5, 30, 120])
def test_the_text_part_has_the_words_and_links_of_the_html(renderer: Renderer, layout: str, papers: int) -> None:
    many = edition(
        *[item(n) for n in range(1, papers + 1)], layout=layout, reason=() if papers else said("It is Sunday.")
    )
    html, text = bodies(renderer.edition((many,), (DIGEST,), sender=SENDER))
    seen = words(readable(html))
    assert len(seen - words(text)) <= 0.01 * len(seen)
    links = {url for url in lxml.html.document_fromstring(html).xpath("//a/@href") if not url.startswith("#")}
    assert links == {line for line in text.split("\n") if line.startswith("http")}
    assert all(width(line) <= 72 or line.startswith("http") for line in text.split("\n"))


def test_what_is_unknown_is_absent(renderer: Renderer) -> None:
    bare = item(
        authors=(),
        institutions=(),
        parts=(),
        upvotes=None,
        comments=None,
        comment="",
        code_url="",
        stars=None,
        arxiv_id=None,
        version=None,
        also=(),
        seen_in=(),
        published_at=None,
        abstract="",
        url="",
        category="other",
    )
    private = replace(SENDER, public_url="")
    html, text = bodies(renderer.edition((edition(bare),), (DIGEST,), sender=private))
    body = text.split("---\n", 1)[1].split("\n\n\n")[0]
    assert body == "\n1. Salt on the Windows, Part 1: A Study of Reading Rooms by the Sea\n94"
    assert not re.search(r"votes|Code|PDF|Why here|also on|like this|None", html)


def test_layouts_print_all_one_sentence_or_titles(renderer: Renderer) -> None:
    def text(layout: str) -> str:
        return bodies(renderer.edition((edition(item(1), item(2), layout=layout),), (DIGEST,), sender=SENDER))[1]

    assert [text(layout).count("Whoever reads") for layout in ("full", "brief", "titles")] == [2, 0, 0]
    assert [text(layout).count("Tides leave salt") for layout in ("full", "brief", "titles")] == [2, 2, 0]


def test_the_best_paper_leads_and_more_than_eight_get_a_list(renderer: Renderer) -> None:
    html, _ = bodies(renderer.edition((edition(*[item(n, score=n) for n in range(1, 10)]),), (DIGEST,), sender=SENDER))
    document = lxml.html.document_fromstring(html)
    assert document.xpath("string(//h2[1]/a/@href)") == "https://arxiv.org/abs/2611.00009"
    assert "In this edition" in html
    assert document.xpath("//a[@href='#p2']") and document.xpath("//a[@name='p2']")
    few, _ = bodies(renderer.edition((edition(*[item(n) for n in range(1, 9)]),), (DIGEST,), sender=SENDER))
    assert "In this edition" not in few


def test_an_empty_edition_says_why(renderer: Renderer) -> None:
    quiet = said("cs.CL: holiday", "cs.CV: quiet")
    empty = edition(reason=said("Nothing new: arXiv does not announce on Sundays."), notes=quiet)
    message = renderer.edition((empty,), (DIGEST,), sender=SENDER)
    html, text = bodies(message)
    for told in ("Nothing new: arXiv does not announce on Sundays.", "cs.CL: holiday", "cs.CV: quiet"):
        assert told in html and told in text
    assert message.subject == "The Morning Papers: nothing for you on 20 Nov"
    silent = renderer.edition((replace(empty, counts=Counts()),), (DIGEST,), sender=SENDER)
    assert silent.subject == "The Morning Papers: nothing new on 20 Nov"


def test_joined_digests_have_one_masthead_and_a_heading_each(renderer: Renderer) -> None:
    other = replace(DIGEST, name="evening", title="The Evening Papers", list_id="evening.wren.example")
    editions = (edition(item(1)), edition(item(2), history_key="h2", counts=Counts(candidates=1)))
    message = renderer.edition(editions, (DIGEST, other), sender=SENDER)
    html, _ = bodies(message)
    document = lxml.html.document_fromstring(html)
    assert [h.text_content().strip() for h in document.xpath("//h1")] == ["The Morning Papers + The Evening Papers"]
    assert [h.text_content() for h in document.xpath("//h2")][1:3] == ["The Morning Papers", "The Evening Papers"]
    assert message.key == message_key(editions) != editions[0].key
    assert b"List-Id: The Morning Papers <morning.wren.example>" in message.content


def test_a_note_has_one_dash_however_long_it_is(renderer: Renderer) -> None:
    empty = edition(reason=said("Nothing new."), notes=said("a note " * 20))
    _, text = bodies(renderer.edition((empty,), (DIGEST,), sender=SENDER))
    assert text.count("\n- ") == 1


def test_a_score_of_nought_is_a_score(renderer: Renderer) -> None:
    nought = item(score=0, parts=(Part(key="trend", points=0),))
    _, text = bodies(renderer.edition((edition(nought),), (DIGEST,), sender=SENDER))
    assert "cs.CL · 0 · 128 votes" in text


def test_the_contents_begin_with_the_best(renderer: Renderer) -> None:
    many = [item(n, score=n, category=["cs.CL", "cs.CV"][n % 2]) for n in range(1, 12)]
    _, text = bodies(renderer.edition((edition(*many),), (DIGEST,), sender=SENDER))
    assert re.findall(r"^ +(\d+)  Salt", text, re.MULTILINE) == [str(n) for n in range(10, 0, -1)]


def test_a_section_counts_the_papers_that_stand_in_it(renderer: Renderer) -> None:
    _, text = bodies(renderer.edition((edition(item(1), item(2), item(3)),), (DIGEST,), sender=SENDER))
    assert "\n2 of 83 new\n" in text  # the third leads the mail


def test_a_mail_tells_who_reads_it_why_only_where_it_is_known(renderer: Renderer) -> None:
    message = renderer.edition((edition(item(parts=(), score=0)),), (DIGEST,), sender=SENDER)
    _, text = bodies(message)
    assert "cs.CL · 128 votes" in text and "Why here" not in text


def test_the_figures_of_one_card_stand_below_those_of_another(renderer: Renderer) -> None:
    few = card(name="Wen Li", h_index=None, papers=None, citations=None, novelty=None, ai_score=None, seen=12, votes=9)
    html, _ = bodies(renderer.edition((edition(item(), cards=(card(), few)),), (DIGEST,), sender=SENDER))
    rows = [row for row in re.findall(r"<tr>(?:(?!</tr>).)*</tr>", html, re.DOTALL) if 'width="20%"' in row]
    assert [re.findall(r'<td [^>]*?width="(\d+)%"', row) for row in rows] == [["20"] * 5, ["20", "20", "60"]]


def test_an_author_digest_begins_with_the_card(renderer: Renderer) -> None:
    html, text = bodies(renderer.edition((edition(item(), cards=(card(),)),), (DIGEST,), sender=SENDER))
    for told in ("Mira Halden", "56,683", "citations", "h-index", "46\u00a0%", "AI score"):
        assert told in html
    assert "h-index 24\npapers 105\ncitations 56,683\nnovelty 46\u00a0%\nAI score 56\n" in text
    bare, _ = bodies(
        renderer.edition(
            (edition(item(), cards=(card(h_index=None, citations=None, novelty=None, ai_score=None, url=""),)),),
            (DIGEST,),
            sender=SENDER,
        )
    )
    assert "105" in bare and not re.search("h-index|citations|novelty<|AI score|None", bare)


def test_an_edition_that_is_all_about_topics_or_people_says_so(renderer: Renderer) -> None:
    def text(key: str, *more: Item, **preferences: object) -> str:
        profile = Profile(**preferences)  # type: ignore[arg-type]
        mine = item(parts=(Part(key=key, points=60), Part(key="trend", points=10)))
        return bodies(renderer.edition((edition(mine, *more, profile=profile),), (DIGEST,), sender=SENDER))[1]

    topics, authors = ("long documents", "salt"), ("Mira Halden",)
    assert "The papers closest to “long documents” and “salt”." in text("topic", topics=topics)
    assert "New papers by Mira Halden." in text("people", authors=authors)
    assert "closest to" not in text("people", topics=topics)
    assert "New papers by" not in text("people", item(2), authors=authors)  # one is there for its votes


def test_an_operator_changes_the_look_without_a_template(renderer: Renderer) -> None:
    look = Look(accent="#ffcc00", logo='Wren "Hall" Press', header="Read slowly.", footer="Made by hand.")
    html, text = bodies(renderer.edition((edition(item()),), (replace(DIGEST, look=look),), sender=SENDER))
    for words_ in ("Wren &#34;Hall&#34; Press", "Read slowly.", "Made by hand."):
        assert words_ in html
    assert text.startswith('Wren "Hall" Press\nThe Morning Papers\n') and "Made by hand." in text
    assert "#ffcc00" in html  # as it is where the ground is dark
    assert f"3px solid {accent('#ffcc00').rule}" in html and accent("#ffcc00").rule != "#ffcc00"


def test_what_has_no_room_is_named_and_the_lowest_ranked_go_first(renderer: Renderer) -> None:
    many = edition(*[item(n, score=n % 100, title=f"{n} " + "w" * 300) for n in range(1, 1500)])
    message = renderer.edition((many,), (DIGEST,), sender=SENDER)
    html, text = bodies(message)
    gone = {position for _, position in message.omitted}
    kept = {one.position for one in many.items} - gone
    assert {key for key, _ in message.omitted} == {many.key}
    assert f"And {len(gone):,} more on the web" in html and f"And {len(gone):,} more on the web" in text
    scores = {one.position: one.score for one in many.items}
    assert min(scores[position] for position in kept) >= max(scores[position] for position in gone)
    printed = {int(found) for found in re.findall(r"^ *\d+ +(\d+)\s+w", text, re.MULTILINE)}
    assert printed == kept


def test_the_page_of_a_mail_lists_what_the_mail_had_no_room_for(renderer: Renderer) -> None:
    html, _ = bodies(renderer.edition((edition(item()),), (DIGEST,), sender=SENDER))
    page = renderer.read_page(html, [item(7, title="<Alpha>"), item(8, url="javascript:x")])
    document = lxml.html.document_fromstring(page)
    whole = html.replace(' role="article"', ' role="main"')
    assert page.startswith(whole.rpartition("</body>")[0]) and page.count('role="main"') == 1
    assert "2 more papers of this edition" in page and not document.xpath("//alpha")
    assert document.xpath("//a[@href='https://arxiv.org/abs/2611.00007']") and "javascript" not in page
    assert renderer.read_page(html, []) == whole


def test_the_same_edition_is_the_same_bytes(renderer: Renderer) -> None:
    one = renderer.edition((edition(item()),), (DIGEST,), sender=SENDER)
    assert one == renderer.edition((edition(item()),), (DIGEST,), sender=SENDER)


def test_a_right_to_left_language_turns_the_page(renderer: Renderer) -> None:
    html, _ = bodies(renderer.edition((edition(item(title="Salt")),), (DIGEST,), sender=SENDER, language="ar"))
    assert html.startswith('<!DOCTYPE html>\n<html lang="ar" dir="rtl">')
    assert '<h2 lang="en" dir="ltr"' in html


def test_without_a_public_url_leaving_is_a_mail(renderer: Renderer) -> None:
    sender = replace(SENDER, public_url="")
    html, text = bodies(renderer.edition((edition(item()),), (DIGEST,), sender=sender))
    assert 'href="mailto:leave@wren.example?subject=unsubscribe%20uuuuuuuuuuuuuuuuuuuuuu"' in html
    assert "mailto:leave@wren.example?subject=unsubscribe%20uuuuuuuuuuuuuuuuuuuuuu" in text
    assert "Read on the web" not in html and "Choose what you get" not in html


def notice(renderer: Renderer, kind: str, sender: Sender = SENDER, **context: object):
    return renderer.notice(kind, sender=sender, digest=DIGEST, language="en", date=SLOT.at, key="k", context=context)


def test_notices_carry_the_headers_their_kind_needs(renderer: Renderer) -> None:
    made = {
        "confirmation": notice(renderer, "confirmation"),
        "welcome": notice(renderer, "welcome", rhythm="every day at 08:00", edition=edition(item())),
        "goodbye": notice(renderer, "goodbye"),
        "bounce": notice(renderer, "bounce", number=3, remote="452 4.2.2 mailbox is full"),
        "alert": notice(renderer, "alert", title="Source broken", lines=("It answered 404.",), advice="look at it"),
    }
    listed = {}
    for kind, message in made.items():
        mail = message_from_bytes(b"".join(stamp(message, VALUES)))
        listed[kind] = [mail[name] is not None for name in ("List-Id", "List-Unsubscribe", "Auto-Submitted")]
    assert listed == {
        "confirmation": [False, False, True],
        "welcome": [True, True, True],
        "goodbye": [False, False, True],
        "bounce": [True, True, True],
        "alert": [False, False, True],
    }


def test_a_confirmation_offers_to_never_mail_again(renderer: Renderer) -> None:
    for body in bodies(notice(renderer, "confirmation")):
        assert "https://wren.example/confirm/cccccccccccccccccccccc" in body
        assert "https://wren.example/never/cccccccccccccccccccccc" in body
        assert "unsubscribe" not in body.lower()


def test_a_confirmation_needs_a_public_url(renderer: Renderer) -> None:
    with pytest.raises(ConfigError, match="public_url"):
        notice(renderer, "confirmation", replace(SENDER, public_url=""))


def test_a_welcome_may_hold_an_edition(renderer: Renderer) -> None:
    html, text = bodies(notice(renderer, "welcome", edition=edition(item())))
    assert "Salt on the Windows, Part 1" in html and "Salt on the Windows, Part 1" in text
    assert "https://wren.example/unsubscribe/uuuuuuuuuuuuuuuuuuuuuu" in html
    bare, _ = bodies(notice(renderer, "welcome"))
    assert "Salt" not in bare and "Welcome" in bare


def test_an_unknown_notice_or_template_name_is_refused(renderer: Renderer) -> None:
    with pytest.raises(TemplateError, match="no notice 'ode'"):
        notice(renderer, "ode")
    with pytest.raises(TemplateError, match="letters, digits"):
        renderer.edition((edition(),), (replace(DIGEST, template="../x"),), sender=SENDER)
    with pytest.raises(TemplateError, match=r"template nothere\.html\.j2 is missing"):
        renderer.edition((edition(),), (replace(DIGEST, template="nothere"),), sender=SENDER)


DAYS = [{"number": 0, "name": "Monday", "chosen": True}, {"number": 1, "name": "Tuesday", "chosen": False}]
WORDS = ("topics", "keywords", "authors", "institutions", "mute-keywords", "mute-authors", "mute-institutions")
LINES = (
    "mute-categories",
    "mute-anything",
    "more",
    "send_at",
    "timezone",
    "max_items",
    "layout",
    "explain",
    "language",
)
PAGES: dict[str, dict[str, object]] = {
    "unsubscribe": {
        "action": "/unsubscribe/t",
        "digests": [{"name": "a", "title": "<Alpha>"}],
        "pause": "/unsubscribe/t/pause",
        "paused": [{"title": "<Alpha>", "until": "Monday"}],
        "first_day": "2026-05-05",
        "last_day": "2027-05-05",
        "until": "<Alpha>",
        "problem": "<Alpha>",
    },
    "unsubscribed": {
        "digests": [{"name": "a", "title": "<Alpha>"}],
        "back": "",
        "join": [{"title": "<Alpha>", "url": "/join/a"}],
    },
    "paused": {"action": "/unsubscribe/t/pause", "digests": [{"title": "<Alpha>", "until": "Monday"}]},
    "resumed": {"digests": [{"name": "a", "title": "<Alpha>"}]},
    "returned": {"digests": [{"name": "a", "title": "<Alpha>"}]},
    "data_ask": {"action": "/data/t", "back": "/preferences/t"},
    "data_sent": {"back": "/preferences/t"},
    "data_erase": {"action": "/mydata/t/erase", "address": "<alpha>@example.org", "back": "/mydata/t"},
    "data": {
        "address": "<alpha>@example.org",
        "since": "2026-05-04",
        "subscriptions": [{"title": "<Alpha>", "lines": [("Keywords", "<alpha>")]}],
        "suppressed": {"why": "you asked so", "since": "2026-05-04", "detail": "<alpha>"},
        "tastes": 2,
        "words": ("<alpha>",),
        "people": ("<alpha>",),
        "bounces": [{"day": "2026-05-04", "what": "<alpha>"}],
        "deeds": [{"day": "2026-05-04", "what": "<alpha>"}],
        "deliveries": [{"day": "2026-05-04", "what": "<Alpha>", "url": "", "end": "not sent", "why": "<alpha>"}],
        "more": 1,
        "days": 90,
        "export": "/mydata/t/export",
        "erase": "/mydata/t/erase",
    },
    "preferences": {
        "action": "/preferences/t",
        "stood": "days=5f3a",
        "title": "<Alpha>",
        "note": "<Alpha> & more",
        "problems": {"form": "<Alpha>", "timezone": "<Alpha>"},
        "labels": dict.fromkeys(("categories", "days", *WORDS, *LINES), "<Alpha>"),
        "texts": dict.fromkeys(WORDS, "<alpha>") | dict.fromkeys(LINES, "1"),
        "rows": dict.fromkeys((*WORDS, *LINES), 2),
        "days": DAYS,
        "zones": ("UTC", "Europe/Zurich"),
        "languages": [{"code": "de", "name": "Deutsch", "chosen": True}],
        "layouts": [{"value": "full", "text": "All", "chosen": False}, {"value": "brief", "text": "-", "chosen": True}],
        "explains": [{"value": "short", "text": "<Alpha>", "chosen": True}],
        "joinings": [],
        "categories": [
            {"code": "cs.CL", "title": "Language", "amounts": [{"value": "2", "text": "more", "chosen": True}]}
        ],
        "today": "2026-05-04",
        "sample": {"when": "Monday", "subject": "<Alpha>", "html": "<alpha>", "reason": ""},
        "said": "/preferences/t/said",
        "data": "/data/t",
        "unsubscribe": "/unsubscribe/t",
    },
    "feedback": {"action": "/feedback/t/1", "title": "<Alpha>", "value": 0, "kept": False},
    "said": {
        "action": "/preferences/t/said",
        "back": "/preferences/t",
        "words": ("<alpha>", "salt"),
        "people": ("Mira Halden",),
        "said": [
            {"id": "arxiv:1", "title": "<Alpha>", "url": "https://a.example/?a=1&b", "value": -1, "day": "2026-05-04"}
        ],
    },
    "saved": {
        "title": "<Alpha>",
        "lines": ["Every day."],
        "listed": [{"label": "Words", "text": "<alpha>"}],
        "back": "/preferences/t",
    },
    "outdated": {"listed": [{"label": "Words", "text": "<alpha>"}], "link": "/link"},
    "confirm": {"action": "/confirm/t", "digests": [{"name": "a", "title": "<Alpha>"}]},
    "never": {"action": "/never/t"},
    "message": {"title": "<Alpha>", "lines": ["Gone & lost."]},
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_need_no_script_and_escape_what_they_show(renderer: Renderer, name: str) -> None:
    page = renderer.page(name, PAGES[name])
    document = lxml.html.document_fromstring(page)
    assert page.startswith("<!DOCTYPE html>")
    assert not document.xpath("//script | //alpha | //img | //link")
    assert len(document.xpath("//h1")) == 1
    assert all(form.get("method") == "post" for form in document.xpath("//form"))


@pytest.mark.parametrize(
    ("value", "buttons"), [(0, ["more", "less"]), (1, ["less", "nothing"]), (-1, ["more", "nothing"])]
)
def test_the_feedback_page_offers_what_was_not_said(renderer: Renderer, value: int, buttons: list[str]) -> None:
    page = renderer.page("feedback", {**PAGES["feedback"], "value": value})
    document = lxml.html.document_fromstring(page)
    assert document.xpath("//button[@name='say']/@value") == buttons


def test_a_paper_has_one_link_for_the_readers_word_unless_only_its_title_is_printed(renderer: Renderer) -> None:
    papers = edition(item(1), item(2), item(3))
    html, text = bodies(renderer.edition((papers,), (DIGEST,), sender=SENDER))
    token = VALUES[Stamp.TASTE]
    for number in (1, 2, 3):
        link = f"https://wren.example/feedback/{token}/{number}"
        assert lxml.html.document_fromstring(html).xpath("//a[@href=$link]/text()", link=link) == [
            "More / less like this"
        ]
        assert text.count(f"\n\nMore / less like this\n{link}\n") == 1
    titles = replace(papers, profile=replace(papers.profile, layout="titles"))
    html, text = bodies(renderer.edition((titles,), (DIGEST,), sender=SENDER))
    assert "/feedback/" not in html + text


def test_the_size_of_a_mail_counts_each_stamp_at_its_length() -> None:
    said_, leave = f"a{mark(Stamp.TASTE)}b", f"a{mark(Stamp.UNSUBSCRIBE)}b"
    assert (size_of(said_, 3), size_of(leave, 3)) == (len(said_) + TOKEN, len(leave) + 3 * SECRET)
    assert (len(VALUES[Stamp.TASTE]), len(VALUES[Stamp.UNSUBSCRIBE]) + 1) == (TOKEN, SECRET)


def test_the_unsubscribe_page_of_a_joined_mail_offers_each_digest(renderer: Renderer) -> None:
    digests = [{"name": "a", "title": "Alpha"}, {"name": "b", "title": "Beta"}]
    context = {**PAGES["unsubscribe"], "action": "/u/t", "digests": digests, "pause": ""}
    document = lxml.html.document_fromstring(renderer.page("unsubscribe", context))
    assert [(b.get("name"), b.get("value")) for b in document.xpath("//button")] == [
        (None, None),
        ("digest", "a"),
        ("digest", "b"),
    ]


def test_the_preferences_page_shows_what_is_set(renderer: Renderer) -> None:
    document = lxml.html.document_fromstring(renderer.page("preferences", PAGES["preferences"]))
    assert document.xpath("//input[@name='days'][@checked]/@value") == ["0"]
    assert document.xpath("//option[@selected]/@value") == ["2", "brief", "de", "short"]
    assert document.xpath("//textarea[@name='topics']/text()") == ["<alpha>"]
    assert not document.xpath("//*[@name='joined']")
