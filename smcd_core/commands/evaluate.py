"""smcd evaluate: score a checkpoint on synthetic or own clips, or finished videos of any method."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SMCDError
from ..terminal import say
from .arguments import note
from .evaluate_options import OF_VIDEOS, add_evaluation_options, check_options

if TYPE_CHECKING:
    from ..data import Clip
    from ..evaluation.scores import Result, ScoringNetworks


REFERENCES = "(references)"  # the row of the real videos


def add_options(parser: argparse.ArgumentParser) -> None:
    add_evaluation_options(parser)
    parser.set_defaults(run=_evaluate, extra="train")


def _evaluate(args: argparse.Namespace) -> None:
    from ..files import check_folder

    if args.download:
        os.environ["HF_HUB_OFFLINE"] = "0"  # read once, when the libraries are imported
    check_options(args)
    for folder in filter(None, (args.out, args.mot)):
        check_folder(folder)
    settings, labels, results = (_finished if args.videos else _animated)(args)
    names = ("detector", "detector_threshold", "clip", "dino", "lpips", "fvd")
    settings["networks"] = {name: getattr(args, name) for name in names if getattr(args, name)}
    finders = "--detector, --found or --by-color" if args.videos else "--detector"
    floor, ceiling = (args.floor.name if args.floor else "", REFERENCES) if args.videos else ("no_boxes", "truth")
    _write(args.out, settings, labels, results, floor, args.ceiling.name if args.ceiling else ceiling, finders)


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


def _animated(args: argparse.Namespace) -> tuple[dict, dict[str, str], dict[str, Result]]:
    import torch
    from tqdm import tqdm

    from ..data import SyntheticClips
    from ..evaluation.scores import EVALUATION_ROWS, generate_counterfactuals, generate_rows, score_row
    from ..files import replacing
    from ..sampling.devices import chosen_device, pick_dtype
    from ..sampling.pipeline import DEFAULT_CHECKPOINT, SMCDPipeline
    from ..sampling.settings import Settings, check_size
    from ..trajectory.document import PALETTE
    from ..video import contact_sheet

    tools = _tools(args)
    checkpoint = args.checkpoint or DEFAULT_CHECKPOINT
    device = chosen_device(args.device or "auto", "--device")
    dtype = getattr(torch, args.dtype) if args.dtype else pick_dtype(device)
    pipeline = SMCDPipeline.from_checkpoint(checkpoint, components=args.components, device=device, dtype=dtype)
    scales = {name: getattr(args, f"cfg_{name}") for name in ("text", "boxes", "image")}
    given = Settings.of(pipeline.defaults, width=args.size, num_frames=args.frames, steps=args.steps, **scales)
    size, frames, steps, guidance = given.width, given.num_frames, given.steps, given.guidance
    check_size(size, size, pipeline.multiple)
    if args.data:
        clips = _own_clips(args, size, frames, pipeline.smcd.config.box_slots)
    else:
        clips = list(SyntheticClips(args.clips, split=args.split, size=size, num_frames=frames))
    how: dict[str, Any] = dict(
        steps=steps, guidance=guidance, seed=args.seed, batch_size=args.batch_size, match_colors=args.match_colors
    )
    with tqdm(total=(3 if args.sensitivity else 2) * len(clips), unit="clip") as bar:
        videos = generate_rows(pipeline, clips, progress=bar.update, **how)
        others = generate_counterfactuals(pipeline, clips, progress=bar.update, **how) if args.sensitivity else None
    settings = {"checkpoint": str(checkpoint), "data": args.data, "split": None if args.data else args.split}
    settings |= {"clips": len(clips), "frames": frames, "size": size}
    settings |= {"steps": steps, "guidance": vars(guidance), "seed": args.seed, "match_colors": args.match_colors}
    settings["dtype"] = str(dtype).removeprefix("torch.")
    args.out.mkdir(parents=True, exist_ok=True)
    for place, clip in enumerate(clips[:8]):
        colors = clip.colors or [PALETTE[n % len(PALETTE)] for n in range(len(clip.phrases))]
        sheet = contact_sheet(videos["smcd"][place], clip.boxes_xyxy, clip.mask, colors, clip.phrases)
        with replacing(args.out / f"clip{place:02d}.png") as path:
            sheet.save(path, format="PNG")
    results = {
        name: score_row(made, clips, tools, others=others if name == "smcd" else None) for name, made in videos.items()
    }
    return settings, EVALUATION_ROWS, results


def _own_clips(args: argparse.Namespace, size: int, frames: int, slots: int) -> list[Clip]:
    """One clip of each video, with its largest objects; what is left out is said."""
    from ..data import FolderClips, read_all

    videos, clips = FolderClips(args.data, size=size, num_frames=frames, phrase=args.phrase, seed=args.seed), []
    for index, clip in read_all(videos):
        if isinstance(clip, SMCDError):
            note(f"left out {clip}")
        elif not clip.phrases:
            note(f"left out {videos.name_of(index)}: has no boxes")
        else:
            boxes, mask = clip.boxes_xyxy[:, :slots], clip.mask[:, :slots]
            clips.append(replace(clip, boxes_xyxy=boxes, mask=mask, phrases=clip.phrases[:slots]))
        if len(clips) == args.clips:
            break
    if not clips:
        raise SMCDError(f"{args.data}: none of its {len(videos)} videos gives a clip of {frames} frames with boxes")
    return clips


def _finished(args: argparse.Namespace) -> tuple[dict, dict[str, str], dict[str, Result]]:
    from ..evaluation.finished_videos import VideoSources, read_prompts, read_videos
    from ..evaluation.metrics import unmatched
    from ..evaluation.mot import MotFiles
    from ..evaluation.scores import RowScores, is_whole

    size = args.size or 256  # as the published evaluation
    prompts = read_prompts(args.prompts) if args.prompts else None
    tools = _tools(args)
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
    said: set[str] = set()  # on boxes, which are the same for every folder
    # The ceiling: the real videos by the same measures. Boxes found in other videos say nothing about them.
    references = None if args.found else RowScores(tools)
    mot = MotFiles(args.mot) if args.mot else None
    nothing = [None] * len(args.videos)
    more = (args.found or nothing, args.counterfactuals or nothing, args.found_points or nothing)
    for folder, found, others, points in zip(args.videos, *more):
        if folder.name in results:
            raise SMCDError(f"{folder}: a second folder named {folder.name!r}; rename one, as folders name the rows")
        row, read, misnamed = RowScores(tools), [], []
        for one in read_videos(folder, sources, found=found, counterfactuals=others, points=points, size=size):
            row.add(one.frames, one.clip, one.found, one.other, one.points)
            read.append(one.key)
            for remark in dict.fromkeys(one.remarks):
                if remark not in said:
                    note(remark)
            said.update(one.remarks)
            if one.tracks is not None:
                labels, phrases = unmatched(one.tracks.phrases, one.clip.phrases)
                if labels and phrases:
                    misnamed.append((labels, phrases))
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
        _note_misnamed(folder.name, misnamed, len(read))
        results[folder.name] = row.result()
        _note_equal(folder.name, row.entries)
    if references is not None:
        results[REFERENCES] = references.result()
    settings = {name: getattr(args, name) for name in ("videos", *OF_VIDEOS)}
    return settings | {"size": size, "clips": keys}, {name: name for name in results}, results


def _note_misnamed(row: str, misnamed: Sequence[tuple[list[str], list[str]]], count: int) -> None:
    """Say which labels and phrases do not fit, by video that has any, of `count` videos."""
    from ..evaluation.metrics import listed

    if misnamed:
        labels, phrases = (listed(itertools.chain.from_iterable(names)) for names in zip(*misnamed))
        note(
            f"{row}: found boxes are labelled {labels} where phrases are {phrases}, in {len(misnamed)} of {count} "
            "videos: these objects count as not found. Name them alike, or leave the labels out"
        )


def _note_equal(row: str, entries: Sequence[dict[str, Any]]) -> None:
    """Say of how many videos a PSNR is, where others equal their reference and have none."""
    for name in ("first_frame_psnr", "object_psnr", "background_psnr"):
        equal = sum(scores.get(name) == math.inf for scores in entries)
        if 0 < equal < len(entries):
            count = f"{len(entries) - equal} of {len(entries)} videos"
            note(f"{row}: {name} is of {count}, as the others equal their reference there")


def _write(
    out: Path,
    settings: dict,
    labels: dict[str, str],
    results: dict[str, Result],
    floor: str,
    ceiling: str,
    finders: str,
) -> None:
    from ..evaluation.networks import VIDEO_FRAMES
    from ..evaluation.plots import plot_all
    from ..evaluation.scores import json_ready
    from ..evaluation.tables import between, groups_table, left_out, legend, share_table, table
    from ..files import write_texts

    out.mkdir(parents=True, exist_ok=True)
    content = {"settings": settings | {"fvd_shorter_clips": f"last frame held up to {VIDEO_FRAMES} frames"}}
    content["scores"] = {name: row.scores for name, row in results.items()}
    content["intervals"] = {name: row.intervals for name, row in results.items()}
    content["by_clip"] = {name: row.clips for name, row in results.items()}
    parts = [legend(results), left_out(results, labels, floor, ceiling, finders)]
    parts += [table(results, labels), groups_table(results, labels)]
    if floor in results and ceiling in results:
        content["between"] = {name: between(row, results[floor], results[ceiling]) for name, row in results.items()}
        parts.append(share_table(results, labels, floor, ceiling))
    text = "\n\n".join(filter(None, parts))
    try:
        numbers = json.dumps(json_ready(content), indent=1)
        write_texts({out / "scores.json": numbers + "\n", out / "scores.md": text + "\n"})
        plot_all(results, labels, out)
    finally:
        say(text)  # the work of hours, also on a full disk
    say(f"scores, plots and pictures: {out}")
