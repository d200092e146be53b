"""The options of [[source]] and [[digest]]: what is read, what is mailed when. Checked alone; see build.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from digest.config.fields import (
    Clock,
    Colour,
    DaysLong,
    Duration,
    Language,
    Logo,
    Name,
    Sentence,
    Title,
    Weekdays,
    Zone,
    option,
)
from digest.config.preferences import STRICT, Preferences
from digest.model.editions import WhenEmpty

#: No edition reaches back further, so pruning cannot cause a repeat.
LONGEST_WINDOW_DAYS = 90


class SourceSettings(BaseModel):
    """A feed that is polled; write one [[source]] for each."""

    model_config = STRICT

    id: Name = option(..., "Short name of the source.", kind="name", example="hf-daily")
    kind: Literal["feed", "arxiv", "huggingface"] = option(
        "feed",
        "feed is RSS, Atom or JSON Feed; arxiv a category; huggingface the daily papers.",
        kind="feed | arxiv | huggingface",
    )
    url: str = option(
        "", "Address, path or file: URL; needed for feed.", kind="URL or path", example="https://example.org/feed.xml"
    )
    category: Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z-]*(\.[A-Za-z-]+)?)?$")] = option(
        "", "arXiv category; for kind arxiv, instead of a url.", example="cs.CL"
    )
    every: Duration = option("1h", "How often to look.", kind="duration")
    allow_private: bool = option(False, "Let this source lie in your own network.", kind="true | false")

    @model_validator(mode="after")
    def _whole(self) -> SourceSettings:
        if self.kind == "feed" and not self.url:
            raise ValueError(f'the source "{self.id}" needs a url')
        if self.kind == "arxiv" and not (self.url or self.category):
            raise ValueError(f'the source "{self.id}" needs a category (such as cs.CL) or a url')
        if self.category and self.kind != "arxiv":
            raise ValueError(f'the source "{self.id}" has a category, which only kind arxiv knows')
        scheme = self.url.partition("://")[0].lower() if "://" in self.url else ""
        if scheme not in ("", "http", "https", "file"):
            raise ValueError(f'the source "{self.id}" should have an http, https or file: URL, or a path')
        return self


class DigestSettings(Preferences):
    """A publication; write one [[digest]] for each. A reader's own settings go over these."""

    name: Name = option(..., "Short name, used on the command line.", kind="name", example="papers")
    title: Title = option("", "What readers see; empty is the name.", example="Trending papers")
    list_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+)?$")] = option(
        "",
        "List-Id of its mails (RFC 2919); empty is the name and the sender's domain.",
        example="papers.example.org",
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
