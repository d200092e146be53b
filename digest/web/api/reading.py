"""Requests read without trust: a JSON document with limits (RFC 8259; of RFC 7493 the rules that keep two programs
from reading it differently), and the texts of a path and a query.

What has not the form that the OpenAPI document tells is refused with 400, whatever it means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request

from digest.config.nearest import nearest
from digest.web.api.problems import Refused, Wrong
from digest.web.api.shapes import LARGEST, Given

MOST_BYTES = 64_000
MOST_DEPTH = 20
_MOST_QUERY = 4_000
_MOST_FIELDS = 50
_MOST_ERRORS = 20
_TOLD = 200
_TRY = "see /api/v1/openapi.json for its form"
Form = TypeVar("Form", bound=Given)


async def document(request: Request) -> object:
    """The body's JSON. Raises Refused."""
    kind, _, more = request.headers.get("content-type", "").partition(";")
    charset = more.strip().lower().removeprefix("charset=").strip('"')
    if kind.strip().lower() != "application/json" or charset not in ("", "utf-8"):
        raise Refused(
            status=415,
            what="the body must be JSON in UTF-8",
            where="Content-Type",
            try_="send Content-Type: application/json",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(status=415, what="the body must not be packed", where="Content-Encoding", try_="send it as it is")
    return parsed(await _body(request))


async def nothing(request: Request) -> object:
    """The body's JSON where nothing is to be said; no body is {}. Raises Refused."""
    body = b"" if request.method in ("GET", "HEAD") else await _body(request)
    return parsed(body) if body.strip() else {}


async def _body(request: Request) -> bytes:
    """Reads no further than what is allowed."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > MOST_BYTES):
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> Refused:
    return Refused(
        status=413,
        what=f"the body has more than {MOST_BYTES:,} bytes",
        where="body",
        try_="send less at once; `digest subscribers import` takes long lists",
        headers={"Connection": "close"},
    )


def parsed(body: bytes) -> object:
    """JSON as a Python value. Raises Refused."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(f"it is not UTF-8 (byte {error.start})") from error
    if _depth(text) > MOST_DEPTH:
        raise _unreadable(f"it is nested more than {MOST_DEPTH} deep")
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise _unreadable(f"{error.msg} (line {error.lineno}, column {error.colno})") from error


def _unreadable(why: str) -> Refused:
    return Refused(status=400, what=f"the body cannot be read as JSON: {why}", where="body", try_=_TRY)


def _depth(text: str) -> int:
    """How deep brackets stand in each other, before a parser that calls itself gets to see them."""
    deepest = depth = 0
    in_text = escaped = False
    for char in text:
        if in_text:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_text = False
        elif char == '"':
            in_text = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _unreadable("an object has the same key twice")
    return found


def _constant(_name: str) -> object:
    raise _unreadable("it holds what is no number")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > LARGEST:
        raise _unreadable("it holds a number beyond 2^53, which not every program reads alike")
    return number


def _number(digits: str) -> float:
    """To a program that knows one kind of number 5.0 is 5, so it is to us."""
    number = float(digits)
    if not math.isfinite(number):
        raise _unreadable("it holds a number that is too large")
    return int(number) if number.is_integer() and abs(number) <= LARGEST else number


def shaped(form: type[Form], value: object) -> Form:
    """A body in the form that it must have. Raises Refused."""
    _storable(value, "body")
    try:
        return form.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise _misshapen(error, form, "body") from error


def placed(form: type[Form], path: Mapping[str, str], query: str) -> Form:
    """What stands in path and query. Raises Refused."""
    texts = dict(path)
    for name, value in _pairs(query):
        if name in texts:
            raise Refused(status=400, what="it is said twice", where=f"query.{name[:_TOLD]}", try_="say it once")
        texts[name] = value
    _storable(texts, "query")
    try:
        return form.model_validate_strings(texts)
    except ValidationError as error:
        raise _misshapen(error, form, "path or query") from error


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        if len(query) > _MOST_QUERY:
            raise ValueError
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        what = "it is too long, or not UTF-8"
        raise Refused(status=400, what=what, where="query", try_=_TRY) from error


def _storable(value: object, where: str) -> None:
    """Refuses texts that no database takes: with NUL, or with half of a character (from JSON's \\ud800)."""
    match value:
        case str():
            if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
                raise Refused(
                    status=422, what="a text holds a NUL or half of a character", where=where, try_="leave it out"
                )
        case dict():
            for name, one in cast("dict[str, object]", value).items():
                _storable(name, where)
                _storable(one, f"{where}.{name}"[:_TOLD])
        case list():
            for one in cast("list[object]", value):
                _storable(one, where)
        case _:
            pass


def _misshapen(error: ValidationError, form: type[Given], where: str) -> Refused:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    wrong = [
        Wrong(where=_place(where, one["loc"]), what=_said(one["type"], one["msg"])) for one in found[:_MOST_ERRORS]
    ]
    hint = _TRY
    if found[0]["type"] == "extra_forbidden" and len(found[0]["loc"]) == 1:
        hint = nearest(str(found[0]["loc"][0])[:_TOLD], list(_names(form)))
    return Refused(status=400, what=wrong[0].what, where=wrong[0].where, try_=hint, errors=wrong)


def _said(kind: str, text: str) -> str:
    if kind == "extra_forbidden":
        return "is not known"
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _place(where: str, path: Sequence[int | str]) -> str:
    """As body.settings.days.0; the names of forms that might have been meant are left out."""
    return ".".join((where, *(str(one) for one in path if "[" not in str(one))))[:_TOLD]


def _names(form: type[Given]) -> Sequence[str]:
    return [field.alias or name for name, field in form.model_fields.items()]
