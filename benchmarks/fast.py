"""Time and quality of fewer and cheaper steps, compared with 50 steps of DDIM.

Every row makes the same validation clips with `smcd-tiny`. Writes results/fast.json and prints a table.
Takes about 25 minutes on one core of a small machine. Videos that an earlier run left in --folder are reused.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from clip_rows import differences, made_once, options
from diffusers import AutoencoderKL
from measure import machine
from torch import Tensor

from smcd_core.data import SyntheticClips
from smcd_core.evaluation.metrics import psnr
from smcd_core.evaluation.scores import request_of, score_row
from smcd_core.files import replacing
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.weights.components import encode_frames
from smcd_core.weights.defaults import FAST, SPRITES_CHECKPOINT

RESULTS = Path(__file__).parent / "results"
REFERENCE = "DDIM, 50 steps"
ROWS = {
    REFERENCE: {"steps": 50},
    "DDIM, 25 steps": {"steps": 25},
    "DDIM, 10 steps": {"steps": 10},
    "DDIM, 5 steps": {"steps": 5},
    "fast: DPM-Solver++, 10 steps": FAST,
    "DPM-Solver++, 5 steps": {**FAST, "steps": 5},
    "DPM-Solver++, 10 steps, first 7 guided": {"sampler": "dpm-solver++", "steps": 10, "guided": 0.7},
    "DPM-Solver++, 10 steps, first 5 guided": {"sampler": "dpm-solver++", "steps": 10, "guided": 0.5},
    "DPM-Solver++, 10 steps, first 3 guided": {"sampler": "dpm-solver++", "steps": 10, "guided": 0.3},
    "DPM-Solver++, 10 steps, features of every second": {
        "sampler": "dpm-solver++",
        "steps": 10,
        "reuse_features": True,
    },
    "DDIM, 50 steps, features of every second": {"steps": 50, "reuse_features": True},
}
SCORES = ("ao", "sr75", "first_frame_psnr", "background_psnr", "color")
BATCH = 4


def make(count: int, **settings) -> dict[str, Tensor]:
    """Videos uint8 [clips, F, H, W, 3] and the CPU seconds that their denoising took [1]."""
    pipeline, clips = SMCDPipeline.from_checkpoint(SPRITES_CHECKPOINT), SyntheticClips(count, split="validation")
    videos, took, denoise = [], 0.0, pipeline.denoise

    def timed(*args, **kwargs) -> Tensor:
        nonlocal took
        began = time.process_time()
        latents = denoise(*args, **kwargs)
        took += time.process_time() - began
        return latents

    pipeline.denoise = timed
    requests = [request_of(clip, number) for number, clip in enumerate(clips)]
    for start in range(0, count, BATCH):
        videos += pipeline.generate(requests[start : start + BATCH], **settings)
    return {"videos": torch.from_numpy(np.stack(videos)), "seconds": torch.tensor([took])}


def compared(made: dict[str, Tensor], reference: dict[str, Tensor], clips: list, vae: AutoencoderKL) -> dict:
    """Compare videos and their time with a reference.

    Gives scores and their differences, time as a ratio, and the distance of the videos: in pixels, and in features of
    the VAE's encoder in units of their standard deviation.
    """
    videos, others = list(made["videos"].numpy()), list(reference["videos"].numpy())
    row, other = score_row(videos, clips), score_row(others, clips)
    values: dict[str, object] = {"time": (made["seconds"] / reference["seconds"]).item()}
    values |= differences(row, other, SCORES)
    if made is not reference:
        values["psnr_to_reference"] = float(np.mean([psnr(a, b) for a, b in zip(videos, others, strict=True)]))
        found, expected = (torch.cat([encode_frames(vae, video) for video in row]) for row in (videos, others))
        values["feature_distance"] = ((found - expected).pow(2).mean().sqrt() / expected.std()).item()
    return values


def table(rows: dict[str, dict]) -> str:
    head = ["", "time", *(name.replace("_", " ") for name in SCORES), "PSNR to the first row", "features"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for label, values in rows.items():
        scores = (f"{values[name]['mean']:.3f} ({values[name]['difference']:+.3f})" for name in SCORES)
        distances = ["", ""]
        if "psnr_to_reference" in values:
            distances = [f"{values['psnr_to_reference']:.1f} dB", f"{values['feature_distance']:.3f}"]
        cells = [label, f"{values['time']:.3f}x", *scores, *distances]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    args = options(__doc__, Path("out/fast"))
    clips, made = list(SyntheticClips(args.clips, split="validation")), {}
    for label, settings in ROWS.items():
        made[label] = made_once(label, args, partial(make, args.clips, **settings))
        print(f"{label}: {made[label]['seconds'].item():.0f} s", flush=True)
    vae = SMCDPipeline.from_checkpoint(SPRITES_CHECKPOINT).vae
    rows = {label: compared(videos, made[REFERENCE], clips, vae) for label, videos in made.items()}
    with replacing(RESULTS / "fast.json") as temporary:
        result = {"machine": machine(), "clips": args.clips, "rows": rows}
        Path(temporary).write_text(json.dumps(result, indent=2), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
