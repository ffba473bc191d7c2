"""Photographs that no model here was trained on, with objects that move along boxes.

The pictures are those that scikit-image ships, the outlines of their objects were drawn by hand. What a video should
be is the cut-out object moved over the filled picture, as SMCD Cut and Drag makes it; moved_content.py explains rows
and scores. Writes a contact sheet of every clip, all of them in one picture, and the scores to --folder. Takes ten
minutes on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from moved_content import make_and_score, options
from PIL import Image, ImageDraw
from skimage import data

from smcd_core.data import Clip
from smcd_core.guides.cut_and_drag import cut_and_drag
from smcd_core.trajectory.dense import DenseBoxes

FRAMES = 8


@dataclass(frozen=True)
class Moved:
    """An object of a photograph and where it goes.

    photograph  name in skimage.data; the square in its middle is used
    box         xyxy in the first frame, in units of the square
    to          the box's centre in the last frame
    scale       of the box in the last frame
    round       whether its outline is an ellipse; else the box, or `outline`
    outline     polygon of its outline, in units of the square
    """

    photograph: str
    phrase: str
    box: tuple[float, float, float, float]
    to: tuple[float, float]
    scale: float = 1.0
    round: bool = False
    outline: tuple[tuple[float, float], ...] = ()


CLIPS = (
    Moved("astronaut", "helmet", (0.54, 0.67, 0.98, 1.0), (0.3, 0.8), round=True),
    Moved("astronaut", "shuttle", (0.69, 0.02, 0.91, 0.56), (0.78, 0.6)),
    Moved("cat", "eye", (0.2, 0.28, 0.46, 0.51), (0.33, 0.7), round=True),
    Moved("cat", "nose", (0.5, 0.73, 0.74, 0.88), (0.3, 0.85), round=True),
    Moved("coffee", "cup", (0.17, 0.03, 0.79, 0.63), (0.5, 0.62), 0.8, round=True),
    Moved("coffee", "spoon", (0.56, 0.59, 0.77, 0.82), (0.25, 0.45), round=True),
    Moved("rocket", "rocket", (0.46, 0.3, 0.54, 0.95), (0.5, 0.36)),
    Moved("camera", "head", (0.29, 0.1, 0.55, 0.42), (0.75, 0.3), round=True),
    Moved("coins", "coin", (0.49, 0.56, 0.66, 0.72), (0.25, 0.35), 1.4, round=True),
    Moved("coins", "coin", (0.67, 0.31, 0.85, 0.48), (0.55, 0.8), round=True),
    Moved("moon", "crater", (0.17, 0.09, 0.3, 0.23), (0.7, 0.75), 1.5, round=True),
    Moved("retina", "spot", (0.09, 0.36, 0.24, 0.54), (0.6, 0.3), 1.3, round=True),
    Moved("stereo_motorcycle", "lamp", (0.76, 0.24, 0.87, 0.39), (0.4, 0.2), 1.3, round=True),
    Moved(
        "stereo_motorcycle", "motorcycle", (0.0, 0.24, 1.0, 0.9), (0.5, 0.65), 0.7,
        outline=((0.0, 0.35), (0.1, 0.33), (0.35, 0.42), (0.6, 0.35), (0.7, 0.22), (0.9, 0.25), (0.95, 0.45),
                 (1.0, 0.55), (1.0, 0.9), (0.6, 0.78), (0.3, 0.8), (0.05, 0.85), (0.0, 0.6)),
    ),
)  # fmt: skip


def picture_of(name: str, size: int) -> Image.Image:
    """The square in the middle of a photograph, `size` pixels wide."""
    found = getattr(data, name)()
    image = Image.fromarray(found[0] if isinstance(found, tuple) else found).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)


def clip_of(moved: Moved, size: int) -> Clip:
    """The reference video, `size` pixels wide and high."""
    picture = torch.from_numpy(np.asarray(picture_of(moved.photograph, size)).copy()).float() / 255
    first = np.array(moved.box)
    center, half = (first[:2] + first[2:]) / 2, (first[2:] - first[:2]) / 2
    share = np.linspace(0, 1, FRAMES)[:, None]
    centers, halves = center + share * (np.array(moved.to) - center), half * (1 + share * (moved.scale - 1))
    xyxy = np.concatenate([centers - halves, centers + halves], 1)[:, None]
    boxes = DenseBoxes(xyxy, np.ones((FRAMES, 1), bool), (moved.phrase,), size=(size, size))
    video = cut_and_drag(picture, boxes, outline(moved, size)[None], feather=1).video
    frames = (video * 255).round().to(torch.uint8).numpy()
    clipped = xyxy.clip(0, 1).astype(np.float32)
    return Clip(frames, clipped, boxes.mask, (moved.phrase,), f"a {moved.phrase} moving")


def outline(moved: Moved, size: int) -> torch.Tensor:
    """[size, size], 1 on the object."""
    fine = size * 4
    mask = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(mask)
    corners = [value * fine for value in moved.box]
    if moved.outline:
        draw.polygon([(x * fine, y * fine) for x, y in moved.outline], fill=255)
    elif moved.round:
        draw.ellipse(corners, fill=255)
    else:
        draw.rectangle(corners, fill=255)
    return torch.from_numpy(np.asarray(mask.resize((size, size), Image.Resampling.BOX)).copy()).float() / 255


def main() -> None:
    parser = options(__doc__, Path("out/photographs"))
    parser.add_argument("--size", type=int, default=256, help="pixels of each side (default %(default)s)")
    args = parser.parse_args()
    names = [f"{number:02d}_{moved.photograph}_{moved.phrase}" for number, moved in enumerate(CLIPS)]
    make_and_score(args, [clip_of(moved, args.size) for moved in CLIPS], names)


if __name__ == "__main__":
    main()
