"""Evaluation: scores, confidence intervals and baselines."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GroupKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cars import (
    GROUP,
    MAY_BE_UNKNOWN,
    NUMBERS,
    OPTIONAL,
    TARGET,
    TEXTS,
    UNUSED_TEXTS,
    fit,
    make_pipeline,
    predict_price,
    without,
)

SPLIT_YEARS = (2005, 2015)
FEW_CARS = 10
FOLD_SEED = 1
TECHNICAL = ["mileage_mpg", "engine_cc", "max_power_bhp", "torque_nm", "seats"]


def scores(actual: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """R2, mean absolute error in INR and relative errors."""
    share = np.abs(predicted - actual) / actual
    return {
        "r2": r2_score(actual, predicted),
        "r2_log": r2_score(np.log(actual), np.log(predicted)),
        "mae": mean_absolute_error(actual, predicted),
        "median_relative_error": float(np.median(share)),
        "share_within_20_percent": float(np.mean(share <= 0.2)),
    }


def bias_by_price(actual: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Median relative error by price band, and the relative error of the sum of all prices."""
    share = (predicted - actual) / actual
    cheap, expensive = actual < 200_000, actual > 1_000_000
    return {
        "median_bias_below_200k": float(np.median(share[cheap])),
        "median_bias_200k_to_1m": float(np.median(share[~cheap & ~expensive])),
        "median_bias_above_1m": float(np.median(share[expensive])),
        "total_bias": float(predicted.sum() / actual.sum() - 1),
    }


def error_by_age(test: pd.DataFrame, predicted: np.ndarray) -> dict[str, float]:
    """Median relative error of old and of recent cars."""
    share = np.abs(predicted - test[TARGET]) / test[TARGET]
    old, recent = test["year"] < SPLIT_YEARS[0], test["year"] >= SPLIT_YEARS[1]
    return {
        "median_relative_error_before_2005": float(share[old].median()),
        "median_relative_error_from_2015": float(share[recent].median()),
        "test_rows_before_2005": int(old.sum()),
        "test_rows_from_2015": int(recent.sum()),
    }


def shape_of_data(cars: pd.DataFrame, train: pd.DataFrame) -> dict[str, float]:
    """Figures of the data that the card states."""
    makers = train["company"].value_counts()
    return {
        "share_of_rows_with_a_shared_name": float(cars[GROUP].duplicated(keep=False).mean()),
        "share_of_maruti_and_hyundai": float(cars["company"].isin(["Maruti", "Hyundai"]).mean()),
        "makers": len(makers),
        "makers_with_fewer_than_ten_training_cars": int((makers < FEW_CARS).sum()),
        "makers_with_one_training_car": int((makers == 1).sum()),
        "first_year": int(cars["year"].min()),
        "last_year": int(cars["year"].max()),
    }


def rejected_variants(train: pd.DataFrame) -> dict[str, float]:
    """Mean absolute error of the model and of variants that were not chosen.

    Five folds of the training set, grouped by car name; held-out cars are not used. Without the
    copies with missing values, the error that matters is that of rows without max_power_bhp.
    """
    variants = {"chosen": (0, []), "with_names": (0, UNUSED_TEXTS), "without_copies": (None, [])}
    result: dict[str, float] = {}
    for name, (missing_seed, extra) in variants.items():
        complete, without_power = [], []
        folds = GroupKFold(5, shuffle=True, random_state=FOLD_SEED)
        for inside, outside in folds.split(train, groups=train[GROUP]):
            table, test = train.iloc[inside], train.iloc[outside]
            texts = [*TEXTS, *extra]
            model = fit(make_pipeline(table, texts=texts), table, missing_seed, texts=texts)
            actual = test[TARGET].to_numpy()
            for errors, rows in (
                (complete, test),
                (without_power, without(test, ["max_power_bhp"])),
            ):
                errors.append(mean_absolute_error(actual, predict_price(model, rows, texts=texts)))
        result[f"train_cv_mae_{name}"] = float(np.mean(complete))
        result[f"train_cv_mae_{name}_without_max_power_bhp"] = float(np.mean(without_power))
    return result


def interval_by_name(test: pd.DataFrame, predicted: np.ndarray, seed: int) -> dict[str, float]:
    """95 % bootstrap intervals, resampled by car name because rows of a name are correlated."""
    random = np.random.default_rng(seed)
    actual = test[TARGET].to_numpy()
    groups = list(test.groupby(GROUP).indices.values())
    draws = []
    for _ in range(1000):
        chosen = random.integers(len(groups), size=len(groups))
        rows = np.concatenate([groups[i] for i in chosen])
        draws.append(
            (
                r2_score(actual[rows], predicted[rows]),
                mean_absolute_error(actual[rows], predicted[rows]),
            )
        )
    (r2_low, mae_low), (r2_high, mae_high) = np.percentile(draws, [2.5, 97.5], axis=0)
    return {"r2_low": r2_low, "r2_high": r2_high, "mae_low": mae_low, "mae_high": mae_high}


def baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Scores of the median price and of ridge regression on the log price."""
    actual = test[TARGET].to_numpy()
    median = scores(actual, np.full(len(test), train[TARGET].median()))
    numbers = chain(SimpleImputer(strategy="median"), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", texts, TEXTS)])
    ridge = Pipeline([("columns", columns), ("ridge", RidgeCV(np.logspace(-2, 3, 11)))])
    predicted = scores(actual, predict_price(fit(ridge, train, missing_seed=None), test))
    return {
        "median_baseline_r2": median["r2"],
        "median_baseline_mae": median["mae"],
        "ridge_baseline_r2": predicted["r2"],
        "ridge_baseline_mae": predicted["mae"],
    }


def cross_validation(cars: pd.DataFrame, seed: int) -> dict[str, float]:
    """Mean and standard deviation over five folds grouped by car name."""
    folds = []
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(
        cars, groups=cars[GROUP]
    ):
        model = fit(make_pipeline(cars.iloc[train]), cars.iloc[train])
        actual = cars[TARGET].to_numpy()[test]
        folds.append(scores(actual, predict_price(model, cars.iloc[test])))
    table = pd.DataFrame(folds)
    return {
        "cv_r2_mean": table["r2"].mean(),
        "cv_r2_sd": table["r2"].std(),
        "cv_r2_min": table["r2"].min(),
        "cv_r2_max": table["r2"].max(),
        "cv_mae_mean": table["mae"].mean(),
        "cv_mae_sd": table["mae"].std(),
    }


def random_split(cars: pd.DataFrame, seed: int) -> dict[str, float]:
    """Scores of a random split: optimistic, since the same car may be in both sets."""
    train, test = train_test_split(cars, test_size=0.2, random_state=seed)
    predicted = predict_price(fit(make_pipeline(train), train), test)
    result = scores(test[TARGET].to_numpy(), predicted)
    return {"random_split_r2": result["r2"], "random_split_mae": result["mae"]}


def error_by_missing_values(model: Pipeline, test: pd.DataFrame) -> dict[str, float]:
    """Mean absolute error on the held-out cars with columns missing."""
    missing = {name: [name] for name in MAY_BE_UNKNOWN}
    missing |= {"technical_columns": TECHNICAL, "all_optional_columns": OPTIONAL}
    actual = test[TARGET].to_numpy()
    return {
        f"mae_without_{name}": mean_absolute_error(
            actual, predict_price(model, without(test, columns))
        )
        for name, columns in missing.items()
    }
