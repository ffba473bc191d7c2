"""Score the videos of the ablation study, and make its tables and plots from the scores."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ablation_runs import ROWS, RUNS, Budget, Row
from diffusers import AutoencoderKL
from moved_content import track
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file

from smcd_core.data import Clip
from smcd_core.data.world import WorldClips
from smcd_core.errors import SMCDError
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
from smcd_core.training.run_summary import read_log
from smcd_core.video import draw_boxes
from smcd_core.weights.checkpoint import Checkpoint, read_checkpoint

PUBLISHED = Path(__file__).parent / "results" / "ablation"  # committed results
BASE = "ZC+GCA (SMCD)"  # the row that all others are compared with

# score: (heading, format)
SCORES = {
    "ao": ("AO", ".2f"),
    "sr50": ("SR@0.5", ".2f"),
    "object_psnr": ("object PSNR, dB", ".1f"),
    "first_frame_psnr": ("first-frame PSNR, dB", ".1f"),
    "background_psnr": ("background PSNR, dB", ".1f"),
}
GATES = {"MIM": "box_gate", "GCA": "image_gate"}
NUMBERS, LOSSES = "ablation.json", "losses.csv"
RESAMPLES = 2000


# Numbers -------------------------------------------------------------------------------------------------------------


def report(budget: Budget, folders: Mapping[int, Path], vae: AutoencoderKL, results: Path) -> list[str]:
    """Score every finished row; write ablation.json, losses.csv, samples.jpg, tables and plots to `results`.

    folders  those of `ablate`, by seed

    A row is reported once every seed has its videos. Returns the labels of the rows that are still missing.
    """
    finished = [row for row in ROWS if all(row.videos(out).exists() for out in folders.values())]
    missing = [row.label for row in ROWS if row not in finished]
    if not finished:
        return missing
    made = {row: [load_file(row.videos(out))["videos"].numpy() for out in folders.values()] for row in finished}
    _, frames, side = next(iter(made.values()))[0].shape[:3]
    clips = list(WorldClips(budget.clips, split="test", size=side, num_frames=frames))
    references = {"truth": [clip.frames for clip in clips]} | reference_rows(clips, vae)
    videos = {row.label: seeds for row, seeds in made.items()}
    videos |= {EVALUATION_ROWS[name]: [row] for name, row in references.items()}  # no training, so no seeds
    scored = {label: [_score(row, clips) for row in seeds] for label, seeds in videos.items()}
    rows: dict[str, dict[str, object]] = {}
    for label, seeds in scored.items():
        tables = {name: _scores_by_seed(seeds, name) for name in SCORES}
        means = {name: _mean(values, _weights(seeds[0], name)) for name, values in tables.items()}
        intervals = {name: interval(values, _weights(seeds[0], name)) for name, values in tables.items()}
        each = {name: [seed.scores[name] for seed in seeds] for name in SCORES}
        rows[label] = {"scores": means, "intervals": intervals, "seeds": each}
        if label != BASE and BASE in scored:
            rows[label][f"minus {BASE}"] = _differences(seeds, scored[BASE])
    for row in finished:
        rows[row.label] |= _training(row, list(folders.values()))
    results.mkdir(parents=True, exist_ok=True)
    with replacing(results / NUMBERS) as path:
        content = {"budget": asdict(budget), "seeds": list(folders), "frames": frames, "pixels": side}
        content |= {"rows": rows, "missing": missing}
        path.write_text(json.dumps(json_ready(content), indent=1) + "\n", encoding="utf-8")
    _write_losses(list(folders.values()), results / LOSSES)
    _draw_samples({label: seeds[0] for label, seeds in videos.items()}, clips, results / "samples.jpg")
    make_tables(results)
    return missing


def _score(videos: Sequence[np.ndarray], clips: list[Clip]) -> Result:
    found = [track(video, clip) for video, clip in zip(videos, clips, strict=True)]
    return score_row(videos, clips, found=found)


def _scores_by_seed(seeds: Sequence[Result], name: str) -> np.ndarray:
    """[S, C], one score for each seed and clip."""
    return np.array([[clip[name] for clip in seed.clips] for seed in seeds], np.float64)


def _weights(row: Result, name: str) -> np.ndarray:
    """[C]; how much each clip counts."""
    return np.array([clip[WEIGHTS[name]] if name in WEIGHTS else 1.0 for clip in row.clips], np.float64)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    """values [S, C], weights [C]; the mean over seeds of the mean over clips, infinities left out."""
    return mean_over_clips([mean_over_clips(seed, weights) for seed in values])


def interval(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval over seeds and clips, both drawn anew: values [S, C], weights [C].

    With three seeds it is too narrow, as the spread of three numbers is smaller than that of all seeds; the values of
    each seed are in ablation.json.
    """
    rng = np.random.default_rng(0)
    seeds, clips = values.shape
    drawn = [
        _mean(values[rng.integers(0, seeds, seeds)][:, chosen], weights[chosen])
        for chosen in rng.integers(0, clips, (RESAMPLES, clips))
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (math.nan, math.nan)
    return float(low), float(high)


def _differences(row: Sequence[Result], base: Sequence[Result]) -> dict[str, tuple[float, float, float]]:
    """Mean difference from the base and its 95 % interval, by score; paired, as some seeds and clips are hard for both.

    A row without seeds, such as a reference, is compared with each seed of the base.
    """
    found = {}
    for name in SCORES:
        gaps, weights = _scores_by_seed(row, name) - _scores_by_seed(base, name), _weights(base[0], name)
        if np.isfinite(gaps).any():
            found[name] = (_mean(gaps, weights), *interval(gaps, weights))
    return found


def _training(row: Row, folders: Sequence[Path]) -> dict[str, object]:
    """Settings and last probe of a row's runs, how far their gates opened, and the stages before."""
    checkpoints = [read_checkpoint(out / row.run / "checkpoint.safetensors") for out in folders]
    *earlier, last = checkpoints[0].info["training"]
    probed = [[line for line in read_log(out / row.run / "loss.csv") if line["x0_right_boxes"]] for out in folders]
    names = [name for name in probed[0][-1] if name.startswith("x0_")] if all(probed) else []
    probe = {name: float(np.mean([float(lines[-1][name]) for lines in probed])) for name in names}
    kept = ("stage", "steps", "batch_size", "images")
    before = [{name: stage[name] for name in kept} | {"step": stage["step"]} for stage in earlier]
    own = {name: last[name] for name in kept}
    gates = {name: _opened(checkpoints, module) for name, module in GATES.items()}
    return {"run": row.run, "guided": row.guided, **own, "probe": probe, "gates": gates, "before": before}


def _opened(checkpoints: Sequence[Checkpoint], module: str) -> dict[str, tuple[float, float]]:
    """Mean and largest |tanh| of the gates of attention and of the feed-forward layer, over layers and seeds."""
    opened = {}
    for part in ("attn", "dense"):
        ends = f"{module}.alpha_{part}"
        found = [float(w.tanh().abs()) for c in checkpoints for name, w in c.weights.items() if name.endswith(ends)]
        if found:
            opened[part] = (float(np.mean(found)), max(found))
    return opened


def _write_losses(folders: Sequence[Path], path: Path) -> None:
    """losses.csv: one row per step, one column per run, the mean over seeds."""
    losses: dict[str, np.ndarray] = {}
    for run in RUNS:
        logs = [out / run.name / "loss.csv" for out in folders]
        if all(log.exists() for log in logs):
            losses[run.name] = np.mean([[float(row["loss"]) for row in read_log(log)] for log in logs], 0)
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
    lines = ["| | stage | steps | seen in it | probe: right boxes | no boxes | wrong boxes | gates: MIM | GCA |"]
    lines.append("|" + "---|" * 9)
    for label, run in trained.items():
        seen = "images" if run["images"] else "clips"
        probe = (
            [f"{run['probe'][f'x0_{name}_boxes']:.3f}" for name in ("right", "none", "wrong")]
            if run["probe"]
            else ["-"] * 3
        )
        size = f"{run['steps'] * run['batch_size']:,} {seen}"
        gates = [", ".join(f"{mean:.3f}" for mean, _ in run["gates"][name].values()) or "-" for name in GATES]
        lines.append(f"| {label} | {run['stage']} | {run['steps']} | {size} | " + " | ".join(probe + gates) + " |")
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
        colors = [(255, 220, 0)] * len(clip.phrases)
        marked = draw_boxes(video, clip.boxes_xyxy, clip.mask, colors, [""] * len(clip.phrases))
        for frame, picture in enumerate(marked):
            tile = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(tile, (margin + frame * (side + gap), y))
    with replacing(path) as temporary:
        sheet.save(temporary, format="JPEG", quality=92, subsampling=0)
