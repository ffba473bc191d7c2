"""Read frames from images and videos, resized; paths from annotations may not leave the dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from ..pictures import PictureError, as_rgb, open_picture, size_as_shown
from ..trajectory.document import MAX_SIDE
from ..trajectory.formats.box_file import natural
from ..video import VideoError, open_video
from .samples import SampleError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES = (
    ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".mpg", ".mpeg", ".wmv", ".3gp"
)  # fmt: skip
# A JPEG is decoded at half, a quarter or an eighth of its size if that stays this much larger than what is asked for:
# 0.6 of the time for 1280 x 720 to 256 x 256, and 45 dB from what decoding it whole gives.
_SPARE = 1.25


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """Turn whatever a decoder says to a damaged file into SampleError."""
    try:
        yield
    except (SampleError, VideoError):  # the latter: the package av is missing
        raise
    except PictureError as error:
        raise SampleError(path, error.reason) from None
    except Exception as error:  # decoders raise many types, down to SyntaxError: tried with random bytes
        if type(error) is MemoryError:  # that of av, a class of its own, is for absurd sizes in a damaged file
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SampleError(path, f"cannot be read: {reason}") from None


def inside(root: Path, name: object) -> Path:
    """The path of a file that an annotation names, in `root` or below it. Raises SampleError for any other name."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise SampleError(root, f"found {str(name)[:80]!r} instead of a file name")
    parts = PurePosixPath(name.replace("\\", "/")).parts
    # Two slashes stay two: //server/x
    if not parts or parts[0].startswith("/") or ".." in parts or ":" in parts[0]:
        raise SampleError(root, f"the file name {name[:80]!r} leads out of the dataset")
    return root.joinpath(*parts)


# Images --------------------------------------------------------------------------------------------------------------


