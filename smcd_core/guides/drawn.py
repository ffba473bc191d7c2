"""Boxes drawn as the guide videos that other models were trained on.

| style          | for                                   | drawing                                                     |
|----------------|---------------------------------------|-------------------------------------------------------------|
| vace           | VACE, layout control                  | black outline, 2 px, on white; frame 0 is the picture       |
| vace colours   | the same                              | outline in the object's colour                              |
| white on black | VACE, as many users prefer it         | white outline, 2 px, on black; frame 0 is the picture       |
| ltx boxes      | LTX-2.5, IC-LoRA BBox-Control         | white outline inside the box, its middle and where that was |
| ltx tracks     | LTX-2.3, IC-LoRA motion track control | where the middle was, as dots that grow and change colour   |
| fun blobs      | Wan Fun Control                       | a white blob at the middle                                  |
| magicmotion    | MagicMotion, FlashMotion              | box filled in frame 0, then its outline, a colour each      |

Sources: ali-vilab/VACE vace/annotators/layout.py, yuvraj108c/ComfyUI-LTX-BBox-Animator node.py,
Lightricks/ComfyUI-LTXVideo sparse_tracks.py, aigc-apps/VideoX-Fun comfyui/comfyui_nodes.py, quanhaol/MagicMotion
trajectory_construction/plan_box.py. Most of them draw with OpenCV, whose pixels these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes
from .cut_and_drag import resized
from .fit import LTX, WAN, off_grid, pixels

Color = tuple[float, float, float]

MAX_PIXELS = 2**29  # of a video: 6 GiB as float32
WHITE, BLACK = (255, 255, 255), (0, 0, 0)

_LTX_TRAIL = 5  # frames
_LTX_DOT = 6.25  # (2 + 0.5) pixels, squared
_TRACK_SHORT_SIDE = 1080  # pixels of the picture that dots are drawn on, before it is shrunk
_TRACK_TRAIL = 50  # frames
_TRACK_RADII = (2.0, 8.0)  # of the oldest and the newest dot
_BLOB_SIDE, _BLOB_SIGMA = 200, 40.0  # pixels of the map that is resized
_BLOB_HALF = 50  # pixels, of a video with 1280 x 720
# Masks of supervision's default palette at half opacity over black, from its second colour on: ids start at 1.
_MAGIC_COLORS = (
    "ff4040 ffa1a0 ff7633 ffb633 d1d435 4cfb12 94cf1a 40de8a 1b9640 00d6c1 2e9caa 00c4ff 364797 6675ff 0019ef 863aff "
    "530087 cd3aff ff97ca ff39c9 a351fb"
).split()


def guide_video(
    boxes: DenseBoxes, style: str, colors: Sequence[str] = (), picture: Tensor | None = None, crop: bool = True
) -> tuple[Tensor, Tensor]:
    """Draw boxes from `fit` in one of STYLES. Hidden objects are not drawn.

    colors   #rrggbb for each object; read by "vace colours" alone
    picture  [H, W, 3] in 0..1, of any size: becomes frame 0 of the styles for VACE, and is not read by the others
    crop     as given to `fit`

    returns  video float32 [F, H, W, 3] in 0..1, and mask float32 [F, H, W], 0 in a frame that is to be kept, else 1

    Raises SMCDError for an unknown style, for colours that are missing, and for a video of more than MAX_PIXELS.
    """
    if style not in STYLES:
        raise SMCDError(f"style is {style!r}: use one of {', '.join(STYLES)}")
    width, height = boxes.size or (0, 0)
    if boxes.frames * width * height > MAX_PIXELS:
        raise SMCDError(
            f"a guide of {boxes.frames} frames of {width} x {height} pixels would take "
            f"{boxes.frames * width * height * 12 / 2**30:.0f} GiB: lower length, width or height"
        )
    video = torch.empty(boxes.frames, height, width, 3)
    for frame, canvas in enumerate(_DRAWERS[style](boxes, colors)):
        video[frame] = torch.from_numpy(canvas) / 255
    mask = torch.ones(boxes.frames, height, width)
    if picture is not None and style in WITH_PICTURE:
        video[0], mask[0] = resized(picture[..., :3], width, height, crop), 0
    return video, mask


def remarks(boxes: DenseBoxes, style: str) -> list[str]:
    """A sentence for each object that is never seen, and for a length or side that the model does not take."""
    width, height = boxes.size or (0, 0)
    return never_seen(boxes) + (off_grid(width, height, boxes.frames, GRIDS[style]) if style in GRIDS else [])


def never_seen(boxes: DenseBoxes) -> list[str]:
    """A sentence for each object that no frame shows, or one if there is no object."""
    count, seen = len(boxes.phrases), boxes.clipped().mask.any(0)
    if not count:
        return ["the trajectory has no enabled object, so nothing is drawn: draw a box or enable one"]
    return [f"object {n + 1} of {count} is never inside the frame" for n in range(count) if not seen[n]]


def _resized(picture: Tensor, width: int, height: int) -> Tensor:
    """[H, W, C], without anti-aliasing."""
    return F.interpolate(picture.movedim(-1, 0)[None], (height, width), mode="bilinear")[0].movedim(0, -1)


def _outlines(boxes: DenseBoxes, colors: Sequence[Color], background: float) -> Iterator[np.ndarray]:
    """Lines of 2 px around every box, as OpenCV draws them: one pixel to each side as well."""
    for frame, corners in enumerate(_whole(boxes)):
        canvas = _canvas(boxes, background)
        for n in np.flatnonzero(boxes.mask[frame]):
            _outline(canvas, corners[n], 2, colors[n])
        yield canvas


def _same(color: Color, background: float, boxes: DenseBoxes, _: Sequence[str]) -> Iterator[np.ndarray]:
    return _outlines(boxes, [color] * len(boxes.phrases), background)


def _colored(boxes: DenseBoxes, colors: Sequence[str]) -> Iterator[np.ndarray]:
    if len(colors) != len(boxes.phrases):
        raise SMCDError(f"{len(colors)} colours for {len(boxes.phrases)} objects: give one each")
    return _outlines(boxes, list(map(_rgb, colors)), 255)


def _ltx_boxes(boxes: DenseBoxes, _: Sequence[str]) -> Iterator[np.ndarray]:
    """Outlines of 2 px inside the box, lines along the last middles and a dot at the last one, inside the box too."""
    width, height = boxes.size or (0, 0)
    corners = pixels(boxes).round().clip(0, [width, height] * 2).astype(int)
    middles = (corners[..., :2] + corners[..., 2:]) // 2
    seen = boxes.mask & (corners[..., 2:] > corners[..., :2]).all(-1)
    for frame in range(boxes.frames):
        canvas = _canvas(boxes, 0)
        for n in np.flatnonzero(seen[frame]):
            x1, y1, x2, y2 = corners[frame, n].tolist()
            inside = canvas[y1:y2, x1:x2]
            rim = min(2, x2 - x1, y2 - y1)
            for side in (inside[:rim], inside[y2 - y1 - rim :], inside[:, :rim], inside[:, x2 - x1 - rim :]):
                side[:] = 255
            first = frame
            while first > max(0, frame - _LTX_TRAIL + 1) and seen[first - 1, n]:
                first -= 1
            trail = middles[first : frame + 1, n]
            for start, end in pairwise(trail):
                steps = max(*np.abs(end - start), 1) + 1
                points = np.rint(np.linspace(start, end, steps)).astype(int) - [x1, y1]
                x, y = points[((points >= 0) & (points < [x2 - x1, y2 - y1])).all(-1)].T
                inside[y, x] = 255
            x, y = trail[-1]
            _disc(inside, x - x1, y - y1, _LTX_DOT, WHITE)
        yield canvas


def _ltx_tracks(boxes: DenseBoxes, _: Sequence[str]) -> Iterator[np.ndarray]:
    """Dots at the middles of up to 51 frames, the newest on top, drawn large and shrunk."""
    width, height = boxes.size or (0, 0)
    short = _TRACK_SHORT_SIDE
    large = (int(width * short / height), short) if height <= width else (short, int(height * short / width))
    points = torch.from_numpy(_middles(boxes) * (np.array(large) / [width, height])).float().round().long().numpy()
    reach = int(_TRACK_RADII[1]) + 1
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for frame in range(boxes.frames):
        canvas = np.zeros((large[1], large[0], 3), np.float32)
        for past in range(max(0, frame - _TRACK_TRAIL), frame + 1):
            newness = 1 - (frame - past) / _TRACK_TRAIL
            radius = _TRACK_RADII[0] + (_TRACK_RADII[1] - _TRACK_RADII[0]) * newness
            dot = dx**2 + dy**2 <= radius**2
            x, y = (points[past, boxes.mask[past], axis, None] + offsets[dot] for axis, offsets in ((0, dx), (1, dy)))
            inside = (x >= 0) & (x < large[0]) & (y >= 0) & (y < large[1])
            # The model was trained on videos with red and blue swapped.
            canvas[y[inside], x[inside]] = np.array(_newness_color(newness)[::-1]) * 255
        yield _resized(torch.from_numpy(canvas), width, height).numpy()


def _newness_color(share: float) -> Color:
    """Red, green and blue in 0..1: from blue (0) by green and yellow to red (1)."""
    if share <= 1 / 3:
        return 0, share * 3, 1 - share * 3
    if share <= 2 / 3:
        return (share - 1 / 3) * 3, 1, 0
    return 1, 1 - (share - 2 / 3) * 3, 0


def _fun_blobs(boxes: DenseBoxes, _: Sequence[str]) -> Iterator[np.ndarray]:
    """A Gaussian blob at every middle; at the border it is squeezed, not cut, as Wan Fun's own node does."""
    width, height = boxes.size or (0, 0)
    half = int(_BLOB_HALF * (height * width / (1280 * 720)) ** 0.5)
    middles, blob = _middles(boxes), torch.from_numpy(_blob())[..., None]
    for frame in range(boxes.frames):
        canvas = _canvas(boxes, 0)
        for x, y in middles[frame, boxes.mask[frame]]:
            x1, x2 = max(x - half, 0), min(x + half, width - 1)
            y1, y2 = max(y - half, 0), min(y + half, height - 1)
            if x2 - x1 > 3 and y2 - y1 > 3:
                here = _resized(blob, x2 - x1, y2 - y1).round().byte().numpy()
                canvas[y1:y2, x1:x2] = np.maximum(canvas[y1:y2, x1:x2], here)
        yield canvas


