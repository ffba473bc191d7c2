"""The systems that the paper compares, trained and measured side by side on the synthetic clips, at small size.

Every run is a folder of its own and is skipped when it is finished, so that the comparison can be stopped at any moment
and goes on; the tables are made anew from the videos that the runs left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file, save_file

from .checkpoint import Checkpoint, build, read_checkpoint
from .config import SMALL, system_config
from .data import Clip, SyntheticClips
from .data.encoded import EncodedClips
from .diffusion import Guidance
from .evaluation import ROWS as EVALUATED
from .evaluation import (
    WEIGHTS,
    Result,
    generate_all,
    mean_over_clips,
    reference_rows,
    request_of,
    score_row,
    table,
)
from .metrics import bootstrap_interval
from .pipeline import SMCDPipeline
from .run_folder import read_log
from .stages import TrainingConfig, TrainingError
from .text import TextEncoder
from .training import train
from .video import draw_boxes
from .weight_files import replacing

PROBE_CLIPS = 16  # validation clips, for the probe in each run's log
BATCH = 4  # videos generated at once


@dataclass(frozen=True)
class Budget:
    """How much each stage sees and how it is measured. All systems get the same."""

    backbone_steps: int = 1000  # on images, where no backbone is given
    video_steps: int = 300  # of the backbone on clips, so that its temporal layers know video as ModelScope's do
    mim_steps: int = 600  # on images
    diim_steps: int = 250  # on clips
    image_batch: int = 16
    clip_batch: int = 4
    lr: float = 1e-3
    clips: int = 24  # of the split "test"
    sampling_steps: int = 20
    guidance: float = 1.5  # of text and boxes together
    seed: int = 33


@dataclass(frozen=True)
class Run:
    """One training: its folder, what it trains and from which other run's weights it starts."""

    name: str
    system: str
    stage: str
    start: str | None
    drops: bool = True  # conditions, as often as the stage says


