"""Edition or notice -> Message. Takes model values and template folders, gives encoded bytes; pure but for reading
templates.

The HTML part never exceeds ladder.LIMIT bytes with its stamps filled in; the text part says the same, from the same
view.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from digest.model.editions import Digest, Edition
from digest.model.errors import ConfigError, TemplateError
from digest.model.mail import Message, Sender, Stamp
from digest.rendering.build import build, prepare
from digest.rendering.ladder import Step, fit
from digest.rendering.library import Library, default_template_folder
from digest.rendering.message import Head, encode, mailto, mark, marks
from digest.rendering.subject import honest
from digest.rendering.text import plain
from digest.rendering.view import EditionView, LinksView, NoticeView
from digest.rendering.words import long_date, page_direction

__all__ = ["Renderer", "default_template_folder", "message_key"]

#: A secret has 22 characters; joined ones are divided by dots.
TOKEN = 23
NOTICES = ("confirmation", "welcome", "goodbye", "alert")


def message_key(editions: Sequence[Edition]) -> str:
    """The edition's key; of several, the SHA-256 of theirs, one a line."""
    if len(editions) == 1:
        return editions[0].key
    return hashlib.sha256("\n".join(edition.key for edition in editions).encode()).hexdigest()


class Renderer:
    """Turns editions and notices into messages with the templates of ``folders``, the first folder preferred."""

    def __init__(self, templates: Sequence[Path]) -> None:
        self._library = Library(templates)

    def edition(
        self,
        editions: tuple[Edition, ...],
        digests: tuple[Digest, ...],
        *,
        sender: Sender,
        language: str,
        schedule_text: str = "",
    ) -> Message:
        """One mail of one or several joined digests. ``schedule_text`` such as "every weekday at 08:00" enters the
        footer.
        """
        key = message_key(editions)
        first = digests[0]
        ready = prepare(editions, digests, language=language)
        titles = " and ".join(plain(digest.title, 60) for digest in digests[:3])
        because = f"You get this {plain(schedule_text, 80)} because you joined {titles}.".replace("this  ", "this ")
        links = _links(sender, read=f"{sender.public_url}/read/{key}" if sender.public_url else "")

        def view(step: Step) -> EditionView:
            return build(ready, step, sender=sender, links=links, because=because)

        if not re.fullmatch(r"[\w-]+", first.template):
            raise TemplateError("a template's name is letters, digits, - and _", where=first.template, try_="rename it")
        papers = sum(len(edition.items) for edition in editions)
        html, text = self._fitted(first.template, view, papers, len(digests), {})
        slot = editions[0].slot
        head = _listed_head(sender, first, slot.at, slot.local_date.isoformat())
        return encode(
            key=key, kind="edition", subject=ready.subject, preheader=ready.preheader, html=html, text=text, head=head
        )

    def notice(
        self,
        kind: str,
        *,
        sender: Sender,
        digest: Digest | None,
        language: str,
        date: datetime,
        key: str,
        context: Mapping[str, object],
    ) -> Message:
        """A small mail of one of the NOTICES. ``context`` as templates/mail/KIND.html.j2 says; welcome may hold an
        Edition.
        """
        if kind not in NOTICES:
            raise TemplateError(f"there is no notice {kind!r}", where=kind, try_=f"use one of {', '.join(NOTICES)}")
        if kind == "confirmation" and not sender.public_url:
            raise ConfigError(
                "a confirmation needs a link that the reader can follow",
                where="[web] public_url",
                try_="set it, or add readers with `digest subscribers add`",
            )
        values = {name: _cleaned(value) for name, value in context.items()}
        edition = values.pop("edition", None)
        title = plain(digest.title, 80) if digest else plain(sender.from_name, 80)
        subject = honest(_subject(kind, title, values), title)
        view = NoticeView(
            kind=kind,
            subject=subject,
            preheader=_preheader(kind, title),
            language=language,
            direction=page_direction(language),
            title=title,
            date=long_date(date.date(), language),
            links=_links(sender, read=""),
            sender=plain(sender.from_name, 80),
            postal_address=plain(sender.postal_address, 200),
        )
        extra: dict[str, object] = {**values, "notice": view, "page": view}
        if isinstance(edition, Edition) and digest is not None:
            ready = prepare((edition,), (digest,), language=language)

            def inside(step: Step) -> EditionView:
                return build(ready, step, sender=sender, links=view.links, because="")

            html, text = self._fitted(f"mail/{kind}", inside, len(edition.items), 1, extra)
        else:
            context_ = {**extra, "view": None}
            html = self._library.mail(f"mail/{kind}.html.j2", context_)
            text = self._library.mail(f"mail/{kind}.txt.j2", context_)
        listed = kind == "welcome" and digest is not None
        head = (
            _listed_head(sender, digest, date, date.date().isoformat())
            if listed and digest
            else _plain_head(sender, date)
        )
        return encode(key=key, kind=kind, subject=subject, preheader=view.preheader, html=html, text=text, head=head)

    def page(self, name: str, context: Mapping[str, object]) -> str:
        """A small web page, templates/pages/NAME.html.j2; its context is described at its top."""
        return self._library.page(f"pages/{name}.html.j2", context)

    def _fitted(
        self, name: str, view: Callable[[Step], EditionView], papers: int, digests: int, extra: Mapping[str, object]
    ) -> tuple[str, str]:
        """Both parts at the first step of the ladder whose HTML fits, stamps counted at their full size."""

        def attempt(step: Step) -> tuple[tuple[str, EditionView], int]:
            shown = view(step)
            html = self._library.mail(f"{name}.html.j2", {"page": shown, **extra, "view": shown})
            return (html, shown), size_of(html, digests)

        html, shown = fit(attempt, papers)
        return html, self._library.mail(f"{name}.txt.j2", {**extra, "view": shown})


