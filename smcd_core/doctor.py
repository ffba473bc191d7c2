"""What is installed, which weights are found, missing or damaged, and what to do about it.

Nothing is loaded: of a file of weights only names, shapes and its end are looked at.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import __version__
from .errors import SMCDError
from .networks.config import system_name
from .weights.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from .weights.defaults import DEFAULT_CHECKPOINT
from .weights.download import destination, is_size, plan, sha256_of, show_size
from .weights.files import read_weights
from .weights.layouts import recognise
from .weights.published import ALL, FOR_COMFYUI, HubFile, Weights

REQUIRED = ("torch", "transformers", "safetensors", "einops", "numpy", "pillow", "tqdm")
OPTIONAL = {
    "diffusers": "by the command line",  # not by the nodes: ComfyUI does not install it
    "av": "to write .mp4",
    "accelerate": "to train",
    "huggingface_hub": "to download weights",
}
CHECKPOINT_PLACES = ("smcd", "checkpoints", "diffusion_models")  # where ComfyUI has them; only the first is SMCD's own
PLACES = (*CHECKPOINT_PLACES, "text_encoders", "vae", "diffusers")
_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
_RELEASE = re.compile(r"pytorch_model(_\d+)?\.bin")
_SMCD_KINDS = ("smcd", "unet", "diffusers")
_PARTS = ("box_encoder", "image_encoder", "control_net")
_TEXT_LAYER = re.compile(r"(?!visual|vision).*\b(?:resblocks|layers)\.(\d+)\.mlp\.(?:c_fc|fc1)\.weight")
_VIT_H = (24, 1024)  # layers and width of the text encoder of OpenCLIP ViT-H


@dataclass(frozen=True)
class Found:
    """
    state    "found"; "missing"; "damaged": cannot be read; "unusable": can, but is not what SMCD takes; "unchecked"
    what     of which kind it is
    note     what is wrong with it
    lacks    parts that a checkpoint has not inside: "VAE", "text encoder"
    """

    state: str
    place: str
    path: str
    what: str
    note: str = ""
    lacks: tuple[str, ...] = ()


def folders_below(models: Path) -> dict[str, list[Path]]:
    """As ComfyUI has them."""
    if not models.is_dir():
        raise SMCDError(f"{models}: no such folder: give the folder models of ComfyUI")
    return {place: [models / place] for place in PLACES}


def report(
    folders: Mapping[str, Sequence[Path]],
    *,
    comfyui: str | None = None,
    read: Callable[[Path], Checkpoint] = read_checkpoint,
    verify: bool = False,
) -> dict[str, Any]:
    """JSON-able.

    folders  for each of PLACES where to look, the folder that downloads go to first; {} without ComfyUI
    comfyui  its version
    read     what reads checkpoints
    verify   also compare published files with their size and sha256, which reads them whole
    """
    versions = {"smcd": __version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    if comfyui or folders:
        versions["comfyui"] = comfyui or _comfyui_version(folders)
    files = [_bundled(read), *_files(folders, read, verify)]
    files += _missing(folders, files)
    machine = _machine()
    return {
        "versions": versions,
        "machine": machine,
        "folders": {place: [str(folder) for folder in paths] for place, paths in folders.items()},
        "files": [asdict(file) for file in files],
        "next": [*_next(versions, machine, folders, files)],
    }


def as_text(found: Mapping[str, Any]) -> str:
    """For people."""
    versions, machine = dict(found["versions"]), found["machine"]
    head = {
        "smcd": f"{versions.pop('smcd')}, Python {versions.pop('python')}, {machine['system']}",
        "ComfyUI": (versions.pop("comfyui") or "of unknown version") if "comfyui" in versions else "not found",
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        "absent": ", ".join(name for name, version in versions.items() if not version),
        "devices": ", ".join(_device_text(device) for device in machine["devices"]),
        "memory": _memory_text(machine["memory"]),
    }
    lines = [f"{name:<10}{value}" for name, value in head.items() if value]
    lines += ["", "weights"]
    for file in found["files"]:
        lines.append(f"  {file['state']:<10}{file['path']}")
        lines += [f"{'':<12}{text}" for text in (file["what"], file["note"]) if text]
    lines += ["", "next"]
    return "\n".join([*lines, *(f"  {number}. {step}" for number, step in enumerate(found["next"], 1))])


def _device_text(device: Mapping[str, Any]) -> str:
    free, total = device["free"], device["total"]
    return device["name"] + (f" ({show_size(free)} of {show_size(total)} free)" if total else "")


def _memory_text(memory: Mapping[str, int] | None) -> str:
    return f"{show_size(memory['free'])} of {show_size(memory['total'])} free" if memory else ""


# What is installed ---------------------------------------------------------------------------------------------------


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _comfyui_version(folders: Mapping[str, Sequence[Path]]) -> str | None:
    """Of the ComfyUI whose models these are."""
    file = folders["smcd"][0].parent.parent / "comfyui_version.py"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    match = re.search(r"__version__\s*=\s*[\"']([\w.+-]+)", text)
    return match[1] if match else None


def _machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "devices": _devices(),
        "memory": _memory(),
    }


def _devices() -> list[dict[str, Any]]:
    """The processor last."""
    import torch

    found = []
    if torch.cuda.is_available():
        platform_name = "ROCm" if torch.version.hip else "CUDA"
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = f"cuda:{index} {torch.cuda.get_device_name(index)}, {platform_name}"
            found.append({"name": name, "free": free, "total": total})
    if torch.backends.mps.is_available():
        found.append({"name": "mps, sharing the memory below", "free": None, "total": None})
    found.append({"name": f"cpu, {torch.get_num_threads()} threads", "free": None, "total": None})
    return found


def _memory() -> dict[str, int] | None:
    try:
        import psutil  # ComfyUI and accelerate install it
    except ImportError:
        if not hasattr(os, "sysconf") or sys.platform == "darwin":
            return None
        page = os.sysconf("SC_PAGE_SIZE")
        return {"free": page * os.sysconf("SC_AVPHYS_PAGES"), "total": page * os.sysconf("SC_PHYS_PAGES")}
    memory = psutil.virtual_memory()
    return {"free": memory.available, "total": memory.total}


# Which weights there are ---------------------------------------------------------------------------------------------


def _bundled(read: Callable[[Path], Checkpoint]) -> Found:
    path = DEFAULT_CHECKPOINT
    if not path.exists():
        return Found("missing", "bundled", str(path), "the bundled checkpoint")
    return _checkpoint(path, "bundled", read)


def _files(folders: Mapping[str, Sequence[Path]], read: Callable[[Path], Checkpoint], verify: bool) -> Iterator[Found]:
    for place, paths in folders.items():
        for folder in paths:
            if place == "diffusers":
                yield from _components(folder, verify)
                continue
            for path in _units(folder, place in CHECKPOINT_PLACES):
                found = _look(path, place, read)
                if verify and found is not None and found.state in ("found", "unchecked"):
                    found = _verified(path, folder, place) or found
                if found is not None:
                    yield found


def _units(folder: Path, joined: bool) -> list[Path]:
    """Files of weights; the files of a release stand together as their folder."""
    files = [path for path in _walk(folder) if path.suffix.lower() in _SUFFIXES]
    is_part = {path: joined and path.parent != folder and bool(_RELEASE.fullmatch(path.name)) for path in files}
    return [*dict.fromkeys(path.parent if is_part[path] else path for path in files if not path.name.startswith("."))]


def _walk(folder: Path) -> Iterator[Path]:
    """All files, in order; as ComfyUI does it goes into linked folders, but into each only once."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (place := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(root, name)).is_file())


