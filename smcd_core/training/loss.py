"""One step of training: what is drawn at random, which conditions are hidden, and the loss."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from ..networks.motion import box_coverage
from ..networks.smcd import SMCD, Inputs
from ..sampling.diffusion import TRAIN_STEPS, add_noise, velocity
from .config import TrainingConfig


def draw(
    examples: list[dict[str, Tensor]], places: Iterable[int], step: int, config: TrainingConfig
) -> dict[str, Tensor]:
    """A batch with all that is random about it: noise, timestep, frame, dropped conditions.

    places  of the examples in the whole batch: of all processes, and of all that are accumulated
    Adds noise [B, F, 4, h, w], t [B] and keep [B, 4]: 1 where text, boxes, first frame and image tokens stay.
    """
    policy, drawn = config.policy, []
    for example, place in zip(examples, places):
        random = torch.Generator().manual_seed(hash((config.seed, step, place)) % 2**63)
        example = dict(example)
        if policy.images:
            frame = int(torch.randint(len(example["latents"]), (), generator=random))
            for name in ("latents", "boxes_xyxy", "mask"):
                example[name] = example[name][frame : frame + 1]
        uniform = torch.rand(5, generator=random)
        chances = torch.tensor([policy.drop_text, policy.drop_boxes, policy.drop_first_frame, policy.drop_image_tokens])
        example["keep"] = (uniform[:4] >= chances).float()
        example["t"] = (TRAIN_STEPS * uniform[4] ** config.timestep_power).long().clamp(max=TRAIN_STEPS - 1)
        example["noise"] = torch.randn(example["latents"].shape, generator=random)
        drawn.append(example)
    return default_collate(drawn)


class DenoisingLoss(nn.Module):
    """The model with its loss; what Accelerate wraps. Source: SPEC, section 12."""

    def __init__(self, model: SMCD, null_text: Tensor, config: TrainingConfig):
        super().__init__()
        self.model = model
        self.register_buffer("null_text", null_text, persistent=False)
        self.images = config.policy.images
        self.object_weight = config.object_weight

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """A batch from `draw` -> scalar: mean squared error of the noise, or of v."""
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
        """Conditions of a batch, with those hidden that `keep` says."""
        text, boxes, first_frame, image_tokens = (k for k in batch["keep"].T)  # [B] each
        first = batch["latents"][:, 0]
        return Inputs(
            text=torch.where(text[:, None, None] > 0, batch["text"], self.null_text),
            num_frames=batch["latents"].shape[1],
            boxes_xyxy=batch["boxes_xyxy"],
            box_mask=batch["mask"] * boxes[:, None, None],
            phrases=batch["phrases"],
            first_frame=first * first_frame[:, None, None, None],
            # As published: a dropped image means the tokens of an all-zero latent.
            image_latent=first * image_tokens[:, None, None, None],
        )
