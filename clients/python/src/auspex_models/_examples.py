"""Example rows: what the original model gets, what the graph gets, and what a golden row says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import ExportError

#: The input of a model that takes one array.
DEFAULT_INPUT = "features"

Array = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """An input of the graph.

    `values` has shape [rows] or [rows, ...] and the type float32, int64, bool or object (strings).
    """

    name: str
    values: Array
    is_integer: bool = False

    @property
    def is_text(self) -> bool:
        return self.values.dtype == object

    @property
    def has_missing(self) -> bool:
        if self.values.ndim > 1:
            return False
        if self.is_text:
            return bool((self.values == "").any())
        return bool(np.isnan(self.values).any()) if self.values.dtype.kind == "f" else False

    def in_row(self, row: int) -> Any:
        """The value in a golden row; None if it is missing."""
        return _plain(self.values[row], self.is_integer)


@dataclass(frozen=True)
class Examples:
    """Example rows as columns."""

    columns: tuple[Column, ...]
    #: The rows as the original model takes them: a frame, an array, or tensors.
    original: Any

    @property
    def count(self) -> int:
        return len(self.columns[0].values)

    def input_of(self, row: int) -> dict[str, Any]:
        """The input of a golden row, without missing values."""
        values = {column.name: column.in_row(row) for column in self.columns}
        return {name: value for name, value in values.items() if value is not None}


def is_frame(value: Any) -> bool:
    """Whether a value is a pandas DataFrame, without importing pandas."""
    return type(value).__module__.split(".")[0] == "pandas" and type(value).__name__ == "DataFrame"


def examples_from(value: Any, names: Sequence[str] | None) -> Examples:
    """Reads a frame, an array, or arrays by name.

    Args:
        names: names of the columns of an array, or one name for the array as a whole.

    Raises:
        ExportError: they are no rows of numbers and texts.
    """
    if is_frame(value):
        if not value.columns.is_unique:
            raise ExportError("two columns of the examples have the same name; rename one")
        columns = tuple(_frame_column(str(name), value[name]) for name in value.columns)
        original = value.copy()
        for name in original.columns:
            # The graph gets float32, and so must the original: a tree may split between the two.
            if original[name].dtype.kind == "f":
                original[name] = original[name].astype("float32")
    elif isinstance(value, Mapping):
        original = {str(name): array_from(str(name), array) for name, array in value.items()}
        columns = tuple(Column(name, _squeezed(array)) for name, array in original.items())
    else:
        original = array_from(DEFAULT_INPUT, value)
        columns = _array_columns(original, names)
    counts = {len(column.values) for column in columns}
    if len(counts) != 1 or 0 in counts:
        raise ExportError("examples must be rows, at least one, with the same number in each column")
    return Examples(columns, original)


def array_from(name: str, value: Any) -> Array:
    """Reads an array of shape [rows, ...]; numbers are rounded to float32.

    Raises:
        ExportError: it is no array of numbers, booleans or strings.
    """
    array = np.asarray(value)
    if array.ndim == 0:
        raise ExportError(f"examples of {name} must be an array of rows, not {type(value).__name__}")
    if array.dtype.kind in "OUS":
        return _texts(name, array)
    if array.dtype.kind not in "fiub":
        raise ExportError(f"examples of {name} have the type {array.dtype}; give numbers, booleans or strings")
    return array if array.dtype.kind == "b" else array.astype("float32")


def _squeezed(array: Array) -> Array:
    """[rows, 1] is one value for each row."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def tensor_column(name: str, array: Array) -> Column:
    """An input of a model that takes tensors, where integers are indices and stay integers."""
    if array.dtype.kind in "iu":
        return Column(name, _squeezed(array), is_integer=True)
    return Column(name, _squeezed(array_from(name, array)))


def _frame_column(name: str, series: Any) -> Column:
    kind = series.dtype.kind
    if kind in "fiub":
        return Column(name, series.to_numpy(dtype="float32", na_value=np.nan), is_integer=kind != "f")
    values = series.astype(object).where(series.notna(), "").to_numpy(dtype=object)
    return Column(name, _texts(name, values))


def _array_columns(array: Array, names: Sequence[str] | None) -> tuple[Column, ...]:
    if names is None or len(names) == 1:
        return (Column(DEFAULT_INPUT if names is None else names[0], _squeezed(array)),)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise ExportError(
            f"input_names has {len(names)} names, but the examples have the shape {list(array.shape)}; "
            "give one name for each column, or one for all"
        )
    return tuple(Column(name, array[:, index]) for index, name in enumerate(names))


def _texts(name: str, array: Array) -> Array:
    flat = [("" if value is None or value != value else value) for value in array.ravel().tolist()]
    wrong = next((value for value in flat if not isinstance(value, str)), None)
    if wrong is not None:
        raise ExportError(f"{name} has a {type(wrong).__name__} among its texts; convert it to numbers or strings")
    return np.array(flat, dtype=object).reshape(array.shape)


def _plain(value: Any, is_integer: bool) -> Any:
    """A value for JSON: the shortest decimal that is this float32."""
    if isinstance(value, np.ndarray):
        return [_plain(element, is_integer) for element in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.floating):
        if not np.isfinite(value):
            return None
        number = float(str(value))
        return int(number) if is_integer and number.is_integer() else number
    if isinstance(value, np.integer):
        return int(value)
    return str(value) or None
