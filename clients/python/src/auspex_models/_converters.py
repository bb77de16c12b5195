"""Conversion of each framework's models to ONNX, with what the original model returns for the examples."""

from __future__ import annotations

import copy
import inspect
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ._errors import ExportError, one_line, required
from ._examples import Array, Examples, examples_from, is_frame, tensor_column
from ._graph import split_into_columns, without_zip_map

#: Operator sets that the gateway and the converters support.
OPSETS = {"": 18, "ai.onnx.ml": 3}

#: Outputs of a classifier.
CLASSIFIER_OUTPUTS = ("label", "probabilities")


@dataclass(frozen=True)
class Conversion:
    """A converted model."""

    graph: Any
    examples: Examples
    #: What the original model returns for the examples, one array for each output; None if it is not known.
    expected: tuple[Array, ...] | None
    #: Names of the outputs; None leaves those of the graph.
    output_names: tuple[str, ...] | None
    #: The classes of a classifier, in the order of its probabilities.
    classes: tuple[str, ...] | None = None


def convert(
    model: Any, examples: Any, input_names: Sequence[str] | None, reference: Callable[[Any], Any] | None
) -> Conversion:
    """Converts a model of any supported framework.

    Raises:
        ExportError: the model or the examples are not supported.
    """
    if isinstance(model, (str, os.PathLike, onnx.ModelProto)):
        return _from_onnx(model, examples_from(examples, input_names), reference)
    if reference is not None:
        raise ExportError("reference is for a model that is an ONNX file; other models are run themselves")
    modules = {base.__module__.split(".")[0] for base in type(model).__mro__}
    if "torch" in modules:
        return _from_torch(model, examples, input_names)
    if "xgboost" in modules or "lightgbm" in modules:
        return _from_boosting(model, "xgboost" if "xgboost" in modules else "lightgbm", examples, input_names)
    if "sklearn" in modules:
        return _from_sklearn(model, examples_from(examples, input_names), is_frame(examples))
    raise ExportError(
        f"a {type(model).__module__}.{type(model).__name__} cannot be exported; give a model of scikit-learn, "
        "XGBoost, LightGBM or PyTorch, or the path of an ONNX file"
    )


def _from_sklearn(model: Any, examples: Examples, has_columns: bool) -> Conversion:
    to_onnx = required("skl2onnx", "sklearn")
    types = required("skl2onnx.common.data_types", "sklearn")
    _register_boosting()
    is_composed = type(model).__name__ in ("Pipeline", "ColumnTransformer")
    texts = [column.name for column in examples.columns if column.is_text]
    takes_columns = has_columns and is_composed
    if takes_columns:
        initial = [
            (column.name, (types.StringTensorType if column.is_text else types.FloatTensorType)([None, 1]))
            for column in examples.columns
        ]
    else:
        if texts and len(examples.columns) > 1:
            raise ExportError(
                f"{type(model).__name__} takes numbers, but {', '.join(texts)} are strings; "
                "put a ColumnTransformer before it in a Pipeline"
            )
        kind = types.StringTensorType if texts else types.FloatTensorType
        initial = [("matrix", kind([None, _width(examples)]))]
    # A pipeline's options are those of its last step.
    is_classifier = hasattr(model, "classes_")
    options = {id(model): {"zipmap": False}} if is_classifier else None
    graph = _converted(
        lambda: to_onnx.convert_sklearn(model, initial_types=initial, target_opset=OPSETS, options=options),
        model,
    )
    if not takes_columns:
        _name_inputs(graph, examples)
    return _sklearn_conversion(model, graph, examples)


