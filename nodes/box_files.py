"""Boxes from files of other programs."""

from __future__ import annotations

import os
from typing import Any

from comfy_api.latest import io

from ..smcd_core.errors import SMCDError
from ..smcd_core.trajectory.document import MAX_SIDE
from ..smcd_core.trajectory.files import FORMATS, read_trajectory
from .values import SMCDTrajectoryType, TrajectoryDocument

DETECT = "detect"


class SMCDLoadBoxes(io.ComfyNode):
    """A file of boxes from the input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_LoadBoxes",
            display_name="SMCD Load Boxes",
            category="SMCD/trajectory",
            description="Reads boxes from a file in ComfyUI's input folder: annotation tools, datasets, and the inputs "
            "of other video models.",
            search_aliases=["import boxes", "MOT", "YOLO", "CVAT", "TrailBlazer", "bounding box file"],
            inputs=[
                io.String.Input(
                    "file",
                    default="boxes.json",
                    tooltip="Name of a file or folder in ComfyUI's input folder.",
                ),
                io.Combo.Input(
                    "format",
                    options=[DETECT, *FORMATS],
                    default=DETECT,
                    tooltip="The format, where the content leaves a choice. docs/formats.md describes all of them.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=MAX_SIDE,
                    tooltip="Width in pixels of the image that the boxes refer to. 0: as in the file.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=MAX_SIDE,
                    tooltip="Height in pixels of that image. 0: as in the file.",
                ),
                io.String.Input(
                    "phrases",
                    multiline=True,
                    default="",
                    tooltip="One line per object, or one line for all. Empty: the names in the file.",
                ),
            ],
            outputs=[
                SMCDTrajectoryType.Output(display_name="trajectory", tooltip="The boxes as keyframes."),
                io.String.Output(
                    display_name="recognised", tooltip="What was found: format, objects, frames and frame size."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> Any:
        """Read a file again once it has changed."""
        try:
            state = os.stat(_path(file))
        except (OSError, SMCDError):
            return None  # the run says why
        return state.st_mtime_ns, state.st_size

    @classmethod
    def execute(cls, file: str, format: str, width: int, height: int, phrases: str) -> io.NodeOutput:
        lines = [line.strip() for line in phrases.splitlines() if line.strip()]
        trajectory, what = read_trajectory(
            _path(file),
            width=width or None,
            height=height or None,
            phrase=lines[0] if len(lines) == 1 else lines or None,
            format=None if format == DETECT else format,
        )
        return io.NodeOutput(TrajectoryDocument(trajectory), what)


def _path(name: str) -> str:
    """A path in the input folder. Raises SMCDError for one that leads out of it."""
    import folder_paths

    folder = os.path.abspath(folder_paths.get_input_directory())
    path = os.path.abspath(os.path.join(folder, name))
    if not name.strip() or os.path.commonpath((folder, path)) != folder:
        raise SMCDError(f"file is {name!r}: give the name of a file in ComfyUI's input folder")
    return path
