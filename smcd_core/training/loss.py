"""The denoising loss, and the random part of a training step: noise, timestep, dropped conditions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from ..networks.motion import box_coverage
from ..networks.smcd import SMCD, Inputs
from ..sampling.diffusion import TRAIN_STEPS, add_noise, velocity
from .config import TrainingConfig


def fold_seed(*numbers: int) -> int:
    """A seed for torch that depends on all of the numbers, such as seed, step and process, and on their order."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def sample_batch(
    examples: list[dict[str, Tensor]], places: Iterable[int], step: int, config: TrainingConfig
) -> dict[str, Tensor]:
    """Make a batch of examples, and draw everything random about it: noise, timestep, frame, dropped conditions.

    places  index of each example in the whole batch, over all processes and accumulated parts

    Adds noise [B, F, 4, h, w], t [B] and keep [B, 4]: 1 where text, boxes, first frame and image tokens stay.
    """
    stage, sampled = config.effective_stage, []
    for example, place in zip(examples, places):
        random = torch.Generator().manual_seed(fold_seed(config.seed, step, place))
        example = dict(example)
        if stage.images:
            frame = int(torch.randint(len(example["latents"]), (), generator=random))
            for name in ("latents", "boxes_xyxy", "mask"):
                example[name] = example[name][frame : frame + 1]
        uniform = torch.rand(5, generator=random)
        chances = torch.tensor([stage.drop_text, stage.drop_boxes, stage.drop_first_frame, stage.drop_image_tokens])
        example["keep"] = (uniform[:4] >= chances).float()
        example["t"] = (TRAIN_STEPS * uniform[4] ** config.timestep_power).long().clamp(max=TRAIN_STEPS - 1)
        example["noise"] = torch.randn(example["latents"].shape, generator=random)
        sampled.append(example)
    return default_collate(sampled)


class DenoisingLoss(nn.Module):
    """The model with its loss, as one module for Accelerate to wrap. Source: SPEC, section 12."""

    null_text: Tensor  # [T, D]

    def __init__(self, model: SMCD, null_text: Tensor, config: TrainingConfig):
        super().__init__()
        self.model = model
        self.register_buffer("null_text", null_text, persistent=False)
        self.images = config.effective_stage.images
        self.object_weight = config.object_weight

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean squared error of the noise, or of v, for a batch from `sample_batch`."""
        x0, noise, t = batch["latents"], batch["noise"], batch["t"]
        tokens = self.model.encode(self.inputs(batch))
        x = add_noise(x0, noise, t)
        prediction = self.model(x.flatten(0, 1), t, tokens, images=self.images)
        target = velocity(x0, noise, t) if self.model.config.prediction == "v" else noise
        error = (prediction.float() - target.flatten(0, 1)) ** 2  # [BF, 4, h, w]
        if self.object_weight == 1:
            return error.mean()
        boxes, mask = batch["boxes_xyxy"].flatten(0, 1), batch["mask"].flatten(0, 1)
        covered = box_coverage(boxes, mask, *error.shape[2:]).sum(-1).clamp(max=1)  # [BF, S]
        weight = 1 + (self.object_weight - 1) * covered.unflatten(1, error.shape[2:])[:, None]
        return (weight / weight.mean((1, 2, 3), keepdim=True) * error).mean()

    def inputs(self, batch: dict[str, Tensor]) -> Inputs:
        """Conditions of a batch, without those that `keep` drops."""
        text, boxes, first_frame, image_tokens = (k for k in batch["keep"].T)  # [B] each
        first = batch["latents"][:, 0]
        return Inputs(
            text=torch.where(text[:, None, None] > 0, batch["text"], self.null_text),
            num_frames=batch["latents"].shape[1],
            boxes_xyxy=batch["boxes_xyxy"],
            box_mask=batch["mask"] * boxes[:, None, None],
            phrases=batch["phrases"],
            first_frame=first * first_frame[:, None, None, None],
            # As published: a dropped image means the tokens, or the hint, of an all-zero latent.
            image_latent=first * image_tokens[:, None, None, None],
        )
