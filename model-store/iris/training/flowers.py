"""Iris data, pipeline and evaluation."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline

from training.onnx_model import Kind

COLUMNS: dict[str, Kind] = {
    "sepal_length": "float",
    "sepal_width": "float",
    "petal_length": "float",
    "petal_width": "float",
}
TARGET = "species"


def read_flowers() -> pd.DataFrame:
    """Returns 150 flowers with lengths in cm, rounded to float32, and species names."""
    bunch = load_iris()
    flowers = pd.DataFrame(bunch.data.astype(np.float32).astype(np.float64), columns=list(COLUMNS))
    return flowers.assign(species=bunch.target_names[bunch.target].astype(object))


def make_pipeline() -> Pipeline:
    """Median imputation, then logistic regression.

    There is no scaling: all columns are in centimetres and of similar magnitude, and a scaler
    would add float32 rounding errors to the export.
    """
    return Pipeline(
        [
            ("imputer", SimpleImputer(strategy="median")),
            ("classifier", LogisticRegression(max_iter=1000)),
        ]
    )


def cross_validation(flowers: pd.DataFrame, seed: int) -> dict[str, float]:
    """Accuracy of five-fold stratified cross-validation, repeated ten times."""
    folds = cross_validate(
        make_pipeline(),
        flowers[list(COLUMNS)],
        flowers[TARGET],
        cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=seed),
    )["test_score"]
    return {
        "cv_accuracy_mean": folds.mean(),
        "cv_accuracy_sd": folds.std(ddof=1),
        "cv_accuracy_min": folds.min(),
    }


def scores(model: Pipeline, test: pd.DataFrame) -> dict[str, float]:
    """Held-out accuracy, accuracy without sepals, log loss and majority baseline."""
    rows, actual = test[list(COLUMNS)], test[TARGET]
    petals_only = rows.assign(sepal_length=np.nan, sepal_width=np.nan)
    return {
        "accuracy": model.score(rows, actual),
        "accuracy_without_sepals": model.score(petals_only, actual),
        "log_loss": log_loss(actual, model.predict_proba(rows), labels=model.classes_),
        "majority_baseline_accuracy": float(actual.value_counts(normalize=True).max()),
    }
