"""What the catalogues of people have in common: reading their JSON. Pure.

One catalogue is one file (people/openalex.py, people/semanticscholar.py) with a Catalogue of model/catalogue.py.
"""

from __future__ import annotations

import re
from typing import Any, cast

from digest.model.errors import ParseError
from digest.model.feeds import FetchResponse
from digest.sources.reading.jsonfeed import load

ACCEPT = "application/json"
Fields = dict[str, Any]


def whole(response: FetchResponse, service: str) -> Fields:
    """The answer as an object. Raises ParseError for anything else."""
    loaded = load(response)
    if not isinstance(loaded, dict):
        raise ParseError(f"the answer of {service} is no object", where=response.url, try_=CHANGED)
    return cast(Fields, loaded)


CHANGED = "the service has changed its answers: look for a newer version of this program; what was known stays"


def needed(fields: Fields, name: str, response: FetchResponse, service: str) -> str:
    """A text that no answer lacks. Raises ParseError that names the field."""
    value = text(fields, name)
    if not value:
        raise ParseError(f"the answer of {service} has no `{name}`", where=response.url, try_=CHANGED)
    return value


def text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def count(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else None


def texts(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name)
    found = cast(list[Any], value) if isinstance(value, list) else []
    return tuple(dict.fromkeys(" ".join(one.split())[:500] for one in found if isinstance(one, str) and one.strip()))


def web(url: str) -> str:
    """The address where it is one that may be linked to."""
    return url if re.match(r"https?://[^\s\"<>]+$", url) else ""
