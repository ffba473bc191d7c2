"""MIM and DIIM: boxes, phrases and a first frame join the prompt."""

from __future__ import annotations

from typing import Any

import node_helpers
import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..smcd_core.trajectory.dense import boxes_at, clip_boxes, phrases, strengths
from ..smcd_core.trajectory.document import MAX_SIDE, Trajectory
from . import inputs
from .inputs import LATENT_STRIDE
from .values import boxes_input, read_boxes, to_image, to_pixels

LATENT_CHANNELS = 4
SIZE_NOTE = "the first frame is resized to it. Released weights: 256."


def _outputs(latent: bool) -> list:
    both = [
        io.Conditioning.Output(display_name=name, tooltip=f"The {name} prompt with what this node adds to it.")
        for name in ("positive", "negative")
    ]
    return (
        [*both, io.Latent.Output(display_name="latent", tooltip="Empty, one entry for each frame.")] if latent else both
    )


class SMCDConditioning(io.ComfyNode):
    """Attach a first frame and its boxes to a prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Conditioning",
            display_name="SMCD Conditioning",
            category="SMCD",
            description="Animates an image: each box says where its object is in each frame.",
            search_aliases=["animate your motion", "bounding box", "image to video"],
            inputs=[
                *inputs.prompts(),
                inputs.clip(),
                *inputs.picture(),
                boxes_input(),
                *inputs.size(256, SIZE_NOTE),
                *inputs.motion_settings(),
                *inputs.image_settings(),
            ],
            outputs=_outputs(latent=True),
        )

    @classmethod
    def execute(
        cls,
        positive,
        negative,
        clip,
        vae,
        first_frame: Tensor,
        trajectory: Any,
        width: int,
        height: int,
        frames: int,
        if_lengths_differ: str,
        box_strength: float,
        box_start: float,
        box_end: float,
        concat_strength: float,
        token_strength: float,
    ) -> io.NodeOutput:
        check_image(first_frame)
        source_height, source_width = first_frame.shape[1:3]
        read = read_boxes(trajectory, source_width, source_height, frames or 8)
        values = {
            **motion_values(clip, read, frames, if_lengths_differ, box_strength, (box_start, box_end)),
            **image_values(vae, first_frame, width, height, (concat_strength, token_strength)),
        }
        return io.NodeOutput(
            node_helpers.conditioning_set_values(positive, values),
            node_helpers.conditioning_set_values(negative, values),
            empty_latent(width, height, frames or read.frames),
        )


class SMCDMotion(io.ComfyNode):
    """The half of SMCD Conditioning that is about boxes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Motion",
            display_name="SMCD Motion (MIM)",
            category="SMCD/conditioning",
            description="Attaches boxes and their phrases to a prompt.",
            inputs=[
                *inputs.prompts(),
                inputs.clip(),
                boxes_input(),
                io.Int.Input(
                    "box_width",
                    default=512,
                    min=1,
                    max=MAX_SIDE,
                    tooltip="Of the frame that boxes in pixels refer to, in pixels.",
                ),
                io.Int.Input("box_height", default=512, min=1, max=MAX_SIDE, tooltip="Of that frame, in pixels."),
                *inputs.motion_settings(),
            ],
            outputs=_outputs(latent=False),
        )

    @classmethod
    def execute(
        cls,
        positive,
        negative,
        clip,
        trajectory: Any,
        box_width: int,
        box_height: int,
        frames: int,
        if_lengths_differ: str,
        box_strength: float,
        box_start: float,
        box_end: float,
    ) -> io.NodeOutput:
        read = read_boxes(trajectory, box_width, box_height, frames or 8)
        values = motion_values(clip, read, frames, if_lengths_differ, box_strength, (box_start, box_end))
        both = (node_helpers.conditioning_set_values(prompt, values) for prompt in (positive, negative))
        return io.NodeOutput(*both)


