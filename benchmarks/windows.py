"""Memory of sampling a long video in context windows, compared with the frames of one window at once.

Runs ComfyUI with the bundled checkpoint: start it with the Python that runs ComfyUI (COMFYUI_PATH, else
~/comfy/ComfyUI). "sampling memory" is the peak that sampling adds to the process with the model loaded.
"""

from __future__ import annotations

import argparse
import sys
import time

from measure import ROOT, arguments, held_memory, main, peak_memory

WINDOW = 8


def _measure(args: argparse.Namespace, frames: int, windowed: bool) -> dict[str, float]:
    sys.path.insert(0, str(ROOT / "tests"))
    import host

    host.start()
    side = 128 if args.tiny else 256
    model, clip, vae = host.call("SMCD_Load")
    picture, trajectory, prompt = host.call("SMCD_Example", example="beach")
    positive, negative = (host.call("CLIPTextEncode", clip=clip, text=text)[0] for text in (prompt, " "))
    prompts = dict(positive=positive, negative=negative, clip=clip, vae=vae, first_frame=picture)
    size = dict(width=side, height=side, frames=frames)
    positive, negative, latent = host.call("SMCD_Conditioning", **prompts, trajectory=trajectory, **size)
    if windowed:
        (model,) = host.call("SMCD_LongVideo", model=model, window=WINDOW, overlap=WINDOW // 2)
    inputs = dict(positive=positive, negative=negative, latent_image=latent, cfg=1.5, sampler_name="ddim")
    # Load the model and run once on a small image, so that only the memory of these frames is counted.
    little = host.call("SMCD_Conditioning", **prompts, trajectory=trajectory, width=64, height=64, frames=WINDOW)
    warm = inputs | dict(zip(("positive", "negative", "latent_image"), little))
    host.call("KSampler", model=model, **warm, steps=1)
    before, began = held_memory(), time.perf_counter()
    host.call("KSampler", model=model, **inputs, steps=2)
    took = time.perf_counter() - began
    return {
        "sampling_s": took,
        "of_that_per_frame_s": took / frames,
        "sampling_memory_bytes": peak_memory() - before,
        "peak_memory_bytes": peak_memory(),
    }


if __name__ == "__main__":
    main(
        "windows",
        arguments(__doc__).parse_args(),
        {
            "8 frames at once": lambda args: _measure(args, 8, False),
            "64 frames in windows of 8": lambda args: _measure(args, 64, True),
            "256 frames in windows of 8": lambda args: _measure(args, 256, True),
            "64 frames at once": lambda args: _measure(args, 64, False),
        },
    )
