"""`digest doctor` and the model of sentences that the configuration names."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from digest.app import build
from digest.config import load
from digest.storage import fits
from tests.ranking import tiny_model


@pytest.fixture
def found(call, monkeypatch):
    """What the doctor says of the model: (state, detail, try), or None."""
    monkeypatch.setattr("digest.app.operating.text_records", lambda name: ())

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


def test_a_prior_of_ones_own_that_cannot_be_read_is_told_with_its_cure(installed, call, monkeypatch):
    monkeypatch.setattr("digest.app.operating.text_records", lambda name: ())

    def prior() -> tuple[str, str, str] | None:
        findings = call("doctor", "--json").json["findings"]
        return next(((one["state"], one["detail"], one["try"]) for one in findings if one["what"] == "prior"), None)

    assert prior() is None
    keep_fit(shipped_body())
    state, detail, _ = prior()
    assert (state, detail[:8]) == ("ok", "your own")
    keep_fit('{"format": 0}')
    state, detail, cure = prior()
    assert state == "warn" and "the shipped one is" in detail
    assert cure == "digest backtest --store --fit"


def shipped_body() -> str:
    return resources.files("digest.ranking.prior").joinpath("shipped.json").read_text()


def keep_fit(body: str) -> None:
    app = build(load(Path("config.toml"), {}))
    with app.store.transaction() as tx:
        fits.keep(tx, body, made_at=datetime(2020, 1, 1, tzinfo=UTC))
    app.close()
