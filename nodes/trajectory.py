"""The nodes SMCD Trajectory, which holds what is drawn in the editor, and SMCD Example."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from comfy_api.latest import io, ui
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.pictures import read_picture
from ..smcd_core.trajectory.document import Trajectory, dumps, parse_trajectory
from ..smcd_core.trajectory.fingerprint import fingerprint
from ..smcd_core.trajectory.write import bounding_boxes
from .masks import mask_pictures
from .values import SMCDTrajectoryType, TrajectoryDocument, boxes_input, read_boxes, to_image, to_pixels

SEED_TOLERANCE = 0.01  # of the frame: detectors tremble
MAX_PREVIEWS = 16  # pictures of a background that go to the page
EXAMPLES = Path(__file__).parent.parent / "demo"
_TAKEN: dict[str, str] = {}  # fingerprint of the boxes that each node saw last, by its id
EMPTY = dumps(parse_trajectory({"version": 1, "width": 256, "height": 256, "frames": 8, "objects": []}))


class SMCDTrajectory(io.ComfyNode):
    """The document as text, which the editor edits."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Trajectory",
            display_name="SMCD Trajectory",
            category="SMCD",
            description="An editor for boxes with phrases and keyframes. It can start from the boxes of a detector or "
            "tracker.",
            search_aliases=[
                "bounding box",
                "keyframes",
                "motion path",
                "box editor",
                "spline",
                "timeline",
                "draw",
                "animate",
            ],
            inputs=[
                io.String.Input(
                    "text", multiline=True, default=EMPTY, tooltip="An SMCD trajectory, version 1 or 2; boxes in 0..1."
                ),
                io.Image.Input("background", optional=True, tooltip="Shown behind the boxes. It has no other effect."),
                boxes_input(
                    "boxes",
                    optional=True,
                    note=" New boxes replace the text and appear in the editor as keyframes; your edits stay until "
                    "other boxes arrive.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="The shapes of the objects in the background: one mask for all, or one for each in the "
                    "order of the trajectory. After a run, the editor moves only what they show. It has no other "
                    "effect.",
                ),
            ],
            outputs=[
                SMCDTrajectoryType.Output(display_name="trajectory", tooltip="The boxes of the editor."),
                io.BoundingBox.Output(
                    display_name="boxes", tooltip="In pixels, one list per frame, for other node packs."
                ),
                io.Int.Output(display_name="frames", tooltip="Number of frames in the trajectory."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, text: str = EMPTY) -> bool | str:
        """Say before the run what is wrong with the text. One that comes through a link is not known yet."""
        try:
            parse_trajectory(text)
        except SMCDError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, text: str | None, **inputs: Any) -> str | float:
        """Run again where other boxes have replaced this text: only a run tells the editor.

        It may have gone back to the text since, by its undo or as the page was loaded again.
        """
        seen = _TAKEN.get(cls.hidden.unique_id)
        if text is None or seen is None or "boxes" not in inputs:  # None: linked, as the boxes are
            return ""
        return "" if seen == parse_trajectory(text).source else float("nan")

    @classmethod
    def execute(
        cls, text: str, background: Tensor | None = None, boxes: Any = None, masks: Tensor | None = None
    ) -> io.NodeOutput:
        from .host.remarks import remark

        trajectory = parse_trajectory(text)
        shown: dict[str, Any] = {}
        remarks: list[str] = []
        if boxes is not None:
            mark = fingerprint(boxes)
            if mark != trajectory.source:
                trajectory = replace(seed(boxes, trajectory, background), source=mark)
                shown["smcd_seed"] = [dumps(trajectory)]
            if cls.hidden is not None:  # where the host runs it
                _TAKEN[cls.hidden.unique_id] = mark
        if background is not None:
            shown["smcd_background"] = preview(background, cls)
        if masks is not None and (background is None or len(background) != 1):
            found = "nothing is connected to it" if background is None else f"it has {len(background)}"
            remarks = [f"the masks have no effect without one image as background: {found}"]
        elif masks is not None and background is not None:
            ids = [track.id for track in trajectory.objects if track.enabled]
            shown["smcd_masks"], remarks = mask_pictures(masks, background, ids)
        remark(cls, remarks)
        if remarks:  # the page shows those of a node below the editor, where few look
            shown["smcd_remarks"] = remarks
        return io.NodeOutput(
            TrajectoryDocument(trajectory), bounding_boxes(trajectory), trajectory.frames, ui=shown or None
        )


def seed(boxes: Any, drawn: Trajectory, background: Tensor | None) -> Trajectory:
    """Boxes from upstream as keys to edit. Boxes in pixels refer to the background, else to what was drawn on."""
    height, width = (drawn.height, drawn.width) if background is None else background.shape[1:3]
    return read_boxes(boxes, width, height, drawn.frames, fps=drawn.fps, tolerance=SEED_TOLERANCE)


def preview(images: Tensor, cls: type[io.ComfyNode]) -> list[dict[str, Any]]:
    """Evenly spaced pictures of IMAGE [F, H, W, 3] as temporary files, first and last one included."""
    count = max(1, min(len(images), MAX_PREVIEWS))
    chosen = np.linspace(0, len(images) - 1, count).round().astype(int)
    return ui.PreviewImage(to_image(to_pixels(images[chosen], "background")), cls=cls).as_dict()["images"]


class SMCDExample(io.ComfyNode):
    """A picture with boxes, so that a workflow runs without any file of the user's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Example",
            display_name="SMCD Example",
            category="SMCD",
            description="An example image with boxes and a prompt.",
            inputs=[
                io.Combo.Input(
                    "example",
                    options=sorted(path.stem for path in EXAMPLES.glob("*.png")),
                    tooltip="An image from the pack's demo folder, with its boxes and prompt.",
                )
            ],
            outputs=[
                io.Image.Output(tooltip="For first_frame."),
                SMCDTrajectoryType.Output(display_name="trajectory", tooltip="Where each object goes."),
                io.String.Output(display_name="prompt", tooltip="One sentence that describes the video."),
            ],
        )

    @classmethod
    def execute(cls, example: str) -> io.NodeOutput:
        path = EXAMPLES / f"{Path(example).name}.png"
        picture = np.array(read_picture(path))
        trajectory = parse_trajectory(path.with_suffix(".json").read_text(encoding="utf-8"))
        prompt = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        return io.NodeOutput(to_image(picture[None]), TrajectoryDocument(trajectory), prompt)


def serve_examples(server: Any) -> None:
    """Let the page show the pictures before a run."""
    server.routes.static("/smcd/examples", EXAMPLES)