def size_of(html: str, digests: int) -> int:
    """Bytes of the HTML part as a reader's client decodes it: CRLF line ends, stamps at their full length."""
    return len(html.encode("utf-8", "ignore")) + html.count("\n") + marks(html) * TOKEN * digests


def _links(sender: Sender, *, read: str) -> LinksView:
    site = sender.public_url
    return LinksView(
        unsubscribe=f"{site}/unsubscribe/{mark(Stamp.UNSUBSCRIBE)}" if site else mailto(sender),
        preferences=f"{site}/preferences/{mark(Stamp.PREFERENCES)}" if site else "",
        read=read,
        confirm=f"{site}/confirm/{mark(Stamp.CONFIRM)}" if site else "",
        never=f"{site}/never/{mark(Stamp.CONFIRM)}" if site else "",
    )


def _listed_head(sender: Sender, digest: Digest, date: datetime, day: str) -> Head:
    return Head(
        sender=sender,
        date=date,
        listed=True,
        list_id=digest.list_id,
        list_title=digest.title,
        feedback=(day, digest.name),
    )


def _plain_head(sender: Sender, date: datetime) -> Head:
    return Head(sender=sender, date=date, listed=False)


def _subject(kind: str, title: str, context: Mapping[str, object]) -> str:
    if kind == "alert":
        return str(context.get("title", "Digest needs attention"))
    return {
        "confirmation": f"Please confirm that you want {title}",
        "welcome": f"Welcome to {title}",
        "goodbye": f"You have left {title}",
    }[kind]


def _preheader(kind: str, title: str) -> str:
    return {
        "confirmation": "One click and the papers come; without it nothing is sent.",
        "welcome": "What comes, when it comes, and how to change or stop it.",
        "goodbye": "Nothing more will come from this list.",
        "alert": f"A message from your installation of {title}.",
    }[kind]


def _cleaned(value: object) -> object:
    """Texts of a notice's context, and those in its lists, made harmless."""
    if isinstance(value, str):
        return plain(value, 2_000)
    if isinstance(value, (list, tuple)):
        return tuple(_cleaned(one) for one in list[object](value)[:100])  # pyright: ignore[reportUnknownArgumentType]
    return value
