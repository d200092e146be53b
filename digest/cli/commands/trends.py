"""`digest trends`: the last weeks in numbers, day by day; the desk draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows

if TYPE_CHECKING:
    from digest.services.status.trends import Took

_OUTCOMES = ("accepted", "open", "deferred", "rejected", "uncertain", "suppressed", "expired")


@with_door
def trends(
    door: Door,
    days: Annotated[int, typer.Option("--days", metavar="N", help="So many days, today included: 1 to 90.")] = 30,
) -> None:
    """Mails by outcome, readers, new papers and how long things took, day by day."""
    found = door.app.trends.run(days)
    table = [
        (
            one.day,
            *(one.mails[name] or "-" for name in _OUTCOMES),
            one.readers,
            one.joined or "-",
            one.left or "-",
            sum(one.brought.values()) or "-",
            _seconds(one.delivery),
            _seconds(one.fetch),
        )
        for one in found.days
    ]
    head = ("day", *_OUTCOMES, "readers", "joined", "left", "papers", "slot to server", "a look")
    door.show(found, Rows(head, table), "Durations are medians; --json has the 95th percentiles and papers by source.")


def _seconds(took: Took | None) -> str:
    from digest.services.status.pictures import duration

    return duration(took.median) if took else "-"
