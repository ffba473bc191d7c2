"""Trajectories as the input files of other video models."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..files import replacing
from .dense import DenseBoxes, boxes_at
from .document import DEFAULT_TOLERANCE, Key, Track, Trajectory, TrajectoryError, chosen_object
from .formats.keyframes import FREETRAJ_FRAMES


def write_bbox_animator(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write a project of BBox-Animator, version 2, in pixels of width x height.

    Eases become straight lines from frame to frame. The format has one stay in the video for each object: one that
    hides in between becomes several. Its prompts of style and scene are left empty.
    """
    scale = (trajectory.width, trajectory.height) * 2
    objects = []
    for track, keys in _linear(trajectory, 0.0):
        for number, stay in enumerate(_stays(keys, trajectory.frames), 1):
            objects.append(
                {
                    "id": track.id if number == 1 else f"{track.id}-{number}",
                    "name": track.phrase or track.id,
                    "prompt": track.phrase,
                    "strength": track.strength,
                    "enabled": True,
                    "start_frame": stay[0].frame,
                    "end_frame": stay[-1].frame,
                    "color": track.color,
                    "keyframes": [
                        {"frame": key.frame, "box": [round(v * s, 4) for v, s in zip(key.box, scale, strict=True)]}
                        for key in stay
                    ],
                }
            )
    project = {"version": 2, "style_prompt": "", "scene_prompt": "", "objects": objects}
    _write(path, json.dumps(project, ensure_ascii=False, indent=1).encode())


def write_trailblazer(path: str | os.PathLike, trajectory: Trajectory, object_id: str | None = None) -> None:
    """Write the keyframes of one object for TrailBlazer, eases as straight lines to 0.4 % of the frame.

    Raises TrajectoryError where it is hidden, and for keyframes in frames side by side after the first one, its own or
    those of the straight lines, which TrailBlazer divides by zero at.
    """
    track, keys = _only(trajectory, object_id, "TrailBlazer", DEFAULT_TOLERANCE)
    for before, after in pairwise(keys[1:]):
        if after.frame - before.frame == 1:
            raise TrajectoryError(_side_by_side(track, before.frame, after.frame))
    phrase = json.dumps(" ".join(track.phrase.split()))  # which YAML reads as text, whatever it holds
    lines = ["keyframe:\n"]
    for key in keys:
        box = ", ".join(f"{value:.6g}" for value in key.box)
        lines.append(f"- bbox_ratios: [{box}]\n  frame: {key.frame}\n  prompt: {phrase}\n")
    words = ", ".join(str(n) for n in range(1, len(track.phrase.split()) + 1))
    lines.append(f"token_inds: [{words}]\nwidth: {trajectory.width}\nheight: {trajectory.height}\n")
    _write(path, "".join(lines).encode())


def _side_by_side(track: Track, before: int, after: int) -> str:
    name, frames = track.phrase or track.id, f"keyframes in frames {before} and {after}"
    needs = "TrailBlazer needs a frame between"
    own = {key.frame for key in track.keys}
    if {before, after} <= own or before >= max(own):  # it rests up to the last frame, which is a key as well
        return f"{name} has {frames}; {needs}: move one of them"
    start, end = next((a, b) for a, b in pairwise(track.keys) if a.frame <= before < b.frame)
    way = f"eased ({start.ease})" if isinstance(start.ease, str) else "eased"
    way = "on a bent path" if start.ease == "linear" else way
    return (
        f"{name} moves {way} from frame {start.frame} to {end.frame}, which takes {frames} as straight lines; {needs}: "
        "make it linear and straight there, or move its two keys apart"
    )


def write_freetraj(path: str | os.PathLike, trajectory: Trajectory, object_id: str | None = None) -> None:
    """Write the keyframes of one object for FreeTraj: frame, top, bottom, left, right in shares of the frame.

    FreeTraj makes 16 frames or more and moves on after the last line, so a shorter video ends with a line for a box
    that rests. Raises TrajectoryError where the object is hidden.
    """
    _, keys = _only(trajectory, object_id, "FreeTraj", 0.0)
    end = max(trajectory.frames, FREETRAJ_FRAMES) - 1
    if keys[-1].frame < end:
        keys.append(replace(keys[-1], frame=end))
    lines = [f"{key.frame}, {y1:.6g}, {y2:.6g}, {x1:.6g}, {x2:.6g}\n" for key in keys for x1, y1, x2, y2 in (key.box,)]
    _write(path, "".join(lines).encode())


