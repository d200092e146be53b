"""The printed example and reference: always those of the settings classes, and always loadable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from digest.config import load
from digest.config.printing import example, reference
from digest.config.settings import Settings
from digest.config.shape import options, section_of

ROOT = Path(__file__).parent.parent
SECTIONS = sorted(options(Settings))


def test_the_example_is_the_one_the_classes_print():
    assert (ROOT / "config.example.toml").read_text() == example(), (
        "python -m digest.config example > config.example.toml"
    )


def test_the_reference_is_the_one_the_classes_print():
    assert (ROOT / "docs/configuration.md").read_text() == reference(), (
        "python -m digest.config reference > docs/configuration.md"
    )


def test_the_module_prints_what_it_is_asked_for():
    printed = subprocess.run(
        [sys.executable, "-m", "digest.config", "example"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == example()


def test_the_example_loads_and_names_real_sources(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(example())
    config = load(file, {})
    assert [(source.id, source.kind, source.category) for source in config.sources] == [
        ("hf-daily", "huggingface", ""),
        ("arxiv-cs-cl", "arxiv", "cs.CL"),
        ("arxiv-cs-lg", "arxiv", "cs.LG"),
        ("arxiv-cs-cv", "arxiv", "cs.CV"),
        ("deepmind-blog", "feed", ""),
    ]
    assert [digest.name for digest in config.digests] == ["papers"]


def test_every_option_the_example_comments_out_may_be_uncommented(tmp_path):
    file = tmp_path / "config.toml"
    (tmp_path / "templates").mkdir()
    every_option = re.sub(r"(?m)^# (\w+ = |\[\[)", r"\1", example())
    # But for those that exclude another: a maildir beside a host, a token beside a password, a category beside a kind
    # that has none.
    excluded = r'(?m)^(?:maildir|token_command) = .*\n|^(?<!kind = "arxiv"\n)category = .*\n'
    file.write_text(re.sub(excluded, "", every_option))
    assert load(file, {}).inbound.host == "imap.example.org"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_option_has_a_sentence_a_kind_and_a_place_in_both(section):
    model = section_of(options(Settings)[section].annotation)
    assert model is not None
    assert (model.__doc__ or "").strip().endswith(".")
    for name, field in options(model).items():
        assert (field.description or "").endswith("."), f"{section}.{name}"
        assert isinstance(field.json_schema_extra, dict), f"{section}.{name}"
        assert re.search(rf"(?m)^(# )?{name} = ", example()), f"{section}.{name}"
        assert f"| `{name}` |" in reference(), f"{section}.{name}"
