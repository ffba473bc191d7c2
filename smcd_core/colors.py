"""Colors of a video's objects and scene.

F frames, N objects. Boxes are xyxy in units of the frame, 0..1; frames are uint8 RGB.
"""

from __future__ import annotations

import numpy as np


def middle_colors(frames: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean RGB [F, N, 3] of the part of each visible box that lies inside every shape; 0 elsewhere."""
    height, width = frames.shape[1:3]
    means = np.zeros((*mask.shape, 3))
    for frame, n in np.argwhere(mask):
        x1, y1, x2, y2 = boxes[frame, n]
        left, right = (int(round(width * (x1 + (x2 - x1) * part))) for part in (0.35, 0.65))
        top, bottom = (int(round(height * (y1 + (y2 - y1) * part))) for part in (0.4, 0.8))
        left, top = min(left, width - 1), min(top, height - 1)
        inside = frames[frame, top : max(bottom, top + 1), left : max(right, left + 1)]
        means[frame, n] = inside.reshape(-1, 3).mean(0)
    return means


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB [..., 3], 0..255 -> CIELAB [..., 3] for white D65. Source: IEC 61966-2-1 and CIE 15."""
    rgb = np.asarray(rgb, np.float64) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


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
