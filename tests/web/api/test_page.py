"""Every call of curl in docs/api.md works as it is written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from digest.web.api import OPERATIONS
from tests.web.api.conftest import BASE

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text(encoding="utf-8")
HOST = "https://digest.example.org"


def calls() -> list[list[str]]:
    """The words of each call, in their order."""
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("curl ")]


def as_curl(web, secret: str, words: list[str]):
    """Asks as curl does with the options that the page uses; another one is an error."""
    headers, method, data, urls = {}, "", None, []
    rest = iter(words[1:])
    for word in rest:
        if word == "-sS":
            continue
        if word == "-H":
            header = next(rest)
            text = f"Authorization: Bearer {secret}" if header == "@header" else header
            name, _, value = text.partition(": ")
            headers[name] = value
        elif word == "-X":
            method = next(rest)
        elif word == "-d":
            data = next(rest)
        else:
            assert word.startswith(HOST + BASE), word
            urls.append(word.removeprefix(HOST))
    (url,) = urls
    return web.request(method or ("POST" if data else "GET"), url, headers=headers, content=data)


@pytest.mark.usefixtures("printed")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_call_of_the_page_is_done(web, api):
    asked = calls()
    assert len(asked) == PAGE.count("\ncurl ") == 18
    for words in asked:
        answer = as_curl(web, api.secret, words)
        assert answer.status_code == 200, (words, answer.text)
        assert json.loads(answer.text)


def test_the_page_names_every_scope_that_there_is():
    named = set()
    for first, more in re.findall(r"(?m)^\| `(\w+:read)`(?:, `(:write)`)? \|", PAGE):
        named |= {first} | ({first.replace(":read", more)} if more else set())
    assert named == {scope for one in OPERATIONS for scope in one.scopes}
