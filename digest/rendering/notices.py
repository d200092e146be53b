"""The mails that are no editions: what stands in their subject, preheader and masthead. Takes a kind and a language,
gives a Notice; their bodies are templates/mail/KIND.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from digest.model.editions import Digest, Schedule
from digest.model.errors import ConfigError
from digest.model.mail import Sender
from digest.rendering.language import Language
from digest.rendering.subject import honest
from digest.rendering.text import plain

NOTICES = ("confirmation", "welcome", "link", "data", "goodbye", "bounce", "alert")
#: Those that go to a subscriber and so carry the list's headers.
LISTED = frozenset({"welcome", "link", "data", "bounce"})
#: Monday to Friday, as Schedule counts them.
_WORKING_DAYS = (0, 1, 2, 3, 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """The lines around a notice's body."""

    title: str
    subject: str
    preheader: str
    listed: bool


def notice_for(
    kind: str, language: Language, *, sender: Sender, digest: Digest | None, context: Mapping[str, object]
) -> Notice:
    """The lines of one notice. Raises ConfigError for a confirmation without a place to confirm at."""
    if kind == "confirmation" and not sender.public_url:
        raise ConfigError(
            "a confirmation needs a link that the reader can follow",
            where="[web] public_url",
            try_="set it, or add readers with `digest subscribers add`",
        )
    title = plain(digest.title, 80) if digest else plain(sender.from_name, 80)
    subject, preheader = _lines(kind, title, language, context)
    return Notice(title=title, subject=honest(subject, title), preheader=preheader, listed=kind in LISTED)


def rhythm(language: Language, schedule: Schedule) -> str:
    """When mails come, as the welcome says it: "every weekday at 08:00 (Europe/Berlin)"."""
    hour, zone = f"{schedule.send_at:%H:%M}", schedule.timezone
    days = tuple(sorted(schedule.days))
    if len(days) == 7:
        return language.say("every day at %(hour)s (%(zone)s)", hour=hour, zone=zone)
    if days == _WORKING_DAYS:
        return language.say("every weekday at %(hour)s (%(zone)s)", hour=hour, zone=zone)
    names = language.listed(tuple(map(language.weekday, days)))
    return language.say("on %(days)s at %(hour)s (%(zone)s)", days=names, hour=hour, zone=zone)


def _lines(kind: str, title: str, language: Language, context: Mapping[str, object]) -> tuple[str, str]:
    """(subject, preheader)."""
    match kind:
        case "confirmation":
            return (
                language.say("Please confirm that you want %(title)s", title=title),
                language.say("One click and the papers come; without it nothing is sent."),
            )
        case "welcome":
            return (
                language.say("Welcome to %(title)s", title=title),
                language.say("What comes, when it comes, and how to change or stop it."),
            )
        case "link":
            return (
                language.say("Your link to %(title)s", title=title),
                language.say("With it you choose what you get, or stop it."),
            )
        case "data":
            return (
                language.say("Your data at %(title)s", title=title),
                language.say("The link you asked for; it works for a day."),
            )
        case "goodbye":
            return (
                language.say("You have left %(title)s", title=title),
                language.say("Nothing more will come from this list."),
            )
        case "bounce":
            return (
                language.say("Our mails to you come back"),
                language.say("What your mail server said, and what you can do so that %(title)s arrives.", title=title),
            )
        case _:
            return (
                str(context.get("title", "")) or language.say("Digest needs attention"),
                language.say("A message from your installation of %(title)s.", title=title),
            )
