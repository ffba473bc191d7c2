"""Clips with drawn guides, as the trainers of other video models read them: a video, its guide and a caption.

    OUT/videos/000000.mp4   a clip
    OUT/videos/000000.txt   its caption
    OUT/guides/000000.mp4   its boxes, drawn in a style of guides/drawn.py
    OUT/dataset.jsonl       for the LTX-2 trainer: caption, video and reference_video
    OUT/musubi.toml         for musubi-tuner: video_directory and control_directory

Sources: Lightricks/LTX-2 packages/ltx-trainer/docs/dataset-preparation.md; kohya-ss/musubi-tuner
docs/dataset_config.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SMCDError
from ..files import write_text
from ..guides.drawn import guide_video
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import PALETTE
from ..video import write_video
from .clip import Clip
from .samples import ClipDataset, SampleError, log_left_out, read_all

SETTINGS = "settings.json"


def write_pairs(
    clips: ClipDataset,
    out: Path,
    style: str,
    fps: float,
    settings: Mapping[str, Any],
    *,
    workers: int = 0,
    progress: Callable[[int], None] = lambda clips: None,
    report: Callable[[SampleError], None] = log_left_out,
) -> int:
    """Write every readable clip with its guide, and the lists of them; returns how many there are.

    Pairs that exist already are kept, so that a stopped run can be resumed. settings, progress and report are as for
    `encode_clips`. Raises SMCDError if the folder was written with other settings, or if no clip can be read.
    """
    _check_settings(out, {**settings, "style": style, "fps": fps})
    names = [f"{number:06d}" for number in range(len(clips))]
    missing = [number for number, name in enumerate(names) if not _guide(out, name).exists()]
    progress(len(names) - len(missing))
    for number, clip in read_all(clips, missing, workers=workers):
        if isinstance(clip, SampleError):
            report(clip)
        else:
            _write_pair(clip, out, names[number], style, fps)
        progress(1)
    written = [name for name in names if _guide(out, name).exists()]
    if not written:
        raise SMCDError(f"{out}: no clip could be read, so there is nothing to train on")
    _write_lists(out, written, clips.sizes[0], clips.num_frames)
    return len(written)


def _guide(out: Path, name: str) -> Path:
    return out / "guides" / f"{name}.mp4"


def _check_settings(out: Path, settings: Mapping[str, Any]) -> None:
    file, text = out / SETTINGS, json.dumps(settings, indent=1) + "\n"
    if file.exists() and file.read_text(encoding="utf-8") != text:
        raise SMCDError(f"{file}: the pairs in this folder were made with other settings; choose another folder")
    write_text(file, text)


def _write_pair(clip: Clip, out: Path, name: str, style: str, fps: float) -> None:
    """The guide comes last: it says that the pair is whole."""
    height, width = clip.frames.shape[1:3]
    boxes = DenseBoxes(clip.boxes_xyxy.astype(np.float64), clip.mask, clip.phrases, size=(width, height), fps=fps)
    colors = [PALETTE[number % len(PALETTE)] for number in range(len(clip.phrases))]
    picture = torch.from_numpy(clip.frames[0]).float() / 255
    guide, _ = guide_video(boxes, style, colors, picture)
    write_video(clip.frames, out / "videos" / f"{name}.mp4", fps, {})
    write_text(out / "videos" / f"{name}.txt", clip.caption.strip() + "\n")
    write_video((guide * 255).round().to(torch.uint8).numpy(), _guide(out, name), fps, {})


def _write_lists(out: Path, names: Sequence[str], size: tuple[int, int], num_frames: int) -> None:
    lines = []
    for name in names:
        caption = (out / "videos" / f"{name}.txt").read_text(encoding="utf-8").strip()
        row = {"caption": caption, "video": f"videos/{name}.mp4", "reference_video": f"guides/{name}.mp4"}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_text(out / "dataset.jsonl", "".join(lines))
    folders = {name: json.dumps((out / name).resolve().as_posix()) for name in ("videos", "guides", "cache")}
    write_text(
        out / "musubi.toml",
        f'[general]\nresolution = {[*size]}\ncaption_extension = ".txt"\nbatch_size = 1\nenable_bucket = true\n\n'
        f"[[datasets]]\nvideo_directory = {folders['videos']}\ncontrol_directory = {folders['guides']}\n"
        f'cache_directory = {folders["cache"]}\ntarget_frames = [{num_frames}]\nframe_extraction = "head"\n',
    )