def _look(path: Path, place: str, read: Callable[[Path], Checkpoint]) -> Found | None:
    """None for what has nothing to do with SMCD."""
    own = place == "smcd"
    if path.is_dir():
        return _checkpoint(path, place, read)
    try:
        if _is_old(path):
            note = "an old torch file, which only loading it whole could check"
            return Found("unchecked", place, str(path), "", note) if own else None
        tensors = read_weights(path).tensors
    except CheckpointError as error:
        return Found("damaged", place, str(path), "", _without_path(error, path))
    except OSError as error:
        return Found("damaged", place, str(path), "", f"cannot be read: {error.strerror}")
    kind = recognise(tensors)
    if place in CHECKPOINT_PLACES:
        if kind in _SMCD_KINDS:
            return _checkpoint(path, place, read)
        if not own and kind not in _PARTS:
            return None
        note = f"holds {kind}, which Load SMCD cannot use"
        if kind in _PARTS:
            note = "is one file of several of a release: put them into a folder of their own below models/smcd"
        return Found("unusable", place, str(path), "", note)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return _text_encoder(path, place, shapes) if place == "text_encoders" else _vae(path, place, shapes)


def _is_old(path: Path) -> bool:
    """Of torch's format before 1.6, which cannot be read in part."""
    with path.open("rb") as stream:
        return stream.read(1) == b"\x80"


