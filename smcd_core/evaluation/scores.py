"""Scores for videos: a checkpoint's on synthetic clips that no training has seen, or finished videos of any method.

Each row of a result is a list of videos, one per clip. docs/metrics.md explains each number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from diffusers import AutoencoderKL

from ..colors import background
from ..data import Clip
from ..errors import SMCDError
from ..sampling.diffusion import Guidance
from ..sampling.pipeline import Request, SMCDPipeline
from ..trajectory.dense import DenseBoxes
from ..weights.components import through_autoencoder
from .detectors import Detector
from .groups import GROUPS, grouped
from .metrics import (
    SIZES,
    bootstrap_interval,
    check_images,
    color_drift,
    color_holds,
    find_colors,
    frechet_distance,
    grounding,
    match_detections,
    psnr,
    ssim,
)
from .networks import ClipFeatures, DinoFeatures, Lpips, VideoFeatures
from .peekaboo import localization
from .point_error import PointPaths, point_error
from .sensitivity import Counterfactual, sensitivity, still_boxes

# Rows of the evaluation of a checkpoint
EVALUATION_ROWS = {
    "smcd": "the model",
    "no_boxes": "the same, boxes dropped",
    "autoencoder": "real clips through the autoencoder (ceiling)",
    "truth": "real clips (what the detector finds)",
    "static": "first frame repeated",
    "chance": "another clip's video",
}
# Scores that are means over all boxes, as in GOT-10k, or over all objects: a clip weighs as much as it has of them.
WEIGHTS = {"ao": "boxes", "sr50": "boxes", "sr75": "boxes"}
WEIGHTS |= {f"ao_{group}": f"boxes_{group}" for group in (*SIZES, *GROUPS)}
WEIGHTS |= {"epe": "points", "epe_moving": "points_moving", "epe_still": "points_still"}
WEIGHTS |= {"epe_found": "points_asked"}
WEIGHTS |= {"coverage": "objects", "miou": "objects_covered", "ap50": "boxes_found", "centroid_distance": "boxes_found"}
FVD_RESAMPLES = 200


Scores = dict[str, Any]  # a number for the clip, or a list with one for each frame


@dataclass(frozen=True)
class ScoringNetworks:
    """Networks that some scores need; without its network a score is left out.

    detector  finds the objects; without it they are found by colour, if the clip has colours
    """

    detector: Detector | None = None
    clip: ClipFeatures | None = None
    dino: DinoFeatures | None = None
    lpips: Lpips | None = None
    video: VideoFeatures | None = None


@dataclass(frozen=True)
class Result:
    """One row: mean scores by name, their 95 % intervals, and the scores of each clip."""

    scores: Scores
    intervals: dict[str, tuple[float, float]]
    clips: list[Scores]


def request_of(clip: Clip, seed: int = 0) -> Request:
    """The request that should make this clip: its first frame, boxes, phrases and caption."""
    height, width = clip.frames.shape[1:3]
    boxes = DenseBoxes(clip.boxes_xyxy, clip.mask, tuple(clip.phrases), size=(width, height))
    return Request(clip.frames[0], boxes, clip.caption, seed)


def generate_rows(
    pipeline: SMCDPipeline,
    clips: Sequence[Clip],
    *,
    steps: int,
    guidance: Guidance,
    seed: int = 0,
    batch_size: int = 4,
    match_colors: bool = False,
    progress: Callable[[int], None] = lambda clips: None,
) -> dict[str, list[np.ndarray]]:
    """Make the videos of all EVALUATION_ROWS, uint8 [F, H, W, 3]; of one clip without `chance`."""
    height, width = clips[0].frames.shape[1:3]
    settings = dict(steps=steps, guidance=guidance, width=width, height=height, match_colors=match_colors)
    requests = [request_of(clip, seed + number) for number, clip in enumerate(clips)]
    without = [replace(request, use_boxes=False) for request in requests]
    made = {
        name: generate_all(pipeline, asked, batch_size, progress, **settings)
        for name, asked in (("smcd", requests), ("no_boxes", without))
    }
    made |= {"truth": [clip.frames for clip in clips]} | reference_rows(clips, pipeline.vae)
    return {name: made[name] for name in EVALUATION_ROWS if name in made}


def generate_counterfactuals(
    pipeline: SMCDPipeline,
    clips: Sequence[Clip],
    *,
    seed: int = 0,
    batch_size: int = 4,
    progress: Callable[[int], None] = lambda clips: None,
    **settings: Any,
) -> list[Counterfactual]:
    """Make the videos of `generate_rows`, with the same seeds, for objects that are asked to stay where they start."""
    height, width = clips[0].frames.shape[1:3]
    still = [replace(clip, boxes_xyxy=still_boxes(clip.boxes_xyxy, clip.mask)) for clip in clips]
    requests = [request_of(clip, seed + number) for number, clip in enumerate(still)]
    videos = generate_all(pipeline, requests, batch_size, progress, width=width, height=height, **settings)
    return [Counterfactual(video, clip.boxes_xyxy, clip.mask) for video, clip in zip(videos, still, strict=True)]


def generate_all(
    pipeline: SMCDPipeline,
    requests: Sequence[Request],
    batch_size: int,
    progress: Callable[[int], None] = lambda clips: None,
    **settings: Any,
) -> list[np.ndarray]:
    """Generate a video for each request, `batch_size` at a time; `settings` as in `SMCDPipeline.generate`."""
    videos = []
    for start in range(0, len(requests), batch_size):
        part = requests[start : start + batch_size]
        videos += pipeline.generate(part, **settings)
        progress(len(part))
    return videos


def reference_rows(clips: Sequence[Clip], vae: AutoencoderKL) -> dict[str, list[np.ndarray]]:
    """Videos of the baseline rows: autoencoder, static, and, where there is another clip, chance."""
    real = [clip.frames for clip in clips]
    rows = {
        "autoencoder": [through_autoencoder(vae, frames) for frames in real],
        "static": [np.repeat(frames[:1], len(frames), axis=0) for frames in real],
    }
    return rows | ({"chance": [*real[1:], real[0]]} if len(real) > 1 else {})


def score_row(
    videos: Sequence[np.ndarray],
    clips: Sequence[Clip],
    networks: ScoringNetworks = ScoringNetworks(),  # noqa: B008 - it is frozen
    found: Sequence[np.ndarray] | None = None,
    others: Sequence[Counterfactual] | None = None,
) -> Result:
    """Score one row; `found` holds the boxes of the objects in each video, `others` its counterfactual, see `score`.

    Raises SMCDError without any video, or where something does not fit.
    """
    row = RowScores(networks)
    nothing = [None] * len(clips)
    counts = [len(given) for given in (videos, clips, found or nothing, others or nothing)]
    if len(set(counts)) > 1:
        raise SMCDError(
            f"found {counts[0]} videos, {counts[1]} clips, {counts[2]} found, {counts[3]} others: give equal numbers"
        )
    for each in zip(videos, clips, found or nothing, others or nothing, strict=True):
        row.add(*each)
    return row.result()


class RowScores:
    """Scores one row video by video, so that only one of them has to be in memory."""

    def __init__(self, networks: ScoringNetworks = ScoringNetworks()):  # noqa: B008 - it is frozen
        self.networks = networks
        self.entries: list[Scores] = []
        self.features: list[tuple[np.ndarray, np.ndarray] | None] = []  # for FVD, of the video and its reference

    def add(
        self,
        video: np.ndarray,
        clip: Clip,
        found: np.ndarray | None = None,
        other: Counterfactual | None = None,
        points: PointPaths | None = None,
    ) -> None:
        """Arguments as in `score`."""
        self.entries.append(score(video, clip, self.networks, found, other, points))
        if network := self.networks.video:
            whole = is_whole(clip, video)
            self.features.append((network(video), network(clip.frames)) if whole else None)

    def result(self) -> Result:
        """Raises SMCDError without any video."""
        if not self.entries:
            raise SMCDError("there are no videos to score")
        scores: Scores = {}
        intervals = {}
        for name in self.entries[0]:
            values = [entry[name] for entry in self.entries]
            if name.startswith(("boxes", "objects", "points")):
                scores[name] = sum(values)
            elif isinstance(values[0], list):
                scores[name] = _mean_by_frame(values)
            else:
                weights = [entry[WEIGHTS[name]] for entry in self.entries] if name in WEIGHTS else None
                scores[name] = mean_over_clips(values, weights)
                intervals[name] = bootstrap_interval(values, weights)
        if len(self.features) > 1 and all(self.features):
            made, real = (np.stack(part) for part in zip(*self.features))
            scores["fvd"], intervals["fvd"] = _distance_and_interval(made, real)
        return Result(scores, intervals, self.entries)


def score(
    video: np.ndarray,
    clip: Clip,
    networks: ScoringNetworks = ScoringNetworks(),  # noqa: B008
    found: np.ndarray | None = None,
    other: Counterfactual | None = None,
    points: PointPaths | None = None,
) -> Scores:
    """Score one video. `clip.frames` is the reference: the whole video, its first frame alone, or no frame.

    found   [F, N, 4] boxes of the objects in the video, zeros where there is none; default: the detector's
    other   the same request with other boxes, for control sensitivity
    points  where points should be and where a tracker found them
    """
    boxes, mask = clip.boxes_xyxy, clip.mask
    check_images(video)
    if video.ndim != 4 or len(video) != len(mask):
        raise SMCDError(
            f"the video has the shape {list(video.shape)}: give [F, H, W, 3], with {len(mask)} frames as its clip"
        )
    if found is None and networks.detector is not None:
        found = match_detections(networks.detector(video, clip.phrases), boxes, mask, clip.phrases)
    elif found is None and clip.colors is not None:
        found = find_colors(video, clip.colors)
    scores: Scores = {}
    if found is not None:
        scores |= grounding(found, boxes, mask) | grouped(found, boxes, mask)
        scores |= localization(found, boxes, mask, (video.shape[2], video.shape[1]))
        scores["ao_last"] = scores["ao_frames"][-1]
    if other is not None:
        scores |= sensitivity(video, boxes, mask, other)
    if points is not None:
        scores |= point_error(points)
    if clip.colors is not None:
        holds = color_holds(video, boxes, mask, clip.colors)
        scores |= {"color": mean_over_clips(holds), "color_last": mean_over_clips(holds[-1])}
    drift = color_drift(video, boxes, mask)
    scores |= {"color_drift": mean_over_clips(drift), "color_drift_last": mean_over_clips(drift[-1])}
    scores["color_drift_frames"] = [mean_over_clips(values) for values in drift]
    return scores | _fidelity(video, clip, networks)


def _fidelity(video: np.ndarray, clip: Clip, networks: ScoringNetworks) -> dict[str, float]:
    """Similarity of the video to its reference, in pixels and in features."""
    scores = {}
    if networks.clip is not None:
        features = networks.clip.images(video)
        scores["clip_sim"] = float((features @ networks.clip.texts([clip.caption])[0]).mean())
    if not len(clip.frames):
        return scores
    first = clip.frames[0]
    scores["first_frame_psnr"], scores["first_frame_ssim"] = psnr(video[0], first), ssim(video[0], first)
    if networks.lpips is not None:
        scores["first_frame_lpips"] = networks.lpips(video[0], first)
    for name in ("clip", "dino"):
        network = getattr(networks, name)
        if network is not None:
            cosines = (features if name == "clip" else network.images(video)) @ network.images(clip.frames[:1])[0]
            scores |= {f"{name}_first": float(cosines[0]), f"{name}_frames": float(cosines.mean())}
    if is_whole(clip, video):
        height, width = video.shape[1:3]
        scene = background(clip.boxes_xyxy, clip.mask, height, width)
        inside = ~background(clip.boxes_xyxy, clip.mask, height, width, margin=0)
        for name, where in (("background", scene), ("object", inside)):
            scores[f"{name}_psnr"] = psnr(video, clip.frames, where)
            scores[f"{name}_ssim"] = ssim(video, clip.frames, where)
    return scores


def is_whole(clip: Clip, video: np.ndarray) -> bool:
    """Whether the reference in the clip is a whole video, as long as the other."""
    return len(clip.frames) == len(video)


def fvd(
    videos: Sequence[np.ndarray], references: Sequence[np.ndarray], network: VideoFeatures, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Frechet video distance and its 95 % interval.

    Resampling repeats clips, which alone makes the distance larger. So the interval is the spread of the resampled
    distances, centred on the distance itself. It does not show the bias of few clips.
    """
    made, real = (np.stack([network(video) for video in part]) for part in (videos, references))
    return _distance_and_interval(made, real, seed)


