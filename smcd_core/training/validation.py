"""Validation on clips that a run does not train on: a probe of the boxes, and sampled videos."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from ..files import replacing
from ..networks.conditions import Conditions
from ..sampling.diffusion import add_noise, ddim, predicted_x0
from ..trajectory.document import PALETTE
from ..video import draw_boxes
from ..weights.components import decode_latents
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
    loss: DenoisingLoss, examples: Sequence[dict[str, Tensor]], vae: AutoencoderKL | None, picture: Path
) -> dict[str, float]:
    """Log and return the probe; with an autoencoder, also write a sheet of samples to `picture`."""
    probed = probe(loss, examples)
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in probed.items())
    logging.getLogger("smcd").info("%s: %s", picture.stem, numbers)
    if vae is not None:
        picture.parent.mkdir(exist_ok=True)
        with replacing(picture) as temporary:
            sample_sheet(loss, examples, vae).save(temporary, format="PNG")
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
def sample_sheet(loss: DenoisingLoss, examples: Sequence[dict[str, Tensor]], vae: AutoencoderKL) -> Image.Image:
    """Draw two rows of frames with boxes for each of the first SAMPLES clips.

    The first row is the clip through the autoencoder, the second a video that the model makes from its conditions,
    without guidance and always from the same noise.
    """
    lines = []
    for number, example in enumerate(examples[:SAMPLES]):
        batch = _batch(example, number, loss)
        tokens = loss.model.encode(loss.inputs(batch))

        def predict(x: Tensor, t: Tensor, tokens: Conditions = tokens) -> Tensor:
            return loss.model(x, t, tokens, images=loss.images).float()

        noise = batch["noise"].flatten(0, 1)  # [F, 4, h, w]
        made = ddim(predict, noise, SAMPLE_STEPS, kind=loss.model.config.prediction)
        for latents in (batch["latents"][0], made):
            boxes, mask = batch["boxes_xyxy"][0].cpu(), batch["mask"][0].cpu() > 0
            colors = [PALETTE[index % len(PALETTE)] for index in range(boxes.shape[1])]
            frames = decode_latents(vae, latents, chunk=1)  # memory matters more here than time
            lines.append(np.concatenate(draw_boxes(frames, boxes, mask, colors, [""] * len(colors)), 1))
    widest = max(line.shape[1] for line in lines)
    return Image.fromarray(
        np.concatenate([np.pad(line, ((0, 0), (0, widest - line.shape[1]), (0, 0))) for line in lines])
    )
