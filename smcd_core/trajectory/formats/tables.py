"""Boxes as CSV with a header: ours, and those of pandas, supervision and VoTT. Tracks of VATIC, which have none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..rows import BoxRows, ObjectNames, all_are_shares, is_frame, joined, rows_of
from .box_file import BoxFile, Row, is_absent, is_number, natural, same_id
from .headers import CORNERS, CSV_HEADER, VIDEO_COLUMNS, columns_of, lacking, plain, repeated

_VATIC = "track_id,xmin,ymin,xmax,ymax,frame,lost,occluded,generated,label".split(",")


def read_csv(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """Frames from 0 under our header. Objects are numbers or names; a name without a label is the phrase as well."""
    (where, header), *rest = rows
    if columns_of(header) is None:
        raise file.error(lacking(header), where)
    if name := repeated(header):
        raise file.error(f"found the column {name[:40]!r} twice: keep one of them", where)
    return _read_table(file, header, rest, "CSV")


def read_vatic(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """track_id xmin ymin xmax ymax frame lost occluded generated "label", frames from 0, and attributes after that.

    VATIC writes such files, also those of the Stanford Drone Dataset. Rows that are lost have no object.
    """
    table = []
    is_quoted = '"' in file.text  # without quotes, words after the first still belong to the label
    for where, row in rows:
        if len(row) < len(_VATIC) or row[6] not in ("0", "1"):
            found = f"{len(row)} fields" if len(row) < len(_VATIC) else f"lost {row[6][:40]!r}"
            raise file.error(f"found {found}, expected {','.join(_VATIC)} with 0 or 1 for lost", where)
        label = row[9] if is_quoted else " ".join(row[9:])
        if is_number(label):
            raise file.error(f"found label {label[:40]!r}, expected a name", where)
        table.append((where, [*row[:9], label]))
    found = _read_table(file, _VATIC, table, "VATIC", from_zero=True)
    file.refuse_shares(found.xyxy, "VATIC")
    return found


def _read_table(
    file: BoxFile, header: Sequence[str], rows: Sequence[Row], what: str, from_zero: bool = False
) -> BoxRows:
    """from_zero: frames are counted from 0 under our header, and otherwise where this says so"""
    columns: Mapping[str, int] = columns_of(header) or {}
    is_ours = [name.lower() for name in header] == CSV_HEADER
    box_names = next(names for names in CORNERS if columns.keys() >= set(names))
    needed = ",".join(CSV_HEADER) if is_ours else ",".join(header)
    _refuse_several_videos(file, rows, header)
    frames = _frame_numbers(file, rows, columns, header, needed)
    from_one = not is_ours and not from_zero and min(frames, default=0) == 1  # others count from 1
    columns = _without_row_numbers(columns, header, rows, frames)
    entries, objects, seen, absent, left_out = [], ObjectNames(), set(), [], 0
    for (where, row), frame in zip(rows, frames, strict=True):
        label = row[columns["label"]] if "label" in columns else None
        name = same_id(row[columns["object"]]) if "object" in columns else label
        if is_absent([row[columns[name]] for name in box_names]) or _is_gone(file, columns, row, where):
            absent.append((frame - from_one, name))
            continue
        if "conf" in columns and re.fullmatch(r"0(\.0*)?", row[columns["conf"]]):  # as in MOT
            absent.append((frame - from_one, name))
            left_out += 1
            continue
        box = [file.number(row[columns[name]], ",".join(box_names), where) for name in box_names]
        if name == "-1":
            raise file.untracked(-1, where)
        place = objects.place(name, _phrase(name, label))
        if (frame, name) in seen:
            raise file.error(
                "found a second box"
                + ("" if name is None else f" for object {name!r}")
                + " in the same frame"
                + ("" if "object" in columns else ": add a column 'object' that tells them apart"),
                where,
            )
        seen.add((frame, name))
        entries.append((frame - from_one, place, _corners(file, box, box_names, where)))
    numbers, places, xyxy = rows_of(entries)
    # Rows at the end that say that nothing is there tell how long the video is.
    last = max(frames, default=-1) - from_one
    length = last + 1 if last > numbers.max(initial=-1) else None
    is_shares = all_are_shares(xyxy)
    what = ("CSV of corners" if is_ours else what) + (" in shares of the frame" if is_shares else "")
    what += f" ({left_out} {'row' if left_out == 1 else 'rows'} with conf 0 left out)" if left_out else ""
    size = _told_size(file, columns, header, rows) or _size_of_image(columns, header, rows, box_names, xyxy)
    found = BoxRows(
        what, numbers, places, xyxy, tuple(objects.phrases), size, "from the file", length=length,
        in_pixels=not is_shares,
        from_sides=box_names[2] == "w" and box_names[0] != "cx",
        remarks=(*objects.remarks(), *_as_roboflow(header)),
    )  # fmt: skip
    # Rows at the start that say that nothing is there tell that the video starts with them.
    starts_late = bool(len(numbers)) and numbers.min() + from_one == min(frames)
    annotated = [frame - from_one for frame in frames]
    marks = [(frame, objects.known(name)) for frame, name in absent]
    return joined(replace(found, may_start_late=starts_late and not is_ours), annotated, marks)


def _as_roboflow(header: Sequence[str]) -> tuple[str, ...]:
    """A sentence where columns have the names of Roboflow's predictions, in which x and y are the centre."""
    if not {"x", "y", "width", "height", "class", "confidence"} <= {name.strip().lower() for name in header}:
        return ()
    centre = "if they are the centre, as in Roboflow's JSON, call them cx and cy"
    return (f"x and y are read as the left top corner: {centre}",)


