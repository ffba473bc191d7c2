"""Boxes and points as a numpy array in pixels: SG-I2V's traj.npy, Wan-Move's tracks.npy."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

from ..document import MAX_FRAMES, MAX_OBJECTS
from ..rows import MAX_PIXELS, BoxRows
from .box_file import BoxFile
from .lines import picture_size

MAGIC = b"\x93NUMPY"
_MIDDLE = 1.0  # pixels that a written middle may be off that of its box: SG-I2V's own files round it down


def is_array(file: BoxFile) -> bool:
    """Whether a file starts as numpy's .npy does."""
    if not file.path.is_file():
        return False  # opening a pipe could wait for ever
    try:
        with file.path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False  # the reader of its text says why


def mapped_array(path: Path) -> np.memmap:
    """The array of a .npy file, of which nothing is in memory yet. Pickles are refused.

    Raises ValueError, also if the file is longer than the array: then its head is damaged.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, SyntaxError, TokenError, OSError, TypeError, OverflowError) as error:
        raise ValueError(f"is not an array of numbers: {' '.join(str(error).split())[:200]}") from None
    more = path.stat().st_size - array.offset - array.nbytes
    if more:
        raise ValueError(f"is an array {list(array.shape)} of {array.dtype} with {more} bytes after it; expected none")
    return array


def read_array(file: BoxFile, kinds: str = "iuf") -> np.ndarray:
    """The numbers of a .npy file; its shape is checked before any memory is taken, pickles are refused.

    kinds  of numpy's types; truth values (b) say when points are visible, and are none themselves

    returns float64 [..., F, N] or [..., F, N, 2]
    """
    try:
        array = mapped_array(file.path)
    except ValueError as error:
        raise file.error(str(error)) from None
    points = (MAX_FRAMES + 2) * MAX_OBJECTS
    if array.dtype.kind not in kinds or array.ndim < 2 or not 0 < array.size <= 2 * points:
        raise file.error(
            f"is an array {list(array.shape)} of {array.dtype}; expected numbers for up to {MAX_FRAMES} frames and "
            f"{MAX_OBJECTS} objects"
        )
    return np.array(array, np.float64)


def detect_array(file: BoxFile, array: np.ndarray) -> str:
    """The format of an array: the corners and first middle of SG-I2V tell it from points by frame."""
    if array.ndim == 4 and array.shape[0] == 1 and array.shape[-1] == 2:
        return "wan_move"
    if array.ndim == 3 and array.shape[-1] == 2:
        return "sg_i2v" if _has_corners(array) else "wan_move"
    raise file.error(
        f"is an array {list(array.shape)}; expected [1, frames, points, 2] of Wan-Move or [objects, 2 + frames, 2] of "
        "SG-I2V"
    )


def _has_corners(array: np.ndarray) -> bool:
    if array.shape[1] < 3:
        return False
    low, high, middle = array[:, 0], array[:, 1], array[:, 2]
    return bool((high > low).all() and (np.abs((low + high) / 2 - middle) <= _MIDDLE).all())


def read_sg_i2v(file: BoxFile, array: np.ndarray) -> BoxRows:
    """[N, 2 + F, 2]: two corners of the box in the first frame, then its middle in each frame. The size is img.png's.

    As SG-I2V reads them, boxes keep their size and move as the middle does.
    """
    if array.ndim != 3 or array.shape[1] < 3 or array.shape[2] != 2 or not (array[:, 1] >= array[:, 0]).all():
        raise file.error(f"is an array {list(array.shape)}; expected [objects, 2 + frames, 2], the corners first")
    _check_pixels(file, array)
    moved = array[:, 2:] - array[:, 2:3]  # [N, F, 2]
    boxes = np.concatenate((array[:, :1] + moved, array[:, 1:2] + moved), -1)  # [N, F, 4]
    objects, frames = (index.ravel() for index in np.indices(boxes.shape[:2]))
    file.refuse_shares(boxes.reshape(-1, 4), "SG-I2V")
    phrases, size = ("",) * len(array), picture_size(file.beside("img.png"))
    length = boxes.shape[1]
    return BoxRows("SG-I2V", frames, objects, boxes.reshape(-1, 4), phrases, size, "from img.png", length=length)


def read_wan_move(file: BoxFile, array: np.ndarray) -> dict[str, np.ndarray]:
    """[1, F, N, 2] or [F, N, 2], points: as TRACKS. Where each is visible, [1, F, N], lies in ...visibility.npy beside.

    Of tracks.npy that is visibility.npy; without one all are visible.
    """
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3 or array.shape[2] != 2:
        raise file.error(f"is an array {list(array.shape)}; expected [1, frames, points, 2]")
    _check_pixels(file, array)
    mask = np.ones(array.shape[:2])
    name = file.path.name.replace("tracks", "visibility")
    if name != file.path.name and (beside := file.beside(name)):
        mask = read_array(beside, "biuf")
        if mask.shape not in ((1, *array.shape[:2]), array.shape[:2]):
            raise beside.error(f"is an array {list(mask.shape)}; expected {[1, *array.shape[:2]]} as {file.path.name}")
        mask = mask.reshape(array.shape[:2])
    return {"track_path": array, "track_visibility": mask}


def _check_pixels(file: BoxFile, array: np.ndarray) -> None:
    if not (np.abs(array) <= MAX_PIXELS).all():  # false for NaN
        raise file.error(f"holds a number that is no finite one of up to {MAX_PIXELS} pixels")
