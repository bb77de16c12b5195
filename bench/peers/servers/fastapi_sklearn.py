"""FastAPI with scikit-learn: the fitted pipeline is loaded by joblib and predicts a data frame of the request's rows."""

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from cars import Car
from fastapi import FastAPI

app = FastAPI()
pipeline = joblib.load(Path(sys.prefix) / "car-price.joblib")


@app.post("/predict")
async def predict(cars: list[Car]) -> list[float]:
    rows = pd.DataFrame([car.model_dump() for car in cars]).replace({None: np.nan})
    texts = ["company", "owner", "fuel", "seller_type", "transmission"]
    rows[texts] = rows[texts].astype(object).fillna("")
    return np.exp(pipeline.predict(rows)).tolist()
