"""The OpenAPI 3.1 document, made of the operations and of the very models that check requests and write answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from digest import __version__
from digest.services.access.tokens import SCOPES
from digest.web.api.operation import AnyOperation
from digest.web.api.problems import MEDIA_TYPE, Problem

PATH = "/openapi.json"
_REF = "#/components/schemas/{model}"
#: What anything may be answered with; also, of what has a body, and of what should have none and may have one.
_ALWAYS = (400, 401, 403, 429, 500, 503)
_WITH_BODY = (413, 415, 422)
_WITH_NONE = (413, 422)
_ABOUT = (
    "Subscribers, digests, editions, papers, deliveries and suppressions, as the command line has them. A list is read "
    "page by page: `next` of one page is `after` of the following one, null at the end. Whatever is refused is told as "
    "application/problem+json."
)


@lru_cache(maxsize=4)
def document(operations: Sequence[AnyOperation], public_url: str) -> bytes:
    """The whole document as JSON."""
    models = {(Problem, "serialization"), *(pair for one in operations for pair in _models(one))}
    ordered: list[Any] = sorted(models, key=lambda pair: (pair[0].__name__, pair[1]))
    named, definitions = models_json_schema(ordered, ref_template=_REF)
    paths: dict[str, dict[str, object]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, named)
    paths[PATH] = {"get": _itself()}
    whole: dict[str, object] = {
        "openapi": "3.1.0",
        "info": {"title": "Digest", "version": __version__, "description": _ABOUT},
        "servers": [{"url": f"{public_url}/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _scopes()}},
        },
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def _models(one: AnyOperation) -> Iterator[tuple[type[BaseModel], str]]:
    yield one.answer, "serialization"
    if one.body is not None:
        yield one.body, "validation"


def _scopes() -> str:
    return f"A token that `digest tokens add` made, with the scopes it needs of: {', '.join(SCOPES)}."


def _operation(one: AnyOperation, named: Any) -> dict[str, object]:
    found: dict[str, object] = {
        "operationId": one.name.replace(" ", "_"),
        "summary": one.says,
        "tags": [one.path.split("/")[1]],
        "security": [{"token": list(one.scopes)}],
        "parameters": list(_parameters(one)),
        "responses": {
            "200": {
                "description": "Done.",
                "content": {"application/json": {"schema": named[one.answer, "serialization"]}},
            },
            **{str(status): _refusal(status) for status in _statuses(one)},
        },
    }
    if one.body is not None:
        schema = named[one.body, "validation"]
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _statuses(one: AnyOperation) -> list[int]:
    by_body = _WITH_BODY if one.body is not None else _WITH_NONE if one.method != "GET" else ()
    some = {*_ALWAYS, *one.refuses, *by_body, *((409, 422) if one.once else ())}
    return sorted({*some, *((422,) if one.at.model_fields else ())})


def _refusal(status: int) -> dict[str, object]:
    problem = {"$ref": _REF.format(model=Problem.__name__)}
    headers: dict[str, object] = {}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = {"required": True, "schema": {"type": "integer"}, "description": "Seconds to wait."}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": problem}},
        **({"headers": headers} if headers else {}),
    }


def _parameters(one: AnyOperation) -> Iterator[dict[str, object]]:
    """Those of path and query, and the key. Their models hold plain values, so that no schema is referred to."""
    form = one.at.model_json_schema(ref_template=_REF)
    needed = set(form.get("required", ()))
    for name, schema in form.get("properties", {}).items():
        place = "path" if name in one.in_path else "query"
        about = schema.pop("description", "")
        schema.pop("title", None)
        yield {
            "name": name,
            "in": place,
            "required": name in needed,
            "schema": schema,
            **({"description": about} if about else {}),
        }
    if one.once:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "description": "The same key with the same request gets the same answer for 24 hours, and is done once.",
        }


def _itself() -> dict[str, object]:
    return {
        "operationId": "describe",
        "summary": "This document.",
        "security": [],
        "responses": {
            "200": {
                "description": "OpenAPI 3.1.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
        },
    }
