"""Images with boxes and phrases, from the TSV files of GLIGEN (Flickr, SBU, GQA and others).

    train-00.tsv       a line per image: key, tab, JSON with data_id, image (base64), caption, annos;
                       annos[]: bbox [x, y, w, h] in pixels, and tokens_positive, the place of its phrase in the caption
                       detection datasets have is_det and category_name instead of caption and tokens_positive
    train-00.lineidx   the byte offset of each line; written if it is missing

The embeddings in these files are ignored: they are 768 wide and come from another text encoder.
Source: Li et al., GLIGEN (CVPR 2023); sampling as published with SMCD (SPEC, section 13).
"""

from __future__ import annotations

import base64
import binascii
import json
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..files import replacing
from ..trajectory.dense import clip_boxes
from ..trajectory.formats.box_file import BoxFile
from .clip import Clip
from .media import image_size, read_image, reading
from .samples import ClipDataset, DatasetError, SampleError, caption_from, clean_text, damaged_boxes

MAX_ROW_BYTES = 64 * 2**20
MAX_OBJECTS = 30
SHORTEST_CROP = 0.9  # of the largest crop
SMALLEST_AREA = 0.01  # of the cropped image; smaller objects are dropped


class GroundingClips(ClipDataset):
    """Single-frame clips: a random crop of an image, square or as its size is, and the objects in it, largest first.

    root  a .tsv file, or a folder with .tsv files in it or one level below
    """

    def __init__(self, root: str | os.PathLike, *, num_frames: int = 1, **options: Any):
        super().__init__(root, num_frames=num_frames, **options)
        if num_frames != 1:
            raise DatasetError(f"num_frames is {num_frames}, but {root} holds images: expected 1")
        files = find_tables(self.root)
        if not files:
            raise DatasetError(f"{root}: holds no .tsv files of GLIGEN")
        self.tables = [Table(path) for path in files]
        self.ends = np.cumsum([len(table) for table in self.tables])
        self.names = _RowNames(self)  # type: ignore[assignment]  # as much of a Sequence as is used
        if not self.names:
            raise DatasetError(f"{root}: its .tsv files are empty")

    def row(self, item: int) -> tuple[Table, int]:
        table = int(np.searchsorted(self.ends, item, side="right"))
        return self.tables[table], item - (int(self.ends[table - 1]) if table else 0)

    def _read(self, item: int, rng: np.random.Generator) -> Clip:
        table, row = self.row(item)
        where = self.names[item]
        content = _parse(table.line(row), where)
        picture = _decode(content.get("image"), where)
        width, height = image_size(where, picture)
        size = self._size_for(lambda: (width, height))
        aspect = size[0] / size[1]
        across = rng.uniform(SHORTEST_CROP, 1) * min(width, height * aspect)
        crop = np.array((across, across / aspect))
        x, y = rng.uniform(0, width - crop[0]), rng.uniform(0, height - crop[1])
        caption, boxes, phrases = _annotations(content, where)
        boxes = torch.from_numpy((boxes.reshape(-1, 4) - np.tile((x, y), 2)) / np.tile(crop, 2)).float()
        boxes, seen = (part.numpy() for part in clip_boxes(boxes, torch.ones(len(boxes), dtype=torch.bool)))
        area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
        order = [n for n in np.argsort(-area, kind="stable") if seen[n] and area[n] >= SMALLEST_AREA][:MAX_OBJECTS]
        phrases = tuple(phrases[n] for n in order)
        caption = caption or caption_from(phrases)
        if not caption:
            raise SampleError(where, "has neither a caption nor an object that is large enough to name")
        corners = (x, y, x + crop[0], y + crop[1])
        frame = read_image(where, size, content=picture, crop=corners, resample=Image.Resampling.BOX)
        return Clip(frame[None], boxes[None, order], np.ones((1, len(order)), bool), phrases, caption)


class _RowNames:
    """File and line of each row, computed on demand: there are tens of millions of rows."""

    def __init__(self, clips: GroundingClips):
        self.clips = clips

    def __len__(self) -> int:
        return int(self.clips.ends[-1])

    def __getitem__(self, item: int) -> str:
        table, row = self.clips.row(item)
        return f"{table.path}, line {row + 1}"


