"""Trains, evaluates, exports and checks the digits model.

python model-store/digits/training/train.py
"""

import sys
from pathlib import Path

import numpy as np

MODEL_FOLDER = Path(__file__).resolve().parents[1]
sys.path.append(str(MODEL_FOLDER.parent))

# ruff: noqa: E402  shared code is in model-store/training
from sklearn.calibration import CalibratedClassifierCV

from charts import draw_confusion_matrix, draw_mistakes, draw_synthetic
from digits import (
    MAX_INK,
    TRAIN_BLOCKS,
    baselines,
    cross_validation,
    features,
    fit_with_probabilities,
    interval,
    random_split,
    read_digits,
    scores,
)
from graph import make_graph
from image_files import draw_files, ink_of, to_base64
from synthetic_digits import draw_images
from training.checksums import write_checksums
from training.onnx_model import OnnxGraph, max_relative_error, save
from training.reference import profile_of_lists, write_reference
from training.synthetic_rows import read_manifest, write_golden, write_metrics

VERSION_FOLDER = MODEL_FOLDER / "1"
SEED = 42
GOLDEN_ROWS = 120
GOLDEN_FILES = 40
CHECK_ROWS = 5000
MAX_RELATIVE_ERROR = 1e-5


def main() -> None:
    """Trains, exports and evaluates the model."""
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
    reject_real_images(golden, images)
    rows = [{"pixels": as_numbers(image)} for image in golden]
    files = draw_files(GOLDEN_FILES, seed=SEED)
    rows += [{"image": to_base64(file)} for file in files]
    inks = np.stack([ink_of(file, 8) * MAX_INK for file in files])
    outputs = expected_outputs(model, np.concatenate([golden, inks]), labels)
    write_golden(VERSION_FOLDER / "golden.jsonl", rows, outputs)

    probabilities = model.predict_proba(features(test[0]))
    predicted = probabilities.argmax(axis=1)
    metrics = {
        **scores(model, *test),
        **interval(predicted == test[1], SEED),
        **cross_validation(images, digits, blocks),
        **baselines(train, test),
        **random_split(images, digits, SEED),
        **export_errors,
        "rows": len(digits),
        "train_rows": len(train[1]),
        "test_rows": len(test[1]),
        "golden_rows": len(rows),
    }
    write_metrics(VERSION_FOLDER / "metrics.json", metrics)
    blank = np.zeros(train[0].shape[1:])
    write_reference(
        VERSION_FOLDER / "reference.json",
        len(train[1]),
        {"pixels": profile_of_lists(train[0])},
        outputs={"digit": model.predict(features(train[0])).astype(str)},
        base={"pixels": as_numbers(blank)},
    )
    write_checksums(VERSION_FOLDER)

    draw_confusion_matrix(test[1], predicted, VERSION_FOLDER / "confusion-matrix.png")
    draw_mistakes(*test, probabilities, VERSION_FOLDER / "mistakes.png")
    draw_synthetic(golden, model.predict(features(golden)), VERSION_FOLDER / "synthetic.png")

    for name, value in metrics.items():
        print(f"{name:46} {value:,.6g}")


def as_numbers(image: np.ndarray) -> list[list[int | float]]:
    """Converts to nested lists; whole numbers become integers."""
    return [[int(ink) if ink.is_integer() else ink for ink in row] for row in image.tolist()]


def expected_outputs(
    model: CalibratedClassifierCV, images: np.ndarray, labels: list[str]
) -> list[dict[str, object]]:
    """Digit and probabilities that scikit-learn predicts for each image."""
    return [
        {"digit": int(digit), "probabilities": dict(zip(labels, map(float, values), strict=True))}
        for digit, values in zip(
            model.predict(features(images)), model.predict_proba(features(images)), strict=True
        )
    ]


def reject_real_images(synthetic: np.ndarray, images: np.ndarray) -> None:
    """Raises ValueError if a synthetic image is in the data set."""
    known = {image.tobytes() for image in images}
    for position, image in enumerate(synthetic):
        if image.tobytes() in known:
            raise ValueError(f"synthetic image {position} is in the data set; change the seed")


def check_export(
    graph: OnnxGraph, model: CalibratedClassifierCV, test: np.ndarray
) -> dict[str, float]:
    """Returns the maximum relative errors against scikit-learn; raises ValueError above the limit.

    Images are rounded to float32 first, as in the gateway. Predicted digits must be equal.
    """
    synthetic = draw_images(CHECK_ROWS, seed=SEED + 1)
    noise = np.random.default_rng(SEED).uniform(0, 16, (CHECK_ROWS, 8, 8)).astype(np.float32)
    errors = {}
    for name, images in {"test_rows": test, "synthetic_rows": synthetic, "noise": noise}.items():
        pixels = images.astype(np.float32)
        rows = features(pixels.astype(np.float64))
        outputs = graph.run({"pixels": pixels})
        if (outputs["digit"].ravel() != model.predict(rows)).any():
            raise ValueError(f"the ONNX graph predicts other digits: {name}")
        errors[f"onnx_max_error_{name}"] = max_relative_error(
            outputs["probabilities"], model.predict_proba(rows)
        )
    batch = synthetic[:1000].astype(np.float32)
    row_by_row = [graph.run({"pixels": image[None]})["probabilities"] for image in batch]
    errors["onnx_max_error_batch_of_1000"] = max_relative_error(
        graph.run({"pixels": batch})["probabilities"], np.concatenate(row_by_row)
    )
    if max(errors.values()) > MAX_RELATIVE_ERROR:
        raise ValueError(f"the ONNX graph differs from scikit-learn: {errors}")
    return errors


if __name__ == "__main__":
    main()