def _distance_and_interval(made: np.ndarray, real: np.ndarray, seed: int = 0) -> tuple[float, tuple[float, float]]:
    """The same from features [K, D] of both."""
    distance, rng = frechet_distance(made, real), np.random.default_rng(seed)
    drawn = []
    for _ in range(FVD_RESAMPLES):
        chosen = rng.integers(0, len(made), len(made))
        drawn.append(frechet_distance(made[chosen], real[chosen]))
    low, high = np.quantile(drawn, [0.025, 0.975]) - np.mean(drawn) + distance
    return distance, (float(low), float(high))


def mean_over_clips(values: np.ndarray | Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Weighted mean, NaN and infinity left out; NaN without a finite value."""
    values = np.asarray(values, np.float64).ravel()
    weights = np.ones_like(values) if weights is None else np.asarray(weights, np.float64)
    use = np.isfinite(values) & (weights > 0)
    return float(np.average(values[use], weights=weights[use])) if use.any() else math.nan


def _mean_by_frame(values: Sequence[Sequence[float]]) -> list[float]:
    """Mean over clips for each frame; clips may differ in length."""
    longest = max(map(len, values))
    return [mean_over_clips([clip[frame] for clip in values if frame < len(clip)]) for frame in range(longest)]


def json_ready(value: Any) -> Any:
    """Replace what JSON lacks: paths by text, NaN and infinity by null."""
    if isinstance(value, dict):
        return {name: json_ready(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
