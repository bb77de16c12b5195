"""Figures of the model card."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import confusion_matrix

from digits import MAX_INK
from training.figures import draw_counts, new_figure, save_figure


def draw_confusion_matrix(actual: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """Confusion matrix of the held-out images: rows are actual digits, columns predictions."""
    figure, axes = new_figure(6.4, 5.8)
    counts = confusion_matrix(actual, predicted)
    draw_counts(axes, counts, [str(digit) for digit in range(len(counts))])
    axes.set(
        xlabel="predicted digit",
        ylabel="actual digit",
        title=f"{len(actual)} held-out images",
    )
    save_figure(figure, path)


def draw_mistakes(
    images: np.ndarray, actual: np.ndarray, probabilities: np.ndarray, path: Path
) -> None:
    """Up to 21 misclassified held-out images, highest confidence first."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != actual)
    order = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    draw_images(
        images[order],
        [
            f"{actual[i]} predicted as {predicted[i]}\np = {probabilities[i].max():.2f}"
            for i in order
        ],
        path,
    )


def draw_synthetic(images: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """The first golden rows with their predictions."""
    draw_images(images, [f"predicted {digit}" for digit in predicted], path)


def draw_images(images: np.ndarray, titles: list[str], path: Path) -> None:
    """Up to 21 images with titles, seven per row."""
    figure, places = plt.subplots(3, 7, figsize=(8, 4.4), layout="constrained")
    for axes in places.flat:
        axes.set_axis_off()
    for axes, image, title in zip(places.flat, images, titles, strict=False):
        axes.imshow(image, cmap="Greys", vmin=0, vmax=MAX_INK)
        axes.set_title(title, fontsize=8, loc="center", pad=3)
    save_figure(figure, path)
