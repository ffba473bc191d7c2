"""Summarise a dataset: counts, damaged samples, box statistics, and a contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..trajectory.document import PALETTE
from ..video import draw_boxes
from .catalog import KINDS
from .clip import Clip
from .samples import ClipDataset, SampleError, read_all

SHEET_SAMPLES = 8
SHEET_FRAMES = 4
_TILE = 256  # pixels
_QUANTILES = (5, 50, 95)


def check(
    kind: str,
    clips: ClipDataset,
    samples: int,
    *,
    workers: int = 0,
    progress: Callable[[int], None] = lambda clips: None,
) -> tuple[dict[str, Any], Image.Image | None]:
    """Read `samples` clips (0: all), evenly spaced over the dataset.

    returns JSON-able findings, and a contact sheet, which is None if no clip could be read
    """
    count = len(clips.names)
    chosen = range(count) if not samples else np.unique(np.linspace(0, count - 1, min(samples, count)).round())
    indices = [int(index) for index in chosen]
    shown = set(np.array(indices)[np.unique(np.linspace(0, len(indices) - 1, SHEET_SAMPLES).round().astype(int))])
    damaged, boxes, pictures = [], _Boxes(), []
    captions: list[str] = []
    for index, clip in read_all(clips, indices, workers=workers):
        progress(1)
        if isinstance(clip, SampleError):
            damaged.append({"sample": clips.name_of(index), "path": clip.path, "reason": clip.reason})
            continue
        boxes.add(clip)
        captions.append(clip.caption)
        if index in shown:
            pictures.append((clips.name_of(index), clip))
    findings = {
        "dataset": kind,
        "root": str(clips.root),
        "samples": count,
        "left_out": {reason: number for reason, number in clips.left_out.items() if number},
        "read": len(indices),
        "good": len(captions),
        "damaged": damaged,
        "clip": {"frames": clips.num_frames, "interval": clips.interval, "pixels": clips.size},
        "captions": list(dict.fromkeys(captions))[:5],
        **boxes.findings(),
    }
    return findings, _sheet(pictures) if pictures else None


class _Boxes:
    """Running statistics, so that no clip has to be kept."""

    def __init__(self):
        self.objects: list[int] = []
        self.areas: list[np.ndarray] = []
        self.aspects: list[np.ndarray] = []
        self.moves: list[np.ndarray] = []
        self.hidden, self.total = 0, 0
        self.phrases: Counter[str] = Counter()

    def add(self, clip: Clip) -> None:
        seen = clip.boxes_xyxy[clip.mask]
        sides = seen[:, 2:] - seen[:, :2]
        centers = (clip.boxes_xyxy[..., :2] + clip.boxes_xyxy[..., 2:]) / 2  # [F, N, 2]
        both = clip.mask[1:] & clip.mask[:-1]
        self.objects.append(int(clip.mask.any(0).sum()))
        self.areas.append(sides.prod(1))
        self.aspects.append(sides[:, 0] / sides[:, 1])
        self.moves.append(np.linalg.norm(np.diff(centers, axis=0), axis=-1)[both])
        self.hidden, self.total = self.hidden + int((~clip.mask).sum()), self.total + clip.mask.size
        self.phrases.update(clip.phrases)

    def findings(self) -> dict[str, Any]:
        return {
            "objects_per_clip": _quantiles([np.array(self.objects)]),
            "most_objects": max(self.objects, default=0),
            "without_boxes": sum(not number for number in self.objects),
            "box_area": _quantiles(self.areas),
            "box_aspect": _quantiles(self.aspects),
            "move_per_frame": _quantiles(self.moves),
            "hidden_share": self.hidden / self.total if self.total else 0.0,
            "phrases": dict(self.phrases.most_common(20)),
            "different_phrases": len(self.phrases),
        }


def _quantiles(values: list[np.ndarray]) -> list[float] | None:
    together = np.concatenate([np.zeros(0), *values])
    return np.percentile(together, _QUANTILES).tolist() if len(together) else None


def describe(findings: dict[str, Any], most: int) -> Iterator[str]:
    """Yield the findings as lines of text, with up to `most` damaged samples."""

    def spread(name: str, unit: float = 1) -> str:
        values = findings[name]
        if values is None:
            return "none"
        low, middle, high = (value * unit for value in values)
        return f"{middle:.3g} (5 to 95 %: {low:.3g} to {high:.3g})"

    clip, damaged = findings["clip"], findings["damaged"]
    left_out = "".join(f"; {number} left out: {reason}" for reason, number in findings["left_out"].items())
    yield f"{'dataset':<14}{findings['dataset']}: {KINDS[findings['dataset']].what}, in {findings['root']}"
    yield f"{'samples':<14}{findings['samples']}{left_out}"
    yield f"{'read':<14}{findings['read']}: {findings['good']} good, {len(damaged)} damaged"
    steps = "consecutive frames" if clip["interval"] == 1 else f"frames, {clip['interval']} apart,"
    length = "1 frame" if clip["frames"] == 1 else f"{clip['frames']} {steps}"
    yield f"{'clips':<14}{length} of {clip['pixels']} x {clip['pixels']} pixels"
    yield f"{'objects':<14}{spread('objects_per_clip')} in a clip, at most {findings['most_objects']}; "\
          f"{findings['without_boxes']} clip{'s' * (findings['without_boxes'] != 1)} without"  # fmt: skip
    yield f"{'box area':<14}{spread('box_area', 100)} % of the frame"
    yield f"{'box aspect':<14}{spread('box_aspect')} (width : height after resizing)"
    if clip["frames"] > 1:
        yield f"{'movement':<14}{spread('move_per_frame', 100)} % of the frame from one frame to the next"
    yield f"{'hidden':<14}{100 * findings['hidden_share']:.3g} % of boxes"
    common = ", ".join(f"{phrase} ({count})" for phrase, count in list(findings["phrases"].items())[:8])
    yield f"{'phrases':<14}{findings['different_phrases']}" + (f": {common}" if common else "")
    for caption in findings["captions"][:3]:
        yield f"{'caption':<14}{caption[:100]}"
    for entry in damaged[:most]:
        yield f"{'damaged':<14}{entry['path']}: {entry['reason']}"
    if len(damaged) > most:
        yield f"{'damaged':<14}and {len(damaged) - most} more"


def _sheet(pictures: list[tuple[str, Clip]]) -> Image.Image:
    """Draw a row of frames with boxes for each clip, headed by its file and caption; images stand side by side."""
    font = ImageFont.load_default(14)
    count = min(SHEET_FRAMES, len(pictures[0][1].frames))
    columns = 1 if count > 1 else min(4, len(pictures))
    across, head, gap = count * (_TILE + 4), 40, 10
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (gap + columns * (across + gap), gap + rows * (head + _TILE + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (name, clip) in enumerate(pictures):
        left, top = gap + place % columns * (across + gap), gap + place // columns * (head + _TILE + gap)
        draw.text((left, top), _fitting(draw, name, font, across, end=True), fill="gray", font=font)
        draw.text((left, top + 18), _fitting(draw, clip.caption, font, across), fill="black", font=font)
        frames = np.linspace(0, len(clip.frames) - 1, count).round().astype(int)
        colors = [PALETTE[n % len(PALETTE)] for n in range(len(clip.phrases))]
        drawn = draw_boxes(clip.frames[frames], clip.boxes_xyxy[frames], clip.mask[frames], colors, clip.phrases)
        for column, frame in enumerate(drawn):
            tile = Image.fromarray(frame).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left + column * (_TILE + 4), top + head))
    return sheet


def _fitting(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, width: int, end: bool = False) -> str:
    """Shorten a text to a width in pixels; `end` keeps its end instead of its start."""
    whole = text
    while text and draw.textlength(text if text == whole else text + "\u2026", font) > width:
        text = text[1:] if end else text[:-1]
    return text if text == whole else "\u2026" + text if end else text + "\u2026"
