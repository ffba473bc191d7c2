"""smcd evaluate: score a checkpoint on synthetic clips that no training has seen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="score a checkpoint on synthetic clips: do objects follow their boxes, does the first frame stay",
    )
    parser.add_argument("--checkpoint", type=Path, help="default: the bundled one")
    parser.add_argument("--components", type=Path, help="folder with vae/, text_encoder/, tokenizer/")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument(
        "--split", choices=("test", "validation"), default="test", help="choose settings on validation only"
    )
    parser.add_argument("--frames", type=int, help="default: as in training")
    parser.add_argument("--steps", type=int, help="default: that of the checkpoint")
    parser.add_argument("--cfg-text", type=float)
    parser.add_argument("--cfg-boxes", type=float)
    parser.add_argument("--cfg-image", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--device")
    parser.add_argument("--out", type=Path, default=Path("out/evaluation"), help="folder (default %(default)s)")
    parser.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..data import SyntheticClips
    from ..diffusion import Guidance
    from ..evaluation import evaluate, plot, table
    from ..pipeline import DEFAULT_CHECKPOINT, SMCDPipeline, pick_device
    from ..video import contact_sheet
    from ..weight_files import replacing

    checkpoint = args.checkpoint or DEFAULT_CHECKPOINT
    pipeline = SMCDPipeline.from_checkpoint(checkpoint, components=args.components, device=args.device or pick_device())
    defaults = pipeline.defaults
    size, frames = defaults["width"], args.frames or defaults["frames"]
    scales = {name: getattr(args, f"cfg_{name}") for name in ("text", "boxes", "image")}
    guidance = Guidance(**{name: defaults[name] if scale is None else scale for name, scale in scales.items()})
    steps = args.steps or defaults["steps"]
    clips = list(SyntheticClips(args.clips, split=args.split, size=size, num_frames=frames))
    with tqdm(total=2 * args.clips, unit="clip") as bar:
        scores, videos = evaluate(
            pipeline, clips, steps=steps, guidance=guidance, seed=args.seed, batch_size=args.batch_size,
            progress=bar.update,
        )  # fmt: skip
    settings = {"checkpoint": str(checkpoint), "split": args.split, "clips": args.clips, "frames": frames, "size": size}
    settings |= {"steps": steps, "guidance": vars(guidance), "seed": args.seed}
    args.out.mkdir(parents=True, exist_ok=True)
    with replacing(args.out / "scores.json") as path:
        path.write_text(json.dumps({"settings": settings, "scores": scores}, indent=1), encoding="utf-8")
    plot(scores, args.out / "ao_by_frame.png")
    for number, clip in enumerate(clips[:8]):
        contact_sheet(videos["smcd"][number], clip.boxes_xyxy, clip.mask, clip.colors, clip.phrases).save(
            args.out / f"clip{number:02d}.png"
        )
    print(table(scores))
    print(f"scores, plot and contact sheets: {args.out}")
