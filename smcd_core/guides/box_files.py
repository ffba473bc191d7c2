"""Trajectories as the box files of other programs, by the name of the format."""

from __future__ import annotations

import os

from ..trajectory.document import Trajectory, TrajectoryError
from ..trajectory.write import write_got10k, write_json, write_mot_sequence
from ..trajectory.write_models import write_bbox_animator, write_freetraj, write_sg_i2v, write_trailblazer

_WHOLE = {
    "json": write_json,
    "mot": write_mot_sequence,
    "bbox_animator": write_bbox_animator,
    "sg_i2v": write_sg_i2v,
}
_OF_ONE_OBJECT = {"got10k": write_got10k, "trailblazer": write_trailblazer, "freetraj": write_freetraj}
WRITTEN = (*_WHOLE, *_OF_ONE_OBJECT)
PER_OBJECT = tuple(_OF_ONE_OBJECT)  # these hold one object
# What a name ends in; the others are folders.
SUFFIXES = {"json": ".json", "bbox_animator": ".json", "sg_i2v": ".npy", "trailblazer": ".yaml", "freetraj": ".txt"}


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
