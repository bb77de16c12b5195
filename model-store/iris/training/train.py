"""Trains, evaluates, exports and checks the iris model.

python model-store/iris/training/train.py
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  shared code is in model-store/training
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from charts import draw_confusion_matrix, draw_regions
from flowers import COLUMNS, TARGET, cross_validation, make_pipeline, read_flowers, scores
from training.checksums import write_checksums
from training.onnx_model import (
    OnnxModel,
    convert,
    frame,
    max_relative_error,
    rename_output,
    save,
)
from training.reference import base_of_table, profile_of_table, write_reference
from training.synthetic_rows import (
    Manifest,
    Range,
    draw_rows,
    read_manifest,
    reject_real_rows,
    write_golden,
    write_metrics,
)

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
GOLDEN_ROWS = 220
CHECK_ROWS = 5000
MAX_RELATIVE_ERROR = 1e-5
# If the top two probabilities are closer than this, float32 may select the other label.
TIE = 1e-5
TYPICAL_RANGES = {
    "sepal_length": Range(4.2, 8.0, decimals=2),
    "sepal_width": Range(2.0, 4.4, decimals=2),
    "petal_length": Range(1.0, 7.0, decimals=2),
    "petal_width": Range(0.1, 2.6, decimals=2),
}


def main() -> None:
    """Trains, exports and evaluates the model."""
    flowers = read_flowers()
    manifest = read_manifest(MODEL_FOLDER / "model.yaml")

    train, test = train_test_split(
        flowers, test_size=0.3, stratify=flowers[TARGET], random_state=SEED
    )
    model = make_pipeline().fit(train[list(COLUMNS)], train[TARGET])
    labels = [str(label) for label in model.classes_]
    if manifest["outputs"]["probabilities"]["labels"] != labels:
        raise ValueError(f"model.yaml: probabilities: labels should be {labels}")

    graph = convert(model, "iris", COLUMNS)
    rename_output(graph, graph.graph.output[0].name, "species")
    rename_output(graph, graph.graph.output[1].name, "probabilities")
    onnx_path = VERSION_FOLDER / "model.onnx"
    save(graph, onnx_path, "Species of an iris from four measurements in cm.")
    export_errors = check_export(OnnxModel(onnx_path, COLUMNS), model, manifest, test)

    golden = draw_rows(manifest, TYPICAL_RANGES, GOLDEN_ROWS, seed=SEED)
    reject_real_rows(golden, flowers, COLUMNS)
    write_golden(
        VERSION_FOLDER / "golden.jsonl", golden, expected_outputs(model, frame(golden, COLUMNS))
    )

    metrics = {
        **scores(model, test),
        **cross_validation(flowers, SEED),
        **export_errors,
        "rows": len(flowers),
        "train_rows": len(train),
        "test_rows": len(test),
        "golden_rows": len(golden),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    inputs = train[list(COLUMNS)]
    write_reference(
        VERSION_FOLDER / "reference.json",
        len(train),
        profile_of_table(inputs),
        outputs={"species": model.predict(inputs)},
        base=base_of_table(inputs),
    )
    write_checksums(VERSION_FOLDER)

    predicted = model.predict(test[list(COLUMNS)])
    draw_confusion_matrix(test[TARGET], predicted, labels, VERSION_FOLDER / "confusion-matrix.png")
    draw_regions(model, labels, VERSION_FOLDER / "prediction-by-petal.png")

    for name, value in metrics.items():
        print(f"{name:32} {value:,.6g}")


def expected_outputs(model: Pipeline, rows: pd.DataFrame) -> list[dict[str, object]]:
    """Label and probabilities that scikit-learn predicts for each row."""
    return [
        {
            "species": str(species),
            "probabilities": dict(zip(model.classes_, map(float, probabilities), strict=True)),
        }
        for species, probabilities in zip(
            model.predict(rows), model.predict_proba(rows), strict=True
        )
    ]


def check_export(
    onnx_model: OnnxModel, model: Pipeline, manifest: Manifest, test: pd.DataFrame
) -> dict[str, float]:
    """Returns the maximum relative errors against scikit-learn; raises ValueError above the limit.

    Predicted labels must be equal, except for ties between two species.
    """
    synthetic = frame(draw_rows(manifest, TYPICAL_RANGES, CHECK_ROWS, seed=SEED + 1), COLUMNS)
    tables = {"test_rows": test, "synthetic_rows": synthetic, "empty_row": frame([{}], COLUMNS)}
    errors = {}
    for name, table in tables.items():
        outputs, reference = onnx_model.run(table), model.predict_proba(table[list(COLUMNS)])
        top_two = np.sort(reference, axis=1)[:, -2:]
        is_clear = top_two[:, 1] - top_two[:, 0] > TIE
        if (outputs["species"] != model.predict(table[list(COLUMNS)]))[is_clear].any():
            raise ValueError(f"the ONNX graph predicts other labels: {name}")
        errors[f"onnx_max_error_{name}"] = max_relative_error(outputs["probabilities"], reference)
    batch = synthetic.iloc[:1000]
    errors["onnx_max_error_batch_of_1000"] = max_relative_error(
        onnx_model.run(batch)["probabilities"], onnx_model.run_row_by_row(batch)["probabilities"]
    )
    if max(errors.values()) > MAX_RELATIVE_ERROR:
        raise ValueError(f"the ONNX graph differs from scikit-learn: {errors}")
    return errors


if __name__ == "__main__":
    main()
