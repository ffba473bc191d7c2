"""Boxes drawn for other video models, and phrases that hold only inside their boxes."""

from __future__ import annotations

from typing import Any

import node_helpers
import torch
from comfy_api.latest import io
from torch import Tensor

from ..smcd_core.guides.drawn import STYLES, guide_video, remarks
from ..smcd_core.guides.regions import region_masks
from ..smcd_core.sampling.settings import check_objects
from .guides import colors_of, fitted, target, unlike_readers
from .readers import NodeWithReaders
from .values import boxes_input

MAX_FRAMES_PER_LATENT = 16
MAX_STRENGTH = 10.0  # of ConditioningSetMask


class SMCDGuideVideo(NodeWithReaders):
    """Boxes drawn as another model was trained to read them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_GuideVideo",
            display_name="SMCD Guide Video",
            category="SMCD/guides",
            description="Draws boxes as the control video of VACE, LTX, Wan Fun and MagicMotion.",
            search_aliases=["vace", "control video", "wan fun", "ltx", "magicmotion", "bounding box video"],
            inputs=[
                boxes_input(),
                io.Combo.Input(
                    "style",
                    options=[*STYLES],
                    default=STYLES[0],
                    tooltip="How the model was trained to see boxes. The first three are for VACE: black on white, in "
                    "the colours of the objects, or white on black, which leaves fewer traces.",
                ),
                *target(),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The start image. It becomes frame 0 in the styles for VACE; its size decides what crop "
                    "cuts off.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="video", tooltip="One frame for each frame of length."),
                io.Mask.Output(
                    display_name="mask", tooltip="For VACE: 0 in a frame that is kept, the image; 1 in all others."
                ),
                io.String.Output(
                    display_name="report", tooltip="What was drawn, and whether the model takes this size and length."
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        trajectory: Any,
        style: str,
        width: int,
        height: int,
        length: int,
        fit: str,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        from .host.remarks import remark

        read, boxes, (what, *found) = fitted(trajectory, image, width, height, length, fit)
        colors = [track.color for track in read.objects if track.enabled]
        picture = None if image is None else colors_of(image)
        video, mask = guide_video(boxes, style, colors, picture, crop=fit == "crop")
        lines = [*found, *remarks(boxes, style), *unlike_readers(cls, range(2), width, height, length)]
        remark(cls, lines)
        return io.NodeOutput(video, mask, "\n".join([what, *lines]))


class SMCDRegionalPrompt(NodeWithReaders):
    """A prompt for the scene, and a phrase for each box that moves with it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_RegionalPrompt",
            display_name="SMCD Regional Prompt",
            category="SMCD/guides",
            description="Encodes a prompt for the scene, and the phrase of each object for the inside of its box. For "
            "Wan, Hunyuan, CogVideoX and other models whose latent has frames.",
            search_aliases=["regional prompt", "masked prompt", "prompt per object", "area conditioning"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model."),
                io.String.Input(
                    "prompt", multiline=True, default="", tooltip="The whole scene and what happens in it."
                ),
                boxes_input(),
                *target(),
                io.Int.Input(
                    "frames_per_latent",
                    default=4,
                    min=1,
                    max=MAX_FRAMES_PER_LATENT,
                    tooltip="Frames that one latent frame stands for: 4 for Wan, Hunyuan and CogVideoX, 8 for LTX.",
                ),
                io.Float.Input(
                    "background",
                    default=0.3,
                    min=0.01,
                    max=MAX_STRENGTH,
                    step=0.01,
                    tooltip="How much the scene's prompt counts inside the boxes, against 1 for a phrase. Outside it "
                    "is alone.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The start image. Only its size counts. Without it, that of the trajectory.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    tooltip="Positive conditioning. Connect it before the node that adds the start image."
                )
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        prompt: str,
        trajectory: Any,
        width: int,
        height: int,
        length: int,
        fit: str,
        frames_per_latent: int,
        background: float,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        from .host.remarks import remark

        _, boxes, (_, *found) = fitted(trajectory, image, width, height, length, fit)
        remark(cls, [*found, *unlike_readers(cls, range(1), width, height, length)])
        check_objects(boxes.clipped())
        masks = region_masks(boxes, frames_per_latent)  # [N, T, h, w]
        everywhere = torch.ones(1 + (length - 1) // frames_per_latent, *masks.shape[2:])
        regions = [(prompt, everywhere, background)]
        # A region costs a pass in every step, so one that is empty is left out.
        regions += [
            (phrase, mask, strength)
            for phrase, mask, strength in zip(boxes.phrases, masks, boxes.strengths, strict=True)
            if strength and mask.any()
        ]
        conditioning = []
        for text, mask, strength in regions:
            # What ConditioningSetMask writes; on latents with frames it takes a mask for each of them.
            values = {"mask": mask, "set_area_to_bounds": False, "mask_strength": strength}
            encoded = clip.encode_from_tokens_scheduled(clip.tokenize(text))
            conditioning += node_helpers.conditioning_set_values(encoded, values)
        return io.NodeOutput(conditioning)