def find_tables(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix == ".tsv" else []
    return sorted([*root.glob("*.tsv"), *root.glob("*/*.tsv")])


# Tables --------------------------------------------------------------------------------------------------------------


class Table:
    """Access by number to the lines of a file that is too large to load. No file stays open, so workers share none."""

    def __init__(self, path: Path):
        self.path = path
        size = path.stat().st_size
        index = path.with_suffix(".lineidx")
        starts = _read_index(index, path, size)
        if starts is None:
            starts = _scan(path, size)
            try:
                with replacing(index) as temporary:
                    temporary.write_text("".join(f"{start}\n" for start in starts.tolist()), encoding="ascii")
            except OSError:
                pass  # a read-only folder: the next run scans the table again
        self.starts = np.append(starts, size)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def line(self, row: int) -> bytes:
        start, end = (int(place) for place in self.starts[row : row + 2])
        where = f"{self.path}, line {row + 1}"
        if end - start > MAX_ROW_BYTES:
            raise SampleError(where, f"has {end - start} bytes, the limit is {MAX_ROW_BYTES}")
        with reading(where), self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start).rstrip(b"\r\n")


def _read_index(index: Path, path: Path, size: int) -> np.ndarray | None:
    """Read the byte offsets of the lines, int64 [K]; None if the index is missing or does not fit the table."""
    try:
        if index.stat().st_mtime_ns < path.stat().st_mtime_ns:
            return None
        starts = np.array(index.read_bytes().split(), np.int64)
    except (OSError, ValueError, OverflowError):
        return None
    if not len(starts) or starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= size:
        return None
    with path.open("rb") as file:
        # Three spot checks, and whether the table ends with the last line.
        for start in starts[[len(starts) // 3, len(starts) // 2, -1]].tolist():
            file.seek(max(start - 1, 0))
            if start and file.read(1) != b"\n":
                return None
        file.seek(int(starts[-1]))
        line = file.read(MAX_ROW_BYTES)
    return None if b"\n" in line[:-1] else starts


def _scan(path: Path, size: int) -> np.ndarray:
    """Find the byte offsets of the lines, int64 [K], in a memory map: the file need not fit into memory."""
    if not size:
        return np.zeros(0, np.int64)
    starts, place = [0], 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        while 0 < (place := view.find(b"\n", place) + 1) < size:
            starts.append(place)
    return np.array(starts, np.int64)


# Rows ----------------------------------------------------------------------------------------------------------------


def _parse(line: bytes, where: str) -> dict[str, Any]:
    _, tab, text = line.partition(b"\t")
    if not tab:
        raise SampleError(where, "found no tab, expected a key, a tab and JSON")
    try:
        content = json.loads(text)
    except RecursionError:
        raise SampleError(where, "is nested too deeply") from None
    except ValueError as error:
        raise SampleError(where, f"its second column is not JSON: {str(error)[:100]}") from None
    if not isinstance(content, dict):
        raise SampleError(where, f"its second column is a JSON {type(content).__name__}, expected an object")
    return content


def _decode(image: Any, where: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise SampleError(where, "its image is not base64") from None


def _annotations(content: dict[str, Any], where: str) -> tuple[str, np.ndarray, list[str]]:
    """Read the caption ("" where object names are to replace it), boxes [N, 4] xyxy in pixels, and N phrases."""
    is_detection = bool(content.get("is_det"))
    caption: Any = "" if is_detection else content.get("caption")
    if not is_detection:
        clean_text(caption, where, "its caption")  # only checked: the places of phrases refer to the text as it is
    annos = content.get("annos")
    if not isinstance(annos, list) or not all(isinstance(anno, dict) for anno in annos):
        raise SampleError(where, "its annos are not a list of JSON objects")
    boxes, phrases = [], []
    for number, anno in enumerate(annos):
        with damaged_boxes(where):
            boxes.append(BoxFile(where).json_box(anno.get("bbox"), f"annotation {number}"))
        phrases.append(
            clean_text(anno.get("category_name"), where, f"annotation {number}: category_name")
            if is_detection
            else _named(caption, anno.get("tokens_positive"), where, number)
        )
    return " ".join(caption.split()), np.array(boxes), phrases


def _named(caption: str, places: Any, where: str, number: int) -> str:
    """Cut a phrase out of a caption at [[start, end], ...], in characters."""
    is_list = isinstance(places, list) and places and all(isinstance(place, list) for place in places)
    if not is_list or not all(len(place) == 2 and all(type(x) is int for x in place) for place in places):
        raise SampleError(where, f"annotation {number}: tokens_positive is {str(places)[:60]}, expected [[start, end]]")
    if not all(0 <= start < end <= len(caption) for start, end in places):
        raise SampleError(where, f"annotation {number}: tokens_positive {str(places)[:60]} lies outside the caption")
    return clean_text(" ".join(caption[start:end] for start, end in places), where, f"annotation {number}: its phrase")
