"""An image at the size of the video: stretched, or cropped to its aspect ratio together with the boxes."""

from __future__ import annotations

import math
from dataclasses import replace
from os import PathLike
from typing import Literal, get_args

import numpy as np
from PIL import Image

from ..errors import SMCDError
from ..guides.fit import is_like
from ..trajectory.document import Key, Trajectory, check_box, check_handles

Fit = Literal["stretch", "crop"]
FITS: tuple[Fit, ...] = get_args(Fit)


def resized(image: Image.Image | np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3], by Lanczos. Raises SMCDError for an array that is not uint8 [H, W, 3]."""
    return np.array(_as_image(image).resize((width, height), Image.Resampling.LANCZOS))


def stretch(image_size: tuple[int, int], size: tuple[int, int]) -> str | None:
    """A sentence on how an image changes its shape at another size (both are width, height); None if it keeps it."""
    if is_like(image_size, size):
        return None
    (w, h), (width, height) = image_size, size
    return f"the image is squeezed from {w} x {h} to {width} x {height}"


def size_of(image: Image.Image | np.ndarray) -> tuple[int, int]:
    """Width and height. Raises SMCDError for an array that is not uint8 [H, W, 3]."""
    return _as_image(image).size


def size_like(
    picture: tuple[int, int], area: int, multiple: int, width: int | None = None, height: int | None = None
) -> tuple[int, int]:
    """Width and height of a video in the shape of a picture (width, height), in multiples of `multiple` pixels.

    A given side stays as it is. Without one, the size that changes the shape least, of those of about `area` pixels.
    """
    aspect = picture[0] / picture[1]

    def nearest(pixels: float) -> int:
        return max(1, round(pixels / multiple)) * multiple

    if width is not None or height is not None:
        return width or nearest((height or 0) * aspect), height or nearest((width or 0) / aspect)

    def cost(size: tuple[int, int]) -> float:
        w, h = size
        # A fifth fewer pixels are as bad as a shape that is off by 4 %, which nobody sees.
        return abs(math.log(w / h / aspect)) + abs(math.log(w * h / area)) / 5

    longest = max(area // multiple, multiple)
    return min(((w, min(nearest(w / aspect), longest)) for w in range(multiple, longest + 1, multiple)), key=cost)


def cropped(
    image: Image.Image | np.ndarray, trajectory: Trajectory, width: int, height: int
) -> tuple[Image.Image, Trajectory]:
    """The centre of the image at the aspect ratio of width x height, and its boxes in units of what is left.

    Raises TrajectoryError if a box comes to lie too far outside.
    """
    image = _as_image(image)
    w, h = image.size
    kept_w, kept_h = min(w, max(1, round(h * width / height))), min(h, max(1, round(w * height / width)))
    left, top = (w - kept_w) // 2, (h - kept_h) // 2

    def moved(box: tuple[float, float, float, float], where: str) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = box
        x1, x2 = ((x * w - left) / kept_w for x in (x1, x2))
        y1, y2 = ((y * h - top) / kept_h for y in (y1, y2))
        return check_box([x1, y1, x2, y2], f"{where}, cropped to {width} x {height}")

    def moved_key(key: Key, where: str) -> Key:
        handles = [[x * w / kept_w, y * h / kept_h] for x, y in key.handles]
        return replace(key, box=moved(key.box, where), handles=check_handles(handles, where))

    tracks = []
    for track in trajectory.objects:
        where = f"object {track.id} ({track.phrase[:40]})"
        keys = (moved_key(key, f"{where}, frame {key.frame}") for key in track.keys)
        tracks.append(replace(track, keys=tuple(keys)))
    image = image.crop((left, top, left + kept_w, top + kept_h))
    return image, replace(trajectory, width=kept_w, height=kept_h, objects=tuple(tracks))


def _as_image(image: Image.Image | np.ndarray) -> Image.Image:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise SMCDError(f"the image is {image.dtype} {list(image.shape)}, expected uint8 [H, W, 3]")
        return Image.fromarray(image)
    if not isinstance(image, Image.Image):
        found = repr(str(image)) if isinstance(image, (str, PathLike)) else f"a {type(image).__name__}"
        hint = ": open it with PIL.Image.open" if isinstance(image, (str, PathLike)) else ""
        raise SMCDError(f"the image is {found}, expected a PIL image or a uint8 array [H, W, 3]{hint}")
    return image.convert("RGB")
