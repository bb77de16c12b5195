"""The pictures of the model card."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import confusion_matrix

from digits import MAX_INK
from training.pictures import draw_counts, new_picture, save_picture


def draw_confusion_matrix(actual: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """Held-out images: rows are the digits that were meant, columns the answers."""
    figure, axes = new_picture(6.4, 5.8)
    counts = confusion_matrix(actual, predicted)
    draw_counts(axes, counts, [str(digit) for digit in range(len(counts))])
    axes.set(xlabel="answer", ylabel="digit that was meant", title=f"{len(actual)} held-out images")
    save_picture(figure, path)


def draw_mistakes(
    images: np.ndarray, actual: np.ndarray, probabilities: np.ndarray, path: Path
) -> None:
    """The held-out images with a wrong answer, the surest first; 21 at most."""
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != actual)
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    draw_images(
        images[surest],
        [f"{actual[i]} read as {answers[i]}\n{probabilities[i].max():.0%} sure" for i in surest],
        path,
    )


def draw_made_up(images: np.ndarray, answers: np.ndarray, path: Path) -> None:
    """The first golden rows."""
    draw_images(images, [f"read as {answer}" for answer in answers], path)


def draw_images(images: np.ndarray, titles: list[str], path: Path) -> None:
    """Up to 21 images in rows of seven, each with its title."""
    figure, places = plt.subplots(3, 7, figsize=(8, 4.4), layout="constrained")
    for axes in places.flat:
        axes.set_axis_off()
    for axes, image, title in zip(places.flat, images, titles, strict=False):
        axes.imshow(image, cmap="Greys", vmin=0, vmax=MAX_INK)
        axes.set_title(title, fontsize=8, loc="center", pad=3)
    save_picture(figure, path)
