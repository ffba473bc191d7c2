"""smcd info: report on the installation, a checkpoint, a video, boxes or a run of training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SMCDError
from ..terminal import say, say_json
from .box_file import add_choices, read_boxes

if TYPE_CHECKING:
    from ..trajectory.document import Trajectory
    from ..weights.files import WeightFile

LONGEST = 200  # characters of one line about metadata
NO_SETTINGS = ("settings", "none: it was not made by smcd, or has lost its metadata")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        help="weights, boxes, an image, a video or a training run, as a file or folder (default: everything)",
    )
    add_choices(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--models", type=Path, metavar="DIR", help="ComfyUI's folder models (default: if found)")
    parser.add_argument("--verify", action="store_true", help="compare published weights with their sha256: takes long")
    parser.set_defaults(run=_info)


def _info(args: argparse.Namespace) -> None:
    if args.file is None:
        _report(args)
        return
    if args.models or args.verify:
        raise SMCDError(f"--models and --verify are for smcd info without a file, but {args.file} is given")

    lines, whole = _describe(args)
    if args.json:
        say_json(whole)
        return
    for name, value in lines:
        say(f"{name:<12}{value}" if len(name) < 12 else f"{name} {value}")


def _report(args: argparse.Namespace) -> None:
    from ..doctor import as_text, folders_below, system_report
    from ..weights.download import find_models

    models = args.models or find_models()
    report = system_report(folders_below(models) if models else {}, verify=args.verify)
    say_json(report) if args.json else say(as_text(report))


def _describe(args: argparse.Namespace) -> tuple[list[tuple[str, str]], Any]:
    """A file or folder by its content: lines for people, and what --json prints."""
    from ..files import is_text, kind_of, naming
    from ..training.run_summary import describe_run, is_run
    from ..trajectory.files import BOX_SUFFIXES, boxes_in
    from ..weights.checkpoint import SUFFIXES

    path: Path = args.file
    if path.is_dir():
        if is_run(path):
            lines = describe_run(path)
            return lines, dict(lines)
        if any(path.glob("[0-9]*.png")):
            return _describe_made(path) or _describe_frames(path) or ([], {})
        if boxes_in(path):
            return _describe_boxes(args)
        return _describe_frames(path) or _describe_weights(path)
    if not path.is_file():
        raise SMCDError(f"{path}: is a pipe or device" if path.exists() else f"{path}: no such file or folder")
    with naming(path), path.open("rb") as stream:
        start = stream.read(4096)
    kind = kind_of(start)
    if kind.endswith("image") or kind == "a video":
        return _describe_video(path, kind)
    is_weights = path.suffix.lower() in SUFFIXES or start.startswith((b"PK", b"\x80", b"version https://git-lfs"))
    if not is_weights and (is_text(start) or kind == "an array of numpy" or path.suffix.lower() in BOX_SUFFIXES):
        return _describe_boxes(args)
    if not (start[8:9] == b"{" or start.startswith((b"PK", b"\x80")) or is_text(start)):
        found = kind or "neither text nor another file that smcd knows"
        raise SMCDError(f"{path}: is {found}: expected weights, boxes, an image or a video")
    return _describe_weights(path)


def _describe_boxes(args: argparse.Namespace) -> tuple[list[tuple[str, str]], Any]:
    args.boxes, args.phrase = args.file, None
    trajectory, what = read_boxes(args, None, None)
    lines = [("boxes", what), *_describe_trajectory(trajectory)]
    return lines, dict(lines)


def _describe_frames(folder: Path) -> tuple[list[tuple[str, str]], Any] | None:
    """A folder of images, None if it holds none."""
    from ..data.media import FrameFolder

    frames = FrameFolder(folder)
    if not frames.length:
        return None
    width, height = frames.size()
    lines = [("images", f"{frames.length}, the first of {width} x {height} pixels"), NO_SETTINGS]
    return lines, dict(lines)


def _describe_trajectory(trajectory: Trajectory) -> list[tuple[str, str]]:
    frames = f"{trajectory.frames} of {trajectory.width} x {trajectory.height} pixels, {trajectory.fps:g} per second"
    lines = [("frames", frames)]
    for track in trajectory.objects:
        keys = f"{len(track.keys)} keyframe{'s' * (len(track.keys) != 1)}"
        lines.append((track.id, f"{track.phrase or 'no phrase'}, {keys}{'' if track.enabled else ', off'}"))
    return lines


def _describe_video(path: Path, kind: str) -> tuple[list[tuple[str, str]], Any]:
    """An image or a video: how smcd made it, or what it is."""
    from ..data.media import VideoFile
    from ..pictures import open_picture, size_as_shown

    if (kind != "a video" or path.suffix.lower() == ".mp4") and (made := _describe_made(path)):
        return made
    if kind == "a video":
        video = VideoFile(path)
        (width, height), length = video.size(), video.length
    else:
        with open_picture(path) as image:
            (width, height), length = size_as_shown(image), getattr(image, "n_frames", 1)
    frames = f", {length} frame{'s' * (length != 1)}" if length > 1 or kind == "a video" else ""
    lines = [("file", str(path)), ("is", f"{kind}{frames} of {width} x {height} pixels"), NO_SETTINGS]
    return lines, dict(lines)


def _describe_made(path: Path) -> tuple[list[tuple[str, str]], Any] | None:
    """Summarise the metadata of a video, which may hold anything; None if smcd has not made it."""
    from ..trajectory.document import TrajectoryError, parse_trajectory
    from ..video import NoSettingsError, read_metadata

    try:
        metadata = read_metadata(path)
    except NoSettingsError:
        return None
    settings = metadata.get("settings")
    rest = {name: value for name, value in metadata.items() if name not in ("settings", "trajectory")}
    values = rest | (settings if isinstance(settings, dict) else {})
    lines = [("file", str(path)), *((name, _in_short(value)) for name, value in values.items() if value is not None)]
    if "trajectory" in metadata:
        try:
            trajectory = parse_trajectory(metadata["trajectory"])
        except TrajectoryError as error:
            return [*lines, ("trajectory", f"cannot be read: {error}")], metadata
        count = len(trajectory.objects)
        lines += [("trajectory", f"{count} object{'s' * (count != 1)}"), *_describe_trajectory(trajectory)[1:]]
    return lines, metadata


def _in_short(value: Any) -> str:
    """A value of metadata in a line; --json prints all of it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value and all(isinstance(one, dict) and "stage" in one for one in value):
        return ", ".join(f"{one['stage']} ({one.get('steps')} steps)" for one in value)
    if isinstance(value, dict) and all(isinstance(one, int | float | str) for one in value.values()):
        text = ", ".join(
            f"{name} {one:g}" if isinstance(one, float) else f"{name} {one}" for name, one in value.items()
        )
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\u2026 (--json prints all of it)"


