"""Models, and what is read from written folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import TensorProto, helper

random = np.random.default_rng(0)


def golden(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "golden.jsonl").read_text().splitlines()]


def manifest(folder: Path) -> Any:
    return yaml.safe_load((folder.parent / "model.yaml").read_text())


def assert_reproduced(folder: Path) -> None:
    """Runs the golden rows with the graph: numbers are within 1e-4, all else is equal."""
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    for row in golden(folder):
        feeds = {}
        for value in session.get_inputs():
            given = row["input"].get(value.name)
            if value.type == "tensor(string)":
                feeds[value.name] = np.array([[given or ""]], dtype=object)
            else:
                dtype = "int64" if value.type == "tensor(int64)" else "float32"
                array = np.array([np.nan if given is None else given], dtype=dtype)
                feeds[value.name] = array[:, None] if len(value.shape) == 2 and array.ndim == 1 else array
        for value, result in zip(session.get_outputs(), session.run(None, feeds), strict=True):
            expected = row["output"][value.name]
            expected = list(expected.values()) if isinstance(expected, dict) else expected
            if isinstance(expected, str):
                assert result[0] == expected
            else:
                np.testing.assert_allclose(result.ravel(), np.ravel(expected), rtol=1e-4, atol=1e-8)


def customers(count: int = 300) -> tuple[Any, Any]:
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame(
        {
            "plan": random.choice(["free", "pro", "team"], count),
            "country": random.choice(["DE", "FR", "no"], count),
            "seats": random.integers(1, 40, count),
            "hours": random.uniform(0, 60, count).round(1).astype("float32"),
        }
    )
    leaves = (rows.hours < 12) & (rows.plan != "team") | (rows.seats < 5)
    return rows, np.where(leaves, "leaves", "stays")


def churn_pipeline(last: Any) -> Any:
    compose = pytest.importorskip("sklearn.compose")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore")
    columns = compose.ColumnTransformer(
        [("texts", encoder, ["plan", "country"]), ("numbers", "passthrough", ["seats", "hours"])]
    )
    return pipeline.make_pipeline(columns, last)


def doubling(file: Path) -> Path:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [value("x", TensorProto.FLOAT, [None, 1])],
        [value("y", TensorProto.FLOAT, [None, 1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    return file
