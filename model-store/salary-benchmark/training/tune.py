"""Compares hyperparameters by the cross-validation of the model card.

    python model-store/salary-benchmark/training/tune.py --data hr-employees.csv

Prints one line per setting. The differences are within the deviation between folds.
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

from evaluation import splits
from salaries import BOOSTING, TARGET, fit, make_pipeline, read_salaries, with_unknown_department

SEED = 42
CHANGES: list[dict[str, Any]] = [
    {},
    {"n_estimators": 100},
    {"n_estimators": 400},
    {"max_depth": 2},
    {"max_depth": 4},
    {"min_samples_leaf": 1},
    {"subsample": 1.0},
    {"loss": "huber"},
    {"loss": "absolute_error"},
]


def main() -> None:
    """Prints scores of the selected setting and of each change."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="hr-employees.csv")
    rows = read_salaries(arguments.parse_args().data)
    print(f"selected: {BOOSTING}")
    print(f"{'change':32} {'R2':>6} {'sd':>6} {'MAE':>8}")
    for change in CHANGES:
        print(f"{change or 'none'!s:32} {cross_validate(rows, change)}", flush=True)


def cross_validate(rows: pd.DataFrame, change: dict[str, Any]) -> str:
    """Mean and standard deviation of R2, and mean absolute error in USD."""
    scores = []
    for inside, outside in splits(rows, SEED):
        train, test = rows.iloc[inside], rows.iloc[outside]
        pipeline = make_pipeline(train).set_params(**{f"trees__{k}": v for k, v in change.items()})
        predicted = fit(pipeline, with_unknown_department(train)).predict(test)
        scores.append(
            [r2_score(test[TARGET], predicted), mean_absolute_error(test[TARGET], predicted)]
        )
    r2, mae = np.mean(scores, axis=0)
    return f"{r2:6.4f} {np.std(scores, axis=0, ddof=1)[0]:6.4f} {mae:8,.0f}"


if __name__ == "__main__":
    main()
