"""Trajectories in and out of the graph. The editor binds to the text of SMCD Trajectory."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io, ui
from PIL import Image
from torch import Tensor

from ..smcd_core.trajectory.document import MAX_FRAMES, MAX_SIDE, Trajectory, dumps, parse_trajectory
from ..smcd_core.trajectory.values import (
    POINT_SIZE,
    bounding_boxes,
    coordinates,
    fingerprint,
    point_tracks,
    trajectory_from_value,
)

SMCDTrajectoryType = io.Custom("SMCD_TRAJECTORY")  # the document of smcd_core.trajectory.document, as a dict
ACCEPTED = [SMCDTrajectoryType, io.BoundingBox, io.Tracks, io.Mask, io.String]
SEED_TOLERANCE = 0.01  # of the frame: detectors tremble
MAX_PREVIEWS = 16  # pictures of a background that go to the page
EXAMPLES = Path(__file__).parent.parent / "demo"
EXAMPLE = dumps(
    parse_trajectory(
        {
            "version": 1,
            "width": 256,
            "height": 256,
            "frames": 8,
            "objects": [
                {
                    "phrase": "red circle",
                    "keys": [{"frame": 0, "box": [0.1, 0.4, 0.35, 0.65]}, {"frame": 7, "box": [0.65, 0.4, 0.9, 0.65]}],
                }
            ],
        }
    )
)


def boxes_input(name: str = "trajectory", optional: bool = False, note: str = "") -> io.MultiType.Input:
    """`note` ends the tooltip."""
    return io.MultiType.Input(
        name,
        types=ACCEPTED,
        optional=optional,
        tooltip="Where each object is in each frame: an SMCD trajectory, BOUNDING_BOX in pixels of the picture (label "
        f"= phrase), TRACKS, a MASK batch with one mask for each frame, or JSON text of these.{note}",
    )


def read_boxes(value: Any, width: int, height: int, frames: int, **options) -> Trajectory:
    """Any of ACCEPTED; what was recognised goes to the log."""
    trajectory, what = trajectory_from_value(value, width=width, height=height, frames=frames, **options)
    logging.info("SMCD: %s", what)
    return trajectory


def to_pixels(image: Tensor) -> np.ndarray:
    """IMAGE [F, H, W, 3 or 4] in 0..1 -> uint8 [F, H, W, 3]"""
    return (image[..., :3] * 255).round().clamp(0, 255).to("cpu", torch.uint8).numpy()


def to_image(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255


class SMCDTrajectory(io.ComfyNode):
    """The document as text, which the editor edits."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Trajectory",
            display_name="SMCD Trajectory",
            category="SMCD",
            description="An editor for boxes with phrases and keyframes. Boxes of a detector or tracker may come in to "
            "be edited.",
            search_aliases=["bounding box", "keyframes", "motion path", "box editor"],
            inputs=[
                io.String.Input(
                    "text", multiline=True, default=EXAMPLE, tooltip="An SMCD trajectory, version 1; boxes in 0..1."
                ),
                io.Image.Input("background", optional=True, tooltip="Shown behind the boxes; changes nothing else."),
                boxes_input(
                    "boxes",
                    optional=True,
                    note=" They replace the text when they are new, and come into the editor as keys; edits of them "
                    "count until other boxes come.",
                ),
            ],
            outputs=[
                SMCDTrajectoryType.Output(display_name="trajectory", tooltip="What the editor shows."),
                io.BoundingBox.Output(
                    display_name="boxes", tooltip="In pixels, a list for each frame, for other packs."
                ),
                io.Int.Output(display_name="frames", tooltip="How many frames the trajectory has."),
            ],
        )

    @classmethod
    def execute(cls, text: str, background: Tensor | None = None, boxes: Any = None) -> io.NodeOutput:
        trajectory = parse_trajectory(text)
        shown = {}
        if boxes is not None and (mark := fingerprint(boxes)) != trajectory.source:
            trajectory = replace(seed(boxes, trajectory, background), source=mark)
            shown["smcd_seed"] = [dumps(trajectory)]
        if background is not None:
            shown["smcd_background"] = preview(background, cls)
        return io.NodeOutput(trajectory.to_dict(), bounding_boxes(trajectory), trajectory.frames, ui=shown or None)


