"""Time and peak memory of loading a checkpoint, compared with diffusers' from_pretrained.

"load" ends when the network can be called, "load and read" when every weight has been read once: files are
memory-mapped, so the first number alone would flatter. 14 GB of random fp32 weights are written to --folder first, so
the files are in the system's cache when they are loaded, as far as memory allows.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from measure import arguments, main_with_folder, peak_memory
from step import SMALL


def _write(args: argparse.Namespace) -> dict[str, float]:
    import torch

    from smcd_core.networks.config import SMCDConfig
    from smcd_core.networks.smcd import SMCD
    from smcd_core.weights.checkpoint import Checkpoint, write_checkpoint, write_diffusers

    size = SMALL if args.tiny else {}

    def weights(config):
        shapes = SMCD(config, device="meta").state_dict()
        return {name: torch.randn(value.shape) for name, value in shapes.items()}

    config = SMCDConfig(**size, boxes=False, first_frame_concat=False, image_tokens="none")
    write_diffusers(args.folder / "diffusers", Checkpoint(args.folder, "smcd", config, weights(config)))
    config = SMCDConfig(**size)
    write_checkpoint(args.folder / "smcd.safetensors", config, weights(config))
    return {}


def _measure(load) -> dict[str, float]:
    began = time.perf_counter()
    network = load()
    loaded = time.perf_counter() - began
    for parameter in network.parameters():
        parameter.detach().sum()
    return {"load_s": loaded, "load_and_read_s": time.perf_counter() - began, "peak_memory_bytes": peak_memory()}


def diffusers(args: argparse.Namespace) -> dict[str, float]:
    from diffusers import UNet3DConditionModel

    return _measure(lambda: UNet3DConditionModel.from_pretrained(args.folder / "diffusers"))


def same_folder(args: argparse.Namespace) -> dict[str, float]:
    return _ours(args.folder / "diffusers")


def smcd(args: argparse.Namespace) -> dict[str, float]:
    return _ours(args.folder / "smcd.safetensors")


def _ours(path: Path) -> dict[str, float]:
    from smcd_core.weights.checkpoint import build, read_checkpoint

    return _measure(lambda: build(read_checkpoint(path)))


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write the weights (default: a temporary folder)")
    args = parser.parse_args()
    cases = {"diffusers from_pretrained": diffusers, "the same files here": same_folder, "whole SMCD here": smcd}
    main_with_folder("load", args, cases, _write)
