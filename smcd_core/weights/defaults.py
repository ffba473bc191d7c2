"""The bundled checkpoints, and the settings that checkpoints are best used with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .checkpoint import Checkpoint, CheckpointError

_PACKAGE = Path(__file__).parents[1]
_BUNDLED = _PACKAGE / "bundled"  # only in a wheel, see setup.py; in a clone the folders are beside the package
_HOME = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent
DEFAULT_CHECKPOINT = _HOME / "models" / "smcd-world.safetensors"
SPRITES_CHECKPOINT = _HOME / "models" / "smcd-tiny.safetensors"  # the default of 0.1.0, for its workflows
BUNDLED = (DEFAULT_CHECKPOINT, SPRITES_CHECKPOINT)
EXAMPLES = _HOME / "demo"
DRAWN = ("beach",)  # those of them that SPRITES_CHECKPOINT animates well
BUNDLED_MULTIPLE = 32  # of the sides of their videos, in pixels
# Unless a checkpoint carries its own: the released model's size, length and guidance, and a start from noise. One that
# makes other shapes well has an `area`: a video then takes the shape of its first frame, at about so many pixels.
DEFAULTS = {
    "width": 256, "height": 256, "frames": 8, "fps": 8, "steps": 50, "text": 7.5, "boxes": 1.0, "image": 1.0,
    "start": 1.0,
}  # fmt: skip
_SIDE, _SCALE, _SHARE = (8, 16384), (-100.0, 100.0), (0.01, 1.0)  # pixels; as on the command line
_RANGES: dict[str, tuple[float, float]] = {
    "width": _SIDE, "height": _SIDE, "frames": (1, 4096), "fps": (0.01, 1000.0), "steps": (1, 1000), "text": _SCALE,
    "boxes": _SCALE, "image": _SCALE, "start": _SHARE, "start_inside": _SHARE, "area": (64, 16384**2),
}  # fmt: skip
# A fifth of the time of 50 steps, see benchmarks/README.md.
FAST = {"sampler": "dpm-solver++", "steps": 10}


def read_defaults(checkpoint: Checkpoint) -> dict[str, float]:
    """DEFAULTS, or what checkpoint.info["defaults"] says instead, which may have `start_inside` and `area` as well.

    Raises CheckpointError if that is malformed.
    """
    values = checkpoint.info.get("defaults", {})
    if not isinstance(values, Mapping) or not set(values) <= set(_RANGES):
        raise CheckpointError(f"{checkpoint.path}: defaults in its info are {values}, expected some of {[*_RANGES]}")
    for name, value in values.items():
        low, high = _RANGES[name]
        is_number = isinstance(value, int if isinstance(low, int) else (int, float)) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            kind = "a whole number" if isinstance(low, int) else "a number"
            raise CheckpointError(
                f"{checkpoint.path}: {name} in its defaults is {str(value)[:40]}, expected {kind} from {low:g} to "
                f"{high:g}"
            )
    return {**DEFAULTS, **values}
