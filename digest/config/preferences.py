"""What a reader may wish: the preference keys of a [[digest]], of a profile file and of a subscriber's own settings.

Takes plain tables (TOML or JSON), gives ``model.Profile``. A key that is absent leaves the base as it is; a key that is
present replaces the base's whole value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from digest.config.fields import Count, Score, Share, Words, option, whole
from digest.config.problems import explain
from digest.model.people import Layout, Mutes, Profile, Say, Weights

STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryWish:
    """How much of a mail a category is to have."""

    name: str
    weight: float = 1.0
    min: int = 0
    max: int | None = None


_SHAPE = 'should be a list such as ["cs.CL"] or a table of weights such as { "cs.CL" = 2, "cs.LG" = 1 }'
_WISH_KEYS = frozenset({"weight", "min", "max"})


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """``{cs = {CL = 2}}``, which is how TOML reads ``cs.CL = 2``, becomes ``{"cs.CL" = 2}``."""
    flat: dict[str, object] = {}
    for name, value in table.items():
        inner = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None
        if inner is None or _WISH_KEYS & inner.keys():
            flat[(prefix + name).strip()] = value
        else:
            flat.update(_flat(inner, f"{prefix}{name}."))
    return flat


def _categories(value: object) -> tuple[CategoryWish, ...]:
    if isinstance(value, Mapping):
        return tuple(_wish(name, said) for name, said in _flat(cast("Mapping[str, object]", value)).items())
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(_SHAPE)
    items = cast("Sequence[object]", value)
    if all(isinstance(item, CategoryWish) for item in items):
        return tuple(cast("Sequence[CategoryWish]", items))
    if not all(isinstance(item, str) and item.strip() for item in items):
        raise ValueError(_SHAPE)
    return tuple(CategoryWish(name=name) for name in dict.fromkeys(whole(str(item).strip()) for item in items))


def _wish(name: str, said: object) -> CategoryWish:
    """A weight alone, or ``{ weight = 3, min = 1, max = 4 }`` of which any may be left out."""
    if not name:
        raise ValueError(_SHAPE)
    table = cast("Mapping[str, object]", said) if isinstance(said, Mapping) else {"weight": said}
    for text in (name, *table):
        whole(text)
    if unknown := sorted(set(table) - _WISH_KEYS):
        raise ValueError(f'"{name}" has no "{unknown[0]}"; a category has weight, min and max')
    weight = table.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1_000_000:
        raise ValueError(f'the weight of "{name}" should be a number above 0; to leave it out, do not name it')
    least, most = _papers(name, "min", table.get("min", 0), 0), table.get("max")
    if most is not None and (most := _papers(name, "max", most, 1)) < least:
        raise ValueError(f'the max of "{name}" ({most}) should not be below its min ({least})')
    return CategoryWish(name=name, weight=float(weight), min=least, max=most)


def _papers(name: str, key: str, value: object, lowest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= 1_000:
        raise ValueError(f'the {key} of "{name}" should be a whole number of papers from {lowest} to 1000')
    return value


def _mute_table(value: object) -> object:
    return cast("object", value) if isinstance(value, Mapping | MuteSettings) else {"anything": value}


class MuteSettings(BaseModel):
    """What is never printed."""

    model_config = STRICT

    keywords: Words = option([], "Words or phrases in title or abstract.", kind="list")
    authors: Words = option([], "Names of authors.", kind="list")
    institutions: Words = option([], "Names of institutions.", kind="list")
    categories: Words = option([], "Categories.", kind="list")
    anything: Words = option([], "Any of these four.", kind="list")


class WeightSettings(BaseModel):
    """Shares of the score; a share that is not named is 0."""

    model_config = STRICT

    trend: Share = option(0, "How much the votes of the public count.", kind="number")
    topic: Share = option(0, "How much keywords and topics count.", kind="number")
    people: Share = option(0, "How much authors and institutions count.", kind="number")
    novelty: Share = option(0, "How much it counts that a paper is unlike the others.", kind="number")

    @model_validator(mode="after")
    def _some_weight(self) -> WeightSettings:
        if self.trend + self.topic + self.people + self.novelty <= 0:
            raise ValueError("at least one of trend, topic, people and novelty should be above 0")
        return self


class Preferences(BaseModel):
    """What a digest, a profile file or one reader may wish to see."""

    model_config = STRICT

    categories: Annotated[tuple[CategoryWish, ...], BeforeValidator(_categories)] = option(
        [],
        "Categories to print, in this order: a list, or a table of weights, in which a table such as "
        "{ weight = 3, min = 1, max = 4 } may stand for a weight. Empty prints every category.",
        kind="list or table of weights",
        example={"cs.CL": 2, "cs.LG": 1},
    )
    keywords: Words = option(
        [], "Words or phrases that raise a paper's topic share.", kind="list", example=["mechanistic interpretability"]
    )
    authors: Words = option([], "Authors who raise a paper's people share.", kind="list", example=["Ada Lovelace"])
    institutions: Words = option(
        [], "Institutions that raise a paper's people share.", kind="list", example=["ETH Zurich"]
    )
    topics: Words = option(
        [],
        "Interests in a few words of prose, compared with title and abstract.",
        kind="list",
        example=["small language models on phones"],
    )
    mute: Annotated[MuteSettings, BeforeValidator(_mute_table)] = option(
        {},
        "What is never printed: a list of words, or a table of keywords, authors, institutions and categories.",
        kind="list or table",
        example={"keywords": ["survey"], "categories": ["cs.CR"]},
    )
    weights: WeightSettings | None = option(
        None,
        "Shares of the score. Without it, 95 trend and 5 novelty; where something personal is named, 50, 30, 15 and 5.",
        kind="table",
        example={"trend": 50, "topic": 30, "people": 15, "novelty": 5},
    )
    max_items: Count | None = option(
        None, "At most this many papers in a mail; without it 12.", kind="number", example=25
    )
    per_category: Count | None = option(None, "At most this many papers of one category.", kind="number", example=8)
    min_score: Score | None = option(
        None, "Leave out papers whose score (0 to 100) is below.", kind="number", example=20
    )
    layout: Layout = option(
        "full",
        "How much of a paper is printed: full its abstract, cut at a sentence, brief the abstract's first sentence, "
        "catalogue a line of score, category, date and code with its authors, titles its title alone.",
        kind="full | brief | catalogue | titles",
    )
    explain: Say = option(
        "empty",
        "When a mail says, source by source, why there is little in it: empty when it has no new paper, short also "
        "when it has far fewer than usual, never not at all.",
        kind="empty | short | never",
    )

    def fields_given(self) -> dict[str, Any]:
        """The profile's fields that were set, in the model's types."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in self.model_fields_set & Profile.__dataclass_fields__.keys()
        }
        # The same wishes written otherwise are one profile, and their readers share one edition.
        given |= {name: _in_order(given[name]) for name in _UNORDERED & given.keys()}
        if "categories" in given:
            given["categories"] = _reduced(self.categories)
            bound = (wish for wish in self.categories if wish.min or wish.max is not None)
            given["seats"] = tuple((wish.name, wish.min, wish.max) for wish in bound)
        if "mute" in given:
            given["mute"] = Mutes(**{name: _in_order(words) for name, words in self.mute.model_dump().items()})
        if self.weights is not None:
            given["weights"] = Weights(**self.weights.model_dump())
        if "layout" in given:
            given["layout"] = self.layout.value
        if "explain" in given:
            given["explain"] = self.explain.value
        return given


