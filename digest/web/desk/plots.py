"""The last weeks in pictures, each with its numbers as a table: `digest trends`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.services.status.pictures import Picture, pictures
from digest.services.status.trends import Trend
from digest.web.desk.door import Desk, Visit
from digest.web.desk.fresh import Fresh

#: The numbers, their pictures, and what to install for those.
Drawn = tuple[Trend, tuple[Picture, ...], str]
#: Of how many days pictures are shown.
SPANS = (7, 30, 90)


def routes(desk: Desk) -> list[Route]:
    return [desk.get("/desk/plots", _Plots().show)]


class _Plots:
    def __init__(self) -> None:
        # Millions of mails are counted within a second; nobody needs that anew at every look.
        self.drawn: dict[int, Fresh[Drawn]] = {
            days: Fresh(partial(_drawn, days=days), new_for=timedelta(minutes=1), shown_for=timedelta(hours=1))
            for days in SPANS
        }

    async def show(self, visit: Visit) -> Response:
        asked = visit.query.get("days", "")
        days = next((span for span in SPANS if str(span) == asked), 30)
        (trend, drawn, remark), again = await self.drawn[days].get(visit.app)
        context = {"days": days, "spans": SPANS, "at": trend.at, "pictures": drawn, "remark": remark}
        response = await visit.page("plots", context)
        response.background = again
        return response


def _drawn(app: App, days: int) -> Drawn:
    trend = app.trends.run(days)
    return trend, *pictures(trend)
