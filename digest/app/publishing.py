"""Services of what is printed: ranked, composed, explained. A worker that publishes needs one of them, and imports no
other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from digest.app.holders import dead_holders
from digest.app.parts import Parts
from digest.app.profiles import profile_of
from digest.services.publishing.publish import Publish
from digest.storage import workers

if TYPE_CHECKING:
    from digest.services.publishing.explain import Explain
    from digest.services.publishing.preview import Preview
    from digest.services.publishing.silence import Silence
    from digest.services.readers.taste import Tastes


def publish(parts: Parts) -> Publish:
    return Publish(
        store=parts.store,
        digests=parts.config.digests,
        prepare=parts.prepare,
        print_edition=parts.print_edition,
        profile_of=profile_of,
        key=parts.keys.lasting,
        holder=parts.holder,
        dead=lambda holders: _gone(parts, holders),
        has_public_url=parts.has_public_url,
        clock=parts.clock,
        wake=parts.wake,
    )


def _gone(parts: Parts, holders: Sequence[str]) -> list[str]:
    """Lease holders that are dead on this machine, or workers anywhere that fell silent."""
    with parts.store.reading() as tx:
        silent = workers.silent(tx, parts.clock(), holders)
    return [*dead_holders(holders), *silent]


def preview(parts: Parts) -> Preview:
    from digest.services.publishing.preview import Preview

    return Preview(
        store=parts.store,
        digests=parts.config.digests,
        prepare=parts.prepare,
        print_edition=parts.print_edition,
        profile_of=profile_of,
        has_public_url=parts.has_public_url,
        read_page=parts.renderer.read_page,
        clock=parts.clock,
    )


def explain(parts: Parts) -> Explain:
    from digest.services.publishing.explain import Explain

    return Explain(store=parts.store, prepare=parts.prepare, profile_of=profile_of, clock=parts.clock)


def silence(parts: Parts) -> Silence:
    from digest.services.publishing.silence import Silence

    return Silence(
        store=parts.store,
        configured=parts.config.sources,
        prepare=parts.prepare,
        profile_of=profile_of,
        clock=parts.clock,
    )


def tastes(parts: Parts) -> Tastes:
    from digest.app.ranking import leanings
    from digest.services.readers.taste import Tastes

    return Tastes(store=parts.store, keys=parts.keys, lean=leanings, clock=parts.clock)
