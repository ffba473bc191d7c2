"""Measures of control, each against a computation of another kind."""

import math

import numpy as np
import pytest

from smcd_core.colors import background
from smcd_core.data import Clip, SyntheticClips
from smcd_core.errors import SMCDError
from smcd_core.evaluation.groups import OBJECTS, PATHS, grouped, path_lengths
from smcd_core.evaluation.metrics import grounding
from smcd_core.evaluation.peekaboo import localization
from smcd_core.evaluation.point_error import PointPaths, point_error, read_points
from smcd_core.evaluation.scores import Result, generate_all, generate_counterfactuals, request_of, score_row
from smcd_core.evaluation.sensitivity import Counterfactual, sensitivity, still_boxes
from smcd_core.evaluation.tables import between, share_table
from smcd_core.guides.tracks import as_coordinates, point_tracks
from smcd_core.sampling.diffusion import Guidance
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.trajectory.dense import DenseBoxes
from smcd_core.weights.defaults import BUNDLED

GRID = 16  # pixels of a side in the computations by pixel; boxes lie on their edges


def random_boxes(rng, frames=6, objects=3):
    """boxes [F, N, 4] on the grid, in units of the frame."""
    start = rng.integers(0, GRID - 1, (frames, objects, 2))
    return np.concatenate([start, rng.integers(start + 1, GRID + 1)], -1) / GRID


def filled(box):
    """bool [GRID, GRID], the pixels of a box."""
    x1, y1, x2, y2 = (round(edge * GRID) for edge in box)
    pixels = np.zeros((GRID, GRID), bool)
    pixels[y1:y2, x1:x2] = True
    return pixels


def cases(seed):
    """found, boxes, mask: some objects missed for long, some hidden, some where they should be."""
    rng = np.random.default_rng(seed)
    boxes, mask = random_boxes(rng), rng.random((6, 3)) > 0.2
    found = np.where(rng.random((6, 3, 1)) > 0.4, boxes, random_boxes(rng)) * (rng.random((6, 3, 1)) > 0.35)
    return found, boxes, mask


@pytest.mark.parametrize("seed", range(20))
def test_peekaboos_measures_are_those_of_a_count_of_pixels(seed):
    found, boxes, mask = cases(seed)
    width, height = 320, 176
    covered, pooled, hits, distances = [], [], [], []
    for n in range(3):
        both = either = seen = 0
        for frame in np.flatnonzero(mask[:, n]):
            wanted, made = filled(boxes[frame, n]), filled(found[frame, n])
            both, either = both + (wanted & made).sum(), either + (wanted | made).sum()
            if made.any():
                seen += 1
                hits.append((wanted & made).sum() / (wanted | made).sum() >= 0.5)
                away = [np.argwhere(pixels).mean(0) / GRID for pixels in (wanted, made)]
                dy, dx = away[0] - away[1]
                distances.append(math.hypot(dx * width, dy * height) / math.hypot(width, height))
        if mask[:, n].any():
            covered.append(seen > mask[:, n].sum() / 2)
            pooled += [both / either] if covered[-1] else []
    scores = localization(found, boxes, mask, (width, height))
    assert scores["coverage"] == pytest.approx(np.mean(covered)) and scores["objects"] == len(covered)
    assert scores["miou"] == pytest.approx(np.mean(pooled) if pooled else math.nan, nan_ok=True)
    assert scores["ap50"] == pytest.approx(np.mean(hits)) and scores["boxes_found"] == len(hits)
    assert scores["centroid_distance"] == pytest.approx(np.mean(distances))


def test_half_of_the_frames_are_not_enough_to_cover_an_object():
    boxes = np.tile([0.0, 0, 0.5, 0.5], (4, 1, 1))
    half, more = (boxes * (np.arange(4) < count)[:, None, None] for count in (2, 3))
    everywhere = np.ones((4, 1), bool)
    assert localization(half, boxes, everywhere)["coverage"] == 0
    assert localization(more, boxes, everywhere) == {
        "coverage": 1, "miou": 0.75, "ap50": 1, "centroid_distance": 0,
        "objects": 1, "objects_covered": 1, "boxes_found": 3,
    }  # fmt: skip
    nothing = localization(boxes * 0, boxes, everywhere)
    assert nothing["coverage"] == 0 and math.isnan(nothing["miou"]) and math.isnan(nothing["ap50"])


