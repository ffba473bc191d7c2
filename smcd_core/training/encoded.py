"""Clips encoded once and kept on disk, so that training does not repeat the work of VAE and text encoder."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.utils.data import Dataset

from ..data.clip import Clip
from ..data.samples import SampleError, log_left_out, read_all
from ..errors import SMCDError
from ..networks.text import TextEncoder
from ..sampling.devices import pick_device
from ..weights.components import encode_frames
from ..weights.files import save_weights
from .phrase_cache import PhraseCache

if TYPE_CHECKING:
    from accelerate import PartialState

SHARD = 128  # clips per file
PATTERN = "clips-*.safetensors"  # names of the files
# What people know the settings of clips as, where it is no option of the same name.
_NOTED = {"size": "--pixels", "num_frames": "--frames", "clips": "the number of clips", "root": "the folder of videos"}
_OF_A_CLIP = {"latents", "text", "boxes_xyxy", "mask", "phrases"}  # tensors of a file, with a row for each clip


class NoClipsError(SMCDError):
    """A folder without a clip."""


class EncodedClips(Dataset):
    """Dataset of the clips that `encode_clips` wrote to a folder and its subfolders, such as one for each source.

    Each item is a dict: latents [F, 4, h, w], text [T, D], boxes_xyxy [F, N, 4], mask [F, N], phrases [N, P].
    `null_text` [T, D] replaces dropped captions. `buckets` are the indices of the clips of each (h, w), by shard.

    Raises SMCDError for a damaged file, or clips that differ in more than h and w; NoClipsError for a folder without.
    """

    def __init__(self, folder: str | os.PathLike):
        self._index(folder, sorted(Path(folder).rglob(PATTERN)))

    def _index(self, folder: str | os.PathLike, shards: Sequence[str | Path]) -> None:
        self.folder, self.shards = folder, shards
        self.ends: list[int] = []
        self.buckets: dict[tuple[int, int], list[range]] = {}
        shapes: dict[str, Any] = {}  # of one clip, latents without h and w
        first = None
        for shard in shards:
            whole = self._shapes(shard)
            _check(shard, whole)
            count = whole["latents"][0]
            start = self.ends[-1] if self.ends else 0
            self.ends.append(start + count)
            if not count:
                continue
            found = {name: shape[1:] for name, shape in whole.items()}
            height, width = found["latents"][2:]
            found["latents"] = found["latents"][:2]
            self.buckets.setdefault((height, width), []).append(range(start, start + count))
            if not shapes:
                shapes, first = found, shard
            elif shapes != found:
                name = next(name for name in {**shapes, **found} if shapes.get(name) != found.get(name))
                raise SMCDError(
                    f"{shard}: {name} of a clip is {found.get(name)}, but {shapes.get(name)} in {first}; encode "
                    "all with the same frames, slots and components"
                )
        if first is None:
            if shards:
                raise NoClipsError(
                    f"{folder}: holds no clips: all of them were left out when they were encoded. smcd data check says "
                    "why; then delete the folder and encode again"
                )
            raise NoClipsError(f"{folder}: holds no encoded clips; make some with `smcd encode`")
        self.null_text = self._null_text(first).float()

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):  # ends a loop over the dataset
            raise IndexError(f"clip {index} of {len(self)}")
        shard = bisect_right(self.ends, index)
        return self._read(self.shards[shard], index - (self.ends[shard - 1] if shard else 0))

    def _shapes(self, shard: Any) -> dict[str, list[int]]:
        with _open(shard) as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}

    def _null_text(self, shard: Any) -> Tensor:
        with _open(shard) as file:
            return file.get_tensor("null_text")

    def _read(self, shard: Any, row: int) -> dict[str, Tensor]:
        with _open(shard) as file:
            return {name: file.get_slice(name)[row].float() for name in file.keys() if name != "null_text"}


def _check(shard: Any, shapes: Mapping[str, list[int]]) -> None:
    """Raises SMCDError unless these are what `encode_clips` writes: of some clips, or of none."""
    rows = {name: shape for name, shape in shapes.items() if name != "null_text"}
    latents = rows.get("latents", [])
    if "null_text" in shapes and latents == [0]:
        return
    is_whole = "null_text" in shapes and rows.keys() >= _OF_A_CLIP and len(latents) == 5
    if not is_whole or any(shape[:1] != latents[:1] for shape in rows.values()):
        found = ", ".join(f"{name[:40]} {shape}" for name, shape in list(shapes.items())[:8]) or "nothing"
        raise SMCDError(f"{shard}: is no file that `smcd encode` wrote: it holds {found}; delete it and encode again")


def _open(path: Path):
    try:
        return safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise SMCDError(f"{path}: cannot be read ({error}); delete it and encode again") from None


def processes(**given: Any) -> PartialState:
    """The processes that share the work: those of `accelerate launch` or torchrun, else this one alone.

    Left to itself, accelerate takes the processes of torchrun on CPUs for one each, and all would do the whole work.
    """
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or pick_device() == "cpu"
    return PartialState(cpu=cpu, **given)


def shards(clips: int, part: int = 0, parts: int = 1) -> dict[int, range]:
    """Files that one of `parts` processes writes: file number -> indices of its clips."""
    numbers = range(part, -(-clips // SHARD), parts)
    return {number: range(number * SHARD, min((number + 1) * SHARD, clips)) for number in numbers}


@torch.no_grad()
def encode_clips(
    clips: Sequence[Clip],
    vae: AutoencoderKL,
    text: TextEncoder,
    folder: str | os.PathLike,
    *,
    slots: int,
    batch_size: int = 1,
    part: int = 0,
    parts: int = 1,
    workers: int = 0,
    settings: Mapping[str, str | int | None] | None = None,
    progress: Callable[[int], None] = lambda clips: None,
    report: Callable[[SampleError], None] = log_left_out,
) -> None:
    """Encode a dataset into shards. Shards that exist already are kept, so a stopped run can be resumed.

    The tensors of a shard do not depend on how many processes share the work.

    slots       boxes per frame; a clip with more loses its last objects
    batch_size  clips that go through the VAE and the text encoder together
    part        number of this call among `parts`, which share the work: it writes every parts-th shard
    workers     processes that read clips ahead
    settings    description of the clips, stored in each shard
    progress    called with the number of clips done since the last call
    report      called with each damaged clip, which is left out (default: log it)

    Raises SMCDError if a shard exists with other settings.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"settings": json.dumps(settings)} if settings else {}
    todo = _missing_shards(folder, shards(len(clips), part, parts), metadata, progress)
    if not todo:
        return
    phrases = PhraseCache(text, folder / "phrases.safetensors")
    read = read_all(clips, [index for _, members in todo for index in members], workers=workers)
    null_text = text([" "])[0].half().cpu()
    for path, members in todo:
        encoded, batch = [], []
        for _, clip in islice(read, len(members)):
            if isinstance(clip, SampleError):
                report(clip)
            else:
                batch.append(clip)
            if len(batch) == batch_size:
                encoded += _encode(batch, vae, text, phrases, slots)
                batch = []
            progress(1)
        encoded += _encode(batch, vae, text, phrases, slots)
        by_size: dict[tuple[int, ...], list[dict[str, Tensor]]] = {}
        for item in encoded:
            by_size.setdefault(tuple(item["latents"].shape), []).append(item)
        # The file with the shard's own name comes last: it says that the shard is whole. It is written even without a
        # clip, or the next run would read all of them again.
        for number, size in reversed([*enumerate(sorted(by_size) or [()])]):
            items = by_size.get(size, [])
            tensors = {name: torch.stack([item[name] for item in items]) for name in items[0]} if items else {}
            file = path.with_stem(f"{path.stem}-{number}") if number else path
            save_weights(file, {"latents": torch.zeros(0), **tensors, "null_text": null_text}, metadata)
        phrases.save_if_grown()
    phrases.save()


