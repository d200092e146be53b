"""Form bodies, read with a limit and without trust."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from python_multipart import parse_form
from starlette.requests import Request

MOST_BYTES = 64_000
_MOST_FIELDS = 2_000


class TooLarge(Exception):
    """The body is larger than any form of ours."""


async def read_form(request: Request) -> Mapping[str, list[str]]:
    """Fields of a urlencoded or multipart body (RFC 8058 allows both); files and unreadable bodies give nothing.

    Raises TooLarge at once where the request says so itself, else as soon as it is.
    """
    if announced(request) > MOST_BYTES:
        raise TooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLarge
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        return _multipart(kind, bytes(body))
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}


def announced(request: Request) -> int:
    """How many bytes a request says that it has; 0 where it does not."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


def first(form: Mapping[str, list[str]], name: str) -> str:
    """The first value of a field, without spaces around it; "" where the form has none."""
    return form.get(name, [""])[0].strip()


def _multipart(kind: str, body: bytes) -> Mapping[str, list[str]]:
    import io

    fields: dict[str, list[str]] = {}

    def on_field(field: object) -> None:
        name = getattr(field, "field_name", None) or b""
        value = getattr(field, "value", None) or b""
        fields.setdefault(name.decode("utf-8", "replace"), []).append(value.decode("utf-8", "replace"))

    def on_file(_file: object) -> None:
        return

    headers = {"Content-Type": kind.encode("latin-1", "replace"), "Content-Length": str(len(body)).encode()}
    try:
        parse_form(headers, io.BytesIO(body), on_field, on_file)
    except Exception:  # a stranger's malformed body is no body
        return {}
    return fields
