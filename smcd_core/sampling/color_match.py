"""Shift the colours of every frame back to those of the first image. Measured in docs/metrics.md."""

from __future__ import annotations

import numpy as np

from ..colors import background, middle_colors, to_lab

ALIKE = 60.0  # RGB distance, 0..255; nearer pixels of a box are taken to belong to its object
MOST_DRIFT = 30.0  # delta E; a larger difference is another thing in the object's place, not a drift of its colour


def match_colors(frames: np.ndarray, picture: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy of the video with the colours of `picture`, which its first frame should equal.

    Outside all boxes each frame gets the picture's mean and deviation of every channel. Inside its boxes each object
    that the picture shows is shifted by the drift of its mean colour. For a still camera and still light only.

    frames uint8 [F, H, W, 3], picture uint8 [H, W, 3], boxes [F, N, 4] xyxy in units of the frame, mask bool [F, N]
    """
    result = frames.astype(np.float32)
    _match_scene(result, picture, boxes, mask)
    for n in np.flatnonzero(mask[0]):
        _match_object(result, picture, boxes[:, n : n + 1], mask[:, n : n + 1])
    return result.round().clip(0, 255).astype(np.uint8)


def _match_scene(frames: np.ndarray, picture: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> None:
    height, width = picture.shape[:2]
    outside = background(boxes, mask, height, width, margin=0)  # [F, H, W]
    wanted = picture[outside[0]].astype(np.float32)
    for frame, scene in zip(frames, outside):
        if len(wanted) and scene.any():
            now = frame[scene]
            scale = wanted.std(0) / np.maximum(now.std(0), 1.0)  # a flat scene has no contrast to stretch
            frame[scene] = (now - now.mean(0)) * scale + wanted.mean(0)


def _match_object(frames: np.ndarray, picture: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> None:
    """boxes [F, 1, 4], mask [F, 1] of one object"""
    height, width = picture.shape[:2]
    inside = ~background(boxes, mask, height, width, margin=0)
    wanted = middle_colors(picture[None], boxes[:1], mask[:1])[0, 0]
    means = middle_colors(frames, boxes, mask)[:, 0]
    for frame, place, now in zip(frames, inside, means):
        if np.linalg.norm(to_lab(wanted) - to_lab(now)) <= MOST_DRIFT:
            pixels = frame[place]
            part = np.exp(-(((pixels - now) / ALIKE) ** 2).sum(-1, keepdims=True) / 2)
            frame[place] += part * (wanted - now)
