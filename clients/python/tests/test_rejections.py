"""What is rejected, with nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import doubling

from auspex_models import ExportError, export


class TestRejections:
    @pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "x" * 101])
    def test_names(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ExportError, match="cannot be the name of a model"):
            export(doubling(tmp_path / "d.onnx"), name=name, store=tmp_path / "s", examples={"x": [1]})
        assert not (tmp_path / "s").exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"examples": {"x": []}}, "examples must be rows, at least one"),
            ({"examples": {"z": [1]}}, "the graph has the inputs x, but the examples have z"),
            ({"examples": {"x": ["a"]}}, "the graph takes tensor\\(float\\) for x"),
            ({"output_names": ["a", "b"]}, "the graph has 1 outputs \\(y\\), not 2"),
            ({"output_names": ["x"]}, "an output cannot have the name of an input: x"),
            ({"inputs": {"z": {}}}, "inputs describes z, but the model has x"),
            ({"inputs": {"x": {"units": "km"}}}, "has units; known keys are"),
            ({"outputs": {"y": {"labels": ["a", "b"]}}}, "but 2 labels"),
            ({"metrics": {"r2": float("nan")}}, "metrics\\['r2'\\] must be a finite number, not nan"),
            ({"reference": lambda rows: rows["z"]}, "the original model does not run with the examples: 'z'"),
            ({"golden_rows": 0}, "golden_rows must be 1 or more"),
            ({"version": 0}, "version must be 1 or more"),
        ],
    )
    def test_arguments(self, tmp_path: Path, options: dict[str, Any], message: str) -> None:
        arguments = {"examples": {"x": [1.0]}, **options}
        with pytest.raises(ExportError, match=message):
            export(doubling(tmp_path / "d.onnx"), name="m", store=tmp_path / "s", **arguments)
        assert not (tmp_path / "s" / "m").exists()

    def test_models(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match="cannot be read as an ONNX file"):
            export(tmp_path / "none.onnx", name="m", store=tmp_path, examples=[[1]])
        with pytest.raises(ExportError, match=r"a builtins\.object cannot be exported; give a model of scikit-learn"):
            export(object(), name="m", store=tmp_path, examples=[[1]])

    def test_a_store_that_is_a_file(self, tmp_path: Path) -> None:
        file = doubling(tmp_path / "d.onnx")
        with pytest.raises(ExportError, match="cannot be written"):
            export(file, name="m", store=file, examples={"x": [1]})

    def test_a_missing_package_is_named_with_its_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "skl2onnx", None)
        estimator = type("Estimator", (), {"__module__": "sklearn.linear_model"})()
        with pytest.raises(ExportError, match=r"needs the package skl2onnx.*pip install 'auspex-models\[sklearn\]'"):
            export(estimator, name="m", store=tmp_path, examples=[[1]])
