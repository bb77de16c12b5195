"""Train, evaluate, export and check the digits model.

python model-store/digits/training/train.py
"""

import sys
from pathlib import Path

import numpy as np

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  what the models share lies in model-store/training
from sklearn.calibration import CalibratedClassifierCV

from charts import draw_confusion_matrix, draw_made_up, draw_mistakes
from digits import (
    TRAIN_BLOCKS,
    cross_validation,
    features,
    fit_with_probabilities,
    interval,
    others,
    random_split,
    read_digits,
    scores,
)
from graph import make_graph
from made_up_digits import draw_images
from training.checksums import write_checksums
from training.made_up_rows import read_manifest, write_golden, write_metrics
from training.onnx_model import OnnxGraph, save, worst_relative_error

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
GOLDEN_ROWS = 120
CHECK_ROWS = 5000
LARGEST_RELATIVE_ERROR = 1e-5


def main() -> None:
    """The whole training, top to bottom."""
    images, digits, blocks = read_digits()
    manifest = read_manifest(MODEL_FOLDER / "model.yaml")

    in_train = blocks < TRAIN_BLOCKS
    train, test = (images[in_train], digits[in_train]), (images[~in_train], digits[~in_train])
    model = fit_with_probabilities(*train, blocks[in_train])
    labels = [str(digit) for digit in model.classes_]
    if manifest["outputs"]["probabilities"]["labels"] != labels:
        raise ValueError(f"model.yaml: probabilities: labels should be {labels}")

    onnx_path = VERSION_FOLDER / "model.onnx"
    save(make_graph(model), onnx_path, "The digit that an image of 8x8 pixels shows.")
    export_errors = check_export(OnnxGraph(onnx_path), model, test[0])

    golden = draw_images(GOLDEN_ROWS, seed=SEED)
    refuse_real_images(golden, images)
    rows = [{"pixels": as_numbers(image)} for image in golden]
    write_golden(VERSION_FOLDER / "golden.jsonl", rows, answers(model, golden, labels))

    probabilities = model.predict_proba(features(test[0]))
    predicted = probabilities.argmax(axis=1)
    metrics = {
        **scores(model, *test),
        **interval(predicted == test[1], SEED),
        **cross_validation(images, digits, blocks),
        **others(train, test),
        **random_split(images, digits, SEED),
        **export_errors,
        "rows": len(digits),
        "train_rows": len(train[1]),
        "test_rows": len(test[1]),
        "golden_rows": len(golden),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    write_checksums(VERSION_FOLDER)

    draw_confusion_matrix(test[1], predicted, VERSION_FOLDER / "confusion-matrix.png")
    draw_mistakes(*test, probabilities, VERSION_FOLDER / "mistakes.png")
    draw_made_up(golden, model.predict(features(golden)), VERSION_FOLDER / "made-up.png")

    for name, value in metrics.items():
        print(f"{name:46} {value:,.6g}")


def as_numbers(image: np.ndarray) -> list[list[int | float]]:
    """Nested lists, whole numbers without a decimal point."""
    return [[int(ink) if ink.is_integer() else ink for ink in row] for row in image.tolist()]


def answers(
    model: CalibratedClassifierCV, images: np.ndarray, labels: list[str]
) -> list[dict[str, object]]:
    """scikit-learn's own digit and probabilities, image by image."""
    return [
        {"digit": int(digit), "probabilities": dict(zip(labels, map(float, shares), strict=True))}
        for digit, shares in zip(
            model.predict(features(images)), model.predict_proba(features(images)), strict=True
        )
    ]


def refuse_real_images(made_up: np.ndarray, images: np.ndarray) -> None:
    """Raise ValueError if a made-up image is one of the data set."""
    known = {image.tobytes() for image in images}
    for position, image in enumerate(made_up):
        if image.tobytes() in known:
            raise ValueError(f"made-up image {position} is one of the data set; change the seed")


def check_export(
    graph: OnnxGraph, model: CalibratedClassifierCV, test: np.ndarray
) -> dict[str, float]:
    """The worst disagreement with scikit-learn, or ValueError if it is above the limit.

    Images are rounded to float32 first, as in the gateway. Digits must be the same.
    """
    made_up = draw_images(CHECK_ROWS, seed=SEED + 1)
    between = np.random.default_rng(SEED).uniform(0, 16, (CHECK_ROWS, 8, 8)).astype(np.float32)
    errors = {}
    for name, images in {"test_rows": test, "made_up_rows": made_up, "noise": between}.items():
        pixels = images.astype(np.float32)
        rows = features(pixels.astype(np.float64))
        answer = graph.run({"pixels": pixels})
        if (answer["digit"].ravel() != model.predict(rows)).any():
            raise ValueError(f"the ONNX graph gives other digits: {name}")
        errors[f"onnx_worst_error_{name}"] = worst_relative_error(
            answer["probabilities"], model.predict_proba(rows)
        )
    thousand = made_up[:1000].astype(np.float32)
    singly = [graph.run({"pixels": image[None]})["probabilities"] for image in thousand]
    errors["onnx_worst_error_batch_of_1000"] = worst_relative_error(
        graph.run({"pixels": thousand})["probabilities"], np.concatenate(singly)
    )
    if max(errors.values()) > LARGEST_RELATIVE_ERROR:
        raise ValueError(f"the ONNX graph disagrees with scikit-learn: {errors}")
    return errors


if __name__ == "__main__":
    main()
