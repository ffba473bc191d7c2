"""Trajectories as the box files of other programs, by the name of the format."""

from __future__ import annotations

import os

from ..trajectory.document import Trajectory, TrajectoryError
from ..trajectory.write import write_got10k, write_json, write_mot_sequence
from ..trajectory.write_models import (
    write_bbox_animator,
    write_freetraj,
    write_sg_i2v,
    write_trailblazer,
    write_wan_move,
)
from .fit import fit
from .tracks import as_tracks, point_tracks


def _write_points(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write points in each box, as many as Wan-Move needs to move all of it."""
    boxes = fit(trajectory, trajectory.width, trajectory.height, trajectory.frames, crop=False)
    tracks = as_tracks(point_tracks(boxes))
    if not tracks["track_path"].shape[1]:
        raise TrajectoryError("no object is visible and inside the frame in frame 0: Wan-Move moves what is there")
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


def write_boxes(
    path: str | os.PathLike, trajectory: Trajectory, format: str = "json", object_id: str | None = None
) -> None:
    """Write all enabled objects in one of WRITTEN; a format of PER_OBJECT takes one, which `object_id` chooses.

    Raises TrajectoryError for what the format cannot hold.
    """
    if format in _OF_ONE_OBJECT:
        _OF_ONE_OBJECT[format](path, trajectory, object_id)
    elif format in _WHOLE:
        _WHOLE[format](path, trajectory)
    else:
        raise TrajectoryError(f"format is {format!r}: use one of {', '.join(WRITTEN)}")
