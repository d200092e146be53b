"""One reader: settings, mails, what came back, why there was or was no mail; and what an operator may do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.model.editions import Digest
from digest.model.errors import DigestError, InputError
from digest.model.people import LANGUAGE_NAMES, Subscription, SubscriptionState
from digest.services.readers.admission import Asked
from digest.services.readers.pausing import read_day
from digest.services.readers.people_csv import REASONS
from digest.services.readers.roster import Person
from digest.services.readers.subscribe import Choices, normal_address
from digest.services.sending.ledger import Which
from digest.web.desk.door import Desk, Visit, told
from digest.web.desk.subscribers import ASKED
from digest.web.desk.suppressions import MOST_DETAIL, reason_of
from digest.web.desk.typed import DAYS, number, pasted, row, shown, weekdays

_SHOWN_MAILS = 30


def routes(desk: Desk) -> list[Route]:
    base = "/desk/subscribers/{id}"
    return [
        desk.get(base, _show),
        desk.post(f"{base}/settings", _settle),
        desk.post(f"{base}/pause", _pause),
        desk.post(f"{base}/resume", _resume),
        desk.post(f"{base}/read", _read),
        desk.post(f"{base}/leave", _leave),
        desk.post(f"{base}/remind", _remind),
        desk.post(f"{base}/suppress", _suppress),
        desk.post(f"{base}/lift", _lift),
        desk.post(f"{base}/erase", _erase),
    ]


async def _show(visit: Visit) -> Response:
    context = await run_in_threadpool(_known, visit)
    return await visit.page("subscriber", context)


def _known(visit: Visit) -> Mapping[str, object]:
    app = visit.app
    person = _person(visit)
    who, address = person.subscriber.id, person.subscriber.address
    theirs = Which(address=address)
    digests = {one.name: one for one in app.config.digests}
    said = app.tastes.export(who)["tastes"]
    words, people = app.tastes.leanings(who)
    return {
        "person": person,
        "links": [_link(app, one, digests.get(one.digest)) for one in person.links],
        "listed": app.subscribe.suppressed([address]).get(address) if person.suppressed else None,
        "mails": app.ledger.listing(theirs, limit=_SHOWN_MAILS, newest=True),
        "number": sum(app.ledger.count(theirs).values()),
        "bounces": app.feedback.history(address),
        "liked": sum(one["value"] > 0 for one in said),
        "disliked": sum(one["value"] < 0 for one in said),
        "words": words,
        "people": people,
        "ways": app.admission.links(address) if person.links and app.admission.public_url else (),
        "others": [one for one in digests.values() if not _reads(person, one.name)],
        "languages": LANGUAGE_NAMES,
        "weekdays": DAYS,
        "reasons": REASONS,
        "digests": list(digests.values()),
        "why": _why(visit, person),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Why:
    """The answer about one day, or what was wrong with the question."""

    digest: str
    on: str
    sentences: Sequence[str]
    sources: Sequence[str] = ()
    problem: str = ""


def _why(visit: Visit, person: Person) -> _Why | None:
    """Why there was a mail on a day, or none; where it was asked."""
    name, on = visit.query.get("digest", ""), visit.query.get("on", "")[:40]
    digest = next((one for one in visit.app.config.digests if one.name == name), None)
    if digest is None:
        return None
    try:
        found = visit.app.silence.run(digest, address=person.subscriber.address, on=on)
    except DigestError as error:
        return _Why(digest=name, on=on, sentences=(), problem=" ".join(told(error)))
    sources = [one.sentence for one in found.sources]
    return _Why(digest=name, on=found.on.isoformat(), sentences=found.sentences, sources=sources)


def _link(app: App, one: Subscription, digest: Digest | None) -> Mapping[str, object]:
    """A subscription as it is shown and changed. ``digest`` is None for one that is gone from the configuration."""
    usual = digest.schedule if digest is not None else None
    paused = digest is not None and one.is_paused(app.subscribe.today_of(one))
    return {
        "one": one,
        "title": digest.title if digest is not None else one.digest,
        "is_known": digest is not None,
        "reads": one.state is SubscriptionState.CONFIRMED,
        "paused": one.paused_until if paused else None,
        "settings": [
            ("Language", one.language, digest.profile.language if digest else ""),
            ("Hour", f"{one.send_at:%H:%M}" if one.send_at else "", f"{usual.send_at:%H:%M}" if usual else ""),
            ("Time zone", one.timezone, usual.timezone if usual else ""),
            ("Days", weekdays(one.days) if one.days else "", weekdays(usual.days) if usual else ""),
        ],
        "send_at": f"{one.send_at:%H:%M}" if one.send_at else "",
        "profile": shown(one.preferences),
    }


async def _settle(visit: Visit) -> Response:
    fields = visit.form
    choices = Choices(
        language=visit.said("language"),
        timezone=visit.said("timezone"),
        send_at=visit.said("send_at")[:5],
        days=tuple(sorted({day for text in fields.get("day", []) if (day := number(text)) is not None and day < 7})),
        preferences=pasted(visit.said("profile")),
        joined={"yes": True, "no": False}.get(visit.said("joined")),
    )

    def settle() -> Subscription:
        return visit.app.subscribe.choose(_mine(visit), choices)

    changed = await run_in_threadpool(settle)
    await visit.note("change subscription", _about(visit), changed.digest)
    return _back(visit, f"{changed.digest} comes so from now on.")


async def _pause(visit: Visit) -> Response:
    def pause() -> Subscription:
        one = _mine(visit)
        subscribe = visit.app.subscribe
        return subscribe.pause(one, read_day(visit.said("until"), subscribe.today_of(one)))

    paused = await run_in_threadpool(pause)
    await visit.note("pause subscription", _about(visit), f"{paused.digest} until {paused.paused_until}")
    return _back(visit, f"{paused.digest} is paused until {paused.paused_until}.")


async def _resume(visit: Visit) -> Response:
    resumed = await run_in_threadpool(lambda: visit.app.subscribe.resume(_mine(visit)))
    await visit.note("resume subscription", _about(visit), resumed.digest)
    return _back(visit, f"{resumed.digest} comes again.")


async def _read(visit: Visit) -> Response:
    """Another digest, or one that was left: at the operator's word, or by a mail that asks."""
    digest = visit.said("digest")
    address = (await run_in_threadpool(_person, visit)).subscriber.address
    if visit.said("how") == "ask":
        asked = Asked(address=address, digest=digest)
        outcome = (await run_in_threadpool(visit.app.admission.join, asked)).outcome.value
        await visit.note("ask", _about(visit), f"{digest}: {outcome}")
        return _back(visit, ASKED[outcome])
    await run_in_threadpool(visit.app.subscribe.add, address, digest)
    await visit.note("add subscription", _about(visit), digest)
    return _back(visit, f"Reads {digest} from now on.")


