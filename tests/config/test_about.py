"""Digests about people or a topic: what they need, what they weigh, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.config import load
from digest.model.editions import WEIGHTS, About
from digest.model.errors import ConfigError
from digest.model.people import Weights

BEFORE = '[mail]\nfrom = "digest@example.org"\n\n[[digest]]\nname = "papers"\n'


def loaded(tmp_path: Path, text: str, environ: dict[str, str] | None = None):
    file = tmp_path / "config.toml"
    file.write_text(BEFORE + text, encoding="utf-8")
    return load(file, environ or {})


def test_a_digest_is_about_what_is_new_unless_it_says_otherwise(tmp_path):
    (digest,) = loaded(tmp_path, "").digests
    assert (digest.about, digest.profile.weights) == (About.TRENDING, None)


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ('about = "authors"\nauthors = ["Ada Lovelace"]', About.AUTHORS),
        ('about = "authors"\ninstitutions = ["ETH Zurich"]', About.AUTHORS),
        ('about = "topic"\ntopics = ["small language models"]', About.TOPIC),
    ],
)
def test_people_and_topics_come_before_votes_where_the_operator_does_not_weigh_them(tmp_path, text, about):
    (digest,) = loaded(tmp_path, text).digests
    assert (digest.about, digest.profile.weights) == (about, WEIGHTS[about])
    (weighed,) = loaded(tmp_path, text + "\nweights = { trend = 1, people = 1 }").digests
    assert weighed.profile.weights == Weights(trend=1, topic=0, people=1, novelty=0)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('about = "authors"', "it follows nobody"),
        ('topics = ["x"]\nabout = "authors"', "it follows nobody"),
        ('about = "topic"\nauthors = ["Ada Lovelace"]', "it has no topics"),
        ('about = "author"\nauthors = ["Ada Lovelace"]', "about"),
    ],
)
def test_a_digest_about_nobody_or_nothing_is_refused_with_its_line(tmp_path, text, what):
    with pytest.raises(ConfigError, match=what) as refused:
        loaded(tmp_path, text)
    line = BEFORE.count("\n") + [part.startswith("about") for part in text.split("\n")].index(True) + 1
    assert refused.value.where.endswith(f"config.toml line {line}")
    assert refused.value.try_


def test_catalogues_are_asked_with_a_key_or_by_name_and_openalex_never_without(tmp_path):
    assert loaded(tmp_path, "").catalogues == ()
    assert loaded(tmp_path, '[keys]\nopenalex = "key"').catalogues == ("openalex",)
    assert loaded(tmp_path, '[catalogue]\nservices = ["semanticscholar"]').catalogues == ("semanticscholar",)
    both = '[keys]\nopenalex = "a"\n[catalogue]\nservices = ["semanticscholar", "openalex"]'
    assert loaded(tmp_path, both).catalogues == ("semanticscholar", "openalex")
    with pytest.raises(ConfigError, match="only with a key"):
        loaded(tmp_path, '[catalogue]\nservices = ["openalex"]')