def _components(folder: Path, verify: bool) -> Iterator[Found]:
    """The published ones; other pipelines that lie there are nobody's business here."""
    items = plan(["components"], lambda place: folder)
    there = [item.path for item in items if item.path.is_file()]
    if not there:
        return
    home, what = str(folder / Path(items[0].file.target).parts[0]), "VAE, text encoder and tokenizer, for --components"
    if absent := [item.file.target for item in items if item.path not in there]:
        yield Found("unusable", "diffusers", home, what, f"lacks {', '.join(absent)}: smcd download components")
        return
    for path in there:
        try:
            if path.suffix in _SUFFIXES:
                read_weights(path)
        except CheckpointError as error:
            yield Found("damaged", "diffusers", str(path), "", _without_path(error, path))
            return
        if verify and (changed := _verified(path, folder, "diffusers")):
            yield changed
            return
    yield Found("found", "diffusers", home, what)


def _checkpoint(path: Path, place: str, read: Callable[[Path], Checkpoint]) -> Found:
    try:
        checkpoint = read(path)
    except CheckpointError as error:
        readable = not path.is_dir() and _is_readable(path)
        return Found("unusable" if readable else "damaged", place, str(path), "", _without_path(error, path))
    system = system_name(checkpoint.config) or "of parts that the paper does not compare"
    count = sum(tensor.numel() for tensor in checkpoint.weights.values()) / 1e6
    lacks = {
        "VAE": checkpoint.vae is None,
        "text encoder": checkpoint.text_encoder is None or checkpoint.tokenizer is None,
    }
    absent = tuple(name for name, is_absent in lacks.items() if is_absent)
    inside = f"without {' and '.join(absent)}" if absent else "VAE and text encoder inside"
    what = f"system {system}, layout {checkpoint.layout}, {count:.0f} M parameters, {inside}"
    return Found("found", place, str(path), what, lacks=absent)


def _is_readable(path: Path) -> bool:
    try:
        read_weights(path)
    except CheckpointError:
        return False
    return True


def _text_encoder(path: Path, place: str, shapes: Mapping[str, tuple[int, ...]]) -> Found | None:
    layers = {int(match[1]): shape for name, shape in shapes.items() if (match := _TEXT_LAYER.fullmatch(name))}
    width = layers[0][1] if 0 in layers and len(layers[0]) == 2 else None
    if (len(layers), width) == _VIT_H:
        return Found("found", place, str(path), "text encoder of OpenCLIP ViT-H, for Load CLIP")
    if (len(layers) + 1, width) == _VIT_H:
        note = "has 23 of the 24 layers, as diffusers keeps it; ComfyUI's Load CLIP needs all of them"
        return Found("unusable", place, str(path), "text encoder of OpenCLIP ViT-H", note)
    return None


def _vae(path: Path, place: str, shapes: Mapping[str, tuple[int, ...]]) -> Found | None:
    first, last = (
        next((shape for name, shape in shapes.items() if name.endswith(f"{half}.conv_in.weight")), ())
        for half in ("encoder", "decoder")
    )
    if first != (128, 3, 3, 3) or last[1:] != (4, 3, 3):
        return None
    if "xl" in path.stem.lower():
        note = "is of SDXL, to judge by its name: it has the same shape as Stable Diffusion 1's, and other latents"
        return Found("unusable", place, str(path), "a VAE of 4 channels", note)
    return Found("found", place, str(path), "a VAE of Stable Diffusion's shape, for Load VAE")


