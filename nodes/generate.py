"""One node from image, boxes and prompt to a video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import node_helpers
from comfy_api.latest import InputImpl, Types, io
from torch import Tensor

from ..smcd_core.sampling.animatic import animatic, inside_of, told_of_start
from ..smcd_core.sampling.diffusion import TRAIN_STEPS, Start, check_finite, noise_of
from ..smcd_core.sampling.framing import cropped, resized
from ..smcd_core.sampling.settings import (
    NO_TEXT,
    Settings,
    check_objects,
    check_size,
    check_slots,
    from_noise,
    without_effect,
)
from ..smcd_core.trajectory.dense import dense_boxes
from . import inputs
from .conditioning import image_values, motion_values, picture_of, remarks, see_through
from .sampling import FROM_CHECKPOINT
from .values import boxes_input, read_boxes, to_image


class SMCDGenerate(io.ComfyNode):
    """From a picture, boxes and a sentence to a video, as the command line does it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Generate",
            display_name="SMCD Generate",
            category="SMCD",
            description="Animates an image along boxes, in one node.",
            search_aliases=["animate your motion", "image to video", "bounding box", "animate"],
            inputs=[
                inputs.model(),
                inputs.clip(),
                *inputs.picture(),
                boxes_input(),
                io.String.Input("prompt", multiline=True, default="", tooltip="One sentence for the whole video."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the noise. The command line makes the same video from it.",
                ),
                io.Int.Input("steps", default=0, min=0, max=TRAIN_STEPS, tooltip=f"Sampling steps. {FROM_CHECKPOINT}"),
                io.Float.Input(
                    "text",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip=f"Guidance scale of the prompt. {FROM_CHECKPOINT}",
                ),
                *inputs.size(
                    0, f"{FROM_CHECKPOINT[:-1]}; the bundled one keeps the shape of the first frame.", advanced=True
                ),
                inputs.frames(advanced=True),
                io.Boolean.Input(
                    "fast",
                    default=False,
                    optional=True,
                    tooltip="DPM++ 2M with 10 steps, unless steps is set: a fifth of the time of 50 steps.",
                ),
                inputs.fit(),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Share of the steps that is run, the last ones. They start from the image with its boxes "
                    f"moved, which keeps colours and background. 1 starts from noise. {FROM_CHECKPOINT}",
                ),
                io.String.Input(
                    "negative",
                    multiline=True,
                    default="",
                    placeholder="negative prompt",
                    optional=True,
                    tooltip="What the video should not show. Empty, the default, is the released setting.",
                ),
                io.Float.Input(
                    "start_inside",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="The same as start, inside the boxes only: less keeps more of how the objects look. 0 "
                    "is as outside, or as the checkpoint says if start is 0 too.",
                ),
            ],
            outputs=[
                io.Image.Output(tooltip="All frames."),
                io.Video.Output(tooltip="The same frames at the frame rate of the trajectory, for Save Video."),
            ],
            hidden=[io.Hidden.unique_id],
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
        fit: str = "stretch",
        start: float = 0.0,
        negative: str = "",
        start_inside: float = 0.0,
    ) -> io.NodeOutput:
        from .host import sampling
        from .host.model import FIRST_FRAME, smcd_model
        from .host.remarks import remark

        network = smcd_model(model)
        defaults = network.defaults
        picture = picture_of(first_frame)
        rest = dict(frames=frames or defaults["frames"], fps=defaults["fps"])
        read = read_boxes(trajectory, picture.width, picture.height, **rest)
        negative = negative or NO_TEXT
        given = dict(width=width, height=height, num_frames=frames, steps=steps, text=text)
        given |= dict(start=start, start_inside=start_inside)
        given = {name: value or None for name, value in given.items()}
        shape = dict(picture=picture.size, multiple=network.multiple)
        settings = Settings.of(defaults, read, fast=fast, **shape, **given)
        boxes = dense_boxes(read)
        check_objects(boxes, settings.num_frames)
        check_slots(len(boxes.phrases), network.smcd_config.box_slots)
        size = settings.width, settings.height
        check_size(*size, network.multiple)
        found = remarks(clip, picture, read, size, settings.num_frames, fit, prompt)
        if fit == "crop":
            picture, read = cropped(picture, read, *size)
        of_start = (*told_of_start(read, settings), *from_noise(defaults, settings))
        remark(cls, [*see_through(first_frame), *found, *of_start, *without_effect(settings, negative, "text")])
        values = {
            **motion_values(clip, read, settings.num_frames, 1.0, (0.0, 1.0)),
            **image_values(vae, picture, *size, (1.0, 1.0)),
        }
        encoded = (clip.encode_from_tokens_scheduled(clip.tokenize(words)) for words in (prompt, negative))
        conds = (node_helpers.conditioning_set_values(text, values) for text in encoded)
        guider = sampling.ConditionGuider(model)
        guider.set_guidance(*conds, settings.guidance)
        sampler, sigmas = sampling.sampling_of(model, settings)
        noise = noise_of(seed, (settings.num_frames, *values[FIRST_FRAME].shape[1:]))
        how = {"noise": noise}
        if settings.starts:
            video, mask = animatic(resized(picture, *size), read, settings.num_frames)
            guide = vae.encode(to_image(video))
            start = Start(guide, inside_of(mask, guide), settings.starts)
            how = sampling.waiting(guider, start, sigmas, noise, total=len(sigmas) - 1 + settings.skipped)
        latents = sampling.sample(model, guider, sampler, sigmas, seed=seed, **how)
        check_finite(latents, network.get_dtype_inference())
        images = vae.decode(latents)
        fps = Fraction(settings.fps).limit_denominator(1000)
        video = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=fps))
        return io.NodeOutput(images, video)
