"""What rendering costs, as ratios of one run: ``python benchmarks/render.py [ROUNDS]``.

One edition of thirty papers, rendered again and again: with its templates inlined once, and with every mail inlined, by
premailer and by css-inline. Each round measures all of them, one behind the other, so that they meet the same machine;
the median counts, and the least tells what an idle machine would do. Beside it, encoding both parts as a mail, editions
of papers that were never printed before, five papers, and stamping a recipient.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from datetime import time as clock
from itertools import count
from typing import Any

from digest.model.editions import Counts, Digest, Edition, EditionId, Item, Part, Schedule, Section, Slot
from digest.model.feeds import EntryId, WorkId
from digest.model.mail import Message, Sender, Stamp
from digest.model.people import Profile
from digest.rendering import render as render_module
from digest.rendering.inline import inline_document
from digest.rendering.language import Language
from digest.rendering.library import Library
from digest.rendering.message import encode, fill, parts, segments, stamp
from digest.rendering.render import Renderer, default_template_folder

SENDER = Sender(
    from_name="Papers", from_address="papers@wren.example", unsubscribe_address="leave@wren.example",
    public_url="https://wren.example",
)  # fmt: skip
DIGEST = Digest(
    name="morning", title="The Morning Papers", list_id="morning.wren.example",
    schedule=Schedule(send_at=clock(8), timezone="UTC"),
)  # fmt: skip
VALUES = dict.fromkeys(Stamp, "t" * 22)


class InliningEach(Library):
    """Templates as they are written, each mail's styles put on after rendering it."""

    def mail(self, name: str, context: Mapping[str, object], language: Language) -> str:
        written = self.page(name, context, language)
        return inline_document(written, self._inliner) if name.endswith(".html.j2") else written


def inlining_each(inliner: str) -> Renderer:
    renderer = Renderer([default_template_folder()])
    renderer._library = InliningEach([default_template_folder()], inliner)
    return renderer


def edition(papers: int, day: int = 0) -> Edition:
    """An edition of papers with abstracts of about 1,300 characters; another ``day`` has other papers."""
    items = tuple(
        Item(
            position=n, entry_id=EntryId(n), work=WorkId(f"arxiv:2611.{day:02d}{n:03d}"),
            title=f"Salt on the Windows, Part {n} of Day {day}", url=f"https://arxiv.org/abs/2611.{n:05d}",
            abstract=f"On day {day} we counted {n}. " + "Tides leave salt on every window of the room. " * 28,
            authors=("Mira Halden", "Wen Li", "Oda Berg", "Tom Vega"), institutions=("Wren Hall",), category="cs.CL",
            published_at=datetime(2026, 11, 20, tzinfo=UTC), score=90, upvotes=64, comments=9, arxiv_id=f"2611.{n:05d}",
            parts=(Part(key="trend", points=90, figures={"votes": 64, "hours": 9.0, "expected": 120.0}),),
        )
        for n in range(1, papers + 1)
    )  # fmt: skip
    slot = Slot(digest="morning", local_date=date(2026, 11, 20), at=datetime(2026, 11, 20, 8, tzinfo=UTC))
    section = Section(category="cs.CL", title="Computation and Language", items=items, new=83)
    return Edition(
        id=EditionId(1), slot=slot, profile=Profile(), history_key="", composed_at=slot.at, sections=(section,),
        counts=Counts(candidates=214, printed=papers),
    )  # fmt: skip


def measured(acts: Mapping[str, Callable[[], object]], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Processor milliseconds of each: the median of all rounds, and the least."""
    taken: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            start = time.process_time()
            act()
            taken[name].append(time.process_time() - start)
    medians = {name: 1000 * statistics.median(times) for name, times in taken.items()}
    return medians, {name: 1000 * min(times) for name, times in taken.items()}


def encoding(renderer: Renderer, one: Edition) -> Callable[[], object]:
    """The last step of rendering ``one`` alone: both parts, ready, become a mail."""
    given: dict[str, Any] = {}

    def noting(**arguments: Any) -> Message:
        given.update(arguments)
        return encode(**arguments)

    vars(render_module)["encode"] = noting
    renderer.edition((one,), (DIGEST,), sender=SENDER)
    vars(render_module)["encode"] = encode
    return lambda: encode(**given)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    once, premailer, css_inline = (
        Renderer([default_template_folder()]), inlining_each("premailer"), inlining_each("css-inline"),
    )  # fmt: skip
    thirty, five, days = edition(30), edition(5), count(1)

    def render(renderer: Renderer, one: Edition) -> Callable[[], object]:
        return lambda: renderer.edition((one,), (DIGEST,), sender=SENDER)

    start = time.process_time()
    message = once.edition((thirty,), (DIGEST,), sender=SENDER)
    first = 1000 * (time.process_time() - start)
    html, _ = parts(b"".join(stamp(message, VALUES)))
    cut = segments(message)
    few = {
        "inlined once": render(once, thirty),
        "css-inline each": render(css_inline, thirty),
        "premailer each": render(premailer, thirty),
    }
    beside = {
        "warm": render(once, thirty),
        "encoding": encoding(once, thirty),
        "five": render(once, five),
        "new papers": lambda: once.edition((edition(30, next(days)),), (DIGEST,), sender=SENDER),
        "making the edition": lambda: edition(30, 0),
        "1000 stamps": lambda: [fill(cut, VALUES) for _ in range(1000)],
    }
    for act in (*few.values(), *beside.values()):
        act()
    compared, _ = measured(few, max(5, rounds // 10))
    found, least = measured(beside, rounds)
    warm = found["warm"]
    print(
        json.dumps(
            {
                "milliseconds_warm_30_rendered": round(warm - found["encoding"], 2),
                "milliseconds_warm_30_rendered_undisturbed": round(least["warm"] - least["encoding"], 2),
                "milliseconds_warm_30_encoded": round(found["encoding"], 2),
                "milliseconds_30_new_papers": round(found["new papers"] - found["making the edition"], 2),
                "milliseconds_warm_5": round(found["five"], 2),
                "milliseconds_first": round(first),
                "premailer_each_mail_per_inlined_once": round(compared["premailer each"] / compared["inlined once"], 1),
                "css_inline_each_mail_per_inlined_once": round(
                    compared["css-inline each"] / compared["inlined once"], 1
                ),
                "stamp_microseconds": round(found["1000 stamps"], 2),
                "stamps_per_warm_render": round(1000 * warm / found["1000 stamps"]),
                "html_bytes_30": len(html.encode()),
                "stamps_a_message": len(message.stamps),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
