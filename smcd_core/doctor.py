"""Report what is installed, which weights are found, missing or damaged, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import __version__
from .errors import SMCDError
from .weights.checkpoint import read_checkpoint
from .weights.hub import show_size
from .weights.inventory import (
    CHECKPOINT_PLACES,
    PLACES,
    Folders,
    Reader,
    WeightStatus,
    list_files,
    published_files,
    take_inventory,
)
from .weights.published import ALL

REQUIRED = ("torch", "transformers", "safetensors", "einops", "numpy", "pillow", "tqdm")
OPTIONAL = {
    "diffusers": "by the command line",  # not by the nodes: ComfyUI does not install it
    "av": "to write .mp4",
    "accelerate": "to train",
    "peft": "to train a LoRA",
    "huggingface_hub": "to download weights",
}


def folders_below(models: Path) -> dict[str, list[Path]]:
    """The folders of PLACES in ComfyUI's folder models. Raises SMCDError if there is none."""
    if not models.is_dir():
        raise SMCDError(f"{models}: no such folder: give ComfyUI's folder models")
    return {place: [models / place] for place in PLACES}


def system_report(
    folders: Folders, *, comfyui: str | None = None, read: Reader = read_checkpoint, verify: bool = False
) -> dict[str, Any]:
    """Collect the report as JSON-able values.

    folders  where to look for each of PLACES, the folder for downloads first; {} without ComfyUI
    comfyui  version of ComfyUI (default: read from the folder around its models)
    read     reads a checkpoint
    verify   also compare published files with their size and sha256, which reads them whole
    """
    versions: dict[str, str | None] = {"smcd": __version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    if comfyui or folders:
        versions["comfyui"] = comfyui or _comfyui_version(folders)
    listing = {folder: list_files(folder) for paths in folders.values() for folder in paths}
    statuses = take_inventory(folders, listing, read, verify=verify)
    machine = _machine()
    steps = [
        *_package_steps(versions),
        *_weight_steps(statuses),
        *_download_steps(listing),
        *_release_steps(folders, statuses),
        *_device_steps(machine),
    ]
    return {
        "versions": versions,
        "machine": machine,
        "folders": {place: [str(folder) for folder in paths] for place, paths in folders.items()},
        "files": [asdict(status) for status in statuses],
        "next": steps,
    }


def as_text(report: Mapping[str, Any]) -> str:
    """Lay out a report of system_report for people."""
    versions, machine = dict(report["versions"]), report["machine"]
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
    for file in report["files"]:
        lines.append(f"  {file['state']:<10}{file['path']}")
        lines += [f"{'':<12}{text}" for text in (file["what"], file["note"]) if text]
    lines += ["", "next"]
    return "\n".join([*lines, *(f"  {number}. {step}" for number, step in enumerate(report["next"], 1))])


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


def _comfyui_version(folders: Folders) -> str | None:
    """Version of the ComfyUI around the model folders."""
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
    """Free and total memory of each device, in bytes; the CPU comes last."""
    import torch

    from .sampling.devices import pick_device

    found: list[dict[str, Any]] = []
    if torch.cuda.is_available():
        platform_name = "ROCm" if torch.version.hip else "CUDA"
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = f"cuda:{index} {torch.cuda.get_device_name(index)}, {platform_name}"
            found.append({"name": name, "free": free, "total": total})
    elif (device := pick_device()) != "cpu":
        sharing = ", sharing the memory below" if device == "mps" else ""
        found.append({"name": f"{device}{sharing}", "free": None, "total": None})
    found.append({"name": f"cpu, {torch.get_num_threads()} threads", "free": None, "total": None})
    return found


def _memory() -> dict[str, int] | None:
    """Free and total main memory, in bytes."""
    try:
        import psutil  # ComfyUI and accelerate install it
    except ImportError:
        if not hasattr(os, "sysconf") or sys.platform == "darwin":
            return None
        page = os.sysconf("SC_PAGE_SIZE")
        return {"free": page * os.sysconf("SC_AVPHYS_PAGES"), "total": page * os.sysconf("SC_PHYS_PAGES")}
    memory = psutil.virtual_memory()
    return {"free": memory.available, "total": memory.total}


# What to do ----------------------------------------------------------------------------------------------------------


def _package_steps(versions: Mapping[str, str | None]) -> Iterator[str]:
    if absent := [name for name in REQUIRED if not versions[name]]:
        yield f"Install the missing packages: pip install {' '.join(absent)}"
    for name, use in OPTIONAL.items():
        if not versions[name]:
            yield f"{name} is not installed; it is needed only {use}: pip install {name}"


def _weight_steps(statuses: Sequence[WeightStatus]) -> Iterator[str]:
    for status in statuses:
        if status.state == "missing" and status.place == "bundled":
            yield f"{status.path} came with this program: install it again, or git checkout -- models"
        elif status.state == "damaged":
            yield f"{status.path} cannot be used: delete it and download it again{_command(status)}."
        elif status.state == "unusable" and status.place in (*CHECKPOINT_PLACES, "diffusers"):
            yield f"{status.path}: {status.note}."


def _command(status: WeightStatus) -> str:
    """The command that downloads a published file, in brackets; empty for other files."""
    for weights, file in published_files(status.place):
        target = Path(file.target)
        if Path(status.path).name in (target.name, target.parent.name):
            return f" (smcd download {weights.name})"
    return ""


def _download_steps(listing: Mapping[Path, Sequence[Path]]) -> Iterator[str]:
    parts = dict.fromkeys(
        path for files in listing.values() for path in files if path.name.startswith(".") and path.suffix == ".part"
    )
    for path in parts:
        if path.is_file():  # it may have been finished meanwhile
            size = show_size(path.stat().st_size)
            yield f"A download into {path.parent} was interrupted after {size}: start it again and it will resume."


def _release_steps(folders: Folders, statuses: Sequence[WeightStatus]) -> Iterator[str]:
    """How to get the released model, and the VAE and text encoder that checkpoints need beside them."""
    if not folders:
        yield (
            "No ComfyUI was found: give its folder models with --models, or set COMFYUI_PATH. Without ComfyUI, "
            "smcd download --folder DIR fetches the released SMCD."
        )
    missing = {place: [Path(one.path) for one in _in(statuses, "missing", [place])] for place in PLACES}
    if missing["smcd"]:
        yield (
            "For photographs get the released SMCD: Download released weights... on the node Load SMCD, or smcd "
            f"download, or by hand from {ALL['smcd'].page} to {missing['smcd'][0].parent}"
        )
    needed = {part for status in _in(statuses, "found", CHECKPOINT_PLACES) for part in status.lacks}
    if missing["smcd"]:
        needed |= {"VAE", "text encoder"}
    for part, place, name in (("text encoder", "text_encoders", "text_encoder"), ("VAE", "vae", "vae")):
        if part in needed and missing[place]:
            weights = ALL[name]
            yield (
                f"It needs a {part} beside it: the same button, or smcd download {name}, or by hand "
                f"{weights.url(weights.files[0])} as {missing[place][0]}; then use {weights.use}."
            )


def _in(statuses: Iterable[WeightStatus], state: str, places: Sequence[str]) -> list[WeightStatus]:
    return [status for status in statuses if status.state == state and status.place in places]


def _device_steps(machine: Mapping[str, Any]) -> Iterator[str]:
    if len(machine["devices"]) == 1:
        yield "torch sees no GPU: the bundled checkpoint needs none, but the released model takes minutes per step."
