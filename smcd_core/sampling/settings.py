"""Settings of a video, by one rule for the command line, the nodes and Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import FPS_RANGE, MAX_FRAMES, MAX_SIDE, Trajectory, whole_number
from ..weights.defaults import FAST
from .diffusion import SAMPLERS, TIMESTEPS, Guidance, check_steps, steps_of
from .framing import size_like

NO_TEXT = " "  # As released: the prompt of the evaluation without text.


@dataclass(frozen=True)
class Settings:
    """How a video is made, as opposed to its content, a Request.

    width, height   pixels
    fps             frames per second of the file; the model does not see it
    steps           of denoising, 1 to 1000
    sampler         one of SAMPLERS; "ddim" is the released one
    guided          share of the steps, from the first, that use guidance; the others take one evaluation. Source:
                    Kynkaanniemi et al. (2024), "Applying guidance in a limited interval"
    reuse_features  every second step takes its deep features from the one before, see deep_cache.py
    start           share of the steps, the last ones, that are run; they start from the animatic, the image with its
                    boxes moved, instead of noise: see guides/cut_and_drag.py. 1 starts from noise
    start_inside    the same inside the boxes; None is as outside
    window          frames that are denoised at once, for videos that are longer than that; best is the length that the
                    model was trained with. None takes all frames
    overlap         frames that neighbouring windows share; None is half a window
    match_colors    draw colours back to those of the image, see color_match.py; for a still camera and still light

    Raises SMCDError for a value that is out of range. Which sizes fit is known by the networks only: `check_size`.
    """

    width: int
    height: int
    num_frames: int
    fps: float
    steps: int
    guidance: Guidance
    sampler: str = "ddim"
    guided: float = 1.0
    reuse_features: bool = False
    match_colors: bool = False
    start: float = 1.0
    start_inside: float | None = None
    window: int | None = None
    overlap: int | None = None

    def __post_init__(self):
        if self.sampler not in SAMPLERS:
            raise SMCDError(f"sampler is {self.sampler!r}, expected one of {', '.join(SAMPLERS)}")
        check_steps(self.steps)
        whole_number(self.num_frames, "num_frames", 1, MAX_FRAMES)
        ranges = {"fps": FPS_RANGE, "guided": (0, 1)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise SMCDError(f"{name} is {getattr(self, name)}, expected {low:g} to {high:g}")
        for name in ("start", "start_inside"):
            share = getattr(self, name)
            if share is not None and not 0 < share <= 1:
                raise SMCDError(f"{name} is {share}, expected more than 0, up to 1")
        self._check_windows()
        for name, scale in vars(self.guidance).items():
            if not math.isfinite(scale):
                raise SMCDError(f"the guidance scale of {name} is {scale}, expected a finite number")

    def _check_windows(self) -> None:
        if self.window is None:
            if self.overlap is not None:
                raise SMCDError(f"overlap is {self.overlap}, but there is no window: give both, or neither")
            return
        whole_number(self.window, "window", 1, MAX_FRAMES)
        whole_number(self.shared, "overlap", 0, MAX_FRAMES)
        if self.shared >= self.window:
            raise SMCDError(f"overlap is {self.shared} and window {self.window}: give less than the window")

    @property
    def shared(self) -> int:
        """Frames that neighbouring windows share."""
        return (self.window or 0) // 2 if self.overlap is None else self.overlap

    @property
    def starts(self) -> tuple[float, float] | None:
        """The shares outside and inside the boxes; None from noise."""
        inside = self.start if self.start_inside is None else self.start_inside
        return None if self.start == inside == 1 else (self.start, inside)

    @property
    def skipped(self) -> int:
        """How many of the first steps are left out."""
        total = len(TIMESTEPS[self.sampler](self.steps))
        return 0 if self.starts is None else total - steps_of(max(self.starts), total)

    @property
    def guided_steps(self) -> int:
        """How many steps use guidance; a sampler may run more steps than it was asked for."""
        return self.guided_of(len(TIMESTEPS[self.sampler](self.steps)))

    def guided_of(self, total: int) -> int:
        """How many of a sampler's steps use guidance."""
        return math.ceil(self.guided * total)

    @classmethod
    def of(
        cls,
        defaults: Mapping[str, Any],
        trajectory: Trajectory | DenseBoxes | None = None,
        *,
        picture: tuple[int, int] | None = None,
        multiple: int = 1,
        width: int | None = None,
        height: int | None = None,
        num_frames: int | None = None,
        fps: float | None = None,
        steps: int | None = None,
        guidance: Guidance | None = None,
        text: float | None = None,
        boxes: float | None = None,
        image: float | None = None,
        sampler: str | None = None,
        fast: bool = False,
        start: float | None = None,
        start_inside: float | None = None,
        **others: Any,
    ) -> Settings:
        """Settings as given, else of the trajectory and the first frame, else of the checkpoint.

        defaults           of the checkpoint, from `read_defaults`
        trajectory         its length and frames per second count; a single frame has no length
        picture            width and height of the first frame, whose shape counts if the checkpoint makes any
        multiple           of pixels that sizes made from `picture` are
        text, boxes, image scales of guidance, where `guidance` is not given
        fast               FAST instead of the checkpoint's steps and the released sampler
        start_inside       as `start` if only that is given
        others             the fields of Settings that have a default

        Raises SMCDError as Settings does.
        """
        length = trajectory.frames if trajectory is not None and trajectory.frames > 1 else defaults["frames"]
        scales = {"text": text, "boxes": boxes, "image": image}
        scales = {name: defaults[name] if scale is None else scale for name, scale in scales.items()}
        if start is None:
            start = defaults["start"]
            start_inside = defaults.get("start_inside") if start_inside is None else start_inside
        if picture is not None and "area" in defaults:
            width, height = size_like(picture, defaults["area"], multiple, width, height)
        preset: dict[str, Any] = {"sampler": "ddim", "steps": defaults["steps"]} | (FAST if fast else {})
        return cls(
            width=defaults["width"] if width is None else width,
            height=defaults["height"] if height is None else height,
            num_frames=length if num_frames is None else num_frames,
            fps=fps if fps is not None else trajectory.fps if trajectory is not None else defaults["fps"],
            steps=preset["steps"] if steps is None else steps,
            guidance=Guidance(**scales) if guidance is None else guidance,
            sampler=preset["sampler"] if sampler is None else sampler,
            start=start,
            start_inside=start_inside,
            **others,
        )


