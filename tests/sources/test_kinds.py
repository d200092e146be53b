"""kinds: names lead to kinds, mistakes to the nearest name, bare documents to the kind that reads them."""

from __future__ import annotations

import pytest

from digest.model.errors import ConfigError
from digest.sources.kinds import KINDS, kind_of, sniff


def test_each_kind_is_known_by_its_own_name():
    assert {name: kind.name for name, kind in KINDS.items()} == {
        name: name for name in ("feed", "arxiv", "huggingface")
    }
    assert kind_of("arxiv") is KINDS["arxiv"]


@pytest.mark.parametrize(("name", "near"), [("arXiv", "arxiv"), ("hugging-face", "huggingface"), ("feeds", "feed")])
def test_an_unknown_kind_is_refused_with_the_nearest_name(name, near):
    with pytest.raises(ConfigError) as caught:
        kind_of(name)
    assert f"did you mean {near}?" in caught.value.try_


@pytest.mark.parametrize(
    ("where", "body", "kind"),
    [
        ("https://huggingface.co/api/daily_papers?date=2025-11-21", b"[]", "huggingface"),
        ("x.json", b"[]", "feed"),
        ("https://rss.arxiv.org/rss/cs.CL", b"<rss/>", "arxiv"),
        ("https://rss.example/cs.CL", b"<rss/>", "feed"),
        ("", b"", "feed"),
    ],
)
def test_where_the_content_does_not_tell_the_address_does(where, body, kind):
    assert sniff(where, body) == kind
