"""Figures of the model card."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import Pipeline

from training.figures import BLUE, GREY, ORANGE, draw_counts, new_figure, save_figure


def draw_confusion_matrix(
    actual: pd.Series, predicted: np.ndarray, labels: list[str], path: Path
) -> None:
    """Confusion matrix of the held-out flowers: rows are actual species, columns predictions."""
    figure, axes = new_figure(5, 4.4)
    draw_counts(axes, confusion_matrix(actual, predicted, labels=labels), labels)
    axes.set(
        xlabel="predicted species",
        ylabel="actual species",
        title=f"{len(actual)} held-out flowers",
    )
    save_figure(figure, path)


def draw_regions(model: Pipeline, labels: list[str], path: Path) -> None:
    """Prediction by petal size with sepals missing; contours at a probability of 80 %."""
    lengths, widths = np.meshgrid(np.linspace(0.5, 7.5, 281), np.linspace(0.05, 3, 237))
    grid = pd.DataFrame(
        {
            "sepal_length": np.nan,
            "sepal_width": np.nan,
            "petal_length": lengths.ravel(),
            "petal_width": widths.ravel(),
        }
    )
    probabilities = model.predict_proba(grid).reshape(*lengths.shape, len(labels))
    predicted = probabilities.argmax(axis=2)
    figure, axes = new_figure(6, 4.4)
    colours = ListedColormap([GREY, BLUE, ORANGE])
    axes.pcolormesh(lengths, widths, predicted, cmap=colours, alpha=0.45)
    confidence = probabilities.max(axis=2)
    lines = axes.contour(lengths, widths, confidence, levels=[0.8], colors="black", linewidths=0.8)
    axes.clabel(lines, fmt={0.8: "p = 0.8"}, fontsize=8)
    for position, label in enumerate(labels):
        inside = (predicted == position) & (confidence > 0.8)
        axes.text(lengths[inside].mean(), widths[inside].mean(), label, ha="center", fontsize=12)
    axes.set(
        xlabel="petal length (cm)",
        ylabel="petal width (cm)",
        title="Prediction by petal size, sepals missing",
    )
    save_figure(figure, path)
