"""Options of the command line for a file of boxes, and its errors in the words of these options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import note, pixel_size

if TYPE_CHECKING:
    from ..trajectory.document import Trajectory

# FORMATS of trajectory.files, which is slow to import
BOX_FORMATS = (
    "json", "xyxy", "xywh", "mot", "youtube_vis", "csv", "vot", "kitti", "yolo", "cvat", "label_studio", "values",
    "bbox_animator", "trailblazer", "freetraj", "wan_move", "sg_i2v", "vatic",
)  # fmt: skip
_OPTIONS = {"format": "--box-format", "video": "--box-video", "size": "--box-size"}


def add_box_options(parser: argparse.ArgumentParser) -> None:
    """Add --boxes and the options that `read_boxes` takes."""
    parser.add_argument("--boxes", type=Path, required=True, help="trajectory JSON, or boxes in another known format")
    add_reading_options(parser)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_boxes` takes besides `boxes`."""
    parser.add_argument("--phrase", action="append", help="what a box holds; once for all objects, or once for each")
    add_choices(parser)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add the options that settle how a file of boxes is read."""
    parser.add_argument("--box-format", choices=BOX_FORMATS, help="for a boxes file that could be read in several ways")
    parser.add_argument(
        "--box-size", type=pixel_size, metavar="WxH", help="size in pixels of the image that the boxes refer to"
    )
    parser.add_argument("--box-video", metavar="ID", help="which video of a boxes file with several")
    parser.add_argument("--box-frames", type=_span, metavar="A-B", help="only these, as 60-69; the first is 0")


def read_boxes(args: argparse.Namespace, width: int | None, height: int | None) -> tuple[Trajectory, str]:
    """The trajectory of --boxes and a line on what it is.

    width, height  of the image in pixels; None where there is none
    """
    size_from = "of --box-size" if args.box_size else "as the image has"
    width, height = args.box_size or (width, height)
    trajectory, what = _read(args, width, height, size_from)
    size = trajectory.width, trajectory.height
    if args.box_size not in (None, size):
        given = "x".join(map(str, args.box_size))
        note(f"--box-size {given} is not used: {args.boxes} says that its boxes are for {size[0]} x {size[1]} pixels")
    return trajectory, what


def _read(args: argparse.Namespace, width: int | None, height: int | None, size_from: str) -> tuple[Trajectory, str]:
    from ..trajectory.document import TrajectoryError
    from ..trajectory.files import read_trajectory
    from ..trajectory.formats.box_file import BoxFileError

    phrase = args.phrase[0] if args.phrase and len(args.phrase) == 1 else args.phrase
    given = {"phrase": phrase, "format": args.box_format, "video": args.box_video, "part": args.box_frames}
    try:
        return read_trajectory(args.boxes, width=width, height=height, size_from=size_from, **given)
    except BoxFileError as error:
        raise TrajectoryError(_told(error)) from None


def _told(error: Any) -> str:
    """The message with the option that settles the matter."""
    option = _OPTIONS.get(error.option, "")
    text = error.told(lambda value: f"{option} {value}")
    return f"{text} ({option} WIDTHxHEIGHT)" if error.option == "size" else text


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} are no frames, write them like 60-69")
    return int(first), int(last)
