"""Writes `reference.json`: the distribution of inputs and predictions in the training rows.

The gateway compares inputs with it and warns of values outside. The file has aggregates only: a
range that contains nearly all rows, quantiles in steps of 5 %, and shares of categories; and a base
row of medians and most frequent categories, from which a prediction can be explained.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.onnx_model import Row

STEPS = np.arange(5, 100, 5) / 100
# The range leaves out one row in a thousand on either side: typing errors are no training data.
OUTSIDE = 0.001

Profile = dict[str, Any]


def profile_of_numbers(column: pd.Series | np.ndarray) -> Profile:
    """Range and quantiles of the numbers, and the share of missing ones."""
    values = np.asarray(column, np.float64)
    known = values[~np.isnan(values)]
    return {
        "kind": "number",
        **_range(known),
        "quantiles": [_rounded(value) for value in _quantiles(known, STEPS)],
        "missing": _share(len(values) - len(known), len(values)),
    }


def profile_of_categories(column: pd.Series) -> Profile:
    """Share of each category; the empty string is a missing one."""
    counts = column[column != ""].value_counts()
    return {
        "kind": "category",
        "values": {str(name): _share(counts[name], len(column)) for name in sorted(counts.index)},
        "missing": _share(int((column == "").sum()), len(column)),
    }


def profile_of_lists(lists: np.ndarray) -> Profile:
    """Range of the elements, and range and quantiles of the mean of each list."""
    means = lists.reshape(len(lists), -1).mean(axis=1)
    return {
        "kind": "list",
        **_range(lists.ravel()),
        "mean": _range(means) | {"quantiles": [_rounded(v) for v in _quantiles(means, STEPS)]},
    }


def profile_of_texts(texts: pd.Series) -> Profile:
    """Range and quantiles of the number of characters."""
    lengths = texts.str.len().to_numpy(np.float64)
    return {
        "kind": "text",
        "length": _range(lengths) | {"quantiles": [_rounded(v) for v in _quantiles(lengths, STEPS)]},
    }


def profile_of_table(table: pd.DataFrame) -> dict[str, Profile]:
    """Profiles of the columns: numbers, or categories if they hold text."""
    return {str(name): profile_of_column(column) for name, column in table.items()}


def profile_of_column(column: pd.Series) -> Profile:
    """Profile of numbers, or of categories if the column holds text."""
    is_numeric = pd.api.types.is_numeric_dtype(column)
    return profile_of_numbers(column) if is_numeric else profile_of_categories(column)


def base_of_table(table: pd.DataFrame) -> Row:
    """A typical row: the median of each number, which is a value of the data, and the most frequent
    category. Equally frequent categories are taken in alphabetical order."""
    return {str(name): _typical(column) for name, column in table.items()}


def write_reference(
    path: Path,
    rows: int,
    inputs: Mapping[str, Profile],
    outputs: Mapping[str, np.ndarray],
    base: Mapping[str, Any],
) -> None:
    """Writes the profiles of `rows` training rows.

    `outputs` are the predictions for these rows, by output; vectors have no profile. `base` is a row
    to compare others with.
    """
    document = {
        "rows": rows,
        "inputs": dict(inputs),
        "outputs": {name: profile_of_column(pd.Series(values)) for name, values in outputs.items()},
        "base": dict(base),
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _typical(column: pd.Series) -> float | int | str:
    if not pd.api.types.is_numeric_dtype(column):
        return str(column[column != ""].mode().min())
    values = np.asarray(column, np.float64)
    (median,) = _quantiles(values[~np.isnan(values)], np.array([0.5]))
    number = _rounded(median)
    return int(number) if number.is_integer() else number


def _range(values: np.ndarray) -> dict[str, float]:
    low, high = _quantiles(values, np.array([OUTSIDE, 1 - OUTSIDE]))
    return {"low": _rounded(low), "high": _rounded(high)}


def _quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Values of the data itself, so that few rows give their minimum and maximum."""
    return np.quantile(values, shares, method="inverted_cdf")


def _share(part: int, whole: int) -> float:
    return round(int(part) / whole, 4)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
