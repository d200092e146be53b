"""Which commands there are, in the order of `digest --help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digest import __version__
from digest.cli.commands import (
    backtest,
    deliveries,
    demo,
    desk,
    dkim,
    entries,
    fetch,
    info,
    people,
    preview,
    ranking,
    relays,
    running,
    send,
    setup,
    silence,
    sources,
    store,
    subscribers,
    suppressions,
    taste,
    tokens,
    trends,
)
from digest.cli.door import CONFIG, JSON, QUIET, VERBOSE, remember

root = typer.Typer(
    name="digest",
    help="Mails trending research papers, from your own machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"digest {__version__}")
        raise typer.Exit


@root.callback()
def everywhere(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.", show_default=False)
    ] = False,
    config: Annotated[Path | None, CONFIG] = None,
    json: Annotated[bool, JSON] = False,
    quiet: Annotated[bool, QUIET] = False,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Mails trending research papers, from your own machine."""
    remember(context, config, json, quiet, verbose)


root.command("init")(setup.init)
root.command("fetch")(fetch.fetch)
root.command("preview")(preview.preview)
root.command("send")(send.send)
root.command("run")(running.run)
root.command("web")(running.web)
root.command("worker")(running.worker)
root.command("rank")(ranking.rank)
root.command("explain")(ranking.explain)
root.command("silence")(silence.silence)
root.command("backtest")(backtest.backtest)
root.add_typer(sources.group, name="sources")
root.add_typer(people.group, name="people")
root.add_typer(subscribers.group, name="subscribers")
root.add_typer(taste.group, name="taste")
root.add_typer(deliveries.group, name="deliveries")
root.add_typer(relays.group, name="relays")
root.add_typer(suppressions.group, name="suppressions")
root.add_typer(dkim.group, name="dkim")
root.add_typer(desk.group, name="desk")
root.add_typer(tokens.group, name="tokens")
root.add_typer(entries.group, name="entries")
root.command("status")(info.status)
root.command("trends")(trends.trends)
root.command("doctor")(setup.doctor)
root.command("demo")(demo.demo)
root.add_typer(store.group, name="db")
root.command("bounce")(running.bounce)
