"""`digest preview`: the next edition as somebody gets it; nothing is recorded and nothing sent."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import At, Door, Named, reader_address, with_door
from digest.cli.terminal import slot

if TYPE_CHECKING:
    from digest.services.preview import Previewed


@with_door
def preview(
    door: Door,
    digest: Named = None,
    reader: Annotated[
        str, typer.Option("--for", metavar="ADDRESS", help="As this reader gets it.", show_default=False)
    ] = "",
    at: At = "",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where edition.html, .txt and .eml are written.")] = Path(
        "preview"
    ),
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Show it live while templates are edited.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="For --serve; 0 is any free one.")] = 0,
) -> None:
    """Print the next edition without recording or sending anything."""
    from digest.services.documents import document, proof

    chosen = door.config.digest(digest)
    address = reader_address(reader)
    if serve:
        from digest.cli.live import serve as serve_live

        serve_live(door, chosen, address=address, at=at, port=port, browser=open_)
        return
    shown = door.app.preview.run(chosen, address=address, at=at)
    if shown.mail is None:
        door.show(
            document(shown) | {"files": None},
            f"{chosen.title}, {slot(shown.slot.key)}: no mail. {shown.reason}",
            *_notes(shown),
        )
        return
    mail = proof(shown.mail)
    out.mkdir(parents=True, exist_ok=True)
    files = {
        name: (out / f"edition.{ending}").absolute()
        for name, ending in (("html", "html"), ("text", "txt"), ("eml", "eml"))
    }
    files["html"].write_text(mail.html, encoding="utf-8")
    files["text"].write_text(mail.text, encoding="utf-8")
    files["eml"].write_bytes(mail.eml)
    assert shown.edition is not None and shown.message is not None  # there is a mail
    counts = shown.edition.counts
    door.show(
        document(shown) | {"files": {name: str(path) for name, path in files.items()}},
        f"{chosen.title}, {slot(shown.slot.key)}" + (f" for {address}" if address else ""),
        f"Subject: {shown.message.subject}",
        f"{counts.printed} of {counts.candidates} new papers; {counts.already_sent} sent before, {counts.muted} muted.",
        *([shown.reason] if shown.reason else []),
        *_notes(shown),
        *(str(path) for path in files.values()),
    )
    if open_:
        webbrowser.open(files["html"].as_uri())


def _notes(shown: Previewed) -> list[str]:
    return [f"  {note}" for note in shown.edition.notes] if shown.edition else []
