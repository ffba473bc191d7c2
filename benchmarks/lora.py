"""Teach the bundled model one new texture by a LoRA of five clips, and measure how much of it comes back.

The texture is a dark band through the middle third of every object, which none of the drawn clips of the bundled model
has. "contrast" is the grey level of an object's outer thirds less that of its middle third, over all frames but the
first, in videos of clips that the LoRA never saw; "error" is the denoising loss on them. The first frame shows the
band, so a model that copies it well has some contrast without a LoRA.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

CLIPS, HELD_OUT = 5, 6
RESULTS = Path(__file__).parent / "results" / "lora.json"
DARK = 40  # grey level of the band


def banded(clip):
    """The clip with the texture, where an object's colour is seen inside its box."""
    frames = clip.frames.astype(np.float32)
    size = frames.shape[1]
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    for frame in range(len(frames)):
        for number, color in enumerate(clip.colors):
            x1, y1, x2, y2 = clip.boxes_xyxy[frame, number]
            middle = (x > x1) & (x < x2) & (np.abs(y - (y1 + y2) / 2) < (y2 - y1) / 6)
            shown = np.abs(frames[frame] - color).max(-1) < 45
            frames[frame][middle & shown] = DARK
    return replace(clip, frames=frames.astype(np.uint8))


class Banded(Dataset):
    def __init__(self, clips):
        self.clips = clips

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        return banded(self.clips[index])


def contrast(frames, clip):
    """Grey levels between the outer thirds and the middle third of the objects, over all frames but the first."""
    size, found = frames.shape[1], []
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    for frame in range(1, len(frames)):
        grey = frames[frame].astype(np.float32).mean(-1)
        for number in range(len(clip.phrases)):
            x1, y1, x2, y2 = clip.boxes_xyxy[frame, number]
            if not clip.mask[frame, number]:
                continue
            # The middle of the box, where every shape is.
            inside = np.abs(x - (x1 + x2) / 2) < (x2 - x1) / 6
            offset = (y - (y1 + y2) / 2) / (y2 - y1)
            middle, outer = inside & (np.abs(offset) < 1 / 8), inside & (0.21 < offset) & (offset < 0.35)
            if middle.any() and outer.any():
                found.append(grey[outer].mean() - grey[middle].mean())
    return float(np.mean(found))


def trajectory_of(clip):
    from smcd_core.trajectory.simplify import trajectory_from_boxes

    size = clip.frames.shape[1]
    return trajectory_from_boxes(clip.boxes_xyxy, clip.mask, size, size, 8, clip.phrases)


def error(checkpoint, clips, null_text):
    """Mean denoising loss over the clips at eight timesteps each."""
    import torch

    from smcd_core.training.config import TrainingConfig
    from smcd_core.training.loss import DenoisingLoss, sample_batch
    from smcd_core.weights.checkpoint import build

    config = TrainingConfig("all", 1, drop_text=0, drop_boxes=0, drop_first_frame=0, drop_image_tokens=0)
    loss, found = DenoisingLoss(build(checkpoint, dtype=torch.float32), null_text, config), []
    with torch.no_grad():
        for place, clip in enumerate(clips):
            for step in range(8):
                batch = sample_batch([clip], [place], step, config)
                batch["t"] = torch.tensor([60 + 120 * step])
                found.append(loss(batch).item())
    return float(np.mean(found))


def measure(steps: int, rank: int, rate: float, folder: Path, side: int, held_out: int) -> dict:
    from smcd_core.data import SyntheticClips
    from smcd_core.sampling.pipeline import SMCDPipeline
    from smcd_core.training.config import TrainingConfig
    from smcd_core.training.encoded import EncodedClips, encode_clips
    from smcd_core.training.loop import train
    from smcd_core.weights.checkpoint import read_checkpoint
    from smcd_core.weights.components import unpack_components
    from smcd_core.weights.defaults import DEFAULT_CHECKPOINT
    from smcd_core.weights.lora import with_loras

    start = read_checkpoint(DEFAULT_CHECKPOINT)
    parts = unpack_components(start)
    learned, unseen = (
        Banded(SyntheticClips(CLIPS, size=side)),
        Banded(SyntheticClips(held_out, split="test", size=side)),
    )
    for name, clips in (("learned", learned), ("unseen", unseen)):
        encode_clips(clips, *parts, folder / name, slots=start.config.box_slots)
    data, encoded = EncodedClips(folder / "learned"), EncodedClips(folder / "unseen")
    config = TrainingConfig("all", steps, batch_size=1, lr=rate, warmup=min(20, steps), cosine=True, lora=rank)
    lora = train(config, start.config, data, folder / "run", start=start)

    strengths = {"without": 0.0, "half": 0.5, "whole": 1.0}
    result = {"steps": steps, "rank": rank, "lr": rate, "clips": CLIPS, "held out": held_out}
    result["bytes"] = {"lora": lora.stat().st_size, "checkpoint": DEFAULT_CHECKPOINT.stat().st_size}
    result["real contrast"] = float(np.mean([contrast(clip.frames, clip) for clip in unseen]))
    for name, strength in strengths.items():
        pipeline = SMCDPipeline.from_pretrained(device="cpu", lora=[(lora, strength)])
        found = []
        for number, clip in enumerate(unseen):
            made = pipeline(clip.frames[0], trajectory_of(clip), clip.caption, seed=number, width=side, height=side,
                            fast=True)  # fmt: skip
            found.append(contrast(made, clip))
        loss = error(with_loras(start, [(lora, strength)]), encoded, data.null_text)
        result[name] = {"contrast": float(np.mean(found)), "error": loss}
        print(name, result[name], flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--side", type=int, default=128, help="of a frame, in pixels")
    parser.add_argument("--held-out", type=int, default=HELD_OUT)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.steps, args.rank, args.lr, Path(folder), args.side, args.held_out)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
