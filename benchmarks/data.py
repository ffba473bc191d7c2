"""Time and peak memory of reading a clip from disk, compared with the published way.

The published way decodes each frame at full size and then resizes it, in one process. A clip is 8 frames of 256 x 256
pixels: from a GOT-10k sequence of 1280 x 720 JPEGs, from the same sequence as an .mp4 with one keyframe, or as latents
that the VAE encoded beforehand. "processor" is the CPU time of all processes together, which depends less on a busy
machine. The sequences are written to --folder first, so they are in the system's cache when they are read.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from measure import arguments, main_with_folder, peak_memory

FRAMES = 8


def _write(args: argparse.Namespace) -> dict[str, float]:
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    from smcd_core.data import render_clip
    from smcd_core.video import write_video

    width, height, length = (160, 96, 12) if args.tiny else (1280, 720, 100)
    rng = np.random.default_rng(0)
    # Grain, because an image without it decodes faster than a photo.
    grain = rng.normal(0, 6, (height, width, 1)).astype(np.float32)
    for number in range(1, args.videos + 1):
        clip = render_clip(number, size=max(width, height), num_frames=length)
        frames = (clip.frames[:, :height] + grain).clip(0, 255).astype(np.uint8)
        folder = args.folder / "train" / f"GOT-10k_Train_{number:06d}"
        folder.mkdir(parents=True)
        for index, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(folder / f"{index:08d}.jpg", quality=90)
        boxes = clip.boxes_xyxy[:, 0] * max(width, height)
        rows = "".join(f"{x1:.4f},{y1:.4f},{x2 - x1:.4f},{y2 - y1:.4f}\n" for x1, y1, x2, y2 in boxes)
        (folder / "groundtruth.txt").write_text(rows)
        meta = f"[METAINFO]\nobject_class: sprite\nmotion_class: moving\nresolution: ({width}, {height})\n"
        (folder / "meta_info.ini").write_text(meta)
        (args.folder / "videos").mkdir(exist_ok=True)
        write_video(frames, args.folder / "videos" / f"{number:06d}.mp4", 24, {})
        (args.folder / "videos" / f"{number:06d}.txt").write_text("a sprite moves")
    shapes = {"latents": (FRAMES, 4, 32, 32), "text": (77, 1024), "boxes_xyxy": (FRAMES, 8, 4), "mask": (FRAMES, 8)}
    count = args.videos * args.passes
    stored = {name: torch.randn(count, *shape).half() for name, shape in (shapes | {"phrases": (8, 1024)}).items()}
    save_file(stored | {"null_text": torch.zeros(77, 1024)}, args.folder / "clips-00000.safetensors")
    return {}


def _measure(args: argparse.Namespace, clips) -> dict[str, float]:
    """Time an iterator over one clip per video and pass."""
    began, used, count = time.perf_counter(), _processor_time(), 0
    for _ in clips:
        count += 1
    if count != args.videos * args.passes:
        raise RuntimeError(f"read {count} clips of {args.videos * args.passes}")
    took, used = time.perf_counter() - began, _processor_time() - used
    return {"clip_s": took / count, "processor_s": used / count, "peak_memory_bytes": peak_memory()}


def _processor_time() -> float:
    """CPU time of this process and of workers that have ended."""
    return sum(os.times()[:4])


def published(args: argparse.Namespace) -> dict[str, float]:
    import numpy as np
    from PIL import Image

    def clip(number: int):
        folder = sequences[number % len(sequences)]
        files = sorted(folder.glob("*.jpg"))
        np.loadtxt(folder / "groundtruth.txt", delimiter=",")
        start = int(rng.integers(len(files) - FRAMES + 1))
        images = [
            Image.open(file, formats=["JPEG"]).convert("RGB").resize((256, 256), 2)
            for file in files[start : start + FRAMES]
        ]
        return np.stack([np.asarray(image) for image in images])

    rng, sequences = np.random.default_rng(0), sorted((args.folder / "train").iterdir())
    return _measure(args, map(clip, range(args.videos * args.passes)))


def got10k(args: argparse.Namespace) -> dict[str, float]:
    from smcd_core.data import GOT10kClips, stream

    return _measure(args, stream(GOT10kClips(args.folder, passes=args.passes)))


def got10k_workers(args: argparse.Namespace) -> dict[str, float]:
    from smcd_core.data import GOT10kClips, stream

    return _measure(args, stream(GOT10kClips(args.folder, passes=args.passes), workers=2))


def videos(args: argparse.Namespace) -> dict[str, float]:
    from smcd_core.data import FolderClips, stream

    return _measure(args, stream(FolderClips(args.folder / "videos", passes=args.passes)))


def latents(args: argparse.Namespace) -> dict[str, float]:
    from smcd_core.training.encoded import EncodedClips

    return _measure(args, iter(EncodedClips(args.folder)))


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write the data (default: a temporary folder)")
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--passes", type=int, default=20, help="clips per video (default %(default)s)")
    args = parser.parse_args()
    cases = {
        "JPEGs, the published way": published,
        "JPEGs here": got10k,
        "JPEGs here, 2 workers": got10k_workers,
        "videos here": videos,
        "latents here": latents,
    }
    main_with_folder("data", args, cases, _write)