def _is_gone(file: BoxFile, columns: Mapping[str, int], row: Sequence[str], where: str) -> bool:
    """Whether a column such as lost or visible says that the object is not there; an occluded one is."""
    for column, gone in (("gone", True), ("seen", False)):
        if column in columns and (field := row[columns[column]].lower()) not in ("", "nan"):
            words = {"true": 1, "yes": 1, "false": 0, "no": 0}
            says = words[field] if field in words else file.number(field, column, where)
            if bool(says) is gone:
                return True
    return False


def _told_size(
    file: BoxFile, columns: Mapping[str, int], header: Sequence[str], rows: Sequence[Row]
) -> tuple[int, int] | None:
    """(width, height) of columns such as image_width."""
    if not columns.keys() >= {"image_w", "image_h"} or not rows:
        return None
    places = [columns["image_w"], columns["image_h"]]
    sizes = {tuple(row[place] for place in places) for _, row in rows}
    if len(sizes) > 1:
        raise file.error(f"column {header[places[0]][:40]!r} tells of {len(sizes)} sizes: give the rows of one")
    sides = sizes.pop()
    if not all(re.fullmatch(r"[1-9]\d{0,5}(\.0*)?", side, re.ASCII) for side in sides):
        raise file.error(f"found an image of {' x '.join(sides)[:40]!r}, expected whole numbers of pixels", rows[0][0])
    return int(float(sides[0])), int(float(sides[1]))


def _refuse_several_videos(file: BoxFile, rows: Sequence[Row], header: Sequence[str]) -> None:
    for place, name in enumerate(map(plain, header)):
        videos = {row[place] for _, row in rows if place < len(row)} if name in VIDEO_COLUMNS else set()
        if len(videos) > 1:
            raise file.error(f"column {header[place][:40]!r} tells of {len(videos)} videos: give the rows of one")