def from_noise(defaults: Mapping[str, Any], settings: Settings) -> list[str]:
    """A sentence if a video starts from noise though the checkpoint, with these defaults, is made for another start."""
    if settings.starts or defaults["start"] == 1:
        return []
    return [
        "objects may dissolve in their boxes: the video starts from noise, this checkpoint is made to start from the "
        f"animatic (start {defaults['start']:g})"
    ]


def without_effect(settings: Settings, negative: str, option: str) -> list[str]:
    """A sentence if a negative prompt changes nothing; `option` is what the user knows text guidance as."""
    if negative == NO_TEXT or settings.guidance.text != 1:
        return []
    return [f"the negative prompt has no effect: it counts only with text guidance ({option}) above 1"]


def check_size(width: int, height: int, multiple: int, option: str = "") -> None:
    """Raise SMCDError unless the networks can make a video of that size, in pixels.

    option  what the user knows both sides as
    """
    for side, pixels in (("width", width), ("height", height)):
        if pixels < 1 or pixels % multiple:
            nearest = min(max(1, round(pixels / multiple)), MAX_SIDE // multiple) * multiple
            raise SMCDError(f"{option or side} is {pixels}, expected a multiple of {multiple} pixels: use {nearest}")


def check_objects(boxes: DenseBoxes, num_frames: int | None = None, option: str = "") -> None:
    """Raise SMCDError unless there is something to move: enabled objects with phrases, and a box inside the frame.

    boxes       from `dense_boxes`, at every frame of the trajectory
    num_frames  of the video, which may take only some of those
    option      of the command line for phrases, as " (--phrase)"
    """
    names = boxes.phrases
    if not names:
        raise SMCDError("the trajectory has no enabled object: draw a box or enable one")
    unnamed = [number for number, name in enumerate(names, 1) if not name.strip()]
    if unnamed:
        raise SMCDError(
            f"object {unnamed[0]} of {len(names)} has no phrase: say what is in its box, in the editor or the "
            f"file{option}"
        )
    if not boxes.mask.any():
        raise SMCDError("no box is inside the frame at any time: move one into it")
    if num_frames and not boxes.resampled(num_frames).mask.any():
        raise SMCDError(
            f"no box is visible in the {num_frames} frames that the video takes of {boxes.frames}: make more frames, "
            "or show an object longer"
        )


def check_slots(objects: int, slots: int) -> None:
    """Raise SMCDError if there are more objects than the model has box slots."""
    if objects > slots:
        raise SMCDError(f"there are {objects} objects, this model was trained with {slots} at most: disable some")
