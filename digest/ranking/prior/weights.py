"""What was fitted, as data: a Prior, and the JSON document it is kept in.

Takes bytes or a Prior; gives the other. Nothing is executed or guessed: another format, another list of features or a
broken document is refused with InputError. Weights of terms are whole numbers from -127 to 127 times a step.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import numpy as np

from digest.model.errors import InputError
from digest.model.ranking import Record
from digest.ranking.prior.features import HISTORY, PLAIN
from digest.ranking.text import Floats

FORMAT = 1
#: A mean of ln(1 + votes) is kept in steps of 1/32.
_MEAN_STEP = 32.0
_LARGEST_BYTE = 255
_LARGEST_WEIGHT = 127


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """``intercept`` + ``text`` x the text's score + ``weights`` x the features (PLAIN, then HISTORY)."""

    intercept: float
    text: float
    weights: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """``terms`` holds a weight for each term of the prior.

    ``known`` is for a place that knows the earlier works of its authors, ``remembered`` for one that knows them from
    the prior alone (``Prior.people``), ``blind`` was fitted without HISTORY.
    """

    terms: Floats
    known: Head
    remembered: Head
    blind: Head


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """The share of the final votes that is in at age t hours: 1 - exp(-(t / tau)^shape)."""

    tau: float
    shape: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Saw:
    """What a prior was fitted on."""

    first: date
    last: date
    votes: int
    """Works with final votes."""
    listed: int
    """Works listed without votes; 0 where the model of P(featured) was taken over from the shipped prior."""
    featured: int
    """Of these, those that a voting list carried later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """``votes`` gives ln(1 + final votes), ``featured`` the logit of P(featured later).

    ``people`` are authors with two works or more on voting lists, by ``person_number``: what a new installation knows.
    """

    saw: Saw
    vocabulary: tuple[str, ...]
    votes: Model
    featured: Model
    growth: Growth
    people: Mapping[int, Record] = field(default_factory=dict[int, Record])


def person_number(key: str) -> int:
    """CRC-32 of a person's key: enough to find a name that one has, and no list of names."""
    return zlib.crc32(key.encode())


def dump(prior: Prior) -> bytes:
    """The document of a prior; equal priors give equal bytes."""
    document = {
        "format": FORMAT,
        "saw": {
            "first": prior.saw.first.isoformat(),
            "last": prior.saw.last.isoformat(),
            "votes": prior.saw.votes,
            "listed": prior.saw.listed,
            "featured": prior.saw.featured,
        },
        "growth": {"tau": round(prior.growth.tau, 4), "shape": round(prior.growth.shape, 4)},
        "votes": _model_document(prior.votes),
        "featured": _model_document(prior.featured),
        "people": _people_document(prior.people),
        "vocabulary": "\n".join(prior.vocabulary),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def load(body: bytes | str, *, name: str = "prior") -> Prior:
    """The prior of a document. Raises InputError where it is of another format, or broken."""
    try:
        document = json.loads(body)
        version = document["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused("is not a fitted prior", name) from error
    if version != FORMAT:
        raise _refused(f"is of format {version!r}, and this version reads format {FORMAT}", name)
    try:
        return _prior(document)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _refused("is damaged", name) from error


def _prior(document: Mapping[str, Any]) -> Prior:
    vocabulary = tuple(str(document["vocabulary"]).split("\n"))
    saw, growth = document["saw"], document["growth"]
    return Prior(
        saw=Saw(
            first=date.fromisoformat(saw["first"]),
            last=date.fromisoformat(saw["last"]),
            votes=int(saw["votes"]),
            listed=int(saw["listed"]),
            featured=int(saw["featured"]),
        ),
        vocabulary=vocabulary,
        votes=_model(document["votes"], len(vocabulary)),
        featured=_model(document["featured"], len(vocabulary)),
        growth=Growth(tau=_positive(growth["tau"]), shape=_positive(growth["shape"])),
        people=_people(document["people"]),
    )


def _model_document(model: Model) -> dict[str, object]:
    step = max(float(np.abs(model.terms).max(initial=0.0)) / _LARGEST_WEIGHT, 1e-12)
    packed = np.round(model.terms / step).astype(np.int8).tobytes()
    return {
        "known": _head_document(model.known, (*PLAIN, *HISTORY)),
        "remembered": _head_document(model.remembered, (*PLAIN, *HISTORY)),
        "blind": _head_document(model.blind, PLAIN),
        "step": step,
        "terms": base64.b64encode(packed).decode(),
    }


def _model(document: Mapping[str, Any], width: int) -> Model:
    packed = np.frombuffer(base64.b64decode(document["terms"], validate=True), np.int8)
    if len(packed) != width:
        raise ValueError("the weights of the terms do not fit the vocabulary")
    return Model(
        terms=packed.astype(np.float64) * _finite(document["step"]),
        known=_head(document["known"], (*PLAIN, *HISTORY)),
        remembered=_head(document["remembered"], (*PLAIN, *HISTORY)),
        blind=_head(document["blind"], PLAIN),
    )


def _head_document(head: Head, names: tuple[str, ...]) -> dict[str, object]:
    weights = {name: round(float(weight), 5) for name, weight in zip(names, head.weights, strict=True)}
    return {"intercept": round(head.intercept, 5), "text": round(head.text, 5), "weights": weights}


def _head(document: Mapping[str, Any], names: tuple[str, ...]) -> Head:
    weights = cast("dict[str, Any]", document["weights"])
    if tuple(weights) != names:
        raise ValueError("the features are not those of this version")
    return Head(
        intercept=_finite(document["intercept"]),
        text=_finite(document["text"]),
        weights=np.array([_finite(weight) for weight in weights.values()], np.float64),
    )


def _people_document(people: Mapping[int, Record]) -> str:
    numbers = sorted(people)
    voted = [min(_LARGEST_BYTE, people[one].voted) for one in numbers]
    means = [min(_LARGEST_BYTE, round(_MEAN_STEP * people[one].log_votes / people[one].voted)) for one in numbers]
    packed = (
        np.array(numbers, "<u4").tobytes() + np.array(voted, np.uint8).tobytes() + np.array(means, np.uint8).tobytes()
    )
    return base64.b64encode(packed).decode()


def _people(packed: str) -> Mapping[int, Record]:
    read = base64.b64decode(packed, validate=True)
    count, left = divmod(len(read), 6)
    if left:
        raise ValueError("the people are cut short")
    numbers = np.frombuffer(read, "<u4", count).tolist()
    voted, means = read[4 * count : 5 * count], read[5 * count :]
    return {
        number: Record(works=works, voted=works, log_votes=works * mean / _MEAN_STEP)
        for number, works, mean in zip(numbers, voted, means, strict=True)
    }


def _finite(value: object) -> float:
    number = float(cast("Any", value))
    if not math.isfinite(number):
        raise ValueError("a weight is not a number")
    return number


def _positive(value: object) -> float:
    number = _finite(value)
    if number <= 0.0:
        raise ValueError("a constant of growth is not positive")
    return number


def _refused(what: str, name: str) -> InputError:
    return InputError(what, where=name, try_="fit it again: digest backtest --fit")
