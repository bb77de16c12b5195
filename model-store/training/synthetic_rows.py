"""Synthetic rows for golden files and export checks.

Columns are sampled independently from ranges and lists of values, so that no row reveals
training data, which must not be redistributed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from training.onnx_model import Kind, Row, frame

Manifest = Mapping[str, Any]

UNKNOWN_TEXT = "Not in the list"
SHARE_ABSENT = 0.08
SHARE_NULL = 0.07
SHARE_UNKNOWN = 0.08
SHARE_ANYWHERE_IN_LIMITS = 0.1


@dataclass(frozen=True)
class Range:
    """Typical range of a numeric column and its number of decimals."""

    low: float
    high: float
    decimals: int = 0


def read_manifest(path: Path) -> Manifest:
    """Reads the model's `model.yaml`."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def draw_rows(
    manifest: Manifest, ranges: Mapping[str, Range], count: int, seed: int
) -> list[dict[str, Any]]:
    """Samples `count` rows that are valid under the manifest, edge cases first."""
    random = np.random.default_rng(seed)
    inputs = manifest["inputs"]
    rows = edge_rows(inputs, ranges)
    while len(rows) < count:
        row: dict[str, Any] = {}
        for name, spec in inputs.items():
            draw = random.random()
            if not spec["required"] and draw < SHARE_ABSENT:
                continue
            if not spec["required"] and draw < SHARE_ABSENT + SHARE_NULL:
                row[name] = None
            elif "values" in spec:
                row[name] = draw_text(spec, random)
            else:
                row[name] = draw_number(spec, ranges[name], random)
        rows.append(row)
    return rows[:count]


def draw_text(spec: Mapping[str, Any], random: np.random.Generator) -> str:
    """Samples a known value, or sometimes an unknown one if the manifest accepts it."""
    if not spec["closed"] and random.random() < SHARE_UNKNOWN:
        return UNKNOWN_TEXT
    return str(random.choice(spec["values"]))


def draw_number(
    spec: Mapping[str, Any], typical: Range, random: np.random.Generator
) -> float | int:
    """Samples from the typical range, or sometimes from the whole range between the limits."""
    low, high = typical.low, typical.high
    if random.random() < SHARE_ANYWHERE_IN_LIMITS:
        low, high = spec["minimum"], spec["maximum"]
    value = round(float(random.uniform(low, high)), typical.decimals)
    return round(value) if spec.get("integer") else value


def edge_rows(
    inputs: Mapping[str, Mapping[str, Any]], ranges: Mapping[str, Range]
) -> list[dict[str, Any]]:
    """Rows with required values only (others absent, then null), all minimums, all maximums,
    and unknown values in all open text columns."""

    def middle(name: str, spec: Mapping[str, Any]) -> float | int | str:
        if "values" in spec:
            return spec["values"][0]
        value = round((ranges[name].low + ranges[name].high) / 2, ranges[name].decimals)
        return round(value) if spec.get("integer") else value

    usual: dict[str, Any] = {name: middle(name, spec) for name, spec in inputs.items()}
    required = {name: usual[name] for name, spec in inputs.items() if spec["required"]}
    edges: list[dict[str, Any]] = [
        required,
        {name: required.get(name) for name in inputs},
        {name: spec.get("minimum", usual[name]) for name, spec in inputs.items()},
        {name: spec.get("maximum", usual[name]) for name, spec in inputs.items()},
    ]
    open_texts = [name for name, s in inputs.items() if "values" in s and not s["closed"]]
    if open_texts:
        edges.append(usual | dict.fromkeys(open_texts, UNKNOWN_TEXT))
    return edges


def rows_near_thresholds(
    columns: Mapping[str, Kind],
    thresholds: Mapping[str, np.ndarray],
    rows: Sequence[Row],
    seed: int,
) -> pd.DataFrame:
    """Replaces each number by one of the model's split thresholds or by an adjacent float32.

    Exports that round thresholds differently fail on these rows.
    """
    random = np.random.default_rng(seed)
    table = frame(rows, columns)
    for name, candidates in thresholds.items():
        values = random.choice(candidates.astype(np.float32), len(table))
        step = random.choice(np.array([-np.inf, 0, np.inf], np.float32), len(table))
        moved = np.where(step == 0, values, np.nextafter(values, step))
        table[name] = np.where(table[name].isna(), np.nan, moved)
    return table


def reject_real_rows(rows: Sequence[Row], data: pd.DataFrame, columns: Mapping[str, Kind]) -> None:
    """Raises ValueError if a synthetic row has the same inputs as a row of the training data."""

    def keys(table: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
        numbers = [name for name, kind in columns.items() if kind == "float"]
        filled = table[list(columns)].fillna({name: -1.0 for name in numbers})
        return filled.itertuples(index=False, name=None)

    known = set(keys(data))
    for position, key in enumerate(keys(frame(rows, columns))):
        if key in known:
            raise ValueError(f"synthetic row {position} is in the data set; change the seed")


def write_golden(path: Path, rows: Sequence[Row], outputs: Sequence[Mapping[str, Any]]) -> None:
    """Writes one JSON object per line: an input and the scikit-learn output for it."""
    with path.open("w", encoding="utf-8") as file:
        for row, output in zip(rows, outputs, strict=True):
            file.write(json.dumps({"input": row, "output": output}, ensure_ascii=False) + "\n")


def write_metrics(path: Path, metrics: Mapping[str, float | int]) -> None:
    """Writes a flat JSON object of numbers, rounded to six significant digits."""
    rounded = {k: v if isinstance(v, int) else float(f"{v:.6g}") for k, v in metrics.items()}
    path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
