"""Exports of XGBoost and LightGBM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_reproduced, churn_pipeline, customers, manifest, random

from auspex_models import ExportError, export


@pytest.mark.parametrize("package", ["xgboost", "lightgbm"])
class TestBoosting:
    def models(self, package: str) -> tuple[Any, Any]:
        pytest.importorskip("onnxmltools")
        module = pytest.importorskip(package)
        prefix = {"xgboost": "XGB", "lightgbm": "LGBM"}[package]
        quiet = {"verbose": -1} if package == "lightgbm" else {}
        return (
            getattr(module, f"{prefix}Classifier")(n_estimators=10, **quiet),
            getattr(module, f"{prefix}Regressor")(n_estimators=10, **quiet),
        )

    @pytest.mark.parametrize("classes", [2, 3])
    def test_exports_a_classifier(self, store: Path, package: str, classes: int) -> None:
        classifier, _ = self.models(package)
        rows, _ = customers()
        numbers = rows[["seats", "hours"]]
        model = classifier.fit(numbers, np.arange(len(rows)) % classes)

        summary = export(model, name=f"{package}-{classes}", store=store, examples=numbers)

        assert manifest(summary.folder)["outputs"] == {
            "label": {"values": [str(index) for index in range(classes)]},
            "probabilities": {"labels": [str(index) for index in range(classes)]},
        }
        assert_reproduced(summary.folder)

    def test_exports_a_regressor_that_was_fitted_on_an_array(self, store: Path, package: str) -> None:
        _, regressor = self.models(package)
        matrix = random.normal(size=(200, 2)).astype("float32")
        model = regressor.fit(matrix, matrix[:, 0] * 3)

        summary = export(
            model,
            name=f"{package}-regressor",
            store=store,
            examples=matrix,
            input_names=["left", "right"],
            output_names=["sum"],
        )

        assert (summary.inputs, summary.outputs) == (("left", "right"), ("sum",))
        assert_reproduced(summary.folder)

    def test_exports_a_pipeline_with_text_columns(self, store: Path, package: str) -> None:
        classifier, _ = self.models(package)
        pytest.importorskip("skl2onnx")
        rows, labels = customers()
        model = churn_pipeline(classifier).fit(rows, np.where(labels == "stays", 1, 0))

        summary = export(model, name=f"{package}-pipeline", store=store, examples=rows)

        assert summary.inputs == ("plan", "country", "seats", "hours")
        assert_reproduced(summary.folder)

    def test_rejects_texts(self, store: Path, package: str) -> None:
        classifier, _ = self.models(package)
        rows, _ = customers()
        with pytest.raises(ExportError, match="takes numbers, but plan, country are strings"):
            export(classifier, name="texts", store=store, examples=rows)
