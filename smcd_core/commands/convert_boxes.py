"""smcd convert-boxes: write boxes in the format of another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..terminal import say
from .box_file import add_reading_options, read_boxes

# WRITTEN of guides.box_files, which is slow to import
WRITTEN = ("json", "mot", "bbox_animator", "sg_i2v", "wan_move", "got10k", "trailblazer", "freetraj")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("convert-boxes", help="write boxes in the format of another program")
    parser.add_argument("boxes", type=Path, metavar="IN", help="trajectory JSON, or boxes in another known format")
    parser.add_argument("target", type=Path, metavar="OUT", help="a file, or a folder for mot and got10k")
    parser.add_argument("--to", choices=WRITTEN, default="json", help="default %(default)s, a trajectory")
    parser.add_argument("--object", metavar="ID", help="which one, for got10k, trailblazer and freetraj")
    add_reading_options(parser)
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> None:
    from ..errors import SMCDError
    from ..guides.box_files import PER_OBJECT, write_boxes

    if args.object and args.to not in PER_OBJECT:
        raise SMCDError(f"--object is for {', '.join(PER_OBJECT)}: leave it out, {args.to} holds all objects")
    trajectory, what = read_boxes(args, None, None)
    say(what)
    write_boxes(args.target, trajectory, args.to, args.object)
    say(args.target)
