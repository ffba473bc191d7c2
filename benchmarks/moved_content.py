"""Videos of clips whose objects can only be known from the first frame: made, tracked, scored and drawn.

A template tracker finds each object of the first frame in each frame, at the size that its box asks for; AO is the
overlap with that box. Rows: the model, the model without boxes, the animatic that it starts from (whole boxes moved
over the filled picture) as it is and through the autoencoder, the reference through the autoencoder (the ceiling), the
first frame repeated, and the reference itself.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from skimage.feature import match_template

from smcd_core.data import Clip
from smcd_core.evaluation.scores import Result, generate_rows, request_of, score_row
from smcd_core.files import replacing
from smcd_core.sampling.animatic import animatic
from smcd_core.sampling.diffusion import Guidance
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.weights.components import through_autoencoder

SCORES = (
    "ao", "ao_last", "object_psnr", "object_ssim", "background_psnr", "background_ssim", "first_frame_psnr",
    "first_frame_ssim",
)  # fmt: skip
ROWS = {
    "smcd": "the model",
    "no_boxes": "without boxes",
    "animatic": "the animatic",
    "animatic_coded": "the animatic through the autoencoder",
    "autoencoder": "the reference through the autoencoder",
    "static": "first frame repeated",
    "truth": "the reference",
}


def options(about: str, folder: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="default: the bundled one")
    for name, meaning in (
        ("start", "share of the steps, from the animatic"),
        ("start-inside", "the same inside the boxes"),
        ("steps", "steps of a video that starts from noise"),
        ("boxes", "guidance by the boxes"),
    ):
        kind = int if name == "steps" else float
        parser.add_argument(f"--{name}", type=kind, help=f"{meaning} (default: the checkpoint's)")
    parser.add_argument("--folder", type=Path, default=folder, help="for sheets and table (default %(default)s)")
    return parser


def make_and_score(args: argparse.Namespace, clips: Sequence[Clip], names: Sequence[str]) -> dict[str, Result]:
    """Make, score and draw all rows.

    Writes NAME.png for each clip, overview.jpg with the model's videos, and scores.json to --folder; prints a table.
    """
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    pipeline = SMCDPipeline.from_checkpoint(*([args.checkpoint] if args.checkpoint else []))
    given = {name: getattr(args, name) for name in ("start", "start_inside", "steps", "boxes")}
    pipeline.defaults = {**pipeline.defaults, **{name: value for name, value in given.items() if value is not None}}
    defaults = pipeline.defaults
    guidance = Guidance(defaults["text"], defaults["boxes"], defaults["image"])
    made = generate_rows(pipeline, clips, steps=defaults["steps"], guidance=guidance)
    made["animatic"] = [animatic(clip.frames[0], request_of(clip).trajectory, len(clip.frames))[0] for clip in clips]
    made["animatic_coded"] = [through_autoencoder(pipeline.vae, video) for video in made["animatic"]]
    rows = {name: made[name] for name in ROWS}
    results = {
        name: score_row(videos, clips, found=[track(video, clip) for video, clip in zip(videos, clips, strict=True)])
        for name, videos in rows.items()
    }
    for number, (clip, name) in enumerate(zip(clips, names, strict=True)):
        sheet([videos[number] for videos in rows.values()], clip).save(args.folder / f"{name}.png")
    overview([sheet([made["smcd"][number]], clip) for number, clip in enumerate(clips)]).save(
        args.folder / "overview.jpg", quality=90
    )
    scores = {name: {score: result.scores[score] for score in SCORES} for name, result in results.items()}
    with replacing(args.folder / "scores.json") as path:
        path.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    print(table(results))
    return results


def track(video: np.ndarray, clip: Clip) -> np.ndarray:
    """float32 [F, N, 4]: where each object of the clip's first frame is most like what is in each frame.

    Zeros where the box is not there, and for an object that the first frame does not show.
    """
    found = np.zeros(clip.boxes_xyxy.shape, np.float32)
    for number in np.flatnonzero(clip.mask[0]):
        found[:, number] = _track_one(video, clip, number) * clip.mask[:, number, None]
    return found


def _track_one(video: np.ndarray, clip: Clip, number: int) -> np.ndarray:
    height, width = video.shape[1:3]
    size = np.array([width, height, width, height])
    x1, y1, x2, y2 = (clip.boxes_xyxy[0, number] * size).round().astype(int)
    template = Image.fromarray(clip.frames[0][y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)])
    found = []
    for frame, box in zip(video, clip.boxes_xyxy[:, number] * size, strict=True):
        across, down = (max(3, round(float(side))) for side in box[2:] - box[:2])
        sought = template.resize((min(across, width), min(down, height)), Image.Resampling.LANCZOS)
        likeness = match_template(frame.astype(float), np.asarray(sought, float))[..., 0]
        y, x = np.unravel_index(likeness.argmax(), likeness.shape)
        found.append([x, y, x + sought.width, y + sought.height])
    return np.array(found, np.float32) / size


def sheet(videos: Sequence[np.ndarray], clip: Clip) -> Image.Image:
    """Frames of one clip side by side, a line for each of its videos, with the boxes that were asked for."""
    strips = []
    for video in videos:
        image = Image.fromarray(np.concatenate(list(video), 1))
        draw = ImageDraw.Draw(image)
        height, width = video.shape[1:3]
        for frame, number in np.argwhere(clip.mask):
            x1, y1, x2, y2 = clip.boxes_xyxy[frame, number] * [width, height, width, height]
            draw.rectangle([x1 + frame * width, y1, x2 + frame * width - 1, y2 - 1], outline=(255, 255, 0))
        strips.append(np.asarray(image))
    return Image.fromarray(np.concatenate(strips))


def overview(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets of one size in two columns."""
    width, height = sheets[0].size
    whole = Image.new("RGB", (2 * width, height * math.ceil(len(sheets) / 2)), "white")
    for number, image in enumerate(sheets):
        whole.paste(image, (number % 2 * width, number // 2 * height))
    return whole


def table(results: Mapping[str, Result]) -> str:
    """Mean scores as Markdown."""
    lines = ["| | " + " | ".join(SCORES) + " |", "|" + "---|" * (len(SCORES) + 1)]
    for name, result in results.items():
        cells = [f"{value:.2f}" if math.isfinite(value := result.scores[score]) else "exact" for score in SCORES]
        lines.append(f"| {ROWS[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
