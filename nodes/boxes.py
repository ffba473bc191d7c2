"""Nodes that convert, export and draw boxes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from comfy_api.latest import io
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.guides.box_files import PER_OBJECT, SUFFIXES, WRITTEN, write_boxes
from ..smcd_core.guides.fit import fit
from ..smcd_core.guides.tracks import as_coordinates, as_tracks, point_tracks
from ..smcd_core.trajectory.document import MAX_FRAMES, MAX_SIDE, Trajectory, dumps
from ..smcd_core.trajectory.values import POINT_SIZE, trajectory_from_value
from ..smcd_core.trajectory.write import bounding_boxes
from .readers import NodeWithReaders, other_videos, refuse_ati
from .values import SMCDTrajectoryType, TrajectoryDocument, boxes_input, read_boxes, to_image, to_pixels

POINTS = (1, 3)  # outputs of SMCD Export in pixels of a video: coordinates and tracks


class SMCDFromBoxes(io.ComfyNode):
    """Dense boxes of a detector or tracker -> few keys."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_FromBoxes",
            display_name="SMCD Trajectory from Boxes / Tracks / Masks",
            category="SMCD/trajectory",
            description="Converts boxes, point tracks, masks or text to a trajectory with few keyframes, and "
            "reports what it found.",
            search_aliases=["bounding box", "tracks", "mask to box", "SAM3", "detections"],
            inputs=[
                boxes_input(),
                io.String.Input(
                    "phrases",
                    multiline=True,
                    default="",
                    tooltip="One line per object, or one line for all. Empty: the labels of the boxes.",
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=1,
                    max=MAX_SIDE,
                    tooltip="Width of the image that boxes in pixels refer to, in pixels.",
                ),
                io.Int.Input("height", default=512, min=1, max=MAX_SIDE, tooltip="Height of that image, in pixels."),
                io.Int.Input(
                    "frames",
                    default=8,
                    min=1,
                    max=MAX_FRAMES,
                    tooltip="Number of frames for boxes that do not move. Boxes per frame have their own number.",
                ),
                io.Float.Input(
                    "fps", default=8.0, min=0.01, max=1000.0, tooltip="Frames per second of the trajectory."
                ),
                io.Float.Input(
                    "tolerance",
                    default=0.01,
                    min=0.0,
                    max=0.5,
                    step=0.001,
                    tooltip="How far a box may deviate to save keyframes, as a fraction of the frame. 0 keeps every "
                    "bend.",
                ),
                io.Float.Input(
                    "point_size",
                    default=POINT_SIZE,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Side of the square around a tracked point, as a fraction of the frame's shorter side.",
                ),
            ],
            outputs=[
                SMCDTrajectoryType.Output(
                    display_name="trajectory", tooltip="As few keyframes as the tolerance allows."
                ),
                io.String.Output(
                    display_name="recognised", tooltip="What was found: format, objects, frames and frame size."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        trajectory: Any,
        phrases: str,
        width: int,
        height: int,
        frames: int,
        fps: float,
        tolerance: float,
        point_size: float,
    ) -> io.NodeOutput:
        read, what = trajectory_from_value(
            trajectory,
            width=width,
            height=height,
            frames=frames,
            fps=fps,
            phrase=phrases,
            point_size=point_size,
            tolerance=tolerance,
        )
        return io.NodeOutput(TrajectoryDocument(read), what)


class SMCDExport(NodeWithReaders):
    """A trajectory for other programs and packs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Export",
            display_name="SMCD Export Trajectory",
            category="SMCD/trajectory",
            description="Saves a trajectory as a file, and converts it for other node packs.",
            inputs=[
                boxes_input(),
                io.Combo.Input(
                    "format",
                    options=["none", *WRITTEN],
                    default="none",
                    tooltip="The file to save; none saves nothing. GOT-10k, TrailBlazer and FreeTraj make one for each "
                    "object.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="SMCD/trajectory",
                    tooltip="Path and start of the file name, in the output folder.",
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=1,
                    max=MAX_SIDE,
                    optional=True,
                    tooltip="Width of the image that boxes in pixels refer to, in pixels.",
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    min=1,
                    max=MAX_SIDE,
                    optional=True,
                    tooltip="Height of that image, in pixels.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="json", tooltip="The SMCD trajectory, version 1 or 2; boxes in 0..1."),
                io.String.Output(
                    display_name="coordinates",
                    tooltip="JSON: the middle of each box, as x and y in pixels of the trajectory's own size. For the "
                    "size and length of another video use SMCD Tracks.",
                ),
                io.BoundingBox.Output(
                    display_name="boxes", tooltip="In pixels, one list per frame, with the phrases as labels."
                ),
                io.Tracks.Output(
                    display_name="tracks",
                    tooltip="The middles of the boxes in pixels of the trajectory's own size, and when they are "
                    "visible. For the size and length of another video use SMCD Tracks.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, trajectory: Any, format: str, filename_prefix: str, width: int = 512, height: int = 512
    ) -> io.NodeOutput:
        read = read_boxes(trajectory, width, height, 8)
        _check_readers(cls, read)
        if format != "none":
            _write(read, format, filename_prefix)
        middles = point_tracks(fit(read, read.width, read.height, read.frames, crop=False), points=1)
        return io.NodeOutput(dumps(read), as_coordinates(middles), bounding_boxes(read), as_tracks(middles))


def _check_readers(node: type[io.ComfyNode], trajectory: Trajectory) -> None:
    """Stop if a node that makes a video of another size or length reads points in pixels of the trajectory."""
    own = {"width": trajectory.width, "height": trajectory.height, "length": trajectory.frames}
    for unlike in other_videos(node, POINTS, own):
        raise SMCDError(f"{unlike}: give it those of SMCD Tracks")
    refuse_ati(node, coordinates=1)


def _write(trajectory: Trajectory, format: str, prefix: str) -> None:
    import folder_paths

    size = (trajectory.width, trajectory.height)
    # Refuses what leads out of the output folder.
    folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory(), *size)
    if name in ("", "."):  # would be a hidden file
        raise SMCDError(f"filename_prefix is {prefix!r}: end it with the name of a file")
    path = f"{folder}/{name}_{counter:05}_"
    suffix = SUFFIXES.get(format, "")
    if format not in PER_OBJECT:
        write_boxes(f"{path}{suffix}", trajectory, format)
        return
    enabled = [track for track in trajectory.objects if track.enabled]
    for number, track in enumerate(enabled, 1):
        # An id may hold any character; file names may not.
        name = re.sub(r"[^a-zA-Z0-9-]", "_", track.id)
        write_boxes(f"{path}{number}_{name}{suffix}", trajectory, format, track.id)


class SMCDDraw(io.ComfyNode):
    """Boxes over pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Draw",
            display_name="SMCD Draw Boxes",
            category="SMCD/trajectory",
            description="Draws boxes with their phrases over a video, or over copies of one image.",
            inputs=[
                io.Image.Input("images", tooltip="One image for each frame of the trajectory, or one for all."),
                boxes_input(),
                io.Boolean.Input(
                    "paths", default=False, tooltip="Draw the path of each box's centre over the whole video."
                ),
                io.Boolean.Input("ids", default=False, tooltip="Show the id of each object before its phrase."),
            ],
            outputs=[io.Image.Output(tooltip="One frame for each frame of the trajectory, or of images.")],
        )

    @classmethod
    def execute(cls, images: Tensor, trajectory: Any, paths: bool, ids: bool) -> io.NodeOutput:
        from ..smcd_core.trajectory.dense import boxes_at
        from ..smcd_core.video import draw_boxes

        pixels = to_pixels(images)
        frames, height, width = pixels.shape[:3]
        read = read_boxes(trajectory, width, height, frames)
        if frames == 1:
            pixels = np.repeat(pixels, read.frames, axis=0)
        boxes, mask = boxes_at(read, len(pixels))
        tracks = [track for track in read.objects if track.enabled]
        labels = [f"{track.id} {track.phrase}".strip() if ids else track.phrase for track in tracks]
        drawn = draw_boxes(pixels, boxes, mask, [track.color for track in tracks], labels, paths)
        return io.NodeOutput(to_image(drawn))
