"""Measures of how well a video follows its boxes and keeps its first frame.

F frames, N objects. Boxes are xyxy in units of the frame, 0..1; frames are uint8 RGB. docs/metrics.md explains each
number and what it was checked against.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import ndimage, optimize, stats

from ..colors import middle_colors, to_lab
from ..errors import SMCDError
from ..trajectory.dense import area, iou
from ..trajectory.document import COORDINATE_RANGE

MIN_CHROMA = 55  # max - min of RGB, 0..255; scenes of the synthetic clips stay below, their sprites above
MAX_HUE_DISTANCE = 18  # degrees; half of the smallest distance between two sprite colours
MIN_AREA = 1e-3  # of the frame; a smaller patch is noise
# IoU of an object's box and the patch of its colour, above which the colour tells where the object is. 935 drawn
# clips have 0.89 or more; demo/coffee has 0.37, demo/rocket 0.23, and of 2,400 boxes at random places on eight
# photographs 3 have more than 0.6. A box drawn by hand, a tenth wider and higher on each side, still has 0.69.
MIN_TOLD = 0.6
# Size classes by the square root of a box's area, in units of the frame; each value is the upper limit.
SIZES = {"tiny": 1 / 8, "small": 1 / 4, "medium": 1 / 3, "large": math.inf}


def grounding(found: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> dict[str, float | list[float]]:
    """Score the boxes found in one clip, [F, N, 4] with zeros where nothing was found, against boxes and mask [F, N].

    ao         average overlap: mean IoU over the visible boxes
    sr50       success rate: share of visible boxes with an IoU above 0.5
    sr75       the same for 0.75
    ao_frames  F values, NaN for a frame without a visible box
    ao_tiny .. ao_large, boxes_tiny .. boxes_large   AO and count of the visible boxes in each of SIZES
    boxes      count of visible boxes, the weight of the clip in a mean over all boxes, as in GOT-10k

    Scores are NaN where there are no visible boxes.
    """
    overlap = overlaps(found, boxes, mask)
    seen = overlap[mask]
    count = mask.sum(1)
    frames = np.divide(np.nansum(overlap, 1), count, out=np.full(len(mask), np.nan), where=count > 0)
    scores = {
        "ao": mean_of(seen),
        "sr50": mean_of(seen > 0.5),
        "sr75": mean_of(seen > 0.75),
        "ao_frames": frames.tolist(),
        "boxes": int(mask.sum()),
    }
    sizes = np.digitize(np.sqrt(area(boxes)[mask]), list(SIZES.values()))
    for place, name in enumerate(SIZES):
        scores |= {f"ao_{name}": mean_of(seen[sizes == place]), f"boxes_{name}": int((sizes == place).sum())}
    return scores


def overlaps(found: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """IoU [F, N] of found boxes with boxes [F, N, 4] as by GOT-10k's toolkit, NaN where the mask is False."""
    check_boxes(found, boxes, mask)
    return np.where(mask, iou(_bounded(found), _bounded(boxes)), np.nan)


