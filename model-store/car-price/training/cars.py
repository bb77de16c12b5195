"""The car data and the pipeline: what training and tuning have in common."""

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
# A maker must be named, but it may be one that the model does not know.
MAY_BE_UNKNOWN = [*OPTIONAL, "company"]
COLUMNS: dict[str, Kind] = {**dict.fromkeys(NUMBERS, "float"), **dict.fromkeys(TEXTS, "string")}
TARGET = "selling_price"
GROUP = "name"

# Below 5 mpg there are zeros and gas cars whose km/kg went through the wrong conversion
# (0.02 mpg); above 800 Nm there are small cars whose torque was stated in another unit.
LOWEST_CREDIBLE_MPG = 5
HIGHEST_CREDIBLE_NM = 800
# The data keeps only the first word of a maker's name.
FULL_COMPANY_NAMES = {"Land": "Land Rover", "Ashok": "Ashok Leyland"}

# Trees tell "missing" from every real value by it; a median would look like a small car.
MISSING_NUMBER = -1.0
# The model learns log(price / typical): small numbers, which float32 adds up precisely.
TYPICAL_PRICE_INR = 400_000.0

# Chosen by grouped cross-validation on the training side alone; see tune.py.
BOOSTING: dict[str, Any] = {
    "n_estimators": 600,
    "learning_rate": 0.05,
    "max_depth": 5,
    "subsample": 0.5,
    "max_features": 0.3,
}


def read_cars(path: Path) -> pd.DataFrame:
    """The data set with incredible values made missing; numbers rounded to float32."""
    cars = pd.read_csv(path)
    cars.loc[cars["mileage_mpg"] < LOWEST_CREDIBLE_MPG, "mileage_mpg"] = np.nan
    cars.loc[cars["torque_nm"] > HIGHEST_CREDIBLE_NM, "torque_nm"] = np.nan
    cars["company"] = cars["company"].replace(FULL_COMPANY_NAMES)
    cars[TEXTS] = cars[TEXTS].astype(object).fillna("")
    return cars.astype(dict.fromkeys(NUMBERS, np.float32))


def split_by_name(cars: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four fifths of the car names for training, the others held out."""
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
    train, test = next(splitter.split(cars, groups=cars[GROUP]))
    return cars.iloc[train].reset_index(drop=True), cars.iloc[test].reset_index(drop=True)


def without(cars: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The same cars with some columns missing."""
    return cars.assign(**{name: np.float32(np.nan) if name in NUMBERS else "" for name in columns})


def with_gaps(cars: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every car twice: as it is, and with some values taken away, the maker's name among them.

    In the data the technical values are missing all together or not at all, so a model
    trained on it alone is lost when a caller leaves out just one of them.
    """
    random = np.random.default_rng(seed)
    share = random.uniform(0, 0.8, len(cars))
    copy = cars.copy()
    for name in MAY_BE_UNKNOWN:
        gaps = random.random(len(cars)) < share
        copy.loc[gaps, name] = np.nan if name in NUMBERS else ""
    return pd.concat([cars, copy], ignore_index=True)


def make_pipeline(cars: pd.DataFrame, **boosting: Any) -> Pipeline:
    """Raw columns -> log(price / typical price); knows the text values of `cars` and no others.

    The empty string is none of them, so that a missing text and an unknown one both encode
    as all zeros and get the same answer.
    """
    gaps = SimpleImputer(strategy="constant", fill_value=MISSING_NUMBER)
    texts = OneHotEncoder(
        categories=[np.array(sorted(set(cars[name]) - {""}), object) for name in TEXTS],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    columns = ColumnTransformer([("numbers", gaps, NUMBERS), ("texts", texts, TEXTS)])
    trees = GradientBoostingRegressor(random_state=0, **(BOOSTING | boosting))
    return Pipeline([("columns", columns), ("trees", trees)])


def fit(pipeline: Pipeline, cars: pd.DataFrame, gap_seed: int | None = 0) -> Pipeline:
    """Fit on the log of the price; `gap_seed=None` trains without the copies that have gaps."""
    rows = cars if gap_seed is None else with_gaps(cars, gap_seed)
    return pipeline.fit(rows[NUMBERS + TEXTS], np.log(rows[TARGET] / TYPICAL_PRICE_INR))


def predict_price(pipeline: Pipeline, cars: pd.DataFrame) -> np.ndarray:
    """Prices in INR."""
    return TYPICAL_PRICE_INR * np.exp(pipeline.predict(cars[NUMBERS + TEXTS]))
