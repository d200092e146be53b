"""`digest preview`: the next edition as somebody gets it; nothing is recorded and nothing sent."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.door import At, Door, Named, digest_of, reader_address, with_door
from digest.cli.terminal import slot
from digest.model.errors import UsageError


@with_door
def preview(
    door: Door,
    digest: Named = None,
    reader: Annotated[
        str, typer.Option("--for", metavar="ADDRESS", help="As this reader gets it.", show_default=False)
    ] = "",
    at: At = "",
    profile: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="As the wishes in this file; several with --serve.", show_default=False),
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="CODE", help="In this language: en, de, fr, es, zh, ar.", show_default=False)
    ] = "",
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="In this layout: full, brief, catalogue, titles.", show_default=False)
    ] = "",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where edition.html, .txt and .eml are written.")] = Path(
        "preview"
    ),
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it in the browser as mail programs do, while templates are edited.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="For --serve; 0 is any free one.")] = 0,
) -> None:
    """Print the next edition without recording or sending anything."""
    from digest.cli.workbench.wish import Wish, granted
    from digest.services.publishing.documents import document, proof

    files = {str(path): path for path in profile or ()}
    wish = Wish(
        digest=digest or "",
        reader=reader,
        profile=next(iter(files), "") if len(files) == 1 else "",
        language=language,
        layout=layout,
        at=at,
    )
    if serve:
        from digest.cli.workbench.server import serve as serve_workbench

        serve_workbench(door, wish, profiles=files.values(), port=port, browser=open_)
        return
    if len(files) > 1:
        raise UsageError("one mail has one profile", where="--profile", try_="name one, or look at all with --serve")
    chosen = digest_of(door, digest, reader_address(reader))
    shown = granted(door.app.preview, chosen, wish, profiles=files)
    notes = [f"  {note}" for note in shown.notes]
    if shown.mail is None:
        door.show(
            document(shown) | {"files": None},
            f"{chosen.title}, {slot(shown.slot.key)}: no mail. {shown.reason}",
            *notes,
        )
        return
    mail = proof(shown.mail)
    out.mkdir(parents=True, exist_ok=True)
    written = {
        name: (out / f"edition.{ending}").absolute()
        for name, ending in (("html", "html"), ("text", "txt"), ("eml", "eml"))
    }
    written["html"].write_text(mail.html, encoding="utf-8")
    written["text"].write_text(mail.text.rstrip("\n") + "\n", encoding="utf-8")
    written["eml"].write_bytes(mail.eml)
    assert shown.edition is not None and shown.message is not None  # there is a mail
    counts = shown.edition.counts
    door.show(
        document(shown) | {"files": {name: str(path) for name, path in written.items()}},
        f"{chosen.title}, {slot(shown.slot.key)}" + (f" for {shown.address}" if shown.address else ""),
        f"Subject: {shown.message.subject}",
        f"{counts.printed} of {counts.candidates} new papers; {counts.already_sent} sent before, {counts.muted} muted.",
        *([shown.reason] if shown.reason else []),
        *(
            ["This is the mail as it was printed for that slot; --layout, --language or --serve print it anew."]
            if shown.kept
            else []
        ),
        *notes,
        *(str(path) for path in written.values()),
    )
    if open_:
        webbrowser.open(written["html"].as_uri())