def write_sg_i2v(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write boxes for SG-I2V, float32 [N, 2 + F, 2] in pixels of width x height: corners in frame 0, then middles.

    Its boxes keep their size. Raises TrajectoryError for an object that is hidden in any frame, or if there is none.
    """
    boxes, mask = _shown(trajectory)
    tracks = _enabled(trajectory)
    if not tracks:
        raise TrajectoryError("there is no enabled object: SG-I2V needs one or more")
    if not mask.all():
        frame, n = np.argwhere(~mask)[0]
        raise TrajectoryError(_hidden(tracks[n], int(frame), "SG-I2V"))
    corners = boxes[0].reshape(-1, 2, 2)
    middles = ((boxes[..., :2] + boxes[..., 2:]) / 2).transpose(1, 0, 2)
    array = np.concatenate((corners, middles), 1) * np.array([trajectory.width, trajectory.height])
    _write_array(path, array.astype(np.float32))


def write_wan_move(path: str | os.PathLike, points: np.ndarray, visible: np.ndarray) -> None:
    """Write points [F, N, 2] in pixels of the picture and bool [F, N] as Wan-Move's files.

    They are [1, F, N, 2] float32 and, beside it, [1, F, N] bool, named as `path` with visibility for tracks. Raises
    TrajectoryError if `path` has no "tracks" in its name.
    """
    _write_array(visibility_beside(path), visible[None].astype(bool))
    _write_array(path, points[None].astype(np.float32))  # last: without the other file, all points are visible


def visibility_beside(path: str | os.PathLike) -> Path:
    """Where Wan-Move looks for the visibility of points. Raises TrajectoryError if the name does not tell."""
    path = Path(path)
    beside = path.with_name(path.name.replace("tracks", "visibility"))
    if beside == path:
        raise TrajectoryError(f"{path}: the name of a file for Wan-Move must hold 'tracks', as in tracks.npy")
    return beside


def _enabled(trajectory: Trajectory) -> list[Track]:
    return [track for track in trajectory.objects if track.enabled]


def _shown(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """boxes [F, N, 4] and mask [F, N], False also where an overshooting ease has turned a box inside out."""
    boxes, mask = (part.numpy() for part in boxes_at(trajectory))
    return boxes, mask & (boxes[..., 2:] >= boxes[..., :2]).all(-1)


def _linear(trajectory: Trajectory, tolerance: float) -> Iterator[tuple[Track, list[Key]]]:
    """Each enabled object with keys that straight lines join, within `tolerance` (0: as exact as decimals are)."""
    boxes, mask = _shown(trajectory)
    tracks = _enabled(trajectory)
    size, names = (trajectory.width, trajectory.height), tuple(track.phrase for track in tracks)
    dense = DenseBoxes(boxes, mask, names, size=size, fps=trajectory.fps)
    linear = dense.to_trajectory(max(tolerance, 1e-6))
    for track, drawn in zip(tracks, linear.objects, strict=True):
        yield track, list(drawn.keys)


def _stays(keys: list[Key], frames: int) -> Iterator[list[Key]]:
    """The keys of each time in which an object is visible, its first and last frame among them."""
    stay: list[Key] = []
    for key in [*keys, Key(frames, (0, 0, 0, 0), visible=False)]:
        if key.visible:
            stay.append(key)
        elif stay:
            if stay[-1].frame < key.frame - 1:
                stay.append(replace(stay[-1], frame=key.frame - 1))
            yield stay
            stay = []


def _only(trajectory: Trajectory, object_id: str | None, program: str, tolerance: float) -> tuple[Track, list[Key]]:
    """The one object that a file is for, with linear keys. Raises TrajectoryError."""
    found = {track.id: (track, keys) for track, keys in _linear(trajectory, tolerance)}
    track, keys = found[chosen_object(tuple(found), object_id, program)]
    for key in keys:
        if not key.visible:
            raise TrajectoryError(_hidden(track, key.frame, program))
    return track, keys


def _hidden(track: Track, frame: int, program: str) -> str:
    return f"object {track.id!r} is hidden in frame {frame}; {program} cannot say so: show it, or disable the object"


def _write_array(path: str | os.PathLike, array: np.ndarray) -> None:
    content = BytesIO()  # into a file, numpy says of a full disk how many numbers were written, and not where
    np.save(content, array, allow_pickle=False)
    _write(path, content.getvalue())


def _write(path: str | os.PathLike, data: bytes) -> None:
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)
