"""Pay data and pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from training.onnx_model import Kind

NUMBERS = ["age", "job_level", "years_at_company"]
TEXTS = ["department"]
COLUMNS: dict[str, Kind] = {**dict.fromkeys(NUMBERS, "float"), **dict.fromkeys(TEXTS, "string")}
TARGET = "salary"
# Read for comparisons only; see evaluation.py.
UNUSED_NUMBERS = ["total_working_years"]
UNUSED_TEXTS = ["job_role"]
GROUP = "gender"

NAMES_IN_DATA = {
    "age": "Age",
    "job_level": "JobLevel",
    "years_at_company": "YearsAtCompany",
    "department": "Department",
    "total_working_years": "TotalWorkingYears",
    "job_role": "JobRole",
    "gender": "Gender",
    "monthly_income": "MonthlyIncome",
}
MONTHS = 12

# Shallow trees with many rows in each leaf: the job level explains nearly all of the pay.
BOOSTING: dict[str, Any] = {
    "n_estimators": 200,
    "learning_rate": 0.03,
    "max_depth": 3,
    "min_samples_leaf": 20,
    "subsample": 0.5,
}


def read_salaries(path: Path) -> pd.DataFrame:
    """Reads the data set; the target is the yearly pay in USD."""
    data = pd.read_csv(path, encoding="utf-8-sig")
    rows = data.rename(columns={old: new for new, old in NAMES_IN_DATA.items()})
    rows = rows[list(NAMES_IN_DATA)].assign(**{TARGET: MONTHS * rows["monthly_income"]})
    numbers = [*NUMBERS, *UNUSED_NUMBERS, TARGET]
    return rows.astype(dict.fromkeys(numbers, np.float64) | dict.fromkeys(TEXTS, object))


def with_unknown_department(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds a copy of every row without its department.

    Companies name their departments differently. Trained on the copies, an unknown department has a
    defined meaning: the average one. Without them it takes whichever branch remains.
    """
    return pd.concat([rows, rows.assign(department="")], ignore_index=True)


def make_pipeline(
    rows: pd.DataFrame, numbers: list[str] = NUMBERS, texts: list[str] = TEXTS
) -> Pipeline:
    """Raw columns -> yearly pay in USD; categories are the text values of `rows`.

    The empty string is not a category: an absent and an unknown department encode as all zeros.
    """
    encoder = OneHotEncoder(
        categories=[np.array(sorted(set(rows[name]) - {""}), object) for name in texts],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", encoder, texts)])
    trees = GradientBoostingRegressor(random_state=0, **BOOSTING)
    return Pipeline([("columns", columns), ("trees", trees)])


def fit(pipeline: Pipeline, rows: pd.DataFrame) -> Pipeline:
    """Fits on the rows as they are."""
    return pipeline.fit(rows, rows[TARGET])
