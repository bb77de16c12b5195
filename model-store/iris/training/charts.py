"""The pictures of the model card."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import Pipeline

from training.pictures import BLUE, GREY, ORANGE, draw_counts, new_picture, save_picture


def draw_confusion_matrix(
    actual: pd.Series, predicted: np.ndarray, labels: list[str], path: Path
) -> None:
    """Held-out flowers: rows are the actual species, columns the predicted one."""
    figure, axes = new_picture(5, 4.4)
    draw_counts(axes, confusion_matrix(actual, predicted, labels=labels), labels)
    axes.set(
        xlabel="predicted species",
        ylabel="actual species",
        title=f"{len(actual)} held-out flowers",
    )
    save_picture(figure, path)


def draw_regions(model: Pipeline, labels: list[str], path: Path) -> None:
    """The answer by petal size, the sepals left out; lines where the surest answer is 80 %."""
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
    answer = probabilities.argmax(axis=2)
    figure, axes = new_picture(6, 4.4)
    colours = ListedColormap([GREY, BLUE, ORANGE])
    axes.pcolormesh(lengths, widths, answer, cmap=colours, alpha=0.45)
    surest = probabilities.max(axis=2)
    lines = axes.contour(lengths, widths, surest, levels=[0.8], colors="black", linewidths=0.8)
    axes.clabel(lines, fmt={0.8: "80 % sure"}, fontsize=8)
    for position, label in enumerate(labels):
        inside = (answer == position) & (surest > 0.8)
        axes.text(lengths[inside].mean(), widths[inside].mean(), label, ha="center", fontsize=12)
    axes.set(
        xlabel="petal length (cm)",
        ylabel="petal width (cm)",
        title="Answer by petal size, sepals unknown",
    )
    save_picture(figure, path)
