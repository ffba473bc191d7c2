"""A short text that tells boxes apart: a document keeps that of the boxes it was made from.

The text of a value must not change from release to release: a saved document with another one is taken for one of other
boxes, and its edits are replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_CHUNK = 2**20  # numbers hashed at a time: a batch of masks may fill much of the memory


def fingerprint(value: Any) -> str:
    """16 characters, equal for equal values: JSON-able ones, tensors and arrays, whatever their dtype."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()[:16]


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        digest.update(b"{")
        for key in sorted(value, key=str):
            _feed(digest, [str(key), value[key]])
    elif isinstance(value, Tensor | np.ndarray):
        array = torch.as_tensor(value).detach().cpu()
        digest.update(f"{list(array.shape)}".encode())
        for part in array.reshape(-1).split(_CHUNK):
            digest.update(part.double().numpy())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        digest.update(b"[")
        for item in value:
            _feed(digest, item)
        digest.update(b"]")
    else:
        digest.update(repr(value).encode())
