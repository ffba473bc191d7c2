"""Boxes with a file or a line for each frame and object: labels of YOLO trackers, KITTI tracking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..rows import BoxRows, ObjectNames, is_frame, is_id, joined, rows_of
from .box_file import BoxFile, Row, is_absent, is_number, natural
from .keyframes import read_yaml
from .lines import picture_size

KITTI_FIELDS = (17, 18)
CLASS_FILES = ("classes.txt", "labels.txt", "obj.names", "data.yaml")  # Label Studio, CVAT and Darknet, Ultralytics
LOOKED_AT = 50  # files, to tell what a folder holds and how large its images are
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def is_label_folder(folder: Path) -> bool:
    """Whether a folder holds a text file for each frame, as labels of YOLO have it.

    Captions may lie beside frames too, so some lines must begin with numbers. Its only text file may be anything else,
    so that one must have shares separated by spaces.
    """
    files = _label_files(folder)
    if len(files) > 1 and all(re.search(r"[0-9]$", file.stem) for file in files[:LOOKED_AT]):
        starts = [re.split(r"[\s,;]+", _start(file))[:5] for file in files[:LOOKED_AT]]
        return not any(map(any, starts)) or any(sum(map(is_number, fields)) >= 3 for fields in starts)
    first = next((file for file in map(BoxFile, files[:LOOKED_AT]) if file.text), None)
    if first is None:
        return False
    row = next(first.rows())[1]
    is_label = "," not in first.text and all(re.fullmatch(r"0?\.\d+|[01](\.0*)?", field) for field in row[1:5])
    return len(row) in (5, 6, 7) and (len(files) > 1 or is_label)


def _start(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(200)


def label_folders(folder: Path) -> list[Path]:
    """The folder `labels` in one that a tracker has written. Raises BoxFileError where there are several."""
    labels = folder / "labels"
    if not labels.is_dir() or is_label_folder(folder):
        return []
    parts = [part for part in sorted(labels.iterdir()) if part.is_dir() and is_label_folder(part)]
    if is_label_folder(labels) or not parts:
        return [labels]
    if len(parts) > 1:
        names = ", ".join(f"labels/{part.name}" for part in parts[:8])
        raise BoxFile(folder).error(f"holds several folders of labels: give one of {names}")
    return parts


def _label_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.txt"), key=lambda path: natural(path.name))
    # Zip archives made on a Mac hold a file ._name beside each.
    return [path for path in files if path.name not in CLASS_FILES and not path.name.startswith(".")]


def read_yolo(path: Path, images: Sequence[str] = ()) -> BoxRows:
    """class,cx,cy,w,h[,conf][,id] in shares of the frame, a file for each frame, as trackers write them.

    path    the folder, or the label file of a single image
    images  names of all frames, where they are known: a label file is that of the image with its name

    Else the number at the end of a file's name is the frame. Without ids a class may have one box in a frame; if some
    boxes have ids, those without, which a tracker has not joined to an object, are left out. Names come from one of
    CLASS_FILES, the size from an image of the same name, there or in the folder `images` that goes with a folder
    `labels`.
    """
    folder, paths = (path, _label_files(path)) if path.is_dir() else (path.parent, [path])
    classes, named = _classes(folder)
    if not paths:
        raise BoxFile(folder).error("is no folder of label files, a .txt file for each frame with objects")
    frames = _places_of(paths, images) if images else _frames_of(folder, paths) if len(paths) > 1 else [0]
    entries, objects = [], ObjectNames()
    tables = [(file := BoxFile(path), list(_label_rows(file))) for path in paths]
    # Of six columns the last one is the id of a tracker if it is whole, else a confidence.
    has_confidence = any(len(values) == 7 or values[5:] and values[5] % 1 for _, rows in tables for _, values in rows)
    id_column = 6 if has_confidence else 5
    has_ids = any(len(values) > id_column for _, rows in tables for _, values in rows)
    left_out = 0
    for (file, rows), frame in zip(tables, frames, strict=True):
        seen = set()
        for where, values in rows:
            kind, cx, cy, w, h = values[:5]
            if not all(-0.05 <= value <= 1.05 for value in (cx, cy, w, h)) or not is_id(kind):
                found = ",".join(f"{value:g}" for value in values)
                raise file.error(f"found {found}, expected a class and shares of the frame", where)
            confidence, identity = values[5:id_column], values[id_column:]
            if has_confidence and not (confidence and 0 <= confidence[0] <= 1) or identity and not is_id(identity[0]):
                found = ",".join(f"{value:g}" for value in values[5:]) or "neither"
                raise file.error(f"found {found}, expected a confidence, then a whole id", where)
            if has_ids and not identity:
                left_out += 1
                continue
            name = ("id", identity[0]) if has_ids else ("class", kind)
            if name in seen:
                hint = "" if has_ids else ": ids are missing, so run a tracker that saves them"
                raise file.error(f"found a second box of {name[0]} {name[1]:g} in a frame{hint}", where)
            seen.add(name)
            place = objects.place(f"{name[0]} {name[1]:g}", classes.get(int(kind), ""))
            box = file.corners([cx - w / 2, cy - h / 2, w, h], True, where)
            entries.append((frame, place, box))
    notes = [f"rows without an id left out: {left_out}"] if left_out else []
    notes += [f"classes of {named}"] if named else []
    what = "YOLO labels" + (f" ({', '.join(notes)})" if notes else "")
    size, name = _size_of_images(paths)
    found = BoxRows(
        what, *rows_of(entries), tuple(objects.phrases), size, f"from {name}",
        length=len(images) or max(frames) + 1, in_pixels=False,
        remarks=objects.remarks(),
    )  # fmt: skip
    # A detector writes no file for a frame in which it finds nothing, so two files alone show no rhythm.
    empty = [(frame, None) for frame in {*frames} - {frame for frame, _, _ in entries}]
    return joined(found, frames, empty) if len(frames) > 2 else found


def _classes(folder: Path) -> tuple[dict[int, str], str]:
    """Names of the classes of labels in a folder, and the name of the file that tells them.

    It lies in the folder, above it, or, for labels/train, above `labels`.
    """
    folder = folder.absolute()
    places = [folder, folder.parent, *([folder.parent.parent] if folder.parent.name == "labels" else [])]
    for path in (place / name for place in places for name in CLASS_FILES):
        if not path.is_file():
            continue
        file = BoxFile(path)
        if path.suffix != ".yaml":
            return {n: line.strip() for n, line in enumerate(file.text.split("\n"))}, path.name
        content = read_yaml(file)
        if not isinstance(content, dict) or "names" not in content:
            continue  # of another program
        names = content["names"]
        names = dict(enumerate(names)) if isinstance(names, list) else names
        if not isinstance(names, dict) or not all(type(n) is int and type(name) is str for n, name in names.items()):
            raise file.error("names are no list of texts, and no texts by number: expected names: [dog, cat]")
        return {n: name.strip() for n, name in names.items()}, path.name
    return {}, ""


def _label_rows(file: BoxFile) -> Iterator[tuple[str, list[float]]]:
    """The numbers of each line of a label file, and where it was found."""
    names = {5: "class,cx,cy,w,h", 6: "class,cx,cy,w,h,id", 7: "class,cx,cy,w,h,conf,id"}
    for where, row in file.rows() if file.text else ():
        if len(row) not in names:
            raise file.error(f"found {len(row)} fields, expected {names[7]}", where)
        yield where, file.numbers(row, names[len(row)], where)


def _size_of_images(paths: Sequence[Path]) -> tuple[tuple[int, int] | None, str]:
    """(width, height) of the first image that has the name of a label file, and its name."""
    for path in paths[:LOOKED_AT]:
        folders = [path.parent]
        if "labels" in path.parent.parts:
            parts = list(path.parent.parts)
            parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
            folders.append(Path(*parts))
        for folder in folders:
            for suffix in IMAGE_SUFFIXES:
                image = folder / f"{path.stem}{suffix}"
                if image.is_file() and (size := picture_size(BoxFile(image))):
                    return size, image.name
    return None, ""


def _places_of(paths: Sequence[Path], images: Sequence[str]) -> list[int]:
    """The place of each label file's image."""
    places = {Path(name).stem: place for place, name in enumerate(images)}
    for path in paths:
        if path.stem not in places:
            raise BoxFile(path).error(f"has no image of its name among the frames, such as {images[0]}")
    return [places[path.stem] for path in paths]


