"""The base class of datasets on disk, which picks frames by seed and reports damaged samples."""

from __future__ import annotations

import logging
import math
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from ..errors import SMCDError
from ..terminal import inert
from ..trajectory.document import TrajectoryError
from ..trajectory.formats.box_file import BoxFileError
from .clip import Clip

MAX_TEXT = 4000  # characters of a caption or phrase; the text encoder reads 77 tokens


class DatasetError(SMCDError):
    """A folder does not hold the expected dataset; the message names it and says what to do."""


class SampleError(SMCDError):
    """A sample is damaged: which file, and why. Reading continues without it."""

    def __init__(self, path: str | os.PathLike, reason: str):
        super().__init__(inert(path, 500), inert(reason, 500))  # both, so that workers can send it

    @property
    def path(self) -> str:
        return self.args[0]

    @property
    def reason(self) -> str:
        return self.args[1]

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@contextmanager
def damaged_boxes(path: str | os.PathLike) -> Iterator[None]:
    """Raise SampleError for a file of boxes that cannot be read."""
    try:
        yield
    except BoxFileError as error:
        raise SampleError(error.path, error.reason) from None
    except TrajectoryError as error:
        raise SampleError(path, str(error)) from None


class ClipDataset(Dataset):
    """Clips from the videos or images in a folder.

    Clip `index` depends only on (seed, pass, video), with pass = index // videos and video = index % videos, so it is
    the same in every worker and every order. Each pass takes different clips from the same videos.
    Indexing raises SampleError for a damaged sample; `stream` skips it.

    size        side of the square frames in pixels; the aspect ratio is not kept (as published). Or (width, height) of
                several buckets, of which each clip gets the one nearest its aspect ratio
    num_frames  frames per clip
    interval    step between the frames of a clip, in frames of the video (published: 1)
    passes      clips per video
    names       names of the videos, for messages
    left_out    number of skipped videos by reason
    """

    def __init__(
        self,
        root: str | os.PathLike,
        *,
        size: int | Sequence[tuple[int, int]] = 256,
        num_frames: int = 8,
        interval: int = 1,
        seed: int = 33,
        passes: int = 1,
    ):
        self.root = Path(root)
        self.sizes = ((size, size),) if isinstance(size, int) else tuple(size)
        sides = min((min(pair) for pair in self.sizes), default=0)
        for name, value in dict(size=sides, num_frames=num_frames, interval=interval, passes=passes).items():
            if value < 1:
                raise DatasetError(f"{name} is {value}, expected 1 or more")
        if not self.root.exists():
            raise DatasetError(f"{root}: does not exist")
        self.size, self.num_frames, self.interval = size, num_frames, interval
        self.seed, self.passes = seed, passes
        self.names: Sequence[str] = ()
        self.left_out: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.names) * self.passes

    def __getitem__(self, index: int) -> Clip:
        if not 0 <= index < len(self):  # what ends a loop over a sequence
            raise IndexError(f"clip {index} of {len(self)}")
        number, item = divmod(index, len(self.names))
        return self._read(item, np.random.default_rng([self.seed, number, item]))

    @abstractmethod
    def _read(self, item: int, rng: np.random.Generator) -> Clip:
        """Read a clip from video `item`. Raises SampleError."""

    def name_of(self, index: int) -> str:
        return self.names[index % len(self.names)]

    def _size_for(self, measure: Callable[[], tuple[int, int]]) -> tuple[int, int]:
        """The size whose aspect ratio is nearest that of a video; where there is one only, nothing is measured."""
        if len(self.sizes) == 1:
            return self.sizes[0]
        width, height = measure()
        return min(self.sizes, key=lambda size: abs(math.log(size[0] * height / (size[1] * width))))

    def _window(self, length: int, path: str | os.PathLike, rng: np.random.Generator) -> range:
        """Pick frames at the interval of the clips, from a random start; all starts are equally likely."""
        span = (self.num_frames - 1) * self.interval + 1
        if length < span:
            raise SampleError(path, f"has {length} frames, expected {span} or more")
        start = int(rng.integers(length - span + 1))
        return range(start, start + span, self.interval)


def read_all(
    clips: Sequence[Clip], indices: Iterable[int] | None = None, *, workers: int = 0
) -> Iterator[tuple[int, Clip | SampleError]]:
    """Yield each index with its clip or its SampleError, in the order of `indices` (default: all).

    workers  number of processes that read ahead; the result does not depend on it
    """
    indices = list(range(len(clips)) if indices is None else indices)
    loader = DataLoader(
        _Attempts(clips),
        batch_size=None,
        sampler=indices,
        num_workers=workers,
        collate_fn=_as_it_is,
        prefetch_factor=4 if workers else None,
    )
    yield from zip(indices, loader, strict=True)


def log_left_out(error: SampleError) -> None:
    logging.getLogger("smcd").warning("left out %s", error)


def stream(
    clips: Sequence[Clip],
    indices: Iterable[int] | None = None,
    *,
    workers: int = 0,
    report: Callable[[SampleError], None] = log_left_out,
) -> Iterator[Clip]:
    """Yield the readable clips in the order of `indices`; damaged ones go to `report` (default: the log)."""
    for _, clip in read_all(clips, indices, workers=workers):
        if isinstance(clip, SampleError):
            report(clip)
        else:
            yield clip


def shuffled(count: int, *, seed: int, epoch: int = 0) -> list[int]:
    """Return a permutation of 0 to count - 1 that depends only on (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


class _Attempts(Dataset):
    """Returns errors as values, because an exception would end the DataLoader."""

    def __init__(self, clips: Sequence[Clip]):
        self.clips = clips

    def __getitem__(self, index: int) -> Clip | SampleError:
        try:
            return self.clips[index]
        except SampleError as error:
            return error


def _as_it_is(clip: Clip | SampleError) -> Clip | SampleError:
    return clip


def clean_text(text: object, path: str | os.PathLike, what: str) -> str:
    """Put a caption or phrase on one line. Raises SampleError if it is not text."""
    if not isinstance(text, str):
        raise SampleError(path, f"{what} is {type(text).__name__}, expected text")
    text = " ".join(text.split())
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SampleError(path, f"{what} {text[:40]!r} is not valid Unicode") from None
    if not text or len(text) > MAX_TEXT:
        raise SampleError(path, f"{what} has {len(text)} characters, expected 1 to {MAX_TEXT}")
    return text


def caption_from(phrases: Sequence[str]) -> str:
    """Make a caption from the names of the objects, each once, for a dataset without captions.

    Source: GLIGEN (CVPR 2023), which does this for detection datasets.
    """
    return ", ".join(dict.fromkeys(phrases))
