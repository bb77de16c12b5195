"""Compares hyperparameters by grouped cross-validation on the training set.

    python model-store/car-price/training/tune.py --data car-details.csv

Prints one line per setting; held-out cars are not used.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).resolve().parents[2]))

# ruff: noqa: E402  shared code is in model-store/training
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GroupKFold

from cars import (
    BOOSTING,
    GROUP,
    TARGET,
    fit,
    make_pipeline,
    predict_price,
    read_cars,
    split_by_name,
    without,
)

SPLIT_SEED = 42
FOLD_SEED = 1
CHANGES: list[dict[str, Any]] = [
    {},
    {"n_estimators": 400},
    {"n_estimators": 900},
    {"n_estimators": 1000, "learning_rate": 0.03},
    {"max_depth": 4},
    {"max_depth": 6, "min_samples_leaf": 5},
    {"subsample": 0.8},
    {"max_features": 0.15},
    {"max_features": 0.6},
    {"loss": "huber", "alpha": 0.95},
]


def main() -> None:
    """Prints scores of the selected setting, of each change, and without missing-value copies."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="car-details.csv")
    train, _ = split_by_name(read_cars(arguments.parse_args().data), SPLIT_SEED)
    print(f"selected: {BOOSTING}")
    print(f"{'change':48} {'R2':>6} {'sd':>6} {'MAE':>8} {'MAE without max_power_bhp':>26}")
    for change in CHANGES:
        print(
            f"{change or 'none'!s:48} {cross_validate(train, change, missing_seed=0)}", flush=True
        )
    print(f"{'no copies with missing values':48} {cross_validate(train, {}, missing_seed=None)}")


def cross_validate(cars: pd.DataFrame, change: dict[str, Any], missing_seed: int | None) -> str:
    """Mean and standard deviation of R2, and mean absolute errors in INR."""
    scores = []
    folds = GroupKFold(5, shuffle=True, random_state=FOLD_SEED)
    for train_rows, test_rows in folds.split(cars, groups=cars[GROUP]):
        train, test = cars.iloc[train_rows], cars.iloc[test_rows]
        model = fit(make_pipeline(train, **change), train, missing_seed)
        complete = predict_price(model, test)
        without_power = predict_price(model, without(test, ["max_power_bhp"]))
        actual = test[TARGET]
        scores.append(
            [
                r2_score(actual, complete),
                mean_absolute_error(actual, complete),
                mean_absolute_error(actual, without_power),
            ]
        )
    r2, mae, mae_without_power = np.mean(scores, axis=0)
    r2_sd = np.std(scores, axis=0, ddof=1)[0]
    return f"{r2:6.3f} {r2_sd:6.3f} {mae:8,.0f} {mae_without_power:26,.0f}"


if __name__ == "__main__":
    main()
