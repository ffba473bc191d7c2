"""SMCD (Animate Your Motion, ECCV 2024): animate a picture along bounding boxes.

Letters in shapes, everywhere in this package:

    B  videos              C  channels of a layer
    F  frames              D  width of text, box and image tokens (1024 in the released weights)
    N  boxes of a frame    P  width of a phrase embedding
    T  text tokens         S  positions of an image, H * W
    L  image tokens        H, W  height and width

Inside the networks a video is [B*F, C, H, W] with num_frames beside it: frames are the batch.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "errors": ("SMCDError",),
    "weights.checkpoint": ("Checkpoint", "CheckpointError", "build", "read_checkpoint", "write_checkpoint"),
    "networks.config": ("SYSTEMS", "ConfigError", "SMCDConfig"),
    "sampling.diffusion": ("Guidance",),
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


def __getattr__(name: str):
    """Import on first use: the command line shows its help before torch has loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
