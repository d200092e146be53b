"""Services of who reads: joining, choosing, leaving, and what is kept of each person."""

from __future__ import annotations

from digest.app.parts import Parts
from digest.app.profiles import profile_of
from digest.services.publishing.welcome import Welcome
from digest.services.readers.admission import Admission
from digest.services.readers.goodbye import Goodbye
from digest.services.readers.mydata import MyData
from digest.services.readers.subscribe import Subscribe
from digest.services.readers.taste import Tastes


def subscribe(parts: Parts) -> Subscribe:
    return Subscribe(
        store=parts.store,
        digests=parts.config.digests,
        keys=parts.keys,
        profile_of=profile_of,
        new_secret=parts.new_secret,
        clock=parts.clock,
    )


def admission(parts: Parts) -> Admission:
    return Admission(
        store=parts.store,
        digests=parts.config.digests,
        keys=parts.keys,
        print_letter=parts.print_letter,
        new_secret=parts.new_secret,
        public_url=parts.config.sender.public_url,
        most_an_hour=parts.config.web.joins_per_hour,
        clock=parts.clock,
    )


def welcome(parts: Parts) -> Welcome:
    return Welcome(
        store=parts.store,
        digests=parts.config.digests,
        keys=parts.keys,
        print_letter=parts.print_letter,
        has_public_url=parts.has_public_url,
        clock=parts.clock,
    )


def goodbye(parts: Parts) -> Goodbye:
    return Goodbye(
        store=parts.store,
        digests=parts.config.digests,
        key=parts.keys.lasting,
        print_letter=parts.print_letter,
        clock=parts.clock,
    )


def mydata(parts: Parts, subscribe: Subscribe, tastes: Tastes) -> MyData:
    return MyData(
        store=parts.store,
        digests=parts.config.digests,
        keys=parts.keys,
        leanings=tastes.leanings,
        erase_address=subscribe.erase,
        print_letter=parts.print_letter,
        public_url=parts.config.sender.public_url,
        clock=parts.clock,
    )
