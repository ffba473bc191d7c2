"""A moving picture from one still: what is in each box is cut out and follows its box.

It needs no model, and models start from it: Time-to-Move noises it to some level and goes on from there, closer to it
inside the objects than outside. Source: time-to-move/TTM, GUIs/cut_and_drag.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes
from .fill import filled
from .fit import covered, crop_of, pixels, size_of

FEATHER = 4  # pixels
MAX_FEATHER = 64
MAX_VIDEO = 2**29  # pixels of all frames, which take 6 GB
RIM = 3  # pixels around a mask that belong to the hole too: the edge of an object, and what it shines on
MARGIN = 2  # pixels of nothing around a layer
LEVELS = 6  # of a layer; the last one is 32 times smaller
STILL = 0.01  # pixels


@dataclass(frozen=True)
class Dragged:
    """A video and where its objects are.

    video  float32 [F, H, W, 3] in 0..1
    mask   float32 [F, H, W], 1 on an object, less on its feathered edge
    """

    video: Tensor
    mask: Tensor


def resized(image: Tensor, width: int, height: int, crop: bool = True) -> Tensor:
    """An image or a mask [H, W, C] in 0..1 at the size of the target, cropped or stretched like the boxes of `fit`."""
    if crop:
        left, top, kept_w, kept_h = crop_of(image.shape[1], image.shape[0], width, height)
        image = image[top : top + kept_h, left : left + kept_w]
    channels = image.float().movedim(-1, 0)[None]
    if channels.shape[2:] == (height, width):
        return image.float()
    return F.interpolate(channels, (height, width), mode="bilinear", antialias=True)[0].movedim(0, -1).clamp(0, 1)


def cut_and_drag(
    image: Tensor,
    boxes: DenseBoxes,
    masks: Tensor | None = None,
    background: Tensor | None = None,
    feather: int = FEATHER,
) -> Dragged:
    """Each object as it is in the image at its first visible frame, moved and scaled with its box.

    image       [H, W, 3] in 0..1, at the size of the boxes
    boxes       from `fit`; later objects are in front of earlier ones
    masks       [N, H, W] in 0..1, the shape of each object, or [1, H, W] for all, each within its own box; None cuts
                out the boxes
    background  [H, W, 3], what is behind the objects; None fills where they were from around it
    feather     pixels over which their edges fade

    An object that is where it was cut out looks exactly as in the image. One whose box is outside of it at its first
    visible frame is left out. Raises SMCDError if nothing can be cut out, for a wrong number of masks or an empty one,
    and for more frames than fit in memory.
    """
    height, width = image.shape[:2]
    count = len(boxes.phrases)
    if boxes.frames * height * width > MAX_VIDEO:
        most = MAX_VIDEO // (height * width)
        raise SMCDError(f"{boxes.frames} frames of {width} x {height} pixels are too many: make {most} at most")
    if masks is not None and len(masks) not in (1, count):
        raise SMCDError(f"{mask_count(len(masks), count)}: give one for all, or one for each in order")
    if not 0 <= feather <= MAX_FEATHER:
        raise SMCDError(f"feather is {feather}, expected 0 to {MAX_FEATHER} pixels")
    xyxy = pixels(boxes)
    shapes = {n: shape for n in range(count) if (shape := _shape(boxes, xyxy, n, masks, height, width)) is not None}
    if not count:
        raise SMCDError(
            "the trajectory has no enabled object, so there is nothing to cut out: draw a box or enable one"
        )
    if not shapes:
        raise SMCDError("no box is inside the picture in the first frame in which it is visible: nothing to cut out")
    holes = {n: _grown(shape > 0, RIM if masks is not None else 0) for n, shape in shapes.items()}
    covered, above = {}, torch.zeros(height, width, dtype=torch.bool)
    for n in reversed(holes):
        covered[n], above = above, above | holes[n]
    picture = image.movedim(-1, 0)
    behind = filled(picture, above) if background is None else background.movedim(-1, 0)
    video = behind.movedim(0, -1).repeat(boxes.frames, 1, 1, 1)
    mask = torch.zeros(boxes.frames, height, width)
    for n, shape in shapes.items():
        layer = _Layer(picture, shape, holes[n], covered[n], feather)
        source = xyxy[boxes.mask[:, n].argmax(), n]
        for f in np.flatnonzero(boxes.mask[:, n]):
            still = np.abs(xyxy[f, n] - source).max() < STILL
            if drawn := layer.in_place if still else layer.moved(source, xyxy[f, n]):
                colors, alpha, place = drawn
                video[f][place].lerp_(colors.movedim(0, -1), alpha[..., None])
                mask[f][place].lerp_(torch.ones(()), alpha)
    return Dragged(video, mask)


def cut_shapes(shape: Tensor, feather: int = FEATHER) -> tuple[Tensor, list[float]]:
    """A mask [H, W] as `cut_and_drag` uses it, for other programs that draw.

    Returns two pictures, one above the other [2h, w]: the shape with its faded edge, and the hole that it leaves. Both
    show the part of the frame that the hole is in, whose box [x1, y1, x2, y2] is in units of the frame.
    """
    hole = _grown(shape > 0, RIM)
    place = _around(hole)
    rows, columns = place
    height, width = shape.shape
    box = [columns.start / width, rows.start / height, columns.stop / width, rows.stop / height]
    return torch.cat([_faded(shape, feather)[place], hole[place].float()]), box


def told(boxes: DenseBoxes) -> list[str]:
    """A sentence for each object that has nothing to cut out, and for each that the image lacks until it is seen."""
    xyxy, (width, height) = pixels(boxes), size_of(boxes)
    lines = []
    for n in np.flatnonzero(boxes.mask.any(0)):
        first, name = boxes.mask[:, n].argmax(), f"object {n + 1} ({boxes.phrases[n][:40]})"
        if _inside(boxes, xyxy, n, height, width) is None:
            lines.append(
                f"{name} is not taken along: its box is outside the image in frame {first}, where it first appears. "
                "Start the box on the object"
            )
        elif first:
            lines.append(
                f"{name} is hidden up to frame {first - 1}: what its box holds in frame {first} is taken out of the "
                "image until then"
            )
    return lines


def latent_mask(mask: Tensor) -> Tensor:
    """[F, H, W] -> [(F - 1) // 4 + 1, H // 8, W // 8], 0 on an object and 1 elsewhere, for SetLatentNoiseMask.

    Of Wan's latent frames the first holds one frame, all others four; like Time-to-Move, it takes frames 0, 1, 5, 9 ...
    and one pixel of each cell.
    """
    latent = torch.cat([mask[:1], mask[1::4]])[: (len(mask) - 1) // 4 + 1]
    height, width = mask.shape[1] // 8, mask.shape[2] // 8
    return (F.interpolate(latent[None], (height, width), mode="nearest")[0] <= 0.5).float()


def _shape(boxes: DenseBoxes, xyxy: np.ndarray, n: int, masks: Tensor | None, height: int, width: int) -> Tensor | None:
    """[H, W], how much of each pixel belongs to object n where it is cut out; None if that is outside."""
    inside = _inside(boxes, xyxy, n, height, width)
    if inside is None or masks is None:
        return inside
    shape = masks[n] if len(masks) > 1 else masks[0] * (inside > 0)
    if shape.max() <= 0.5:
        where = f"of object {n + 1}" if len(masks) > 1 else f"in the box of object {n + 1}"
        raise SMCDError(f"the mask {where} ({boxes.phrases[n][:40]}) is empty: mend the mask, or leave it out")
    return shape


def _inside(boxes: DenseBoxes, xyxy: np.ndarray, n: int, height: int, width: int) -> Tensor | None:
    """[H, W], how much of each pixel the first visible box of object n covers; None if it has less than a pixel."""
    if not boxes.mask[:, n].any():
        return None
    x1, y1, x2, y2 = torch.from_numpy(xyxy[boxes.mask[:, n].argmax(), n])
    inside = covered(y1, y2, height).float()[:, None] * covered(x1, x2, width).float()
    return None if inside.sum() < 1 else inside


def _grown(shape: Tensor, by: int) -> Tensor:
    return F.max_pool2d(shape.float()[None], 2 * by + 1, 1, by)[0] > 0


def _around(hole: Tensor) -> tuple[slice, slice]:
    """Rows and columns of a hole, with a pixel of nothing around it where it does not reach the border."""
    ys, xs = (hole.any(axis).nonzero().flatten() for axis in (1, 0))
    height, width = hole.shape
    return slice(max(0, int(ys[0]) - 1), min(height, int(ys[-1]) + 2)), slice(
        max(0, int(xs[0]) - 1), min(width, int(xs[-1]) + 2)
    )


def _faded(shape: Tensor, feather: int) -> Tensor:
    """The shape, from 1 / feather at its edge to 1 inside. It does not fade towards the border of the picture."""
    total, eroded = shape.clone(), shape[None]
    for _ in range(feather - 1):
        eroded = -F.max_pool2d(-eroded, 3, 1, 1)
        total += eroded[0]
    return total / max(feather, 1)


_Drawn = tuple[Tensor, Tensor, tuple[slice, slice]]  # colours [3, h, w], alpha [h, w], rows and columns


class _Layer:
    """A cut-out at full size and at halves of it, so that small boxes do not flicker.

    in_place  the same where it was cut out: the picture as it is, without a faded edge
    """

    def __init__(self, picture: Tensor, shape: Tensor, hole: Tensor, covered: Tensor, feather: int):
        """Cut an object out.

        picture  [3, H, W]
        shape    [H, W], how much of each pixel is cut out
        hole     bool [H, W], what it leaves behind
        covered  bool [H, W], where the picture shows another object in front of it
        """
        self.frame = shape.shape
        place = _around(hole)  # the nothing is to fade towards
        top, left = (span.start for span in place)
        there, shape, covered = picture[:, place[0], place[1]], shape[place], covered[place]
        # Its own colours go on around the shape: else the old background would shine at the edges.
        colors = filled(there, (shape <= 0.5) | covered)
        self.in_place: _Drawn = torch.where(covered, colors, there), hole[place].float(), place
        step = 2 ** (LEVELS - 1)
        height, width = (span.stop - span.start + 2 * MARGIN for span in place)
        pad = (MARGIN, MARGIN + -width % step, MARGIN, MARGIN + -height % step)
        layer = torch.cat([F.pad(colors, pad, mode="replicate"), F.pad(_faded(shape, feather)[None], pad)])
        self.levels = [layer[None]]
        for _ in range(LEVELS - 1):
            self.levels.append(F.avg_pool2d(self.levels[-1], 2))
        self.corner, self.size = (left - MARGIN, top - MARGIN), (layer.shape[2], layer.shape[1])  # x, y

    def moved(self, source: np.ndarray, box: np.ndarray) -> _Drawn | None:
        """The layer with its box moved from `source` to `box`, both xyxy in pixels; None if outside the frame."""
        scale = (box[2:] - box[:2]) / (source[2:] - source[:2])
        level = min(LEVELS - 1, max(0, int(-math.log2(math.sqrt(scale[0] * scale[1])))))
        places, spans = [], []
        for axis, (start, size) in enumerate(zip(self.corner, self.size, strict=True)):
            first, last = ((edge - source[axis]) * scale[axis] + box[axis] for edge in (start, start + size))
            first, last = max(0, math.floor(first)), min(self.frame[1 - axis], math.ceil(last))
            if first >= last:
                return None
            middles = torch.arange(first, last, dtype=torch.float64) + 0.5
            within = (middles - box[axis]) / scale[axis] + source[axis] - start
            places.append((within / size * 2 - 1).float())
            spans.append(slice(first, last))
        x, y = places
        grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1)[None]
        drawn = F.grid_sample(self.levels[level], grid, padding_mode="border", align_corners=False)[0]
        return drawn[:3], drawn[3], (spans[1], spans[0])


def mask_count(masks: int, objects: int) -> str:
    """How many masks there are for how many objects, where the numbers do not go together."""
    return f"there are {masks} masks for {objects} object{'' if objects == 1 else 's'}"
