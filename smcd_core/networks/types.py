"""Types of the arguments that all networks share."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

Dtype: TypeAlias = "torch.dtype | None"  # None: torch's default
Device: TypeAlias = "torch.device | str | None"
Operations: TypeAlias = Any  # namespace of layer classes: torch.nn, or the host's
