"""What holds when the web is misused or crowded: ``python benchmarks/web.py COMMAND``, figures as JSON.

    scan --mails 1000      every link of so many mails by GET and HEAD, many at once, twice; then one POST a mail
    tokens --number 1000000   forged tokens of all kinds: how many open a door
    bomb --joins 100000    joins for one address from many networks, then 10,000 addresses from one network
    alike --requests 2000  is a known address told from an unknown one by the time of an answer?
    load --seconds 8       requests a second of an archive page, one-click and joining, beside a bare handler
    halves --number 5000   half-open requests: how are others answered meanwhile?

``--database postgresql`` (load) takes a server of its own instead of a file. Exit code 1 where something did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import socket
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from prepared import postgresql
from sqlalchemy import select
from visitors import Seen, Served, Visitor, at_leisure, bare, crowd, get, installation, post, stamp_of

from digest.delivery.catchall import CatchAll
from digest.delivery.tokens import read_return_path
from digest.model.people import SubscriptionState, SuppressionReason
from digest.storage.base import metadata
from tests.acceptance.browser import chromium
from tests.acceptance.scanning import changed, fetch, kind_of, links_of, mail_of, press, rows
from tests.web.forging import forged, given_out

Told = dict[str, object]
_TOGETHER = 20
#: What a POST to each kind of link changes: (body, by table rows that went and that came).
_PRESSES = {
    "unsubscribe": ("List-Unsubscribe=One-Click", {"subscriptions": (1, 1)}),
    "preferences": ("send_at=09:00&timezone=UTC&days=0&layout=titles", {"subscriptions": (1, 1)}),
    "feedback": ("say=less", {"tastes": (0, 1)}),
    "read": ("", {}),
}


def scan(options: argparse.Namespace, folder: Path) -> Told:
    with ExitStack() as end:
        relay = end.enter_context(CatchAll())
        smtp = {"host": relay.host, "port": relay.port, "security": "none", "connections": 4}
        url = f"sqlite:///{folder / 'digest.db'}"
        place = end.enter_context(installation(folder, url, options.mails, smtp=smtp, papers=3))
        place.road.deliver()
        store = place.road.app.store
        links = {one.recipient: links_of(mail_of(one.content), place.base) for one in relay.messages}
        every = [path for paths in links.values() for path in paths]
        before, began = rows(store), time.perf_counter()
        came = fetch(place.port, every)
        seconds = time.perf_counter() - began
        followed = changed(before, rows(store))
        opened = _opened(place, every, options.opened) if options.opened else 0
        seen = changed(before, rows(store))
        wrong = list(_pressed(place, links))
    answers: Counter[str] = Counter()
    for (kind, method, status), count in came.items():
        answers[f"{kind} {method} {status}"] += count
    return {
        "mails": len(links),
        "links": len(every),
        "requests": came.total(),
        "seconds": round(seconds, 1),
        "answers": dict(sorted(answers.items())),
        "rows_changed_by_following": followed,
        "opened_in_chromium": opened,
        "rows_changed_by_opening": seen,
        "posts": len(links),
        "posts_that_changed_something_else": wrong,
        "held": not followed and not seen and not wrong,
    }


def _opened(place: Served, every: list[str], number: int) -> int:
    chosen = random.Random(1).sample(every, min(number, len(every)))
    with chromium() as page:
        for path in chosen:
            page.open(f"{place.base}{path}")
            page.wait(f"document.readyState == 'complete' && location.pathname == {path!r}")
        assert page.complaints == []
    return len(chosen)


def _pressed(place: Served, links: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """One POST a mail, the kinds of links in turn; gives what changed anything but what it should. All rows are
    compared after every few of them, and must differ by the sum of what these should change."""
    store, kinds, people = place.road.app.store, itertools.cycle(_PRESSES), iter(links.items())
    before = rows(store)
    while some := list(itertools.islice(people, _TOGETHER)):
        expected: Counter[tuple[str, int]] = Counter()
        for address, paths in some:
            kind = next(kinds)
            body, changes = _PRESSES[kind]
            status = press(place.port, next(path for path in paths if kind_of(path) == kind), body)
            if status != (405 if kind == "read" else 200):
                yield f"{address} {kind}: {status}"
            expected.update(
                {(name, side): number for name, both in changes.items() for side, number in enumerate(both)}
            )
        after = rows(store)
        seen = changed(before, after)
        if {
            (name, side): number for name, both in seen.items() for side, number in enumerate(both) if number
        } != +expected:
            yield f"{some[0][0]} and those after it: {seen}"
        before = after


def tokens(options: argparse.Namespace, folder: Path) -> Told:
    with installation(folder, f"sqlite:///{folder / 'digest.db'}", 50) as place:
        app, road = place.road.app, place.road
        readers = [app.subscribe.show(f"r{number}@example.org")[0] for number in range(50)]
        with app.store.reading() as tx:
            keys = tx.execute(select(metadata.tables["messages"].c.key)).scalars().all()
        good = given_out(readers, road.now.date().isoformat(), app.admission.new_form(), keys, app.keys)
        doors = {
            "taste": lambda said: app.tastes.asked(said, "1"),
            "path": lambda said: read_return_path(said, app.keys.links),
            "preferences": app.subscribe.preferences_of,
            "confirm": app.subscribe.confirmable,
            "form": app.admission.age_of,
            "secret": app.subscribe.look_up,
            "read": app.preview.stored_html,
        }
        known = all(doors[kind](said) is not None for kind, held in good.held.items() for said in held)
        before, began = rows(app.store), time.perf_counter()
        tried, opened = Counter[str](), Counter[str]()
        for kind, said in forged(good, options.number, seed=options.seed):
            tried[kind] += 1
            opened[kind] += bool(doors[kind](said))
        seconds = round(time.perf_counter() - began, 1)
        same = changed(before, rows(app.store)) == {}
    held = known and same and not opened.total()
    return {"tried": dict(tried), "opened": +opened, "good_ones_open": known, "seconds": seconds, "held": held}


def bomb(options: argparse.Namespace, folder: Path) -> Told:
    with installation(folder, f"sqlite:///{folder / 'digest.db'}", 200) as place:
        stamp = stamp_of(place.port)
        calm = asyncio.run(_beside(place, stamp, iter(()), hands=1, seconds=options.calm))
        one = _victims(stamp, itertools.repeat("victim@example.org", options.joins), networks=options.networks)
        many = _victims(stamp, (f"v{n}@example.org" for n in range(options.addresses)), networks=1)
        from_many = asyncio.run(_beside(place, stamp, one, hands=options.hands))
        from_one = asyncio.run(_beside(place, stamp, many, hands=options.hands))
        time.sleep(3)  # what is asked for is done behind the answers
        with place.road.app.store.reading() as tx:
            table = metadata.tables["deliveries"]
            query = select(table.c.address).where(table.c.kind == "confirmation")
            mails = Counter(tx.execute(query).scalars())
        bombed = {address: count for address, count in mails.items() if address.startswith(("victim", "v"))}
        held = max(mails.values()) == 1 and mails["victim@example.org"] == 1 and len(bombed) <= 21
        return {
            "others_before": calm,
            "one_address_from_many_networks": from_many,
            "many_addresses_from_one_network": from_one,
            "mails_to_the_victim": mails["victim@example.org"],
            "most_mails_to_an_address": max(mails.values()),
            "addresses_written_to_by_the_one_network": len(bombed) - 1,
            "megabytes": round(place.megabytes),
            "held": held,
        }


def _victims(stamp: str, addresses: Iterator[str], *, networks: int) -> Iterator[bytes]:
    for number, address in enumerate(addresses):
        network = f"10.{number % networks // 65_536}.{number % networks // 256 % 256}.{number % networks % 256}"
        yield post("/join/daily", f"email={address}&form={stamp}", network=network)


async def _beside(place: Served, stamp: str, attack: Iterator[bytes], *, hands: int, seconds: float = 0.0) -> Told:
    """An attack, and what ten others a second notice of it."""
    others, attackers, until, number = Seen(), Seen(), asyncio.Event(), itertools.count()
    base = random.randrange(1_000_000)

    def ask() -> tuple[str, bytes]:
        turn = next(number)
        network = f"203.0.{turn // 250 % 250}.{turn % 250}"
        secret = place.road.app.subscribe.show(f"r{turn % 200}@example.org")[0].secret if turn % 4 == 2 else ""
        return (
            ("form", get("/join/daily", network=network)),
            ("archive", get(f"/archive/daily/{place.road.now:%Y-%m-%d}", network=network)),
            ("one-click", post(f"/unsubscribe/{secret}", "List-Unsubscribe=One-Click", network=network)),
            ("join", post("/join/daily", f"email=o{base + turn}@example.com&form={stamp}", network=network)),
        )[turn % 4]

    beside = asyncio.create_task(at_leisure(place.port, ask, others, until))
    cpu = place.cpu
    took = await crowd(place.port, "attack", attack, attackers, hands=hands)
    await asyncio.sleep(seconds)
    until.set()
    await beside
    asked = len(attackers.seconds.get("attack", ()))
    return {
        "others": others.told(),
        **({"attack": attackers.told(), "attacks_a_second": round(asked / took)} if asked else {}),
        "server_cpu_seconds": round(place.cpu - cpu, 1),
    }


def alike(options: argparse.Namespace, folder: Path) -> Told:
    number = options.requests // 2
    with installation(folder, f"sqlite:///{folder / 'digest.db'}", 2 * number) as place:
        app = place.road.app
        for turn in range(number):
            app.subscribe.suppress(f"s{turn}@example.org", SuppressionReason.REQUEST)
            app.subscribe.add(f"p{turn}@example.org", "daily", state=SubscriptionState.PENDING)
        asked = (  # whoever was asked for today is no work any more: so nobody is asked for twice
            ("a reader", "/join/daily", [f"r{turn}@example.org" for turn in range(number)]),
            ("a reader", "/link", [f"r{number + turn}@example.org" for turn in range(number)]),
            ("suppressed", "/join/daily", [f"s{turn}@example.org" for turn in range(number)]),
            ("pending", "/join/daily", [f"p{turn}@example.org" for turn in range(number)]),
        )
        told = {f"{who} {path}": asyncio.run(_told_apart(place, path, addresses)) for who, path, addresses in asked}
    return {**told, "held": all(one["one_answer"] and _is_even(one["answer"]) for one in told.values())}


def _is_even(auc: dict[str, float]) -> bool:
    """Within .47 to .53, or not to be told from it by so few requests."""
    return 0.47 <= auc["auc"] <= 0.53 or auc["from"] <= 0.5 <= auc["to"]


async def _told_apart(place: Served, path: str, addresses: list[str]) -> dict[str, Any]:
    """Asks in turn for one of these and for one that nobody has, in an order that is thrown for each pair; and right
    behind each answer for something else, to see whether the work behind an answer shows."""
    stamp, dice, visitor = stamp_of(place.port, path), random.Random(path + addresses[0]), Visitor(place.port)
    seconds: dict[tuple[str, str], list[float]] = {}
    bodies: set[tuple[int, bytes]] = set()
    for address in addresses:
        pair = [("this", address), ("nobody", f"n{dice.getrandbits(64):x}@example.org")]
        dice.shuffle(pair)
        for name, one in pair:
            network = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
            status, took, body = await visitor.ask(post(path, f"email={one}&form={stamp}", network=network))
            _, after, _ = await visitor.ask(get("/health", network=network))
            bodies.add((status, body))
            seconds.setdefault((name, "answer"), []).append(took)
            seconds.setdefault((name, "probe"), []).append(after)
            await asyncio.sleep(0.02)
    visitor.close()
    return {
        "requests": 2 * len(addresses),
        "one_answer": len(bodies) == 1,
        "answer": _auc(seconds["this", "answer"], seconds["nobody", "answer"]),
        "next_request": _auc(seconds["this", "probe"], seconds["nobody", "probe"]),
    }


def _auc(ones: list[float], others: list[float]) -> dict[str, float]:
    """The area under the ROC curve with its 95 % interval (Hanley and McNeil, Radiology 143, 1982)."""
    ranked = sorted([(value, 1) for value in ones] + [(value, 0) for value in others])
    ranks = sum(rank for rank, (_, is_one) in enumerate(ranked, 1) if is_one)
    n, m = len(ones), len(others)
    area = (ranks - n * (n + 1) / 2) / (n * m)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n - 1) * (first - area**2) + (m - 1) * (second - area**2)
    error = math.sqrt(spread / (n * m))
    return {"auc": round(area, 3), "from": round(area - 1.96 * error, 3), "to": round(area + 1.96 * error, 3)}


def load(options: argparse.Namespace, folder: Path) -> Told:
    with ExitStack() as end:
        url = f"sqlite:///{folder / 'digest.db'}"
        if options.database == "postgresql":
            url = end.enter_context(postgresql()).create()
        place = end.enter_context(installation(folder, url, 1000))
        least = end.enter_context(bare())
        stamp = stamp_of(place.port)
        secrets = [place.road.app.subscribe.show(f"r{n}@example.org")[0].secret for n in range(1000)]
        kinds = {
            "bare": (least, lambda _: get("/page")),
            "bare_post": (least, lambda n: post("/page", "List-Unsubscribe=One-Click")),
            "archive": (place.port, lambda _: get(f"/archive/daily/{place.road.now:%Y-%m-%d}")),
            "one_click": (
                place.port,
                lambda n: post(f"/unsubscribe/{secrets[n % 1000]}", "List-Unsubscribe=One-Click"),
            ),
            "join": (
                place.port,
                lambda n: post(
                    "/join/daily",
                    f"email=j{n}@example.org&form={stamp}",
                    network=f"10.{n // 65_536}.{n // 256 % 256}.{n % 256}",
                ),
            ),
        }
        told: Told = {"database": options.database, "connections": options.hands}
        for name, (port, request) in kinds.items():
            cpu = place.cpu
            figures = asyncio.run(_rate(port, name, request, options.seconds, options.hands))
            told[name] = {**figures, **({"server_cpu": round(place.cpu - cpu, 1)} if port == place.port else {})}
        told["megabytes"] = round(place.megabytes)
    return told


async def _rate(port: int, name: str, request: object, seconds: float, hands: int) -> Told:
    seen, ends = Seen(), time.perf_counter() + seconds
    assert callable(request)
    numbers = itertools.takewhile(lambda _: time.perf_counter() < ends, itertools.count())
    took = await crowd(port, name, (request(n) for n in numbers), seen, hands=hands)
    times = seen.seconds[name]
    return {"a_second": round(len(times) / took), **seen.told()}


def halves(options: argparse.Namespace, folder: Path) -> Told:
    with installation(folder, f"sqlite:///{folder / 'digest.db'}", 10) as place:
        return asyncio.run(_halves(place, options.number, options.seconds))


async def _halves(place: Served, number: int, seconds: float) -> Told:
    others, until = Seen(), asyncio.Event()
    beside = asyncio.create_task(at_leisure(place.port, lambda: ("health", get("/health")), others, until))
    opened = await asyncio.to_thread(_attacked, place.port, number, seconds)
    until.set()
    await beside
    return {
        "half_open_requests": opened,
        "others": others.told(),
        "megabytes": round(place.megabytes),
        "held": set(others.statuses) == {"health 200"},
    }


def _attacked(port: int, number: int, seconds: float) -> int:
    """Holds as many half-open requests as one process may have sockets, a new one for each that was closed; gives how
    many it began."""
    begun = (b"", b"GET /x", b"POST /link HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na=", b"GET / HTTP/1.1\r\nX: ")
    lines, opened, ends = deque[socket.socket](), 0, time.perf_counter() + seconds
    while opened < number or time.perf_counter() < ends:
        with suppress(OSError):
            line = socket.create_connection(("127.0.0.1", port), timeout=5)
            lines.append(line)
            line.send(begun[opened % len(begun)])
        opened += 1
        if len(lines) > 900:
            lines.popleft().close()
    for line in lines:
        line.close()
    return opened


COMMANDS = {"scan": scan, "tokens": tokens, "bomb": bomb, "alike": alike, "load": load, "halves": halves}


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("command", choices=COMMANDS)
    given.add_argument("--mails", type=int, default=1000)
    given.add_argument("--opened", type=int, default=0, help="links that Chromium opens (scan)")
    given.add_argument("--number", type=int, default=0)
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--joins", type=int, default=100_000)
    given.add_argument("--addresses", type=int, default=10_000)
    given.add_argument("--networks", type=int, default=10_000)
    given.add_argument("--requests", type=int, default=2000)
    given.add_argument("--seconds", type=float, default=8.0)
    given.add_argument("--calm", type=float, default=15.0)
    given.add_argument("--hands", type=int, default=16, help="connections that ask at once")
    given.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = given.parse_args()
    options.number = options.number or {"tokens": 1_000_000, "halves": 5000}.get(options.command, 0)
    with tempfile.TemporaryDirectory() as name:
        told = COMMANDS[options.command](options, Path(name))
    print(json.dumps(told, indent=1))
    return 0 if told.get("held", True) else 1


if __name__ == "__main__":
    sys.exit(main())
