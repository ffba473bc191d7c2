"""Read and write one file of weights: memory-mapped, and without running code."""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import SMCDError
from ..files import is_text, kind_of, naming, replacing

MAX_HEADER = 16 * 2**20  # bytes of JSON in one checkpoint; a tokenizer of CLIP has 2 million
# The oldest torch whose weights_only has no known way around it (CVE-2025-32434, CVE-2026-24747).
SAFE_TORCH = (2, 10)
MAX_PICKLE = 32 * 2**20  # bytes that name the tensors; 150 each
_SHARED = 2  # tensors may share memory, as tied embeddings do, so all together may be larger than the file
_PARTS_OF_OLD_FILES = 5  # before torch 1.6: magic number, version, system, content, names of the storages
_BUILDS_TENSORS = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter)|torch\.Size"
    r"|torch\.[A-Z][A-Za-z0-9]*Storage|torch\.storage\.(Untyped|Typed|_)[A-Za-z]*Storage"
    r"|torch\.(float|bfloat|int|uint|complex)\d+(_\w+)?|torch\.bool"
)
_INSTRUCTIONS = frozenset(
    "PROTO MARK STOP EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 DICT LIST NONE NEWTRUE NEWFALSE "
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE BINSTRING SHORT_BINSTRING BINPUT LONG_BINPUT BINGET LONG_BINGET "
    "BINPERSID REDUCE BUILD SETITEM SETITEMS APPEND APPENDS".split()
)


class CheckpointError(SMCDError):
    """A file or folder cannot be used as weights; the message names it and says what to do."""


@dataclass(frozen=True)
class WeightFile:
    """Content of a file: tensors by name, as views of the mapped file, and the metadata of a .safetensors."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


@dataclass(frozen=True)
class Component:
    """A pretrained network stored along with SMCD: the VAE or the text encoder.

    config   JSON-able, of diffusers' AutoencoderKL or transformers' CLIPTextModel
    weights  its state dict
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]


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
    kind = kind_of(head)
    found = f"is {kind}" if kind else "is text" if is_text(head) else f"starts with {head[:8]!r}"
    raise CheckpointError(f"{path}: {found}, expected a .safetensors file or weights saved by torch")


def _read_safetensors(path: Path) -> WeightFile:
    try:
        with safe_open(path, framework="pt") as file:
            return WeightFile(path, {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: is not a complete .safetensors file ({error}); it has {path.stat().st_size} bytes. Get it again"
        ) from None


def _read_pickle(path: Path, zipped: bool) -> dict[str, Tensor]:
    if _version(torch.__version__) < SAFE_TORCH:
        wanted = ".".join(map(str, SAFE_TORCH))
        raise CheckpointError(
            f"{path}: is a pickle, which torch {torch.__version__} cannot read safely. Update torch to {wanted} or "
            "newer, or convert the file to .safetensors there"
        )
    try:
        if zipped and not zipfile.is_zipfile(path):
            raise CheckpointError(f"{path}: is cut off after {path.stat().st_size} bytes. Get it again")
        with _pickle_in(path) if zipped else path.open("rb") as pickled:
            _refuse_other_than_weights(path, pickled, 1 if zipped else _PARTS_OF_OLD_FILES)
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
    except pickle.UnpicklingError:
        raise CheckpointError(f"{path}: is damaged, it cannot be read as weights. Get it again") from None
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
    claimed, size = sum(x.numel() * x.element_size() for x in tensors.values()), path.stat().st_size
    if claimed > _SHARED * size:
        raise CheckpointError(f"{path}: its tensors claim {claimed} bytes, the file has {size}. Get it again")
    return tensors


def _version(text: str) -> tuple[int, ...]:
    """ "2.13.0+cpu" -> (2, 13)"""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


@contextmanager
def _pickle_in(path: Path) -> Iterator[IO[bytes]]:
    """The pickle in a file of torch.save. Raises CheckpointError for an archive that torch did not write."""
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
        if any(entry.filename.endswith("/constants.pkl") for entry in entries):
            raise CheckpointError(f"{path}: is a TorchScript program, not weights. Get the weights alone")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise CheckpointError(
                f"{path}: is a compressed archive, which torch never writes. Decompress it, or get it again"
            )
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise CheckpointError(f"{path}: is damaged, its entries overlap. Get it again")
        pickles = [entry for entry in entries if re.fullmatch(r"(.*/)?data\.pkl", entry.filename)]
        if len(pickles) != 1:
            raise CheckpointError(f"{path}: is damaged, it has {len(pickles)} files data.pkl. Get it again")
        with file.open(pickles[0]) as stream:
            yield stream


def _refuse_other_than_weights(path: Path, stream: IO[bytes], parts: int) -> None:
    """Look at a pickle's instructions before any runs: torch lets some pass that only take memory.

    parts  how many pickles follow each other in the stream
    """
    start, called = stream.tell(), []
    for _ in range(parts):
        for instruction, argument, place in pickletools.genops(stream):
            if place is not None and place - start > MAX_PICKLE:
                raise CheckpointError(f"{path}: lists tensors in more than {MAX_PICKLE} bytes. Get it again")
            if instruction.name == "GLOBAL":
                called.append(str(argument).replace(" ", "."))
            elif instruction.name not in _INSTRUCTIONS:
                called.append(f"the instruction {instruction.name}")
            if called and not _BUILDS_TENSORS.fullmatch(called[-1]):
                raise CheckpointError(
                    f"{path}: holds more than weights ({called[-1][:100]}) and could run code, so it was not loaded. "
                    "Get the weights alone, best as .safetensors"
                )


def save_weights(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a .safetensors file, which appears under its name only when it is complete.

    Raises CheckpointError or OSError if that is not possible, as on a full disk.
    """
    with replacing(path) as temporary, naming_failures(path):
        save_file({name: x.detach().contiguous() for name, x in tensors.items()}, temporary, metadata)


@contextmanager
def naming_failures(path: Path) -> Iterator[None]:
    """Put the file's name into what is said of a disk that takes no more; safetensors and torch: as CheckpointError."""
    try:
        with naming(path):
            yield
    except torch.OutOfMemoryError:
        raise
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot be written ({reason}). Is the disk full?") from None
