"""MOTChallenge: frame,id,left,top,width,height,conf,class,visibility, or ...,conf,x,y,z.

Frames count from 1. Rows with conf 0 do not count: ground truth says so. Pixels are taken as they are, as trackers
write them; the rules of the challenge count them from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..dense import iou
from ..document import DEFAULT_FPS
from ..rows import BoxRows, ObjectNames, is_frame, is_id, joined
from .box_file import BoxFile, Row, is_absent, same_id

NAMES = "frame,id,left,top,width,height,conf,x,y,z".split(",")

# Milan et al., MOT16 (2016): the classes that are things to animate.
CLASSES = {1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike", 7: "static person"}
NUM_CLASSES = 13

# An object overlaps itself one frame later; others with ids side by side do not.
OVERLAP, LEAST_FRAMES = 0.5, 5


def read_mot(file: BoxFile, rows: Sequence[Row]) -> BoxRows:
    """All objects, in the order of their ids.

    Size, rate and length come from seqinfo.ini beside the file or above it, names of classes from labels.txt as CVAT
    writes it. Without one, classes are those of MOT16 where the file surely is of that challenge.
    """
    table, places = _table(file, rows)
    info_file = file.beside("seqinfo.ini") or file.beside("../seqinfo.ini")
    info = info_file.ini("Sequence") if info_file else {}
    names, names_from = _class_names(file, table, info.get("name", ""))
    absent = [
        (file.number(row[0], "frame", where), same_id(row[1]))
        for where, row in rows
        if any(row) and is_absent(row[2:6])
    ]
    absent = [(frame, identity) for frame, identity in absent if is_frame(frame)]
    annotated = np.array([*table[:, 0], *(frame for frame, _ in absent)]) - 1
    counted = table[:, 6] != 0 if table.shape[1] >= 7 else np.ones(len(table), bool)
    absent += [(frame, str(int(identity))) for frame, identity in table[~counted, :2]]
    notes = [_rows(int((~counted).sum()), "with conf 0 left out")] if not counted.all() else []
    if names and names_from == "MOT16":
        wanted = counted & np.isin(table[:, 7], list(names))
        left_out = int(counted.sum() - wanted.sum())
        notes += [_rows(left_out, "of classes that are no objects left out")] if left_out else []
        counted = wanted
    notes += [f"classes of {names_from}"] if names else []
    table, places = table[counted], [place for place, keep in zip(places, counted, strict=True) if keep]
    _refuse_repeated(file, table, places)
    _refuse_swapped(file, table)
    identities, objects = np.unique(table[:, 1], return_inverse=True)
    objects = objects.reshape(-1)
    kinds, labelled = [""] * len(identities), ObjectNames()
    if names:
        for n, identity, kind in zip(objects, table[:, 1], table[:, 7], strict=True):
            kinds[n] = labelled.phrases[labelled.place(int(identity), names.get(int(kind), ""))]

    def setting(name: str, otherwise: float = 0.0) -> float:
        return info_file.setting(info, name, otherwise) if info_file else otherwise

    width, height, length = (int(setting(name)) for name in ("imWidth", "imHeight", "seqLength"))
    xyxy = np.concatenate((table[:, 2:4], table[:, 2:4] + table[:, 4:6]), 1)
    file.refuse_shares(xyxy, "MOT")
    found = BoxRows(
        what="MOTChallenge" + (f" ({', '.join(notes)})" if notes else ""),
        frames=table[:, 0].astype(int) - 1,
        objects=objects,
        xyxy=xyxy,
        phrases=tuple(kinds),
        size=(width, height) if width and height else None,
        size_from="from seqinfo.ini",
        length=length or None,
        fps=setting("frameRate", DEFAULT_FPS),
        may_start_late=True,
        from_sides=True,
        remarks=labelled.remarks(),
    )
    known = {str(int(identity)): n for n, identity in enumerate(identities)}
    return joined(found, annotated.astype(int), [(int(frame) - 1, known.get(name)) for frame, name in absent])


def _table(file: BoxFile, rows: Sequence[Row]) -> tuple[np.ndarray, list[str]]:
    """float64 [K, columns] and the place of each row, checked. Empty lines are skipped."""
    rows = [(where, row) for where, row in rows if any(row) and not is_absent(row[2:6])]
    columns = max(len(rows[0][1]) if rows else 0, 6)
    expected = ",".join(NAMES[:columns])
    table = []
    for where, row in rows:
        values = file.numbers(row, expected, where)
        frame, identity = values[:2]
        if is_frame(frame, 1) and identity == -1:
            raise file.untracked(identity, where)
        if not is_frame(frame, 1) or not is_id(identity):
            raise file.error(
                f"found frame {frame:g}, id {identity:g}; expected whole numbers, frames from 1, ids from 0",
                where,
            )
        file.corners(values[2:6], True, where)
        table.append(values)
    return np.array(table, np.float64).reshape(-1, columns), [where for where, _ in rows]


def _class_names(file: BoxFile, table: np.ndarray, sequence: str) -> tuple[Mapping[int, str], str]:
    """Names of the classes in column 8, and where they are from; none where column 8 may be anything else."""
    if table.shape[1] != 9:
        return {}, ""
    if labels := file.beside("labels.txt"):
        return {n: line.strip() for n, line in enumerate(labels.text.split("\n"), 1)}, "labels.txt"
    classes, visibility = table[:, 7], table[:, 8]
    are_classes = ((classes >= 1) & (classes <= NUM_CLASSES) & (classes == classes.round())).all()
    # Other datasets have whole numbers there: how much is occluded, a flag, or -1.
    are_shares = ((visibility >= 0) & (visibility <= 1)).all() and (visibility != visibility.round()).any()
    is_mot = sequence.upper().startswith("MOT")
    return (CLASSES, "MOT16") if is_mot or (are_classes and are_shares) else ({}, "")


def _refuse_repeated(file: BoxFile, table: np.ndarray, places: Sequence[str]) -> None:
    seen = set()
    for (frame, identity), place in zip(table[:, :2].tolist(), places, strict=True):
        if (frame, identity) in seen:
            raise file.error(f"found a second box for object {identity:g} in the same frame", place)
        seen.add((frame, identity))


def _refuse_swapped(file: BoxFile, table: np.ndarray) -> None:
    """Raise BoxFileError if the ids must be the frames: each "object" lies where the one before it does."""
    frames, identities = (len(np.unique(table[:, column])) for column in (0, 1))
    if identities < max(LEAST_FRAMES, frames + 1):
        return
    rows = table[np.lexsort((table[:, 1], table[:, 0]))]
    here, after = rows[:-1], rows[1:]
    together = here[:, 0] == after[:, 0]
    follows = together & (after[:, 1] - here[:, 1] == 1)
    corners, others = (np.concatenate((part[:, 2:4], part[:, 2:4] + part[:, 4:6]), 1) for part in (here, after))
    overlap = follows & (iou(corners, others) > OVERLAP)
    if overlap.sum() >= 0.9 * max(together.sum(), 1):
        raise file.error(
            f"found {identities} objects in {frames} frames, each where the one before it is: columns 1 and 2 must be "
            "object and frame. Write the frame first"
        )


def _rows(count: int, what: str) -> str:
    return f"{count} {'row' if count == 1 else 'rows'} {what}"
