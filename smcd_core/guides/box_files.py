"""Trajectories as the box files of other programs, by the name of the format."""

from __future__ import annotations

import os
from pathlib import Path

from ..trajectory.document import Trajectory, TrajectoryError
from ..trajectory.write import write_got10k, write_json, write_mot_sequence
from ..trajectory.write_models import (
    visibility_beside,
    write_bbox_animator,
    write_freetraj,
    write_sg_i2v,
    write_trailblazer,
    write_wan_move,
)
from .fit import fit
from .tracks import as_tracks, counted, point_tracks


def _write_points(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write points in each box, as many as Wan-Move needs to move all of it."""
    boxes = fit(trajectory, trajectory.width, trajectory.height, trajectory.frames, crop=False)
    points = point_tracks(boxes)
    counted(boxes, points)
    tracks = as_tracks(points)
    write_wan_move(path, tracks["track_path"].numpy(), tracks["track_visibility"].numpy())


_WHOLE = {
    "json": write_json,
    "mot": write_mot_sequence,
    "bbox_animator": write_bbox_animator,
    "sg_i2v": write_sg_i2v,
    "wan_move": _write_points,
}
_OF_ONE_OBJECT = {"got10k": write_got10k, "trailblazer": write_trailblazer, "freetraj": write_freetraj}
WRITTEN = (*_WHOLE, *_OF_ONE_OBJECT)
PER_OBJECT = tuple(_OF_ONE_OBJECT)  # these hold one object
# What a name ends in; the others are folders.
SUFFIXES = {
    "json": ".json",
    "bbox_animator": ".json",
    "sg_i2v": ".npy",
    "wan_move": "tracks.npy",
    "trailblazer": ".yaml",
    "freetraj": ".txt",
}
_FOLDERS = {"mot": ("seqinfo.ini", "gt/gt.txt"), "got10k": ("groundtruth.txt", "meta_info.ini", "absence.label")}
_OF_FILES = (".json", ".npy", ".yaml", ".yml", ".txt", ".csv", ".xml")  # which name a format


def write_boxes(
    path: str | os.PathLike, trajectory: Trajectory, format: str = "json", object_id: str | None = None
) -> list[Path]:
    """Write all enabled objects in one of WRITTEN; a format of PER_OBJECT takes one, which `object_id` chooses.

    returns  the files

    Raises TrajectoryError for what the format cannot hold, and for a name that its readers would not find.
    """
    check_name(path, format)
    if format in _OF_ONE_OBJECT:
        _OF_ONE_OBJECT[format](path, trajectory, object_id)
    else:
        _WHOLE[format](path, trajectory)
    if format == "wan_move":
        return [Path(path), visibility_beside(path)]
    return [Path(path) / name for name in _FOLDERS[format]] if format in _FOLDERS else [Path(path)]


def check_name(path: str | os.PathLike, format: str) -> None:
    """Raise TrajectoryError unless the name is one for a file, or folder, of that format."""
    if format not in WRITTEN:
        raise TrajectoryError(f"format is {format!r}: use one of {', '.join(WRITTEN)}")
    suffix = Path(path).suffix.lower().replace(".yml", ".yaml")
    if suffix not in _OF_FILES:
        return
    if format in _FOLDERS:
        *most, last = _FOLDERS[format]
        names = f"{', '.join(most)} and {last}"
        raise TrajectoryError(f"{path}: {format} is a folder with {names}: name it without {suffix}")
    if not SUFFIXES[format].endswith(suffix):
        raise TrajectoryError(f"{path}: {format} is a file whose name ends in {SUFFIXES[format]}: name it so")
