"""Mirrored copies of clips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch.utils.data import Dataset

from .clip import Clip

_SIDES = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
_WORD = re.compile(rf"\b({'|'.join(_SIDES)})\b", re.IGNORECASE)


class WithFlips(Dataset):
    """The N clips of a dataset, then all of them mirrored: 2 N clips."""

    def __init__(self, clips: Sequence[Clip]):
        self.clips = clips

    def __len__(self) -> int:
        return 2 * len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        if not 0 <= index < len(self):  # what ends a loop over a sequence
            raise IndexError(f"clip {index} of {len(self)}")
        turn, number = divmod(index, len(self.clips))
        return mirrored(self.clips[number]) if turn else self.clips[number]


def mirrored(clip: Clip) -> Clip:
    """Left and right exchanged, in the frames, the boxes, and the words left and right of the texts."""
    x1, y1, x2, y2 = np.moveaxis(clip.boxes_xyxy, -1, 0)
    boxes = np.stack([1 - x2, y1, 1 - x1, y2], axis=-1) * clip.mask[..., None]  # the box of what is hidden stays 0
    return replace(
        clip,
        frames=np.ascontiguousarray(clip.frames[:, :, ::-1]),
        boxes_xyxy=boxes.astype(np.float32),
        phrases=tuple(_other_side(phrase) for phrase in clip.phrases),
        caption=_other_side(clip.caption),
    )


def _other_side(text: str) -> str:
    def exchange(word: re.Match) -> str:
        other = _SIDES[word[0].lower()]
        return other.capitalize() if word[0][0].isupper() else other

    return _WORD.sub(exchange, text)
