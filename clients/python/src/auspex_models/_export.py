"""The one call of this package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from . import _folder
from ._check import Output, compare, run
from ._converters import Conversion, convert
from ._errors import ExportError
from ._examples import Column
from ._graph import rename_outputs, serialized

#: Relative difference that `npm run models:check` allows.
DEFAULT_TOLERANCE = 1e-4

#: Golden rows that are written.
DEFAULT_GOLDEN_ROWS = 50

#: Keys of an input and an output in the manifest.
_INPUT_KEYS = {
    *("description", "unit", "values", "required", "integer", "minimum", "maximum", "closed", "max_length"),
    "nullable_elements",
}
_OUTPUT_KEYS = {"description", "unit", "values", "labels"}


@dataclass(frozen=True)
class Summary:
    """What was written."""

    #: The version's folder.
    folder: Path
    name: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    #: Examples that were compared with the original model; 0 for an ONNX file without a reference.
    compared_rows: int
    #: The largest relative difference of a number.
    largest_difference: float
    golden_rows: int

    def __str__(self) -> str:
        checked = (
            f"{self.compared_rows} rows equal the original within {self.largest_difference:.1e}"
            if self.compared_rows
            else "not compared with an original model"
        )
        return (
            f"{self.folder}: {', '.join(self.inputs)} -> {', '.join(self.outputs)}; {checked}; "
            f"{self.golden_rows} golden rows. Next: npm run models:check -- {self.folder.parent.parent}"
        )


def export(
    model: Any,
    *,
    name: str,
    examples: Any,
    store: str | os.PathLike[str] = "model-store",
    version: int | None = None,
    title: str | None = None,
    description: str | None = None,
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    metrics: Mapping[str, float] | None = None,
    card: str | None = None,
    reference: Callable[[Any], Any] | None = None,
    golden_rows: int = DEFAULT_GOLDEN_ROWS,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Summary:
    """Exports a model, compares it with the original on the examples, and writes its folder.

    Args:
        model: a fitted model of scikit-learn, XGBoost or LightGBM, a `torch.nn.Module`, or an ONNX file.
        name: the name of the model and of its folder.
        examples: rows like those of the training: a pandas DataFrame, whose columns become inputs; an array; arrays by
            name; for PyTorch also tensors, or a tuple of one for each parameter of `forward`. The first ones become
            golden rows, so they must not be confidential.
        store: the model store.
        version: its number; by default the next one.
        title: what people call the model; by default made from its name.
        description: a sentence or two, shown in the schema.
        inputs: descriptions for the manifest by input, such as `{"km": {"unit": "km", "minimum": 0}}`.
        outputs: the same by output.
        input_names: names of the columns of an array, or of the inputs of PyTorch.
        output_names: names of the outputs; by default `prediction`, or `label` and `probabilities`.
        metrics: how good the model is, shown by the gateway.
        card: the text of the card; by default one to fill in.
        reference: for an ONNX file, a function that returns what the original model returns for the examples.
        golden_rows: the number of examples that become golden rows, at least 1.
        tolerance: the relative difference that a number may have.

    Raises:
        ExportError: the model cannot be exported, or differs from the original; nothing is written then.
    """
    _folder.assert_name(name)
    if golden_rows < 1:
        raise ExportError("golden_rows must be 1 or more")
    for key, value in (metrics or {}).items():
        if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise ExportError(f"metrics[{key!r}] must be a finite number, not {value!r}")
    number = _folder.next_version(Path(store), name, version)
    conversion = convert(model, examples, input_names, reference)
    names = output_names if output_names is not None else conversion.output_names
    if names is not None:
        rename_outputs(conversion.graph, names)
    graph = serialized(conversion.graph)
    results = run(graph, conversion.examples)
    largest = 0.0
    if conversion.expected is not None:
        largest = compare(results, conversion.expected, tolerance, conversion.classes)
    labels = _labels(results, conversion.classes, outputs or {})
    contents = _folder.Contents(
        title=title or name.replace("-", " ").replace("_", " ").capitalize(),
        description=description,
        inputs=_described({column.name: _input(column) for column in conversion.examples.columns}, inputs, "inputs"),
        outputs=_described(labels, outputs, "outputs"),
        kinds=_kinds(conversion, results),
        max_batch=1 if _is_for_one_row(conversion.graph) else None,
        graph=graph,
        golden=_golden(conversion, results, labels, min(golden_rows, conversion.examples.count)),
        metrics=metrics,
        card=card,
        check=_check_text(conversion, largest),
    )
    return Summary(
        folder=_folder.write(Path(store), name, number, contents),
        name=name,
        version=number,
        inputs=tuple(column.name for column in conversion.examples.columns),
        outputs=tuple(result.name for result in results),
        compared_rows=conversion.examples.count if conversion.expected is not None else 0,
        largest_difference=largest,
        golden_rows=len(contents.golden),
    )


def _input(column: Column) -> dict[str, Any]:
    field: dict[str, Any] = {}
    if column.has_missing:
        field["required"] = False
    if column.is_integer and column.values.dtype.kind == "f":
        field["integer"] = True
    return field


def _labels(
    results: Sequence[Output], classes: Sequence[str] | None, described: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What the manifest says of the outputs: the classes of a label, and of its probabilities."""
    fields: dict[str, dict[str, Any]] = {}
    for result in results:
        field: dict[str, Any] = {}
        own = described.get(result.name, {}).get("labels")
        if own is not None:
            field["labels"] = list(map(str, own))
        elif classes is not None and result.values.ndim == 1 and result.values.dtype.kind != "f":
            field["values"] = list(classes)
        elif classes is not None and result.values.ndim == 2 and result.values.shape[1] == len(classes):
            field["labels"] = list(classes)
        if "labels" in field and result.values.shape[1:] != (len(field["labels"]),):
            raise ExportError(
                f"{result.name} has the shape {list(result.values.shape)}, but {len(field['labels'])} labels"
            )
        fields[result.name] = field
    return fields


