"""Values between nodes: what a box input accepts, and IMAGE to and from pixels."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.terminal import inert
from ..smcd_core.trajectory.document import Trajectory
from ..smcd_core.trajectory.values import trajectory_from_value

SMCDTrajectoryType = io.Custom("SMCD_TRAJECTORY")  # the document of smcd_core.trajectory.document, as a dict

ACCEPTED = [SMCDTrajectoryType, io.BoundingBox, io.Tracks, io.Mask, io.String]


class TrajectoryDocument(dict):
    """The document on a link, with the trajectory that it was made from, so that it is parsed only once."""

    def __init__(self, trajectory: Trajectory):
        super().__init__(trajectory.to_dict())
        self._trajectory = trajectory

    def trajectory(self) -> Trajectory | None:
        """None if another pack has changed the document since."""
        return self._trajectory if self == self._trajectory.to_dict() else None


def boxes_input(name: str = "trajectory", optional: bool = False, note: str = "") -> io.MultiType.Input:
    """`note` ends the tooltip."""
    return io.MultiType.Input(
        name,
        types=ACCEPTED,
        optional=optional,
        tooltip="Where each object is in each frame: an SMCD trajectory, BOUNDING_BOX in image pixels (label = "
        f"phrase), TRACKS, a MASK batch with one mask per frame, or JSON text of these.{note}",
    )


def read_boxes(value: Any, width: int, height: int, frames: int, **options) -> Trajectory:
    """Any of ACCEPTED; what was recognised goes to the log."""
    if isinstance(value, TrajectoryDocument) and (known := value.trajectory()):
        return known
    trajectory, what = trajectory_from_value(value, width=width, height=height, frames=frames, **options)
    logging.getLogger("smcd").info("%s", inert(what))
    return trajectory


def check_image(image: Tensor, name: str) -> None:
    """Raise SMCDError unless it is an IMAGE [F, H, W, C] of numbers around 0..1. `name` is that of the input."""
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4):
        raise SMCDError(f"{name} has the shape {list(image.shape)}, expected images [frames, height, width, 3]")
    if not image.numel():
        raise SMCDError(f"{name} holds no image: its shape is {list(image.shape)}")
    mean = image.mean(dtype=torch.float32).item()  # NaN if any number is
    if not math.isfinite(mean):
        raise SMCDError(
            f"{name} holds NaN or infinity, which would be shown as black or white: repair what made it, such as VAE "
            "Decode in half precision"
        )
    if mean > 8:  # lights may be brighter than 1
        raise SMCDError(f"{name} holds numbers up to {image.amax().item():g}, expected 0 to 1: divide them by 255")


def to_pixels(image: Tensor, name: str = "images") -> np.ndarray:
    """IMAGE [F, H, W, C] in 0..1 -> uint8 [F, H, W, 3]. One channel is grey, four are laid over white.

    `name` is that of the input. Raises SMCDError for anything else, and for no image at all.
    """
    check_image(image, name)
    if image.shape[3] == 4:
        image = image[..., :3] * image[..., 3:] + 1 - image[..., 3:]
    pixels = image.mul(255).round().clamp(0, 255).to("cpu", torch.uint8)
    return pixels.expand(*pixels.shape[:3], 3).numpy()


def to_image(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255
