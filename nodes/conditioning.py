"""MIM and DIIM: boxes, phrases and a first frame join the prompt."""

from __future__ import annotations

from typing import Any

import node_helpers
import torch
from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.guides.fit import crop_cuts, of_another_shape
from ..smcd_core.sampling.framing import cropped, resized, stretch
from ..smcd_core.sampling.settings import Settings, check_objects
from ..smcd_core.trajectory.dense import dense_boxes, phrases
from ..smcd_core.trajectory.document import MAX_SIDE, Trajectory
from ..smcd_core.weights.defaults import DEFAULTS
from . import inputs
from .inputs import MULTIPLE
from .values import boxes_input, read_boxes, to_image, to_pixels

SIZE_NOTE = "the first frame is resized to it. Released weights: 256."


def _outputs(latent: bool) -> list:
    both = [
        io.Conditioning.Output(display_name=name, tooltip=f"The {name} prompt with the additions of this node.")
        for name in ("positive", "negative")
    ]
    return [*both, io.Latent.Output(display_name="latent", tooltip="Empty, one entry per frame.")] if latent else both


class SMCDConditioning(io.ComfyNode):
    """Attach a first frame and its boxes to a prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Conditioning",
            display_name="SMCD Conditioning",
            category="SMCD",
            description="Animates an image: the boxes say where each object is in each frame.",
            search_aliases=["animate your motion", "bounding box", "image to video"],
            inputs=[
                *inputs.prompts(),
                inputs.clip(),
                *inputs.picture(),
                boxes_input(),
                *inputs.size(256, SIZE_NOTE),
                *inputs.motion_settings(),
                *inputs.image_settings(),
                inputs.fit(),
            ],
            outputs=_outputs(latent=True),
            hidden=[io.Hidden.unique_id],
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
        fit: str = "stretch",
    ) -> io.NodeOutput:
        from .host.remarks import remark

        picture = picture_of(first_frame)
        read = read_boxes(trajectory, picture.width, picture.height, frames or DEFAULTS["frames"])
        num_frames = length(read, frames, if_lengths_differ)
        found = remarks(clip, picture, read, (width, height), num_frames, fit)
        remark(cls, [*see_through(first_frame), *found])
        if fit == "crop":
            picture, read = cropped(picture, read, width, height)
        values = {
            **motion_values(clip, read, num_frames, box_strength, (box_start, box_end)),
            **image_values(vae, picture, width, height, (concat_strength, token_strength)),
        }
        return io.NodeOutput(
            node_helpers.conditioning_set_values(positive, values),
            node_helpers.conditioning_set_values(negative, values),
            empty_latent(values, num_frames),
        )


class SMCDMotion(io.ComfyNode):
    """The half of SMCD Conditioning that is about boxes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Motion",
            display_name="SMCD Motion (MIM)",
            category="SMCD/conditioning",
            description="Adds boxes and their phrases to a prompt.",
            inputs=[
                *inputs.prompts(),
                inputs.clip(),
                boxes_input(),
                io.Int.Input(
                    "box_width",
                    default=512,
                    min=1,
                    max=MAX_SIDE,
                    tooltip="Width of the image that boxes in pixels refer to, in pixels.",
                ),
                io.Int.Input(
                    "box_height", default=512, min=1, max=MAX_SIDE, tooltip="Height of that image, in pixels."
                ),
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
        read = read_boxes(trajectory, box_width, box_height, frames or DEFAULTS["frames"])
        num_frames = length(read, frames, if_lengths_differ)
        values = motion_values(clip, read, num_frames, box_strength, (box_start, box_end))
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
            description="Adds the first frame to a prompt.",
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
        from .host.remarks import remark

        picture = picture_of(first_frame)
        remark(cls, see_through(first_frame))
        values = image_values(vae, picture, width, height, (concat_strength, token_strength))
        both = (node_helpers.conditioning_set_values(prompt, values) for prompt in (positive, negative))
        return io.NodeOutput(*both, empty_latent(values, frames))


def picture_of(image: Tensor) -> Image.Image:
    """The picture of an IMAGE, laid over white where it is transparent. Raises SMCDError unless it is a single one."""
    if image.ndim == 4 and image.shape[0] > 1:
        raise SMCDError(f"first_frame has {image.shape[0]} images: take one of them, with Get Image from Batch")
    return Image.fromarray(to_pixels(image, "first_frame")[0])


def see_through(image: Tensor) -> list[str]:
    """A warning, as the command line gives it, if the first frame is transparent anywhere."""
    is_transparent = image.shape[-1] == 4 and bool((image[..., 3] < 1).any())
    return ["first_frame is partly transparent and was laid over white"] if is_transparent else []


def length(trajectory: Trajectory, frames: int, if_lengths_differ: str) -> int:
    """Frames of the video; `frames` is that of the node, 0 for the trajectory's own."""
    if frames and frames != trajectory.frames and if_lengths_differ == "refuse":
        raise SMCDError(
            f"the trajectory has {trajectory.frames} frames, the video {frames}: set frames to {trajectory.frames} or "
            "0, or if_lengths_differ to resample"
        )
    return Settings.of(DEFAULTS, trajectory, num_frames=frames or None).num_frames


def remarks(
    clip,
    picture: Image.Image,
    trajectory: Trajectory,
    size: tuple[int, int],
    num_frames: int,
    fit: str,
    prompt: str = "",
) -> list[str]:
    """Warnings: boxes of another picture, what a crop cuts off or a stretch squeezes, and what a small model is."""
    from ..smcd_core.sampling.vocabulary import limits
    from .host.text import tokenizer_of

    tokenizer = tokenizer_of(clip)
    unknown = limits(tokenizer, [*phrases(trajectory), prompt], picture) if tokenizer is not None else None
    if fit == "crop":
        fitting = crop_cuts(trajectory, picture.size, size, num_frames)
    else:
        squeezed = stretch(picture.size, size)
        fitting = [f"{squeezed}: set fit to crop to cut its sides off instead"] if squeezed else []
    moved = of_another_shape((trajectory.width, trajectory.height), picture.size)
    return [*moved, *fitting, *([unknown] if unknown else [])]


def motion_values(
    clip, trajectory: Trajectory, num_frames: int, strength: float, span: tuple[float, float]
) -> dict[str, Any]:
    """The entries of a conditioning for a trajectory."""
    from .host.model import BOX_RANGE, BOXES, PHRASES
    from .host.text import phrase_vectors

    if clip is None:
        raise SMCDError("clip is empty: the checkpoint holds none, so use Load CLIP with OpenCLIP ViT-H")
    if span[0] >= span[1]:
        raise SMCDError(f"box_start is {span[0]} and box_end {span[1]}: start before the end")
    check_objects(dense_boxes(trajectory), num_frames)
    boxes = dense_boxes(trajectory, num_frames)
    weights = torch.from_numpy(boxes.weights) * strength  # [F, N]
    return {
        BOXES: torch.cat([torch.from_numpy(boxes.xyxy), weights[..., None]], dim=-1),
        PHRASES: phrase_vectors(clip, boxes.phrases),
        BOX_RANGE: span,
    }


def image_values(vae, picture: Image.Image, width: int, height: int, strengths: tuple[float, float]) -> dict[str, Any]:
    """The entries of a conditioning for a first frame."""
    from .host.model import FIRST_FRAME, IMAGE_STRENGTHS

    if vae is None:
        raise SMCDError("vae is empty: the checkpoint holds none, so use Load VAE with a Stable Diffusion 1 VAE")
    if vae.latent_dim != 2:
        raise SMCDError("the VAE is one for video, SMCD takes one for images: use the VAE output of Load SMCD")
    stride = vae.spacial_compression_encode()
    if width % stride or height % stride:
        # What the model takes is known to the sampler only; the released one takes multiples of 64.
        raise SMCDError(f"the size is {width} x {height}, expected multiples of {MULTIPLE} pixels")
    # The host's own Lanczos cuts off where it should round.
    return {
        FIRST_FRAME: vae.encode(to_image(resized(picture, width, height)[None])),
        IMAGE_STRENGTHS: strengths,
    }


def empty_latent(values: dict[str, Any], num_frames: int) -> dict[str, Tensor]:
    """LATENT of a video like the first frame in the entries of `image_values`."""
    from .host.model import FIRST_FRAME

    return {"samples": torch.zeros(num_frames, *values[FIRST_FRAME].shape[1:])}
