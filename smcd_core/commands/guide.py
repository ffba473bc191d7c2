"""smcd guide: move what is in the boxes of an image, draw the boxes, or fill them with points, for other models."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import SMCDError
from ..terminal import say
from .arguments import note, number, pixel_size, read_image, whole
from .box_file import add_box_options, read_boxes

if TYPE_CHECKING:
    from torch import Tensor

    from ..guides.fit import Grid
    from ..trajectory.dense import DenseBoxes
    from ..trajectory.document import Trajectory

CUT_AND_DRAG = "cut and drag"
# with STYLES of guides.drawn, which is slow to import
STYLES = (
    CUT_AND_DRAG, "vace", "vace colours", "white on black", "ltx boxes", "ltx tracks", "fun blobs", "magicmotion",
)  # fmt: skip
# These are points, not a video: what each file is called.
POINTS = {"wan_move": Path("tracks.npy"), "ati": Path("ati.json")}
LARGEST = 1280  # pixels of the longer side, where --size does not say more


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, help="the first frame")
    add_box_options(parser)
    parser.add_argument(
        "--style",
        choices=(*STYLES, *POINTS),
        default=CUT_AND_DRAG,
        help="what to make, or for which model (default %(default)s)",
    )
    names = ", ".join(f"{name} for {style}" for style, name in POINTS.items())
    parser.add_argument("-o", "--out", type=Path, help=f".mp4, .webp, .gif or a folder (default guide.mp4; {names})")
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
    parser.add_argument(
        "--points", type=whole(1, 32), help="across and down each box (default: as many as the model needs)"
    )
    parser.add_argument(
        "--anchors", type=whole(1, 32), help="points across and down the frame that rest (default: none)"
    )
    parser.set_defaults(run=_guide)


def _guide(args: argparse.Namespace) -> None:
    from ..guides.fit import fit, told
    from ..trajectory.dense import stretched
    from ..video import check_output

    _check_options(args)
    image = _read(args.image)
    picture = image.shape[1], image.shape[0]
    trajectory, found = read_boxes(args, *picture)
    note(f"{args.boxes}: {found}")
    fps = trajectory.fps if args.fps is None else args.fps
    out = args.out or POINTS.get(args.style, Path("guide.mp4"))
    width, height = args.size or _size_of(image)
    length = trajectory.frames if args.frames is None else args.frames
    if args.style in POINTS:
        _check_points(out, args.style, width, height, length)
    else:
        for path in filter(None, (out, args.mask_out)):
            check_output(path, fps)
    on_image, crop = replace(trajectory, width=picture[0], height=picture[1]), args.fit == "crop"
    boxes = fit(on_image, width, height, length, crop)
    size = trajectory.width, trajectory.height
    for line in (*told(boxes, size, picture, crop), *stretched(trajectory.frames, args.frames)):
        note(line)
    if args.style in POINTS:
        _write_points(args, out, boxes)
        return
    if (grid := _grid(args, out)) and fps != grid.fps:
        note(f"the video has {fps:g} frames per second, {grid.name} makes {grid.fps}: say --fps {grid.fps}")
    video, mask = (_dragged if args.style == CUT_AND_DRAG else _drawn)(args, image, boxes, trajectory, grid)
    _write(args, out, video, trajectory, fps)
    if args.mask_out:
        _write(args, args.mask_out, mask[..., None].expand(-1, -1, -1, 3), trajectory, fps)


def _check_options(args: argparse.Namespace) -> None:
    """Refuse options that the style has no use for."""
    for options, styles, kind in (
        (("mask", "background"), (CUT_AND_DRAG,), CUT_AND_DRAG),
        (("points", "anchors"), tuple(POINTS), " and ".join(POINTS)),
        (("mask_out", "fps"), STYLES, "styles that are a video"),
    ):
        if args.style not in styles and any(vars(args)[option] is not None for option in options):
            names = " and ".join("--" + option.replace("_", "-") for option in options)
            raise SMCDError(f"{names} are for {kind}: leave them out")


def _remark(lines: list[str], boxes: DenseBoxes, grid: Grid | None) -> None:
    """Say the lines, and what the model of the guide does not take, with the options for what it does."""
    from ..guides.fit import off_grid, on_grid

    width, height = boxes.size or (0, 0)
    found = off_grid(width, height, boxes.frames, grid) if grid else []
    for line in lines:
        note(line)
    if grid and found:
        *size, length = on_grid(width, height, boxes.frames, grid)
        note(f"{'; '.join(found)}: say {_options((width, height, boxes.frames), (*size, length))}")


def _options(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """The options that make (width, height, length) what is wanted."""
    size = f"--size {wanted[0]}x{wanted[1]}" if found[:2] != wanted[:2] else ""
    return f"{size} --frames {wanted[2]}".strip() if found[2] != wanted[2] else size


def _check_points(out: Path, style: str, width: int, height: int, length: int) -> None:
    from ..files import check_writable
    from ..guides.fit import WAN, on_grid
    from ..guides.tracks import ati_refusal, nearest_for_ati
    from ..trajectory.write_models import visibility_beside

    name = POINTS[style]
    if out.suffix.lower() != name.suffix:
        raise SMCDError(f"{out}: {style} is a file whose name ends in {name.suffix}: name it like {name}")
    if style == "wan_move":
        check_writable(visibility_beside(out))
    elif reason := ati_refusal(length):
        size = on_grid(width, height, length, WAN)[:2]
        options = _options((width, height, length), (*size, nearest_for_ati(length)))
        raise SMCDError(f"{reason}: ATI takes {options}")
    check_writable(out)


def _write_points(args: argparse.Namespace, out: Path, boxes: DenseBoxes) -> None:
    from ..files import write_text
    from ..guides.fit import WAN
    from ..guides.tracks import ATI_SPACING, WAN_MOVE_SPACING, as_ati, as_tracks, counted, left_out, point_tracks
    from ..trajectory.write_models import visibility_beside, write_wan_move

    width, height = boxes.size or (0, 0)
    spacing = ATI_SPACING * min(width, height) if args.style == "ati" else WAN_MOVE_SPACING
    tracks = point_tracks(boxes, args.points or 0, args.anchors or 0, spacing)
    _remark([counted(boxes, tracks), *left_out(boxes, tracks)], boxes, WAN)
    written = [out]
    if args.style == "ati":
        write_text(out, as_ati(tracks))
    else:
        arrays = as_tracks(tracks)
        write_wan_move(out, arrays["track_path"].numpy(), arrays["track_visibility"].numpy())
        written.append(visibility_beside(out))
    for path in written:
        say(path)


def _grid(args: argparse.Namespace, out: Path) -> Grid | None:
    """The sizes that the model of the video takes; None if it is for people.

    Of a video that is cut and dragged, the file and the options that tell of a target show which.
    """
    from ..guides.drawn import GRIDS
    from ..guides.fit import WAN

    if args.style != CUT_AND_DRAG:
        return GRIDS.get(args.style)
    has_target = any(value is not None for value in (args.size, args.frames, args.fps, args.mask_out))
    return WAN if has_target and out.suffix.lower() not in (".gif", ".webp") else None


def _dragged(
    args: argparse.Namespace, image: Tensor, boxes: DenseBoxes, _: Trajectory, grid: Grid | None
) -> tuple[Tensor, Tensor]:
    import torch

    from ..guides.cut_and_drag import cut_and_drag, resized, told

    width, height = boxes.size or (0, 0)
    crop = args.fit == "crop"
    picture = resized(image, width, height, crop)
    behind = resized(_like(image, args.background), width, height, crop) if args.background else None
    shapes = [resized(_like(image, path).mean(-1, keepdim=True), width, height, crop) for path in args.mask or ()]
    masks = torch.stack(shapes).squeeze(-1) if shapes else None
    dragged = cut_and_drag(picture, boxes, masks, behind)
    _remark(told(boxes), boxes, grid)
    return dragged.video, dragged.mask


def _drawn(
    args: argparse.Namespace, image: Tensor, boxes: DenseBoxes, trajectory: Trajectory, grid: Grid | None
) -> tuple[Tensor, Tensor]:
    from ..guides.drawn import guide_video, never_seen

    _remark(never_seen(boxes), boxes, grid)
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
