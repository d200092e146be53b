"""Sentence embeddings by a model on this machine; it reads the model's files and runs them, and never uses a network.

Takes what ``[ranking] semantic`` says: a folder as sentence-transformers models are published (``tokenizer.json``, and
``model.onnx`` there or in ``onnx/``), or the name of a model that the Hugging Face cache holds. Gives ``Model``, which
turns texts into vectors: the mean over a text's tokens (or the first token, where ``1_Pooling/config.json`` says so),
of length one. Imported only where it is configured; needs the extra "semantic" (onnxruntime, tokenizers).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from digest.model.errors import ConfigError

WHERE = "[ranking] semantic"
#: Tokens of a text that are read; what comes after says little of a title and an abstract.
LONGEST = 256
#: Texts that the model reads at once.
BATCH = 32

_MODEL_FILES = ("model.onnx", "onnx/model.onnx")


class Model:
    """One loaded model. ``id`` changes with its files, so that vectors of two models are never mixed."""

    def __init__(self, folder: Path, session: Any, tokenizer: Any, *, key: str, first_token: bool) -> None:
        self.folder = folder
        self.id = key
        self._session = session
        self._tokenizer = tokenizer
        self._first_token = first_token
        self._inputs = tuple(str(one.name) for one in session.get_inputs())

    def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """Each text's vector as little-endian float32, of length one; zeros for a text without words.

        Raises ConfigError where the model does not give what a model of sentences should.
        """
        # Texts of like length are read together, so that little is padded.
        order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), texts[place]))
        found: list[bytes] = [b""] * len(texts)
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            for place, vector in zip(places, self._read([texts[place] for place in places]), strict=True):
                found[place] = vector.astype("<f4").tobytes()
        return tuple(found)

    def _read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch(list(texts))
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        known = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        try:
            given = np.asarray(self._session.run(None, {name: known[name] for name in self._inputs})[0])
        except Exception as error:  # the runtime has no error class of its own for a graph that does not fit
            raise _useless(self.folder, _first_line(error)) from error
        if given.ndim == 3 and given.shape[:2] == mask.shape:
            given = given[:, 0] if self._first_token else _mean(given, mask)
        if given.ndim != 2 or given.shape[0] != len(texts) or not np.isfinite(given).all():
            raise _useless(self.folder, f"for {len(texts)} texts it gives numbers of the shape {given.shape}")
        lengths = np.linalg.norm(given, axis=1, keepdims=True)
        return np.asarray(given / np.where(lengths > 0, lengths, 1.0), np.float32)


def load(where: str, base: Path) -> Model:
    """The model of a folder (relative to ``base``, the configuration's), or of a name in the Hugging Face cache.

    Raises ConfigError where the extra or the model is missing, or a file is not what it should be.
    """
    folder = _folder(where, base)
    graph = next((folder / name for name in _MODEL_FILES if (folder / name).is_file()), None)
    words = folder / "tokenizer.json"
    if graph is None or not words.is_file():
        missing = "model.onnx" if graph is None else "tokenizer.json"
        raise ConfigError(
            f"{folder} holds no {missing}",
            where=WHERE,
            try_="name a folder with tokenizer.json and model.onnx, as models of sentence-transformers have them",
        )
    runtime, tokenizers = _library("onnxruntime"), _library("tokenizers")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(words))
        session = runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # both libraries raise bare exceptions of their own for a broken file
        raise _useless(folder, _first_line(error)) from error
    model = Model(
        folder, session, tokenizer, key=_key(graph, words), first_token=_says(folder, "pooling_mode_cls_token")
    )
    if unknown := [str(one.name) for one in session.get_inputs() if one.name not in _KNOWN_INPUTS]:
        raise _useless(folder, f"it asks for {', '.join(unknown)}, which no model of sentences needs")
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding()
    return model


_KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _folder(where: str, base: Path) -> Path:
    named = (base / Path(where).expanduser()).resolve()
    if named.is_dir():
        return named
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    held = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{where.replace('/', '--')}"
    if where.count("/") <= 1 and (held / "snapshots").is_dir():
        newest = held / "refs" / "main"
        if newest.is_file() and (found := held / "snapshots" / newest.read_text(encoding="utf-8").strip()).is_dir():
            return found
        if snapshots := sorted((held / "snapshots").iterdir()):
            return snapshots[-1]
    raise ConfigError(
        f"there is no folder {named}, and no model {where!r} in {held.parent}",
        where=WHERE,
        try_="download the model once and name its folder; Digest itself never downloads one",
    )


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f'sentence embeddings need the extra "semantic" ({name} is not installed)',
            where=WHERE,
            try_="install it with `pip install 'digest-papers[semantic]'`, or leave the setting out",
        ) from error


def _says(folder: Path, key: str) -> bool:
    """Whether the model's own description of its pooling says so; a model without one takes the mean."""
    try:
        said = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise _useless(folder, f"1_Pooling/config.json cannot be read: {_first_line(error)}") from error
    return isinstance(said, dict) and cast("dict[str, object]", said).get(key) is True


def _key(*files: Path) -> str:
    """SHA-256, hex, of the files: a model that is put in the place of another is another."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _mean(given: NDArray[Any], mask: NDArray[np.int64]) -> NDArray[Any]:
    weights = mask[:, :, None].astype(given.dtype)
    return (given * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)


def _useless(folder: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the model in {folder} cannot be used: {why}",
        where=WHERE,
        try_="download it again, or name another; it must be a model of sentences in the ONNX format",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
