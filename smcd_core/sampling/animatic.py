"""The image with its boxes moved, which a video may start from instead of noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..guides.cut_and_drag import cut_and_drag, told
from ..guides.fit import fit
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import Trajectory
from .diffusion import Start
from .framing import resized
from .request import Request
from .settings import Settings

FEATHER = 2  # pixels; videos of this model are small


def animatic(image: np.ndarray, boxes: Trajectory | DenseBoxes, num_frames: int) -> tuple[np.ndarray, Tensor]:
    """uint8 [H, W, 3] -> a video, uint8 [F, H, W, 3], and float32 [F, H, W], 1 on what moves.

    Raises SMCDError if no box is inside the image in the first frame in which it is visible.
    """
    height, width = image.shape[:2]
    fitted = fit(boxes, width, height, num_frames, crop=False)
    dragged = cut_and_drag(torch.from_numpy(image).float() / 255, fitted, feather=FEATHER)
    return (dragged.video * 255).round().to(torch.uint8).numpy(), dragged.mask


def told_of_start(boxes: Trajectory | DenseBoxes, settings: Settings) -> list[str]:
    """Sentences of `cut_and_drag.told` on the animatic; none for a video that starts from noise."""
    if settings.starts is None:
        return []
    return told(fit(boxes, settings.width, settings.height, settings.num_frames, crop=False))


def start_of(requests: Sequence[Request], settings: Settings, encode: Callable[[np.ndarray], Tensor]) -> Start | None:
    """The animatics of all requests, encoded, and where their objects are."""
    if settings.starts is None:
        return None
    drawn = []
    for request in requests:
        image = resized(request.image, settings.width, settings.height)
        if request.use_boxes:
            drawn.append(animatic(image, request.trajectory, settings.num_frames))
        else:
            still = np.repeat(image[None], settings.num_frames, axis=0)
            drawn.append((still, torch.zeros(still.shape[:3])))
    guide = torch.cat([encode(video) for video, _ in drawn]).float()
    inside = inside_of(torch.cat([mask for _, mask in drawn]), guide)
    return Start(guide, inside, settings.starts)


def inside_of(mask: Tensor, latents: Tensor) -> Tensor:
    """float [F, H, W] in 0..1 -> [F, 1, h, w], 1 on the latents [F, C, h, w] that it covers by more than half."""
    covered = F.adaptive_avg_pool2d(mask[:, None], latents.shape[2:]) > 0.5
    return covered.to(latents)
