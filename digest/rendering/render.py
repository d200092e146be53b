"""Edition or notice -> Message. Takes model values and template folders, gives encoded bytes; pure but for reading
templates.

The HTML part never exceeds ladder.LIMIT bytes with its stamps filled in; the text part says the same, from the same
view.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from digest.model.editions import Digest, Edition, Item, Look, Schedule
from digest.model.errors import TemplateError
from digest.model.mail import Message, Sender, Stamp
from digest.rendering.build import Prepared, build, prepare
from digest.rendering.items import safe_url
from digest.rendering.ladder import LIMIT, Step, TooLarge, fit
from digest.rendering.language import Language, language_for
from digest.rendering.library import Library, default_template_folder
from digest.rendering.message import Head, encode, mailto, mark, marks
from digest.rendering.notices import NOTICES, Notice, notice_for, rhythm
from digest.rendering.palette import accent
from digest.rendering.text import direction, plain
from digest.rendering.view import VERSION, EditionView, LinksView, LinkView, PageView

__all__ = ["Renderer", "default_template_folder", "message_key"]

#: A secret has 22 characters; joined ones are divided by dots.
SECRET = 23
#: The other stamps of a body are tokens for one purpose.
TOKEN = 38
_LANGUAGE = re.compile(r'<html lang="([^"]+)"')
#: Of a notice's context: so many texts, each so long.
_ENTRIES, _CHARACTERS = 24, 800


def message_key(editions: Sequence[Edition]) -> str:
    """The edition's key; of several, the SHA-256 of theirs, one a line."""
    if len(editions) == 1:
        return editions[0].key
    return hashlib.sha256("\n".join(edition.key for edition in editions).encode()).hexdigest()


