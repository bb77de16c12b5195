"""Exports a fitted scikit-learn pipeline as an equivalent ONNX graph.

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
    """Converts rows to the pipeline's input; absent and null values become NaN or "".

    Numbers are rounded to float32, as in the gateway, so that both sides of a comparison
    get the same number. They are stored as float64, so that scikit-learn computes in full
    precision.
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
    """Rounds every split threshold down to float32.

    scikit-learn compares float32 values with float64 thresholds; ONNX uses float32 for
    both. For a float32 x, x <= t is equivalent to x <= round_down(t), so predictions of
    scikit-learn do not change and ONNX returns the same. Rounding to nearest would send a
    value equal to the threshold to the wrong branch. Converters differ in this respect, so
    thresholds are rounded before the conversion.
    """
    for tree in trees:
        thresholds = tree.tree_.threshold
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        thresholds[:] = np.where(nearest.astype(np.float64) > thresholds, below, nearest)


def convert(pipeline: Pipeline, name: str, columns: Mapping[str, Kind]) -> onnx.ModelProto:
    """Converts with one [batch, 1] input per column and class probabilities as a tensor."""
    types = {"float": FloatTensorType, "string": StringTensorType}
    return convert_sklearn(
        pipeline,
        name=name,
        initial_types=[(column, types[kind]([None, 1])) for column, kind in columns.items()],
        target_opset=TARGET_OPSET,
        options={id(pipeline): {"zipmap": False}} if hasattr(pipeline, "classes_") else None,
    )


def rename_output(model: onnx.ModelProto, old: str, new: str) -> None:
    """Renames a graph output and the corresponding node output."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for output in model.graph.output:
        if output.name == old:
            output.name = new


def append_exp(model: onnx.ModelProto, output: str, scale: float) -> None:
    """Replaces the single output z by `output` = scale * exp(z)."""
    graph = model.graph
    rename_output(model, graph.output[0].name, "log_ratio")
    graph.initializer.append(helper.make_tensor("scale", onnx.TensorProto.FLOAT, [1], [scale]))
    graph.node.append(helper.make_node("Exp", ["log_ratio"], ["ratio"], name="exp"))
    graph.node.append(helper.make_node("Mul", ["ratio", "scale"], [output], name="to_unit"))
    graph.output[0].name = output


def save(
    model: onnx.ModelProto,
    path: Path,
    description: str,
    more_operators: Sequence[onnx.OperatorSetIdProto] = (),
) -> None:
    """Names the batch axis, sets operator sets and description, then checks and writes the graph.

    The converter lists operator sets in varying order, sometimes with duplicates. Setting
    them explicitly makes the file reproducible.
    """
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in TARGET_OPSET.items())
    model.opset_import.extend(more_operators)
    model.doc_string = description
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


class OnnxGraph:
    """A saved graph with array inputs and outputs."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predicts all rows in one batch. Returns output name -> array."""
        return dict(zip(self.outputs, self._session.run(self.outputs, feeds), strict=True))


class OnnxModel:
    """A saved graph with the same table input as the pipeline."""

    def __init__(self, path: Path, columns: Mapping[str, Kind]) -> None:
        self._graph = OnnxGraph(path)
        self._columns = columns

    def run(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Predicts all rows in one batch. Returns output name -> array."""
        return self._graph.run(
            {
                name: table[[name]].to_numpy(np.float32 if kind == "float" else object)
                for name, kind in self._columns.items()
            }
        )

    def run_row_by_row(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Predicts the rows one at a time."""
        outputs = [self.run(table.iloc[[i]]) for i in range(len(table))]
        return {name: np.concatenate([o[name] for o in outputs]) for name in self._graph.outputs}


def max_relative_error(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Maximum of |predicted - reference| / |reference| over all elements."""
    reference = np.asarray(reference, np.float64).ravel()
    return float(np.max(np.abs(predicted.ravel() - reference) / np.abs(reference)))
