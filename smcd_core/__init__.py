"""SMCD (Animate Your Motion, ECCV 2024): animate an image along bounding boxes.

Letters in shapes, throughout this package:

    B  videos              C  channels of a layer
    F  frames              D  width of text, box and image tokens (1024 in the released weights)
    N  boxes of a frame    P  width of a phrase embedding
    T  text tokens         S  positions of an image, H * W
    L  image tokens        H, W  height and width

Inside the networks a video is [B*F, C, H, W], passed along with num_frames.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers: the same names as in _PUBLIC
    from .errors import SMCDError as SMCDError
    from .networks.config import SYSTEMS as SYSTEMS, ConfigError as ConfigError, SMCDConfig as SMCDConfig
    from .networks.smcd import SMCD as SMCD, Inputs as Inputs, Tokens as Tokens
    from .sampling.diffusion import Guidance as Guidance, Stopped as Stopped
    from .sampling.pipeline import (
        DEFAULT_CHECKPOINT as DEFAULT_CHECKPOINT,
        Request as Request,
        SMCDPipeline as SMCDPipeline,
    )
    from .trajectory.dense import boxes_at as boxes_at
    from .trajectory.document import (
        Trajectory as Trajectory,
        TrajectoryError as TrajectoryError,
        parse_trajectory as parse_trajectory,
    )
    from .trajectory.files import read_trajectory as read_trajectory
    from .trajectory.simplify import trajectory_from_boxes as trajectory_from_boxes
    from .video import draw_boxes as draw_boxes, read_metadata as read_metadata, write_video as write_video
    from .weights.checkpoint import (
        Checkpoint as Checkpoint,
        CheckpointError as CheckpointError,
        build as build,
        read_checkpoint as read_checkpoint,
        write_checkpoint as write_checkpoint,
    )

__version__ = "0.2.0"

_PUBLIC = {
    "errors": ("SMCDError",),
    "weights.checkpoint": ("Checkpoint", "CheckpointError", "build", "read_checkpoint", "write_checkpoint"),
    "networks.config": ("SYSTEMS", "ConfigError", "SMCDConfig"),
    "sampling.diffusion": ("Guidance", "Stopped"),
    "networks.smcd": ("SMCD", "Inputs", "Tokens"),
    "sampling.pipeline": ("DEFAULT_CHECKPOINT", "Request", "SMCDPipeline"),
    "trajectory.dense": ("boxes_at",),
    "trajectory.document": ("Trajectory", "TrajectoryError", "parse_trajectory"),
    "trajectory.simplify": ("trajectory_from_boxes",),
    "trajectory.files": ("read_trajectory",),
    "video": ("draw_boxes", "read_metadata", "write_video"),
}
_HOMES = {name: home for home, names in _PUBLIC.items() for name in names}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that the command line shows its help without loading torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