RUNS = (
    Run("backbone-images", "backbone", "backbone", None),
    Run("backbone", "backbone", "backbone", "backbone-images"),
    Run("mim", "mim", "mim", "backbone"),
    Run("zc+gca", "zc+gca", "diim", "mim"),
    Run("zc", "zc", "diim", "mim"),
    Run("gca", "gca", "diim", "mim"),
    Run("ctrlnet", "ctrlnet", "diim", "mim"),
    Run("zc+ctrlnet", "zc+ctrlnet", "diim", "mim"),
    Run("mim-temporal", "mim", "diim", "mim"),
    Run("zc+gca-joint", "zc+gca", "joint", "backbone"),
    Run("mim-kept", "mim", "mim", "backbone", drops=False),
    Run("zc+gca-kept", "zc+gca", "diim", "mim-kept", drops=False),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a run, sampled with or without guidance."""

    label: str
    run: str
    guided: bool = True

    def videos(self, out: Path) -> Path:
        return out / self.run / ("videos.safetensors" if self.guided else "videos-unguided.safetensors")


ROWS = (
    Row("backbone alone", "backbone"),
    Row("MIM only", "mim"),
    Row("MIM, temporal attention trained on", "mim-temporal"),
    Row("ZC", "zc"),
    Row("GCA", "gca"),
    Row("ZC+GCA (SMCD)", "zc+gca"),
    Row("CtrlNet", "ctrlnet"),
    Row("ZC+CtrlNet", "zc+ctrlnet"),
    Row("ZC+GCA, joint instead of two stages", "zc+gca-joint"),
    Row("ZC+GCA, sampled without guidance", "zc+gca", guided=False),
    Row("ZC+GCA, nothing dropped in training", "zc+gca-kept"),
    Row("the same, sampled without guidance", "zc+gca-kept", guided=False),
)
BASE = "ZC+GCA (SMCD)"  # what the others are compared with

# Score: heading, and its format
SCORES = {
    "ao": ("AO", ".2f"),
    "sr50": ("SR@0.5", ".2f"),
    "color": ("colour", ".2f"),
    "first_frame_psnr": ("first-frame PSNR, dB", ".1f"),
    "background_psnr": ("background PSNR, dB", ".1f"),
}


# Runs ----------------------------------------------------------------------------------------------------------------


def training_of(run: Run, budget: Budget, frames: int) -> TrainingConfig:
    """The numbers of a run. The joint one sees as many frames as both stages together."""
    images = run.name == "backbone-images" or run.stage == "mim"
    joint = budget.diim_steps + round(budget.mim_steps * budget.image_batch / (budget.clip_batch * frames))
    steps = {"mim": budget.mim_steps, "diim": budget.diim_steps, "joint": joint}.get(run.stage)
    if steps is None:
        steps = budget.backbone_steps if images else budget.video_steps
    # In so few steps nothing is learned at the published rate, and the layout not from uniform timesteps: the recipe is
    # that of the bundled default (models/README.md). Chances to drop a condition are the published ones.
    config = TrainingConfig(
        run.stage, steps, images=images, batch_size=budget.image_batch if images else budget.clip_batch, lr=budget.lr,
        warmup=30, cosine=True, betas=(0.9, 0.99), ema=0.98, seed=budget.seed, save_every=100, validate_every=steps,
    )  # fmt: skip
    if run.stage != "backbone":
        config = replace(config, timestep_power=0.7, object_weight=3.0)
    if not run.drops:
        config = replace(config, drop_text=0.0, drop_boxes=0.0, drop_first_frame=0.0, drop_image_tokens=0.0)
    return config


def needed(only: Sequence[str]) -> list[Run]:
    """The runs of these names and those they start from, in order. Raises TrainingError for an unknown name."""
    by_name = {run.name: run for run in RUNS}
    wanted = set()
    for name in only or by_name:
        if name not in by_name:
            raise TrainingError(f"there is no run {name!r}, expected some of {', '.join(by_name)}")
        while name:
            wanted.add(name)
            name = by_name[name].start
    return [run for run in RUNS if run.name in wanted]


def ablate(
    budget: Budget,
    data: EncodedClips,
    validation: EncodedClips,
    vae: AutoencoderKL,
    text: TextEncoder,
    out: Path,
    *,
    backbone: Checkpoint | None = None,
    sizes: dict[str, object] = SMALL,
    only: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> None:
    """Train and sample what is not finished yet.

    backbone  trained on images, instead of the run backbone-images
    sizes     of the networks, fields of SMCDConfig
    only      names of RUNS; those that they start from are done as well
    """
    frames, side = (
        data[0]["latents"].shape[0],
        data[0]["latents"].shape[-1] * 2 ** (len(vae.config.block_out_channels) - 1),
    )
    clips = list(SyntheticClips(budget.clips, split="test", size=side, num_frames=frames))
    for run in needed(only):
        if run.name == "backbone-images" and backbone is not None:
            continue
        folder = out / run.name
        config = training_of(run, budget, frames)
        if not is_finished(folder, config):
            start = None
            if run.start is not None:
                given = run.start == "backbone-images" and backbone is not None
                start = backbone if given else read_checkpoint(out / run.start / "checkpoint.safetensors")
            say(f"{run.name}: {config.steps} steps")
            model_config = system_config(run.system, sizes, coverage_bias=True)
            probes = [validation[number] for number in range(min(PROBE_CLIPS, len(validation)))]
            train(config, model_config, data, folder, start=start, validation=probes)
        for row in ROWS:
            if row.run == run.name and not row.videos(out).exists():
                say(f"{run.name}: {len(clips)} videos")
                _generate(row, out, budget, clips, vae, text)


def is_finished(folder: Path, config: TrainingConfig) -> bool:
    """Whether a run with these numbers has come to its end. Raises TrainingError if the folder holds another run."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return False
    last = dict(read_checkpoint(path).info["training"][-1])
    step = last.pop("step")
    if TrainingConfig(**last | {"betas": tuple(last["betas"])}) != config:
        raise TrainingError(f"{folder}: holds a run with other settings; choose another --out or delete that folder")
    return step == config.steps


def _generate(row: Row, out: Path, budget: Budget, clips: list[Clip], vae: AutoencoderKL, text: TextEncoder) -> None:
    pipeline = SMCDPipeline(build(read_checkpoint(out / row.run / "checkpoint.safetensors")), vae, text)
    scale = budget.guidance if row.guided else 1.0
    height, width = clips[0].frames.shape[1:3]
    settings = dict(steps=budget.sampling_steps, guidance=Guidance(text=scale, boxes=scale), width=width, height=height)
    requests = [request_of(clip, number) for number, clip in enumerate(clips)]
    videos = generate_all(pipeline, requests, BATCH, **settings)
    with replacing(row.videos(out)) as temporary:
        save_file({"videos": torch.from_numpy(np.stack(videos))}, temporary)  # uint8 [clips, F, H, W, 3]


# Results -------------------------------------------------------------------------------------------------------------


def report(budget: Budget, out: Path, vae: AutoencoderKL, results: Path) -> list[str]:
    """Write ablation.json, table.md, scores.png, loss.png and samples.jpg to `results`, from what is finished.

    Returns the labels of the rows that are still missing.
    """
    done = {row: load_file(row.videos(out))["videos"].numpy() for row in ROWS if row.videos(out).exists()}
    missing = [row.label for row in ROWS if row not in done]
    if not done:
        return missing
    _, frames, side = next(iter(done.values())).shape[:3]
    clips = list(SyntheticClips(budget.clips, split="test", size=side, num_frames=frames))
    references = {EVALUATED[name]: made for name, made in reference_rows(clips, vae).items()}
    videos = {row.label: made for row, made in done.items()} | references
    scored = {label: score_row(made, clips) for label, made in videos.items()}
    others = [label for label in scored if label != BASE and BASE in scored]
    against = {label: _differences(scored[label], scored[BASE]) for label in others}
    trained = {row.label: _training(row, out) for row in done}
    results.mkdir(parents=True, exist_ok=True)
    with replacing(results / "ablation.json") as path:
        rows = {
            label: {"scores": row.scores, "intervals": row.intervals, f"minus {BASE}": against.get(label)}
            | trained.get(label, {})
            for label, row in scored.items()
        }
        content = {"budget": asdict(budget), "frames": frames, "pixels": side, "rows": rows, "missing": missing}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    with replacing(results / "table.md") as path:
        tables = [table(scored, {label: label for label in scored}), _difference_table(against), _run_table(trained)]
        path.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    _plot_scores(scored, results / "scores.png")
    _plot_losses(out, results / "loss.png")
    _draw_samples(videos, clips, results / "samples.jpg")
    return missing


def _differences(row: Result, base: Result) -> dict[str, tuple[float, float, float]]:
    """By score: how much more than the base, and the 95 % interval. Clip by clip, so that it does not matter that some
    clips are hard for both."""
    found = {}
    for name in SCORES:
        gaps = [mine[name] - other[name] for mine, other in zip(row.clips, base.clips, strict=True)]
        weights = [clip[WEIGHTS[name]] for clip in base.clips] if name in WEIGHTS else None
        if np.isfinite(gaps).any():
            found[name] = (mean_over_clips(gaps, weights), *bootstrap_interval(gaps, weights))
    return found


def _training(row: Row, out: Path) -> dict[str, object]:
    """What the run of a row was, and what its weights went through before."""
    *earlier, last = read_checkpoint(out / row.run / "checkpoint.safetensors").info["training"]
    probed = [line for line in read_log(out / row.run / "loss.csv") if line["x0_right_boxes"]]
    probe = {name: float(value) for name, value in probed[-1].items() if name.startswith("x0_")} if probed else {}
    names = ("stage", "steps", "batch_size", "images")
    before = [{name: stage[name] for name in names} | {"step": stage["step"]} for stage in earlier]
    own = {name: last[name] for name in names}
    return {"run": row.run, "guided": row.guided, **own, "probe": probe, "before": before}


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
            color = "#999999" if label in EVALUATED.values() else "#0072b2"
            axes.barh(place, mean, color=color, xerr=[[mean - low], [high - mean]], ecolor="#222222", capsize=2)
        axes.set_yticks(np.arange(len(scored)), list(scored) if number == 0 else [""] * len(scored))
        axes.invert_yaxis()
        axes.set_title(heading, fontsize="medium")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _plot_losses(out: Path, path: Path) -> None:
    """The smoothed loss of every run, one panel for each stage."""
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(run.stage for run in RUNS))
    figure = Figure(figsize=(4 * len(stages), 3.6), layout="constrained")
    for number, stage in enumerate(stages):
        axes = figure.add_subplot(1, len(stages), number + 1)
        for run in RUNS:
            log = out / run.name / "loss.csv"
            if run.stage != stage or not log.exists():
                continue
            losses = [float(row["loss"]) for row in read_log(log)]
            window = max(1, len(losses) // 12)
            smooth = np.convolve(losses, np.ones(window) / window, "valid")
            axes.plot(np.arange(window, len(losses) + 1), smooth, label=run.name)
        axes.set(title=stage, xlabel="step", ylabel="loss" if number == 0 else None)
        if axes.lines:
            axes.legend(fontsize="x-small", loc="upper right")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _draw_samples(videos: dict[str, Sequence[np.ndarray]], clips: list[Clip], path: Path, number: int = 0) -> None:
    """One clip as every row makes it, with its boxes: a line of frames for each row, the real clip first."""
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
