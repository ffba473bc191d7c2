"""Score a checkpoint on synthetic clips that no training has seen, beside what its numbers are to be read against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .data import Clip
from .diffusion import Guidance
from .metrics import background, color_holds, find_colors, grounding, psnr
from .pipeline import Request, SMCDPipeline
from .trajectory import DEFAULT_FPS, trajectory_from_boxes

ROWS = {
    "smcd": "the model",
    "no_boxes": "the same, boxes dropped",
    "autoencoder": "real clips through the autoencoder (ceiling)",
    "truth": "real clips (what the detector finds)",
    "static": "first frame repeated",
    "chance": "another clip's video",
}


def request_of(clip: Clip, seed: int = 0) -> Request:
    """What a user would ask for to get this clip: its first frame, boxes, phrases and caption."""
    height, width = clip.frames.shape[1:3]
    trajectory = trajectory_from_boxes(
        clip.boxes_xyxy, clip.mask, width, height, DEFAULT_FPS, clip.phrases, tolerance=0.0
    )
    return Request(clip.frames[0], trajectory, clip.caption, seed)


def evaluate(
    pipeline: SMCDPipeline,
    clips: Sequence[Clip],
    *,
    steps: int,
    guidance: Guidance,
    seed: int = 0,
    batch_size: int = 4,
    progress: Callable[[int], None] = lambda clips: None,
) -> tuple[dict[str, dict], dict[str, list[np.ndarray]]]:
    """Scores by row of ROWS, and the videos of each row, uint8 [F, H, W, 3].

    Each score is a mean over clips: ao, sr50, sr75, ao_frames (F values), ao_last, color (share of visible boxes whose
    middle has the object's hue), color_last, first_frame_psnr and background_psnr in dB.
    """
    height, width = clips[0].frames.shape[1:3]
    settings = dict(steps=steps, guidance=guidance, width=width, height=height)
    requests = [request_of(clip, seed + number) for number, clip in enumerate(clips)]
    videos: dict[str, list[np.ndarray]] = {"smcd": [], "no_boxes": []}
    without = [replace(request, use_boxes=False) for request in requests]
    for name, asked in (("smcd", requests), ("no_boxes", without)):
        for start in range(0, len(asked), batch_size):
            videos[name] += pipeline.generate(asked[start : start + batch_size], **settings)
            progress(len(asked[start : start + batch_size]))
    real = [clip.frames for clip in clips]
    videos["autoencoder"] = [_through(pipeline, frames) for frames in real]
    videos["truth"] = real
    videos["static"] = [np.repeat(frames[:1], len(frames), axis=0) for frames in real]
    videos["chance"] = [*real[1:], real[0]]
    return {name: _mean([score(v, c) for v, c in zip(videos[name], clips, strict=True)]) for name in ROWS}, videos


def score(video: np.ndarray, clip: Clip) -> dict[str, float | list[float]]:
    """One clip's scores, see `evaluate`."""
    boxes, mask = clip.boxes_xyxy, clip.mask
    scores = grounding(find_colors(video, clip.colors), boxes, mask)
    holds = color_holds(video, boxes, mask, clip.colors)
    scene = background(boxes, mask, *video.shape[1:3])
    return scores | {
        "ao_last": scores["ao_frames"][-1],
        "color": _nanmean(holds),
        "color_last": _nanmean(holds[-1]),
        "first_frame_psnr": psnr(video[0], clip.frames[0]),
        "background_psnr": psnr(video, clip.frames, scene) if scene.any() else math.nan,
    }


def _nanmean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _mean(scores: list[dict]) -> dict:
    """Mean over clips, NaN and infinity left out; lists by element."""
    result = {}
    for name in scores[0]:
        values = np.array([entry[name] for entry in scores], np.float64)
        values[~np.isfinite(values)] = np.nan
        columns = [_nanmean(column) for column in values.reshape(len(scores), -1).T]
        result[name] = columns if isinstance(scores[0][name], list) else columns[0]
    return result


@torch.no_grad()
def _through(pipeline: SMCDPipeline, frames: np.ndarray) -> np.ndarray:
    return pipeline.decode(pipeline.encode(frames))


def table(scores: dict[str, dict]) -> str:
    """The scores as Markdown."""
    head = (
        "| | AO | AO last frame | SR@0.5 | SR@0.75 | colour | colour last frame | first-frame PSNR | background PSNR |"
    )
    lines = [head, "|" + "---|" * 9]
    for name, label in ROWS.items():
        row = scores[name]
        shares = [row[key] for key in ("ao", "ao_last", "sr50", "sr75", "color", "color_last")]
        levels = [row[key] for key in ("first_frame_psnr", "background_psnr")]
        cells = [f"{value:.3f}" for value in shares] + ["-" if math.isnan(v) else f"{v:.1f} dB" for v in levels]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(scores: dict[str, dict], path: Path) -> None:
    """AO by frame of every row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for (name, label), color in zip(ROWS.items(), ("#0072b2", "#d55e00", "#009e73", "#999999", "#e69f00", "#cc79a7")):
        values = scores[name]["ao_frames"]
        axes.plot(range(1, len(values) + 1), values, "o-", label=label, color=color)
    axes.set(xlabel="frame", ylabel="average overlap", ylim=(0, 1))
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
