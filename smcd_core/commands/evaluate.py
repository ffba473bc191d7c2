"""smcd evaluate: score a checkpoint on synthetic clips, or finished videos of any method."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SMCDError
from ..terminal import say
from .arguments import number, whole

if TYPE_CHECKING:
    from ..evaluation.scores import Result, ScoringNetworks


REFERENCES = "(references)"  # the row of the real videos


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Without --videos, animates synthetic clips that no training has seen and scores the results. With --videos, "
        "scores videos of any method. docs/metrics.md explains the numbers."
    )
    _add_checkpoint_options(parser.add_argument_group("a checkpoint on synthetic clips"))
    finished = parser.add_argument_group("finished videos")
    _add_video_options(finished)
    _add_point_options(finished)
    _add_comparison_options(finished)
    _add_network_options(
        parser.add_argument_group("networks", "your own folders and files; only --download fetches anything")
    )
    parser.add_argument(
        "--size",
        type=whole(1, 16384),
        help="pixels of each side of a frame (default: as in training; 256 for finished videos)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.add_argument("--out", type=Path, default=Path("out/evaluation"), help="folder (default %(default)s)")
    parser.set_defaults(run=_evaluate, extra="train")


def _add_checkpoint_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--checkpoint", type=Path, help="file or folder of weights (default: the bundled one)")
    group.add_argument("--components", type=Path, help="folder with vae/, text_encoder/, tokenizer/, or a checkpoint")
    group.add_argument("--clips", type=whole(1, 10**6), default=64, help="how many to animate (default %(default)s)")
    group.add_argument(
        "--split", choices=("test", "validation"), default="test", help="choose settings on validation only"
    )
    group.add_argument("--frames", type=whole(1, 4096), help="frames per clip (default: as in training)")
    group.add_argument("--steps", type=whole(1, 1000), help="denoising steps (default: the checkpoint's)")
    for name in ("text", "boxes", "image"):
        group.add_argument(
            f"--cfg-{name}", type=number(-100, 100), metavar="SCALE", help=f"guidance scale of the {name}"
        )
    group.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        help="of the networks (default: half precision on an NVIDIA GPU, else float32)",
    )
    group.add_argument("--match-colors", action="store_true", help="match colours to those of the first frame")
    group.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=0, help="random seed of the first clip (default %(default)s)"
    )
    group.add_argument("--batch-size", type=whole(1, 10**4), default=4, help="videos per call (default %(default)s)")
    group.add_argument(
        "--sensitivity", action="store_true", help="animate each clip once more, with boxes that stay where they start"
    )


def _add_video_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--videos", type=Path, nargs="+", metavar="DIR", help="one folder per method, with the same file names"
    )
    group.add_argument(
        "--trajectories", type=Path, metavar="DIR", help="boxes, named like the videos (default: beside or in them)"
    )
    group.add_argument(
        "--references", type=Path, metavar="DIR", help="real videos or first frames, named like the videos"
    )
    group.add_argument("--prompts", type=Path, metavar="JSON", help="sentence of each video, for CLIP-SIM")
    group.add_argument(
        "--found", type=Path, nargs="+", metavar="DIR", help="boxes of the objects in each folder of --videos"
    )
    group.add_argument(
        "--by-color",
        action="store_true",
        help="find objects by the colour that they have in the first frame: for drawings only",
    )
    group.add_argument(
        "--mot", type=Path, metavar="DIR", help="write the boxes and those of --found here, for TrackEval's HOTA"
    )
    group.add_argument(
        "--counterfactuals",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="for each folder of --videos, the same requests and seeds with other boxes",
    )
    group.add_argument(
        "--counterfactual-trajectories", type=Path, metavar="DIR", help="these other boxes (default: beside or in them)"
    )


def _add_point_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--points", type=Path, metavar="DIR", help="where points should be: the coordinates of SMCD Tracks, or .npy"
    )
    group.add_argument(
        "--found-points", type=Path, nargs="+", metavar="DIR", help="where a tracker found them in each of --videos"
    )


def _add_comparison_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--floor", type=Path, metavar="DIR", help="the folder of --videos made without control")
    group.add_argument(
        "--ceiling", type=Path, metavar="DIR", help="the folder of --videos that is real (default: --references)"
    )


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--detector", metavar="MODEL", help="Grounding DINO or OWLv2 as transformers saves it")
    group.add_argument(
        "--detector-threshold", type=number(0, 1), default=0.25, help="minimum score, 0..1 (default %(default)s)"
    )
    group.add_argument("--clip", metavar="MODEL", help="for CLIP-SIM and the first frame")
    group.add_argument("--dino", metavar="MODEL", help="DINO or DINOv2, for the first frame")
    group.add_argument(
        "--lpips", type=Path, nargs=2, metavar=("ALEXNET", "HEADS"), help="weights of torchvision, and LPIPS' alex.pth"
    )
    group.add_argument(
        "--fvd", type=Path, metavar="TORCHSCRIPT", help="I3D; the file is a program and runs: use only one you trust"
    )
    group.add_argument("--download", action="store_true", help="MODEL may be a name on the Hugging Face Hub")


def _evaluate(args: argparse.Namespace) -> None:
    from ..files import check_folder

    if args.download:
        os.environ["HF_HUB_OFFLINE"] = "0"  # read once, when the libraries are imported
    _check(args)
    for folder in filter(None, (args.out, args.mot)):
        check_folder(folder)
    tools = _tools(args)
    settings, labels, results = (_finished if args.videos else _synthetic)(args, tools)
    names = ("detector", "detector_threshold", "clip", "dino", "lpips", "fvd")
    settings["networks"] = {name: getattr(args, name) for name in names if getattr(args, name)}
    floor, ceiling = (args.floor.name if args.floor else "", REFERENCES) if args.videos else ("no_boxes", "truth")
    _write(args.out, settings, labels, results, floor, args.ceiling.name if args.ceiling else ceiling)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    videos = args.videos or []
    for name in ("found", "counterfactuals", "found_points"):
        given = getattr(args, name)
        if given and len(given) != len(videos):
            option = name.replace("_", "-")
            raise SMCDError(f"--{option} names {len(given)} folders, --videos {len(videos)}: one each is needed")
    if args.found and args.detector:
        raise SMCDError("--found and --detector both say where the objects are: give one of them")
    if args.by_color and (args.found or args.detector):
        raise SMCDError("--by-color finds the objects, as --found and --detector do: give one of them")
    if args.counterfactual_trajectories and not args.counterfactuals:
        raise SMCDError("--counterfactual-trajectories are the boxes of --counterfactuals: give both")
    if args.sensitivity and args.videos:
        raise SMCDError("--sensitivity animates synthetic clips: give finished videos with --counterfactuals")
    if args.mot and not args.found:
        raise SMCDError("--mot writes the tracks of --found: give both")
    if bool(args.points) != bool(args.found_points):
        raise SMCDError("--points says where points should be, --found-points where they are: give both")
    for option, folder in (("--floor", args.floor), ("--ceiling", args.ceiling)):
        if folder is not None and folder not in videos:
            raise SMCDError(f"{option} {folder}: is none of the folders of --videos; add it there")
    if args.ceiling and not args.floor:
        raise SMCDError("--ceiling is the other end of --floor: give both")


def _tools(args: argparse.Namespace) -> ScoringNetworks:
    from ..evaluation.detectors import Detector
    from ..evaluation.networks import ClipFeatures, DinoFeatures, Lpips, VideoFeatures
    from ..evaluation.scores import ScoringNetworks
    from ..sampling.devices import chosen_device

    where: dict[str, Any] = {"device": chosen_device(args.device or "auto", "--device")}
    source = where | {"download": args.download}
    threshold = args.detector_threshold
    return ScoringNetworks(
        Detector.from_pretrained(args.detector, threshold=threshold, **source) if args.detector else None,
        ClipFeatures.from_pretrained(args.clip, **source) if args.clip else None,
        DinoFeatures.from_pretrained(args.dino, **source) if args.dino else None,
        Lpips.from_files(*args.lpips, **where) if args.lpips else None,
        VideoFeatures.from_file(args.fvd, **where) if args.fvd else None,
    )


def _synthetic(args: argparse.Namespace, tools: ScoringNetworks) -> tuple[dict, dict[str, str], dict[str, Result]]:
    import torch
    from tqdm import tqdm

    from ..data import SyntheticClips
    from ..evaluation.scores import EVALUATION_ROWS, generate_counterfactuals, generate_rows, score_row
    from ..sampling.devices import chosen_device, pick_dtype
    from ..sampling.pipeline import DEFAULT_CHECKPOINT, SMCDPipeline
    from ..sampling.settings import Settings
    from ..video import contact_sheet

    checkpoint = args.checkpoint or DEFAULT_CHECKPOINT
    device = chosen_device(args.device or "auto", "--device")
    dtype = getattr(torch, args.dtype) if args.dtype else pick_dtype(device)
    pipeline = SMCDPipeline.from_checkpoint(checkpoint, components=args.components, device=device, dtype=dtype)
    scales = {name: getattr(args, f"cfg_{name}") for name in ("text", "boxes", "image")}
    given = Settings.of(pipeline.defaults, width=args.size, num_frames=args.frames, steps=args.steps, **scales)
    size, frames, steps, guidance = given.width, given.num_frames, given.steps, given.guidance
    clips = list(SyntheticClips(args.clips, split=args.split, size=size, num_frames=frames))
    how: dict[str, Any] = dict(
        steps=steps, guidance=guidance, seed=args.seed, batch_size=args.batch_size, match_colors=args.match_colors
    )
    with tqdm(total=(3 if args.sensitivity else 2) * args.clips, unit="clip") as bar:
        videos = generate_rows(pipeline, clips, progress=bar.update, **how)
        others = generate_counterfactuals(pipeline, clips, progress=bar.update, **how) if args.sensitivity else None
    settings = {"checkpoint": str(checkpoint), "split": args.split, "clips": args.clips, "frames": frames, "size": size}
    settings |= {"steps": steps, "guidance": vars(guidance), "seed": args.seed, "match_colors": args.match_colors}
    settings["dtype"] = str(dtype).removeprefix("torch.")
    args.out.mkdir(parents=True, exist_ok=True)
    for place, clip in enumerate(clips[:8]):
        contact_sheet(videos["smcd"][place], clip.boxes_xyxy, clip.mask, clip.colors, clip.phrases).save(
            args.out / f"clip{place:02d}.png"
        )
    results = {
        name: score_row(made, clips, tools, others=others if name == "smcd" else None) for name, made in videos.items()
    }
    return settings, EVALUATION_ROWS, results


def _finished(args: argparse.Namespace, tools: ScoringNetworks) -> tuple[dict, dict[str, str], dict[str, Result]]:
    from ..evaluation.finished_videos import VideoSources, read_prompts, read_videos
    from ..evaluation.mot import MotFiles
    from ..evaluation.scores import RowScores, is_whole

    size = args.size or 256  # as the published evaluation
    prompts = read_prompts(args.prompts) if args.prompts else None
    sources = VideoSources(
        args.trajectories,
        args.references,
        prompts,
        counterfactual_trajectories=args.counterfactual_trajectories,
        points=args.points,
        by_color=args.by_color,
    )
    results: dict[str, Result] = {}
    keys: list[str] = []
    # The ceiling: the real videos by the same measures. Boxes found in other videos say nothing about them.
    references = None if args.found else RowScores(tools)
    mot = MotFiles(args.mot) if args.mot else None
    nothing = [None] * len(args.videos)
    more = (args.found or nothing, args.counterfactuals or nothing, args.found_points or nothing)
    for folder, found, others, points in zip(args.videos, *more):
        if folder.name in results:
            raise SMCDError(f"{folder}: a second folder named {folder.name!r}; rename one, as folders name the rows")
        row, read = RowScores(tools), []
        for one in read_videos(folder, sources, found=found, counterfactuals=others, points=points, size=size):
            row.add(one.frames, one.clip, one.found, one.other, one.points)
            read.append(one.key)
            if mot and one.tracks is not None:
                mot.add(folder.name, one.key, one.asked, one.tracks)
            whole = is_whole(one.clip, one.frames)
            if tools.video and not whole:
                raise SMCDError("--fvd compares with real videos: give them with --references")
            if not whole:
                references = None
            elif references is not None and folder == args.videos[-1]:
                references.add(one.clip.frames, one.clip)
        if results and read != keys:
            missing = sorted(set(keys) ^ set(read))
            raise SMCDError(f"{folder} and {args.videos[0]} must hold the same videos; only in one: {missing[:5]}")
        keys = read
        results[folder.name] = row.result()
    if references is not None:
        results[REFERENCES] = references.result()
    given = (
        "videos",
        "trajectories",
        "references",
        "prompts",
        "found",
        "counterfactuals",
        "points",
        "floor",
        "ceiling",
    )
    settings = {name: getattr(args, name) for name in given}
    return settings | {"size": size, "clips": keys}, {name: name for name in results}, results


def _write(
    out: Path, settings: dict, labels: dict[str, str], results: dict[str, Result], floor: str, ceiling: str
) -> None:
    from ..evaluation.networks import VIDEO_FRAMES
    from ..evaluation.plots import plot_all
    from ..evaluation.scores import json_ready
    from ..evaluation.tables import between, groups_table, legend, share_table, table
    from ..files import replacing

    out.mkdir(parents=True, exist_ok=True)
    content = {"settings": settings | {"fvd_shorter_clips": f"last frame held up to {VIDEO_FRAMES} frames"}}
    content["scores"] = {name: row.scores for name, row in results.items()}
    content["intervals"] = {name: row.intervals for name, row in results.items()}
    content["by_clip"] = {name: row.clips for name, row in results.items()}
    tables = [legend(results), table(results, labels), groups_table(results, labels)]
    if floor in results and ceiling in results:
        content["between"] = {name: between(row, results[floor], results[ceiling]) for name, row in results.items()}
        tables.append(share_table(results, labels, floor, ceiling))
    with replacing(out / "scores.json") as path:
        path.write_text(json.dumps(json_ready(content), indent=1) + "\n", encoding="utf-8")
    text = "\n\n".join(filter(None, tables))
    with replacing(out / "scores.md") as path:
        path.write_text(text + "\n", encoding="utf-8")
    plot_all(results, labels, out)
    say(text)
    say(f"scores, plots and pictures: {out}")
