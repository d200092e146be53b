"""files: the operator's own documents, by path or file: URL."""

from __future__ import annotations

import os

import pytest

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.sources.asking.fetch import Fetcher


def error_of(url: str, **fields) -> FetchError:
    with pytest.raises(FetchError) as caught:
        Fetcher("", max_bytes=1_000).fetch(FetchRequest(url=url, **{"allow_files": True, **fields}))
    return caught.value


def test_a_path_and_a_file_url_give_the_files_bytes(tmp_path):
    path = tmp_path / "my feed.xml"
    path.write_bytes(b"<rss/>")
    for url in (str(path), path.as_uri()):
        got = Fetcher("").fetch(FetchRequest(url=url, allow_files=True))
        assert got == FetchResponse(url=url, status=200, body=b"<rss/>")


@pytest.mark.parametrize("url", ["/etc/hostname", "file:///etc/hostname", "feed.xml", "FILE:///etc/hostname"])
def test_files_are_refused_where_they_are_not_allowed(url):
    assert error_of(url, allow_files=False).what == "only http and https addresses are allowed here"


def test_another_scheme_is_named():
    assert error_of("ftp://example.org/feed").what == "ftp: addresses are not supported"


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 1_001)
    os.mkfifo(tmp_path / "pipe")
    assert error_of(str(tmp_path / "none")).what == "there is no such file"
    assert error_of(str(tmp_path)).what == "this is a folder, not a file"
    assert error_of(str(tmp_path / "pipe")).what == "this is not a regular file"
    assert error_of("/dev/zero").what == "this is not a regular file"
    assert error_of(str(tmp_path / "big")).what == "the document is larger than 0.001 MB"
    assert error_of("file://elsewhere/feed.xml").what == "a file: URL of another machine (elsewhere) cannot be read"
    assert "cannot be read" in error_of("bad\x00name").what


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_bytes(b"x")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # chmod does not stop root, and tests may run as root
    assert error_of(str(path)).what == "the file may not be read"


def test_a_password_in_a_file_url_is_never_told():
    assert "hunter2" not in str(error_of("file://bob:hunter2@other.example/x"))