async def _leave(visit: Visit) -> Response:
    digest, tells = visit.said("digest"), bool(visit.said("tell"))
    address = (await run_in_threadpool(_person, visit)).subscriber.address
    end = visit.app.goodbye.remove if tells else visit.app.subscribe.leave
    ended = await run_in_threadpool(end, address, digest or None)
    await visit.note("end subscription", _about(visit), f"{digest or 'all'}: {ended} ended{', told' if tells else ''}")
    return _back(visit, "1 subscription ended." if ended == 1 else f"{ended} subscriptions ended.")


async def _remind(visit: Visit) -> Response:
    address = (await run_in_threadpool(_person, visit)).subscriber.address
    outcome = (await run_in_threadpool(visit.app.admission.remind, Asked(address=address, digest=""))).outcome.value
    await visit.note("mail links", _about(visit), outcome)
    said = {
        "planned": "A mail with the links is planned.",
        "repeated": "Nothing is sent: it had such a mail within a day.",
    }
    return _back(visit, said.get(outcome, "Nothing is sent: it reads nothing now, or must not be written to."))


async def _suppress(visit: Visit) -> Response:
    address = (await run_in_threadpool(_person, visit)).subscriber.address
    reason, detail = reason_of(visit), visit.said("detail")[:MOST_DETAIL]
    new = await run_in_threadpool(visit.app.subscribe.suppress, address, reason, detail)
    await visit.note("suppress", _about(visit), reason.value)
    return _back(visit, "Nothing is sent there any more." if new else "It was on the list already.")


async def _lift(visit: Visit) -> Response:
    address = (await run_in_threadpool(_person, visit)).subscriber.address
    lifted = await run_in_threadpool(visit.app.subscribe.lift, address)
    await visit.note("lift suppression", _about(visit))
    return _back(visit, "It may be written to again." if lifted else "It was not on the list.")


async def _erase(visit: Visit) -> Response:
    """For good, so the address is typed: a slip of the hand erases nobody."""
    address = (await run_in_threadpool(_person, visit)).subscriber.address
    if normal_address(visit.said("typed")) != address:
        raise InputError("what was typed is another address, so nobody was erased", try_="type the reader's own")
    await run_in_threadpool(visit.app.subscribe.erase, address)
    await visit.note("erase subscriber", _about(visit))
    return visit.back("/desk/subscribers", f"Subscriber {_id(visit)} was erased.")


def _person(visit: Visit) -> Person:
    return visit.app.roster.get(_id(visit))


def _id(visit: Visit) -> int:
    return row(visit.path["id"], "subscriber")


def _mine(visit: Visit) -> Subscription:
    """The subscription that a form is about. Raises NotFound and InputError."""
    name = visit.said("digest")
    found = next((one for one in _person(visit).links if one.digest == name), None)
    if found is None:
        raise InputError("is not read by this subscriber", where=name[:200], try_="go back and load the page again")
    return found


def _reads(person: Person, digest: str) -> bool:
    return any(one.digest == digest and one.state is SubscriptionState.CONFIRMED for one in person.links)


def _about(visit: Visit) -> str:
    return f"subscriber {_id(visit)}"


def _back(visit: Visit, done: str) -> Response:
    return visit.back(f"/desk/subscribers/{_id(visit)}", done)
