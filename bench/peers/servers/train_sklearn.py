"""Trains the pipeline of car-price on rows that its graph labels, since the data set is not part of the repository."""

import os
import sys
from pathlib import Path

import joblib
import numpy as np
import onnxruntime as ort
import pandas as pd
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

NUMBERS = ["year", "km_driven", "mileage_mpg", "engine_cc", "max_power_bhp", "torque_nm", "seats"]
TEXTS = ["company", "owner", "fuel", "seller_type", "transmission"]
ROWS = 6_000

target = Path(sys.prefix) / "car-price.joblib"
if target.exists():
    sys.exit()

model_file = Path(os.environ["MODEL_FILE"])
manifest = yaml.safe_load((model_file.parents[1] / "model.yaml").read_text())["inputs"]
random = np.random.default_rng(42)
values = {name: [*manifest[name]["values"], ""] for name in TEXTS}
cars = pd.DataFrame(
    {
        "year": random.integers(1990, 2021, ROWS),
        "km_driven": random.integers(1_000, 3_000_000, ROWS),
        "mileage_mpg": random.uniform(28, 72, ROWS),
        "engine_cc": random.uniform(700, 3000, ROWS),
        "max_power_bhp": random.uniform(40, 240, ROWS),
        "torque_nm": random.uniform(60, 500, ROWS),
        "seats": random.integers(2, 11, ROWS),
        **{name: random.choice(values[name], ROWS) for name in TEXTS},
    }
).astype(dict.fromkeys(NUMBERS, np.float32))
for name in ["mileage_mpg", "engine_cc", "max_power_bhp", "torque_nm", "seats"]:
    cars.loc[random.random(ROWS) < 0.5, name] = np.nan

feeds = {name: cars[name].to_numpy().reshape(-1, 1) for name in NUMBERS}
feeds |= {name: cars[name].to_numpy(object).reshape(-1, 1) for name in TEXTS}
(prices,) = ort.InferenceSession(model_file).run(None, feeds)

encoder = OneHotEncoder(
    categories=[sorted(set(values[name]) - {""}) for name in TEXTS],
    handle_unknown="ignore",
    sparse_output=False,
)
columns = ColumnTransformer(
    [("numbers", SimpleImputer(strategy="constant", fill_value=-1.0), NUMBERS), ("texts", encoder, TEXTS)]
)
# The settings of model-store/car-price/training/cars.py.
trees = GradientBoostingRegressor(
    n_estimators=600, learning_rate=0.05, max_depth=5, subsample=0.5, max_features=0.3, random_state=0
)
pipeline = Pipeline([("columns", columns), ("trees", trees)]).fit(cars, np.log(prices.ravel()))
joblib.dump(pipeline, target)
