"""Trains, evaluates, exports and checks the car price model.

python model-store/car-price/training/train.py --data car-details.csv
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  shared code is in model-store/training
from sklearn.pipeline import Pipeline

from cars import (
    COLUMNS,
    NUMBERS,
    TARGET,
    TEXTS,
    TYPICAL_PRICE_INR,
    fit,
    make_pipeline,
    predict_price,
    read_cars,
    split_by_name,
)
from charts import (
    draw_error_by_missing_values,
    draw_error_distribution,
    draw_predicted_against_actual,
)
from evaluation import (
    baselines,
    bias_by_price,
    cross_validation,
    error_by_age,
    error_by_missing_values,
    interval_by_name,
    random_split,
    rejected_variants,
    scores,
    shape_of_data,
)
from training.checksums import write_checksums
from training.onnx_model import (
    OnnxModel,
    append_exp,
    convert,
    frame,
    max_relative_error,
    round_thresholds_down,
    save,
)
from training.reference import base_of_table, profile_of_table, write_reference
from training.synthetic_rows import (
    Manifest,
    Range,
    draw_rows,
    read_manifest,
    reject_real_rows,
    rows_near_thresholds,
    write_golden,
    write_metrics,
)

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
DATA_SHA256 = "ae28a6bac480b09f6c3b489cde374cb723dea711075417b39849f8470d12cac9"
GOLDEN_ROWS = 240
CHECK_ROWS = 5000
MAX_RELATIVE_ERROR = 1e-5
TYPICAL_RANGES = {
    "year": Range(2003, 2020),
    "km_driven": Range(5_000, 180_000),
    "mileage_mpg": Range(28, 72, decimals=1),
    "engine_cc": Range(700, 3000),
    "max_power_bhp": Range(40, 240, decimals=1),
    "torque_nm": Range(60, 500, decimals=1),
    "seats": Range(2, 10),
}


def main() -> None:
    """Trains, exports and evaluates the model."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="car-details.csv")
    data = arguments.parse_args().data
    if hashlib.sha256(data.read_bytes()).hexdigest() != DATA_SHA256:
        raise ValueError(f"{data} is not the file of the model card; its SHA-256 is {DATA_SHA256}")
    cars = read_cars(data)
    manifest = read_manifest(MODEL_FOLDER / "model.yaml")

    train, test = split_by_name(cars, SEED)
    model = fit(make_pipeline(train), train)
    round_thresholds_down(list(model["trees"].estimators_.ravel()))
    check_manifest(manifest, model)

    graph = convert(model, "car-price", COLUMNS)
    append_exp(graph, "selling_price", TYPICAL_PRICE_INR)
    onnx_path = VERSION_FOLDER / "model.onnx"
    save(graph, onnx_path, "Asking price of a used car in India around 2020, in INR.")
    export_errors = check_export(OnnxModel(onnx_path, COLUMNS), model, manifest, test)

    golden = draw_rows(manifest, TYPICAL_RANGES, GOLDEN_ROWS, seed=SEED)
    reject_real_rows(golden, cars, COLUMNS)
    prices = predict_price(model, frame(golden, COLUMNS))
    outputs = [{"selling_price": float(price)} for price in prices]
    write_golden(VERSION_FOLDER / "golden.jsonl", golden, outputs)

    actual, predicted = test[TARGET].to_numpy(), predict_price(model, test)
    result = scores(actual, predicted)
    missing = error_by_missing_values(model, test)
    metrics = {
        **result,
        **bias_by_price(actual, predicted),
        **error_by_age(test, predicted),
        **interval_by_name(test, predicted, SEED),
        **cross_validation(cars, SEED),
        **baselines(train, test),
        **random_split(cars, SEED),
        **missing,
        **rejected_variants(train),
        **shape_of_data(cars, train),
        **export_errors,
        "rows": len(cars),
        "train_rows": len(train),
        "test_rows": len(test),
        "golden_rows": len(golden),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    inputs = train[list(COLUMNS)]
    write_reference(
        VERSION_FOLDER / "reference.json",
        len(train),
        profile_of_table(inputs),
        outputs={"selling_price": predict_price(model, train)},
        base=base_of_table(inputs),
    )
    write_checksums(VERSION_FOLDER)

    draw_predicted_against_actual(
        actual, predicted, VERSION_FOLDER / "predicted-against-actual.png"
    )
    draw_error_distribution(actual, predicted, VERSION_FOLDER / "error-distribution.png")
    mae_without = {name.removeprefix("mae_without_"): mae for name, mae in missing.items()}
    draw_error_by_missing_values(
        result["mae"], mae_without, VERSION_FOLDER / "error-by-missing-values.png"
    )

    for name, value in metrics.items():
        print(f"{name:32} {value:,.6g}")


def check_manifest(manifest: Manifest, model: Pipeline) -> None:
    """Raises ValueError if the values of the manifest differ from the encoder's categories."""
    encoder = model["columns"].named_transformers_["texts"]
    for name, categories in zip(TEXTS, encoder.categories_, strict=True):
        if sorted(manifest["inputs"][name]["values"]) != sorted(categories):
            raise ValueError(f"model.yaml: {name}: values should be {sorted(categories)}")


def check_export(
    onnx_model: OnnxModel, model: Pipeline, manifest: Manifest, test: pd.DataFrame
) -> dict[str, float]:
    """Returns the maximum relative errors against scikit-learn; raises ValueError above the limit.

    Compares held-out cars, synthetic rows, rows near split thresholds and a row without
    values, and a batch with row-by-row predictions.
    """
    synthetic = draw_rows(manifest, TYPICAL_RANGES, CHECK_ROWS, seed=SEED + 1)
    tables = {
        "test_rows": test,
        "synthetic_rows": frame(synthetic, COLUMNS),
        "threshold_rows": rows_near_thresholds(COLUMNS, thresholds(model), synthetic, SEED),
        "empty_row": frame([{}], COLUMNS),
    }
    errors = {
        f"onnx_max_error_{name}": max_relative_error(
            onnx_model.run(table)["selling_price"], predict_price(model, table)
        )
        for name, table in tables.items()
    }
    batch = tables["synthetic_rows"].iloc[:1000]
    errors["onnx_max_error_batch_of_1000"] = max_relative_error(
        onnx_model.run(batch)["selling_price"], onnx_model.run_row_by_row(batch)["selling_price"]
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
