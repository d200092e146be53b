"""Several digests in one mail, for a reader who wishes so: which ones, and what each leaves to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from digest.model.editions import Digest, Edition
from digest.model.feeds import EntryId
from digest.model.people import Subscription
from digest.services.publishing.composing import Composer, Wanted

#: So many digests in one mail: its List-Unsubscribe names the secret of each, on a line that may not be folded and must
#: stay within 998 bytes (RFC 5322). More go out as further mails.
MOST_JOINED = 20


def one_mail(
    digests: Sequence[Digest],
    reader: Subscription,
    wanted: Wanted,
    others: Sequence[Subscription],
    want: Callable[[Digest, Subscription], Wanted | None],
) -> list[tuple[Subscription, Wanted]]:
    """An edition and those of the reader's other digests that share its instant and so its mail, as configured."""
    together = [(reader, wanted)]
    for other in others:
        also = next((d for d in digests if d.name == other.digest and d.name != wanted.digest.name), None)
        if also is None or other.state != reader.state:
            continue
        theirs = want(also, other)
        if theirs is not None and theirs.slot.at == wanted.slot.at:
            together.append((other, theirs))
    order = [digest.name for digest in digests]
    together.sort(key=lambda pair: order.index(pair[1].digest.name))
    first = next(at for at, (other, _) in enumerate(together) if other is reader) // MOST_JOINED * MOST_JOINED
    return together[first : first + MOST_JOINED]


def composer_base(composer: Composer, wanted: Sequence[Wanted], sent: frozenset[EntryId]) -> frozenset[EntryId]:
    """All of a reader's history that matters to these editions."""
    base: frozenset[EntryId] = frozenset()
    for one in wanted:
        base |= composer.relevant(one, sent)
    return base


def compose_chain(composer: Composer, wanted: Sequence[Wanted], sent: frozenset[EntryId]) -> list[Edition]:
    """Several digests of one instant: each leaves out what the ones before it print.

    What was frozen for others with this profile and history is taken as it is: a joined mail must print what its
    editions say.
    """
    chain: list[Edition] = []
    for one in wanted:
        edition = composer.frozen(composer.edition(one, sent))
        sent |= {item.entry_id for item in edition.items}
        chain.append(edition)
    return chain
