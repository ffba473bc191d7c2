"""Score the videos of the ablation study, and make its tables and plots from the scores."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ablation_runs import ROWS, RUNS, Budget, Row
from diffusers import AutoencoderKL
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file

from smcd_core.data import Clip, SyntheticClips
from smcd_core.errors import SMCDError
from smcd_core.evaluation.metrics import bootstrap_interval
from smcd_core.evaluation.scores import (
    EVALUATION_ROWS,
    WEIGHTS,
    Result,
    json_ready,
    mean_over_clips,
    reference_rows,
    score_row,
)
from smcd_core.evaluation.tables import table
from smcd_core.files import replacing
from smcd_core.training.run_folder import read_log
from smcd_core.video import draw_boxes
from smcd_core.weights.checkpoint import read_checkpoint

PUBLISHED = Path(__file__).parent / "results" / "ablation"  # committed results
BASE = "ZC+GCA (SMCD)"  # the row that all others are compared with

# score: (heading, format)
SCORES = {
    "ao": ("AO", ".2f"),
    "sr50": ("SR@0.5", ".2f"),
    "color": ("colour", ".2f"),
    "first_frame_psnr": ("first-frame PSNR, dB", ".1f"),
    "background_psnr": ("background PSNR, dB", ".1f"),
}
NUMBERS, LOSSES = "ablation.json", "losses.csv"


# Numbers -------------------------------------------------------------------------------------------------------------


def report(budget: Budget, out: Path, vae: AutoencoderKL, results: Path) -> list[str]:
    """Score every finished row; write ablation.json, losses.csv, samples.jpg, tables and plots to `results`.

    Returns the labels of the rows that are still missing.
    """
    done = {row: load_file(row.videos(out))["videos"].numpy() for row in ROWS if row.videos(out).exists()}
    missing = [row.label for row in ROWS if row not in done]
    if not done:
        return missing
    _, frames, side = next(iter(done.values())).shape[:3]
    clips = list(SyntheticClips(budget.clips, split="test", size=side, num_frames=frames))
    references = {EVALUATION_ROWS[name]: made for name, made in reference_rows(clips, vae).items()}
    videos = {row.label: made for row, made in done.items()} | references
    scored = {label: score_row(made, clips) for label, made in videos.items()}
    rows = {label: {"scores": row.scores, "intervals": row.intervals} for label, row in scored.items()}
    for label in rows:
        if label != BASE and BASE in scored:
            rows[label][f"minus {BASE}"] = _differences(scored[label], scored[BASE])
    for row in done:
        rows[row.label] |= _training(row, out)
    results.mkdir(parents=True, exist_ok=True)
    with replacing(results / NUMBERS) as path:
        content = {"budget": asdict(budget), "frames": frames, "pixels": side, "rows": rows, "missing": missing}
        path.write_text(json.dumps(json_ready(content), indent=1) + "\n", encoding="utf-8")
    _write_losses(out, results / LOSSES)
    _draw_samples(videos, clips, results / "samples.jpg")
    make_tables(results)
    return missing


def _differences(row: Result, base: Result) -> dict[str, tuple[float, float, float]]:
    """Mean difference from the base and its 95 % interval, by score; paired, as some clips are hard for both."""
    found = {}
    for name in SCORES:
        gaps = [mine[name] - other[name] for mine, other in zip(row.clips, base.clips, strict=True)]
        weights = [clip[WEIGHTS[name]] for clip in base.clips] if name in WEIGHTS else None
        if np.isfinite(gaps).any():
            found[name] = (mean_over_clips(gaps, weights), *bootstrap_interval(gaps, weights))
    return found


def _training(row: Row, out: Path) -> dict[str, object]:
    """Settings and last probe of a row's run, and the stages that its weights went through before."""
    *earlier, last = read_checkpoint(out / row.run / "checkpoint.safetensors").info["training"]
    probed = [line for line in read_log(out / row.run / "loss.csv") if line["x0_right_boxes"]]
    probe = {name: float(value) for name, value in probed[-1].items() if name.startswith("x0_")} if probed else {}
    names = ("stage", "steps", "batch_size", "images")
    before = [{name: stage[name] for name in names} | {"step": stage["step"]} for stage in earlier]
    own = {name: last[name] for name in names}
    return {"run": row.run, "guided": row.guided, **own, "probe": probe, "before": before}


def _write_losses(out: Path, path: Path) -> None:
    """losses.csv: one row per step, one column per run."""
    logs = {run.name: out / run.name / "loss.csv" for run in RUNS}
    losses = {name: [float(row["loss"]) for row in read_log(log)] for name, log in logs.items() if log.exists()}
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", *losses])
        for step in range(max(map(len, losses.values()))):
            writer.writerow([step + 1, *(f"{run[step]:.6g}" if step < len(run) else "" for run in losses.values())])


# Tables and plots ----------------------------------------------------------------------------------------------------


