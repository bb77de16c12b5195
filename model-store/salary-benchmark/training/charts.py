"""Figures of the model card."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter
from sklearn.pipeline import Pipeline

from salaries import TARGET
from training.figures import BLUE, GREY, ORANGE, new_figure, save_figure

LEVELS = range(1, 6)


def dollars(value: float, _position: int | None = None) -> str:
    """12,000 -> 12 k; 0 -> 0."""
    return f"{value / 1e3:g} k" if value else "0"


def draw_errors_by_level(
    rows: pd.DataFrame, predicted: Mapping[str, np.ndarray], path: Path
) -> None:
    """Boxes of the error in each job level, the model beside its baseline."""
    figure, axes = new_figure(6.4, 4.4)
    for position, (name, values) in enumerate(predicted.items()):
        colour = (BLUE, ORANGE)[position]
        error = values - rows[TARGET].to_numpy()
        boxes = axes.boxplot(
            [error[rows["job_level"] == level] for level in LEVELS],
            positions=[level + (position - 0.5) * 0.34 for level in LEVELS],
            widths=0.26,
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "edgecolor": colour, "alpha": 0.55},
            whiskerprops={"color": colour},
            capprops={"color": colour},
            medianprops={"color": "black"},
        )
        boxes["boxes"][0].set_label(name)
    axes.axhline(0, color=GREY, linewidth=1, zorder=0)
    axes.set(
        xticks=list(LEVELS),
        xticklabels=[str(level) for level in LEVELS],
        xlabel="job level",
        ylabel="predicted - actual (USD)",
        title="Error by job level: quartiles, and 5 to 95 % of the employees",
    )
    axes.yaxis.set_major_formatter(FuncFormatter(dollars))
    axes.grid(True, axis="y")
    axes.legend(loc="lower right")
    save_figure(figure, path)


def draw_pay_by_years(model: Pipeline, path: Path) -> None:
    """Predicted pay by years at the company for each level, at 30 and 50 years of age."""
    figure, axes = new_figure(6.4, 4.4)
    for age, colour in ((30, ORANGE), (50, BLUE)):
        years = np.arange(0, min(age - 18, 30) + 1, dtype=np.float64)
        for level in LEVELS:
            rows = pd.DataFrame(
                {
                    "age": float(age),
                    "job_level": float(level),
                    "years_at_company": years,
                    "department": "",
                }
            )
            label = f"{age} years old" if level == 1 else None
            axes.step(years, model.predict(rows), where="mid", color=colour, label=label)
            if age == 50:
                axes.text(30.4, model.predict(rows)[-1], f"level {level}", va="center", color=GREY)
    axes.set(
        xlabel="years at the company",
        ylabel="predicted yearly pay (USD)",
        xlim=(0, 34.5),
        ylim=(0, None),
        title="The job level decides; years and age hardly count",
    )
    axes.yaxis.set_major_formatter(FuncFormatter(dollars))
    axes.grid(True, axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(0, 0.65))
    save_figure(figure, path)
