"""Plots of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..files import replacing
from .metrics import SIZES
from .scores import Result

COLORS = ("#0072b2", "#d55e00", "#009e73", "#999999", "#e69f00", "#cc79a7")


def plot_all(results: Mapping[str, Result], labels: Mapping[str, str], folder: Path) -> None:
    """Write color_drift.png, and if every row has an overlap, ao_by_frame.png and ao_by_size.png."""
    if all("ao" in row.scores for row in results.values()):
        _by_frame(results, labels, "ao_frames", "average overlap", (0, 1), folder / "ao_by_frame.png")
        _by_size(results, labels, folder / "ao_by_size.png")
    _by_frame(results, labels, "color_drift_frames", "colour drift (delta E)", (0, None), folder / "color_drift.png")


def _by_frame(
    results: Mapping[str, Result], labels: Mapping[str, str], score: str, heading: str, limits: tuple, path: Path
) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for place, (name, row) in enumerate(results.items()):
        values = row.scores[score]
        axes.plot(range(1, len(values) + 1), values, "o-", label=labels[name], color=COLORS[place % len(COLORS)])
    axes.set(xlabel="frame", ylabel=heading, ylim=limits)
    axes.legend(fontsize="small")
    _save(figure, path)


def _by_size(results: Mapping[str, Result], labels: Mapping[str, str], path: Path) -> None:
    """Plot a group of bars with 95 % intervals for each size that occurs."""
    first = next(iter(results.values())).scores
    sizes = [size for size in SIZES if first[f"boxes_{size}"]]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(results)
    for place, (name, row) in enumerate(results.items()):
        heights = np.array([row.scores[f"ao_{size}"] for size in sizes])
        intervals = np.array([row.intervals[f"ao_{size}"] for size in sizes]).reshape(-1, 2)
        reach = np.abs(intervals - heights[:, None]).T  # [2, sizes]
        at = np.arange(len(sizes)) + (place - (len(results) - 1) / 2) * width
        axes.bar(at, heights, width, yerr=reach, label=labels[name], color=COLORS[place % len(COLORS)], capsize=2)
    counts = [f"{size}\n{first[f'boxes_{size}']} boxes" for size in sizes]
    axes.set_xticks(range(len(sizes)), counts)
    axes.set(ylabel="average overlap", ylim=(0, 1))
    axes.legend(fontsize="small")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
