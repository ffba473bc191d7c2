"""smcd convert-boxes: write boxes in the format of another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..terminal import say
from .arguments import note
from .box_file import add_reading_options, read_boxes

# WRITTEN of guides.box_files, which is slow to import, and what each is called
NAMES = {
    "json": "boxes.json", "mot": "folder", "bbox_animator": "boxes.json", "sg_i2v": "boxes.npy",
    "wan_move": "tracks.npy", "got10k": "folder", "trailblazer": "boxes.yaml", "freetraj": "boxes.txt",
}  # fmt: skip
WRITTEN = tuple(NAMES)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "wan_move is in pixels of the image and as long as the boxes, as Wan-Move's own program takes it. For another "
        "size or length, as in ComfyUI, use: smcd guide --style wan_move. Points for ATI: --style ati."
    )
    parser.add_argument("boxes", type=Path, metavar="IN", help="trajectory JSON, or boxes in another known format")
    parser.add_argument("target", type=Path, metavar="OUT", help="a file or folder, named as --to says")
    names = ", ".join(f"{format} ({name})" for format, name in NAMES.items())
    parser.add_argument(
        "--to", choices=WRITTEN, metavar="FORMAT", default="json", help=f"{names}; default %(default)s, a trajectory"
    )
    parser.add_argument("--object", metavar="ID", help="which one, for got10k, trailblazer and freetraj")
    add_reading_options(parser)
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> None:
    from ..errors import SMCDError
    from ..files import check_folder, check_writable
    from ..guides.box_files import PER_OBJECT, SUFFIXES, check_name, write_boxes
    from ..guides.fit import WAN, nearest_length, off_grid
    from ..trajectory.document import ObjectChoiceError
    from ..trajectory.formats.keyframes import FREETRAJ_FRAMES

    if args.object and args.to not in PER_OBJECT:
        raise SMCDError(f"--object is for {', '.join(PER_OBJECT)}: leave it out, {args.to} holds all objects")
    check_name(args.target, args.to)
    (check_writable if args.to in SUFFIXES else check_folder)(args.target)
    trajectory, what = read_boxes(args, None, None)
    say(what)
    try:
        written = write_boxes(args.target, trajectory, args.to, args.object)
    except ObjectChoiceError as error:
        options = " or ".join(f"--object {name}" for name in error.candidates)
        raise SMCDError(f"{error.problem}: say {options}") from None
    if args.to == "freetraj" and trajectory.frames < FREETRAJ_FRAMES:
        note(f"FreeTraj makes {FREETRAJ_FRAMES} frames or more: after frame {trajectory.frames - 1} the object rests")
    if args.to == "wan_move":
        nearest = nearest_length(trajectory.frames, WAN.frames)
        for line in off_grid(WAN.side, WAN.side, trajectory.frames, WAN):  # its program makes any size of these points
            note(f"{line}: smcd guide --style wan_move --frames {nearest} has points for it")
    for path in written:
        say(path)
