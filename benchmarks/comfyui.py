"""Peak memory of the nodes at the released size, node by node, beside the estimate that ComfyUI is given.

Random weights, CPU, 8 frames of 256 x 256 pixels, 2 steps with guidance of the text, as in animate.py; ComfyUI chooses
the precision. Start it with the Python that runs ComfyUI (COMFYUI_PATH, else ~/comfy/ComfyUI). The peaks are of the
whole process, with the pages of the weights' file touched by then. "added by sampling" is what KSampler adds to the
peak of the encoders, when all weights are there. Linux only. 10 GB of weights are written to --folder first.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from animate import FRAMES, STEPS, _forget_peak, _peak, _write
from measure import ROOT, arguments, main_with_folder


def nodes(args: argparse.Namespace) -> dict[str, float]:
    sys.path.insert(0, str(ROOT / "tests"))
    import host

    paths = host.start().folder_paths
    paths.add_model_folder_path("smcd", str(args.folder))
    peaks: dict[str, int] = {}

    def call(part: str, node: str, **inputs: Any) -> tuple:
        _forget_peak()
        result = host.call(node, **inputs)
        peaks[part] = max(peaks.get(part, 0), _peak())
        return result

    began = time.perf_counter()
    model, clip, vae = call("load", "SMCD_Load", checkpoint="smcd/smcd.safetensors")
    picture, trajectory, prompt = call("load", "SMCD_Example", example="beach")
    side = 128 if args.tiny else 256
    positive, negative = (call("encode", "CLIPTextEncode", clip=clip, text=text)[0] for text in (prompt, " "))
    positive, negative, latent = call(
        "encode", "SMCD_Conditioning", positive=positive, negative=negative, clip=clip, vae=vae, first_frame=picture,
        trajectory=trajectory, width=side, height=side, frames=FRAMES,
    )  # fmt: skip
    (latent,) = call(
        "sample", "KSampler", model=model, positive=positive, negative=negative, latent_image=latent, cfg=2.0,
        steps=STEPS, sampler_name="ddim", scheduler="ddim_uniform",
    )  # fmt: skip
    call("decode", "VAEDecode", samples=latent, vae=vae)
    network = model.model.diffusion_model
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    shape = [2 * FRAMES, 4, side // 8, side // 8]
    return {
        "run_s": time.perf_counter() - began,
        **{f"{part}_peak_bytes": peak for part, peak in peaks.items()},
        "weights_of_smcd_bytes": weights,
        "added_by_sampling_bytes": peaks["sample"] - peaks["encode"],
        "estimate_bytes": model.model.memory_required(shape),
    }


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write the weights (default: a temporary folder)")
    main_with_folder("comfyui", parser.parse_args(), {"SMCD's nodes": nodes}, _write)