def _frame_numbers(
    file: BoxFile, rows: Sequence[Row], columns: Mapping[str, int], header: Sequence[str], needed: str
) -> list[int]:
    for where, row in rows:
        if len(row) != len(header):
            raise file.error(f"found {len(row)} fields, expected {needed}", where)
    names = [row[columns["frame"]] for _, row in rows]
    if names and not any(re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", name, re.ASCII) for name in names):
        if plain(header[columns["frame"]]) not in ("frame", "frameid"):
            return _numbers_in(file, names, header[columns["frame"]])
    numbers = []
    for (where, _), name in zip(rows, names, strict=True):
        frame = file.number(name, needed, where)
        if not is_frame(frame):
            raise file.error(f"found frame {name}, expected a whole number from 0", where)
        numbers.append(int(frame))
    return numbers


def _numbers_in(file: BoxFile, names: Sequence[str], column: str) -> list[int]:
    """The frames that names of images tell, in the one number in which they differ.

    VoTT's end with a time, #t=0.066667: the smallest step between two is a frame.
    """
    if len(set(names)) == 1:
        return [0] * len(names)
    if all(re.search(r"#t=[0-9.]+$", name) for name in names) and len({name.split("#t=")[0] for name in names}) == 1:
        times = [file.number(name.split("#t=")[1], column, "") for name in names]
        steps = np.diff(np.unique(times))
        frames = np.array(times) / steps.min()
        if (np.abs(frames - frames.round()) <= 0.1).all():
            return [int(frame) for frame in frames.round()]
    else:
        # Roboflow adds the hash of an image to its name.
        parts = [natural(re.sub(r"\.rf\.[0-9a-f]+", "", name)) for name in names]
        differ = {n for one in parts for n, part in enumerate(one) if len(one) != len(parts[0]) or part != parts[0][n]}
        if len(differ) == 1 and (place := differ.pop()) % 2:
            return [int(one[place]) for one in parts]
    raise file.error(
        f"the names in column {column[:40]!r} do not tell the frame, as they differ in more than one number: add a "
        "column 'frame'"
    )


def _without_row_numbers(
    columns: Mapping[str, int], header: Sequence[str], rows: Sequence[Row], frames: Sequence[int]
) -> Mapping[str, int]:
    """The columns without one named id that counts the rows of several frames, as tables of pandas have it."""
    place = columns.get("object")
    if place is None or header[place].strip().lower() != "id" or len(rows) < 3 or len(set(frames)) < 2:
        return columns
    ids = [same_id(row[place]) for _, row in rows]
    if ids not in ([str(n + first) for n in range(len(rows))] for first in (0, 1)):
        return columns
    return {name: column for name, column in columns.items() if name != "object"}


def _size_of_image(
    columns: Mapping[str, int], header: Sequence[str], rows: Sequence[Row], box_names: Sequence[str], xyxy: np.ndarray
) -> tuple[int, int] | None:
    """(width, height) that tables of corners tell of the image, as those of Roboflow; None if they are the box's."""
    if box_names[2] != "x2" or not columns.keys() >= {"w", "h"} or not len(xyxy):
        return None
    places = [columns["w"], columns["h"]]
    sizes = {tuple(row[place] for place in places) for _, row in rows}
    if [header[place].strip().lower() for place in places] != ["width", "height"] or len(sizes) != 1:
        return None
    width, height = sizes.pop()
    if not all(re.fullmatch(r"[1-9]\d{0,5}", side, re.ASCII) for side in (width, height)):
        return None
    is_inside = (xyxy[:, 2] <= int(width)).all() and (xyxy[:, 3] <= int(height)).all()
    return (int(width), int(height)) if is_inside else None


def _phrase(name: str | None, label: str | None) -> str:
    text = (name or "") if label is None else label
    text = re.sub("^'(?=[=+@-])", "", text)  # which keeps a spreadsheet from calculating it
    return "" if re.fullmatch(r"-?[\d.]*", text) else text


def _corners(file: BoxFile, box: Sequence[float], names: Sequence[str], where: str) -> list[float]:
    if names[0] == "cx":
        cx, cy, w, h = box
        box = [cx - w / 2, cy - h / 2, w, h]
    if not all(map(math.isfinite, box)):
        raise file.error(f"found box {list(box)}, expected finite numbers", where)
    return file.corners(box, names[2] == "w", where)