def test_peekaboos_measures_of_a_row_are_means_over_all_that_they_count():
    """Two clips of different lengths, with different numbers of objects."""
    clips, videos, all_found = [], [], []
    for seed, frames in ((0, 6), (1, 4)):
        found, boxes, mask = (part[:frames] for part in cases(seed))
        clips.append(Clip(np.zeros((0, 8, 8, 3), np.uint8), boxes, mask, ("a", "b", "c"), "a"))
        videos.append(np.zeros((frames, 8, 8, 3), np.uint8))
        all_found.append(found)
    row = score_row(videos, clips, found=all_found).scores
    each = [localization(found, clip.boxes_xyxy, clip.mask) for found, clip in zip(all_found, clips)]
    pairs = {"coverage": "objects", "miou": "objects_covered", "ap50": "boxes_found"}
    for name, count in (pairs | {"centroid_distance": "boxes_found"}).items():
        expected = np.average([one[name] for one in each], weights=[one[count] for one in each])
        assert row[name] == pytest.approx(expected) and row[count] == sum(one[count] for one in each)


# Control sensitivity -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_sensitivity_is_that_of_a_walk_over_all_pixels(seed):
    rng = np.random.default_rng(seed)
    boxes, mask, others = random_boxes(rng, 4, 2), rng.random((4, 2)) > 0.2, random_boxes(rng, 4, 2)
    others, hidden = np.where(rng.random((4, 2, 1)) > 0.5, boxes, others), mask & (rng.random((4, 2)) > 0.2)
    video, other = rng.integers(0, 60, (2, 4, GRID, GRID, 3), np.uint8)
    inside, outside, both, either = [], [], 0, 0
    for frame in range(4):
        wanted = np.zeros((GRID, GRID), bool)
        for n in range(2):
            before = filled(boxes[frame, n]) & mask[frame, n]
            after = filled(others[frame, n]) & hidden[frame, n]
            if (before != after).any():
                wanted |= before | after
        for y in range(GRID):
            for x in range(GRID):
                change = sum(abs(int(a) - int(b)) for a, b in zip(video[frame, y, x], other[frame, y, x])) / 3 / 255
                (inside if wanted[y, x] else outside).append(change)
                both, either = both + (wanted[y, x] and change > 0.06), either + (wanted[y, x] or change > 0.06)
    scores = sensitivity(video, boxes, mask, Counterfactual(other, others, hidden))
    assert scores["change_inside"] == pytest.approx(np.mean(inside), rel=1e-5)
    assert scores["leakage"] == pytest.approx(np.mean(outside), rel=1e-5)
    assert scores["localization_iou"] == pytest.approx(both / either)


def test_a_perfect_mover_leaks_nothing_and_a_model_without_control_changes_nothing():
    clip = SyntheticClips(1, split="validation", size=64)[0]
    still = still_boxes(clip.boxes_xyxy, clip.mask)
    assert (still[clip.mask] == clip.boxes_xyxy[clip.mask]).all(-1).sum() < clip.mask.sum()
    other = clip.frames.copy()
    moved = (clip.boxes_xyxy != still).any(-1) & clip.mask
    either = ~(background(clip.boxes_xyxy, moved, 64, 64, 0) & background(still, moved, 64, 64, 0))
    other[either] = 255 - other[either]
    follows = sensitivity(clip.frames, clip.boxes_xyxy, clip.mask, Counterfactual(other, still, clip.mask))
    assert follows["leakage"] == 0 < follows["change_inside"] and follows["localization_iou"] > 0.8
    ignores = sensitivity(clip.frames, clip.boxes_xyxy, clip.mask, Counterfactual(clip.frames, still, clip.mask))
    assert ignores == {"change_inside": 0, "leakage": 0, "localization_iou": 0}
    same = sensitivity(clip.frames, clip.boxes_xyxy, clip.mask, Counterfactual(other, clip.boxes_xyxy, clip.mask))
    assert math.isnan(same["change_inside"]) and math.isnan(same["localization_iou"])


def test_videos_and_boxes_of_different_shapes_are_not_compared():
    video, boxes, mask = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 1, 4)), np.ones((2, 1), bool)
    with pytest.raises(SMCDError, match="found 2 frames of 8 x 8 and 1 frames of 8 x 8: make them alike"):
        sensitivity(video, boxes, mask, Counterfactual(video[:1], boxes, mask))
    with pytest.raises(SMCDError, match="found 1 and 2 in 2 and 2 frames: keep all objects"):
        sensitivity(video, boxes, mask, Counterfactual(video, boxes.repeat(2, 1), mask.repeat(2, 1)))


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_a_bundled_model_changes_what_its_boxes_ask_for_and_little_else(path):
    """Same image, prompt and seed; the boxes move, or stay where they start.

    smcd-world starts from the animatic, which moves too; smcd-tiny from noise, so that its network alone does.
    """
    pipeline = SMCDPipeline.from_checkpoint(path)
    clips = SyntheticClips(2, split="validation", size=64, num_frames=4)
    how = dict(steps=4, guidance=Guidance(boxes=1.5))
    videos = generate_all(
        pipeline, [request_of(clip, n) for n, clip in enumerate(clips)], 2, width=64, height=64, **how
    )
    others = generate_counterfactuals(pipeline, clips, **how)
    scores = score_row(videos, clips, others=others).scores
    assert scores["change_inside"] > 5 * scores["leakage"] and scores["localization_iou"] > 0.5


