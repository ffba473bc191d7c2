"""smcd guide: move what is in the boxes of an image, or draw the boxes, for other video models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import SMCDError
from ..terminal import say
from .arguments import note, number, pixel_size, read_image, whole
from .box_file import add_box_options, read_boxes

if TYPE_CHECKING:
    from torch import Tensor

    from ..trajectory.dense import DenseBoxes
    from ..trajectory.document import Trajectory

CUT_AND_DRAG = "cut and drag"
# with STYLES of guides.drawn, which is slow to import
STYLES = (
    CUT_AND_DRAG, "vace", "vace colours", "white on black", "ltx boxes", "ltx tracks", "fun blobs", "magicmotion",
)  # fmt: skip
LARGEST = 1280  # pixels of the longer side, where --size does not say more


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("guide", help="move what is in the boxes, or draw them, for other video models")
    parser.add_argument("image", type=Path, help="the first frame")
    add_box_options(parser)
    parser.add_argument("--style", choices=STYLES, default=CUT_AND_DRAG, help="default: %(default)s")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("guide.mp4"), help=".mp4, .webp, .gif or a folder (default %(default)s)"
    )
    parser.add_argument("--size", type=pixel_size, metavar="WxH", help="of that video (default: as the image)")
    parser.add_argument("--frames", type=whole(1, 4096), help="of that video (default: as many as the boxes have)")
    parser.add_argument("--fps", type=number(0.01, 1000), help="frames per second (default: as the boxes say)")
    parser.add_argument(
        "--fit",
        choices=("crop", "stretch"),
        default="crop",
        help="how an image of another aspect ratio gets the size of the video (default %(default)s)",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        action="append",
        metavar="PNG",
        help="white on what moves; once for all objects, or once for each (default: the whole boxes)",
    )
    parser.add_argument("--background", type=Path, metavar="PNG", help="the image without its objects")
    parser.add_argument("--mask-out", type=Path, metavar="PATH", help="also write the mask, as a video like --out")
    parser.set_defaults(run=_guide)


def _guide(args: argparse.Namespace) -> None:
    from ..guides.fit import fit
    from ..video import check_output

    if args.style != CUT_AND_DRAG and (args.mask or args.background):
        raise SMCDError(f"--mask and --background are for {CUT_AND_DRAG}: leave them out")
    image = _read(args.image)
    trajectory, found = read_boxes(args, image.shape[1], image.shape[0])
    note(f"{args.boxes}: {found}")
    fps = trajectory.fps if args.fps is None else args.fps
    for path in filter(None, (args.out, args.mask_out)):
        check_output(path, fps)
    width, height = args.size or _size_of(image)
    length = trajectory.frames if args.frames is None else args.frames
    boxes = fit(trajectory, width, height, length, crop=args.fit == "crop")
    video, mask = (_dragged if args.style == CUT_AND_DRAG else _drawn)(args, image, boxes, trajectory)
    _write(args, args.out, video, trajectory, fps)
    if args.mask_out:
        _write(args, args.mask_out, mask[..., None].expand(-1, -1, -1, 3), trajectory, fps)


def _dragged(args: argparse.Namespace, image: Tensor, boxes: DenseBoxes, _: Trajectory) -> tuple[Tensor, Tensor]:
    import torch

    from ..guides.cut_and_drag import cut_and_drag, left_out, resized
    from ..guides.fit import WAN, off_grid

    width, height = boxes.size or (0, 0)
    crop = args.fit == "crop"
    picture = resized(image, width, height, crop)
    behind = resized(_like(image, args.background), width, height, crop) if args.background else None
    shapes = [resized(_like(image, path).mean(-1, keepdim=True), width, height, crop) for path in args.mask or ()]
    masks = torch.stack(shapes).squeeze(-1) if shapes else None
    dragged = cut_and_drag(picture, boxes, masks, behind)
    for line in (*left_out(boxes, dragged), *off_grid(width, height, boxes.frames, WAN)):
        note(line)
    return dragged.video, dragged.mask


def _drawn(args: argparse.Namespace, image: Tensor, boxes: DenseBoxes, trajectory: Trajectory) -> tuple[Tensor, Tensor]:
    from ..guides.drawn import guide_video, remarks

    for line in remarks(boxes, args.style):
        note(line)
    colors = [track.color for track in trajectory.objects if track.enabled]
    return guide_video(boxes, args.style, colors, image, crop=args.fit == "crop")


def _read(path: Path) -> Tensor:
    """float32 [H, W, 3] in 0..1"""
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(read_image(path)).copy()).float() / 255


def _like(image: Tensor, path: Path) -> Tensor:
    """A picture of the same size as the image. Raises SMCDError for another one."""
    found = _read(path)
    if found.shape != image.shape:
        raise SMCDError(
            f"{path}: is {found.shape[1]} x {found.shape[0]} pixels, the image {image.shape[1]} x {image.shape[0]}: "
            "give it the same size"
        )
    return found


def _size_of(image: Tensor) -> tuple[int, int]:
    """(width, height) of a video like the image: even numbers, of at most LARGEST."""
    height, width = image.shape[:2]
    scale = min(1.0, LARGEST / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _write(args: argparse.Namespace, path: Path, video: Tensor, trajectory: Trajectory, fps: float) -> None:
    import torch

    from ..video import write_video

    frames = (video * 255).round().to(torch.uint8).numpy()
    metadata = {
        "program": f"smcd {__version__}",
        "settings": {"style": args.style, "fit": args.fit},
        "trajectory": trajectory.to_dict(),
    }
    write_video(frames, path, fps, metadata)
    say(path)