def make_tables(results: Path) -> None:
    """Write table.md, scores.png and loss.png from the numbers in `results`. Raises SMCDError if there are none."""
    if not (results / NUMBERS).is_file() or not (results / LOSSES).is_file():
        raise SMCDError(f"{results}: has no {NUMBERS} and {LOSSES}; expected a folder that ablation.py wrote")
    rows = json.loads((results / NUMBERS).read_text(encoding="utf-8"))["rows"]
    scored = {label: Result(_with_nan(row["scores"]), _with_nan(row["intervals"]), []) for label, row in rows.items()}
    against = {label: row[f"minus {BASE}"] for label, row in rows.items() if f"minus {BASE}" in row}
    trained = {label: row for label, row in rows.items() if "run" in row}
    with replacing(results / "table.md") as path:
        tables = [table(scored, {label: label for label in scored}), _difference_table(against), _run_table(trained)]
        path.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    _plot_scores(scored, results / "scores.png")
    _plot_losses(results / LOSSES, results / "loss.png")


def _with_nan(value: Any) -> Any:
    """Undo `json_ready`: null becomes NaN again."""
    if isinstance(value, dict):
        return {name: _with_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_nan(part) for part in value]
    return math.nan if value is None else value


def _difference_table(against: dict[str, dict[str, tuple[float, float, float]]]) -> str:
    lines = [f"| minus {BASE} | " + " | ".join(heading for heading, _ in SCORES.values()) + " |"]
    lines.append("|" + "---|" * (len(SCORES) + 1))
    for label, row in against.items():
        cells = []
        for name, (_, style) in SCORES.items():
            mean, low, high = row.get(name, (None,) * 3)
            cells.append("-" if mean is None else f"{mean:+{style}} ({low:+{style}} to {high:+{style}})")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _run_table(trained: dict[str, dict]) -> str:
    lines = ["| | stage | steps | seen in it | probe: right boxes | no boxes | wrong boxes |", "|" + "---|" * 7]
    for label, run in trained.items():
        seen = "images" if run["images"] else "clips"
        probe = (
            [f"{run['probe'][f'x0_{name}_boxes']:.3f}" for name in ("right", "none", "wrong")]
            if run["probe"]
            else ["-"] * 3
        )
        size = f"{run['steps'] * run['batch_size']:,} {seen}"
        lines.append(f"| {label} | {run['stage']} | {run['steps']} | {size} | " + " | ".join(probe) + " |")
    return "\n".join(lines)


def _plot_scores(scored: dict[str, Result], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 + 2.4 * len(SCORES), 0.9 + 0.33 * len(scored)), layout="constrained")
    for number, (name, (heading, _)) in enumerate(SCORES.items()):
        axes = figure.add_subplot(1, len(SCORES), number + 1)
        for place, (label, row) in enumerate(scored.items()):
            mean = row.scores[name]
            if not np.isfinite(mean):
                continue
            low, high = row.intervals[name]
            color = "#999999" if label in EVALUATION_ROWS.values() else "#0072b2"
            axes.barh(place, mean, color=color, xerr=[[mean - low], [high - mean]], ecolor="#222222", capsize=2)
        axes.set_yticks(np.arange(len(scored)), list(scored) if number == 0 else [""] * len(scored))
        axes.invert_yaxis()
        axes.set_title(heading, fontsize="medium")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _plot_losses(losses: Path, path: Path) -> None:
    """Smoothed losses of all runs, one panel per stage."""
    from matplotlib.figure import Figure

    with losses.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    stages = list(dict.fromkeys(run.stage for run in RUNS))
    figure = Figure(figsize=(4 * len(stages), 3.6), layout="constrained")
    for number, stage in enumerate(stages):
        axes = figure.add_subplot(1, len(stages), number + 1)
        for run in RUNS:
            values = [float(row[run.name]) for row in rows if row.get(run.name)]
            if run.stage != stage or not values:
                continue
            window = max(1, len(values) // 12)
            smooth = np.convolve(values, np.ones(window) / window, "valid")
            axes.plot(np.arange(window, len(values) + 1), smooth, label=run.name)
        axes.set(title=stage, xlabel="step", ylabel="loss" if number == 0 else None)
        if axes.lines:
            axes.legend(fontsize="x-small", loc="upper right")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _draw_samples(videos: dict[str, Sequence[np.ndarray]], clips: list[Clip], path: Path, number: int = 0) -> None:
    """One clip with its boxes as every row makes it: a line of frames per row, the real clip first."""
    clip = clips[number]
    lines = {"real clip": clip.frames} | {label: made[number] for label, made in videos.items()}
    frames, side = clip.frames.shape[:2]
    gap, font = 4, ImageFont.load_default(14)
    margin = 16 + max(round(font.getlength(label)) for label in lines)
    sheet = Image.new("RGB", (margin + frames * (side + gap), gap + len(lines) * (side + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, video) in enumerate(lines.items()):
        y = gap + row * (side + gap)
        draw.text((8, y + side // 2 - 8), label, fill=(30, 30, 30), font=font)
        marked = draw_boxes(video, clip.boxes_xyxy, clip.mask, clip.colors, [""] * len(clip.phrases))
        for frame, picture in enumerate(marked):
            tile = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(tile, (margin + frame * (side + gap), y))
    with replacing(path) as temporary:
        sheet.save(temporary, format="JPEG", quality=92, subsampling=0)