def _described(
    fields: Mapping[str, dict[str, Any]], described: Mapping[str, Mapping[str, Any]] | None, kind: str
) -> dict[str, dict[str, Any]]:
    known_keys = _INPUT_KEYS if kind == "inputs" else _OUTPUT_KEYS
    for name, keys in (described or {}).items():
        if name not in fields:
            raise ExportError(f"{kind} describes {name}, but the model has {', '.join(fields)}")
        unknown = sorted(set(keys) - known_keys)
        if unknown:
            raise ExportError(f"{kind}[{name!r}] has {unknown[0]}; known keys are {', '.join(sorted(known_keys))}")
    return {name: {**field, **(described or {}).get(name, {})} for name, field in fields.items()}


def _golden(
    conversion: Conversion, results: Sequence[Output], fields: Mapping[str, Mapping[str, Any]], count: int
) -> list[dict[str, Any]]:
    """The first examples, with the outputs of the original model where it is known."""
    rows: list[dict[str, Any]] = []
    for row in range(count):
        output = {}
        for index, result in enumerate(results):
            values = result.values if conversion.expected is None else _as(result, conversion.expected[index])
            labels = fields[result.name].get("labels")
            value = _plain(values[row], result.name)
            output[result.name] = value if labels is None else dict(zip(labels, value, strict=True))
        golden: dict[str, Any] = {"input": conversion.examples.input_of(row), "output": output}
        if conversion.expected is None:
            # The graph computed it: it proves only that the graph is unchanged.
            golden["generated"] = True
        rows.append(golden)
    return rows


def _as(result: Output, original: Any) -> Any:
    """The original outputs in the form of the graph's: integer labels may be floats, and texts objects."""
    values = np.asarray(original).reshape(result.values.shape)
    return values.astype(result.values.dtype) if result.values.dtype.kind in "ib" else values


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(element, name) for element in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            raise ExportError(f"{name} is {value} for an example; golden rows need finite numbers")
        return float(value)
    return str(value)


def _kinds(conversion: Conversion, results: Sequence[Output]) -> dict[str, str]:
    values = {column.name: column.values for column in conversion.examples.columns}
    values.update({result.name: result.values for result in results})
    names = {"f": "float", "i": "integer", "u": "integer", "b": "boolean", "O": "string", "U": "string"}
    return {
        name: " x ".join(map(str, array.shape[1:]))
        + (" " if array.ndim > 1 else "")
        + names[array.dtype.kind]
        + ("s" if array.ndim > 1 else "")
        for name, array in values.items()
    }


def _is_for_one_row(graph: Any) -> bool:
    dims = [value.type.tensor_type.shape.dim for value in graph.graph.input]
    return any(len(shape) > 0 and shape[0].dim_value == 1 for shape in dims)


def _check_text(conversion: Conversion, largest: float) -> str:
    exporter = f"Exported with auspex-models and onnx {onnx.__version__}."
    if conversion.expected is None:
        return f"{exporter} The outputs of the golden rows were computed by the graph itself."
    return (
        f"{exporter} {conversion.examples.count} rows equal the original model within a relative difference of "
        f"{largest:.1e}."
    )
