"""A document from this machine: takes a path or a file: URL (RFC 8089), gives its bytes or a FetchError.

Only the operator's own sources come here; the caller has looked at ``allow_files``.
"""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from digest.model.errors import FetchError
from digest.model.feeds import FetchResponse
from digest.sources.asking.answers import too_big
from digest.sources.requests import without_password


def path_of(url: str) -> Path:
    """The path that a file: URL or a bare path names."""
    if not url.lower().startswith("file:"):
        return Path(url)
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise FetchError(
            f"a file: URL of another machine ({parts.netloc.rpartition('@')[2]}) cannot be read",
            where=without_password(url),
            try_="write file:///path, with three slashes",
        )
    return Path(url2pathname(parts.path))


def read(url: str, *, max_bytes: int) -> FetchResponse:
    """The file's bytes as a response with status 200. Devices and pipes are refused: they need not end."""
    try:
        path = path_of(url)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FetchError("this is a folder, not a file", where=url, try_="name the feed document inside it")
        if not stat.S_ISREG(mode):
            raise FetchError("this is not a regular file", where=url, try_="name a file that holds a feed document")
        with path.open("rb") as file:
            body = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise FetchError("there is no such file", where=url, try_="check the path; it is taken as written") from error
    except PermissionError as error:
        raise FetchError("the file may not be read", where=url, try_="let this program's user read it") from error
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or error
        raise FetchError(f"the file cannot be read: {said}", where=url, try_="check the path") from error
    if len(body) > max_bytes:
        raise too_big(url, max_bytes)
    return FetchResponse(url=url, status=200, body=body)