def _blob() -> np.ndarray:
    """float32 [200, 200] in 0..255, whole numbers, cut to a disc."""
    dy, dx = np.mgrid[:_BLOB_SIDE, :_BLOB_SIDE] - _BLOB_SIDE // 2
    squared = dx**2 + dy**2
    shape = np.exp(-squared / (2 * _BLOB_SIGMA**2)) * (squared <= (_BLOB_SIDE // 2 - 1) ** 2)
    return np.floor(shape * 255).astype(np.float32)


def _magicmotion(boxes: DenseBoxes, _: Sequence[str]) -> Iterator[np.ndarray]:
    width, height = boxes.size or (0, 0)
    thickness = max(1, min(height, width) // 100)
    halves = ([round(value / 2) for value in _rgb(f"#{color}")] for color in _MAGIC_COLORS)
    colors: list[Color] = [(red, green, blue) for red, green, blue in halves]
    for frame, corners in enumerate(_whole(boxes)):
        canvas = _canvas(boxes, 0)
        for n in np.flatnonzero(boxes.mask[frame]):
            color = colors[n % len(colors)]
            if frame:
                _outline(canvas, corners[n], thickness, color)
            else:
                x1, y1, x2, y2 = corners[n]
                _fill(canvas, x1, y1, x2, y2, color)
        yield canvas


def _canvas(boxes: DenseBoxes, value: float) -> np.ndarray:
    width, height = boxes.size or (0, 0)
    return np.full((height, width, 3), value, np.uint8)


def _whole(boxes: DenseBoxes) -> np.ndarray:
    """int [F, N, 4]: corners in pixels. As in VACE, x, y, width and height are cut to whole numbers.

    A number that float64 misses by a bit, as 7.9999999 for 8, counts as whole.
    """
    corners = pixels(boxes)
    place, size = (part.round(4).astype(int) for part in (corners[..., :2], corners[..., 2:] - corners[..., :2]))
    return np.concatenate((place, place + size), -1)


def _middles(boxes: DenseBoxes) -> np.ndarray:
    """int [F, N, 2] in pixels."""
    corners = pixels(boxes)
    return ((corners[..., :2] + corners[..., 2:]) / 2).round().astype(int)


def _outline(canvas: np.ndarray, corners: Sequence[int], thickness: int, color: Color) -> None:
    """The pixels of cv2.rectangle: half the thickness, rounded up, to each side of the line, and round corners."""
    x1, y1, x2, y2 = corners
    half = (thickness + 1) // 2 if thickness > 1 else 0
    for y in (y1, y2):
        _fill(canvas, x1, y - half, x2 + 1, y + half + 1, color)
    for x in (x1, x2):
        _fill(canvas, x - half, y1, x + half + 1, y2 + 1, color)
    for x, y in ((x1, y1), (x2, y1), (x1, y2), (x2, y2)):
        _disc(canvas, x, y, half**2, color)


def _fill(canvas: np.ndarray, x1: int, y1: int, x2: int, y2: int, color: Color) -> None:
    canvas[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = color


def _disc(canvas: np.ndarray, x: int, y: int, squared_radius: float, color: Color) -> None:
    half = int(squared_radius**0.5)
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
    dot = dx**2 + dy**2 <= squared_radius
    rows, columns = y + dy[dot], x + dx[dot]
    height, width = canvas.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    canvas[rows[inside], columns[inside]] = color


def _rgb(color: str) -> Color:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


_DRAWERS: dict[str, Callable[[DenseBoxes, Sequence[str]], Iterator[np.ndarray]]] = {
    "vace": partial(_same, BLACK, 255),
    "vace colours": _colored,
    "white on black": partial(_same, WHITE, 0),
    "ltx boxes": _ltx_boxes,
    "ltx tracks": _ltx_tracks,
    "fun blobs": _fun_blobs,
    "magicmotion": _magicmotion,
}
STYLES = tuple(_DRAWERS)
WITH_PICTURE = STYLES[:3]
GRIDS = dict.fromkeys((*WITH_PICTURE, "fun blobs"), WAN) | dict.fromkeys(("ltx boxes", "ltx tracks"), LTX)
