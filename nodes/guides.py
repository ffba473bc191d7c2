"""Boxes for other video models: Wan-Move, ATI, Time-to-Move and what else takes points or a moved picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.guides.cut_and_drag import (
    FEATHER,
    MAX_FEATHER,
    cut_and_drag,
    latent_mask,
    resized,
    told as told_of_cuts,
)
from ..smcd_core.guides.fit import WAN, fit as fit_to, off_grid, told
from ..smcd_core.guides.tracks import (
    ATI_SPACING,
    MAX_PER_SIDE,
    as_ati,
    as_coordinates,
    as_tracks,
    ati_refusal,
    counted,
    left_out,
    point_tracks,
)
from ..smcd_core.trajectory.dense import DenseBoxes
from ..smcd_core.trajectory.document import MAX_FRAMES, MAX_SIDE, Trajectory
from .masks import mask_pictures, read_masks, stretched
from .readers import NodeWithReaders, other_videos, prompt_of, refuse_ati
from .values import boxes_input, check_image, read_boxes

FITS = ("crop", "stretch")
POINTS = (0, 1, 2)  # outputs of SMCD Tracks in pixels of a video


def target() -> list[io.Input]:
    """width, height, length and fit of the node that the guide is for."""
    return [
        io.Int.Input(
            "width", default=832, min=16, max=MAX_SIDE, step=8, tooltip="Width of the other node's video in pixels."
        ),
        io.Int.Input(
            "height", default=480, min=16, max=MAX_SIDE, step=8, tooltip="Height of the other node's video in pixels."
        ),
        io.Int.Input(
            "length",
            default=81,
            min=1,
            max=MAX_FRAMES,
            tooltip="Frames of the other node's video. The trajectory is sampled at that many times.",
        ),
        io.Combo.Input(
            "fit",
            options=[*FITS],
            default=FITS[0],
            tooltip="For an image with another aspect ratio: crop cuts its sides off, as the nodes of Wan do, "
            "stretch distorts it.",
        ),
    ]


def unlike_readers(node: type[io.ComfyNode], slots: Sequence[int], width: int, height: int, length: int) -> list[str]:
    """A remark for each node that reads some outputs of a guide and makes a video of another size or length."""
    own = {"width": width, "height": height, "length": length}
    return [f"{unlike}: give both the same numbers" for unlike in other_videos(node, slots, own, needs=("length",))]


def colors_of(image: Tensor) -> Tensor:
    """IMAGE [N, H, W, C] -> [H, W, 3], the first one without its alpha, as the nodes of Wan read it."""
    return image[0, ..., :3].cpu().expand(-1, -1, 3)


def fitted(
    trajectory: Any, image: Tensor | None, width: int, height: int, length: int, fit: str
) -> tuple[Trajectory, DenseBoxes, list[str]]:
    """The boxes as they were drawn, in the frame of the target, and lines on what that did to them.

    Boxes in pixels are in pixels of the image, or of the target without one.
    """
    if image is not None:
        check_image(image, "image")
    size = None if image is None else (image.shape[2], image.shape[1])
    read = read_boxes(trajectory, *(size or (width, height)), length)
    drawn_on = read.width, read.height
    picture = size or drawn_on
    boxes = fit_to(replace(read, width=picture[0], height=picture[1]), width, height, length, crop=fit == "crop")
    return read, boxes, told(boxes, drawn_on, picture, crop=fit == "crop")


class SMCDTracks(NodeWithReaders):
    """Points in each box, for models that move what is at a point of the first frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Tracks",
            display_name="SMCD Tracks",
            category="SMCD/guides",
            description="Converts boxes to point tracks for Wan-Move, ATI and other models that follow points.",
            search_aliases=["wan move", "ATI", "point tracks", "motion path", "spline", "trajectory to tracks"],
            inputs=[
                boxes_input(),
                *target(),
                io.Int.Input(
                    "points",
                    default=0,
                    min=0,
                    max=MAX_PER_SIDE,
                    tooltip="Points across and down each box. 0: as many as the model needs to cover the box where it "
                    "is largest.",
                ),
                io.Int.Input(
                    "anchors",
                    default=0,
                    min=0,
                    max=MAX_PER_SIDE,
                    tooltip="Points across and down the frame that stay where they are, where no box ever passes. They "
                    "hold the background still. 0: none, and the camera may move.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The start image of the other node. Only its size counts. Without it, that of the "
                    "trajectory.",
                ),
            ],
            outputs=[
                io.Tracks.Output(display_name="tracks", tooltip="For WanMoveTrackToVideo, in pixels of its video."),
                io.String.Output(
                    display_name="coordinates",
                    tooltip="JSON: a list of x and y in pixels for each point, one for each frame. Hidden points lie "
                    "far outside the frame.",
                ),
                io.String.Output(
                    display_name="coordinates_121",
                    tooltip="JSON for WanTrackToVideo (ATI), which reads 121 points for any length.",
                ),
                io.String.Output(display_name="report", tooltip="What was made, and what was left out and why."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        trajectory: Any,
        width: int,
        height: int,
        length: int,
        fit: str,
        points: int,
        anchors: int,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        from .host.remarks import remark

        for unlike in other_videos(cls, POINTS, {"width": width, "height": height, "length": length}):
            raise SMCDError(f"{unlike}: give both the same numbers")
        refuse_ati(cls, coordinates=1)
        _, boxes, (what, *found) = fitted(trajectory, image, width, height, length, fit)
        tracks = point_tracks(boxes, points, anchors)
        what += f"; {counted(boxes, tracks, found)}"
        lines = [*found, *left_out(boxes, tracks), *off_grid(width, height, length, WAN)]
        refusal = ati_refusal(length)
        if refusal:  # blocks only what reads it: Wan-Move takes lengths that ATI does not
            ati = ExecutionBlocker(refusal)
        else:
            ati = as_ati(point_tracks(boxes, points, anchors, ATI_SPACING * min(width, height)))
        remark(cls, lines)
        if refusal and refusal not in lines:
            lines.append(refusal)
        return io.NodeOutput(as_tracks(tracks), as_coordinates(tracks), ati, "\n".join([what, *lines]))


class SMCDCutAndDrag(NodeWithReaders):
    """The image with what is in its boxes moved, for models that start from a rough video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_CutAndDrag",
            display_name="SMCD Cut and Drag",
            category="SMCD/guides",
            description="Cuts the objects out of an image and drags them along their boxes: a rough video to start a "
            "model from, as Time-to-Move does.",
            search_aliases=["time to move", "TTM", "cut and drag", "animatic", "sprite", "motion guide", "inpaint"],
            inputs=[
                io.Image.Input("image", tooltip="The image whose objects move."),
                boxes_input(),
                *target(),
                io.Int.Input(
                    "feather",
                    default=FEATHER,
                    min=0,
                    max=MAX_FEATHER,
                    tooltip="Pixels over which the edges of the objects fade. More for boxes without masks.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="The shapes of the objects in the image: one mask for all, or one for each in the order of "
                    "the trajectory. Without it, the whole boxes move.",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="The image without the objects. Without it, where they were is filled from around it.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="guide", tooltip="The rough video. For VAE Encode."),
                io.Mask.Output(display_name="mask", tooltip="1 on the objects, one mask for each frame."),
                io.Mask.Output(
                    display_name="noise_mask",
                    tooltip="0 on the objects, one mask for each latent frame of Wan (0, 1, 5, 9 and so on). For Set "
                    "Latent Noise Mask.",
                ),
                io.Image.Output(
                    display_name="first_frame", tooltip="The first frame of the guide, as the start image."
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        trajectory: Any,
        width: int,
        height: int,
        length: int,
        fit: str,
        feather: int,
        masks: Tensor | None = None,
        background: Tensor | None = None,
    ) -> io.NodeOutput:
        from .host.remarks import remark

        for name, given in (("image", image), ("background", background)):
            if given is None:
                continue
            check_image(given, name)
            if len(given) != 1:
                raise SMCDError(f"{name} has {len(given)} images: take one of them, with Get Image from Batch")
        read, boxes, (_, *found) = fitted(trajectory, image, width, height, length, fit)
        picture, behind = (
            None if given is None else resized(colors_of(given), width, height, fit == "crop")
            for given in (image, background)
        )
        shapes, shown = None, None
        if masks is not None:
            of_image = read_masks(masks, image.shape[2], image.shape[1])
            shapes = resized(of_image.movedim(0, -1), width, height, fit == "crop").movedim(-1, 0)
        dragged = cut_and_drag(picture, boxes, shapes, behind, feather)
        if masks is not None:
            ids = [track.id for track in read.objects if track.enabled]
            shown = {"smcd_masks": mask_pictures(masks, image, ids)[0]}
            found += stretched(masks, image)
        wan = [] if _loads_smcd(cls) else off_grid(width, height, length, WAN)
        unlike = unlike_readers(cls, range(4), width, height, length)
        remark(cls, [*found, *told_of_cuts(boxes), *wan, *unlike])
        return io.NodeOutput(dragged.video, dragged.mask, latent_mask(dragged.mask), dragged.video[:1], ui=shown)


def _loads_smcd(node: type[io.ComfyNode]) -> bool:
    """Whether the workflow of a node loads our own model, which the guide may be for: it takes other lengths."""
    return any(other["class_type"] == "SMCD_Load" for other in prompt_of(node).values())
