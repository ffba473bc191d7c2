"""Boxes as lines of numbers or as a table: corners, GOT-10k, CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..document import DEFAULT_FPS
from ..rows import BoxRows, rows_of
from .box_file import BoxFile, Row

CSV_HEADER = ["frame", "object", "x1", "y1", "x2", "y2"]


def read_xyxy(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """x1,y1,x2,y2 of one object in each frame, as the released SMCD has them in bbox.txt beside img.png."""
    boxes = [file.corners(file.numbers(row, "x1,y1,x2,y2", where), False, where) for where, row in rows]
    size = _png_size(file.beside("img.png"))
    return _one_object("x1,y1,x2,y2 per frame", boxes, np.ones(len(boxes), bool), "", size, "from img.png")


def read_xywh(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """x,y,w,h of one object in each frame: groundtruth.txt of GOT-10k, with absence.label and meta_info.ini."""
    boxes = got10k_boxes(file, rows)
    mask = np.ones(len(boxes), bool)
    if label := file.beside("absence.label"):
        absent = label.text.split()
        if len(absent) != len(boxes) or set(absent) - {"0", "1"}:
            raise file.error(
                f"has {len(boxes)} boxes, expected as many 0 or 1 in {label.path.name}, found {len(absent)}"
            )
        mask = np.array(absent) == "0"
    info = file.beside("meta_info.ini")
    meta = info.ini("METAINFO") if info else {}
    fps = info.setting(meta, "anno_fps", DEFAULT_FPS) if info else DEFAULT_FPS
    phrase, size = meta.get("object_class", ""), got10k_size(meta)
    return _one_object("x,y,w,h per frame (GOT-10k)", boxes, mask, phrase, size, "from meta_info.ini", fps)


def got10k_boxes(file: BoxFile, rows: Sequence[Row]) -> list[list[float]]:
    """xyxy in pixels of each line of x,y,w,h."""
    return [file.corners(file.numbers(row, "x,y,w,h", where), True, where) for where, row in rows]


def got10k_size(meta) -> tuple[int, int] | None:
    """(width, height) from meta_info.ini, None if it does not tell them."""
    size = re.fullmatch(r"\((\d{1,6}), *(\d{1,6})\)", meta.get("resolution", ""), re.ASCII)
    return (int(size[1]), int(size[2])) if size else None


def read_csv(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """frame,object,x1,y1,x2,y2 under that header. Objects are numbers or names; a name is the phrase as well."""
    names = ",".join(CSV_HEADER)
    entries, objects, phrases = [], {}, []
    seen = set()
    for where, row in rows[1:]:
        if len(row) != len(CSV_HEADER):
            raise file.error(f"found {len(row)} fields, expected {names}", where)
        frame, *box = file.numbers([row[0], *row[2:]], "frame,x1,y1,x2,y2", where)
        if frame < 0 or frame != int(frame):
            raise file.error(f"found frame {row[0]}, expected a whole number from 0", where)
        name = row[1]
        if name not in objects:
            objects[name] = len(objects)
            phrases.append("" if re.fullmatch(r"-?[\d.]*", name) else name)
        if (frame, name) in seen:
            raise file.error(f"found a second box for object {name!r} in the same frame", where)
        seen.add((frame, name))
        entries.append((int(frame), objects[name], file.corners(box, False, where)))
    return BoxRows("CSV of corners", *rows_of(entries), tuple(phrases))


def _one_object(
    what: str,
    boxes: Sequence[Sequence[float]],
    mask: np.ndarray,
    phrase: str,
    size: tuple[int, int] | None,
    size_from: str,
    fps: float = DEFAULT_FPS,
) -> BoxRows:
    """BoxRows of one object with a box and a mask [F] for each frame."""
    frames = np.flatnonzero(mask)
    xyxy = np.array(boxes, np.float64).reshape(-1, 4)[frames]
    objects = np.zeros(len(frames), int)
    return BoxRows(what, frames, objects, xyxy, (phrase,), size, size_from if size else "", len(boxes), fps)


def _png_size(file: BoxFile | None) -> tuple[int, int] | None:
    """(width, height) of a PNG, None for anything else."""
    if file is None:
        return None
    try:
        with Image.open(file.path, formats=["PNG"]) as image:
            return image.size
    except OSError:
        return None
