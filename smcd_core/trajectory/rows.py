"""The boxes of one video as files list them: what every reader of a format gives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from .dense import DenseBoxes
from .document import DEFAULT_FPS, MAX_FRAMES, MAX_OBJECTS, TrajectoryError

LAST_FRAME = 10**9  # as long as videos are; larger numbers are something else
LISTED = 8  # frames in one sentence
BY_FRAME = 'boxes for each frame: [[{"x": 10, "y": 20, "width": 60, "height": 40, "label": "dog"}, ...], ...]'
MAX_PIXELS = 10**6  # of a coordinate, which may lie outside the frame


class NoSizeError(TrajectoryError):
    """Boxes whose frame has no known size."""

    def __init__(self, found: str = ""):
        what = f"{found}: " if found else ""
        super().__init__(f"{what}the size of the frame in pixels is not known: give width and height")


@dataclass(frozen=True)
class BoxRows:
    """K boxes of the N objects of one video. Far fewer than frames x objects in long videos.

    what       the format, in words
    frames     int [K], from 0
    objects    int [K], indices into `phrases`
    xyxy       float64 [K, 4] in pixels, or in units of the frame if `in_pixels` is False
    phrases    N phrases, "" for an object that the file does not name
    size       (width, height) of the frame in pixels, None if the file does not tell it
    size_from  where the size was found, in words
    length     number of frames, None if the file does not tell it
    may_start_late  whether frame numbers may be those of a longer video that this is a part of
    from_sides      whether the file lists left, top, width and height
    remarks         what users may not expect
    """

    what: str
    frames: np.ndarray
    objects: np.ndarray
    xyxy: np.ndarray
    phrases: tuple[str, ...]
    size: tuple[int, int] | None = None
    size_from: str = "as given"
    length: int | None = None
    fps: float = DEFAULT_FPS
    in_pixels: bool = True
    may_start_late: bool = False
    from_sides: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def last_frame(self) -> int:
        """-1 without any box"""
        return int(self.frames.max(initial=-1))

    def at(self, frames: Sequence[int], size: tuple[int, int] | None = None) -> DenseBoxes:
        """The boxes in some rising frames, not clipped. `size` is that of the frame where the file tells none."""
        frames = np.asarray(frames)
        size = self.size or size
        if size is None:
            raise NoSizeError
        boxes = np.zeros((len(frames), len(self.phrases), 4))
        mask = np.zeros(boxes.shape[:2], bool)
        places = np.searchsorted(frames, self.frames).clip(max=len(frames) - 1)
        inside = frames[places] == self.frames
        places, objects = places[inside], self.objects[inside]
        boxes[places, objects] = self.xyxy[inside] / (np.tile(size, 2) if self.in_pixels else 1)
        mask[places, objects] = True
        return DenseBoxes(boxes, mask, self.phrases, size=size, fps=self.fps)

    def between(self, first: int, last: int) -> BoxRows:
        """The frames from first to last, numbered from 0, and the objects with a box in them."""
        inside = (self.frames >= first) & (self.frames <= last)
        seen, objects = np.unique(self.objects[inside], return_inverse=True)
        return replace(
            self,
            frames=self.frames[inside] - first,
            objects=objects,
            xyxy=self.xyxy[inside],
            phrases=tuple(self.phrases[n] for n in seen),
            length=last - first + 1,
        )


class ObjectNames:
    """The objects of a file in the order in which they come, with the first label of each as its phrase."""

    def __init__(self) -> None:
        self.phrases: list[str] = []
        self._places: dict[Hashable, int] = {}
        self._labels: dict[Hashable, dict[str, None]] = {}

    def place(self, identity: Hashable, phrase: str) -> int:
        """The index of an object, which a row of the file calls so."""
        if identity not in self._places:
            self._places[identity] = len(self.phrases)
            self.phrases.append(phrase)
        self._labels.setdefault(identity, {})[phrase] = None
        return self._places[identity]

    def known(self, identity: Hashable) -> int | None:
        """The index of an object, None for one without a box."""
        return self._places.get(identity)

    def remarks(self) -> tuple[str, ...]:
        """A sentence if the label of an object changes."""
        changed = [(name, list(labels)) for name, labels in self._labels.items() if len(labels) > 1]
        if not changed:
            return ()
        name, labels = changed[0]
        shown = ", ".join(label[:40] for label in labels[:4])
        count = len(changed)
        return (f"objects whose label changes, and keep the first: {count} (object {str(name)[:40]}: {shown})",)


def rows_of(entries: Sequence[tuple[int, int, Sequence[float]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`frames`, `objects` and `xyxy` of BoxRows, from entries of frame, object and box."""
    frames, objects = (np.array([entry[part] for entry in entries], int) for part in (0, 1))
    return frames, objects, np.array([entry[2] for entry in entries], np.float64).reshape(-1, 4)


