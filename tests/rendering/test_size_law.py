"""The size law: whatever an edition holds, its HTML part is at most 98 KB, and no paper is lost over it.

A handful of generated mails runs always. Ten thousand run by name, and tell what they found:
``pytest -m shared -s tests/rendering/test_size_law.py``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context

import lxml.html
import pytest

from digest.model.mail import Message
from digest.rendering import render
from digest.rendering.ladder import LIMIT, MAX_DIGESTS, STEPS, Step, fit
from digest.rendering.language import language_for
from digest.rendering.render import Renderer, default_template_folder
from tests.rendering.generated import Made, address, made, places
from tests.rendering.reading import Sent, sent

QUICK = 48
#: A mail of four digests with some six hundred papers.
CROWDED = 95
MANY = 10_000


def printed(renderer: Renderer, mail: Made) -> Message:
    return renderer.edition(mail.editions, mail.digests, sender=mail.sender, language=mail.language)


def broken_laws(mail: Made, message: Message, arrived: Sent, *, words: bool = True) -> list[str]:
    """What a mail gets wrong."""
    wrong = [] if arrived.size <= LIMIT else [f"{arrived.size} bytes of HTML"]
    wrong += _accounts(mail, message, arrived)
    if lost := arrived.lost_links():
        wrong.append(f"{len(lost)} links are not in the text part: {sorted(lost)[:3]}")
    if words:
        missing, all_ = arrived.lost_words()
        if len(missing) > 0.01 * all_:
            wrong.append(f"{len(missing)} of {all_} words are not in the text part: {sorted(missing)[:8]}")
    return wrong


def _accounts(mail: Made, message: Message, arrived: Sent) -> Iterator[str]:
    """Printed and omitted papers together are the edition's, each once; the omitted ones are the lowest ranked."""
    papers = places(mail)
    omitted = Counter(message.omitted)
    if strange := set(omitted) - set(papers):
        yield f"{len(strange)} papers are omitted that were never in it"
    if twice := [place for place, times in omitted.items() if times > 1]:
        yield f"{len(twice)} papers are omitted twice"
    in_html, in_text = Counter(arrived.links()), Counter(arrived.text.split())
    bad: list[str] = []
    for place, (n, paper) in papers.items():
        url = address(n, paper.position)
        expected = 0 if place in omitted else 1
        if (in_html[url], in_text[url]) != (expected, expected):
            bad.append(f"{url} {in_html[url]}x in HTML, {in_text[url]}x in text, expected {expected}")
    if bad:
        yield f"{len(bad)} of {len(papers)} papers are wrong: {bad[:2]}"
    # Digests beyond the twelfth are the first to go.
    ranks = {place: (paper.score if n < MAX_DIGESTS else -1, n) for place, (n, paper) in papers.items()}
    kept = sorted(rank for place, rank in ranks.items() if place not in omitted)
    # The lead is the best of the first digest, and need not be among the best of a joined mail.
    if lead := max((pair for pair in kept if pair[1] == 0), default=None):
        kept.remove(lead)
    lowest = kept[0][0] if kept else 101
    gone = max((ranks[place][0] for place in omitted if place in ranks), default=-1)
    if gone > lowest:
        yield f"a paper with score {gone} is omitted, one with {lowest} is printed"
    if omitted and mail.sender.public_url:
        number = language_for(mail.language).number(len(message.omitted))
        for name, text in (("HTML", arrived.readable()), ("text", arrived.text)):
            if "".join(number.split()) not in "".join(text.split()):
                yield f"the {name} part does not say that {number} papers are left out"


@pytest.mark.parametrize("number", range(QUICK))
def test_a_generated_mail_keeps_the_size_law_and_loses_nothing(renderer: Renderer, number: int) -> None:
    mail = made(number)
    message = printed(renderer, mail)
    assert broken_laws(mail, message, sent(message)) == []


def test_the_page_of_a_mail_lists_what_it_had_no_room_for(renderer: Renderer) -> None:
    mail = made(CROWDED)
    message = printed(renderer, mail)
    papers = places(mail)
    page = renderer.read_page(sent(message).html, [papers[place][1] for place in message.omitted])
    links = Counter(lxml.html.document_fromstring(page).xpath("//a/@href"))
    assert len(message.omitted) > 100
    assert {links[address(n, paper.position)] for n, paper in papers.values()} == {1}


def test_equal_numbers_make_equal_mails() -> None:
    assert [made(n) for n in (7, 8)] == [made(n) for n in (7, 8)]
    assert made(7) != made(8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one generated mail."""

    number: int
    size: int
    papers: int
    omitted: int
    step: str
    seconds: float
    """Of rendering."""
    wrong: tuple[str, ...]


_renderer = Renderer([default_template_folder()])
_steps: list[Step] = []


def record_steps() -> None:
    """In a process of its own: note the step at which each mail fits."""

    def recording(attempt: Callable[[Step], tuple[tuple[object, ...], int]], papers: int) -> tuple[object, ...]:
        result = fit(attempt, papers)
        _steps.extend(part for part in result if isinstance(part, Step))
        return result

    vars(render)["fit"] = recording


def outcome(number: int) -> Outcome:
    """Print one mail and look at it; the words are compared for each tenth."""
    mail = made(number)
    start = time.process_time()
    message = printed(_renderer, mail)
    seconds = time.process_time() - start
    arrived = sent(message)
    step = _steps.pop()
    return Outcome(
        number=number,
        size=arrived.size,
        papers=sum(len(one.items) for one in mail.editions),
        omitted=len(message.omitted),
        step=f"{STEPS.index(step):02}" if step in STEPS else "fewer papers",
        seconds=seconds,
        wrong=tuple(broken_laws(mail, message, arrived, words=number % 10 == 0)),
    )


@pytest.mark.shared
@pytest.mark.timeout(7200)
def test_ten_thousand_generated_mails_keep_the_size_law() -> None:
    """On every core; tells what it found."""
    start = time.perf_counter()
    outcomes: list[Outcome] = []
    with get_context("fork").Pool(initializer=record_steps) as pool:
        for one in pool.imap_unordered(outcome, range(MANY), chunksize=25):
            outcomes.append(one)
            if len(outcomes) % 1000 == 0:
                print(f"\n{len(outcomes):,} mails in {time.perf_counter() - start:.0f} s", end="", flush=True)
    largest = max(outcomes, key=lambda one: one.size)
    steps = Counter(one.step for one in outcomes)
    print(
        f"\n{MANY:,} mails with {sum(one.papers for one in outcomes):,} papers, "
        f"rendered in {sum(one.seconds for one in outcomes):.0f} s of processor time"
        f"\nlargest HTML part {largest.size:,} of {LIMIT:,} bytes (number {largest.number}); "
        f"{sum(one.size > 90 * 1024 for one in outcomes):,} above 90 KB, "
        f"median {sorted(one.size for one in outcomes)[MANY // 2]:,} bytes"
        f"\n{sum(one.omitted > 0 for one in outcomes):,} mails had no room for "
        f"{sum(one.omitted for one in outcomes):,} papers"
        f"\nsteps of the ladder: {', '.join(f'{name}: {steps[name]:,}' for name in sorted(steps))}"
    )
    wrong = {one.number: one.wrong for one in outcomes if one.wrong}
    assert not wrong, f"{len(wrong)} mails are wrong: {dict(sorted(wrong.items())[:20])}"