def _from_boosting(model: Any, package: str, examples: Any, input_names: Sequence[str] | None) -> Conversion:
    tools = required("onnxmltools", package)
    types = required("onnxmltools.convert.common.data_types", package)
    if not hasattr(model, "predict") or type(model).__name__ == "Booster":
        api = {"xgboost": "XGBClassifier or XGBRegressor", "lightgbm": "LGBMClassifier or LGBMRegressor"}[package]
        raise ExportError(f"a {package} {type(model).__name__} cannot be exported; train a {api}")
    rows = examples_from(examples, input_names)
    texts = [column.name for column in rows.columns if column.is_text]
    if texts:
        raise ExportError(
            f"{package} takes numbers, but {', '.join(texts)} are strings; put a ColumnTransformer before it "
            "in a scikit-learn Pipeline"
        )
    initial = [("matrix", types.FloatTensorType([None, _width(rows)]))]
    if package == "xgboost":
        unnamed = copy.deepcopy(model)
        # The converter reads only names such as f0.
        unnamed.get_booster().feature_names = None
        graph = _converted(lambda: tools.convert_xgboost(unnamed, initial_types=initial, target_opset=15), model)
    else:
        graph = _converted(
            lambda: tools.convert_lightgbm(model, initial_types=initial, target_opset=15, zipmap=False), model
        )
    without_zip_map(graph)
    _name_inputs(graph, rows)
    return _sklearn_conversion(model, graph, rows)


# The module of each converter imports its package: one may be installed without the other.
_BOOSTING = (
    ("xgboost", "XGB", "onnxmltools.convert.xgboost.operator_converters.XGBoost", "convert_xgboost"),
    ("lightgbm", "LGBM", "onnxmltools.convert.lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
)


def _register_boosting() -> None:
    """Registers the models of XGBoost and LightGBM as steps of a pipeline, where they are installed."""
    register = required("skl2onnx", "sklearn").update_registered_converter
    shapes = required("skl2onnx.common.shape_calculator", "sklearn")
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    for package, prefix, converter_module, converter_name in _BOOSTING:
        try:
            module = import_module(package)
            converter = getattr(import_module(converter_module), converter_name)
        except ImportError:
            continue
        classifier, regressor = (getattr(module, prefix + kind) for kind in ("Classifier", "Regressor"))
        register(
            classifier,
            f"Auspex{prefix}Classifier",
            shapes.calculate_linear_classifier_output_shapes,
            converter,
            options=options,
        )
        register(regressor, f"Auspex{prefix}Regressor", shapes.calculate_linear_regressor_output_shapes, converter)


def _sklearn_conversion(model: Any, graph: Any, examples: Examples) -> Conversion:
    rows = examples.original
    predicted = np.asarray(_run_original(lambda: model.predict(rows)))
    if not hasattr(model, "classes_"):
        return Conversion(graph, examples, (predicted,), ("prediction",))
    if isinstance(model.classes_, list):
        raise ExportError("a classifier with several outputs cannot be exported; export one model for each")
    scores = model.predict_proba if hasattr(model, "predict_proba") else model.decision_function
    classes = tuple(_class_text(value) for value in model.classes_)
    names = CLASSIFIER_OUTPUTS if hasattr(model, "predict_proba") else ("label", "scores")
    return Conversion(graph, examples, (predicted, np.asarray(_run_original(lambda: scores(rows)))), names, classes)


def _from_torch(model: Any, examples: Any, input_names: Sequence[str] | None) -> Conversion:
    torch = required("torch", "torch")
    required("onnxscript", "torch")
    if not isinstance(model, torch.nn.Module):
        raise ExportError(f"a {type(model).__name__} cannot be exported; give a torch.nn.Module")
    rows, tensors, columns = _torch_inputs(torch, model, examples, input_names)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            returned = _run_original(lambda: model(*tensors))
        results = returned if isinstance(returned, (tuple, list)) else [returned]
        if not all(isinstance(result, torch.Tensor) for result in results):
            raise ExportError("the forward method must return a tensor or a tuple of tensors")
        names = ("prediction",) if len(results) == 1 else tuple(f"prediction_{i + 1}" for i in range(len(results)))
        # A size of 1 would become fixed.
        sample = tuple(torch.cat([tensor, tensor])[:2] for tensor in tensors)
        graph = _converted(lambda: _torch_graph(torch, model, sample, [c.name for c in rows.columns], names), model)
    finally:
        model.train(was_training)
    if columns is not None:
        split_into_columns(graph, [column.name for column in columns.columns])
        rows = columns
    return Conversion(graph, rows, tuple(result.numpy() for result in results), names)


def _torch_inputs(
    torch: Any, model: Any, examples: Any, input_names: Sequence[str] | None
) -> tuple[Examples, tuple[Any, ...], Examples | None]:
    """The examples by parameter of the forward method, as tensors, and by column if a matrix has named columns."""
    parameters = list(inspect.signature(model.forward).parameters)
    if is_frame(examples) or (input_names is not None and len(input_names) > 1 and not isinstance(examples, tuple)):
        columns = examples_from(examples, input_names)
        matrix = np.stack([column.values for column in columns.columns], axis=1).astype("float32")
        return examples_from({"matrix": matrix}, None), (torch.from_numpy(matrix),), columns
    values = examples if isinstance(examples, tuple) else (examples,)
    if isinstance(examples, dict):
        values, parameters = tuple(examples.values()), list(examples)
    names = list(input_names) if input_names is not None else parameters[: len(values)]
    if len(names) != len(values):
        raise ExportError(
            f"there are {len(values)} examples for the inputs {', '.join(names)}; give one array for each"
        )
    tensors = tuple(
        value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value)) for value in values
    )
    tensors = tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in tensors)
    arrays = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    rows = Examples(tuple(tensor_column(name, array) for name, array in arrays.items()), arrays)
    return rows, tensors, None


