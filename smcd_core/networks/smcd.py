"""All networks of SMCD: from text, boxes and a first frame to a prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .conditions import Conditions
from .config import SMCDConfig
from .image import ImageEncoder
from .motion import BoxEncoder
from .types import Device, Dtype, Operations
from .unet import ControlNet, DeepFeatures, UNet3D

Tokens = Conditions  # its public name


@dataclass(frozen=True)
class Inputs:
    """Conditions of B videos of F frames, before the encoders.

    text          [B, T, D]      hidden states of the text encoder
    num_frames    F
    boxes_xyxy    [B, F, N, 4]   units of the frame, 0..1; None without boxes
    box_mask      [B, F, N]      1 object, 0 nothing, between for a weaker object
    phrases       [B, N, P]      phrase embeddings
    first_frame   [B, 4, H, W]   latent, scaled; enters through the input convolution (ZC)
    image_latent  [B, 4, H, W]   latent that ImageEncoder (GCA) or the ControlNet reads; None: the first frame
    """

    text: Tensor
    num_frames: int
    boxes_xyxy: Tensor | None = None
    box_mask: Tensor | None = None
    phrases: Tensor | None = None
    first_frame: Tensor | None = None
    image_latent: Tensor | None = None


def networks_beside_unet(
    config: SMCDConfig, *, dtype: Dtype, device: Device, operations: Operations
) -> dict[str, nn.Module]:
    """Build the encoders and the ControlNet that a configuration asks for, by their prefix in the state dict."""
    layers = dict(dtype=dtype, device=device, operations=operations)
    networks: dict[str, nn.Module] = {}
    if config.boxes:
        networks["box_encoder"] = BoxEncoder(config.phrase_dim, config.context_dim, **layers)
    if config.image_tokens != "none":
        networks["image_encoder"] = ImageEncoder(
            config.latent_channels, config.image_encoder_channels, config.image_encoder_blocks, **layers
        )
    if config.control:
        networks["control_net"] = ControlNet(config, **layers)
    return networks


def pad_objects(boxes: Tensor, mask: Tensor, phrases: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Add empty objects up to `count`: boxes [..., N, 4], mask [..., N] and phrase embeddings [..., N, P]."""
    extra = count - phrases.shape[-2]
    pad = nn.functional.pad
    return pad(boxes, (0, 0, 0, extra)), pad(mask, (0, extra)), pad(phrases, (0, 0, 0, extra))


def pad_boxes(config: SMCDConfig, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, mask and phrases as BoxEncoder takes them: [BF, N, 4], [BF, N], [BF, N, P].

    N is at least config.box_slots. Without boxes in the inputs, all of it is padding.
    """
    batch, frames, like = inputs.text.shape[0], inputs.num_frames, inputs.text
    if inputs.boxes_xyxy is None:
        boxes = torch.zeros(batch, frames, 0, 4, device=like.device)
        mask = boxes[..., 0]
        phrases = like.new_zeros(batch, 0, config.phrase_dim)
    else:
        mask, phrases = inputs.box_mask.float(), inputs.phrases  # type: ignore[union-attr]  # all three, or none
        boxes = inputs.boxes_xyxy.float()
    boxes, mask, phrases = pad_objects(boxes, mask, phrases, max(config.box_slots, boxes.shape[2]))
    return boxes.flatten(0, 1), mask.flatten(0, 1), phrases.repeat_interleave(frames, dim=0)


class SMCD(nn.Module):
    """A UNet with the encoders that its configuration asks for.

    State dict prefixes: unet, box_encoder, image_encoder, control_net.
    """

    def __init__(self, config: SMCDConfig, *, dtype: Dtype = None, device: Device = None, operations: Operations = nn):
        super().__init__()
        self.config = config
        layers = dict(dtype=dtype, device=device, operations=operations)
        self.unet = UNet3D(config, **layers)
        for name, network in networks_beside_unet(config, **layers).items():
            self.add_module(name, network)

    def encode(self, inputs: Inputs) -> Conditions:
        """Run the encoders once; the result serves every step.

        Boxes are padded with null tokens to config.box_slots, as in training, since the number of slots changes the
        result (SPEC, section 7). Without any boxes, a network with MIM sees null tokens only.
        """
        box_tokens = boxes = mask = None
        if self.config.boxes:
            boxes, mask, phrases = pad_boxes(self.config, inputs)
            box_tokens = self.box_encoder(boxes, mask, phrases)
        latent = inputs.first_frame if inputs.image_latent is None else inputs.image_latent
        image_tokens = self.image_encoder(latent) if self.config.image_tokens != "none" else None
        hint = latent if self.config.control else None
        return Conditions(
            inputs.text, inputs.num_frames, inputs.first_frame, box_tokens, image_tokens, boxes, mask, hint=hint
        )

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        conditions: Conditions,
        *,
        images: bool = False,
        deep: DeepFeatures | None = None,
    ) -> Tensor:
        """Predict the noise, or v (see config.prediction).

        Shapes:
            x        [BF, 4, H, W]  noisy latents
            t        [B]            timesteps 0..999
            returns  [BF, 4, H, W]

        images  True for stills: no layer looks across frames
        deep    see UNet3D.forward
        """
        control = None
        if self.config.control:
            control = self.control_net(x, conditions.hint, t, conditions.text, conditions.num_frames)
        if self.config.first_frame_concat:
            first_frame: Any = conditions.first_frame  # never None: the configuration asks for it
            x = torch.cat([x, first_frame.repeat_interleave(conditions.num_frames, dim=0)], dim=1)
        return self.unet(x, t, replace(conditions, images=images), control=control, deep=deep)