class Renderer:
    """Turns editions and notices into messages with the templates of ``folders``, the first folder preferred."""

    def __init__(self, templates: Sequence[Path], inliner: str = "premailer") -> None:
        self._library = Library(templates, inliner)

    def edition(
        self, editions: tuple[Edition, ...], digests: tuple[Digest, ...], *, sender: Sender, language: str = ""
    ) -> Message:
        """One mail of one or several joined digests, in ``language`` or else that of the first edition's readers."""
        first = digests[0]
        if not re.fullmatch(r"[\w-]+", first.template):
            raise TemplateError("a template's name is letters, digits, - and _", where=first.template, try_="rename it")
        if language:
            editions = tuple(replace(one, profile=replace(one.profile, language=language)) for one in editions)
        key = message_key(editions)
        ready = prepare(editions, digests, language_for(editions[0].profile.language), _feedback(sender))
        slot = editions[0].slot
        page = _page(
            ready.language,
            sender=sender,
            subject=ready.subject,
            preheader=ready.preheader,
            title=ready.title,
            date=ready.language.long_date(slot.local_date),
            look=first.look,
            read=f"{sender.public_url}/read/{key}" if sender.public_url else "",
        )
        html, text, step = self._fitted(first.template, ready, {"page": page})
        return encode(
            key=key,
            kind="edition",
            subject=ready.subject,
            preheader=ready.preheader,
            html=html,
            text=text,
            head=_listed_head(sender, first, slot.at, slot.local_date.isoformat()),
            omitted=ready.omitted(step),
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
        Edition, and a Schedule in place of its rhythm. Raises ConfigError for a confirmation that nobody could answer.
        """
        if kind not in NOTICES:
            raise TemplateError(f"there is no notice {kind!r}", where=kind, try_=f"use one of {', '.join(NOTICES)}")
        spoken = language_for(language)
        values = {name: _cleaned(value) for name, value in context.items()}
        edition = values.pop("edition", None)
        schedule = values.pop("schedule", None)
        if isinstance(schedule, Schedule):
            values["rhythm"] = rhythm(spoken, schedule)
        notice = notice_for(kind, spoken, sender=sender, digest=digest, context=values)
        page = _page(
            spoken,
            sender=sender,
            subject=notice.subject,
            preheader=notice.preheader,
            title=notice.title,
            date=spoken.long_date(date.date()),
            look=digest.look if digest else Look(),
            # What has no room in a welcome stands on the page of its edition.
            read=_web_copy(sender, edition) if isinstance(edition, Edition) else "",
        )
        given: dict[str, object] = {**values, "page": page, "view": None}
        if isinstance(edition, Edition) and digest is not None:
            ready = prepare((edition,), (digest,), spoken, _feedback(sender))
            html, text, step = self._fitted(f"mail/{kind}", ready, given)
            omitted = ready.omitted(step)
        else:
            omitted = ()
            html = self._library.mail(f"mail/{kind}.html.j2", given, spoken)
            text = self._library.mail(f"mail/{kind}.txt.j2", given, spoken)
        return encode(
            key=key,
            kind=kind,
            subject=notice.subject,
            preheader=notice.preheader,
            html=html,
            text=text,
            head=_notice_head(notice, sender, digest, date),
            omitted=omitted,
        )

    def page(self, name: str, context: Mapping[str, object]) -> str:
        """A small web page, templates/pages/NAME.html.j2; its context is described at its top."""
        return self._library.page(f"pages/{name}.html.j2", context)

    def problems(self) -> tuple[TemplateError, ...]:
        """What is wrong with the templates, also with those that are seldom used."""
        return self._library.problems()

    def read_page(self, html: str, items: Sequence[Item]) -> str:
        """The page of a mail: its own HTML, and below it the papers for which the mail had no room, in its language.

        What is an article among a program's mails is the main thing of a page.
        """
        html = html.replace(' role="article"', ' role="main"', 1)
        if not items:
            return html
        said = _LANGUAGE.search(html)
        language = said[1] if said else "en"
        rows = tuple(
            (LinkView(text=plain(item.title, 300) or plain(item.work, 100), url=safe_url(item.url)), item.score)
            for item in items
        )
        links = tuple(
            {"title": link.text, "url": link.url, "direction": direction(link.text), "score": score}
            for link, score in rows
        )
        rest = self._library.page("parts/rest.html.j2", {"papers": links}, language_for(language))
        head, body, tail = html.rpartition("</body>")
        return f"{head}{rest}{body}{tail}" if body else html + rest

    def _fitted(self, name: str, ready: Prepared, given: Mapping[str, object]) -> tuple[str, str, Step]:
        """Both parts at the first step of the ladder whose HTML fits, stamps counted at their full size."""
        digests = len(ready.digests)

        def attempt(step: Step) -> tuple[tuple[str, EditionView, Step], int]:
            view = build(ready, step)
            html = self._library.mail(f"{name}.html.j2", {**given, "view": view}, ready.language)
            return (html, view, step), size_of(html, digests)

        try:
            html, view, step = fit(attempt, len(ready.place))
        except TooLarge as error:
            raise TemplateError(
                f"the template makes {error.args[0]:,} bytes of HTML without any paper; a mail has room for {LIMIT:,}",
                where=f"{name}.html.j2",
                try_="shorten it, or its styles",
            ) from error
        return html, self._library.mail(f"{name}.txt.j2", {**given, "view": view}, ready.language), step


def size_of(html: str, digests: int) -> int:
    """Bytes of the HTML part as a reader's client decodes it: CRLF line ends, stamps at their full length."""
    secrets = marks(html, Stamp.UNSUBSCRIBE)
    stamped = secrets * SECRET * digests + (marks(html) - secrets) * TOKEN
    return len(html.encode("utf-8", "ignore")) + html.count("\n") + stamped


def _page(
    language: Language,
    *,
    sender: Sender,
    subject: str,
    preheader: str,
    title: str,
    date: str,
    look: Look,
    read: str,
) -> PageView:
    left_to_right = language.direction == "ltr"
    site = sender.public_url
    return PageView(
        version=VERSION,
        subject=subject,
        preheader=preheader,
        language=language.code,
        direction=language.direction,
        start="left" if left_to_right else "right",
        end="right" if left_to_right else "left",
        comma=language.comma,
        gap=language.gap,
        mark="" if left_to_right else "\u200f",
        title=title,
        date=date,
        accent=accent(look.accent),
        logo=plain(look.logo, 60),
        header=plain(look.header, 300),
        footer=plain(look.footer, 300),
        links=LinksView(
            unsubscribe=f"{site}/unsubscribe/{mark(Stamp.UNSUBSCRIBE)}" if site else mailto(sender),
            preferences=f"{site}/preferences/{mark(Stamp.PREFERENCES)}" if site else "",
            read=read,
            confirm=f"{site}/confirm/{mark(Stamp.CONFIRM)}" if site else "",
            never=f"{site}/never/{mark(Stamp.CONFIRM)}" if site else "",
            data=f"{site}/mydata/{mark(Stamp.DATA)}" if site else "",
        ),
        sender=plain(sender.from_name, 80),
        postal_address=plain(sender.postal_address, 200),
    )


def _feedback(sender: Sender) -> str:
    """What the links begin with by which a reader says what he thinks of a paper; empty without a public address."""
    return f"{sender.public_url}/feedback/{mark(Stamp.TASTE)}/" if sender.public_url else ""


def _web_copy(sender: Sender, edition: Edition) -> str:
    return f"{sender.public_url}/read/{edition.key}" if sender.public_url else ""


def _listed_head(sender: Sender, digest: Digest, date: datetime, day: str) -> Head:
    return Head(
        sender=sender,
        date=date,
        listed=True,
        list_id=digest.list_id,
        list_title=digest.title,
        feedback=(day, digest.name),
    )


def _notice_head(notice: Notice, sender: Sender, digest: Digest | None, date: datetime) -> Head:
    if notice.listed and digest is not None:
        return _listed_head(sender, digest, date, date.date().isoformat())
    return Head(sender=sender, date=date, listed=False)


def _cleaned(value: object) -> object:
    """Texts of a notice's context, and those in its lists, made harmless."""
    if isinstance(value, str):
        return plain(value, _CHARACTERS)
    if isinstance(value, (list, tuple)):
        return tuple(_cleaned(one) for one in list[object](value)[:_ENTRIES])  # pyright: ignore[reportUnknownArgumentType]
    return value
