"""From a fitted scikit-learn pipeline to an ONNX graph that answers the same.

The graph takes raw rows: one input per column, each of shape [batch, 1], text or
float32. A missing number is NaN, a missing text is the empty string.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline
from sklearn.tree import BaseDecisionTree

Kind = Literal["float", "string"]
Row = Mapping[str, float | int | str | None]

TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}


def frame(rows: Sequence[Row], columns: Mapping[str, Kind]) -> pd.DataFrame:
    """Rows as the pipeline takes them: an absent or null value becomes NaN or "".

    Numbers are rounded to float32, as in the gateway, so that both sides of every
    comparison see the same number; they come as float64, so that scikit-learn then
    calculates in full precision.
    """
    table = pd.DataFrame(index=range(len(rows)))
    for name, kind in columns.items():
        values = [row.get(name) for row in rows]
        if kind == "float":
            numbers = [np.nan if value is None else value for value in values]
            table[name] = np.array(numbers, np.float32).astype(np.float64)
        else:
            table[name] = np.array(["" if value is None else value for value in values], object)
    return table


def round_thresholds_down(trees: Sequence[BaseDecisionTree]) -> None:
    """Replace every split threshold by the greatest float32 that is not above it.

    scikit-learn compares float32 values with float64 thresholds; ONNX has only
    float32 for both. For a float32 x, x <= t is the same as x <= round_down(t), so
    scikit-learn's own answers stay as they are and ONNX gets the same ones. Rounding
    to the nearest instead sends a value that lies on the threshold the wrong way.
    Converters have differed in this, so it is not left to them.
    """
    for tree in trees:
        thresholds = tree.tree_.threshold
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        thresholds[:] = np.where(nearest.astype(np.float64) > thresholds, below, nearest)


def convert(pipeline: Pipeline, name: str, columns: Mapping[str, Kind]) -> onnx.ModelProto:
    """Convert with one [batch, 1] input per column, and class probabilities as a plain tensor."""
    types = {"float": FloatTensorType, "string": StringTensorType}
    return convert_sklearn(
        pipeline,
        name=name,
        initial_types=[(column, types[kind]([None, 1])) for column, kind in columns.items()],
        target_opset=TARGET_OPSET,
        options={id(pipeline): {"zipmap": False}} if hasattr(pipeline, "classes_") else None,
    )


def rename_output(model: onnx.ModelProto, old: str, new: str) -> None:
    """Rename a graph output, and the node output behind it."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for output in model.graph.output:
        if output.name == old:
            output.name = new


def append_exp(model: onnx.ModelProto, output: str, scale: float) -> None:
    """Turn the single output z into `output` = scale * exp(z)."""
    graph = model.graph
    rename_output(model, graph.output[0].name, "log_ratio")
    graph.initializer.append(helper.make_tensor("scale", onnx.TensorProto.FLOAT, [1], [scale]))
    graph.node.append(helper.make_node("Exp", ["log_ratio"], ["ratio"], name="exp"))
    graph.node.append(helper.make_node("Mul", ["ratio", "scale"], [output], name="to_unit"))
    graph.output[0].name = output


def save(model: onnx.ModelProto, path: Path, description: str) -> None:
    """Name the batch axis, state the operator sets, describe, check and write the graph.

    The converter lists the operator sets in an order that changes from run to run, one of
    them twice at times; stated here, the same training gives the same bytes.
    """
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in TARGET_OPSET.items())
    model.doc_string = description
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


class OnnxGraph:
    """A saved graph that takes and gives arrays."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answer all rows in one batch: output name -> array."""
        return dict(zip(self.outputs, self._session.run(self.outputs, feeds), strict=True))


class OnnxModel:
    """A saved graph behind the same table that the pipeline takes."""

    def __init__(self, path: Path, columns: Mapping[str, Kind]) -> None:
        self._graph = OnnxGraph(path)
        self._columns = columns

    def run(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Answer all rows in one batch: output name -> array."""
        return self._graph.run(
            {
                name: table[[name]].to_numpy(np.float32 if kind == "float" else object)
                for name, kind in self._columns.items()
            }
        )

    def run_singly(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Answer the same rows one at a time."""
        answers = [self.run(table.iloc[[i]]) for i in range(len(table))]
        return {name: np.concatenate([a[name] for a in answers]) for name in self._graph.outputs}


def worst_relative_error(answer: np.ndarray, reference: np.ndarray) -> float:
    """The largest |answer - reference| / |reference|, row order kept, shapes flattened."""
    reference = np.asarray(reference, np.float64).ravel()
    return float(np.max(np.abs(answer.ravel() - reference) / np.abs(reference)))
