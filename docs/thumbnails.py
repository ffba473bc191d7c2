"""Make the thumbnails of the workflows anew: python docs/thumbnails.py [folder]

Those of the workflows for other models need nothing. Those of the bundled checkpoint show frames of the videos that the
workflows made, if `folder` is the one that ComfyUI saved them in, output/SMCD.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from guide_pictures import ORANGE, TINT, as_image, draw_points, tinted
from PIL import Image
from torch import Tensor

from smcd_core.guides.cut_and_drag import cut_and_drag, resized
from smcd_core.guides.drawn import guide_video
from smcd_core.guides.fit import fit
from smcd_core.guides.regions import region_masks
from smcd_core.guides.tracks import point_tracks
from smcd_core.pictures import read_picture
from smcd_core.trajectory.dense import DenseBoxes
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.video import draw_boxes, open_video

WORKFLOWS = Path(__file__).parent.parent / "workflows"
EXAMPLE = Path(__file__).parent.parent / "demo" / "rocket"
SIDE, INSET, RIM = 512, 200, 4  # pixels
OF_VIDEOS = {"03_several_objects": (7,), "05_own_start": (7,), "06_long_video": (6, 22, 38, 52), "08_metrics": (3, 7)}


def main() -> None:
    image, boxes = _example()
    for name, make in FOR_OTHERS.items():
        make(image, boxes).save(WORKFLOWS / f"{name}.jpg", quality=88)
    if len(sys.argv) > 1:
        for name, frames in OF_VIDEOS.items():
            newest = sorted(Path(sys.argv[1]).glob(f"{name[3:]}*.mp4"))[-1]
            _grid(newest, frames).save(WORKFLOWS / f"{name}.jpg", quality=88)


def with_points(image: Tensor, boxes: DenseBoxes) -> Image.Image:
    page = as_image(image * 0.5)
    draw_points(page, point_tracks(boxes, points=4, anchors=9), at=0, way=-1)
    return page


def with_phrase(image: Tensor, boxes: DenseBoxes) -> Image.Image:
    return as_image(tinted(image * 0.5, region_masks(boxes, 4)[0, 10], torch.tensor(TINT)))


def dragged(image: Tensor, boxes: DenseBoxes) -> Image.Image:
    return as_image(cut_and_drag(image, boxes).video[60])


def with_guide(style: str | None = None) -> Callable[[Tensor, DenseBoxes], Image.Image]:
    """The picture with its box, and a small one of the guide: its points, or drawn in a style."""

    def make(image: Tensor, boxes: DenseBoxes) -> Image.Image:
        frame = (image * 255).round().to(torch.uint8).numpy()[None]
        xyxy, mask = (torch.from_numpy(np.asarray(value)[:1]) for value in (boxes.xyxy, boxes.mask))
        page = Image.fromarray(draw_boxes(frame, xyxy.float(), mask, [ORANGE], boxes.phrases)[0])
        guide = with_points(image, boxes) if style is None else as_image(guide_video(boxes, style, [ORANGE])[0][40])
        page.paste("white", (SIDE - INSET - 3 * RIM, SIDE - INSET - 3 * RIM, SIDE - RIM, SIDE - RIM))
        page.paste(guide.resize((INSET, INSET), Image.Resampling.BOX), (SIDE - INSET - 2 * RIM, SIDE - INSET - 2 * RIM))
        return page

    return make


FOR_OTHERS = {
    "09_wan_move": with_guide(),
    "10_wan_ati": with_points,
    "11_vace_boxes": with_guide("vace"),
    "12_vace_phrases": with_phrase,
    "13_wan_fun": with_guide("fun blobs"),
    "14_ltx_boxes": with_guide("ltx boxes"),
    "15_time_to_move": dragged,
}


def _example() -> tuple[Tensor, DenseBoxes]:
    """The middle of the photograph, square, and its boxes."""
    picture = np.asarray(read_picture(EXAMPLE.with_suffix(".png"))).copy()
    trajectory = parse_trajectory(json.loads(EXAMPLE.with_suffix(".json").read_text(encoding="utf-8")))
    return resized(torch.from_numpy(picture).float() / 255, SIDE, SIDE), fit(trajectory, SIDE, SIDE, trajectory.frames)


def _grid(video: Path, frames: tuple[int, ...]) -> Image.Image:
    """One frame of a video, two below each other or four."""
    with open_video(video) as file:
        found = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    shown = [found[index] for index in frames]
    rows = [np.concatenate(shown[:2], 1), np.concatenate(shown[2:], 1)] if len(shown) == 4 else shown
    return Image.fromarray(np.concatenate(rows, 0)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
