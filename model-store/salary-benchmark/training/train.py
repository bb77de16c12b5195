"""Trains, evaluates, exports and checks the salary-benchmark model.

python model-store/salary-benchmark/training/train.py --data hr-employees.csv
"""

import argparse
import hashlib
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  shared code is in model-store/training
from sklearn.pipeline import Pipeline

from charts import draw_errors_by_level, draw_pay_by_years
from evaluation import (
    cross_validation,
    errors_by_group,
    median_by_level,
    out_of_fold,
    predict_served,
    relative_errors,
    served_model,
)
from salaries import COLUMNS, NUMBERS, TARGET, read_salaries
from training.checksums import write_checksums
from training.onnx_model import (
    OnnxModel,
    Row,
    convert,
    frame,
    max_relative_error,
    rename_output,
    round_thresholds_down,
    save,
)
from training.reference import base_of_table, profile_of_table, write_reference
from training.synthetic_rows import (
    Manifest,
    Range,
    draw_rows,
    edge_rows,
    read_manifest,
    reject_real_rows,
    rows_near_thresholds,
    write_golden,
    write_metrics,
)

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
DATA_SHA256 = "a5c31e38bd7fafc9bc333884eb181b06b41b8e5e488e8f7ccb27199fb3be7659"
GOLDEN_ROWS = 240
CHECK_ROWS = 5000
MAX_RELATIVE_ERROR = 1e-5
TYPICAL_RANGES = {
    "age": Range(18, 62),
    "job_level": Range(1, 5),
    "years_at_company": Range(0, 35),
}


def main() -> None:
    """Trains, exports and evaluates the model."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="hr-employees.csv")
    data = arguments.parse_args().data
    if hashlib.sha256(data.read_bytes()).hexdigest() != DATA_SHA256:
        raise ValueError(f"{data} is not the file of the model card; its SHA-256 is {DATA_SHA256}")
    rows = read_salaries(data)
    manifest = read_manifest(MODEL_FOLDER / "model.yaml")

    model = served_model(rows)
    round_thresholds_down(list(model["trees"].estimators_.ravel()))
    check_manifest(manifest, model)
    check_levels(model)

    graph = convert(model, "salary-benchmark", COLUMNS)
    rename_output(graph, graph.graph.output[0].name, TARGET)
    onnx_path = VERSION_FOLDER / "model.onnx"
    save(graph, onnx_path, "Usual yearly pay in USD by seniority, from fictional data.")
    export_errors = check_export(OnnxModel(onnx_path, COLUMNS), model, manifest, rows)

    golden = golden_rows(manifest, rows)
    outputs = [{TARGET: float(pay)} for pay in model.predict(frame(golden, COLUMNS))]
    write_golden(VERSION_FOLDER / "golden.jsonl", golden, outputs)

    predicted = out_of_fold(rows, SEED, predict_served)
    metrics = {
        **cross_validation(rows, SEED),
        **relative_errors(rows, predicted),
        **errors_by_group(rows, predicted),
        **export_errors,
        "rows": len(rows),
        "golden_rows": len(golden),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    inputs = rows[list(COLUMNS)]
    write_reference(
        VERSION_FOLDER / "reference.json",
        len(rows),
        profile_of_table(inputs),
        outputs={TARGET: model.predict(inputs)},
        base=base_of_table(inputs),
    )
    write_checksums(VERSION_FOLDER)

    baseline = out_of_fold(rows, SEED, median_by_level)
    draw_errors_by_level(
        rows,
        {"this model": predicted, "median of the level": baseline},
        VERSION_FOLDER / "error-by-level.png",
    )
    draw_pay_by_years(model, VERSION_FOLDER / "pay-by-years.png")

    for name, value in metrics.items():
        print(f"{name:48} {value:,.6g}")


def check_manifest(manifest: Manifest, model: Pipeline) -> None:
    """Raises ValueError if the departments of the manifest differ from the encoder's categories."""
    (departments,) = model["columns"].named_transformers_["texts"].categories_
    if manifest["inputs"]["department"]["values"] != list(departments):
        raise ValueError(f"model.yaml: department: values should be {sorted(departments)}")


def check_levels(model: Pipeline) -> None:
    """Raises ValueError if somewhere a higher job level has lower pay."""
    departments = ["", *model["columns"].named_transformers_["texts"].categories_[0]]
    people = pd.DataFrame(
        product(range(16, 101), range(0, 51), departments),
        columns=["age", "years_at_company", "department"],
    )
    pay = np.array([model.predict(people.assign(job_level=level)) for level in range(1, 6)])
    if (np.diff(pay, axis=0) <= 0).any():
        raise ValueError("a higher job level has lower pay")


def golden_rows(manifest: Manifest, data: pd.DataFrame) -> list[Row]:
    """Synthetic rows of the edges and of possible careers, none of them in the data."""
    edges = edge_rows(manifest["inputs"], TYPICAL_RANGES)
    drawn: list[Row] = draw_rows(manifest, TYPICAL_RANGES, 3 * GOLDEN_ROWS, seed=SEED)
    careers = [row for row in drawn[len(edges) :] if is_possible(row)]
    rows: list[Row] = [*edges, *careers]
    known = set(data[list(COLUMNS)].itertuples(index=False, name=None))
    keys = frame(rows, COLUMNS).itertuples(index=False, name=None)
    golden = [row for row, key in zip(rows, keys, strict=True) if key not in known][:GOLDEN_ROWS]
    reject_real_rows(golden, data, COLUMNS)
    return golden


def is_possible(row: Row) -> bool:
    """Whether the employee was hired at an age of 16 years or more."""
    return row["age"] - row["years_at_company"] >= 16


def check_export(
    onnx_model: OnnxModel, model: Pipeline, manifest: Manifest, rows: pd.DataFrame
) -> dict[str, float]:
    """Returns the maximum relative errors against scikit-learn; raises ValueError above the limit.

    Compares the training rows, synthetic rows and rows near split thresholds, and a batch with
    row-by-row predictions.
    """
    synthetic = draw_rows(manifest, TYPICAL_RANGES, CHECK_ROWS, seed=SEED + 1)
    tables = {
        "training_rows": rows,
        "synthetic_rows": frame(synthetic, COLUMNS),
        "threshold_rows": rows_near_thresholds(COLUMNS, thresholds(model), synthetic, SEED),
    }
    errors = {
        f"onnx_max_error_{name}": max_relative_error(
            onnx_model.run(table)[TARGET], model.predict(table)
        )
        for name, table in tables.items()
    }
    batch = tables["synthetic_rows"].iloc[:1000]
    errors["onnx_max_error_batch_of_1000"] = max_relative_error(
        onnx_model.run(batch)[TARGET], onnx_model.run_row_by_row(batch)[TARGET]
    )
    if max(errors.values()) > MAX_RELATIVE_ERROR:
        raise ValueError(f"the ONNX graph differs from scikit-learn: {errors}")
    return errors


def thresholds(model: Pipeline) -> dict[str, np.ndarray]:
    """Split thresholds of all trees by numeric column."""
    trees = [tree.tree_ for tree in model["trees"].estimators_.ravel()]
    features = np.concatenate([tree.feature for tree in trees])
    values = np.concatenate([tree.threshold for tree in trees])
    return {name: np.unique(values[features == i]) for i, name in enumerate(NUMBERS)}


if __name__ == "__main__":
    main()
