"""A data set and a network so small that a training step takes some hundredths of a second."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from safetensors.torch import save_file

from smcd_core.training.encoded import EncodedClips

TINY = dict(
    model_channels=32, channel_mult=(1, 2), num_res_blocks=1, attention_scales=(1.0,), num_heads=2, head_dim=16,
    context_dim=16, phrase_dim=16, norm_groups=8, dropout=0.0, box_slots=2, image_encoder_channels=(16, 16),
    image_encoder_blocks=1, prediction="v",
)  # fmt: skip


def write_clips(folder: Path) -> EncodedClips:
    """Eight clips of two frames: an object of one value on a ground of another, with its box and a phrase that says
    which value.
    """
    random = torch.Generator().manual_seed(0)
    latents = torch.full((8, 2, 4, 8, 8), -0.5)
    boxes = torch.zeros(8, 2, 2, 4)
    phrases = torch.zeros(8, 2, 16)
    for clip in range(8):
        value = float(torch.rand((), generator=random)) * 2
        phrases[clip, 0] = value
        for frame in range(2):
            x, y = torch.randint(0, 5, (2,), generator=random).tolist()
            latents[clip, frame, :, y : y + 4, x : x + 4] = value
            boxes[clip, frame, 0] = torch.tensor([x, y, x + 4, y + 4]) / 8
    tensors = {
        "latents": latents.half(),
        "text": torch.randn(8, 3, 16, generator=random).half(),
        "boxes_xyxy": boxes,
        "mask": torch.tensor([1.0, 0.0]).expand(8, 2, 2).contiguous(),
        "phrases": phrases.half(),
        "null_text": torch.zeros(3, 16).half(),
    }
    save_file(tensors, folder / "clips-00000.safetensors")
    return EncodedClips(folder)


def losses(folder: Path) -> list[float]:
    with (folder / "loss.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]
