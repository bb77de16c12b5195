"""Compare settings by grouped cross-validation on the training side of the split.

    python model-store/car-price/training/tune.py --data car-details.csv

Prints one line for each setting; the held-out cars are never looked at.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).resolve().parents[2]))

# ruff: noqa: E402  what the models share lies in model-store/training
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
    """One line for the chosen setting, one for each change to it, one without gaps."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="car-details.csv")
    train, _ = split_by_name(read_cars(arguments.parse_args().data), SPLIT_SEED)
    print(f"chosen: {BOOSTING}")
    print(f"{'change':48} {'R2':>6} {'sd':>6} {'MAE':>8} {'MAE without max_power_bhp':>26}")
    for change in CHANGES:
        print(f"{change or 'none'!s:48} {cross_validate(train, change, gap_seed=0)}", flush=True)
    print(f"{'trained without gaps':48} {cross_validate(train, {}, gap_seed=None)}")


def cross_validate(cars: pd.DataFrame, change: dict[str, Any], gap_seed: int | None) -> str:
    """Mean and spread of R2, and mean absolute errors in INR."""
    scores = []
    folds = GroupKFold(5, shuffle=True, random_state=FOLD_SEED)
    for inside, outside in folds.split(cars, groups=cars[GROUP]):
        known, unseen = cars.iloc[inside], cars.iloc[outside]
        model = fit(make_pipeline(known, **change), known, gap_seed)
        whole = predict_price(model, unseen)
        gap = predict_price(model, without(unseen, ["max_power_bhp"]))
        actual = unseen[TARGET]
        scores.append(
            [
                r2_score(actual, whole),
                mean_absolute_error(actual, whole),
                mean_absolute_error(actual, gap),
            ]
        )
    r2, mae, mae_gap = np.mean(scores, axis=0)
    spread = np.std(scores, axis=0, ddof=1)[0]
    return f"{r2:6.3f} {spread:6.3f} {mae:8,.0f} {mae_gap:26,.0f}"


if __name__ == "__main__":
    main()
