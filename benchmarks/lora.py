"""Teach the bundled model one new texture by a LoRA of five clips, and measure how much of it comes back.

The texture paints the upper half of every drawn object yellow. "texture" is how much of it is seen in videos of clips
that the LoRA never saw, over all frames but the first: 0 where objects have their plain colour, 1 where they are as
painted. What the VAE leaves of the painted clips is the ceiling. The first frame shows the texture, with and without
the LoRA. "error" is the denoising loss on the same clips.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

CLIPS, HELD_OUT = 5, 4
RESULTS = Path(__file__).parent / "results" / "lora.json"
YELLOW = (232, 204, 36)
START = 1.0  # from noise: nearer to the animatic, the texture of the first frame moves along without any network
NEAR = 45  # grey levels: colours of an object, which is shaded


def painted(clip):
    """The clip with the texture, where an object's colour is seen inside its box."""
    frames = clip.frames.astype(np.float32)
    size = frames.shape[1]
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    for frame in range(len(frames)):
        for number, color in enumerate(clip.colors):
            x1, y1, x2, y2 = clip.boxes_xyxy[frame, number]
            upper = (x > x1) & (x < x2) & (y > y1) & (y < (y1 + y2) / 2)
            frames[frame][upper & (np.abs(frames[frame] - color).max(-1) < NEAR)] = YELLOW
    return replace(clip, frames=frames.astype(np.uint8))


class Painted(Dataset):
    def __init__(self, clips):
        self.clips = clips

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        return painted(self.clips[index])


def texture(frames, plain, painted_clip):
    """Share of the way from the plain clip to the painted one, over the pixels that differ and all frames but one."""
    before, after = (clip.frames[1:].astype(np.float32) for clip in (plain, painted_clip))
    where = np.abs(after - before).max(-1) > 2 * NEAR
    made, wanted = (frames[1:].astype(np.float32) - before)[where], (after - before)[where]
    return float((made * wanted).sum() / (wanted * wanted).sum())


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
    from smcd_core.weights.components import through_autoencoder, unpack_components
    from smcd_core.weights.defaults import DEFAULT_CHECKPOINT
    from smcd_core.weights.lora import with_loras

    start = read_checkpoint(DEFAULT_CHECKPOINT)
    parts = unpack_components(start)
    plain = SyntheticClips(held_out, split="test", size=side)
    learned, unseen = Painted(SyntheticClips(CLIPS, size=side)), Painted(plain)
    for name, clips in (("learned", learned), ("unseen", unseen)):
        encode_clips(clips, *parts, folder / name, slots=start.config.box_slots)
    data, encoded = EncodedClips(folder / "learned"), EncodedClips(folder / "unseen")
    config = TrainingConfig(
        "all", steps, batch_size=1, lr=rate, warmup=min(20, steps), cosine=True, timestep_power=0.5, lora=rank
    )  # mostly noisy steps, in which colours are decided
    lora = train(config, start.config, data, folder / "run", start=start)

    strengths = {"without": 0.0, "half": 0.5, "whole": 1.0}
    result = {"checkpoint": DEFAULT_CHECKPOINT.stem, "steps": steps, "rank": rank, "lr": rate}
    result |= {"clips": CLIPS, "held out": held_out, "start": START}
    result["bytes"] = {"lora": lora.stat().st_size, "checkpoint": DEFAULT_CHECKPOINT.stat().st_size}
    through = [through_autoencoder(parts[0], clip.frames) for clip in unseen]
    result["ceiling"] = float(np.mean([texture(*three) for three in zip(through, plain, unseen)]))
    for name, strength in strengths.items():
        pipeline = SMCDPipeline.from_pretrained(DEFAULT_CHECKPOINT, device="cpu", lora=[(lora, strength)])
        found = []
        for number, (before, clip) in enumerate(zip(plain, unseen)):
            made = pipeline(clip.frames[0], trajectory_of(clip), clip.caption, seed=number, width=side, height=side,
                            fast=True, start=START)  # fmt: skip
            found.append(texture(made, before, clip))
        loss = error(with_loras(start, [(lora, strength)]), encoded, data.null_text)
        result[name] = {"texture": float(np.mean(found)), "error": loss}
        print(name, result[name], flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--side", type=int, default=128, help="of a frame, in pixels")
    parser.add_argument("--held-out", type=int, default=HELD_OUT)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.steps, args.rank, args.lr, Path(folder), args.side, args.held_out)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
