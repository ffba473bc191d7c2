"""Tell the format of a file by its content and by what lies beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..rows import BY_FRAME
from .annotation_tools import is_label_studio
from .bbox_animator import is_bbox_animator
from .box_file import BoxFile, Row, is_absent, is_number
from .folders import KITTI_FIELDS
from .headers import CSV_HEADER, EXPECTED, LINE_HEADERS, columns_of, is_words, known_columns, lacking, plain
from .lines import layouts_of_four

LOOKED_AT = 2000  # lines, to tell what a long file holds


def detect_json(file: BoxFile, content: Any) -> str:
    """The format of a JSON file. Raises BoxFileError for one that holds no boxes."""
    if isinstance(content, dict) and {"videos", "annotations"} <= content.keys():
        return "youtube_vis"
    if is_bbox_animator(content):
        return "bbox_animator"
    if isinstance(content, dict) and "objects" in content:
        return "json"
    if is_label_studio(content):
        return "label_studio"
    if is_value(content):
        return "values"
    if isinstance(content, dict) and {"nodes", "links"} <= content.keys():
        raise file.error("is a workflow of ComfyUI: open it there, and save the boxes in the editor")
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        raise file.error(
            "is COCO, whose boxes belong to single images and name no object: track them and write "
            "frame,id,x,y,w,h as CSV, or MOT, or videos as YouTube-VIS has them"
        )
    found = f"keys {', '.join(map(repr, list(content)[:8])) or 'none'}" if isinstance(content, dict) else "a list"
    expected = f"'objects' (a trajectory), 'videos' and 'annotations' (YouTube-VIS), or {BY_FRAME}"
    raise file.error(f"JSON with {found}: expected {expected}")


def detect_lines(file: BoxFile, rows: Sequence[Row]) -> str:
    """The format of a file of lines. Raises BoxFileError where it is none, or where there is a choice."""
    where, first = rows[0]
    is_short = len(first) > 1 and is_words(first) and known_columns(first)  # a header of which most is missing
    if is_short or (len(first) > 3 and not any(map(is_number, first))):
        return _of_header(file, first, where)
    if len(first) == 4:
        layouts = layouts_of_four(file, rows)
        if len(layouts) > 1:
            names = {"xyxy": "x1,y1,x2,y2", "xywh": "x,y,w,h"}
            may_be = " or ".join(names[layout] for layout in layouts)
            raise file.choice(f"4 numbers per line may be {may_be}", "format", layouts)
        return layouts[0]
    if len(first) == 6 and all(map(is_number, first)):
        header = ",".join(CSV_HEADER)
        raise file.choice(
            "6 numbers per line may be MOT or corners", "format", ("mot",), otherwise=f"put {header} on top"
        )
    if len(first) == 8:
        if all(_is_visdrone_detection(row) for _, row in rows if any(row)):
            raise file.error(
                "8 numbers per line that end in a score and small whole numbers are detections of VisDrone, without "
                "frame and object: expected boxes with both"
            )
        if all(_is_mot_like(row) for _, row in rows if any(row)):
            raise file.choice("8 numbers per line may be MOT or the corners of a polygon", "format", ("mot", "vot"))
        return "vot"
    if len(first) >= 10 and all(map(is_number, first[:9])) and first[9] and not is_number(first[9]):
        return "vatic"
    if len(first) in (7, 9, 10):
        is_sequence = file.beside("seqinfo.ini") or file.beside("../seqinfo.ini")
        if not is_sequence and not _may_be_mot(rows):
            raise file.choice(
                f"{len(first)} numbers per line that are no MOT lines (whole numbers of frame and object first, then "
                "left, top, width, height in pixels); labels of YOLO and detections look so, and hold no frame",
                "format",
                ("mot",),
                otherwise=f"put a header with {EXPECTED} on top",
            )
        return "mot"
    if len(first) in KITTI_FIELDS:
        return "kitti"
    if len(first) == 5 and "," in file.text.rsplit("\n", 1)[-1]:  # the first lines may be comments
        return "freetraj"
    if len(first) == 5 and all(map(is_number, first)):
        raise file.choice(
            "5 numbers per line are YOLO labels of one image",
            "format",
            ("yolo",),
            otherwise="give the folder with a file per frame",
        )
    expected = f"4 numbers, 7 to 10 numbers (MOT), JSON, or the header {','.join(CSV_HEADER)}"
    raise file.error(f"found {len(first)} fields, first is {''.join(first[:1])[:40]!r}; expected {expected}", where)


def is_value(content: Any) -> bool:
    """Whether JSON holds boxes or points as nodes of ComfyUI pass them."""
    while isinstance(content, list) and content:
        content = content[0]
    if isinstance(content, str):
        return True
    return isinstance(content, dict) and (
        {"x", "y"} <= content.keys() or "track_path" in content or "predictions" in content
    )


def _of_header(file: BoxFile, header: Sequence[str], where: str) -> str:
    names = tuple(map(plain, header))
    if names in LINE_HEADERS:
        return LINE_HEADERS[names]
    if columns_of(header) is None:
        raise file.error(lacking(header), where)
    return "csv"


def _whole(field: str) -> bool:
    return is_number(field) and "nan" not in field.lower() and float(field) == round(float(field), 0)


def _may_be_mot(rows: Sequence[Row]) -> bool:
    """Whether most lines start with a frame and an object, and have a box of some pixels and a score up to 1."""
    some = rows[:: max(1, len(rows) // LOOKED_AT)]
    lines = [row for _, row in some if any(row) and not is_absent(row[2:6])]
    return 2 * sum(map(_is_mot_row, lines)) >= len(lines)


def _is_mot_row(row: Sequence[str]) -> bool:
    if len(row) < 7 or not all(map(is_number, row[:7])):
        return False
    _, identity, *box, score = map(float, row[:7])
    is_box = min(box[2:]) > 2 or max(box) <= 1.05  # shares, which the reader refuses in better words
    return _whole(row[0]) and _whole(row[1]) and identity >= -1 and is_box and -1 <= score <= 1


def _is_mot_like(row: Sequence[str]) -> bool:
    """Whether a line of a polygon may be one of MOT: its last corner would lie at 0."""
    return len(row) > 7 and _is_mot_row(row) and is_number(row[7]) and abs(float(row[7])) <= 1


def _is_visdrone_detection(row: Sequence[str]) -> bool:
    """left,top,width,height,score,category,truncation,occlusion"""
    if len(row) != 8 or not all(map(is_number, row)):
        return False
    return 0 <= float(row[4]) <= 1 and all(_whole(flag) and -1 <= float(flag) <= 12 for flag in row[5:])
