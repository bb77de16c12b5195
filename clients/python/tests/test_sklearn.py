"""Exports of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import assert_reproduced, churn_pipeline, customers, golden, manifest, random

from auspex_models import ExportError, export


class TestScikitLearn:
    def test_exports_a_classifier_with_text_columns(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        linear = pytest.importorskip("sklearn.linear_model")
        rows, labels = customers()
        model = churn_pipeline(linear.LogisticRegression(max_iter=2000)).fit(rows, labels)

        summary = export(
            model,
            name="churn",
            store=store,
            examples=rows,
            description="Whether a customer leaves: synthetic data.",
            inputs={"hours": {"unit": "h", "minimum": 0}, "plan": {"values": ["free", "pro", "team"]}},
            metrics={"accuracy": model.score(rows, labels)},
        )

        assert summary.folder == store / "churn" / "1"
        assert (summary.inputs, summary.outputs) == (
            ("plan", "country", "seats", "hours"),
            ("label", "probabilities"),
        )
        assert summary.compared_rows == 300
        assert 0 < summary.largest_difference < 1e-4
        assert manifest(summary.folder) == {
            "title": "Churn",
            "description": "Whether a customer leaves: synthetic data.",
            "inputs": {
                "plan": {"values": ["free", "pro", "team"]},
                "country": {},
                "seats": {"integer": True},
                "hours": {"unit": "h", "minimum": 0},
            },
            "outputs": {
                "label": {"values": ["leaves", "stays"]},
                "probabilities": {"labels": ["leaves", "stays"]},
            },
        }
        assert len(golden(summary.folder)) == 50
        first = golden(summary.folder)[0]
        assert first["input"] == {name: rows.iloc[0][name] for name in ("plan", "country", "seats")} | {
            "hours": float(str(rows.iloc[0]["hours"]))
        }
        assert first["output"]["label"] == model.predict(rows[:1])[0]
        assert "generated" not in first
        card = (summary.folder.parent / "README.md").read_text()
        assert card.startswith("# Model card: churn\n\nWhether a customer leaves")
        assert "## Limits\n\n**To fill in:**" in card
        assert "| `hours` | float | h |  |" in card
        assert_reproduced(summary.folder)

    def test_exports_an_estimator_that_was_fitted_on_a_frame(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        ensemble = pytest.importorskip("sklearn.ensemble")
        rows, _ = customers()
        numbers = rows[["seats", "hours"]]
        model = ensemble.RandomForestRegressor(5, random_state=0).fit(numbers, rows.seats * rows.hours)

        summary = export(model, name="usage", store=store, examples=numbers)

        assert (summary.inputs, summary.outputs) == (("seats", "hours"), ("prediction",))
        assert_reproduced(summary.folder)

    def test_exports_a_vector_and_missing_values(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        linear = pytest.importorskip("sklearn.linear_model")
        impute = pytest.importorskip("sklearn.impute")
        pipeline = pytest.importorskip("sklearn.pipeline")
        matrix = random.normal(size=(40, 3)).astype("float32")
        kinds = random.integers(0, 3, 40)
        vector = export(linear.LogisticRegression().fit(matrix, kinds), name="vector", store=store, examples=matrix)
        assert vector.inputs == ("features",)
        assert manifest(vector.folder)["outputs"]["label"] == {"values": ["0", "1", "2"]}
        assert_reproduced(vector.folder)

        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(matrix, columns=["a", "b", "c"])
        frame.loc[3, "b"] = np.nan
        model = pipeline.make_pipeline(impute.SimpleImputer(), linear.LinearRegression()).fit(frame, kinds)
        missing = export(model, name="missing", store=store, examples=frame)
        assert manifest(missing.folder)["inputs"] == {"a": {}, "b": {"required": False}, "c": {}}
        assert set(golden(missing.folder)[3]["input"]) == {"a", "c"}
        assert_reproduced(missing.folder)

    def test_exports_one_text_and_one_number(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        linear = pytest.importorskip("sklearn.linear_model")
        pipeline = pytest.importorskip("sklearn.pipeline")
        preprocessing = pytest.importorskip("sklearn.preprocessing")
        words = np.array([["a"], ["b"], ["c"], ["a"]], dtype=object)
        encoder = preprocessing.OneHotEncoder(handle_unknown="ignore")
        model = pipeline.make_pipeline(encoder, linear.LinearRegression()).fit(words, [1, 2, 3, 1])
        text = export(model, name="one-text", store=store, examples=words, input_names=["word"])
        assert golden(text.folder)[1]["input"] == {"word": "b"}
        assert_reproduced(text.folder)

        numbers = np.array([[1.0], [2.0], [4.0]])
        number = export(
            linear.LinearRegression().fit(numbers, [2, 4, 8]), name="one-number", store=store, examples=numbers
        )
        assert golden(number.folder)[1] == {"input": {"features": 2}, "output": {"prediction": pytest.approx(4)}}
        assert_reproduced(number.folder)

    def test_reads_nullable_columns_and_rejects_others(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        pandas = pytest.importorskip("pandas")
        linear = pytest.importorskip("sklearn.linear_model")
        rows = pandas.DataFrame({"count": pandas.array([1, 2, 3], dtype="Int64"), "flag": [True, False, True]})
        model = linear.LinearRegression().fit(rows, [1, 2, 3])
        summary = export(model, name="nullable", store=store, examples=rows)
        assert manifest(summary.folder)["inputs"] == {"count": {"integer": True}, "flag": {"integer": True}}

        dated = rows.assign(day=pandas.Timestamp("2026-01-01"))
        with pytest.raises(ExportError, match="day has a Timestamp among its texts; convert it to numbers or strings"):
            export(model, name="dated", store=store, examples=dated)
        with pytest.raises(ExportError, match="two columns of the examples have the same name"):
            export(model, name="twice", store=store, examples=pandas.concat([rows, rows], axis=1))
        with pytest.raises(ExportError, match="the original model does not run with the examples"):
            export(model, name="fewer", store=store, examples=np.ones((2, 3)))

    def test_adds_versions_and_describes_other_inputs_in_them(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        linear = pytest.importorskip("sklearn.linear_model")
        rows, _ = customers()
        numbers = rows[["seats", "hours"]]
        target = rows.seats * 2.0
        one = export(linear.LinearRegression().fit(numbers, target), name="versions", store=store, examples=numbers)
        before = (one.folder.parent / "model.yaml").read_text()
        two = export(linear.Ridge().fit(numbers, target), name="versions", store=store, examples=numbers)
        hours = numbers[["hours"]]
        three = export(linear.LinearRegression().fit(hours, target), name="versions", store=store, examples=hours)

        assert [summary.version for summary in (one, two, three)] == [1, 2, 3]
        assert not (two.folder / "signature.yaml").exists()
        assert yaml.safe_load((three.folder / "signature.yaml").read_text()) == {
            "inputs": {"hours": {}},
            "outputs": {"prediction": {}},
        }
        assert (one.folder.parent / "model.yaml").read_text() == before
        with pytest.raises(ExportError, match="already exists"):
            export(linear.Ridge().fit(numbers, target), name="versions", store=store, examples=numbers, version=2)

    def test_rejects_a_graph_that_differs_and_writes_nothing(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        linear = pytest.importorskip("sklearn.linear_model")
        rows, _ = customers()
        numbers = rows[["seats", "hours"]]

        class Doubled(linear.LinearRegression):  # type: ignore[misc]
            def predict(self, X: Any) -> Any:
                return 2 * super().predict(X)

        Doubled.__module__ = "sklearn.linear_model"
        from skl2onnx import update_registered_converter, wrap_as_onnx_mixin  # noqa: F401
        from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes
        from skl2onnx.operator_converters.linear_regressor import convert_sklearn_linear_regressor

        update_registered_converter(
            Doubled, "Doubled", calculate_linear_regressor_output_shapes, convert_sklearn_linear_regressor
        )
        model = Doubled().fit(numbers, rows.seats * 2.0)
        with pytest.raises(ExportError, match=r"row \d+ differs: prediction is .* in ONNX and .* originally"):
            export(model, name="differs", store=store, examples=numbers)
        assert not (store / "differs").exists()

    def test_rejects_an_unfitted_model(self, store: Path) -> None:
        pytest.importorskip("skl2onnx")
        linear = pytest.importorskip("sklearn.linear_model")
        with pytest.raises(ExportError, match="LinearRegression cannot be converted to ONNX"):
            export(linear.LinearRegression(), name="unfitted", store=store, examples=np.ones((2, 2)))
