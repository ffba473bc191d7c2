"""One object as a line of numbers for each frame: corners, GOT-10k and LaSOT, polygons of VOT."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ...pictures import PictureError, open_picture, size_as_shown
from ..document import DEFAULT_FPS
from ..rows import BoxRows, all_are_shares
from .box_file import BoxFile, Row, is_number

# Files beside the boxes with a 1 for each frame without the object: GOT-10k, then LaSOT.
ABSENCE = ("absence.label", "full_occlusion.txt", "out_of_view.txt")


def layouts_of_four(file: BoxFile, rows: Sequence[Row]) -> tuple[str, ...]:
    """The layouts that lines of 4 numbers may have, xyxy and xywh, the likelier first.

    What lies beside them tells, or that most would be corners in the wrong order and have sides of more than 2 pixels:
    lines of FreeTraj that lack a number have shares in another order. If some would, if the last two numbers rest while
    the first two change, or if the file has the name that GOT-10k and LaSOT give, xywh is likelier.
    """
    has_sides, has_corners = any(map(file.beside, ("meta_info.ini", *ABSENCE))), file.beside("img.png") is not None
    if has_sides != has_corners:
        return ("xywh",) if has_sides else ("xyxy",)
    values = np.array([list(map(float, row)) for _, row in rows if len(row) == 4 and all(map(is_number, row))])
    values = values.reshape(-1, 4)
    boxes = values[(values[:, 2:] >= 0).all(1) & (values != 0).any(1)]  # the others are absent
    inverted = (boxes[:, 2:] < boxes[:, :2]).any(1)
    if 2 * (inverted & (boxes[:, 2:] > 2).all(1)).sum() > len(boxes):
        return ("xywh",)
    begins, ends = ((pair != pair[:1]).any() for pair in (boxes[:, :2], boxes[:, 2:]))
    is_likely = inverted.any() or (begins and not ends) or file.path.name == "groundtruth.txt"
    return ("xywh", "xyxy") if is_likely else ("xyxy", "xywh")


def read_xyxy(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """x1,y1,x2,y2 of one object in each frame, as the released SMCD has them in bbox.txt beside img.png."""
    boxes, mask = _boxes(file, rows, "x1,y1,x2,y2")
    size = picture_size(file.beside("img.png"))
    return _one_object("x1,y1,x2,y2 per frame", boxes, mask, size=size, size_from="from img.png")


def read_xywh(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """x,y,w,h of one object in each frame: groundtruth.txt of GOT-10k or LaSOT, with what lies beside it."""
    boxes, mask = _boxes(file, rows, "x,y,w,h")
    for label in filter(None, map(file.beside, ABSENCE)):
        absent = re.split(r"[\s,]+", label.text.strip())
        if len(absent) != len(boxes) or set(absent) - {"0", "1"}:
            raise file.error(
                f"has {len(boxes)} boxes, expected as many 0 or 1 in {label.path.name}, found {len(absent)}"
            )
        mask &= np.array(absent) == "0"
    info = file.beside("meta_info.ini")
    meta = info.ini("METAINFO") if info else {}
    return _one_object(
        "x,y,w,h per frame (GOT-10k)",
        boxes,
        mask,
        phrase=meta.get("object_class", ""),
        size=got10k_size(meta),
        size_from="from meta_info.ini",
        fps=info.setting(meta, "anno_fps", DEFAULT_FPS) if info else DEFAULT_FPS,
        from_sides=True,
    )


def read_vot(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """x1,y1,...,x4,y4, the corners of a turned rectangle, in each frame: the box around them."""
    names = ",".join(f"{axis}{n}" for n in range(1, 5) for axis in "xy")
    corners, mask = _values(file, rows, names)
    mask &= (corners != 0).any(1) & (corners != -1).any(1)
    points = corners.reshape(-1, 4, 2)
    boxes = np.concatenate((points.min(1), points.max(1)), 1)
    return _one_object("polygons per frame (VOT)", boxes, mask)


def got10k_boxes(file: BoxFile, rows: Sequence[Row]) -> np.ndarray:
    """[F, 4], xyxy in pixels, from lines of x,y,w,h; without area where the object is absent."""
    return _boxes(file, rows, "x,y,w,h")[0]


def got10k_size(meta: Mapping[str, str]) -> tuple[int, int] | None:
    """(width, height) from meta_info.ini, None if it does not tell them."""
    size = re.fullmatch(r"\((\d{1,6}), *(\d{1,6})\)", meta.get("resolution", ""), re.ASCII)
    return (int(size[1]), int(size[2])) if size else None


def _values(file: BoxFile, rows: Sequence[Row], names: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers [F, columns] and mask [F], False for a line of NaN."""
    rows = list(rows)
    mask = np.array([not row or set(map(str.lower, row)) != {"nan"} for _, row in rows], bool)
    zeros = [0.0] * len(names.split(","))
    values = [file.numbers(row, names, where) if seen else zeros for (where, row), seen in zip(rows, mask, strict=True)]
    return np.array(values, np.float64).reshape(len(rows), len(zeros)), mask


def _boxes(file: BoxFile, rows: Sequence[Row], names: str) -> tuple[np.ndarray, np.ndarray]:
    """xyxy [F, 4] in pixels and mask [F].

    Frames without the object are written as 0,0,0,0, as -1,-1,-1,-1, as a box with negative width and height (of
    corners: with a negative second one), or as NaN. In a file that has such lines a box with one side of no length is
    absent, too.
    """
    values, mask = _values(file, rows, names)
    sides = values[:, 2:] if names == "x,y,w,h" else values[:, 2:] - values[:, :2]
    inverted = (sides if names == "x,y,w,h" else np.maximum(sides, values[:, 2:])) < 0  # not two corners swapped
    absent = ~mask | (values == 0).all(1) | (values == -1).all(1) | inverted.all(1)
    if absent.any():
        absent |= (sides <= 0).any(1)
    boxes = np.zeros((len(values), 4))
    for n in np.flatnonzero(~absent):
        boxes[n] = file.corners(values[n].tolist(), names == "x,y,w,h", rows[n][0], ", or the format xywh (x,y,w,h)")
    return boxes, ~absent


def _one_object(
    what: str,
    boxes: np.ndarray,
    mask: np.ndarray,
    *,
    phrase: str = "",
    size: tuple[int, int] | None = None,
    size_from: str = "",
    fps: float = DEFAULT_FPS,
    from_sides: bool = False,
) -> BoxRows:
    """BoxRows from boxes [F, 4] and mask [F]."""
    frames = np.flatnonzero(mask)
    is_shares = all_are_shares(boxes[frames])
    return BoxRows(
        what + (" in shares of the frame" if is_shares else ""),
        frames,
        np.zeros(len(frames), int),
        boxes[frames],
        (phrase,),
        size,
        size_from,
        length=len(boxes),
        fps=fps,
        in_pixels=not is_shares,
        from_sides=from_sides,
    )


def picture_size(file: BoxFile | None) -> tuple[int, int] | None:
    """(width, height) of a picture as shown, None for anything else."""
    if file is None:
        return None
    try:
        with open_picture(file.path) as image:
            return size_as_shown(image)
    except (OSError, PictureError):
        return None
