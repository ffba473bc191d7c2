"""Open pictures of a few formats, check their size before decoding, and show them as RGB.

Pillow itself opens any format by content, whatever the file is called. One of them, PostScript, is a program that it
hands to Ghostscript.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .errors import SMCDError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_NAMES = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
MAX_PIXELS = 80 * 10**6  # of one picture; Pillow itself warns from 89 million on
_TOO_LARGE = f"has more than {MAX_PIXELS // 10**6} million pixels: make it smaller"
BACKGROUND = (255, 255, 255)  # behind transparent pixels
_ORIENTATION = 0x0112  # the tag of Exif
_ON_ITS_SIDE = (5, 6, 7, 8)


class PictureError(SMCDError):
    """A picture that cannot be used: which file, and why."""

    def __init__(self, path: str | os.PathLike, reason: str):
        super().__init__(f"{path}: {reason}")
        self.reason = reason


@contextmanager
def open_picture(path: str | os.PathLike, content: bytes | None = None) -> Iterator[Image.Image]:
    """Open a file, or its bytes if they are given; nothing is decoded yet.

    Raises PictureError, in the body too, for whatever a decoder says about a damaged file. A file that is not there or
    may not be read is an OSError as usual.
    """
    if content is None and not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):
        raise PictureError(path, "is a pipe or device, not a file")  # opening one could wait for ever
    try:
        with Image.open(BytesIO(content) if content is not None else Path(path), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureError(path, _TOO_LARGE)
            yield image
    except (SMCDError, MemoryError, FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Image.DecompressionBombError:  # Pillow's own limit is about twice as high
        raise PictureError(path, _TOO_LARGE) from None
    except Image.UnidentifiedImageError:
        raise PictureError(path, f"cannot be read as a picture (cannot identify it as {_NAMES})") from None
    except Exception as error:  # decoders raise many types, down to SyntaxError
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PictureError(path, f"cannot be read as a picture ({reason})") from None


def read_picture(path: str | os.PathLike) -> Image.Image:
    """A picture as RGB, turned as the camera was held. Raises what `open_picture` raises."""
    with open_picture(path) as image:
        return as_rgb(ImageOps.exif_transpose(image))


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert to 8 bits per channel and lay transparent pixels over BACKGROUND.

    Deep grey pictures keep their brightness: 16 bits are scaled, and so are floats, which may be in 0..1 (or a little
    above), 0..255 or 0..65535. Raises ValueError for larger numbers; `open_picture` names the file.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_scaled(np.asarray(image), image.mode)).convert("RGB")
    if is_transparent(image):
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image).convert("RGB")
    return image.convert("RGB")


def is_transparent(image: Image.Image) -> bool:
    """Whether some pixels are less than opaque."""
    return image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255


def size_as_shown(image: Image.Image) -> tuple[int, int]:
    """(width, height) once turned as the camera was held."""
    return image.size[::-1] if image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE else image.size


def _scaled(pixels: np.ndarray, mode: str) -> np.ndarray:
    """Grey pixels as uint8."""
    pixels = np.nan_to_num(pixels.astype(np.float64))
    top = pixels.max(initial=0)
    # Lights may be brighter than 1, and resizing goes a little beyond it.
    limits = {1: 8, 255: 255, 65535: 65535} if mode == "F" else {65535: 65535}
    limit = next((limit for limit, most in limits.items() if top <= most), None)
    if limit is None:
        raise ValueError(f"grey values up to {top:g}, expected at most 65535: save it with 8 or 16 bits")
    return (pixels.clip(0, limit) * (255 / limit)).round().astype(np.uint8)