def is_frame(number: float, first: int = 0) -> bool:
    """Whether a finite number may be that of a frame; `first` is where a format counts from."""
    return first <= number <= LAST_FRAME and number == int(number)


def is_id(number: float) -> bool:
    """Whether a finite number may be the id of an object. From 2**53 on, floats cannot tell whole numbers apart."""
    return 0 <= number < 2**53 and number == int(number)


def all_are_shares(xyxy: np.ndarray) -> bool:
    """Whether boxes [K, 4] are in shares of the frame: in pixels they would lie in a corner of a pixel."""
    return bool(xyxy.size and xyxy.any() and (xyxy >= -0.05).all() and (xyxy <= 1.05).all())


def check_counts(frames: int, objects: int) -> None:
    """Asked before the work: some of it takes the square of the number of objects."""
    if frames > MAX_FRAMES or objects > MAX_OBJECTS:
        raise TrajectoryError(
            f"found {frames} frames and {objects} objects: give up to {MAX_FRAMES} frames and {MAX_OBJECTS} objects"
        )


def joined(
    rows: BoxRows, annotated: Sequence[int] | None = None, absent: Sequence[tuple[int, int | None]] = ()
) -> BoxRows:
    """Join the boxes of each object by straight lines if no two rows of the file are in adjacent frames.

    Such rows are keyframes. Evenly spaced ones may be samples as well: where other objects have a row in a frame
    between two boxes, this one is not there.

    annotated  frames that the file tells of, where some of them may have no box
    absent     frames that a row marks as without an object; None stands for all objects
    """
    numbers = np.unique(rows.frames if annotated is None else annotated)
    steps = np.diff(numbers)
    if not len(steps) or steps.min() == 1:
        return rows
    is_even = len(steps) > 1 and (steps == steps[0]).all()
    longest = int(steps[0]) if is_even else MAX_FRAMES
    marks: dict[int | None, list[int]] = {}
    for frame, n in sorted(absent, key=lambda mark: mark[0]):
        marks.setdefault(n, []).append(frame)
    parts = []
    for n in range(len(rows.phrases)):
        own = np.flatnonzero(rows.objects == n)
        own = own[np.argsort(rows.frames[own], kind="stable")]
        for here, after in pairwise(own):
            first, last = int(rows.frames[here]), int(rows.frames[after])
            gap = last - first
            is_left = any(
                bisect_right(marks.get(key, []), first) < bisect_left(marks.get(key, []), last) for key in (n, None)
            )
            if gap <= longest and not is_left:
                share = np.arange(1, gap)[:, None] / gap
                between = rows.xyxy[here] + (rows.xyxy[after] - rows.xyxy[here]) * share
                parts.append((first + np.arange(1, gap), np.full(gap - 1, n), between))
    if not parts:
        return rows
    frames, objects, xyxy = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return replace(
        rows,
        frames=np.concatenate((rows.frames, frames)),
        objects=np.concatenate((rows.objects, objects)),
        xyxy=np.concatenate((rows.xyxy, xyxy)),
        remarks=(*rows.remarks, f"rows in frames {_listed(numbers.tolist())} only: straight lines between"),
    )


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) > LISTED:
        return f"{', '.join(map(str, numbers[: LISTED - 1]))} ... {numbers[-1]}"
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def started(rows: BoxRows) -> BoxRows:
    """Rows of a part of a longer video, numbered from its first frame. Those that start soon stay as they are."""
    if rows.length or not rows.may_start_late or not len(rows.frames):
        return rows
    first, last = int(rows.frames.min()), rows.last_frame
    if first < last - first + 1:
        return rows
    return replace(
        rows, what=f"{rows.what}, without the {first} frames before the first box", frames=rows.frames - first
    )
