"""smcd animate: a picture, boxes and a sentence become a video."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import SMCDError

if TYPE_CHECKING:
    from PIL import Image

    from ..trajectory.document import Trajectory

BOX_FORMATS = ("json", "xyxy", "xywh", "mot", "youtube_vis", "csv")  # those of trajectory_formats, light to import


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("animate", help="make a video of a picture whose objects follow boxes")
    parser.add_argument("image", type=Path, help="the first frame")
    parser.add_argument("--boxes", type=Path, required=True, help="trajectory JSON, or boxes in another known format")
    parser.add_argument("--prompt", help="a sentence on the video (default: the phrases)")
    parser.add_argument("--phrase", action="append", help="what a box holds; once for all objects, or for each in turn")
    parser.add_argument("--box-format", choices=BOX_FORMATS, help="where the boxes file leaves a choice")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out.mp4"), help=".mp4, .webp, .gif or a folder (default %(default)s)"
    )
    parser.add_argument("--checkpoint", type=Path, help="file or folder of weights (default: the bundled one)")
    parser.add_argument("--components", type=Path, help="folder with vae/, text_encoder/ and tokenizer/")
    parser.add_argument("--size", type=_size, metavar="WxH", help="pixels, as 256x256 (default: as in training)")
    parser.add_argument("--frames", type=_whole(1, 4096), help="default: as in training")
    parser.add_argument("--fps", type=_number(0.01, 1000), help="frames per second (default: as in training)")
    parser.add_argument("--steps", type=_whole(1, 1000), help="of denoising (default: that of the checkpoint)")
    parser.add_argument("--fast", action="store_true", help="a better solver with 10 steps, unless --steps is given")
    parser.add_argument(
        "--guided", type=_number(0, 1), default=1.0, metavar="SHARE", help="of the steps, from the first (default: all)"
    )
    parser.add_argument("--reuse-features", action="store_true", help="every second step runs the uppermost level only")
    parser.add_argument("--seed", type=_whole(0, 2**63 - 1), default=0, help="another one, another video")
    for name in ("text", "boxes", "image"):
        parser.add_argument(
            f"--cfg-{name}", type=_number(-100, 100), metavar="SCALE", help=f"guidance by the {name}, 1 is none"
        )
    parser.add_argument(
        "--match-colors", action="store_true", help="keep the picture's colours; for a still camera and still light"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), help="default float32, float16 on an NVIDIA GPU"
    )
    parser.add_argument("--overlay", action="store_true", help="draw the boxes on the video")
    parser.add_argument(
        "--contact-sheet", type=Path, metavar="PNG", help="also write one picture of all frames with boxes"
    )
    parser.set_defaults(run=_animate)


def _animate(args: argparse.Namespace) -> None:
    from ..trajectory.files import read_trajectory
    from ..video import check_output

    check_output(args.out)
    if args.contact_sheet and args.contact_sheet.suffix.lower() != ".png":
        raise SMCDError(f"--contact-sheet is {args.contact_sheet}: its name must end in .png")
    image = _read_image(args.image)
    phrase = args.phrase[0] if args.phrase and len(args.phrase) == 1 else args.phrase
    trajectory, recognised = read_trajectory(
        args.boxes, width=image.width, height=image.height, phrase=phrase, format=args.box_format
    )
    _note(f"{args.boxes}: {recognised}")
    if not all(track.phrase for track in trajectory.objects):
        _note("some boxes have no phrase, so the model cannot know what to move: --phrase says it")
    _generate(args, image, trajectory)


def _generate(args: argparse.Namespace, image: Image.Image, trajectory: Trajectory) -> None:
    import torch
    from tqdm import tqdm

    from ..files import replacing
    from ..sampling.diffusion import Guidance
    from ..sampling.pipeline import DEFAULT_CHECKPOINT, SMCDPipeline, pick_device
    from ..trajectory.dense import boxes_at, phrases
    from ..video import contact_sheet, draw_boxes, write_video
    from ..weights.defaults import FAST

    device = _checked_device(args.device or pick_device())
    dtype = args.dtype or ("float16" if device.startswith("cuda") else "float32")
    checkpoint = args.checkpoint or DEFAULT_CHECKPOINT
    pipeline = SMCDPipeline.from_checkpoint(
        checkpoint, components=args.components, device=device, dtype=getattr(torch, dtype)
    )

    def setting(name: str, given: float | None) -> float:
        return pipeline.defaults[name] if given is None else given

    width, height = args.size or (pipeline.defaults["width"], pipeline.defaults["height"])
    frames, fps = setting("frames", args.frames), setting("fps", args.fps)
    scales = {name: setting(name, getattr(args, f"cfg_{name}")) for name in ("text", "boxes", "image")}
    prompt = " and ".join(dict.fromkeys(phrases(trajectory))) if args.prompt is None else args.prompt
    steps = FAST["steps"] if args.fast and args.steps is None else setting("steps", args.steps)
    sampling = {**(FAST if args.fast else {}), "steps": steps}
    sampling |= {"guided": args.guided, "reuse_features": args.reuse_features}
    if frames != trajectory.frames and args.frames is None:
        _note(f"{frames} frames, as in training, sample the {trajectory.frames} of the boxes: --frames changes that")
    if args.size is None and abs(width / height * image.height / image.width - 1) > 0.05:
        _note(f"the picture is squeezed from {image.width} x {image.height} to {width} x {height}: --size changes that")
    for unheard in sorted({"boxes", "image"} - pipeline.conditions):
        _note(f"this checkpoint does not look at the {unheard}")

    with tqdm(total=steps, unit="step", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(1)

        video = pipeline(
            image,
            trajectory,
            prompt,
            num_frames=frames,
            width=width,
            height=height,
            **sampling,
            guidance=Guidance(**scales),
            match_colors=args.match_colors,
            seed=args.seed,
            progress=progress,
        )

    drawn = [track for track in trajectory.objects if track.enabled]
    overlay = (*boxes_at(trajectory, frames), [track.color for track in drawn], [track.phrase for track in drawn])
    settings = {
        "prompt": prompt,
        "seed": args.seed,
        **sampling,
        "guidance": scales,
        "match_colors": args.match_colors,
        "width": width,
        "height": height,
        "frames": frames,
        "fps": fps,
        "checkpoint": checkpoint.name,
        "device": device,
        "dtype": dtype,
    }
    metadata = {"program": f"smcd {__version__}", "settings": settings, "trajectory": trajectory.to_dict()}
    write_video(draw_boxes(video, *overlay) if args.overlay else video, args.out, fps, metadata)
    print(args.out)
    if args.contact_sheet:
        with replacing(args.contact_sheet) as temporary:
            contact_sheet(video, *overlay).save(temporary, format="PNG")
        print(args.contact_sheet)


def _read_image(path: Path) -> Image.Image:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # PIL raises many types for damaged files
        raise SMCDError(f"{path}: cannot be read as a picture ({' '.join(str(error).split())})") from None


def _checked_device(name: str) -> str:
    import torch

    try:
        torch.empty(0, device=name)
    except Exception as error:  # RuntimeError, AssertionError or NotImplementedError, as the build of torch has it
        reason = re.split(r"[.\n]", str(error))[0]
        raise SMCDError(f"--device {name} cannot be used here: {reason}") from None
    return name


def _note(text: str) -> None:
    print(f"smcd: {text}", file=sys.stderr)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it like 256x256")
    return int(match[1]), int(match[2])


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low:g} to {high:g}")
        return value

    return parse
