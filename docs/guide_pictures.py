"""Make the pictures of docs/guides.md anew, one for each kind of guide: python docs/guide_pictures.py"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from smcd_core.guides.cut_and_drag import cut_and_drag, resized
from smcd_core.guides.drawn import STYLES, guide_video
from smcd_core.guides.fit import fit
from smcd_core.guides.regions import region_masks
from smcd_core.guides.tracks import PointTracks, point_tracks
from smcd_core.pictures import read_picture
from smcd_core.trajectory.dense import DenseBoxes
from smcd_core.trajectory.document import parse_trajectory

DOCS = Path(__file__).parent
DEMO = DOCS.parent / "demo"
FOLDER = DOCS.parent / "web" / "docs" / "img"  # the nodes' help pages show them too
GAP, TEXT_HEIGHT, FONT_SIZE = 8, 20, 13  # pixels
FRAMES = 81
ORANGE, BLUE = "#e69f00", "#56b4e9"
TINT = [0.9, 0.62, 0.0]  # orange

ROCKET_BOX = [0.471, 0.21, 0.537, 0.975]
ROCKET = ("a rocket", ROCKET_BOX, [0.471, -0.19, 0.537, 0.575])
BIRD = ("a bird", [0.08, 0.12, 0.18, 0.26], [0.72, 0.3, 0.94, 0.62])
CUP = ("a cup", [0.17, 0.03, 0.79, 0.78], [0.5, 0.47, 0.93, 0.99])
SPOON = ("a spoon", [0.55, 0.15, 0.82, 0.83], [0.7, 0.02, 0.97, 0.7])
# The cup in the 320 x 320 pixels of its picture: rim, body and handle.
CUP_RIM, CUP_HANDLE = (58, 14, 246, 166), (76, 182, 130, 248)
CUP_BODY = [(59, 95), (70, 150), (92, 190), (118, 221), (150, 228), (186, 206), (215, 182), (236, 150), (245, 95)]


def main() -> None:
    for node, make in PICTURES.items():
        # With a palette they take half the bytes; help pages are read over slow lines too.
        make().quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{node}.png", optimize=True)


def tracks() -> Image.Image:
    """The points of SMCD Tracks where they start and where they end, and their way."""
    image, boxes = _scene("rocket", 640, 368, [ROCKET])
    found = point_tracks(boxes, points=4, anchors=8)
    pages = []
    for frame in (0, FRAMES - 1):
        page = as_image(image)
        draw_points(page, found, at=frame, way=frame)
        pages.append(page.resize((360, 207), Image.Resampling.LANCZOS))
    return _row(pages, ["frame 0", f"frame {FRAMES - 1}"])


def dragged() -> Image.Image:
    """SMCD Cut and Drag: the picture, and the last frame with the whole box and with a mask."""
    image, boxes = _scene("coffee", 320, 320, [CUP])
    mask = Image.new("L", (320, 320))
    draw = ImageDraw.Draw(mask)
    for oval in (CUP_RIM, CUP_HANDLE):
        draw.ellipse(oval, fill=255)
    draw.polygon(CUP_BODY, fill=255)
    shape = torch.from_numpy(np.asarray(mask) / 255).float()[None]
    ends = [cut_and_drag(image, boxes, masks).video[-1] for masks in (None, shape)]
    return _row(
        [as_image(one).resize((220, 220), Image.Resampling.LANCZOS) for one in (image, *ends)],
        ["frame 0", f"frame {FRAMES - 1}, the whole box", f"frame {FRAMES - 1}, with a mask"],
    )


def drawn() -> Image.Image:
    """Each style of SMCD Guide Video at the start, in the middle and at the end."""
    image, boxes = _scene("rocket", 384, 220, [ROCKET, BIRD])
    rows = []
    for style in STYLES:
        video, _ = guide_video(boxes, style, [ORANGE, BLUE], image)
        shown = [as_image(video[frame]).resize((192, 110), Image.Resampling.BOX) for frame in (0, 40, 80)]
        label = Image.new("RGB", (100, 110), "white")
        ImageDraw.Draw(label).text((4, 46), style, fill=(40, 40, 40), font=ImageFont.load_default(FONT_SIZE))
        rows.append(_row([label, *shown]))
    page = Image.new("RGB", (rows[0].width, len(rows) * (110 + GAP) - GAP), "white")
    for n, row in enumerate(rows):
        page.paste(row, (0, n * (110 + GAP)))
    return page


def regions() -> Image.Image:
    """Where the phrases of SMCD Regional Prompt apply, cell by cell."""
    image, boxes = _scene("coffee", 320, 320, [CUP, SPOON])
    masks = region_masks(boxes, 4)  # [N, T, h, w]
    colors = torch.tensor([TINT, [0.34, 0.71, 0.91]])
    pages, times = [], (0, 10, 20)
    for t in times:
        page = image * 0.35
        for mask, color in zip(masks[:, t], colors, strict=True):
            page = tinted(page, mask, color)
        pages.append(as_image(page).resize((220, 220), Image.Resampling.LANCZOS))
    return _row(pages, [f"latent frame {t}" for t in times])


PICTURES = {"SMCD_Tracks": tracks, "SMCD_CutAndDrag": dragged, "SMCD_GuideVideo": drawn, "SMCD_RegionalPrompt": regions}


def _scene(name: str, width: int, height: int, moves: Sequence[tuple[str, Any, Any]]) -> tuple[Tensor, DenseBoxes]:
    """A picture of the pack [H, W, 3] and boxes on it, each from its first to its last place."""
    picture = read_picture(DEMO / f"{name}.png")
    objects = [
        {"phrase": phrase, "keys": [{"frame": 0, "box": start}, {"frame": FRAMES - 1, "box": end}]}
        for phrase, start, end in moves
    ]
    size = {"width": picture.width, "height": picture.height}
    boxes = fit(parse_trajectory({"version": 1, **size, "frames": FRAMES, "objects": objects}), width, height, FRAMES)
    return resized(torch.from_numpy(np.asarray(picture).copy()).float() / 255, width, height), boxes


def draw_points(page: Image.Image, tracks: PointTracks, at: int, way: int) -> None:
    """Points where they are in frame `at`; those of objects with their way from frame 0 to frame `way`."""
    draw = ImageDraw.Draw(page)
    for n, of in enumerate(tracks.of):
        x, y = tracks.path[at, n]
        color, radius = (BLUE, 4) if of < 0 else (ORANGE, 6)
        if of >= 0 and way:
            draw.line([*map(tuple, tracks.path[[0, way], n])], fill=ORANGE, width=2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def tinted(page: Tensor, mask: Tensor, color: Tensor) -> Tensor:
    """A picture [H, W, 3] with the cells of a mask [H / 8, W / 8] in a colour [3]."""
    cells = mask.repeat_interleave(8, 0).repeat_interleave(8, 1)[..., None] * 0.6
    return page * (1 - cells) + color * cells


def as_image(frame: Tensor) -> Image.Image:
    return Image.fromarray((frame * 255).round().clamp(0, 255).to(torch.uint8).numpy())


def _row(pages: Sequence[Image.Image], titles: Sequence[str] = ()) -> Image.Image:
    """Side by side, with a title above each."""
    top = TEXT_HEIGHT if titles else 0
    row = Image.new("RGB", (sum(page.width + GAP for page in pages) - GAP, pages[0].height + top), "white")
    draw, x = ImageDraw.Draw(row), 0
    for n, page in enumerate(pages):
        row.paste(page, (x, top))
        if titles:
            draw.text((x + 2, 1), titles[n], fill=(40, 40, 40), font=ImageFont.load_default(FONT_SIZE))
        x += page.width + GAP
    return row


if __name__ == "__main__":
    main()
