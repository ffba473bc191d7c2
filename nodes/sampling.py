"""Guidance with a scale for each condition, the released sampler, and all in one node."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import node_helpers
import torch
from comfy_api.latest import InputImpl, Types, io
from torch import Tensor

from ..smcd_core.diffusion import TRAIN_STEPS, Guidance
from ..smcd_core.trajectory import MAX_FRAMES, MAX_SIDE
from .conditioning import check_image, image_values, motion_values
from .trajectory import boxes_input, read_boxes

FROM_CHECKPOINT = "0: what the checkpoint is best used with."


class SMCDGuider(io.ComfyNode):
    """One scale for each condition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        tip = "How strongly the {} followed: 0 not at all, 1 as trained, more exaggerates."
        return io.Schema(
            node_id="SMCD_Guider",
            display_name="SMCD Guider",
            category="SMCD",
            description="Guidance with one scale each for text, boxes and first frame. With boxes and image at 1 it "
            "does "
            "what KSampler does with cfg = text. For SamplerCustomAdvanced.",
            search_aliases=["cfg", "guidance"],
            inputs=[
                io.Model.Input("model"),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Float.Input("text", default=7.5, min=0.0, max=30.0, step=0.1, tooltip=tip.format("prompt is")),
                io.Float.Input("boxes", default=1.0, min=0.0, max=30.0, step=0.1, tooltip=tip.format("boxes are")),
                io.Float.Input("image", default=1.0, min=0.0, max=30.0, step=0.1, tooltip=tip.format("first frame is")),
                io.Float.Input(
                    "rescale",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Against too much contrast at high scales: share of the prediction that is brought back "
                    "to the contrast without guidance.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Share of the sampling from which the scales hold. Before it, all are 1, which is faster.",
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Share of the sampling until which the scales hold.",
                ),
            ],
            outputs=[io.Guider.Output()],
        )

    @classmethod
    def execute(
        cls,
        model,
        positive,
        negative,
        text: float,
        boxes: float,
        image: float,
        rescale: float,
        start: float,
        end: float,
    ) -> io.NodeOutput:
        from . import host

        guider = host.ConditionGuider(model)
        guider.set_guidance(positive, negative, Guidance(text, boxes, image), rescale, (start, end))
        return io.NodeOutput(guider)


class SMCDSampler(io.ComfyNode):
    """The released DDIM."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Sampler",
            display_name="SMCD Sampler (as published)",
            category="SMCD",
            description="DDIM as released, which stops at timestep 0 and so leaves a little noise that ddim "
            "takes out (2 % of the latents). For SamplerCustomAdvanced.",
            inputs=[
                io.Model.Input("model"),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=TRAIN_STEPS,
                    tooltip="Released: 50. A number that does not divide 1000 gives a few more.",
                ),
            ],
            outputs=[io.Sampler.Output(), io.Sigmas.Output()],
        )

    @classmethod
    def execute(cls, model, steps: int) -> io.NodeOutput:
        from . import host

        return io.NodeOutput(host.PublishedDDIM(), host.published_sigmas(model, steps))


class SMCDLongVideo(io.ComfyNode):
    """Context windows with settings that suit SMCD."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_LongVideo",
            display_name="SMCD Long Video",
            category="SMCD",
            description="Makes any number of frames in the memory of one window: Context Windows with the settings for "
            "SMCD. Boxes are cut along; every window sees the first frame.",
            search_aliases=["context windows"],
            inputs=[
                io.Model.Input("model"),
                io.Int.Input(
                    "window",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Frames that are seen at once; best as many as the model was trained with.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=255,
                    tooltip="Frames that neighbouring windows share: more is smoother and slower.",
                ),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model, window: int, overlap: int) -> io.NodeOutput:
        from . import host

        if overlap >= window:
            raise ValueError(f"overlap is {overlap} and window {window}: give less than the window")
        return io.NodeOutput(host.with_windows(model, window, overlap))


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
                io.Model.Input("model"),
                io.Clip.Input("clip"),
                io.Vae.Input("vae"),
                io.Image.Input("first_frame", tooltip="Becomes frame 0. Resized to width x height."),
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
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=MAX_SIDE,
                    step=8,
                    advanced=True,
                    tooltip=f"Of the video, in pixels. {FROM_CHECKPOINT}",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=MAX_SIDE,
                    step=8,
                    advanced=True,
                    tooltip=f"Of the video, in pixels. {FROM_CHECKPOINT}",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=MAX_FRAMES,
                    advanced=True,
                    tooltip="Of the video. 0: as many as the trajectory has.",
                ),
            ],
            outputs=[io.Image.Output(), io.Video.Output()],
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
    ) -> io.NodeOutput:
        from . import host

        defaults = host.smcd_model(model).defaults
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
        guider = host.ConditionGuider(model)
        guider.set_guidance(positive, negative, guidance, 0.0, (0.0, 1.0))
        sigmas = host.published_sigmas(model, steps or defaults["steps"])
        noise = pipeline_noise(seed, values[host.FIRST_FRAME], frames or read.frames)
        latents = host.sample(model, guider, host.PublishedDDIM(), sigmas, noise, seed)
        images = vae.decode(latents)
        fps = Fraction(read.fps).limit_denominator(1000)
        video = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=fps))
        return io.NodeOutput(images, video)


def pipeline_noise(seed: int, latent: Tensor, frames: int) -> Tensor:
    """[F, 4, h, w] for a first frame's latent [1, 4, h, w]: the noise of smcd_core.pipeline for a seed."""
    channels, height, width = latent.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((channels, frames, height, width), generator=generator).transpose(0, 1).contiguous()
