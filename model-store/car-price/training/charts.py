"""Figures of the model card."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter, PercentFormatter

from training.figures import BLUE, GREY, ORANGE, new_figure, save_figure


def rupees(value: float, _position: int | None = None) -> str:
    """100,000 -> 100 k; 1,500,000 -> 1.5 M."""
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k"


def draw_predicted_against_actual(actual: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """Scatter plot of the held-out cars; both axes are logarithmic."""
    figure, axes = new_figure(6, 5.6)
    ends = np.array([min(actual.min(), predicted.min()) * 0.8, actual.max() * 1.25])
    axes.scatter(actual, predicted, s=9, color=BLUE, alpha=0.3, linewidths=0)
    axes.plot(ends, ends, color="black", linewidth=1, label="predicted = actual")
    axes.plot(ends, ends * 1.5, color=ORANGE, linewidth=1, linestyle="--", label="50 % too high")
    axes.plot(ends, ends / 1.5, color=ORANGE, linewidth=1, linestyle=":", label="33 % too low")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        aspect="equal",
        xlabel="actual price (INR)",
        ylabel="predicted price (INR)",
        title=f"Predicted and actual price, {len(actual):,} held-out cars",
    )
    round_prices = [a * 10**b for b in (4, 5, 6) for a in (1, 2, 5)]
    ticks = [price for price in round_prices if ends[0] <= price <= ends[1]]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks)
        axis.set_ticks([], minor=True)
        axis.set_major_formatter(FuncFormatter(rupees))
    axes.grid(True)
    axes.legend(loc="upper left")
    save_figure(figure, path)


def draw_error_distribution(actual: np.ndarray, predicted: np.ndarray, path: Path) -> None:
    """Histogram of the relative error of the held-out cars."""
    error = (predicted - actual) / actual
    median = np.median(error)
    figure, axes = new_figure(6.4, 4)
    bins = np.arange(-1, 1.501, 0.05).tolist()
    axes.axvspan(-0.2, 0.2, color=ORANGE, alpha=0.15, linewidth=0, zorder=0)
    axes.hist(np.clip(error, -1, 1.5), bins=bins, color=BLUE, edgecolor="white")
    axes.axvline(median, color="black", linewidth=1)
    top = axes.get_ylim()[1]
    within = np.mean(np.abs(error) <= 0.2)
    axes.text(0.24, top * 0.93, f"{within * 100:.0f} % of the cars are within 20 %", color=ORANGE)
    axes.text(0.24, top * 0.86, f"median error {median * 100:+.1f} %", color="black")
    axes.set(
        xlabel="(predicted - actual) / actual, errors above 150 % in the last bar",
        ylabel="held-out cars",
        xlim=(-1, 1.5),
        title="Distribution of the relative error",
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.grid(True, axis="y")
    save_figure(figure, path)


def draw_error_by_missing_values(mae: float, mae_without: Mapping[str, float], path: Path) -> None:
    """Mean absolute error with one or several columns missing."""
    descriptions = {
        "technical_columns": "all technical values",
        "all_optional_columns": "all optional values",
        "company": "company (unknown)",
    }
    labels = ["none", *(descriptions.get(name, name) for name in mae_without)]
    values = [mae, *mae_without.values()]
    order = np.argsort(values)
    figure, axes = new_figure(6.4, 4.4)
    names = [labels[i] for i in order]
    colours = [ORANGE if labels[i] == "none" else BLUE for i in order]
    bars = axes.barh(names, [values[i] for i in order], color=colours, height=0.7)
    axes.bar_label(bars, [f"{values[i] / 1e3:,.0f} k" for i in order], padding=4, color=GREY)
    axes.set(
        xlabel="mean absolute error on held-out cars (INR)",
        xlim=(0, max(values) * 1.12),
        title="Mean absolute error by missing value",
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: rupees(v) if v else "0"))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    save_figure(figure, path)
