"""Remedies for the failures that the paper names: colours that drift, small objects that are ignored.

Every row makes the same validation clips with `smcd-tiny`. Differences are paired by clip, with bootstrap
intervals. Writes results/mitigations.json and .png. Takes about 4 minutes per row of 24 clips on one core of a small
machine, 9 for 192 pixels. Videos that an earlier run left in --folder are reused.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from clip_rows import differences, made_once, options

from smcd_core.data import SyntheticClips
from smcd_core.evaluation.scores import Result, request_of, score_row
from smcd_core.files import replacing
from smcd_core.sampling.color_match import match_colors
from smcd_core.sampling.diffusion import Guidance, noise_of
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.weights.components import vae_stride
from smcd_core.weights.defaults import SPRITES_CHECKPOINT

RESULTS = Path(__file__).parent / "results"
DEFAULT = "as it is"
MATCHED = "colours matched to the first frame"
ROWS = {
    DEFAULT: {},
    "box guidance 1": {"boxes": 1.0},
    "box guidance 2": {"boxes": 2.0},
    "box guidance 2.5": {"boxes": 2.5},
    "box guidance 4": {"boxes": 4.0},
    "160 x 160 pixels": {"size": 160},
    "192 x 192 pixels": {"size": 192},
    "noise shared by 0.1": {"shared": 0.1},
    "noise shared by 0.3": {"shared": 0.3},
}
SCORES = ("ao", "sr75", "ao_small", "color", "color_drift", "color_drift_last", "object_psnr", "background_psnr")
BATCH = 4


@torch.no_grad()
def make(
    pipeline: SMCDPipeline, count: int, *, size: int = 128, boxes: float | None = None, shared: float = 0.0
) -> torch.Tensor:
    """Videos uint8 [clips, F, size, size, 3].

    shared  share of the noise's variance that all frames of a clip have in common
    """
    defaults, clips = pipeline.defaults, SyntheticClips(count, split="validation", size=size)
    guidance = Guidance(defaults["text"], defaults["boxes"] if boxes is None else boxes, defaults["image"])
    requests, videos = [request_of(clip, number) for number, clip in enumerate(clips)], []
    channels, side = pipeline.smcd.config.latent_channels, size // vae_stride(pipeline.vae)
    for start in range(0, count, BATCH):
        part, noise = requests[start : start + BATCH], []
        for request in part:
            own = noise_of(request.seed, (clips.num_frames, channels, side, side))
            common = noise_of(request.seed + 10**6, (1, channels, side, side))
            noise.append(shared**0.5 * common + (1 - shared) ** 0.5 * own)
        tokens, weights = pipeline.tokens(part, clips.num_frames, size, size, guidance)
        latents = pipeline.denoise(torch.cat(noise), tokens, weights, defaults["steps"])
        videos += [torch.from_numpy(pipeline.decode(video)) for video in latents.split(clips.num_frames)]
    return torch.stack(videos)


def table(rows: dict[str, dict]) -> str:
    """Mean scores as Markdown, in bold if the interval of the difference from the first row excludes 0."""
    lines = ["| | " + " | ".join(SCORES) + " |", "|" + "---|" * (len(SCORES) + 1)]
    for label, values in rows.items():
        cells = []
        for name in SCORES:
            low, high = values[name]["difference_interval"]
            mean = f"{values[name]['mean']:.3f}" if values[name]["mean"] < 1 else f"{values[name]['mean']:.1f}"
            cells.append(f"**{mean}**" if low > 0 or high < 0 else mean)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results: dict[str, Result], truth: Result, path: Path) -> None:
    """Colour drift by frame, and AO of small and medium objects by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    drift, sizes = figure.subplots(1, 2)
    for label, row in [(DEFAULT, results[DEFAULT]), (MATCHED, results[MATCHED]), ("real clips", truth)]:
        drift.plot(range(1, 9), row.scores["color_drift_frames"], "o-", label=label)
    drift.set(xlabel="frame", ylabel="colour drift (delta E)", ylim=(0, None))
    drift.legend()
    for place, size in enumerate(("small", "medium")):
        means = [row.scores[f"ao_{size}"] for row in results.values()]
        ends = [row.intervals[f"ao_{size}"] for row in results.values()]
        reach = [
            [mean - low for mean, (low, _) in zip(means, ends)],
            [high - mean for mean, (_, high) in zip(means, ends)],
        ]
        at = [number + 0.4 * place for number in range(len(means))]
        sizes.barh(at, means, 0.38, xerr=reach, label=f"{size} objects", capsize=2)
    sizes.set_yticks([number + 0.2 for number in range(len(results))], list(results))
    sizes.invert_yaxis()
    sizes.set(xlabel="average overlap", xlim=(0.4, 1))
    sizes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def main() -> None:
    args = options(__doc__, Path("out/mitigations"))
    pipeline, results = SMCDPipeline.from_checkpoint(SPRITES_CHECKPOINT), {}
    clips = {side: list(SyntheticClips(args.clips, split="validation", size=side)) for side in (128, 160, 192)}
    for label, settings in ROWS.items():
        made = made_once(label, args, lambda settings=settings: {"videos": make(pipeline, args.clips, **settings)})
        videos = list(made["videos"].numpy())
        results[label] = score_row(videos, clips[settings.get("size", 128)])
        if label == DEFAULT:
            asked = zip(videos, clips[128], strict=True)
            matched = [match_colors(video, clip.frames[0], clip.boxes_xyxy, clip.mask) for video, clip in asked]
            results[MATCHED] = score_row(matched, clips[128])
        print(label, f"AO {results[label].scores['ao']:.3f}", flush=True)
    rows = {label: differences(row, results[DEFAULT], SCORES) for label, row in results.items()}
    content = {"clips": args.clips, "split": "validation", "defaults": pipeline.defaults, "rows": rows}
    with replacing(RESULTS / "mitigations.json") as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plot(results, score_row([clip.frames for clip in clips[128]], clips[128]), RESULTS / "mitigations.png")
    print(table(rows))


if __name__ == "__main__":
    main()
