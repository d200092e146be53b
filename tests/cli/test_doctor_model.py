"""`digest doctor` and the model of sentences that the configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ranking import tiny_model


@pytest.fixture
def found(call, monkeypatch):
    """What the doctor says of the model: (state, detail, try), or None."""
    monkeypatch.setattr("digest.app.text_records", lambda name: ())

    def found_(setting: str | None) -> tuple[str, str, str] | None:
        path = Path("config.toml")
        if setting is not None:
            path.write_text(f'{path.read_text()}\n[ranking]\nsemantic = "{setting}"\n')
        findings = call("doctor", "--json").json["findings"]
        return next(((one["state"], one["detail"], one["try"]) for one in findings if one["what"] == "model"), None)

    return found_


def test_without_a_model_there_is_nothing_to_say(installed, found):
    assert found(None) is None


def test_a_model_that_can_be_used_is_tried(installed, found):
    tiny_model.write(Path("models/tiny"))
    assert found("models/tiny") == ("ok", "it reads papers into 3 numbers each", "")


def test_a_folder_without_a_model_is_named_with_its_cure(installed, found):
    Path("models").mkdir()
    state, detail, cure = found("models")
    assert state == "fail"
    assert f"{Path('models').absolute()} holds no model.onnx" in detail
    assert "tokenizer.json and model.onnx" in cure
