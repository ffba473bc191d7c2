"""Read and write one file of weights: memory-mapped, and without running code."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import SMCDError
from ..files import replacing


class CheckpointError(SMCDError):
    """A file or folder cannot be used as weights; the message names it and says what to do."""


@dataclass(frozen=True)
class WeightFile:
    """Content of a file: tensors by name, as views of the mapped file, and the metadata of a .safetensors."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_weights(path: Path) -> WeightFile:
    """Read a file by the format of its first bytes, whatever its name. Raises CheckpointError."""
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    if not head:
        raise CheckpointError(f"{path}: the file is empty. Get it again")
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: found a git-lfs pointer instead of the weights. Run git lfs pull")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{path}: found a web page instead of weights. Get the file again from its download link")
    if head[8:9] == b"{":
        return _read_safetensors(path)
    if head.startswith((b"PK", b"\x80")):
        return WeightFile(path, _read_pickle(path, zipped=head.startswith(b"PK")), {})
    raise CheckpointError(f"{path}: starts with {head[:8]!r}, expected a .safetensors file or weights saved by torch")


def _read_safetensors(path: Path) -> WeightFile:
    try:
        with safe_open(path, framework="pt") as file:
            return WeightFile(path, {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: is not a complete .safetensors file ({error}); it has {path.stat().st_size} bytes. Get it again"
        ) from None


def _read_pickle(path: Path, zipped: bool) -> dict[str, Tensor]:
    try:
        if zipped and not zipfile.is_zipfile(path):
            raise CheckpointError(f"{path}: is cut off after {path.stat().st_size} bytes. Get it again")
        if zipped:
            _refuse_compressed(path)
        # torch >= 2.14 chooses the loader by this suffix. Passing a stream avoids that, at the price of no mmap.
        # Files of torch's old format cannot be mapped either.
        misnamed = path.suffix == ".safetensors"
        with path.open("rb") as stream:
            source = stream if misnamed else path
            content = torch.load(source, map_location="cpu", weights_only=True, mmap=zipped and not misnamed)
    except CheckpointError:
        raise
    except MemoryError:
        raise CheckpointError(
            f"{path}: asks for more memory than there is. Close other programs, or get it again"
        ) from None
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if not code:
            raise CheckpointError(f"{path}: is damaged, it cannot be read as weights. Get it again") from None
        raise CheckpointError(
            f"{path}: holds more than weights ({code[1]}) and could run code, so it was not loaded. Get the weights "
            "alone, best as .safetensors"
        ) from None
    except Exception as error:  # a damaged pickle raises many types
        reason = str(error).split(".")[0][:100] or type(error).__name__
        raise CheckpointError(f"{path}: is cut off or damaged ({reason}). Get it again") from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds {type(content).__name__}, expected tensors by name")
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors and len(tensors) < len(content):
        name = next(name for name in content if name not in tensors)
        raise CheckpointError(f"{path}: {name!r} holds {type(content[name]).__name__}, expected only tensors by name")
    return tensors


def _refuse_compressed(path: Path) -> None:
    """Refuse a zip bomb before it fills the memory; torch stores its files uncompressed."""
    with zipfile.ZipFile(path) as file:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in file.infolist()):
            raise CheckpointError(
                f"{path}: is a compressed archive, which torch never writes. Decompress it, or get it again"
            )


def save_weights(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a .safetensors file, which appears under its name only when it is complete."""
    with replacing(path) as temporary:
        save_file({name: x.detach().contiguous() for name, x in tensors.items()}, temporary, metadata)
