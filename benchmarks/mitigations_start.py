"""Starting from the animatic, the image with its boxes moved, compared with starting from noise.

Every row makes the same validation clips with `smcd-tiny`, in 25 steps of DDIM or with --fast. Differences
from the first row are paired by clip, with bootstrap intervals. "seconds" is CPU time per clip, with encoding and
decoding. Writes results/mitigations_start.json. Takes about 23 minutes on one core of a small machine. Videos that an
earlier run left in --folder are reused.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from clip_rows import differences, made_once, options
from measure import machine

from smcd_core.data import SyntheticClips
from smcd_core.evaluation.scores import request_of, score_row
from smcd_core.files import replacing
from smcd_core.sampling.animatic import animatic
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.weights.defaults import SPRITES_CHECKPOINT

RESULTS = Path(__file__).parent / "results"
DEFAULT = "from noise"
ANIMATIC = "the animatic itself, through the autoencoder"
ROWS = {
    DEFAULT: {},
    "start .4": {"start": 0.4},
    "fast": {"fast": True},
    "fast, start .4": {"fast": True, "start": 0.4},
    ANIMATIC: None,
    "start .4, inside .2": {"start": 0.4, "start_inside": 0.2},
}
SCORES = (
    "ao",
    "sr75",
    "ao_small",
    "color",
    "color_drift",
    "color_drift_last",
    "first_frame_psnr",
    "object_psnr",
    "background_psnr",
)
BATCH = 4


def make(pipeline: SMCDPipeline, count: int, settings: dict | None) -> dict[str, torch.Tensor]:
    """Videos uint8 [clips, F, H, W, 3], and the CPU seconds for each [1]; settings None: the animatics."""
    requests = [request_of(clip, number) for number, clip in enumerate(SyntheticClips(count, split="validation"))]
    videos, began = [], time.process_time()
    for start in range(0, count, BATCH):
        part = requests[start : start + BATCH]
        if settings is None:
            drawn = [animatic(request.image, request.trajectory, request.trajectory.frames)[0] for request in part]
            videos += [pipeline.decode(pipeline.encode(video)) for video in drawn]
        else:
            videos += pipeline.generate(part, **settings)
    took = (time.process_time() - began) / count
    return {"videos": torch.stack([torch.from_numpy(video) for video in videos]), "seconds": torch.tensor([took])}


def table(rows: dict[str, dict]) -> str:
    """Mean scores as Markdown, in bold if the interval of the difference from the first row excludes 0."""
    lines = ["| | seconds | " + " | ".join(SCORES) + " |", "|" + "---|" * (len(SCORES) + 2)]
    for label, values in rows.items():
        cells = [f"{values['seconds']:.1f}"]
        for name in SCORES:
            low, high = values[name]["difference_interval"]
            mean = f"{values[name]['mean']:.3f}" if values[name]["mean"] < 1 else f"{values[name]['mean']:.1f}"
            cells.append(f"**{mean}**" if low > 0 or high < 0 else mean)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@torch.no_grad()
def main() -> None:
    args = options(__doc__, Path("out/mitigations_start"), clips=64)
    pipeline, rows = SMCDPipeline.from_checkpoint(SPRITES_CHECKPOINT), {}
    clips = list(SyntheticClips(args.clips, split="validation"))
    reference = None
    for label, settings in ROWS.items():
        made = made_once(label, args, lambda settings=settings: make(pipeline, args.clips, settings))
        scored = score_row(list(made["videos"].numpy()), clips)
        reference = reference or scored
        rows[label] = {"seconds": made["seconds"].item(), **differences(scored, reference, SCORES)}
        print(table(rows).splitlines()[-1], flush=True)
    content = {"machine": machine(), "clips": args.clips, "split": "validation", "rows": rows}
    with replacing(RESULTS / "mitigations_start.json") as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
