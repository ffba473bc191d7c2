"""Markdown tables of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .groups import GROUPS
from .metrics import SIZES
from .scores import Result

# (score, heading, format) for two tables, as one would be too wide.
COLUMNS = (
    [
        ("ao", "AO", ".3f"), ("sr50", "SR@0.5", ".3f"), ("sr75", "SR@0.75", ".3f"),
        ("coverage", "coverage", ".3f"), ("miou", "mIoU", ".3f"), ("ap50", "AP50", ".3f"),
        ("centroid_distance", "centroid distance", ".3f"), ("ao_last", "AO last frame", ".3f"),
        *((f"ao_{size}", f"AO {size}", ".3f") for size in SIZES),
        ("change_inside", "change inside", ".3f"), ("leakage", "leakage", ".3f"),
        ("localization_iou", "localisation IoU", ".3f"),
        ("epe", "EPE, px", ".2f"), ("epe_moving", "EPE moving, px", ".2f"), ("epe_found", "points found", ".3f"),
        ("color", "colour", ".3f"), ("color_last", "colour last frame", ".3f"),
        ("color_drift", "colour drift", ".1f"), ("color_drift_last", "drift last frame", ".1f"),
    ],
    [
        ("first_frame_psnr", "first-frame PSNR, dB", ".1f"), ("first_frame_ssim", "first-frame SSIM", ".3f"),
        ("first_frame_lpips", "first-frame LPIPS", ".3f"), ("background_psnr", "background PSNR, dB", ".1f"),
        ("background_ssim", "background SSIM", ".3f"), ("object_psnr", "object PSNR, dB", ".1f"),
        ("object_ssim", "object SSIM", ".3f"), ("clip_first", "first-frame CLIP", ".3f"),
        ("clip_frames", "CLIP to first", ".3f"), ("dino_first", "first-frame DINO", ".3f"),
        ("dino_frames", "DINO to first", ".3f"), ("clip_sim", "CLIP-SIM", ".3f"), ("fvd", "FVD", ".1f"),
    ],
)  # fmt: skip
HIGHER, LOWER = "↑", "↓"
LOWER_IS_BETTER = {
    "centroid_distance", "leakage", "epe", "epe_moving", "color_drift", "color_drift_last", "first_frame_lpips", "fvd",
}  # fmt: skip
SHARED = {"ao": "AO", "coverage": "coverage", "miou": "mIoU", "ap50": "AP50"}  # that have a floor and a ceiling


def legend(results: Mapping[str, Result]) -> str:
    """The line above the tables: how many clips they are of, and how to read them."""
    count = len(next(iter(results.values())).clips)
    many = "clips, with 95 % intervals in brackets" if count > 1 else "clip"
    return (
        f"{count} {many}. {HIGHER}: higher is better, {LOWER}: lower is better. docs/metrics.md explains the numbers."
    )


def table(results: Mapping[str, Result], labels: Mapping[str, str]) -> str:
    """Format the scores as two Markdown tables with 95 % intervals, without scores that no row has."""
    return "\n\n".join(filter(None, (_table(results, labels, columns) for columns in COLUMNS)))


def _table(results: Mapping[str, Result], labels: Mapping[str, str], columns: Sequence[tuple[str, str, str]]) -> str:
    shown = [
        column
        for column in columns
        if any(math.isfinite(row.scores.get(column[0], math.nan)) for row in results.values())
    ]
    if not shown:
        return ""
    headings = [f"{heading} {LOWER if key in LOWER_IS_BETTER else HIGHER}" for key, heading, _ in shown]
    lines = ["| | " + " | ".join(headings) + " |", "|" + "---|" * (len(shown) + 1)]
    for name, row in results.items():
        cells = []
        for key, _, style in shown:
            value = row.scores.get(key, math.nan)
            cells.append(f"{value:{style}}{_interval(row, key, style)}" if math.isfinite(value) else "-")
        lines.append(f"| {labels[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _interval(row: Result, key: str, style: str) -> str:
    """In brackets; nothing for a score that only one clip has, which has no spread."""
    have = sum(math.isfinite(clip.get(key, math.nan)) for clip in row.clips)  # FVD is of no clip, but of all
    if have == 1:
        return ""
    low, high = row.intervals.get(key, (math.nan, math.nan))
    return f" ({low:{style}} to {high:{style}})"


def groups_table(results: Mapping[str, Result], labels: Mapping[str, str]) -> str:
    """Format the average overlap of each group of boxes that occurs, a column for each row of the results."""
    scored = {name: row.scores for name, row in results.items() if "ao" in row.scores}
    if not scored:
        return ""
    counts = next(iter(scored.values()))
    lines = [
        "| AO of | boxes | " + " | ".join(labels[name] for name in scored) + " |",
        "|---|---|" + "---|" * len(scored),
    ]
    for group, heading in GROUPS.items():
        if count := counts[f"boxes_{group}"]:
            values = " | ".join(f"{scores[f'ao_{group}']:.3f}" for scores in scored.values())
            lines.append(f"| {heading} | {count} | {values} |")
    return "\n".join(lines)


def share_table(results: Mapping[str, Result], labels: Mapping[str, str], floor: str, ceiling: str) -> str:
    """Format how far each row is on the way from the floor (0) to the ceiling (1)."""
    shares = {name: between(row, results[floor], results[ceiling]) for name, row in results.items()}
    shown = [score for score in SHARED if any(math.isfinite(values[score]) for values in shares.values())]
    if not shown:
        return ""
    head = f"| share of the way from {labels[floor]} to {labels[ceiling]} | "
    lines = [head + " | ".join(SHARED[score] for score in shown) + " |", "|" + "---|" * (len(shown) + 1)]
    for name, values in shares.items():
        cells = " | ".join(f"{values[score]:.2f}" if math.isfinite(values[score]) else "-" for score in shown)
        lines.append(f"| {labels[name]} | {cells} |")
    return "\n".join(lines)


def left_out(results: Mapping[str, Result], labels: Mapping[str, str], floor: str, ceiling: str, finders: str) -> str:
    """A line on what the tables lack, and the options that give it; "" if they are whole.

    floor    "" if none was named
    finders  the options that say where the objects are
    """
    if not any("ao" in row.scores for row in results.values()):
        lost = "No AO, and no share of the way" if floor else "No AO"
        return f"{lost}: give {finders} to find the objects."
    if not floor or (ceiling in results and share_table(results, labels, floor, ceiling)):
        return ""
    if ceiling in results:
        return f"No share of the way: {labels[ceiling]} scores no higher than {labels[floor]}."
    return "No share of the way: give real videos of the same length with --references, or with --ceiling."


def between(row: Result, floor: Result, ceiling: Result) -> dict[str, float]:
    """(score - floor) / (ceiling - floor) of each score in SHARED; NaN where the ceiling is not above the floor."""
    shares = {}
    for score in SHARED:
        value, low, high = (each.scores.get(score, math.nan) for each in (row, floor, ceiling))
        shares[score] = (value - low) / (high - low) if high > low else math.nan
    return shares
