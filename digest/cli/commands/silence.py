"""`digest silence`: why there was no mail on a day, or little in it."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.door import Door, Named, digest_of, reader_address, with_door


@with_door
def silence(
    door: Door,
    digest: Named = None,
    on: Annotated[str, typer.Option("--on", metavar="DATE", help="On this day.", show_default="today")] = "",
    reader: Annotated[str, typer.Option("--for", metavar="ADDRESS", help="For this reader.", show_default=False)] = "",
) -> None:
    """Why there was no mail on a day, or little in it, source by source."""
    address = reader_address(reader)
    door.app.sources.known()
    found = door.app.silence.run(digest_of(door, digest, address), address=address, on=on)
    door.show(found, *found.sentences, *(f"  {one.sentence}" for one in found.sources))
