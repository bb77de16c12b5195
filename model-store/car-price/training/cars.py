"""Car data and pipeline, shared by training and tuning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from training.onnx_model import Kind

NUMBERS = [
    "year",
    "km_driven",
    "mileage_mpg",
    "engine_cc",
    "max_power_bhp",
    "torque_nm",
    "seats",
]
TEXTS = ["company", "owner", "fuel", "seller_type", "transmission"]
REQUIRED = ["company", "year", "km_driven"]
OPTIONAL = [name for name in NUMBERS + TEXTS if name not in REQUIRED]
# The maker is required, but may be unknown to the model.
MAY_BE_UNKNOWN = [*OPTIONAL, "company"]
COLUMNS: dict[str, Kind] = {**dict.fromkeys(NUMBERS, "float"), **dict.fromkeys(TEXTS, "string")}
# Read for one comparison only; see evaluation.py.
UNUSED_TEXTS = ["model", "edition"]
TARGET = "selling_price"
GROUP = "name"

# Values below 5 mpg are zeros and gas cars with a wrong unit conversion (0.02 mpg); values above
# 800 Nm are small cars with torque in another unit.
MIN_PLAUSIBLE_MPG = 5
MAX_PLAUSIBLE_NM = 800
# The data has only the first word of a maker's name.
FULL_COMPANY_NAMES = {"Land": "Land Rover", "Ashok": "Ashok Leyland"}

# Outside the range of real values, so that trees can split on it.
MISSING_NUMBER = -1.0
# The target is log(price / typical price): small numbers, which lose little precision in float32.
TYPICAL_PRICE_INR = 400_000.0

# Selected by grouped cross-validation on the training set; see tune.py.
BOOSTING: dict[str, Any] = {
    "n_estimators": 600,
    "learning_rate": 0.05,
    "max_depth": 5,
    "subsample": 0.5,
    "max_features": 0.3,
}


def read_cars(path: Path) -> pd.DataFrame:
    """Reads the data set; implausible values become missing, numbers are rounded to float32."""
    cars = pd.read_csv(path)
    cars.loc[cars["mileage_mpg"] < MIN_PLAUSIBLE_MPG, "mileage_mpg"] = np.nan
    cars.loc[cars["torque_nm"] > MAX_PLAUSIBLE_NM, "torque_nm"] = np.nan
    cars["company"] = cars["company"].replace(FULL_COMPANY_NAMES)
    texts = [*TEXTS, *UNUSED_TEXTS]
    cars[texts] = cars[texts].astype(object).fillna("")
    return cars.astype(dict.fromkeys(NUMBERS, np.float32))


def split_by_name(cars: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits by car name: 80 % of the names for training, the others held out."""
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
    train, test = next(splitter.split(cars, groups=cars[GROUP]))
    return cars.iloc[train].reset_index(drop=True), cars.iloc[test].reset_index(drop=True)


def without(cars: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Sets the given columns to missing."""
    return cars.assign(**{name: np.float32(np.nan) if name in NUMBERS else "" for name in columns})


def with_missing_values(cars: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Adds a copy of every car with random values missing, including the maker.

    In the data, technical values are either all present or all missing, so a model trained
    on it alone predicts poorly when a single value is missing.
    """
    random = np.random.default_rng(seed)
    share = random.uniform(0, 0.8, len(cars))
    copy = cars.copy()
    for name in MAY_BE_UNKNOWN:
        missing = random.random(len(cars)) < share
        copy.loc[missing, name] = np.nan if name in NUMBERS else ""
    return pd.concat([cars, copy], ignore_index=True)


def make_pipeline(
    cars: pd.DataFrame, texts: Sequence[str] = TEXTS, **boosting: Any
) -> Pipeline:
    """Raw columns -> log(price / typical price); categories are the text values of `cars`.

    The empty string is not a category, so that missing and unknown texts both encode as all
    zeros and get the same prediction.
    """
    imputer = SimpleImputer(strategy="constant", fill_value=MISSING_NUMBER)
    encoder = OneHotEncoder(
        categories=[np.array(sorted(set(cars[name]) - {""}), object) for name in texts],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    columns = ColumnTransformer([("numbers", imputer, NUMBERS), ("texts", encoder, list(texts))])
    trees = GradientBoostingRegressor(random_state=0, **(BOOSTING | boosting))
    return Pipeline([("columns", columns), ("trees", trees)])


def fit(
    pipeline: Pipeline,
    cars: pd.DataFrame,
    missing_seed: int | None = 0,
    texts: Sequence[str] = TEXTS,
) -> Pipeline:
    """Fits on the log of the price; `missing_seed=None` omits the copies with missing values."""
    rows = cars if missing_seed is None else with_missing_values(cars, missing_seed)
    return pipeline.fit(rows[[*NUMBERS, *texts]], np.log(rows[TARGET] / TYPICAL_PRICE_INR))


def predict_price(
    pipeline: Pipeline, cars: pd.DataFrame, texts: Sequence[str] = TEXTS
) -> np.ndarray:
    """Predicts prices in INR."""
    return TYPICAL_PRICE_INR * np.exp(pipeline.predict(cars[[*NUMBERS, *texts]]))
