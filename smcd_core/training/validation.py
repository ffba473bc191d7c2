"""Validation on clips that a run does not train on: a probe of the boxes, and sampled videos."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from ..errors import SMCDError
from ..files import replacing
from ..networks.conditions import Conditions
from ..sampling.animatic import start_of
from ..sampling.diffusion import Start, add_noise, ddim, predicted_x0
from ..sampling.request import Request
from ..sampling.settings import Settings
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import PALETTE
from ..video import draw_boxes
from ..weights.components import decode_latents, encode_frames
from .config import TrainingConfig
from .loss import DenoisingLoss, sample_batch

PROBE_TIMESTEP = 900  # so noisy that only the conditions tell where things are
SAMPLES = 3  # clips to sample and draw
SAMPLE_STEPS = 25


def _batch(example: dict[str, Tensor], number: int, loss: DenoisingLoss) -> dict[str, Tensor]:
    """A batch of one clip with the noise of its number and all conditions, on the device of the loss."""
    config = TrainingConfig(
        "all", 1, drop_text=0, drop_boxes=0, drop_first_frame=0, drop_image_tokens=0, images=loss.images
    )  # fmt: skip
    batch = sample_batch([example], [number], 0, config)
    return {name: value.to(loss.null_text.device) for name, value in batch.items()}


def validate(
    loss: DenoisingLoss,
    examples: Sequence[dict[str, Tensor]],
    vae: AutoencoderKL | None,
    picture: Path,
    defaults: Mapping[str, float],
) -> dict[str, float]:
    """Log and return the probe; with an autoencoder, also write a sheet of samples to `picture`.

    defaults  of the checkpoint, from `read_defaults`
    """
    probed = probe(loss, examples)
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in probed.items())
    logging.getLogger("smcd").info("%s: %s", picture.stem, numbers)
    if vae is not None:
        picture.parent.mkdir(exist_ok=True)
        with replacing(picture) as temporary:
            sample_sheet(loss, examples, vae, defaults).save(temporary, format="PNG")
    return probed


@torch.no_grad()
def probe(loss: DenoisingLoss, examples: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Error of one prediction with the right boxes, with none, and with those of another clip.

    It is the mean squared error of the clean latents, predicted at PROBE_TIMESTEP, and shows that boxes are used long
    before samples do.
    """
    model, errors = loss.model, {"right": [], "none": [], "wrong": []}
    for number, example in enumerate(examples):
        batch, other = _batch(example, number, loss), _batch(examples[number - 1], number, loss)
        t = torch.full_like(batch["t"], PROBE_TIMESTEP)
        x0 = batch["latents"].flatten(0, 1)
        x = add_noise(x0, batch["noise"].flatten(0, 1), t)
        for name in errors:
            changed = dict(batch)
            if name == "none":
                changed["mask"] = torch.zeros_like(batch["mask"])
            elif name == "wrong":
                changed |= {key: other[key] for key in ("boxes_xyxy", "mask")}
            prediction = model(x, t, model.encode(loss.inputs(changed)), images=loss.images)
            clean = predicted_x0(prediction.float(), x, t, model.config.prediction)
            errors[name].append((clean - x0).pow(2).mean().item())
    return {f"x0_{name}_boxes": sum(values) / len(values) for name, values in errors.items()}


@torch.no_grad()
def sample_sheet(
    loss: DenoisingLoss, examples: Sequence[dict[str, Tensor]], vae: AutoencoderKL, defaults: Mapping[str, float]
) -> Image.Image:
    """Draw two rows of frames with boxes for each of the first SAMPLES clips.

    The first row is the clip through the autoencoder, the second a video that the model makes from its conditions,
    without guidance, always from the same noise and with the start of the defaults.
    """
    lines = []
    for number, example in enumerate(examples[:SAMPLES]):
        batch = _batch(example, number, loss)
        tokens = loss.model.encode(loss.inputs(batch))

        def predict(x: Tensor, t: Tensor, tokens: Conditions = tokens) -> Tensor:
            return loss.model(x, t, tokens, images=loss.images).float()

        boxes, mask = batch["boxes_xyxy"][0].cpu(), batch["mask"][0].cpu() > 0
        real = decode_latents(vae, batch["latents"][0], chunk=1)  # memory matters more here than time
        start = None if loss.images else _start(real, boxes.numpy(), mask.numpy(), vae, defaults)
        noise = batch["noise"].flatten(0, 1)  # [F, 4, h, w]
        made = ddim(predict, noise, SAMPLE_STEPS, kind=loss.model.config.prediction, start=start)
        colors = [PALETTE[index % len(PALETTE)] for index in range(boxes.shape[1])]
        for frames in (real, decode_latents(vae, made, chunk=1)):
            lines.append(np.concatenate(draw_boxes(frames, boxes, mask, colors, [""] * len(colors)), 1))
    widest = max(line.shape[1] for line in lines)
    return Image.fromarray(
        np.concatenate([np.pad(line, ((0, 0), (0, widest - line.shape[1]), (0, 0))) for line in lines])
    )


def _start(
    frames: np.ndarray, boxes_xyxy: np.ndarray, mask: np.ndarray, vae: AutoencoderKL, defaults: Mapping[str, float]
) -> Start | None:
    """Where a video of the checkpoint starts, as in `smcd animate`: uint8 [F, H, W, 3], [F, N, 4] and [F, N]."""
    count, height, width = frames.shape[:3]
    settings = Settings.of(defaults, width=width, height=height, num_frames=count, steps=SAMPLE_STEPS)
    boxes = DenseBoxes(boxes_xyxy, mask, ("",) * mask.shape[1])
    request = Request(frames[0], boxes, "", use_boxes=bool(mask.any()))

    def encode(animatic: np.ndarray) -> Tensor:
        return encode_frames(vae, animatic, 1)

    try:
        return start_of([request], settings, encode)
    except SMCDError:  # no object covers a pixel where it first appears; the picture stands still
        return start_of([replace(request, use_boxes=False)], settings, encode)