#: Lists of which the order means nothing.
_UNORDERED = frozenset({"keywords", "authors", "institutions", "topics", "likes", "dislikes"})


def _in_order(words: Sequence[str]) -> tuple[str, ...]:
    """Sorted; of words that differ in case and spaces only, the first in that order."""
    found: dict[str, str] = {}
    for word in sorted(" ".join(word.split()) for word in words):
        found.setdefault(word.casefold(), word)
    return tuple(found[key] for key in sorted(found))


def _reduced(wishes: Sequence[CategoryWish]) -> tuple[tuple[str, float], ...]:
    """(category, weight), whole weights without a common divisor: 2 and 4 ask for what 1 and 2 ask for."""
    whole = all(wish.weight.is_integer() for wish in wishes)
    divisor = gcd(*(int(wish.weight) for wish in wishes)) if whole and wishes else 1
    return tuple((wish.name, wish.weight / divisor) for wish in wishes)


class ProfileFile(Preferences):
    """A profile of its own: the preferences and the papers that taught us."""

    likes: Words = option([], "Ids of papers this reader likes.", kind="list")
    dislikes: Words = option([], "Ids of papers this reader dislikes.", kind="list")


def parse_profile(
    table: Mapping[str, object], *, where: str, base: Profile | None = None, allow_likes: bool = True
) -> Profile:
    """The table laid over the base; ConfigError names ``where``, the key, the problem and the nearest right name."""
    shape = ProfileFile if allow_likes else Preferences
    try:
        given = shape.model_validate(dict(table)).fields_given()
    except ValidationError as error:
        raise explain(error, shape, where=where) from error
    return replace(base or Profile(), **given)


def apply_preferences(base: Profile, preferences: Mapping[str, object], *, where: str = "preferences") -> Profile:
    """A subscriber's own preferences (plain JSON values) laid over the digest's profile."""
    return parse_profile(preferences, where=where, base=base)
