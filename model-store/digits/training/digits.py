"""Images, pipeline and evaluation."""

from typing import TypeVar

import numpy as np
from scipy.ndimage import shift
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

Model = TypeVar("Model", bound=ClassifierMixin)

BLOCKS = 13
TRAIN_BLOCKS = 9
MAX_INK = 16
HALF_A_PIXEL = ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))
COPIES = 1 + len(HALF_A_PIXEL)
ONE_PIXEL = ((1, 0), (-1, 0), (0, 1), (0, -1))


def read_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns 1,797 images of 8x8 pixels (ink from 0 to 16), their digits and their blocks.

    The images are ordered by writer. There were 13 writers, but the data set does not identify
    them, so 13 blocks of consecutive images approximate the writers.
    """
    bunch = load_digits()
    blocks = np.arange(len(bunch.target)) * BLOCKS // len(bunch.target)
    return bunch.images, bunch.target, blocks


def make_classifier() -> OneVsRestClassifier:
    """One-versus-rest support vector machines with a Gaussian kernel."""
    return OneVsRestClassifier(SVC(C=10, gamma=0.15))


def fit(model: Model, images: np.ndarray, digits: np.ndarray) -> Model:
    """Fits on the images and on copies moved by half a pixel in each direction."""
    return model.fit(features(with_moved(images)), np.tile(digits, COPIES))


def fit_with_probabilities(
    images: np.ndarray, digits: np.ndarray, blocks: np.ndarray
) -> CalibratedClassifierCV:
    """Fits the classifier with temperature scaling for probabilities.

    The temperature is fitted on out-of-fold margins; folds are grouped by block and include
    moved copies.
    """
    rows, groups = features(with_moved(images)), np.tile(blocks, COPIES)
    folds = list(GroupKFold(5).split(rows, groups=groups))
    model = CalibratedClassifierCV(
        make_classifier(), method="temperature", ensemble=False, cv=folds
    )
    return model.fit(rows, np.tile(digits, COPIES))


def with_moved(images: np.ndarray) -> np.ndarray:
    """Returns the images followed by copies moved by half a pixel."""
    return np.concatenate([images, *(moved(images, step) for step in HALF_A_PIXEL)])


def features(images: np.ndarray) -> np.ndarray:
    """[n, 8, 8] ink from 0 to 16 -> [n, 64] from 0 to 1."""
    return images.reshape(len(images), -1) / MAX_INK


def moved(images: np.ndarray, step: tuple[float, float]) -> np.ndarray:
    """Moves the images by (rows, columns); vacated pixels are blank."""
    return shift(images, (0, *step), order=1)


def scores(
    model: CalibratedClassifierCV, images: np.ndarray, digits: np.ndarray
) -> dict[str, float]:
    """Held-out accuracy, accuracy on images moved by one pixel, and log loss."""
    return {
        "accuracy": model.score(features(images), digits),
        "accuracy_moved_one_pixel": accuracy_off_centre(model, images, digits),
        "log_loss": log_loss(digits, model.predict_proba(features(images))),
    }


def accuracy_off_centre(model: ClassifierMixin, images: np.ndarray, digits: np.ndarray) -> float:
    """Mean accuracy on the images moved by one pixel up, down, left and right."""
    return float(
        np.mean([model.score(features(moved(images, step)), digits) for step in ONE_PIXEL])
    )


def interval(correct: np.ndarray, seed: int) -> dict[str, float]:
    """95 % bootstrap interval of the accuracy, resampled by image."""
    random = np.random.default_rng(seed)
    draws = random.choice(correct, (10_000, len(correct))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"accuracy_low": float(low), "accuracy_high": float(high)}


def cross_validation(
    images: np.ndarray, digits: np.ndarray, blocks: np.ndarray
) -> dict[str, float]:
    """Accuracy over 13 folds, one block held out in each."""
    folds = []
    for train, test in GroupKFold(BLOCKS).split(images, groups=blocks):
        model = fit(make_classifier(), images[train], digits[train])
        folds.append(model.score(features(images[test]), digits[test]))
    return {
        "cv_accuracy_mean": float(np.mean(folds)),
        "cv_accuracy_sd": float(np.std(folds, ddof=1)),
        "cv_accuracy_min": min(folds),
    }


def random_split(images: np.ndarray, digits: np.ndarray, seed: int) -> dict[str, float]:
    """Accuracy of a random split: optimistic, since every writer is in both sets."""
    train, test = train_test_split(
        np.arange(len(digits)), test_size=0.3, stratify=digits, random_state=seed
    )
    model = fit(make_classifier(), images[train], digits[train])
    return {"random_split_accuracy": model.score(features(images[test]), digits[test])}


def baselines(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> dict[str, float]:
    """Held-out accuracy of simpler models, and of the same model without moved images."""
    (images, digits), (test_images, actual) = train, test
    models = {
        "majority": DummyClassifier(strategy="most_frequent"),
        "logistic": LogisticRegression(max_iter=2000),
        "neighbours": KNeighborsClassifier(3),
    }
    result = {
        f"{name}_baseline_accuracy": model.fit(features(images), digits).score(
            features(test_images), actual
        )
        for name, model in models.items()
    }
    unmoved = make_classifier().fit(features(images), digits)
    return result | {
        "without_moved_images_accuracy": unmoved.score(features(test_images), actual),
        "without_moved_images_accuracy_moved_one_pixel": accuracy_off_centre(
            unmoved, test_images, actual
        ),
    }
