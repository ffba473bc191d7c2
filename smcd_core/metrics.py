"""How well a video follows its boxes and keeps its first frame. Imports nothing from the package.

F frames, N objects. Boxes are xyxy in units of the frame, 0..1; frames are uint8 RGB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

MIN_CHROMA = 55  # max - min of RGB, 0..255; the scenes of the synthetic clips stay below, their sprites above
MAX_HUE_DISTANCE = 18  # degrees; half of the smallest distance between two sprite colours
MIN_AREA = 1e-3  # of the frame; a smaller patch is noise


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [..., 4] with boxes [..., 4]: [...], 0 where either has no area.

    Source: GOT-10k (Huang et al., 2019), with continuous coordinates.
    """
    overlap = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    inner = overlap.clip(0).prod(-1)
    union = _area(boxes) + _area(others) - inner
    return np.divide(inner, union, out=np.zeros_like(inner, dtype=np.float64), where=union > 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)


def grounding(found: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> dict[str, float | list[float]]:
    """Scores of one clip: found [F, N, 4] (zeros where nothing was found) against boxes [F, N, 4], mask [F, N].

    ao         average overlap: mean IoU over the visible boxes
    sr50       success rate: share of them with an IoU above 0.5
    sr75       the same for 0.75
    ao_frames  F values, NaN for a frame without a visible box

    All are NaN for a clip without visible boxes.
    """
    overlap = np.where(mask, iou(found, boxes), np.nan)
    seen = overlap[mask]
    count = mask.sum(1)
    frames = np.divide(np.nansum(overlap, 1), count, out=np.full(len(mask), np.nan), where=count > 0)
    if not seen.size:
        return {"ao": math.nan, "sr50": math.nan, "sr75": math.nan, "ao_frames": frames.tolist()}
    return {
        "ao": float(seen.mean()),
        "sr50": float((seen > 0.5).mean()),
        "sr75": float((seen > 0.75).mean()),
        "ao_frames": frames.tolist(),
    }


def bootstrap_interval(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of the (weighted) mean over clips, by drawing the clips anew with replacement.

    values   one for each clip; those that are not finite are left out
    weights  such as the number of boxes of each clip, where the mean is one over all boxes

    The same values give the same interval. NaN twice without a finite value. Source: Efron (1979), percentile interval.
    """
    values = np.asarray(values, np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, np.float64)
    use = np.isfinite(values) & (weights > 0)
    values, weights = values[use], weights[use]
    if not values.size:
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(0, values.size, (resamples, values.size))
    means = (values * weights)[drawn].sum(1) / weights[drawn].sum(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def find_colors(frames: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Box of the largest patch of each colour: frames [F, H, W, 3], N colours -> [F, N, 4], zeros where there is none.

    The detector for synthetic clips, whose objects alone are saturated. A pixel counts if it is colourful and its hue
    is that of the object, whatever its brightness.
    """
    height, width = frames.shape[1:3]
    chroma, hue = _chroma_and_hue(frames)
    found = np.zeros((len(frames), len(colors), 4))
    for n, color in enumerate(colors):
        distance = np.abs((hue - _chroma_and_hue(np.array(color))[1] + 180) % 360 - 180)
        hits = (chroma > MIN_CHROMA) & (distance < MAX_HUE_DISTANCE)  # [F, H, W]
        for frame, pixels in enumerate(hits):
            patches, count = ndimage.label(pixels)
            if not count:
                continue
            sizes = np.bincount(patches.ravel())[1:]
            if sizes.max() < MIN_AREA * height * width:
                continue
            rows, columns = ndimage.find_objects(patches)[sizes.argmax()]
            found[frame, n] = (columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)
    return found


def _chroma_and_hue(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RGB [..., 3] -> chroma (max - min) and hue in degrees, [...] each."""
    r, g, b = np.moveaxis(rgb.astype(np.float32), -1, 0)
    chroma = rgb.max(-1).astype(np.float32) - rgb.min(-1)
    return chroma, np.degrees(np.arctan2(3**0.5 * (g - b), 2 * r - g - b)) % 360


def color_holds(
    frames: np.ndarray, boxes: np.ndarray, mask: np.ndarray, colors: Sequence[tuple[int, int, int]]
) -> np.ndarray:
    """Whether the middle of each visible box has the object's hue: [F, N] of 1, 0, and NaN where the mask is False."""
    height, width = frames.shape[1:3]
    holds = np.full(mask.shape, np.nan)
    for frame, n in np.argwhere(mask):
        x1, y1, x2, y2 = boxes[frame, n]
        # The inner half in each direction lies inside every shape.
        left, right = (int(round(width * (x1 + (x2 - x1) * part))) for part in (0.35, 0.65))
        top, bottom = (int(round(height * (y1 + (y2 - y1) * part))) for part in (0.4, 0.8))
        inside = frames[frame, top : max(bottom, top + 1), left : max(right, left + 1)].reshape(-1, 3).mean(0)
        chroma, hue = _chroma_and_hue(inside)
        distance = abs((hue - _chroma_and_hue(np.array(colors[n]))[1] + 180) % 360 - 180)
        holds[frame, n] = chroma > MIN_CHROMA and distance < MAX_HUE_DISTANCE
    return holds


def psnr(frames: np.ndarray, reference: np.ndarray, where: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB of uint8 images [..., H, W, 3]; `where` [..., H, W] picks pixels."""
    error = (frames.astype(np.float64) - reference) ** 2
    mean = float(error.mean() if where is None else error[where].mean())
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def background(boxes: np.ndarray, mask: np.ndarray, height: int, width: int, margin: float = 0.04) -> np.ndarray:
    """Pixels that no object touches: boxes [F, N, 4], mask [F, N] -> [F, height, width], True outside all boxes.

    margin  around each box, in units of the frame: blur of an edge is the object's, not the scene's
    """
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)[..., None]  # [F, N, 1] each
    across = (x > x1 - margin) & (x < x2 + margin)  # [F, N, W]
    down = (y > y1 - margin) & (y < y2 + margin)  # [F, N, H]
    inside = down[..., :, None] & across[..., None, :] & mask[..., None, None]
    return ~inside.any(1)