def seed(boxes: Any, drawn: Trajectory, background: Tensor | None) -> Trajectory:
    """Boxes from upstream as keys to edit. Boxes in pixels refer to the background, else to what was drawn on."""
    height, width = (drawn.height, drawn.width) if background is None else background.shape[1:3]
    return read_boxes(boxes, width, height, drawn.frames, fps=drawn.fps, tolerance=SEED_TOLERANCE)


def preview(images: Tensor, cls: type[io.ComfyNode]) -> list[dict[str, Any]]:
    """Evenly spaced pictures of IMAGE [F, H, W, 3] as temporary files, first and last one included."""
    count = min(len(images), MAX_PREVIEWS)
    chosen = np.linspace(0, len(images) - 1, count).round().astype(int)
    return ui.PreviewImage(images[chosen], cls=cls).as_dict()["images"]


class SMCDExample(io.ComfyNode):
    """A picture with boxes, so that a workflow runs without any file of the user's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Example",
            display_name="SMCD Example",
            category="SMCD",
            description="A picture that comes with the pack, with boxes and a prompt for it.",
            inputs=[
                io.Combo.Input(
                    "example",
                    options=sorted(path.stem for path in EXAMPLES.glob("*.png")),
                    tooltip="Each is a picture of the folder demo of the pack, with its boxes and its prompt.",
                )
            ],
            outputs=[
                io.Image.Output(tooltip="For first_frame."),
                SMCDTrajectoryType.Output(display_name="trajectory", tooltip="Where each object of it goes."),
                io.String.Output(display_name="prompt", tooltip="What the video is to show, in a sentence."),
            ],
        )

    @classmethod
    def execute(cls, example: str) -> io.NodeOutput:
        path = EXAMPLES / f"{Path(example).name}.png"
        picture = np.array(Image.open(path).convert("RGB"))
        document = parse_trajectory(path.with_suffix(".json").read_text(encoding="utf-8")).to_dict()
        prompt = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        return io.NodeOutput(to_image(picture[None]), document, prompt)


def serve_examples() -> None:
    """Let the page show the pictures before a run. There is no server where nodes are used from Python."""
    from server import PromptServer

    if instance := getattr(PromptServer, "instance", None):
        instance.routes.static("/smcd/examples", EXAMPLES)


class SMCDFromBoxes(io.ComfyNode):
    """Dense boxes of a detector or tracker -> few keys."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_FromBoxes",
            display_name="SMCD Trajectory from Boxes / Tracks / Masks",
            category="SMCD/trajectory",
            description="Turns boxes, point tracks, masks or text into a trajectory with few keys, and says what it "
            "found.",
            search_aliases=["bounding box", "tracks", "mask to box", "SAM3", "detections"],
            inputs=[
                boxes_input(),
                io.String.Input(
                    "phrases",
                    multiline=True,
                    default="",
                    tooltip="A line for each object, or one for all. Empty: the labels of the boxes.",
                ),
                io.Int.Input(
                    "width",
                    default=512,
                    min=1,
                    max=MAX_SIDE,
                    tooltip="Of the frame that boxes in pixels refer to, in pixels.",
                ),
                io.Int.Input("height", default=512, min=1, max=MAX_SIDE, tooltip="Of that frame, in pixels."),
                io.Int.Input(
                    "frames",
                    default=8,
                    min=1,
                    max=MAX_FRAMES,
                    tooltip="For boxes that rest; boxes for each frame bring their own number.",
                ),
                io.Float.Input(
                    "fps", default=8.0, min=0.01, max=1000.0, tooltip="Frames per second, kept in the trajectory."
                ),
                io.Float.Input(
                    "tolerance",
                    default=0.01,
                    min=0.0,
                    max=0.5,
                    step=0.001,
                    tooltip="How far a box may move for fewer keys, as a share of the frame. 0 keeps every bend.",
                ),
                io.Float.Input(
                    "point_size",
                    default=POINT_SIZE,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Side of the square around a tracked point, as a share of the frame's shorter side.",
                ),
            ],
            outputs=[
                SMCDTrajectoryType.Output(display_name="trajectory", tooltip="As few keys as tolerance allows."),
                io.String.Output(
                    display_name="recognised", tooltip="What was found: its kind, objects, frames and frame size."
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
        return io.NodeOutput(read.to_dict(), what)


class SMCDExport(io.ComfyNode):
    """A trajectory for other programs and packs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Export",
            display_name="SMCD Export Trajectory",
            category="SMCD/trajectory",
            description="Writes a trajectory as a file, and gives it in the forms that other packs take.",
            inputs=[
                boxes_input(),
                io.Combo.Input(
                    "format",
                    options=["none", "json", "got10k", "mot"],
                    default="none",
                    tooltip="The file to write; none writes nothing. GOT-10k is a folder for each object.",
                ),
                io.String.Input("filename_prefix", default="SMCD/trajectory", tooltip="Below the output folder."),
            ],
            outputs=[
                io.String.Output(display_name="json", tooltip="The SMCD trajectory, version 1; boxes in 0..1."),
                io.String.Output(
                    display_name="coordinates",
                    tooltip="JSON: for each object the middles of its boxes, as x and y in pixels (KJNodes, WanMove).",
                ),
                io.BoundingBox.Output(
                    display_name="boxes", tooltip="In pixels, a list for each frame, with the phrases as labels."
                ),
                io.Tracks.Output(
                    display_name="tracks", tooltip="The middles of the boxes in pixels, and where they are visible."
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, trajectory: Any, format: str, filename_prefix: str) -> io.NodeOutput:
        read = read_boxes(trajectory, 512, 512, 8)
        if format != "none":
            _write(read, format, filename_prefix)
        return io.NodeOutput(dumps(read), coordinates(read), bounding_boxes(read), point_tracks(read))


def _write(trajectory: Trajectory, format: str, prefix: str) -> None:
    import folder_paths

    from ..smcd_core.trajectory.files import write_got10k, write_json, write_mot

    size = (trajectory.width, trajectory.height)
    # Refuses what leads out of the output folder.
    folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory(), *size)
    path = f"{folder}/{name}_{counter:05}_"
    if format == "json":
        write_json(f"{path}.json", trajectory)
    elif format == "mot":
        write_mot(f"{path}.txt", trajectory)
    else:
        enabled = [track for track in trajectory.objects if track.enabled]
        for number, track in enumerate(enabled, 1):
            # An id may hold any character; file names may not.
            write_got10k(f"{path}{number}_{re.sub(r'[^a-zA-Z0-9-]', '_', track.id)}", trajectory, track.id)


class SMCDDraw(io.ComfyNode):
    """Boxes over pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Draw",
            display_name="SMCD Draw Boxes",
            category="SMCD/trajectory",
            description="Draws boxes with their phrases over a video, or over copies of one picture.",
            inputs=[
                io.Image.Input("images", tooltip="A frame for each of the trajectory, or one for all."),
                boxes_input(),
                io.Boolean.Input("paths", default=False, tooltip="The way of each box's middle over the whole video."),
                io.Boolean.Input("ids", default=False, tooltip="The id of each object before its phrase."),
            ],
            outputs=[io.Image.Output(tooltip="A frame for each of the trajectory, or of images.")],
        )

    @classmethod
    def execute(cls, images: Tensor, trajectory: Any, paths: bool, ids: bool) -> io.NodeOutput:
        from ..smcd_core.trajectory.document import boxes_at
        from ..smcd_core.video import draw_boxes

        frames, height, width = images.shape[:3]
        read = read_boxes(trajectory, width, height, frames)
        pixels = to_pixels(images)
        if frames == 1:
            pixels = np.repeat(pixels, read.frames, axis=0)
        boxes, mask = boxes_at(read, len(pixels))
        tracks = [track for track in read.objects if track.enabled]
        labels = [f"{track.id} {track.phrase}".strip() if ids else track.phrase for track in tracks]
        drawn = draw_boxes(pixels, boxes, mask, [track.color for track in tracks], labels, paths)
        return io.NodeOutput(to_image(drawn))
