"""Figures of the model card."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import Pipeline

from messages import LABELS
from training.figures import BLUE, ORANGE, draw_counts, new_figure, save_figure

SHOWN = 15


def draw_confusion_matrix(actual: pd.Series, predicted: np.ndarray, path: Path) -> None:
    """Confusion matrix of the held-out messages: rows are actual classes, columns predictions."""
    figure, axes = new_figure(4.4, 3.6)
    draw_counts(axes, confusion_matrix(actual, predicted, labels=LABELS), LABELS)
    axes.set(
        xlabel="predicted", ylabel="actual", title=f"{len(actual):,} held-out messages"
    )
    save_figure(figure, path)


def draw_weights(model: Pipeline, path: Path) -> None:
    """The tokens with the largest weights in either direction."""
    weights = model["classifier"].coef_[0]
    names = model["vectors"].get_feature_names_out()
    order = np.argsort(weights)
    chosen = np.concatenate([order[:SHOWN], order[-SHOWN:]])
    figure, axes = new_figure(6, 6.4)
    colours = [ORANGE if weight > 0 else BLUE for weight in weights[chosen]]
    axes.barh(names[chosen], weights[chosen], color=colours)
    axes.tick_params(axis="y", labelsize=8)
    axes.set(xlabel="weight; positive for spam", title="Tokens with the largest weights")
    save_figure(figure, path)
