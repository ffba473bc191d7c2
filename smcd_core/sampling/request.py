"""The content of a video, and the noise that it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import Trajectory, whole_number
from .settings import NO_TEXT

MOST_VIDEOS = 1000  # of one request


@dataclass(frozen=True)
class Request:
    """The content of one video.

    image      PIL or uint8 [H, W, 3]; stretched to the size of the video, unless `framing.cropped` was used before
    prompt     a sentence about the whole video
    seed       of the noise
    negative   what the video should not show; as released, a space
    use_boxes  False hides the trajectory from the model
    """

    image: Image.Image | np.ndarray
    trajectory: Trajectory | DenseBoxes
    prompt: str
    seed: int = 0
    negative: str = NO_TEXT
    use_boxes: bool = True

    def __post_init__(self):
        """Raise SMCDError for a trajectory that has not been parsed."""
        if not isinstance(self.trajectory, (Trajectory, DenseBoxes)):
            kind = type(self.trajectory).__name__
            maker = "read_trajectory" if isinstance(self.trajectory, (str, PathLike)) else "parse_trajectory"
            raise SMCDError(f"trajectory is a {kind}, expected a Trajectory: smcd_core.{maker} makes one")

    def several(self, count: int) -> list[Request]:
        """The same content with the seeds from `seed` on: as many different videos. Raises SMCDError for no count."""
        whole_number(count, "count", 1, MOST_VIDEOS)
        return [replace(self, seed=(self.seed + number) % 2**64) for number in range(count)]


def generators_of(
    requests: Sequence[Request], generator: torch.Generator | Sequence[torch.Generator] | None
) -> list[torch.Generator]:
    """One for each request: those given, or of the seeds."""
    if generator is None:
        return [torch.Generator().manual_seed(request.seed) for request in requests]
    given = [generator] * len(requests) if isinstance(generator, torch.Generator) else [*generator]
    if len(given) != len(requests):
        raise SMCDError(f"there are {len(given)} generators for {len(requests)} requests: give one, or one for each")
    return given


def given_noise(latents: Tensor | Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """latents [B, F, C, h, w] -> [BF, C, h, w]. Raises SMCDError unless they have that shape."""
    parts = [torch.as_tensor(part) for part in latents]
    found = (len(parts), *parts[0].shape) if parts else (0,)
    if any(part.shape != shape[1:] for part in parts) or len(parts) != shape[0]:
        raise SMCDError(
            f"latents have the shape {[*found]}, expected {[*shape]}: videos, frames, channels, and the size in latents"
        )
    return torch.cat(parts).float()