# Points, groups, floor and ceiling -----------------------------------------------------------------------------------


def test_the_point_error_is_the_mean_of_all_distances():
    rng = np.random.default_rng(0)
    asked = rng.uniform(-10, 70, (5, 9, 2))
    asked[:, :3] = rng.uniform(0, 40, (1, 3, 2))  # these rest
    found = asked + rng.normal(0, 4, asked.shape)
    found[3, 4:7] = found[2, :2] = np.nan
    every, moving, lost = [], [], 0
    for p in range(9):
        inside = [f for f in range(5) if 0 <= asked[f, p, 0] < 60 and 0 <= asked[f, p, 1] < 40]
        goes = any(math.dist(asked[f, p], asked[0, p]) > math.hypot(60, 40) / 100 for f in inside)
        for f in inside:
            if math.isnan(found[f, p, 0]):
                lost += 1
                continue
            every.append(math.dist(found[f, p], asked[f, p]))
            moving += [every[-1]] if goes else []
    scores = point_error(PointPaths(asked, found, (60, 40)))
    assert scores["epe"] == pytest.approx(np.mean(every)) and scores["points"] == len(every)
    assert scores["epe_moving"] == pytest.approx(np.mean(moving)) and scores["points_moving"] == len(moving)
    assert scores["points_still"] == len(every) - len(moving) > 0 < lost
    assert scores["epe_found"] == pytest.approx(len(every) / (len(every) + lost))
    assert len(scores["epe_frames"]) == 5


def test_points_are_read_as_smcd_tracks_writes_them_and_as_arrays(tmp_path):
    boxes = DenseBoxes(np.tile([0.0, 0, 0.5, 0.5], (3, 1, 1)), np.ones((3, 1), bool), ("dog",), size=(64, 32))
    tracks = point_tracks(boxes, points=2)
    (tmp_path / "a.json").write_text(as_coordinates(tracks))
    np.save(tmp_path / "a.npy", tracks.path)
    assert np.array_equal(read_points(tmp_path / "a.json"), tracks.path) and tracks.path.shape == (3, 4, 2)
    assert np.array_equal(read_points(tmp_path / "a.npy"), tracks.path)


@pytest.mark.parametrize("text", ["", "{}", "[[{}]]", "[1]", '[[{"x": 1, "y": 1}], []]', "[]"])
def test_what_are_no_points_is_said(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SMCDError, match="a.json: h"):
        read_points(tmp_path / "a.json")


def test_an_array_that_is_no_points_is_said(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as stream:
        np.savez(stream, np.zeros((3, 4, 2)))
    with pytest.raises(SMCDError, match="a.npy: holds no points .*is not an array of numbers"):
        read_points(path)
    np.save(path, np.zeros((3, 4, 2)))
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(SMCDError, match="with 4 bytes after it"):
        read_points(path)


def test_overlap_is_told_apart_by_number_of_objects_and_by_path():
    """The middle of the first goes a quarter right and back, that of the second rests."""
    boxes = np.tile([[0.0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], (3, 1, 1)).astype(float)
    boxes[1, 0] += [0.25, 0, 0.25, 0]
    mask = np.ones((3, 2), bool)
    found = boxes.copy()
    found[2, 0], found[:2, 1] = 0, [0.5, 0.5, 0.75, 1]
    assert np.allclose(path_lengths(boxes, mask), [0.5, 0])
    scores = grouped(found, boxes, mask)
    assert scores["ao_path_medium"] == pytest.approx(2 / 3) and scores["ao_path_still"] == pytest.approx(2 / 3)
    assert scores["ao_objects_2"] == pytest.approx(2 / 3) and scores["boxes_objects_2"] == 6
    for kind, groups in (("objects", OBJECTS), ("path", PATHS)):
        counts = [scores[f"boxes_{kind}_{name}"] for name in groups]
        sums = [scores[f"ao_{kind}_{name}"] * count for name, count in zip(groups, counts) if count]
        whole = grounding(found, boxes, mask)
        assert sum(counts) == whole["boxes"] and sum(sums) / sum(counts) == pytest.approx(whole["ao"])


def test_a_row_is_placed_between_floor_and_ceiling():
    rows = {name: Result({"ao": ao}, {}, []) for name, ao in (("ours", 0.5), ("plain", 0.2), ("real", 0.8))}
    assert between(rows["ours"], rows["plain"], rows["real"])["ao"] == pytest.approx(0.5)
    assert math.isnan(between(rows["ours"], rows["real"], rows["plain"])["ao"])
    assert "| ours | 0.50 |" in share_table(rows, {name: name for name in rows}, "plain", "real")