def read_image(
    path: str | os.PathLike,
    size: tuple[int, int],
    *,
    content: bytes | None = None,
    crop: tuple[float, float, float, float] | None = None,
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """uint8 [H, W, 3] from an image file, or from its bytes; `path` is then only for messages.

    size  (width, height)
    crop  x1, y1, x2, y2 in pixels of the file; default: all, turned as the camera was held
    """
    with reading(path), open_picture(path, content) as image:
        width, height = image.size
        x1, y1, x2, y2 = crop or (0, 0, width, height)
        exif = image.getexif()
        if crop is None and exif.get(ExifTags.Base.Orientation, 1) > 4:  # on its side
            size = size[::-1]
        across, down = size[0] * _SPARE / (x2 - x1), size[1] * _SPARE / (y2 - y1)
        image.draft("RGB", (int(width * across), int(height * down)))
        smaller = image.width / width, image.height / height
        box = (x1 * smaller[0], y1 * smaller[1], x2 * smaller[0], y2 * smaller[1])
        resized = as_rgb(image).resize(size, resample, box=box)
        if crop is None:
            resized.getexif().update(exif)
            resized = ImageOps.exif_transpose(resized)
        return np.array(resized)


def image_size(path: str | os.PathLike, content: bytes | None = None) -> tuple[int, int]:
    """(width, height) from the head of an image file, as stored."""
    with reading(path), open_picture(path, content) as image:
        return _checked_size(path, image.size)


def _checked_size(path: str | os.PathLike, size: tuple[int, int]) -> tuple[int, int]:
    if max(size) > MAX_SIDE:
        raise SampleError(path, f"has {size[0]} x {size[1]} pixels, the limit is {MAX_SIDE} each")
    return size


def frame_files(folder: Path) -> list[str]:
    """Names of the images in a folder, in order."""
    with reading(folder):
        with os.scandir(folder) as entries:
            return sorted((one.name for one in entries if is_image(one.name) and one.is_file()), key=natural)


def is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def is_video(name: str) -> bool:
    return name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")


class FrameFolder:
    """A video as a folder of images."""

    def __init__(self, path: Path):
        self.path = path
        self.files = frame_files(path)
        self.length = len(self.files)

    def size(self) -> tuple[int, int]:
        """(width, height) as shown: a phone may have stored the picture on its side."""
        path = self.path / self.files[0]
        with reading(path), open_picture(path) as image:
            return _checked_size(path, size_as_shown(image))

    def read(self, frames: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """uint8 [F, H, W, 3] for a size of (width, height)"""
        return np.stack([read_image(self.path / self.files[frame], size) for frame in frames])


# Videos --------------------------------------------------------------------------------------------------------------


class VideoFile:
    """A video file whose frames can be read from anywhere. Needs the package av."""

    def __init__(self, path: Path):
        self.path = path
        self.files: list[str] = []
        with reading(path):
            stat = path.stat()
        self.times, self._size, self._is_numbered = _times_and_size(path, stat.st_mtime_ns, stat.st_size)
        self.length = len(self.times)

    def size(self) -> tuple[int, int]:
        """(width, height) as shown: a phone may have stored the video on its side."""
        return self._size

    def read(self, frames: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """uint8 [F, H, W, 3] of rising frame numbers, for a size of (width, height)"""
        if self._is_numbered:
            return self._read_in_order(frames, size)
        wanted = {int(self.times[frame]): place for place, frame in enumerate(frames)}
        found: dict[int, np.ndarray] = {}
        # Some files seek to a place behind the one asked for; from the start every frame is met.
        for start in dict.fromkeys((frames[0], 0)):
            for frame in self._decoded(start):
                if frame.pts in wanted and not frame.is_corrupt:
                    found[wanted[frame.pts]] = _pixels(frame, size)
                if len(found) == len(wanted) or frame.pts is None or frame.pts > self.times[frames[-1]]:
                    break
            if len(found) == len(wanted):
                return np.stack([found[place] for place in range(len(frames))])
        missing = next(frame for place, frame in enumerate(frames) if place not in found)
        raise SampleError(self.path, f"frame {missing} of {self.length} cannot be decoded")

    def _read_in_order(self, frames: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """The frames counted from the first one, which has to be decoded, too."""
        wanted = {frame: place for place, frame in enumerate(frames)}
        found: dict[int, np.ndarray] = {}
        for number, frame in enumerate(self._decoded(0)):
            if number in wanted and not frame.is_corrupt:
                found[wanted[number]] = _pixels(frame, size)
            if number >= frames[-1]:
                break
        missing = next((frame for place, frame in enumerate(frames) if place not in found), None)
        if missing is not None:
            raise SampleError(self.path, f"frame {missing} of {self.length} cannot be decoded")
        return np.stack([found[place] for place in range(len(frames))])

    def _decoded(self, start: int) -> Iterator:
        with reading(self.path), open_video(self.path) as container:
            stream = container.streams.video[0]
            if start:
                container.seek(int(self.times[start]), stream=stream)
            yield from container.decode(stream)


@lru_cache(maxsize=4096)
def _times_and_size(path: Path, changed_ns: int, file_size: int) -> tuple[np.ndarray, tuple[int, int], bool]:
    """Time stamps of all frames in order, found without decoding more than the first, and its (width, height).

    AVI has no times at which to show a frame, and some files give one time to several frames. Where frames are stored
    in another order than they are shown in, or share a time, they are numbered by decoding all of them, and the last
    value is True.

    The date and size of the file are there to tell a file that was replaced.
    """
    with reading(path), open_video(path) as container:
        if not container.streams.video:
            raise SampleError(path, "holds no video")
        stream, times, first = container.streams.video[0], [], None
        if stream.codec_context is None:  # av 17 and older crash where they decode it
            raise SampleError(path, "is stored in a way that FFmpeg does not know; write it again, for example as .mp4")
        for packet in container.demux(stream):
            if packet.pts is not None and not packet.is_discard:
                times.append(packet.pts)
            if first is None:
                first = next(iter(packet.decode()), None)
        if not times or first is None:
            raise SampleError(path, "holds no frames with a time stamp; write it again, for example as .mp4")
        sides = first.width, first.height
        sides = sides[::-1] if _quarter_turns(first) % 2 else sides
        in_order = "avi" not in container.format.name.split(",") or not stream.codec_context.has_b_frames
        if in_order and len({*times}) == len(times):
            return np.array(sorted(times)), sides, False
    with reading(path), open_video(path) as container:
        return np.arange(sum(1 for _ in container.decode(container.streams.video[0]))), sides, True


def _pixels(frame: Any, size: tuple[int, int]) -> np.ndarray:
    turns = _quarter_turns(frame)
    width, height = size[::-1] if turns % 2 else size
    pixels = frame.to_ndarray(width=width, height=height, format="rgb24", interpolation="BILINEAR")
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _quarter_turns(frame: Any) -> int:
    return round(getattr(frame, "rotation", 0) / 90)  # older releases of av do not tell