class SMCDImage(io.ComfyNode):
    """The half of SMCD Conditioning that is about the first frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Image",
            display_name="SMCD Image (DIIM)",
            category="SMCD/conditioning",
            description="Attaches the first frame to a prompt.",
            inputs=[
                *inputs.prompts(),
                *inputs.picture(),
                *inputs.size(256, SIZE_NOTE),
                inputs.frames(default=8),
                *inputs.image_settings(),
            ],
            outputs=_outputs(latent=True),
        )

    @classmethod
    def execute(
        cls,
        positive,
        negative,
        vae,
        first_frame: Tensor,
        width: int,
        height: int,
        frames: int,
        concat_strength: float,
        token_strength: float,
    ) -> io.NodeOutput:
        check_image(first_frame)
        values = image_values(vae, first_frame, width, height, (concat_strength, token_strength))
        both = (node_helpers.conditioning_set_values(prompt, values) for prompt in (positive, negative))
        return io.NodeOutput(*both, empty_latent(width, height, frames))


def check_image(image: Tensor) -> None:
    """Raises ValueError unless it is one picture without alpha."""
    if image.shape[0] != 1:
        raise ValueError(f"first_frame has {image.shape[0]} images: take one of them, with Get Image from Batch")
    if image.shape[3] != 3:
        raise ValueError(f"first_frame has {image.shape[3]} channels, expected 3: take off the alpha channel")


def motion_values(
    clip, trajectory: Trajectory, frames: int, if_lengths_differ: str, strength: float, span: tuple[float, float]
) -> dict[str, Any]:
    """The entries of a conditioning for a trajectory; frames 0 is its own number of them."""
    from .host.model import BOX_RANGE, BOXES, PHRASES
    from .host.text import phrase_vectors

    if clip is None:
        raise ValueError("clip is empty: the checkpoint holds none, so use Load CLIP with OpenCLIP ViT-H")
    if frames and frames != trajectory.frames and if_lengths_differ == "refuse":
        raise ValueError(
            f"the trajectory has {trajectory.frames} frames, the video {frames}: set frames to {trajectory.frames} or "
            "0, or if_lengths_differ to resample"
        )
    if span[0] >= span[1]:
        raise ValueError(f"box_start is {span[0]} and box_end {span[1]}: start before the end")
    names = phrases(trajectory)
    if not names:
        raise ValueError(
            "the trajectory has no enabled object: draw a box or enable one, or use SMCD Image (DIIM) for a video "
            "without boxes"
        )
    unnamed = [n for n, name in enumerate(names) if not name.strip()]
    if unnamed:
        raise ValueError(
            f"object {unnamed[0] + 1} of {len(names)} has no phrase: say what is in its box, in the editor or, for "
            "masks and tracks, in SMCD Trajectory from Boxes / Tracks / Masks"
        )
    boxes, mask = clip_boxes(*boxes_at(trajectory, frames or trajectory.frames))
    if not mask.any():
        raise ValueError("no box is inside the frame at any time: move one into it")
    strong = mask * torch.tensor(strengths(trajectory)) * strength  # [F, N]
    return {
        BOXES: torch.cat([boxes, strong[..., None]], dim=-1),
        PHRASES: phrase_vectors(clip, names),
        BOX_RANGE: span,
    }


def image_values(vae, image: Tensor, width: int, height: int, strengths: tuple[float, float]) -> dict[str, Any]:
    """The entries of a conditioning for a first frame."""
    from .host.model import FIRST_FRAME, IMAGE_STRENGTHS

    if vae is None:
        raise ValueError("vae is empty: the checkpoint holds none, so use Load VAE with a Stable Diffusion 1 VAE")
    if vae.latent_channels != LATENT_CHANNELS:
        raise ValueError(
            f"the VAE has {vae.latent_channels} latent channels, SMCD takes {LATENT_CHANNELS}: use a Stable "
            "Diffusion 1 VAE"
        )
    if width % LATENT_STRIDE or height % LATENT_STRIDE:
        raise ValueError(f"the size is {width} x {height}, expected multiples of {LATENT_STRIDE} pixels")
    return {
        FIRST_FRAME: vae.encode(resized(image, width, height)),
        IMAGE_STRENGTHS: strengths,
    }


def resized(image: Tensor, width: int, height: int) -> Tensor:
    """IMAGE [1, H, W, 3] -> [1, height, width, 3]. The host's own Lanczos cuts off where it should round."""
    picture = Image.fromarray(to_pixels(image)[0]).resize((width, height), Image.Resampling.LANCZOS)
    return to_image(np.array(picture)[None])


def empty_latent(width: int, height: int, frames: int) -> dict[str, Tensor]:
    return {"samples": torch.zeros(frames, LATENT_CHANNELS, height // LATENT_STRIDE, width // LATENT_STRIDE)}