def _frames_of(folder: Path, paths: Sequence[Path]) -> list[int]:
    """The number at the end of each name, from the first one on."""
    numbers = []
    for path in paths:
        parts = natural(path.stem)
        number = parts[-2] if len(parts) > 1 and parts[-1] == "" else None
        if number is None:
            raise BoxFile(folder).error(f"{path.name} has no number of a frame at the end of its name")
        numbers.append(int(number))
    if len(set(numbers)) != len(numbers):
        raise BoxFile(folder).error("holds label files of more than one video: give a folder for each")
    return [number - min(numbers) for number in numbers]


def read_kitti(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """frame track type truncated occluded alpha left top right bottom ... of KITTI tracking; DontCare is left out."""
    entries, objects, seen, annotated, absent, left_out = [], ObjectNames(), set(), [], [], 0
    names = "frame,id,left,top,right,bottom"
    columns = len(rows[0][1])
    for where, row in rows:
        if len(row) != columns or columns not in KITTI_FIELDS:
            expected = "17 or 18" if columns not in KITTI_FIELDS else columns
            raise file.error(f"found {len(row)} fields, expected {expected} of KITTI tracking", where)
        gone = is_absent(row[6:10])
        frame, identity, *box = file.numbers([*row[:2], *(["0"] * 4 if gone else row[6:10])], names, where)
        if not is_frame(frame) or not (is_id(identity) or identity == -1):
            raise file.error(
                f"found frame {frame:g}, id {identity:g}; expected whole numbers, frames and ids from 0", where
            )
        annotated.append(int(frame))
        if row[2] == "DontCare":
            left_out += 1
            continue
        if gone:
            absent.append((int(frame), int(identity)))
            continue
        if identity == -1:
            raise file.untracked(identity, where)
        if (frame, identity) in seen:
            raise file.error(f"found a second box for object {identity:g} in the same frame", where)
        seen.add((frame, identity))
        phrase = {"Person_sitting": "sitting person", "Misc": ""}.get(row[2], row[2].lower())
        entries.append((int(frame), objects.place(int(identity), phrase), file.corners(box, False, where)))
    what = "KITTI tracking" + (f" ({left_out} rows of DontCare left out)" if left_out else "")
    found = BoxRows(what, *rows_of(entries), tuple(objects.phrases), may_start_late=True, remarks=objects.remarks())
    file.refuse_shares(found.xyxy, "KITTI")
    return joined(found, annotated, [(frame, objects.known(identity)) for frame, identity in absent])
