"""Train, evaluate, export and check the car price model.

python model-store/car-price/training/train.py --data car-details.csv
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  what the models share lies in model-store/training
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
from charts import draw_cost_of_gaps, draw_error_distribution, draw_predicted_against_actual
from evaluation import (
    baselines,
    bias_by_price,
    cost_of_leaving_out,
    cross_validation,
    interval_by_name,
    random_split,
    scores,
)
from training.checksums import write_checksums
from training.made_up_rows import (
    Manifest,
    Range,
    draw_rows,
    read_manifest,
    refuse_real_rows,
    rows_beside_thresholds,
    write_golden,
    write_metrics,
)
from training.onnx_model import (
    OnnxModel,
    append_exp,
    convert,
    frame,
    round_thresholds_down,
    save,
    worst_relative_error,
)

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
GOLDEN_ROWS = 240
CHECK_ROWS = 5000
LARGEST_RELATIVE_ERROR = 1e-5
USUAL = {
    "year": Range(2003, 2020),
    "km_driven": Range(5_000, 180_000),
    "mileage_mpg": Range(28, 72, decimals=1),
    "engine_cc": Range(700, 3000),
    "max_power_bhp": Range(40, 240, decimals=1),
    "torque_nm": Range(60, 500, decimals=1),
    "seats": Range(2, 10),
}


def main() -> None:
    """The whole training, top to bottom."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="car-details.csv")
    cars = read_cars(arguments.parse_args().data)
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

    golden = draw_rows(manifest, USUAL, GOLDEN_ROWS, seed=SEED)
    refuse_real_rows(golden, cars, COLUMNS)
    prices = predict_price(model, frame(golden, COLUMNS))
    outputs = [{"selling_price": float(price)} for price in prices]
    write_golden(VERSION_FOLDER / "golden.jsonl", golden, outputs)

    actual, predicted = test[TARGET].to_numpy(), predict_price(model, test)
    result = scores(actual, predicted)
    gaps = cost_of_leaving_out(model, test)
    metrics = {
        **result,
        **bias_by_price(actual, predicted),
        **interval_by_name(test, predicted, SEED),
        **cross_validation(cars, SEED),
        **baselines(train, test),
        **random_split(cars, SEED),
        **gaps,
        **export_errors,
        "rows": len(cars),
        "train_rows": len(train),
        "test_rows": len(test),
        "golden_rows": len(golden),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    write_checksums(VERSION_FOLDER)

    draw_predicted_against_actual(
        actual, predicted, VERSION_FOLDER / "predicted-against-actual.png"
    )
    draw_error_distribution(actual, predicted, VERSION_FOLDER / "error-distribution.png")
    mae_without = {name.removeprefix("mae_without_"): mae for name, mae in gaps.items()}
    draw_cost_of_gaps(result["mae"], mae_without, VERSION_FOLDER / "cost-of-gaps.png")

    for name, value in metrics.items():
        print(f"{name:32} {value:,.6g}")


def check_manifest(manifest: Manifest, model: Pipeline) -> None:
    """Raise ValueError where the manifest's lists and the encoder's categories differ."""
    encoder = model["columns"].named_transformers_["texts"]
    for name, categories in zip(TEXTS, encoder.categories_, strict=True):
        if sorted(manifest["inputs"][name]["values"]) != sorted(categories):
            raise ValueError(f"model.yaml: {name}: values should be {sorted(categories)}")


def check_export(
    onnx_model: OnnxModel, model: Pipeline, manifest: Manifest, test: pd.DataFrame
) -> dict[str, float]:
    """The worst disagreement with scikit-learn, or ValueError if it is above the limit.

    Looks at the held-out cars, at made-up rows, at rows beside the split thresholds, at a
    row with everything missing, and at whether a batch changes its rows' answers.
    """
    made_up = draw_rows(manifest, USUAL, CHECK_ROWS, seed=SEED + 1)
    tables = {
        "test_rows": test,
        "made_up_rows": frame(made_up, COLUMNS),
        "threshold_rows": rows_beside_thresholds(COLUMNS, thresholds(model), made_up, SEED),
        "empty_row": frame([{}], COLUMNS),
    }
    errors = {
        f"onnx_worst_error_{name}": worst_relative_error(
            onnx_model.run(table)["selling_price"], predict_price(model, table)
        )
        for name, table in tables.items()
    }
    thousand = tables["made_up_rows"].iloc[:1000]
    errors["onnx_worst_error_batch_of_1000"] = worst_relative_error(
        onnx_model.run(thousand)["selling_price"], onnx_model.run_singly(thousand)["selling_price"]
    )
    if max(errors.values()) > LARGEST_RELATIVE_ERROR:
        raise ValueError(f"the ONNX graph disagrees with scikit-learn: {errors}")
    return errors


def thresholds(model: Pipeline) -> dict[str, np.ndarray]:
    """Every value at which some tree splits, per numeric column."""
    trees = [tree.tree_ for tree in model["trees"].estimators_.ravel()]
    features = np.concatenate([tree.feature for tree in trees])
    values = np.concatenate([tree.threshold for tree in trees])
    return {name: np.unique(values[features == i]) for i, name in enumerate(NUMBERS)}


if __name__ == "__main__":
    main()
