"""The options of [[source]] and [[digest]]: what is read, what is mailed when. Checked alone; see build.py."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import BaseModel, Field, field_validator, model_validator

from digest.config.fields import (
    Clock,
    Colour,
    DaysLong,
    Duration,
    Every,
    Language,
    Logo,
    Name,
    OptionalPath,
    Sentence,
    Title,
    Weekdays,
    Words,
    Zone,
    option,
)
from digest.config.preferences import STRICT, Preferences
from digest.model.editions import About, WhenEmpty

#: No edition reaches back further, so pruning cannot cause a repeat.
LONGEST_WINDOW_DAYS = 90


class SourceSettings(BaseModel):
    """A feed that is polled; write one [[source]] for each."""

    model_config = STRICT

    id: Name = option(..., "Short name of the source.", kind="name", example="hf-daily")
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")] = option(
        "feed", "What it is: feed is RSS, Atom or JSON Feed; docs/sources.md lists all.", kind="name"
    )
    url: str = option(
        "", "Address, path or file: URL; needed for feed.", kind="URL or path", example="https://example.org/feed.xml"
    )
    category: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,.&_-]{0,99}$|^$")] = option(
        "", "A category of arXiv, or a subject of bioRxiv and medRxiv.", example="cs.CL"
    )
    query: str = option(
        "", "What to search for, in the words of the service.", example="all:diffusion", max_length=2000
    )
    authors: Words = option(
        [],
        "Authors to follow, by the service's ids, or by name where it takes names.",
        kind="list",
        example=["A5023888391"],
    )
    institutions: Words = option(
        [], "Institutions to follow, by the service's ids.", kind="list", example=["I97018004"]
    )
    cites: Words = option(
        [],
        "Papers whose new citations are wanted: arXiv ids, DOIs or ids of the service.",
        kind="list",
        example=["1706.03762"],
    )
    papers: Words = option([], "Single papers to watch, by arXiv id.", kind="list", example=["1706.03762"])
    journals: Words = option([], "Journals, by ISSN.", kind="list", example=["0028-0836"])
    repositories: Words = option([], "Repositories, as owner/name.", kind="list", example=["pytorch/pytorch"])
    topics: Words = option([], "Topics of repositories.", kind="list", example=["large-language-models"])
    venue: str = option("", "Venue of OpenReview.", example="ICLR.cc/2027/Conference", max_length=200)
    period: Literal["daily", "weekly", "monthly", "trending"] | None = option(
        None,
        "Which list of Hugging Face; without it, daily.",
        kind="daily | weekly | monthly | trending",
        example="weekly",
    )
    announce: tuple[Literal["new", "cross", "replace", "replace-cross"], ...] = option(
        [], "Which announcements of arXiv; empty is all.", kind="list", example=["new", "cross"]
    )
    command: Words = option(
        [], "Program and arguments that print a JSON Feed.", kind="list", example=["/usr/local/bin/our-papers"]
    )
    password_file: OptionalPath = option(
        None, "File whose first line is the password of a mailbox.", kind="path", example="imap-password"
    )
    options: dict[str, str | int | float | bool | list[str]] = option(
        {}, "What a kind from elsewhere asks for.", kind="table", example={"board": "42"}
    )
    every: Every = option(
        "1h", "How often to look; less often where its own rhythm or its headers say so.", kind="duration"
    )
    allow_private: bool = option(False, "Let this source lie in your own network.", kind="true | false")

    def given(self) -> dict[str, tuple[str, ...]]:
        """What only some kinds read, by name: the options that were given."""
        plain = {"id", "kind", "url", "category", "options", "every", "allow_private"}
        found = {name: _texts(getattr(self, name)) for name in type(self).model_fields if name not in plain}
        found |= {name: _texts(value) for name, value in self.options.items()}
        return {name: values for name, values in sorted(found.items()) if values}

    @model_validator(mode="after")
    def _once(self) -> SourceSettings:
        for name in self.options:
            if name in type(self).model_fields:
                raise ValueError(f'the source "{self.id}" should say {name} itself, not among its options')
        return self


def _texts(value: object) -> tuple[str, ...]:
    """The values of an option as texts; none where it says nothing."""
    if value is None or value == "":
        return ()
    if isinstance(value, tuple | list):
        return tuple(str(one) for one in cast("tuple[object, ...]", value))
    return (str(value).lower() if isinstance(value, bool) else str(value),)


class DigestSettings(Preferences):
    """A publication; write one [[digest]] for each. A reader's own settings go over these."""

    name: Name = option(..., "Short name, used on the command line.", kind="name", example="papers")
    title: Title = option("", "What readers see; empty is the name.", example="Trending papers")
    list_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+)?$")] = option(
        "",
        "List-Id of its mails (RFC 2919); empty is the name and the sender's domain.",
        example="papers.example.org",
    )
    about: About = option(
        "trending",
        "What it prints: trending is whatever is new, the best first; authors only new papers by its authors and from "
        "its institutions, with the people's cards; topic only papers near its topics, the nearest first.",
        kind="trending | authors | topic",
    )
    sources: tuple[str, ...] = option(
        [],
        "Ids of the [[source]]s it prints; empty is all, also those of digest sources add.",
        kind="list",
        example=["hf-daily"],
    )
    send_at: Clock = option("07:00", "Local time of day at which it goes out.", kind="time")
    timezone: Zone = option("UTC", "IANA name of the zone of send_at.", kind="zone", example="Europe/Berlin")
    days: Weekdays = option(
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "Weekdays on which it goes out.", kind="list"
    )
    window: DaysLong = option(3, "How far back it looks: days, or a duration; at most 90 days.", kind="days")
    when_empty: WhenEmpty = option(
        "skip",
        "With nothing new: skip the mail, say so, or send the best of 30 days not yet sent.",
        kind="skip | say-so | best-of",
    )
    join: bool = option(
        False,
        "Let anybody subscribe on the web, at /join/ and its name; the last edition is shown there.",
        kind="true | false",
    )
    archive: bool = option(
        False,
        "Show its editions to anybody on the web: a list, each paper, a search, feeds. Needs web.public_url.",
        kind="true | false",
    )
    template: Name = option("edition", "Name of the template.", kind="name")
    language: Language = option(
        "en",
        "Language of a mail's own words, dates and numbers: en, de, fr, es, zh or ar, also de-AT; papers keep theirs.",
        kind="language",
    )
    accent: Colour = option(
        "",
        "Colour of links, buttons and the line below the title, made darker or lighter until it can be read; "
        "empty is ours.",
        kind="colour",
        example="#0b4a8f",
    )
    logo: Logo = option(
        "", "Text above the title, such as the name of your house; at most 60 characters.", example="Example Labs"
    )
    header: Sentence = option(
        "",
        "A sentence below the title; at most 300 characters.",
        example="What the reading group looks at this morning.",
    )
    footer: Sentence = option(
        "",
        "A sentence at the foot; at most 300 characters.",
        example="Questions go to the library's desk.",
    )
    expire_after: Duration | None = option(
        None,
        "Give up on an edition this long after its slot; without it, [delivery] decides.",
        kind="duration",
        example="36h",
    )

    @field_validator("window")
    @classmethod
    def _short_enough(cls, value: DaysLong) -> DaysLong:
        if value.total_seconds() > LONGEST_WINDOW_DAYS * 86400:
            raise ValueError(f"should be at most {LONGEST_WINDOW_DAYS} days")
        return value
