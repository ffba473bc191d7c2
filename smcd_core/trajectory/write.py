"""Trajectories as files and values of other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import filling, write_text
from .dense import boxes_at, phrases
from .document import Trajectory, chosen_object, dumps


def write_json(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write the document: the only format that keeps keys, eases and strengths."""
    write_text(Path(path), dumps(trajectory))


def write_got10k(folder: str | os.PathLike, trajectory: Trajectory, object_id: str | None = None) -> None:
    """Write one object as a GOT-10k sequence folder: groundtruth.txt, absence.label and meta_info.ini.

    Boxes are in pixels of width x height, not clipped; absent frames keep the box where the object would be.
    """
    ids = [track.id for track in trajectory.objects if track.enabled]
    index = ids.index(chosen_object(ids, object_id, "GOT-10k"))
    boxes, mask = _pixels(trajectory)
    lines = [f"{x1:.4f},{y1:.4f},{x2 - x1:.4f},{y2 - y1:.4f}\n" for x1, y1, x2, y2 in boxes[:, index]]
    phrase = " ".join(phrases(trajectory)[index].split())
    meta = f"object_class: {phrase}\nanno_fps: {trajectory.fps:g}Hz\n"
    size = f"resolution: ({trajectory.width}, {trajectory.height})\n"
    with filling(Path(folder)) as place:
        write_text(place / "meta_info.ini", f"[METAINFO]\n{meta}{size}")
        write_text(place / "absence.label", "".join(f"{int(not visible)}\n" for visible in mask[:, index]))
        write_text(place / "groundtruth.txt", "".join(lines))


def write_mot(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write all enabled objects as MOTChallenge lines: frame,id,left,top,width,height,1,-1,-1,-1.

    Frames and ids count from 1, pixels from 0. The format holds neither phrases nor the size of the frame.
    """
    boxes, mask = _pixels(trajectory)
    lines = []
    for frame, n in np.argwhere(mask):
        x1, y1, x2, y2 = boxes[frame, n]
        lines.append(f"{frame + 1},{n + 1},{x1:.4f},{y1:.4f},{x2 - x1:.4f},{y2 - y1:.4f},1,-1,-1,-1\n")
    write_text(Path(path), "".join(lines))


def write_mot_sequence(folder: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write a MOTChallenge sequence: gt/gt.txt, and seqinfo.ini with length, size and rate.

    The lines alone tell neither the size nor of frames at the end without any box.
    """
    folder = Path(folder)
    rate = f"frameRate={trajectory.fps:g}\nseqLength={trajectory.frames}\n"
    size = f"imWidth={trajectory.width}\nimHeight={trajectory.height}\n"
    with filling(folder) as place:
        (place / "gt").mkdir(exist_ok=True)
        write_text(place / "seqinfo.ini", f"[Sequence]\nname={folder.name}\n{rate}{size}")
        write_mot(place / "gt" / "gt.txt", trajectory)


def bounding_boxes(trajectory: Trajectory) -> list[list[dict[str, Any]]]:
    """ComfyUI's BOUNDING_BOX: for each frame the boxes of the visible objects in pixels, cropped to the frame."""
    boxes, mask = boxes_at(trajectory, dtype=torch.float64)
    names = phrases(trajectory)
    size = torch.tensor([trajectory.width, trajectory.height] * 2)
    corners = (boxes.clamp(0, 1) * size).round().long().tolist()
    frames = []
    for f, row in enumerate(corners):
        frame = []
        for n, (x1, y1, x2, y2) in enumerate(row):
            if mask[f, n] and x2 > x1 and y2 > y1:
                frame.append({"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "label": names[n]})
        frames.append(frame)
    return frames


def _pixels(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """boxes [F, N, 4] xyxy in pixels and mask [F, N]; boxes that an overshooting ease turned inside out are absent."""
    boxes, mask = (tensor.numpy() for tensor in boxes_at(trajectory, dtype=torch.float64))
    upright = (boxes[..., 2:] >= boxes[..., :2]).all(-1)
    boxes = np.concatenate((boxes[..., :2], np.maximum(boxes[..., :2], boxes[..., 2:])), -1)
    return boxes * np.tile((trajectory.width, trajectory.height), 2), mask & upright