def check_boxes(found: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> None:
    """Raise SMCDError for other shapes than [F, N, 4] twice and [F, N], or numbers that are no share of a frame."""
    if not found.shape == boxes.shape == (*mask.shape, 4) or mask.ndim != 2 or mask.dtype != bool:
        shapes = ", ".join(f"{part.dtype} {list(part.shape)}" for part in (found, boxes, mask))
        raise SMCDError(f"found boxes, boxes and mask are {shapes}: give [F, N, 4] twice, and a mask of bool [F, N]")
    limit = COORDINATE_RANGE[1]
    for name, part in (("found boxes", found), ("boxes", boxes)):
        if not (np.abs(part[mask]) <= limit).all():  # false for NaN
            raise SMCDError(
                f"{name} hold NaN or numbers beyond {limit:g}: give units of the frame, pixels divided by its width "
                "and height, and zeros where nothing was found"
            )


def check_images(*images: np.ndarray) -> None:
    """Raise SMCDError for images of other types than uint8, or of different shapes."""
    if any(part.dtype != np.uint8 or part.shape != images[0].shape or part.shape[-1] != 3 for part in images):
        found = " and ".join(f"{part.dtype} {list(part.shape)}" for part in images)
        raise SMCDError(f"found images of {found}: give uint8 [..., H, W, 3], of one shape")


def _bounded(boxes: np.ndarray) -> np.ndarray:
    """Boxes moved into the frame as by GOT-10k's toolkit, which makes the official numbers.

    A box that starts left of or above the frame is moved, then its right and lower edges are cut; cutting on all sides
    would be right.
    """
    start = boxes[..., :2].clip(0, 1)
    return np.concatenate([start, (start + boxes[..., 2:] - boxes[..., :2]).clip(start, 1)], -1)


def mean_of(values: np.ndarray) -> float:
    """The mean, NaN of nothing."""
    return float(values.mean()) if values.size else math.nan


def assign(overlap: np.ndarray) -> np.ndarray:
    """Assign candidates to objects so that the sum of their overlaps is largest.

    overlap  [N, M], not negative; 0 where a candidate cannot be that object
    returns  [N], index of each object's candidate, -1 for none

    Source: Kuhn (1955), the Hungarian method.
    """
    result = np.full(overlap.shape[0], -1)
    rows, columns = optimize.linear_sum_assignment(overlap, maximize=True)
    keep = overlap[rows, columns] > 0
    result[rows[keep]] = columns[keep]
    return result


def match_tracks(
    found: np.ndarray,
    found_mask: np.ndarray,
    found_phrases: Sequence[str],
    boxes: np.ndarray,
    mask: np.ndarray,
    phrases: Sequence[str],
) -> np.ndarray:
    """Put found tracks [F, M, 4] in the order of the objects: [F, N, 4], zeros where nothing was found.

    A track is one object for the whole clip. A track with a phrase is only matched with objects of that phrase,
    whatever its capitals, and with objects without one.
    """
    if not found.shape[1]:
        return np.zeros_like(boxes, dtype=np.float64)
    present = found * found_mask[..., None]
    overlap = (iou(boxes[:, :, None], present[:, None]) * mask[..., None]).sum(0)  # [N, M]
    chosen = assign(overlap * _fits(found_phrases, phrases))
    return np.where((chosen >= 0)[:, None], present[:, chosen.clip(0)], 0.0)


def unmatched(labels: Sequence[str], phrases: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels of tracks that fit no object, and the phrases of objects that fit no track."""
    fits = _fits(labels, phrases)
    lost = [np.array(names, object)[~some] for names, some in ((labels, fits.any(0)), (phrases, fits.any(1)))]
    return list(dict.fromkeys(lost[0])), list(dict.fromkeys(lost[1]))


def listed(names: Iterable[str]) -> str:
    """A few of some names, in quotes."""
    different = list(dict.fromkeys(names))
    return ", ".join(repr(name[:40]) for name in different[:3]) + (", ..." if len(different) > 3 else "")


def _fits(labels: Sequence[str], phrases: Sequence[str]) -> np.ndarray:
    """[N, M], whether a track with that label may be the object with that phrase. Nothing is known of one without."""
    names, words = ([name.strip().casefold() for name in some] for some in (labels, phrases))
    fits = [[not name or not word or name == word for name in names] for word in words]
    return np.array(fits, bool).reshape(len(words), len(names))


def match_detections(
    detections: Sequence[Mapping[str, tuple[np.ndarray, np.ndarray]]],
    boxes: np.ndarray,
    mask: np.ndarray,
    phrases: Sequence[str],
) -> np.ndarray:
    """Put detections in the order of the objects: [F, N, 4], zeros where nothing was found.

    detections  for each frame: phrase -> (boxes [K, 4], scores [K])

    In each frame, as many detections of a phrase count as there are visible objects with it, those with the highest
    scores; `assign` tells which is which. More would reward a detector, or a model, that shows an object everywhere.
    """
    found = np.zeros_like(boxes, dtype=np.float64)
    for frame, by_phrase in enumerate(detections):
        for phrase in dict.fromkeys(phrases):
            wanted = [n for n, name in enumerate(phrases) if name == phrase and mask[frame, n]]
            candidates, scores = by_phrase[phrase]
            candidates = candidates[np.argsort(-scores, kind="stable")[: len(wanted)]]
            chosen = assign(iou(boxes[frame, wanted][:, None], candidates[None]))
            for n, candidate in zip(wanted, chosen):
                if candidate >= 0:
                    found[frame, n] = candidates[candidate]
    return found


def bootstrap_interval(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of the (weighted) mean over clips; the same values give the same interval.

    values   one per clip; values that are not finite are left out
    weights  such as the number of boxes in each clip, for a mean over all boxes

    Returns NaN twice if no value is finite. Source: Efron (1979), percentile interval.
    """
    values = np.asarray(values, np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, np.float64)
    use = np.isfinite(values) & (weights > 0)
    values, weights = values[use], weights[use]
    if not values.size:
        return math.nan, math.nan
    if values.size == 1:
        return float(values[0]), float(values[0])

    def mean(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
        return (values * weights).sum(axis) / weights.sum(axis)

    interval = stats.bootstrap(
        (values, weights), mean, paired=True, vectorized=True, n_resamples=resamples, confidence_level=confidence,
        method="percentile", random_state=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return float(interval.low), float(interval.high)


def find_colors(frames: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Find the largest patch of each colour: frames [F, H, W, 3], N colours -> boxes [F, N, 4], zeros for none.

    This is the detector for synthetic clips, where only objects are saturated. A pixel counts if it is colourful and
    has the object's hue, whatever its brightness.
    """
    height, width = frames.shape[1:3]
    chroma, hue = _chroma_and_hue(frames)
    found = np.zeros((len(frames), len(colors), 4))
    for n, color in enumerate(colors):
        hits = _has_hue(chroma, hue, np.array(color))  # [F, H, W]
        for frame, pixels in enumerate(hits):
            patches, count = ndimage.label(pixels)
            if not count:
                continue
            sizes = np.bincount(patches.ravel())[1:]
            if sizes.max() < MIN_AREA * height * width:
                continue
            rows, columns = ndimage.find_objects(patches)[sizes.argmax()]
            found[frame, n] = (columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)
    return found


def first_colors(picture: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> list[tuple[int, int, int]]:
    """The colour of each object in the picture uint8 [H, W, 3]: of the middle of its first visible box."""
    height, width = picture.shape[:2]
    colors = []
    for n in range(boxes.shape[1]):
        x1, y1, x2, y2 = boxes[mask[:, n].argmax(), n]
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        colors.append(tuple(picture[min(int(y * height), height - 1), min(int(x * width), width - 1)].tolist()))
    return colors


def colors_tell(
    first_frame: np.ndarray, boxes: np.ndarray, mask: np.ndarray, colors: Sequence[tuple[int, int, int]]
) -> np.ndarray:
    """Whether `find_colors` can find each object: its colour must find it in the first frame, where its place is known.

    first_frame  uint8 [H, W, 3], the requested one: in a video's own, objects may be elsewhere
    boxes, mask  as asked for, [F, N, 4] and [F, N]
    colors       N colours, of the clip or by `first_colors`

    returns bool [N]. False for an object of a photograph, for two objects of one colour, and for an object that comes
    later, whose colour the first frame does not show. True for an object that is never visible and has no score.
    """
    if not len(colors):
        return np.ones(0, bool)
    told = iou(find_colors(first_frame[None], colors)[0], boxes[0]) >= MIN_TOLD
    return (told & mask[0]) | ~mask.any(0)


def _chroma_and_hue(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RGB [..., 3] -> chroma (max - min) and hue in degrees, [...] each."""
    r, g, b = np.moveaxis(rgb.astype(np.float32), -1, 0)
    chroma = rgb.max(-1).astype(np.float32) - rgb.min(-1)
    return chroma, np.degrees(np.arctan2(3**0.5 * (g - b), 2 * r - g - b)) % 360


def _has_hue(chroma: np.ndarray, hue: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Whether chroma and hue [...] are as colourful as a sprite, and in the hue of `colors` [..., 3]."""
    distance = np.abs((hue - _chroma_and_hue(colors)[1] + 180) % 360 - 180)
    return (chroma > MIN_CHROMA) & (distance < MAX_HUE_DISTANCE)


def color_holds(
    frames: np.ndarray, boxes: np.ndarray, mask: np.ndarray, colors: Sequence[tuple[int, int, int]]
) -> np.ndarray:
    """Whether the middle of each visible box has the object's hue: [F, N] of 1, 0, and NaN where the mask is False."""
    chroma, hue = _chroma_and_hue(middle_colors(frames, boxes, mask))
    return np.where(mask, _has_hue(chroma, hue, np.array(colors).reshape(-1, 3)), np.nan)


def color_drift(frames: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Distance of each object's colour from its colour in its first visible frame: [F, N], NaN where not visible.

    In CIELAB (delta E 1976), between mean colours; about 2 is just noticeable, red and orange are 60 apart. The first
    visible frame is NaN as well: its 0 would only dilute a mean.
    """
    check_images(frames)
    lab = to_lab(middle_colors(frames, boxes, mask))  # [F, N, 3]
    drift = np.full(mask.shape, np.nan)
    for n in np.flatnonzero(mask.any(0)):
        first, *later = np.flatnonzero(mask[:, n])
        drift[later, n] = np.linalg.norm(lab[later, n] - lab[first, n], axis=-1)
    return drift


def psnr(frames: np.ndarray, reference: np.ndarray, where: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB of uint8 images [..., H, W, 3]; `where` [..., H, W] picks pixels.

    Infinite for equal images, NaN without a pixel.
    """
    check_images(frames, reference)
    error = (frames.astype(np.float64) - reference) ** 2
    mean = mean_of(error if where is None else error[where])
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def ssim(images: np.ndarray, reference: np.ndarray, where: np.ndarray | None = None) -> float:
    """Structural similarity of uint8 images [..., H, W, 3] with sides of at least 11, mean over pixels and channels.

    `where` [..., H, W] picks pixels; NaN without one. With the Gaussian window of Wang et al. (2004): deviation 1.5, 11
    pixels wide, without the border that it crosses.
    """
    from skimage.metrics import structural_similarity  # not in ComfyUI, whose nodes use the rest of this file

    height, width = images.shape[-3:-1]
    if min(height, width) < 11:
        raise SMCDError(f"SSIM needs images of at least 11 x 11 pixels, found {width} x {height}")
    similar = np.stack(
        [
            structural_similarity(
                *pair,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=-1,
                data_range=255,
                full=True,
            )[1]
            for pair in zip(images.reshape(-1, height, width, 3), reference.reshape(-1, height, width, 3), strict=True)
        ]
    )[:, 5:-5, 5:-5]  # [K, H - 10, W - 10, 3]
    return mean_of(similar if where is None else similar[where.reshape(-1, height, width)[:, 5:-5, 5:-5]])


def frechet_distance(features: np.ndarray, reference: np.ndarray) -> float:
    """Squared Frechet distance of the normal distributions fitted to features [K, D] and [L, D]; FVD, FID.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), covariances with divisor K - 1. Source: Dowson and Landau (1982).
    """
    if min(len(features), len(reference)) < 2:
        raise SMCDError(f"a Frechet distance needs 2 clips on each side, found {len(features)} and {len(reference)}")
    features, reference = features.astype(np.float64), reference.astype(np.float64)
    a, b = ((part - part.mean(0)) / math.sqrt(len(part) - 1) for part in (features, reference))
    # With C1 = a'a and C2 = b'b the trace of (C1 C2)^(1/2) is the sum of the singular values of a b': exact, never
    # complex, and quick where there are fewer clips than features.
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    means = ((features.mean(0) - reference.mean(0)) ** 2).sum()
    return float(max(means + (a * a).sum() + (b * b).sum() - 2 * cross, 0.0))