def _missing_shards(
    folder: Path, members: Mapping[int, range], metadata: dict[str, str], progress: Callable[[int], None]
) -> list[tuple[Path, range]]:
    """Path and clips of the shards that do not exist yet. The others must have the same metadata."""
    todo = []
    for number, clips in members.items():
        path = folder / f"clips-{number:05d}.safetensors"
        if path.exists():
            _check_settings(path, metadata)
            progress(len(clips))
        else:
            todo.append((path, clips))
    return todo


def check_encoded(folder: str | os.PathLike, settings: Mapping[str, Any]) -> None:
    """Raise SMCDError if the folder holds clips that were encoded with other settings."""
    for path in sorted(Path(folder).glob(PATTERN))[:1]:
        _check_settings(path, {"settings": json.dumps(settings)})


def _check_settings(path: Path, metadata: dict[str, str]) -> None:
    with _open(path) as file:
        found = (file.metadata() or {}).get("settings")
    if not metadata or found in (None, metadata["settings"]):
        return
    now, old = json.loads(metadata["settings"]), json.loads(found)
    if "checkpoint" not in old:  # encoded before it was noted
        now.pop("checkpoint", None)
    changes = [
        f"{_NOTED.get(name, f'--{name}')} is {_shown(old.get(name))} there, now {_shown(now.get(name))}"
        for name in dict.fromkeys([*now, *old])
        if now.get(name) != old.get(name)
    ]
    if changes:
        raise SMCDError(
            f"{path}: was encoded with other settings: {', '.join(changes)}; use the same, or choose another folder "
            "with --out"
        )


def _shown(value: object) -> str:
    return "not given" if value is None else repr(value)


def _encode(
    batch: Sequence[Clip], vae: AutoencoderKL, text: TextEncoder, phrases: PhraseCache, slots: int
) -> list[dict[str, Tensor]]:
    """One item for each clip of the batch; those of one size go through the VAE together."""
    items: list[dict[str, Tensor]] = []
    for size in dict.fromkeys(clip.frames.shape for clip in batch):
        clips = [clip for clip in batch if clip.frames.shape == size]
        frames = np.concatenate([clip.frames for clip in clips])
        latents = encode_frames(vae, frames, len(frames) if len(clips) > 1 else None).half().cpu()
        texts = text([clip.caption for clip in clips]).half().cpu()
        items += [
            {"latents": own, "text": states, **_boxes(clip, phrases, slots)}
            for clip, own, states in zip(clips, latents.chunk(len(clips)), texts, strict=True)
        ]
    return items


def _boxes(clip: Clip, phrases: PhraseCache, slots: int) -> dict[str, Tensor]:
    boxes, mask = torch.from_numpy(clip.boxes_xyxy), torch.from_numpy(clip.mask).float()
    missing = slots - boxes.shape[1]
    return {
        # Negative padding cuts off surplus slots.
        "boxes_xyxy": torch.nn.functional.pad(boxes, (0, 0, 0, missing)),
        "mask": torch.nn.functional.pad(mask, (0, missing)),
        "phrases": torch.nn.functional.pad(phrases(clip.phrases), (0, 0, 0, missing)),
    }