def _without_path(error: Exception, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def _published(place: str) -> list[tuple[Weights, HubFile]]:
    return [(weights, file) for weights in ALL.values() for file in weights.files if file.place == place]


def _verified(path: Path, folder: Path, place: str) -> Found | None:
    """None if a published file, or all of a folder, is as published or has no published checksum."""
    for _, file in _published(place):
        target = destination(folder, file.target)
        if path not in (target, target.parent) or not target.is_file():
            continue
        size = target.stat().st_size
        if not is_size(size, file):
            note = f"{target.name} has {show_size(size)}, published are {show_size(file.size)}. Delete it, get it again"
            return Found("damaged", place, str(path), "", note)
        if file.sha256 and sha256_of(target) != file.sha256:
            note = f"{target.name} has not the published sha256 {file.sha256}. Delete it, get it again"
            return Found("damaged", place, str(path), "", note)
    return None


def _missing(folders: Mapping[str, Sequence[Path]], files: Sequence[Found]) -> list[Found]:
    """What ComfyUI needs for the released model and has in no folder."""
    absent, listed = [], {one.path for one in files}
    for weights in (ALL[name] for name in FOR_COMFYUI):
        for file in weights.files:
            if file.place not in folders:
                continue
            if file.place == "smcd":
                there = any(destination(folder, file.target).is_file() for folder in folders["smcd"])
                there |= any("layout released" in one.what for one in files)
            else:
                there = any(one.place == file.place and one.state == "found" for one in files)
            path = str(destination(folders[file.place][0], file.target))
            if not there and path not in listed:
                absent.append(Found("missing", file.place, path, f"{weights.title}, {show_size(file.size)}"))
    return absent


# What to do ----------------------------------------------------------------------------------------------------------


def _next(
    versions: Mapping[str, str | None],
    machine: Mapping[str, Any],
    folders: Mapping[str, Sequence[Path]],
    files: Sequence[Found],
) -> Iterator[str]:
    """One sentence for each problem."""
    if absent := [name for name in REQUIRED if not versions[name]]:
        yield f"Install what is absent: pip install {' '.join(absent)}"
    for name, use in OPTIONAL.items():
        if not versions[name]:
            yield f"{name} is absent, which is needed {use} only: pip install {name}"
    for file in files:
        if file.state == "missing" and file.place == "bundled":
            yield f"{file.path} came with this program: install it again, or git checkout -- models"
        elif file.state == "damaged":
            yield f"{file.path} cannot be used: delete it and get it again{_how(file)}."
        elif file.state == "unusable" and file.place in (*CHECKPOINT_PLACES, "diffusers"):
            yield f"{file.path}: {file.note}."
    for folder in {str(path): path for paths in folders.values() for path in paths}.values():
        for part in (path for path in _walk(folder) if path.name.startswith(".") and path.suffix == ".part"):
            size = show_size(part.stat().st_size)
            yield f"A download into {part.parent} was interrupted after {size}: start it again, it goes on there."
    if not folders:
        yield (
            "No folder of ComfyUI was looked into: give its folder models with --models, or set COMFYUI_PATH. Without "
            "ComfyUI, smcd download --folder DIR fetches the released SMCD."
        )
    yield from _next_for_release(files)
    if len(machine["devices"]) == 1:
        yield "No GPU is seen by torch: the bundled checkpoint needs none, the released model takes minutes per step."


def _how(file: Found) -> str:
    """For published files."""
    for weights, published in _published(file.place):
        target = Path(published.target)
        if Path(file.path).name in (target.name, target.parent.name):
            return f" (smcd download {weights.name})"
    return ""


def _next_for_release(files: Sequence[Found]) -> Iterator[str]:
    missing = {name: [one for one in files if one.state == "missing" and one.place == name] for name in PLACES}
    if missing["smcd"]:
        yield (
            "For photographs get the released SMCD: Download released weights... on the node Load SMCD, or smcd "
            f"download, or by hand from {ALL['smcd'].page} to {Path(missing['smcd'][0].path).parent}"
        )
    users = [one for one in files if one.state == "found" and one.place in CHECKPOINT_PLACES and one.lacks]
    lacking = {part for one in users for part in one.lacks}
    if missing["smcd"]:
        lacking |= {"VAE", "text encoder"}
    for part, place, name in (("text encoder", "text_encoders", "text_encoder"), ("VAE", "vae", "vae")):
        if part in lacking and missing[place]:
            weights = ALL[name]
            yield (
                f"It needs a {part} beside it: the same button, or smcd download {name}, or by hand "
                f"{weights.url(weights.files[0])} as {missing[place][0].path}; then use {weights.use}."
            )
