"""Names of the columns of a table of boxes: in ours, and in those of pandas, supervision and VoTT."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

CSV_HEADER = ["frame", "object", "x1", "y1", "x2", "y2"]
EXPECTED = "columns frame, object, label, and x1, y1, x2, y2 or x, y, width, height"

# Names of each column as `plain` writes them; the first one that is there counts.
_NAMES = {
    "frame": "frame frameid frameindex frameidx framenumber framenum frameno image imageid filename imagepath path",
    "object": "trackid trackerid objectid objid object track id",
    "label": "classname categoryname labelname label name class category object",
    "x1": "x1 xmin left bbleft boxleft bboxleft bboxx1 xtl",
    "y1": "y1 ymin top bbtop boxtop bboxtop bboxy1 ytl",
    "x2": "x2 xmax right bbright bboxright bboxx2 xbr",
    "y2": "y2 ymax bottom bbbottom bboxbottom bboxy2 ybr",
    "x": "x bboxx",
    "y": "y bboxy",
    "w": "w width bbwidth boxwidth bboxwidth bboxw",
    "h": "h height bbheight boxheight bboxheight bboxh",
    "cx": "cx xcenter xcentre centerx centrex",
    "cy": "cy ycenter ycentre centery centrey",
    "image_w": "imagewidth imgwidth framewidth videowidth imwidth",
    "image_h": "imageheight imgheight frameheight videoheight imheight",
    "gone": "lost outside outofview absent",
    "seen": "visible inview present",
    "conf": "conf confidence score",
}
# What says that an object is absent, and what it says then.
ABSENCE = {name: column == "gone" for column in ("gone", "seen") for name in _NAMES[column].split()}
FRAME_NAMES = frozenset(_NAMES["frame"].split())
OBJECT_NAMES = tuple(name for name in _NAMES["object"].split() if name not in _NAMES["label"].split())
VIDEO_COLUMNS = ("video", "videoid", "videoname", "sequence", "sequenceid", "sequencename", "clip", "clipid")
CORNERS = (("x1", "y1", "x2", "y2"), ("x1", "y1", "w", "h"), ("x", "y", "w", "h"), ("cx", "cy", "w", "h"))
# Of lines of one object.
LINE_HEADERS = {
    ("x1", "y1", "x2", "y2"): "xyxy",
    ("xmin", "ymin", "xmax", "ymax"): "xyxy",
    ("x", "y", "w", "h"): "xywh",
    ("x", "y", "width", "height"): "xywh",
}


def plain(name: str) -> str:
    """The name of a column in lower case, without spaces, dashes, dots and underscores."""
    return re.sub(r"[\s_.-]", "", name.lower())


def columns_of(header: Sequence[str]) -> Mapping[str, int] | None:
    """The place of each known column of a header, None if it does not tell boxes by frame."""
    places = known_columns(header)
    has_box = any(places.keys() >= set(names) for names in CORNERS)
    return places if has_box and "frame" in places else None


def lacking(header: Sequence[str]) -> str:
    """Which columns a header lacks, in words."""
    places = known_columns(header)
    most = max(CORNERS, key=lambda names: len(places.keys() & set(names)))
    is_box = bool(places.keys() & set(most))
    found = f"found the header {','.join(header)[:80]!r}"
    if not is_box and "frame" not in places:
        return f"{found}, expected {EXPECTED}"
    absent = [name for name in ("frame", *(most if is_box else CORNERS[0])) if name not in places]
    return f"{found}, which lacks {', '.join(absent)}: expected {EXPECTED}"


def known_columns(header: Sequence[str]) -> Mapping[str, int]:
    """The place of each known column of a header."""
    found = [plain(name) for name in header]
    places: dict[str, int] = {}
    for column, names in _NAMES.items():
        free = [name for name in names.split() if name in found and found.index(name) not in places.values()]
        if free:
            places[column] = found.index(free[0])
    return places


def repeated(header: Sequence[str]) -> str | None:
    """The first known column that a header names twice."""
    found = [plain(name) for name in header]
    return next((header[place] for place in known_columns(header).values() if found.count(found[place]) > 1), None)


def is_words(fields: Sequence[str]) -> bool:
    """Whether fields may name columns, known or not: different words. A first line of "none" or "10px" is data."""
    return all(field[:1].isalpha() for field in fields) and len({*fields}) == len(fields)


def is_header(fields: Sequence[str]) -> bool:
    """Whether fields name columns that are known."""
    return tuple(map(plain, fields)) in LINE_HEADERS or columns_of(fields) is not None
