"""Exports of PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import assert_reproduced, golden, random

from auspex_models import export


class TestPyTorch:
    def test_exports_columns_of_a_matrix(self, store: Path) -> None:
        torch = pytest.importorskip("torch")
        pytest.importorskip("onnxscript")
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(4, 1))
        matrix = random.normal(size=(20, 2)).astype("float32")

        summary = export(model, name="torch-columns", store=store, examples=matrix, input_names=["left", "right"])

        assert (summary.inputs, summary.outputs) == (("left", "right"), ("prediction",))
        assert model.training
        assert_reproduced(summary.folder)

    def test_exports_several_inputs_and_outputs(self, store: Path) -> None:
        torch = pytest.importorskip("torch")
        pytest.importorskip("onnxscript")

        class Two(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.words = torch.nn.Embedding(10, 3)

            def forward(self, word: Any, image: Any) -> Any:
                return self.words(word), image.mean(dim=(1, 2))

        examples = (torch.tensor([1, 2, 9]), torch.rand(3, 4, 4))
        summary = export(
            Two(),
            name="torch-two",
            store=store,
            examples=examples,
            output_names=["embedding", "brightness"],
            outputs={"embedding": {"labels": ["x", "y", "z"]}},
        )

        assert summary.inputs == ("word", "image")
        row = golden(summary.folder)[2]
        assert row["input"]["word"] == 9
        assert set(row["output"]["embedding"]) == {"x", "y", "z"}
        assert_reproduced(summary.folder)
