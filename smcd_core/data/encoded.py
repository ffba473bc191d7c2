"""Clips as the networks take them, encoded once and kept on disk: training does not repeat the work of VAE and text
encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import Dataset

from ..text import TextEncoder
from .clip import Clip

SHARD = 128  # clips in one file


class EncodedClips(Dataset):
    """Clips of a folder that `encode_clips` wrote.

    Each item is a dict: latents [F, 4, h, w], text [T, D], boxes_xyxy [F, N, 4], mask [F, N], phrases [N, P].
    `null_text` [T, D] stands for a caption that is dropped. Raises ValueError for a folder without clips or a damaged
    file.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.shards = sorted(self.folder.glob("clips-*.safetensors"))
        if not self.shards:
            raise ValueError(f"{folder}: holds no encoded clips; make some with `smcd encode`")
        self.ends = []
        for shard in self.shards:
            with _open(shard) as file:
                self.ends.append((self.ends[-1] if self.ends else 0) + file.get_slice("latents").get_shape()[0])
        with _open(self.shards[0]) as file:
            self.null_text = file.get_tensor("null_text").float()

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):  # what ends a loop over a sequence
            raise IndexError(f"clip {index} of {len(self)}")
        shard = next(number for number, end in enumerate(self.ends) if index < end)
        row = index - (self.ends[shard - 1] if shard else 0)
        with _open(self.shards[shard]) as file:
            return {name: file.get_slice(name)[row].float() for name in file.keys() if name != "null_text"}


def _open(path: Path):
    try:
        return safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); delete it and encode again") from None


@torch.no_grad()
def encode_clips(
    clips: Sequence[Clip],
    vae: AutoencoderKL,
    text: TextEncoder,
    folder: str | os.PathLike,
    *,
    slots: int,
    part: int = 0,
    parts: int = 1,
    progress: Callable[[int], None] = lambda clips: None,
) -> None:
    """Write a dataset as shards; those that are there already are kept, so that a stopped run can go on.

    slots     boxes per frame; a clip with more loses its last objects
    part      of `parts`: this call does every parts-th shard, so that several processes share the work
    progress  called with the number of clips done since the last call
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(part, -(-len(clips) // SHARD), parts):
        members = range(number * SHARD, min((number + 1) * SHARD, len(clips)))
        path = folder / f"clips-{number:05d}.safetensors"
        if path.exists():
            progress(len(members))
            continue
        encoded = []
        for index in members:
            encoded.append(_encode(clips[index], vae, text, slots))
            progress(1)
        tensors = {name: torch.stack([item[name] for item in encoded]).contiguous() for name in encoded[0]}
        tensors["null_text"] = text([" "])[0].half()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        save_file(tensors, temporary)
        os.replace(temporary, path)


def _encode(clip: Clip, vae: AutoencoderKL, text: TextEncoder, slots: int) -> dict[str, Tensor]:
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).to(vae.device, vae.dtype) / 127.5 - 1
    latents = vae.encode(frames).latent_dist.mean * vae.config.scaling_factor  # [F, 4, h, w]
    boxes, mask = torch.from_numpy(clip.boxes_xyxy), torch.from_numpy(clip.mask).float()
    phrases = text.phrases(clip.phrases)
    missing = slots - boxes.shape[1]
    return {
        "latents": latents.half().cpu(),
        "text": text([clip.caption])[0].half().cpu(),
        # Negative padding cuts off what is too much.
        "boxes_xyxy": torch.nn.functional.pad(boxes, (0, 0, 0, missing)),
        "mask": torch.nn.functional.pad(mask, (0, missing)),
        "phrases": torch.nn.functional.pad(phrases, (0, 0, 0, missing)).half().cpu(),
    }
