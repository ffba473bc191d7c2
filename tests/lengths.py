"""A trajectory at another number of frames: what web/trajectory/length.js is compared with."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from smcd_core.trajectory.dense import sample_track
from smcd_core.trajectory.document import (
    COORDINATE_RANGE,
    MAX_FRAMES,
    Box,
    Key,
    Trajectory,
    TrajectoryError,
    whole_number,
)


def with_frames(trajectory: Trajectory, frames: int, mode: str = "keep") -> Trajectory:
    """The trajectory at another length.

    keep     keys keep their frame numbers. Raises TrajectoryError if a key would lie past the new end.
    stretch  keys move in proportion; of two that meet on one frame the later one stays.
    crop     the boxes of the frames that remain do not change; keys past the new end go.
    """
    if mode not in ("keep", "stretch", "crop"):
        raise TrajectoryError(f"mode is {mode!r}: use keep, stretch or crop")
    frames = whole_number(frames, "frames", 1, MAX_FRAMES)
    if mode == "keep":
        late = max((track.keys[-1].frame for track in trajectory.objects), default=0)
        if late >= frames:
            raise TrajectoryError(f"a key at frame {late} lies past the end of {frames} frames: use stretch or crop")
        return replace(trajectory, frames=frames)
    if mode == "stretch":
        scale = (frames - 1) / max(trajectory.frames - 1, 1)
        keys = [_stretched(track.keys, scale) for track in trajectory.objects]
    else:
        size = (trajectory.width, trajectory.height)
        keys = [_cropped(track.keys, frames, size) for track in trajectory.objects]
    tracks = tuple(replace(track, keys=new) for track, new in zip(trajectory.objects, keys, strict=True))
    return replace(trajectory, frames=frames, objects=tracks)


def _stretched(keys: Sequence[Key], scale: float) -> tuple[Key, ...]:
    frames = [int(key.frame * scale + 0.5) for key in keys]  # halves go up, as Math.round has them
    moved = {frame: replace(key, frame=frame) for frame, key in zip(frames, keys, strict=True)}
    return tuple(moved.values())


def _cropped(keys: Sequence[Key], frames: int, size: tuple[int, int]) -> tuple[Key, ...]:
    """Keys before the cut. An eased segment that the cut goes through becomes one key per frame, as half of it would
    need another curve.
    """
    inside = [key for key in keys if key.frame < frames]
    if not inside:
        return (replace(keys[0], frame=0),)
    cut = inside[-1]
    if len(inside) == len(keys) or cut.frame == frames - 1 or cut.ease == "hold":
        return tuple(inside)
    times = np.arange(cut.frame + 1 if cut.ease != "linear" else frames - 1, frames)
    boxes, _ = sample_track(keys, times.astype(np.float64), size)
    baked = [Key(int(time), _allowed(box), "linear", cut.visible) for time, box in zip(times, boxes, strict=True)]
    return (*inside[:-1], replace(cut, ease="linear"), *baked)


def _allowed(box: np.ndarray) -> Box:
    """A box that an overshooting ease has made, as a key may have it: inverted sides meet in their middle, where the
    model does not see the box either.
    """
    x1, y1, x2, y2 = np.clip(box, *COORDINATE_RANGE).tolist()
    x1, x2 = (x1, x2) if x1 <= x2 else ((x1 + x2) / 2,) * 2
    y1, y2 = (y1, y2) if y1 <= y2 else ((y1 + y2) / 2,) * 2
    return x1, y1, x2, y2
