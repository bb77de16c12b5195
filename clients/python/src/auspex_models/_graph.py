"""Changes of ONNX graphs: names of outputs, columns as inputs, ZipMap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper

from ._errors import ExportError


def rename_outputs(model: Any, names: Sequence[str]) -> None:
    """Renames the outputs of a graph, in order.

    Raises:
        ExportError: there are more or fewer outputs, or the graph uses a name for something else.
    """
    outputs = [output.name for output in model.graph.output]
    if len(names) != len(outputs):
        raise ExportError(f"the graph has {len(outputs)} outputs ({', '.join(outputs)}), not {len(names)}")
    new_names = dict(zip(outputs, names, strict=True))
    # An inner value that has the new name of an output moves out of its way.
    for node in model.graph.node:
        for fields in (node.input, node.output):
            fields[:] = [new_names.get(name, f"{name}_inner" if name in names else name) for name in fields]
    for initializer in model.graph.initializer:
        if initializer.name in names:
            initializer.name = f"{initializer.name}_inner"
    for output in model.graph.output:
        output.name = new_names[output.name]
    inputs = {value.name for value in model.graph.input}
    if inputs & set(names):
        raise ExportError(f"an output cannot have the name of an input: {', '.join(sorted(inputs & set(names)))}")


def split_into_columns(model: Any, names: Sequence[str]) -> None:
    """Replaces the only input, a matrix of float32, by one input of shape [N, 1] for each of its columns."""
    (matrix,) = model.graph.input
    columns = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in names]
    taken = {name for node in model.graph.node for name in [*node.input, *node.output]}
    inner = "all_columns"
    while inner in taken or inner in names:
        inner += "_"
    for node in model.graph.node:
        node.input[:] = [inner if name == matrix.name else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Concat", list(names), [inner], axis=1))
    del model.graph.input[:]
    model.graph.input.extend(columns)
    if all(opset.domain not in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 13))


def without_zip_map(model: Any) -> list[str] | None:
    """Replaces the maps of a ZipMap by the tensor with their values.

    Returns:
        the classes, in the order of the tensor; None if there is no ZipMap.
    """
    for index, node in enumerate(model.graph.node):
        if node.op_type != "ZipMap":
            continue
        classes = [
            value.decode() if isinstance(value, bytes) else str(value)
            for attribute in node.attribute
            for value in [*attribute.strings, *attribute.ints]
        ]
        output = next(output for output in model.graph.output if output.name == node.output[0])
        tensor = helper.make_tensor_value_info(output.name, TensorProto.FLOAT, [None, len(classes)])
        output.CopyFrom(tensor)
        model.graph.node[index].CopyFrom(helper.make_node("Identity", [node.input[0]], [output.name]))
        if all(opset.domain not in ("", "ai.onnx") for opset in model.opset_import):
            model.opset_import.append(helper.make_opsetid("", 13))
        return classes
    return None


def serialized(model: Any) -> bytes:
    """The bytes of a valid graph.

    Raises:
        ExportError: it is not valid, or too large for one file.
    """
    try:
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
    except Exception as error:
        raise ExportError(f"the exported graph is not valid: {error}") from error
