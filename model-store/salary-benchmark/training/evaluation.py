"""Evaluation: cross-validation beside baselines, errors by group, and what each input is worth."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import RepeatedKFold
from sklearn.pipeline import Pipeline

from salaries import (
    GROUP,
    NUMBERS,
    TARGET,
    TEXTS,
    UNUSED_NUMBERS,
    UNUSED_TEXTS,
    fit,
    make_pipeline,
    with_unknown_department,
)
from training.synthetic_rows import UNKNOWN_TEXT

FOLDS = 5
REPEATS = 5
AGE_BANDS = {"below_30": (0, 30), "30_to_44": (30, 45), "from_45": (45, 200)}
YEARS_BANDS = {"below_3_years": (-1, 3), "3_to_9_years": (3, 10), "from_10_years": (10, 200)}

# Training and test rows -> predictions for the test rows.
Predict = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]


def served_model(rows: pd.DataFrame) -> Pipeline:
    """The model as it is served, fitted on the rows."""
    return fit(make_pipeline(rows), with_unknown_department(rows))


def predict_served(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Predictions of the model that is served."""
    return served_model(train).predict(test)


def median_by_level(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """The baseline: the median pay of the job level."""
    return test["job_level"].map(train.groupby("job_level")[TARGET].median()).to_numpy()


def variants() -> dict[str, Predict]:
    """What the model is compared with, by the name of the metric."""

    def with_columns(numbers: list[str], texts: list[str]) -> Predict:
        def predict(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
            return fit(make_pipeline(train, numbers, texts), train).predict(test)

        return predict

    def linear(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
        pipeline = make_pipeline(train)
        return fit(Pipeline([pipeline.steps[0], ("line", LinearRegression())]), train).predict(test)

    def unknown_trained(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
        return served_model(train).predict(test.assign(department=UNKNOWN_TEXT))

    def unknown_ignored(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
        return fit(make_pipeline(train), train).predict(test.assign(department=UNKNOWN_TEXT))

    without = {name: [other for other in NUMBERS if other != name] for name in NUMBERS}
    return {
        "median_by_level": median_by_level,
        "linear": linear,
        "unknown_department": unknown_trained,
        "unknown_department_untrained": unknown_ignored,
        "without_department": with_columns(NUMBERS, []),
        "without_age": with_columns(without["age"], TEXTS),
        "without_years_at_company": with_columns(without["years_at_company"], TEXTS),
        "without_job_level": with_columns(without["job_level"], TEXTS),
        "with_job_role": with_columns(NUMBERS, [*TEXTS, *UNUSED_TEXTS]),
        "with_total_working_years": with_columns([*NUMBERS, *UNUSED_NUMBERS], TEXTS),
    }


def splits(rows: pd.DataFrame, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of training and test rows: five folds, shuffled again five times."""
    folds = RepeatedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    return folds.split(rows)


def cross_validation(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    """R2 and mean absolute error of the model, its baseline and variants, on the same folds."""
    results: dict[str, list[tuple[float, float]]] = {}
    for train, test in splits(rows, seed):
        for name, predict in {"model": predict_served, **variants()}.items():
            actual, predicted = rows[TARGET].iloc[test], predict(rows.iloc[train], rows.iloc[test])
            score = r2_score(actual, predicted), mean_absolute_error(actual, predicted)
            results.setdefault(name, []).append(score)
    model = np.array(results.pop("model"))
    difference = model - np.array(results["median_by_level"])
    metrics = {
        "cv_folds": len(model),
        "cv_r2_mean": model[:, 0].mean(),
        "cv_r2_sd": model[:, 0].std(ddof=1),
        "cv_r2_min": model[:, 0].min(),
        "cv_r2_max": model[:, 0].max(),
        "cv_mae_mean": model[:, 1].mean(),
        "cv_mae_sd": model[:, 1].std(ddof=1),
        "cv_r2_gain_over_median_by_level": difference[:, 0].mean(),
        "cv_r2_gain_over_median_by_level_sd": difference[:, 0].std(ddof=1),
        "cv_mae_gain_over_median_by_level": -difference[:, 1].mean(),
        "cv_mae_gain_over_median_by_level_sd": difference[:, 1].std(ddof=1),
        "cv_folds_with_r2_above_median_by_level": int((difference[:, 0] > 0).sum()),
    }
    for name, scores in results.items():
        metrics[f"cv_r2_{name}"], metrics[f"cv_mae_{name}"] = np.mean(scores, axis=0)
    metrics["cv_r2_median_by_level_sd"] = np.std(results["median_by_level"], axis=0, ddof=1)[0]
    return metrics


def out_of_fold(rows: pd.DataFrame, seed: int, predict: Predict) -> np.ndarray:
    """A prediction for each row by models that have not seen it: the mean of the repeats."""
    sums = np.zeros(len(rows))
    for train, test in splits(rows, seed):
        sums[test] += predict(rows.iloc[train], rows.iloc[test])
    return sums / REPEATS


def groups(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Masks of the rows of each group, by the name of the metric."""

    def bands(column: str, limits: dict[str, tuple[int, int]]) -> dict[str, pd.Series]:
        values = rows[column]
        return {name: (values >= low) & (values < high) for name, (low, high) in limits.items()}

    def values(column: str) -> dict[str, pd.Series]:
        names = sorted(rows[column].unique())
        return {
            str(name).lower().replace(" & ", "_").replace(" ", "_"): rows[column] == name
            for name in names
        }

    levels = {f"level_{level}": rows["job_level"] == level for level in range(1, 6)}
    return (
        levels
        | values("department")
        | values(GROUP)
        | {f"age_{name}": mask for name, mask in bands("age", AGE_BANDS).items()}
        | bands("years_at_company", YEARS_BANDS)
    )


def errors_by_group(rows: pd.DataFrame, predicted: np.ndarray) -> dict[str, float]:
    """Rows, mean absolute error and mean error (predicted - actual) in USD of each group."""
    error = predicted - rows[TARGET].to_numpy()
    metrics: dict[str, float] = {}
    for name, mask in groups(rows).items():
        metrics[f"rows_{name}"] = int(mask.sum())
        metrics[f"mae_{name}"] = float(np.abs(error[mask]).mean())
        metrics[f"mean_error_{name}"] = float(error[mask].mean())
    return metrics


def relative_errors(rows: pd.DataFrame, predicted: np.ndarray) -> dict[str, float]:
    """Median relative error, and the share of rows within 10 and 20 %."""
    share = np.abs(predicted / rows[TARGET].to_numpy() - 1)
    return {
        "median_relative_error": float(np.median(share)),
        "share_within_10_percent": float(np.mean(share <= 0.1)),
        "share_within_20_percent": float(np.mean(share <= 0.2)),
    }