def _size(defaults: Mapping[str, float]) -> str:
    trained = f"{defaults['width']} x {defaults['height']}"
    if "area" not in defaults:
        return trained
    side = round(defaults["area"] ** 0.5)
    return f"trained on {trained}, makes about as many pixels as {side} x {side} in the shape of the image"


def _start(defaults: Mapping[str, float]) -> str:
    """Where videos start, unless it is from noise."""
    start, inside = defaults["start"], defaults.get("start_inside")
    if start == 1 and inside in (None, 1):
        return ""
    return f", start {start:g}" + (f", inside boxes {inside:g}" if inside is not None else "")


def _describe_weights(path: Path) -> tuple[list[tuple[str, str]], Any]:
    """Describe a checkpoint, or a LoRA, by its weights and by its own information."""
    from ..networks.config import system_name
    from ..weights.checkpoint import read_checkpoint
    from ..weights.components import missing_components
    from ..weights.defaults import read_defaults
    from ..weights.files import read_weights
    from ..weights.layouts import LORA, detect_layout

    if path.is_file() and detect_layout((file := read_weights(path)).tensors) == LORA:
        return _describe_lora(file)
    checkpoint = read_checkpoint(path)
    config, defaults = checkpoint.config, read_defaults(checkpoint)
    missing = missing_components(checkpoint)
    parts: dict[str, int] = {}
    for name, tensor in checkpoint.weights.items():
        part = name.split(".")[0]
        parts[part] = parts.get(part, 0) + tensor.numel()
    for name in ("vae", "text_encoder"):
        if component := getattr(checkpoint, name):
            parts[name] = sum(tensor.numel() for tensor in component.weights.values())
    dtypes = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in checkpoint.weights.values()})
    guidance = ", ".join(f"{name} {defaults[name]:g}" for name in ("text", "boxes", "image"))
    lines = [
        ("file", str(checkpoint.path)),
        ("layout", checkpoint.layout),
        ("system", system_name(config) or "a combination of parts that the paper does not compare"),
        ("parameters", ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parts.items())),
        ("numbers", ", ".join(dtypes)),
        ("predicts", config.prediction),
        ("boxes", f"up to {config.box_slots} as trained, more allowed" if config.boxes else "not used"),
        ("defaults", f"{_size(defaults)}, {defaults['frames']} frames, "
                     f"{defaults['fps']:g} fps, {defaults['steps']} steps, guidance {guidance}{_start(defaults)}"),
        ("missing", f"{', '.join(missing)}: give them with --components FOLDER" if missing else "nothing"),
    ]  # fmt: skip
    rest = {name: value for name, value in checkpoint.info.items() if name != "defaults"}
    return [*lines, *((name, _in_short(value)) for name, value in rest.items())], dict(lines) | rest


def _describe_lora(file: WeightFile) -> tuple[list[tuple[str, str]], Any]:
    from ..weights.checkpoint import json_of
    from ..weights.layouts import LORA
    from ..weights.lora import ranks_of

    ranks = ranks_of(file.tensors)
    info = json_of(file, "info") if "info" in file.metadata else {}
    lines = [
        ("file", str(file.path)),
        ("is", LORA),
        ("rank", ", ".join(map(str, sorted(set(ranks)))) or "none"),
        ("layers", str(len(ranks))),
        ("parameters", f"{sum(tensor.numel() for tensor in file.tensors.values()):,}"),
        ("base", str(info.pop("base", "not said: the checkpoint that it was trained on"))),
    ]
    return [*lines, *((name, _in_short(value)) for name, value in info.items())], dict(lines) | info
