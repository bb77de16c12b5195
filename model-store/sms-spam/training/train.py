"""Trains, evaluates, exports and checks the spam model.

python model-store/sms-spam/training/train.py --data SMSSpamCollection
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  shared code is in model-store/training
from sklearn.pipeline import Pipeline

from charts import draw_confusion_matrix, draw_weights
from graph import make_graph
from messages import (
    LABELS,
    baselines,
    cross_validation,
    interval,
    make_pipeline,
    read_messages,
    scores,
    split,
)
from onnx import helper
from synthetic_messages import draw_messages
from training.checksums import write_checksums
from training.onnx_model import OnnxGraph, max_relative_error, save
from training.reference import profile_of_texts, write_reference
from training.synthetic_rows import read_manifest, write_golden, write_metrics

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
DATA_SHA256 = "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"
GOLDEN_ROWS = 120
CHECK_ROWS = 2000
MAX_RELATIVE_ERROR = 1e-5
MICROSOFT = helper.make_opsetid("com.microsoft", 1)


def main() -> None:
    """Trains, exports and evaluates the model."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="SMSSpamCollection")
    data = arguments.parse_args().data
    if hashlib.sha256(data.read_bytes()).hexdigest() != DATA_SHA256:
        raise ValueError(f"{data} is not the file of the model card; its SHA-256 is {DATA_SHA256}")
    messages = read_messages(data)
    manifest = read_manifest(MODEL_FOLDER / "model.yaml")
    if manifest["outputs"]["probabilities"]["labels"] != LABELS:
        raise ValueError(f"model.yaml: probabilities: labels should be {LABELS}")

    train, test = split(messages, SEED)
    model = make_pipeline().fit(train["message"], train["label"])
    onnx_path = VERSION_FOLDER / "model.onnx"
    save(make_graph(model), onnx_path, "Whether a text message is spam.", [MICROSOFT])
    export_errors = check_export(OnnxGraph(onnx_path), model, test["message"])

    golden = draw_messages(GOLDEN_ROWS, seed=SEED)
    if set(golden) & set(messages["message"]):
        raise ValueError("a synthetic message is in the data set; change the seed")
    rows = [{"message": text} for text in golden]
    write_golden(VERSION_FOLDER / "golden.jsonl", rows, expected_outputs(model, golden))

    predicted = model.predict(test["message"])
    metrics = {
        **scores(model, test),
        **interval((predicted == test["label"]).to_numpy(), SEED),
        **cross_validation(messages, SEED),
        **baselines(train, test),
        **export_errors,
        "tokens": len(model["vectors"].vocabulary_),
        "rows": len(messages),
        "spam": int((messages["label"] == "spam").sum()),
        "train_rows": len(train),
        "test_rows": len(test),
        "golden_rows": len(golden),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    write_reference(
        VERSION_FOLDER / "reference.json",
        len(train),
        {"message": profile_of_texts(train["message"])},
        outputs={"label": model.predict(train["message"])},
        base={"message": ""},
    )
    write_checksums(VERSION_FOLDER)

    draw_confusion_matrix(test["label"], predicted, VERSION_FOLDER / "confusion-matrix.png")
    draw_weights(model, VERSION_FOLDER / "weights.png")

    for name, value in metrics.items():
        print(f"{name:32} {value:,.6g}")


def expected_outputs(model: Pipeline, texts: list[str]) -> list[dict[str, object]]:
    """Label and probabilities that scikit-learn predicts for each text."""
    return [
        {"label": str(label), "probabilities": dict(zip(LABELS, map(float, values), strict=True))}
        for label, values in zip(model.predict(texts), model.predict_proba(texts), strict=True)
    ]


def check_export(graph: OnnxGraph, model: Pipeline, test: pd.Series) -> dict[str, float]:
    """Returns the maximum relative errors against scikit-learn; raises ValueError above the limit.

    Predicted labels must be equal.
    """
    synthetic = draw_messages(CHECK_ROWS, seed=SEED + 1)
    errors = {}
    for name, texts in {"test_rows": list(test), "synthetic_rows": synthetic}.items():
        outputs = graph.run({"message": np.array(texts, object)})
        if (outputs["label"].ravel() != model.predict(texts)).any():
            raise ValueError(f"the ONNX graph predicts other labels: {name}")
        errors[f"onnx_max_error_{name}"] = max_relative_error(
            outputs["probabilities"], model.predict_proba(texts)
        )
    batch = np.array(synthetic[:1000], object)
    alone = [graph.run({"message": batch[[i]]})["probabilities"] for i in range(len(batch))]
    errors["onnx_max_error_batch_of_1000"] = max_relative_error(
        graph.run({"message": batch})["probabilities"], np.concatenate(alone)
    )
    if max(errors.values()) > MAX_RELATIVE_ERROR:
        raise ValueError(f"the ONNX graph differs from scikit-learn: {errors}")
    return errors


if __name__ == "__main__":
    main()
