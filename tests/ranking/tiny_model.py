"""A sentence-embedding model of a few words and three numbers each, in the files that a real one has."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = {"[PAD]": 0, "[UNK]": 1, "bee": 2, "hive": 3, "rail": 4, "station": 5}
#: What the model knows of each word; the padding's numbers would spoil any mean that took them in.
TABLE = np.array([[9, 9, 9], [0, 0, 1], [1, 0, 0], [3, 0, 0], [0, 2, 0], [0, 4, 0]], np.float32)


def write(folder, *, inside="", pooled=False, also=(), table=TABLE, pooling=None):
    """Writes the model's files; gives the folder. ``pooled``: the graph gives one row a text by itself."""
    (folder / inside).mkdir(parents=True, exist_ok=True)
    shape = ["texts", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", *also)]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["words"])]
    if pooled:
        nodes.append(helper.make_node("ReduceMax", ["words", "one"], ["out"], keepdims=0))
    else:
        nodes.append(helper.make_node("Identity", ["words"], ["out"]))
    dims = ["texts", 3] if pooled else ["texts", "tokens", 3]
    given = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], np.int64), "one")]
    graph = helper.make_graph(
        nodes, "tiny", inputs, [helper.make_tensor_value_info("out", TensorProto.FLOAT, dims)], initializer=given
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / inside / "model.onnx"))
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder
