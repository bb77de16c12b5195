"""Runs a graph and compares it with the original model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._errors import ExportError, one_line
from ._examples import Array, Column, Examples

#: Rows of one run.
CHUNK_ROWS = 512

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


@dataclass(frozen=True)
class Output:
    """An output of the graph for all examples: [rows], or [rows, ...]."""

    name: str
    values: Array


def run(graph: bytes, examples: Examples) -> list[Output]:
    """Runs a graph with all examples.

    Raises:
        ExportError: the gateway could not serve the graph, or it does not run.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ExportError(f"ONNX Runtime cannot load the graph: {one_line(error)}") from error
    columns = {column.name: column for column in examples.columns}
    unknown = [value.name for value in session.get_inputs() if value.name not in columns]
    unused = [name for name in columns if name not in {value.name for value in session.get_inputs()}]
    if unknown or unused:
        raise ExportError(
            f"the graph has the inputs {', '.join(value.name for value in session.get_inputs())}, "
            f"but the examples have {', '.join(columns)}"
        )
    for value in [*session.get_inputs(), *session.get_outputs()]:
        if value.type not in _DTYPES:
            raise ExportError(
                f"{value.name} is a {value.type}; the gateway serves tensors of numbers, booleans and text"
            )
    names = [value.name for value in session.get_outputs()]
    step = 1 if any(value.shape[:1] == [1] for value in session.get_inputs()) else CHUNK_ROWS
    chunks = []
    for start in range(0, examples.count, step):
        feeds = {value.name: _feed(columns[value.name], value, start, step) for value in session.get_inputs()}
        try:
            chunks.append(session.run(names, feeds))
        except Exception as error:
            raise ExportError(f"the graph does not run with the examples: {one_line(error)}") from error
    return [_output(name, [chunk[index] for chunk in chunks], examples.count) for index, name in enumerate(names)]


def compare(
    outputs: Sequence[Output], expected: Sequence[Array], tolerance: float, classes: Sequence[str] | None
) -> float:
    """Compares the outputs of the graph with those of the original model.

    Returns:
        the largest relative difference of a number.

    Raises:
        ExportError: a row differs by more than the tolerance.
    """
    if len(outputs) != len(expected):
        raise ExportError(f"the graph has {len(outputs)} outputs, the original model {len(expected)}")
    largest = 0.0
    for output, original in zip(outputs, expected, strict=True):
        target = without_last_axis(original)
        if output.values.shape != target.shape:
            raise ExportError(
                f"{output.name} has the shape {list(output.values.shape)} in ONNX and {list(target.shape)} originally"
            )
        if output.values.dtype.kind == "f" and target.dtype.kind in "fiub":
            largest = max(largest, _compare_numbers(output, target.astype(float), tolerance))
        else:
            _compare_labels(output, target, classes)
    return largest


def without_last_axis(values: Array) -> Array:
    """[rows, 1] is one value for each row."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _compare_numbers(output: Output, target: Array, tolerance: float) -> float:
    actual = output.values.astype(float)
    # As the gateway compares golden rows.
    scale = np.maximum(np.maximum(np.abs(actual), np.abs(target)), tolerance)
    difference = np.abs(actual - target) / scale
    difference[np.isnan(difference)] = np.inf
    worst = np.unravel_index(int(difference.argmax()), difference.shape)
    if difference[worst] > tolerance:
        raise ExportError(
            f"row {int(worst[0])} differs: {output.name} is {actual[worst]:.8g} in ONNX and {target[worst]:.8g} "
            f"originally; the tolerance is {tolerance:g}. Train on numbers that are rounded to float32, put no scaler "
            "before trees, and look for missing and unknown values"
        )
    return float(difference[worst])


def _compare_labels(output: Output, target: Array, classes: Sequence[str] | None) -> None:
    for row, (actual, original) in enumerate(zip(output.values.tolist(), target.tolist(), strict=True)):
        if _text(actual) != _text(original):
            known = "" if classes is None else f" (classes: {', '.join(classes[:20])})"
            raise ExportError(
                f"row {row} differs: {output.name} is {actual!r} in ONNX and {original!r} originally{known}"
            )


def _text(value: Any) -> str:
    if isinstance(value, (bool, int)) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value)


def _feed(column: Column, value: Any, start: int, step: int) -> Array:
    rows = column.values[start : start + step]
    if len(value.shape) == 2 and rows.ndim == 1:
        rows = rows[:, None]
    if column.is_text != (value.type == "tensor(string)"):
        raise ExportError(f"the graph takes {value.type} for {column.name}, but its examples are {rows.dtype}")
    return np.ascontiguousarray(rows, dtype=_DTYPES[value.type])


def _output(name: str, chunks: list[Any], count: int) -> Output:
    values = np.concatenate(chunks) if all(np.ndim(chunk) > 0 for chunk in chunks) else np.zeros(0)
    if len(values) != count:
        raise ExportError(f"the output {name} does not have one value for each row")
    return Output(name, without_last_axis(values))
