"""What rendering costs, as counts and ratios of one run: ``python benchmarks/render.py``.

Inlining once against inlining each mail, one render against a thousand stamps, bytes a paper.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as clock

from digest.model.editions import Counts, Digest, Edition, EditionId, Item, Part, Schedule, Section, Slot
from digest.model.feeds import EntryId, WorkId
from digest.model.mail import Sender, Stamp
from digest.model.people import Profile
from digest.rendering.inline import inline_document
from digest.rendering.message import fill, parts, segments, stamp
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


def edition(papers: int) -> Edition:
    """An edition of papers with abstracts of about 1,300 characters."""
    items = tuple(
        Item(
            position=n, entry_id=EntryId(n), work=WorkId(f"arxiv:2611.{n:05d}"), title=f"Salt on the Windows, Part {n}",
            url=f"https://arxiv.org/abs/2611.{n:05d}", abstract="Tides leave salt on every window of the room. " * 28,
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


def seconds(act: Callable[[], object], times: int) -> float:
    """Processor time of one call, the best of three rounds."""
    rounds: list[float] = []
    for _ in range(3):
        start = time.process_time()
        for _ in range(times):
            act()
        rounds.append((time.process_time() - start) / times)
    return min(rounds)


def main() -> None:
    renderer = Renderer([default_template_folder()])

    def render(papers: int) -> Callable[[], object]:
        one = edition(papers)
        return lambda: renderer.edition((one,), (DIGEST,), sender=SENDER, language="en")

    seconds_of_first = time.process_time()
    render(30)()
    seconds_of_first = time.process_time() - seconds_of_first
    message = renderer.edition((edition(30),), (DIGEST,), sender=SENDER, language="en")
    html, _ = parts(b"".join(stamp(message, VALUES)))
    cut = segments(message)
    warm, stamped = seconds(render(30), 5), seconds(lambda: fill(cut, VALUES), 5_000)
    print(
        json.dumps(
            {
                "first_render_per_warm_render": round(seconds_of_first / warm, 1),
                "inlining_the_mail_per_warm_render": round(seconds(lambda: inline_document(html), 2) / warm, 1),
                "warm_render_30_per_5": round(warm / seconds(render(5), 10), 1),
                "stamps_per_warm_render": round(warm / stamped),
                "warm_render_milliseconds": round(1000 * warm, 2),
                "stamp_microseconds": round(1e6 * stamped, 2),
                "html_bytes_30": len(html.encode()),
                "html_bytes_a_paper_beside_its_text": round((len(html.encode()) - 30 * 1_300) / 30),
                "stamps_a_message": len(message.stamps),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
