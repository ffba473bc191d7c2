"""Find weights in model folders and judge each: usable, damaged, of no use to SMCD, or missing.

Only names and shapes are read, except to compare checksums.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..networks.config import system_name
from .checkpoint import SUFFIXES, Checkpoint, CheckpointError
from .defaults import BUNDLED
from .download import destination, is_size, plan_downloads
from .files import WeightFile, read_weights
from .hub import sha256_of, show_size
from .layouts import Shapes, detect_layout, shapes_of
from .published import ALL, FOR_COMFYUI, HubFile, Weights

CHECKPOINT_PLACES = ("smcd", "checkpoints", "diffusion_models")  # ComfyUI's folders; SMCD adds the first
PLACES = (*CHECKPOINT_PLACES, "text_encoders", "vae", "diffusers")

_RELEASE = re.compile(r"pytorch_model(_\d+)?\.bin")
_SMCD_LAYOUTS = ("smcd", "unet", "diffusers")
_PARTS = ("box_encoder", "image_encoder", "control_net")
_TEXT_LAYER = re.compile(r"(?!visual|vision).*\b(?:resblocks|layers)\.(\d+)\.mlp\.(?:c_fc|fc1)\.weight")
_VIT_H = (24, 1024)  # layers and width of the text encoder of OpenCLIP ViT-H

Folders = Mapping[str, Sequence[Path]]  # by PLACES; the first folder of each is where downloads go
_Status = TypeVar("_Status")
Reader = Callable[[Path | WeightFile], Checkpoint]


@dataclass(frozen=True)
class WeightStatus:
    """State of one file, or of one folder whose files belong together.

    state  "found"; "missing"; "damaged": cannot be read; "unusable": readable, but not for SMCD; "unchecked"
    place  one of PLACES, or "bundled"
    what   what it is
    note   what is wrong with it
    lacks  components that a checkpoint needs beside it: "VAE", "text encoder"
    """

    state: str
    place: str
    path: str
    what: str
    note: str = ""
    lacks: tuple[str, ...] = ()


def take_inventory(
    folders: Folders, listing: Mapping[Path, Sequence[Path]], read: Reader, *, verify: bool
) -> list[WeightStatus]:
    """Judge the bundled checkpoints, everything in the folders, and what is missing from them.

    listing  files of each folder, by list_files
    read     reads a checkpoint
    verify   also compare published files with their size and sha256, which reads them whole
    """
    statuses = [_bundled(path, read) for path in BUNDLED]
    for place, paths in folders.items():
        for folder in paths:
            if place == "diffusers":
                found = _judged(folder, place, partial(_components, folder, verify))
                statuses += found if isinstance(found, list) else [found]
            else:
                statuses += _weights(folder, listing[folder], place, read, verify)
    return statuses + _missing(folders, statuses)


def list_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted. Follows links to folders, as ComfyUI does, but each folder only once."""
    files, seen = [], set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (place := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        files += [path for name in sorted(names) if (path := Path(root, name)).is_file()]
    return files


def published_files(place: str) -> list[tuple[Weights, HubFile]]:
    return [(weights, file) for weights in ALL.values() for file in weights.files if file.place == place]


# Files that are there ------------------------------------------------------------------------------------------------


def _bundled(path: Path, read: Reader) -> WeightStatus:
    if not path.exists():
        return WeightStatus("missing", "bundled", str(path), "a bundled checkpoint")
    return _judged(path, "bundled", lambda: _checkpoint(path, path, "bundled", read))


def _judged(path: Path, place: str, judge: Callable[[], _Status]) -> _Status | WeightStatus:
    """Run `judge` on a file. Whatever is wrong with one file does not end the report on all others."""
    try:
        return judge()
    except Exception as error:  # of a library, of a file that vanishes meanwhile, or a bug
        reason = " ".join(str(error).split())[:200]
        return WeightStatus("damaged", place, str(path), "", f"cannot be judged: {type(error).__name__}: {reason}")


def _weights(folder: Path, files: Sequence[Path], place: str, read: Reader, verify: bool) -> Iterator[WeightStatus]:
    for path in _units(folder, files, place in CHECKPOINT_PLACES):
        status = _judged(path, place, partial(_verified, path, folder, place, read, verify))
        if status is not None:
            yield status


def _verified(path: Path, folder: Path, place: str, read: Reader, verify: bool) -> WeightStatus | None:
    status = _status(path, place, read)
    if verify and status is not None and status.state in ("found", "unchecked"):
        return _changed(path, folder, place) or status
    return status


def _units(folder: Path, files: Sequence[Path], joined: bool) -> list[Path]:
    """Weight files, where `joined` the files of a release as their folder."""
    files = [path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    is_part = {path: joined and path.parent != folder and bool(_RELEASE.fullmatch(path.name)) for path in files}
    return [*dict.fromkeys(path.parent if is_part[path] else path for path in files)]


def _status(path: Path, place: str, read: Reader) -> WeightStatus | None:
    """State of a weight file or release; None for files that have nothing to do with SMCD."""
    own = place == "smcd"
    if path.is_dir():
        return _checkpoint(path, path, place, read)
    try:
        if _is_old(path):
            note = "an old torch file, which can only be checked by loading it whole"
            return WeightStatus("unchecked", place, str(path), "", note) if own else None
        file = read_weights(path)
    except CheckpointError as error:
        return WeightStatus("damaged", place, str(path), "", _without_path(error, path))
    except OSError as error:
        return WeightStatus("damaged", place, str(path), "", f"cannot be read: {error.strerror}")
    if place == "text_encoders":
        return _text_encoder(path, place, shapes_of(file.tensors))
    if place == "vae":
        return _vae(path, place, shapes_of(file.tensors))
    layout = detect_layout(file.tensors)
    if layout in _SMCD_LAYOUTS:
        return _checkpoint(path, file, place, read)
    if layout in _PARTS:
        note = "is one of several files of a release: put them into a folder of their own below models/smcd"
        return WeightStatus("unusable", place, str(path), "", note)
    return (
        WeightStatus("unusable", place, str(path), "", f"holds {layout}, which Load SMCD cannot use") if own else None
    )


def _is_old(path: Path) -> bool:
    """Whether a file has torch's format before 1.6, which cannot be read in part."""
    with path.open("rb") as stream:
        return stream.read(1) == b"\x80"


def _checkpoint(path: Path, source: Path | WeightFile, place: str, read: Reader) -> WeightStatus:
    try:
        checkpoint = read(source)
    except CheckpointError as error:
        state = "unusable" if isinstance(source, WeightFile) else "damaged"
        return WeightStatus(state, place, str(path), "", _without_path(error, path))
    system = system_name(checkpoint.config) or "of parts that the paper does not compare"
    count = sum(tensor.numel() for tensor in checkpoint.weights.values()) / 1e6
    is_absent = {
        "VAE": checkpoint.vae is None,
        "text encoder": checkpoint.text_encoder is None or checkpoint.tokenizer is None,
    }
    lacks = tuple(name for name in is_absent if is_absent[name])
    inside = f"without {' and '.join(lacks)}" if lacks else "VAE and text encoder inside"
    what = f"system {system}, layout {checkpoint.layout}, {count:.0f} M parameters, {inside}"
    return WeightStatus("found", place, str(path), what, lacks=lacks)


def _text_encoder(path: Path, place: str, shapes: Shapes) -> WeightStatus | None:
    layers = {int(match[1]): shape for name, shape in shapes.items() if (match := _TEXT_LAYER.fullmatch(name))}
    width = layers[0][1] if 0 in layers and len(layers[0]) == 2 else None
    if (len(layers), width) == _VIT_H:
        return WeightStatus("found", place, str(path), "text encoder of OpenCLIP ViT-H, for Load CLIP")
    if (len(layers) + 1, width) == _VIT_H:
        note = "has 23 of the 24 layers, as diffusers keeps it; ComfyUI's Load CLIP needs all of them"
        return WeightStatus("unusable", place, str(path), "text encoder of OpenCLIP ViT-H", note)
    return None


def _vae(path: Path, place: str, shapes: Shapes) -> WeightStatus | None:
    first, last = (
        next((shape for name, shape in shapes.items() if name.endswith(f"{half}.conv_in.weight")), ())
        for half in ("encoder", "decoder")
    )
    if first != (128, 3, 3, 3) or last[1:] != (4, 3, 3):
        return None
    if "xl" in path.stem.lower():
        note = "seems from its name to be SDXL's, which has the shapes of Stable Diffusion 1's but other latents"
        return WeightStatus("unusable", place, str(path), "a VAE of 4 channels", note)
    return WeightStatus("found", place, str(path), "a VAE of Stable Diffusion's shape, for Load VAE")


def _components(folder: Path, verify: bool) -> list[WeightStatus]:
    """Judge the published components, if any is there; other pipelines in the folder are not looked at."""
    files = plan_downloads(["components"], lambda place: folder)
    there = [one.path for one in files if one.path.is_file()]
    if not there:
        return []
    home = str(folder / Path(files[0].file.target).parts[0])
    what = "VAE, text encoder and tokenizer, for --components"
    if absent := [one.file.target for one in files if one.path not in there]:
        note = f"lacks {', '.join(absent)}: smcd download components"
        return [WeightStatus("unusable", "diffusers", home, what, note)]
    for path in there:
        try:
            if path.suffix in SUFFIXES:
                read_weights(path)
        except CheckpointError as error:
            return [WeightStatus("damaged", "diffusers", str(path), "", _without_path(error, path))]
        if verify and (changed := _changed(path, folder, "diffusers")):
            return [changed]
    return [WeightStatus("found", "diffusers", home, what)]


def _without_path(error: Exception, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


# Compared with what is published -------------------------------------------------------------------------------------


def _changed(path: Path, folder: Path, place: str) -> WeightStatus | None:
    """Status of a published file, or a folder of them, that differs from the published content."""
    for _, file in published_files(place):
        target = destination(folder, file.target)
        if path not in (target, target.parent) or not target.is_file():
            continue
        size = target.stat().st_size
        if not is_size(size, file):
            note = f"{target.name} has {show_size(size)}, the published file {show_size(file.size)}"
        elif file.sha256 and sha256_of(target) != file.sha256:
            note = f"{target.name} does not have the published sha256 {file.sha256}"
        else:
            continue
        return WeightStatus("damaged", place, str(path), "", f"{note}. Delete it, and download it again")
    return None


def _missing(folders: Folders, statuses: Sequence[WeightStatus]) -> list[WeightStatus]:
    """Files that the released model needs in ComfyUI and no folder has."""
    missing, listed = [], {status.path for status in statuses}
    for weights in (ALL[name] for name in FOR_COMFYUI):
        for file in weights.files:
            if file.place not in folders:
                continue
            if file.place == "smcd":
                there = any(destination(folder, file.target).is_file() for folder in folders["smcd"])
                there |= any("layout released" in status.what for status in statuses)
            else:
                there = any(status.place == file.place and status.state == "found" for status in statuses)
            path = str(destination(folders[file.place][0], file.target))
            if not there and path not in listed:
                missing.append(WeightStatus("missing", file.place, path, f"{weights.title}, {show_size(file.size)}"))
    return missing
