"""Exports of ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import assert_reproduced, doubling, golden, manifest, random

from auspex_models import ExportError, export


class TestOnnxFile:
    def test_marks_golden_rows_as_generated_without_a_reference(self, store: Path, tmp_path: Path) -> None:
        summary = export(doubling(tmp_path / "d.onnx"), name="doubling", store=store, examples={"x": [1.5, 2]})

        assert summary.compared_rows == 0
        assert "not compared" in str(summary)
        assert golden(summary.folder) == [
            {"input": {"x": 1.5}, "output": {"y": 3.0}, "generated": True},
            {"input": {"x": 2.0}, "output": {"y": 4.0}, "generated": True},
        ]

    def test_compares_with_a_reference(self, store: Path, tmp_path: Path) -> None:
        file = doubling(tmp_path / "d.onnx")
        rows = {"x": [0.1, 2]}
        summary = export(file, name="checked", store=store, examples=rows, reference=lambda rows: rows["x"] * 2)
        assert summary.compared_rows == 2
        assert golden(summary.folder)[0]["input"] == {"x": 0.1}
        with pytest.raises(ExportError, match="row 1 differs: y is 4 in ONNX and 6 originally"):
            export(file, name="wrong", store=store, examples=rows, reference=lambda rows: rows["x"] * [2, 3])
        assert not (store / "wrong").exists()

    def test_replaces_a_zip_map(self, store: Path, tmp_path: Path) -> None:
        convert = pytest.importorskip("skl2onnx").to_onnx
        linear = pytest.importorskip("sklearn.linear_model")
        matrix = random.normal(size=(40, 2)).astype("float32")
        model = linear.LogisticRegression().fit(matrix, np.where(matrix[:, 0] > 0, "yes", "no"))
        file = tmp_path / "zip-map.onnx"
        file.write_bytes(convert(model, matrix[:1], target_opset=18).SerializeToString())

        summary = export(
            file,
            name="zip-map",
            store=store,
            examples={"X": matrix},
            output_names=["label", "probabilities"],
            reference=lambda rows: (model.predict(rows["X"]), model.predict_proba(rows["X"])),
        )

        assert manifest(summary.folder)["outputs"]["probabilities"] == {"labels": ["no", "yes"]}
        assert_reproduced(summary.folder)
