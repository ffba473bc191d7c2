"""One node from image, boxes and prompt to a video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import node_helpers
import torch
from comfy_api.latest import InputImpl, Types, io
from torch import Tensor

from ..smcd_core.sampling.diffusion import TRAIN_STEPS, Guidance
from ..smcd_core.weights.defaults import FAST
from . import inputs
from .conditioning import check_image, image_values, motion_values
from .sampling import FROM_CHECKPOINT
from .values import boxes_input, read_boxes


class SMCDGenerate(io.ComfyNode):
    """From a picture, boxes and a sentence to a video, as the command line does it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Generate",
            display_name="SMCD Generate",
            category="SMCD",
            description="Animates a picture along boxes, in one node.",
            search_aliases=["animate your motion", "image to video", "bounding box"],
            inputs=[
                inputs.model(),
                inputs.clip(),
                *inputs.picture(),
                boxes_input(),
                io.String.Input("prompt", multiline=True, default="", tooltip="The whole video in a sentence."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of the noise; the command line makes the same video of it.",
                ),
                io.Int.Input("steps", default=0, min=0, max=TRAIN_STEPS, tooltip=f"Of the sampler. {FROM_CHECKPOINT}"),
                io.Float.Input(
                    "text", default=0.0, min=0.0, max=30.0, step=0.1, tooltip=f"Scale of the prompt. {FROM_CHECKPOINT}"
                ),
                *inputs.size(0, FROM_CHECKPOINT, advanced=True),
                inputs.frames(advanced=True),
                io.Boolean.Input(
                    "fast",
                    default=False,
                    optional=True,
                    tooltip="DPM++ 2M with 10 steps, unless steps says another number: a fifth of the time of 50 "
                    "steps.",
                ),
            ],
            outputs=[
                io.Image.Output(tooltip="All frames."),
                io.Video.Output(tooltip="The same at the frames per second of the trajectory, for Save Video."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        clip,
        vae,
        first_frame: Tensor,
        trajectory: Any,
        prompt: str,
        seed: int,
        steps: int,
        text: float,
        width: int,
        height: int,
        frames: int,
        fast: bool = False,
    ) -> io.NodeOutput:
        from .host import sampling
        from .host.model import FIRST_FRAME, smcd_model

        defaults = smcd_model(model).defaults
        width, height = width or defaults["width"], height or defaults["height"]
        check_image(first_frame)
        read = read_boxes(trajectory, first_frame.shape[2], first_frame.shape[1], frames or defaults["frames"])
        values = {
            **motion_values(clip, read, frames, "resample", 1.0, (0.0, 1.0)),
            **image_values(vae, first_frame, width, height, (1.0, 1.0)),
        }
        # As released: no text is a space.
        encoded = (clip.encode_from_tokens_scheduled(clip.tokenize(words)) for words in (prompt, " "))
        positive, negative = (node_helpers.conditioning_set_values(prompt, values) for prompt in encoded)
        guidance = Guidance(text or defaults["text"], defaults["boxes"], defaults["image"])
        guider = sampling.ConditionGuider(model)
        guider.set_guidance(positive, negative, guidance)
        if fast:
            sampler, sigmas = sampling.fast_sampling(model, steps or FAST["steps"])
        else:
            sampler = sampling.PublishedDDIM()
            sigmas = sampling.published_sigmas(model, steps or defaults["steps"])
        noise = pipeline_noise(seed, values[FIRST_FRAME], frames or read.frames)
        latents = sampling.sample(model, guider, sampler, sigmas, noise, seed)
        images = vae.decode(latents)
        fps = Fraction(read.fps).limit_denominator(1000)
        video = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=fps))
        return io.NodeOutput(images, video)


def pipeline_noise(seed: int, latent: Tensor, frames: int) -> Tensor:
    """[F, 4, h, w] for a first frame's latent [1, 4, h, w]: the noise of smcd_core.sampling.pipeline for a seed."""
    channels, height, width = latent.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((channels, frames, height, width), generator=generator).transpose(0, 1).contiguous()
