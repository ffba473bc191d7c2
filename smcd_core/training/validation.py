"""What a run shows of itself on clips that it does not train on: a probe of the boxes, and samples as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ..files import replacing
from ..sampling.diffusion import add_noise, ddim, predicted_x0
from ..trajectory.document import PALETTE
from ..video import draw_boxes
from ..weights.components import decode_latents
from .config import TrainingConfig
from .loss import DenoisingLoss, draw

PROBE_TIMESTEP = 900  # so noisy that only the conditions tell where things are
SAMPLES = 3  # clips that are drawn
SAMPLE_STEPS = 25


def _quiet(images: bool) -> TrainingConfig:
    """Settings of a draw that hides nothing."""
    return TrainingConfig(
        "all", 1, drop_text=0, drop_boxes=0, drop_first_frame=0, drop_image_tokens=0, images=images
    )  # fmt: skip


def validate(
    loss: DenoisingLoss, examples: list[dict[str, Tensor]], vae: AutoencoderKL | None, picture: Path
) -> dict[str, float]:
    """Print and return the probe; with an autoencoder, also write samples to `picture`."""
    probed = probe(loss, examples)
    tqdm.write(f"{picture.stem}: " + ", ".join(f"{name} {value:.4f}" for name, value in probed.items()))
    if vae is not None:
        picture.parent.mkdir(exist_ok=True)
        with replacing(picture) as temporary:
            sample_sheet(loss, examples, vae).save(temporary, format="PNG")
    return probed


@torch.no_grad()
def probe(loss: DenoisingLoss, examples: list[dict[str, Tensor]]) -> dict[str, float]:
    """Error of the clean latents that one call predicts at timestep 900: with the right boxes, with none, and with
    those of another clip. Shows whether the boxes are used long before samples do."""
    quiet, model, errors = _quiet(loss.images), loss.model, {"right": [], "none": [], "wrong": []}
    device = loss.null_text.device
    for number, example in enumerate(examples):
        batch = {name: value.to(device) for name, value in draw([example], [number], 0, quiet).items()}
        other = {name: value.to(device) for name, value in draw([examples[number - 1]], [number], 0, quiet).items()}
        t = torch.full((1,), PROBE_TIMESTEP, device=device)
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
def sample_sheet(loss: DenoisingLoss, examples: list[dict[str, Tensor]], vae: AutoencoderKL) -> Image.Image:
    """For each of the first SAMPLES clips two lines of frames with boxes: the clip through the autoencoder, and what
    the model makes of its conditions, without guidance and always from the same noise."""
    device, lines = loss.null_text.device, []
    for number, example in enumerate(examples[:SAMPLES]):
        batch = {name: value.to(device) for name, value in draw([example], [number], 0, _quiet(loss.images)).items()}
        tokens = loss.model.encode(loss.inputs(batch))

        def predict(x: Tensor, t: Tensor, tokens=tokens) -> Tensor:
            return loss.model(x, t, tokens, images=loss.images).float()

        noise = batch["noise"].flatten(0, 1)  # [F, 4, h, w]
        made = ddim(predict, noise, SAMPLE_STEPS, kind=loss.model.config.prediction)
        for latents in (batch["latents"][0], made):
            boxes, mask = batch["boxes_xyxy"][0].cpu(), batch["mask"][0].cpu() > 0
            colors = [PALETTE[index % len(PALETTE)] for index in range(boxes.shape[1])]
            frames = decode_latents(vae, latents, chunk=1)  # memory matters more here than time
            lines.append(np.concatenate(draw_boxes(frames, boxes, mask, colors, [""] * len(colors)), 1))
    return Image.fromarray(np.concatenate(lines))
