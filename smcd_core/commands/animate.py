"""smcd animate: make a video from an image, boxes and a prompt."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import SMCDError
from ..terminal import say
from .arguments import lora_file, note, number, pixel_size, read_image, whole
from .box_file import add_box_options, read_boxes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from ..sampling.pipeline import Request, SMCDPipeline
    from ..sampling.settings import Settings
    from ..trajectory.document import Trajectory

LARGE = 10**9  # bytes; smaller runs fit everywhere
AS_RELEASED = (
    ("sampler", "ddim"),
    ("fit", "stretch"),
    ("start", 1.0),
    ("start_inside", None),
    ("negative", " "),
    ("window", None),
    ("overlap", None),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, help="the first frame")
    add_box_options(parser)
    parser.add_argument("--prompt", help="a sentence about the video (default: the phrases)")
    parser.add_argument(
        "--negative", default=" ", help="what the video should not show (default: a space, as released)"
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out.mp4"), help=".mp4, .webp, .gif or a folder (default %(default)s)"
    )
    parser.add_argument("--checkpoint", type=Path, help="file or folder of weights (default: the bundled one)")
    parser.add_argument("--components", type=Path, help="folder with vae/, text_encoder/ and tokenizer/")
    parser.add_argument(
        "--lora",
        type=lora_file,
        action="append",
        metavar="FILE[:STRENGTH]",
        help="from `smcd finetune --lora`; may be given several times (strength: default 1)",
    )
    _add_settings(parser)
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, help="random seed (default %(default)s)")
    parser.add_argument(
        "--videos",
        type=whole(1, 1000),
        default=1,
        metavar="N",
        help="make N, with the seeds from --seed on; -o out.mp4 gives out-1.mp4, out-2.mp4, ...",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        help="of the networks (default: float32; on an NVIDIA GPU bfloat16, or float16 where it has no bfloat16)",
    )
    parser.add_argument("--offload", action="store_true", help="keep each network on the GPU only while it works")
    parser.add_argument("--compile", action="store_true", help="compile the UNet first; pays off in many steps")
    parser.add_argument("--overlay", action="store_true", help="draw the boxes on the video")
    parser.add_argument(
        "--contact-sheet", type=Path, metavar="PNG", help="also write one image of all frames with boxes"
    )
    parser.set_defaults(run=_animate)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        type=pixel_size,
        metavar="WxH",
        help="pixels, as 256x256 (default: as the checkpoint says; the bundled one keeps the shape of the image)",
    )
    parser.add_argument(
        "--fit",
        choices=("stretch", "crop"),
        default="stretch",
        help="how an image of another aspect ratio gets the size of the video (default %(default)s)",
    )
    parser.add_argument("--frames", type=whole(1, 4096), help="of the video (default: as many as the boxes have)")
    parser.add_argument(
        "--window", type=whole(1, 4096), metavar="FRAMES", help="make a long video in windows of so many frames"
    )
    parser.add_argument(
        "--overlap", type=whole(0, 4095), metavar="FRAMES", help="which windows share (default: half a window)"
    )
    parser.add_argument("--fps", type=number(0.01, 1000), help="frames per second (default: as the boxes say)")
    parser.add_argument("--steps", type=whole(1, 1000), help="denoising steps (default: that of the checkpoint)")
    parser.add_argument("--fast", action="store_true", help="a better solver with 10 steps, unless --steps is given")
    parser.add_argument("--scheduler", metavar="NAME", help="of diffusers, such as UniPCMultistepScheduler")
    parser.add_argument(
        "--guided",
        type=number(0, 1),
        default=1.0,
        metavar="SHARE",
        help="share of the steps that use guidance, from the first (default: all)",
    )
    parser.add_argument(
        "--start",
        type=number(0, 1),
        metavar="SHARE",
        help="run this share of the steps, above 0, the last ones, from the image with its boxes moved; 1 starts from "
        "noise (default: that of the checkpoint)",
    )
    parser.add_argument(
        "--start-inside",
        type=number(0, 1),
        metavar="SHARE",
        help="the same inside the boxes (default: as --start, if that is given)",
    )
    parser.add_argument("--reuse-features", action="store_true", help="run only the top level in every second step")
    for name in ("text", "boxes", "image"):
        parser.add_argument(
            f"--cfg-{name}",
            type=number(-100, 100),
            metavar="SCALE",
            help=f"guidance scale of the {name} (1 = no guidance; default: that of the checkpoint)",
        )
    parser.add_argument(
        "--match-colors", action="store_true", help="keep the image's colours; for a still camera and still light"
    )


def _animate(args: argparse.Namespace) -> None:
    from ..sampling.animatic import told_of_start
    from ..sampling.devices import chosen_device, chosen_dtype
    from ..sampling.request import Request
    from ..sampling.settings import from_noise, without_effect
    from ..trajectory.dense import phrases, prompt_of
    from ..weights.defaults import BUNDLED, DEFAULT_CHECKPOINT

    _check_outputs(args)
    image, trajectory = _read_inputs(args)
    device = chosen_device(args.device or "auto", "--device")
    dtype = chosen_dtype(args.dtype or "auto", device)
    checkpoint = args.checkpoint or DEFAULT_CHECKPOINT
    pipeline, settings = _loaded(args, checkpoint, image.size, trajectory, device, dtype)
    prompt = prompt_of(phrases(trajectory)) if args.prompt is None else args.prompt
    for line in (*from_noise(pipeline.defaults, settings), *without_effect(settings, args.negative, "--cfg-text")):
        note(line)
    _note_limits(pipeline, image, [*phrases(trajectory), prompt], checkpoint in BUNDLED)
    image, trajectory = _fitted(args, image, trajectory, settings)
    for line in told_of_start(trajectory, settings):
        note(line)
    _note_memory(pipeline, settings)
    how = {"prompt": prompt, "seed": args.seed, **_told(settings, args.fit, args.negative)}
    how |= {"checkpoint": checkpoint.name, "device": device, "dtype": str(dtype).removeprefix("torch.")}
    if args.scheduler:
        how["scheduler"] = args.scheduler
    if args.lora:
        how["loras"] = [[path.name, strength] for path, strength in args.lora]
    requests = Request(image, trajectory, prompt, args.seed, args.negative).several(args.videos)
    for request, (out, sheet) in zip(requests, _outputs(args), strict=True):
        video = _generate(pipeline, request, settings, args.scheduler)
        _write(out, sheet, args.overlay, video, trajectory, settings.fps, how | {"seed": request.seed})


def _outputs(args: argparse.Namespace) -> list[tuple[Path, Path | None]]:
    """Video and contact sheet of each video."""
    if args.videos == 1:
        return [(args.out, args.contact_sheet)]

    def numbered(path: Path, number: int) -> Path:
        return path.parent / f"{path.stem}-{number:0{len(str(args.videos))}}{path.suffix}"

    sheet = args.contact_sheet
    return [(numbered(args.out, n), sheet and numbered(sheet, n)) for n in range(1, args.videos + 1)]


def _check_outputs(args: argparse.Namespace) -> None:
    from ..files import check_writable
    from ..video import check_output

    if args.contact_sheet and args.contact_sheet.suffix.lower() != ".png":
        raise SMCDError(f"--contact-sheet is {args.contact_sheet}: its name must end in .png")
    for out, sheet in _outputs(args):
        check_output(out)
        if sheet:
            check_writable(sheet)


def _read_inputs(args: argparse.Namespace) -> tuple[Image.Image, Trajectory]:
    from ..guides.fit import of_another_shape
    from ..sampling.settings import check_objects
    from ..trajectory.dense import absences, dense_boxes, stretched

    image = read_image(args.image)
    trajectory, found = read_boxes(args, image.width, image.height)
    note(f"{args.boxes}: {found}")
    for line in of_another_shape((trajectory.width, trajectory.height), image.size):
        note(line)
    boxes = dense_boxes(trajectory)
    check_objects(boxes, args.frames, option=" (--phrase)")
    for line in stretched(boxes.frames, args.frames):
        note(line)
    note(absences(boxes.resampled(args.frames or boxes.frames)))
    return image, trajectory


def _loaded(
    args: argparse.Namespace,
    path: Path,
    picture: tuple[int, int],
    trajectory: Trajectory,
    device: str,
    dtype: torch.dtype,
) -> tuple[SMCDPipeline, Settings]:
    """The networks and the settings, which are refused first if the networks cannot have them."""
    from ..sampling.devices import check_compiler
    from ..sampling.schedulers import check_scheduler
    from ..sampling.settings import check_size, check_slots
    from ..trajectory.dense import phrases
    from ..video import check_output
    from ..weights.checkpoint import read_checkpoint
    from ..weights.defaults import read_defaults
    from ..weights.repository import local_path
    from ..weights.stored import size_multiple

    checkpoint = read_checkpoint(local_path(path, download=False))
    multiple = size_multiple(checkpoint, args.components)
    settings = _settings(args, read_defaults(checkpoint), picture, multiple, trajectory)
    if args.scheduler:
        check_scheduler(args.scheduler, settings)
    if args.compile:
        check_compiler(device)
    for out, _ in _outputs(args):
        check_output(out, settings.fps)
    check_size(settings.width, settings.height, multiple)
    if "boxes" in checkpoint.config.conditions:
        check_slots(len(phrases(trajectory)), checkpoint.config.box_slots)

    from ..sampling.pipeline import SMCDPipeline  # with diffusers, which takes seconds

    pipeline = SMCDPipeline.from_pretrained(
        path,
        components=args.components,
        device=device,
        dtype=dtype,
        lora=args.lora,
        offload=args.offload,
        checkpoint=checkpoint,
    )
    return pipeline.compile() if args.compile else pipeline, settings


def _settings(
    args: argparse.Namespace,
    defaults: Mapping[str, Any],
    picture: tuple[int, int],
    multiple: int,
    trajectory: Trajectory,
) -> Settings:
    from ..sampling.schedulers import start_with
    from ..sampling.settings import Settings

    width, height = args.size or (None, None)
    return Settings.of(
        defaults,
        trajectory,
        picture=picture,
        multiple=multiple,
        width=width,
        height=height,
        num_frames=args.frames,
        fps=args.fps,
        steps=args.steps,
        text=args.cfg_text,
        boxes=args.cfg_boxes,
        image=args.cfg_image,
        fast=args.fast,
        guided=args.guided,
        reuse_features=args.reuse_features,
        match_colors=args.match_colors,
        start=start_with(args.scheduler, args.start),
        start_inside=args.start_inside,
        window=args.window,
        overlap=args.overlap,
    )


def _note_limits(pipeline: SMCDPipeline, image: Image.Image, texts: list[str], is_bundled: bool) -> None:
    """Say before the work what the model cannot do."""
    from ..sampling.vocabulary import limits

    model = "the bundled model" if is_bundled else "this model"
    if text := limits(pipeline.text.tokenizer, texts, image, model):
        note(text)
    for unheard in sorted({"boxes", "image"} - pipeline.conditions):
        note(f"this checkpoint does not look at the {unheard}")


def _note_memory(pipeline: SMCDPipeline, settings: Settings) -> None:
    """Say before a large run what it needs; too much memory ends some programs without a word."""
    from ..sampling.memory import memory_of
    from ..weights.hub import show_size

    need = memory_of(pipeline, settings)
    if need.weights + need.work < LARGE:
        return
    parts = f"{show_size(need.weights)} of weights, {show_size(need.work)} to work"
    note(f"needs about {show_size(need.weights + need.work)} of memory on {pipeline.device}: {parts}")


def _fitted(
    args: argparse.Namespace, image: Image.Image, trajectory: Trajectory, settings: Settings
) -> tuple[Image.Image, Trajectory]:
    from ..guides.fit import crop_cuts
    from ..sampling.framing import cropped, stretch

    size = settings.width, settings.height
    if args.fit == "crop":
        for line in crop_cuts(trajectory, image.size, size, settings.num_frames):
            note(line)
        return cropped(image, trajectory, *size)
    if text := stretch(image.size, size):
        note(f"{text}: --size changes that, --fit crop cuts the sides off instead")
    return image, trajectory


def _generate(pipeline: SMCDPipeline, request: Request, settings: Settings, scheduler: str | None) -> np.ndarray:
    from tqdm import tqdm

    with tqdm(total=settings.steps, unit="step", disable=None) as bar:

        def progress(_done: int, total: int) -> None:
            bar.total = total
            bar.update(1)

        return pipeline.generate([request], settings, progress=progress, scheduler=scheduler)[0]


def _told(settings: Settings, fit: str, negative: str) -> dict[str, Any]:
    """Settings as the video's metadata has them, without those that are as released."""
    values = vars(settings) | {"guidance": vars(settings.guidance), "frames": settings.num_frames}
    values |= {"fit": fit, "negative": negative}
    del values["num_frames"]
    return {name: value for name, value in values.items() if (name, value) not in AS_RELEASED}


def _write(
    out: Path,
    sheet: Path | None,
    overlay: bool,
    video: np.ndarray,
    trajectory: Trajectory,
    fps: float,
    how: dict[str, Any],
) -> None:
    from ..files import replacing
    from ..trajectory.dense import boxes_at
    from ..video import contact_sheet, draw_boxes, write_video

    drawn = [track for track in trajectory.objects if track.enabled]
    boxes = (*boxes_at(trajectory, len(video)), [track.color for track in drawn], [track.phrase for track in drawn])
    metadata = {"program": f"smcd {__version__}", "settings": how, "trajectory": trajectory.to_dict()}
    write_video(draw_boxes(video, *boxes) if overlay else video, out, fps, metadata)
    say(out)
    if sheet:
        with replacing(sheet) as temporary:
            contact_sheet(video, *boxes).save(temporary, format="PNG")
        say(sheet)
