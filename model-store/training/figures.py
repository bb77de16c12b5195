"""Shared style and helpers for the figures of all model cards."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402  the backend must be chosen first
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

BLUE = "#2f6690"
ORANGE = "#d9772b"
GREY = "#8a8f98"

plt.rcParams.update(
    {
        "figure.dpi": 120,
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.titlepad": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.axisbelow": True,
        "grid.color": "#e6e8eb",
        "legend.frameon": False,
    }
)


def new_figure(width: float = 6.4, height: float = 4.8) -> tuple[Figure, Axes]:
    """Creates an empty figure; sizes in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")


def draw_counts(axes: Axes, counts: np.ndarray, labels: Sequence[str]) -> None:
    """Draws a confusion matrix; darker cells have higher counts."""
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=counts.max() * 1.2)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=14)
    ticks = range(len(labels))
    axes.set(xticks=ticks, yticks=ticks, xticklabels=labels, yticklabels=labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG without metadata, so that output is reproducible."""
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
