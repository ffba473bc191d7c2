"""Peak memory of `smcd animate` at the released size, part by part, beside the estimate.

Random weights, fp32, CPU, 8 frames of 256 x 256 pixels, 2 steps with guidance of the text. The peaks are of the whole
process, with the pages of the weights' file touched by then. "denoise over weights" is what the steps add to
SMCD's weights and to the peak before them, "estimate" is what ComfyUI is told of it. Linux only. 10 GB of weights are
written to --folder first.
"""

from __future__ import annotations

import argparse
import time
from functools import wraps
from pathlib import Path

from measure import ROOT, arguments, main_with_folder
from step import _fill

FRAMES, STEPS = 8, 2
PARTS = ("load", "encode", "denoise", "decode")


def released_components():
    """VAE and text encoder as large as the released ones, with random weights."""
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel

    widths = (128, 256, 512, 512)
    levels = dict(down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    vae = AutoencoderKL(block_out_channels=widths, layers_per_block=2, sample_size=512, **levels)
    sizes = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)
    return vae, CLIPTextModel(CLIPTextConfig(hidden_act="gelu", projection_dim=1024, **sizes))


def _write(args: argparse.Namespace) -> dict[str, float]:
    """All networks in one file; the tokenizer is the bundled one."""
    import torch

    from smcd_core.networks.config import SMCDConfig
    from smcd_core.networks.smcd import SMCD
    from smcd_core.networks.text import TextEncoder, make_tokenizer
    from smcd_core.weights.checkpoint import read_checkpoint, write_checkpoint
    from smcd_core.weights.components import pack_components
    from smcd_core.weights.defaults import SPRITES_CHECKPOINT

    if args.tiny:
        (args.folder / "smcd.safetensors").symlink_to(SPRITES_CHECKPOINT)
        return {}
    vae, text = released_components()
    tokenizer = make_tokenizer(**read_checkpoint(SPRITES_CHECKPOINT).tokenizer)
    config = SMCDConfig()
    with torch.no_grad():
        weights = _fill(SMCD(config, device="meta")).state_dict()
    parts = pack_components(vae, TextEncoder(tokenizer, text))
    write_checkpoint(args.folder / "smcd.safetensors", config, weights, **parts)
    return {}


def _peak() -> int:
    """Bytes, since `_forget_peak`; resource's number cannot be set back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def animate(args: argparse.Namespace) -> dict[str, float]:
    from smcd_core.__main__ import main
    from smcd_core.networks.peak import peak_activations
    from smcd_core.sampling.pipeline import SMCDPipeline

    peaks, seen = dict.fromkeys(PARTS, 0), {}

    def watched(part: str, call):
        @wraps(call)
        def wrapper(*given, **named):
            _forget_peak()
            result = call(*given, **named)
            peaks[part] = max(peaks[part], _peak())
            if part == "load":
                seen["pipeline"] = result
            return result

        return wrapper

    SMCDPipeline.from_pretrained = watched("load", SMCDPipeline.from_pretrained)
    for part, method in (("encode", "_inputs"), ("denoise", "denoise"), ("decode", "decode")):
        setattr(SMCDPipeline, method, watched(part, getattr(SMCDPipeline, method)))
    command = ["animate", ROOT / "demo/beach.png", "--boxes", ROOT / "demo/beach.json", "--prompt", "a circle"]
    command += ["--checkpoint", args.folder / "smcd.safetensors", "-o", args.folder / "made.gif", "--device", "cpu"]
    command += ["--frames", FRAMES, "--steps", STEPS, "--cfg-boxes", 1, "--cfg-text", 2]
    began = time.perf_counter()
    if main([*map(str, command)]) != 0:
        raise SystemExit("smcd animate failed")
    took, pipeline = time.perf_counter() - began, seen["pipeline"]
    weights = sum(p.numel() * p.element_size() for p in pipeline.smcd.parameters())
    positions = pipeline.defaults["width"] * pipeline.defaults["height"] // 64
    estimate = 4 * peak_activations(pipeline.smcd.config, 2 * FRAMES, positions, "cpu", videos=2)
    return {
        "command_s": took,
        **{f"{part}_peak_bytes": peak for part, peak in peaks.items()},
        "weights_of_smcd_bytes": weights,
        "denoise_over_weights_bytes": peaks["denoise"] - peaks["encode"] - weights,
        "estimate_bytes": estimate,
    }


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write the weights (default: a temporary folder)")
    main_with_folder("animate", parser.parse_args(), {"smcd animate": animate}, _write)