def _torch_graph(torch: Any, model: Any, sample: tuple[Any, ...], inputs: list[str], outputs: Sequence[str]) -> Any:
    batch = torch.export.Dim("batch")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            model,
            sample,
            file,
            input_names=inputs,
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in sample),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        return onnx.load(file)


def _from_onnx(model: Any, examples: Examples, reference: Callable[[Any], Any] | None) -> Conversion:
    graph = copy.deepcopy(model) if isinstance(model, onnx.ModelProto) else _loaded(model)
    classes = without_zip_map(graph)
    expected = None
    if reference is not None:
        returned = _run_original(lambda: reference(examples.original))
        arrays = returned if isinstance(returned, (tuple, list)) else [returned]
        expected = tuple(np.asarray(array) for array in arrays)
    return Conversion(graph, examples, expected, None, tuple(classes) if classes else None)


def _loaded(file: str | os.PathLike[str]) -> Any:
    try:
        return onnx.load(file)
    except Exception as error:
        raise ExportError(f"{os.fspath(file)} cannot be read as an ONNX file: {error}") from error


def _name_inputs(graph: Any, examples: Examples) -> None:
    """Names the only input of a graph, or splits it if the examples have columns."""
    names = [column.name for column in examples.columns]
    if len(names) > 1:
        split_into_columns(graph, names)
        return
    (matrix,) = graph.graph.input
    for node in graph.graph.node:
        node.input[:] = [names[0] if name == matrix.name else name for name in node.input]
    matrix.name = names[0]


def _width(examples: Examples) -> int:
    """The number of columns of the matrix that a model takes."""
    first = examples.columns[0].values
    if len(examples.columns) > 1 or first.ndim == 1:
        return len(examples.columns)
    return int(first.shape[1])


def _converted(convert: Callable[[], Any], model: Any) -> Any:
    try:
        return convert()
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"{type(model).__name__} cannot be converted to ONNX: {one_line(error)}") from error


def _run_original(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        raise ExportError(f"the original model does not run with the examples: {one_line(error)}") from error


def _class_text(value: Any) -> str:
    number = value.item() if hasattr(value, "item") else value
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)
