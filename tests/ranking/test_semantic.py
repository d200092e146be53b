"""Sentence embeddings from a model's real files: a tiny one, made here, run by the real runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digest.model.errors import ConfigError
from digest.ranking.semantic import BATCH, load
from tests.ranking import tiny_model


def vectors(model, *texts):
    return [np.frombuffer(one, "<f4").astype(float).round(4).tolist() for one in model.embed(texts)]


def refused(where, base):
    with pytest.raises(ConfigError) as caught:
        load(where, base)
    assert caught.value.where == "[ranking] semantic"
    assert caught.value.try_
    return caught.value.what


def test_a_text_is_the_mean_of_its_words_at_length_one(tmp_path):
    model = load(str(tiny_model.write(tmp_path / "tiny")), tmp_path)
    assert vectors(model, "bee hive", "rail", "bee rail") == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.4472, 0.8944, 0.0]]


def test_what_is_read_together_does_not_change_a_vector(tmp_path):
    model = load(str(tiny_model.write(tmp_path / "tiny")), tmp_path)
    texts = [" ".join(["bee", "rail", "hive"][: 1 + n % 3] * (1 + n)) for n in range(BATCH + 5)]
    assert vectors(model, *texts) == [vectors(model, text)[0] for text in texts]


def test_a_text_without_words_and_a_very_long_one_are_read(tmp_path):
    model = load(str(tiny_model.write(tmp_path / "tiny")), tmp_path)
    assert vectors(model, "", "bee " * 5000) == [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert model.embed([]) == ()


def test_the_first_token_stands_for_a_text_where_the_model_says_so(tmp_path):
    folder = tiny_model.write(tmp_path / "tiny", pooling={"pooling_mode_cls_token": True})
    assert vectors(load(str(folder), tmp_path), "rail bee bee") == [[0.0, 1.0, 0.0]]


def test_a_model_that_pools_by_itself_is_believed(tmp_path):
    folder = tiny_model.write(tmp_path / "tiny", pooled=True, also=("attention_mask", "token_type_ids"))
    assert vectors(load(str(folder), tmp_path), "hive station") == [[0.6, 0.8, 0.0]]


def test_a_folder_is_found_beside_the_configuration(tmp_path):
    tiny_model.write(tmp_path / "models" / "tiny", inside="onnx")
    assert vectors(load("models/tiny", tmp_path), "bee") == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("told", [True, False])
def test_a_name_is_looked_up_in_the_cache_of_downloaded_models(tmp_path, monkeypatch, told):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    held = tmp_path / "cache" / "hub" / "models--somebody--tiny"
    tiny_model.write(held / "snapshots" / "abc123")
    if told:
        (held / "refs").mkdir()
        (held / "refs" / "main").write_text("abc123\n")
    assert vectors(load("somebody/tiny", tmp_path), "bee") == [[1.0, 0.0, 0.0]]


def test_another_model_has_another_id_and_the_same_has_the_same(tmp_path):
    one, same = (load(str(tiny_model.write(tmp_path / name)), tmp_path).id for name in ("one", "same"))
    other = load(str(tiny_model.write(tmp_path / "other", table=tiny_model.TABLE + 1)), tmp_path).id
    assert one == same != other
    assert len(one) == 64


def test_a_model_that_is_nowhere_is_named_and_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    assert "no model 'somebody/else'" in refused("somebody/else", tmp_path)


@pytest.mark.parametrize("gone", ["model.onnx", "tokenizer.json"])
def test_a_folder_with_a_file_missing_says_which(tmp_path, gone):
    (tiny_model.write(tmp_path / "tiny") / gone).unlink()
    assert refused("tiny", tmp_path) == f"{tmp_path / 'tiny'} holds no {gone}"


@pytest.mark.parametrize("broken", ["model.onnx", "tokenizer.json", "1_Pooling/config.json"])
def test_a_damaged_file_is_our_error_and_no_traceback(tmp_path, broken):
    folder = tiny_model.write(tmp_path / "tiny", pooling={})
    (folder / broken).write_bytes(b"\x00not a model")
    assert "cannot be used" in refused("tiny", tmp_path)


def test_a_model_of_something_else_is_refused(tmp_path):
    tiny_model.write(tmp_path / "tiny", also=("pixel_values",))
    assert "asks for pixel_values" in refused("tiny", tmp_path)


def test_numbers_that_are_none_are_refused(tmp_path):
    model = load(str(tiny_model.write(tmp_path / "tiny", table=tiny_model.TABLE * np.float32("nan"))), tmp_path)
    with pytest.raises(ConfigError, match="cannot be used"):
        model.embed(["bee"])


@pytest.mark.parametrize("library", ["onnxruntime", "tokenizers"])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    tiny_model.write(tmp_path / "tiny")
    assert refused("tiny", tmp_path) == f'sentence embeddings need the extra "semantic" ({library} is not installed)'


def test_nothing_of_it_is_loaded_before_it_is_asked_for():
    code = "import sys, digest.app, digest.ranking.semantic; print({'onnxruntime', 'tokenizers'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert said.stdout == "set()\n"
