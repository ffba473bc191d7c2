"""The bundled checkpoint, and the settings that checkpoints are best used with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .checkpoint import Checkpoint, CheckpointError

DEFAULT_CHECKPOINT = Path(__file__).parents[2] / "models" / "smcd-tiny.safetensors"
EXAMPLES = DEFAULT_CHECKPOINT.parents[1] / "demo"  # images that the bundled checkpoint animates well
# Unless a checkpoint carries its own: the released model's size, length and guidance.
DEFAULTS = {"width": 256, "height": 256, "frames": 8, "fps": 8, "steps": 50, "text": 7.5, "boxes": 1.0, "image": 1.0}
# A fifth of the time of 50 steps, see benchmarks/README.md.
FAST = {"sampler": "dpm-solver++", "steps": 10}


def read_defaults(checkpoint: Checkpoint) -> dict[str, float]:
    """DEFAULTS, or what checkpoint.info["defaults"] says instead. Raises CheckpointError if that is malformed."""
    values = checkpoint.info.get("defaults", {})
    if not isinstance(values, Mapping) or not set(values) <= set(DEFAULTS):
        raise CheckpointError(f"{checkpoint.path}: defaults in its info are {values}, expected some of {[*DEFAULTS]}")
    for name, value in values.items():
        is_whole = name in ("width", "height", "frames", "steps")
        if isinstance(value, bool) or not isinstance(value, int if is_whole else (int, float)):
            raise CheckpointError(f"{checkpoint.path}: {name} in its defaults is {value!r}, expected a number")
    return {**DEFAULTS, **values}
