"""Nothing found is a shape, too: no objects, no tracks, one frame, no frames, no clips.

Every public function that takes or gives objects, frames or clips is called with none of them.
"""

from __future__ import annotations

import inspect
import json
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from smcd_core import colors
from smcd_core.errors import SMCDError
from smcd_core.evaluation import metrics, scores, tables
from smcd_core.evaluation.point_error import PointPaths, point_error
from smcd_core.evaluation.sensitivity import Counterfactual, still_boxes
from smcd_core.guides.fit import fit
from smcd_core.guides.tracks import as_coordinates, as_tracks, point_tracks
from smcd_core.trajectory import dense, simplify, values, write
from smcd_core.trajectory.dense import DenseBoxes
from smcd_core.trajectory.document import dumps, parse_trajectory
from smcd_core.trajectory.fingerprint import fingerprint
from smcd_core.video import contact_sheet, draw_boxes

COUNTS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.booleans())
SIDE = 16


def given_boxes(frames, objects, seen=True, seed=0):
    corners = np.sort(np.random.default_rng(seed).random((frames, objects, 2, 2)), axis=2)
    return corners.reshape(frames, objects, 4), np.full((frames, objects), seen)


def pictures(frames):
    return np.random.default_rng(1).integers(0, 255, (frames, SIDE, SIDE, 3), np.uint8)


def names(count):
    return [f"thing {n}" for n in range(count)]


# Metrics -------------------------------------------------------------------------------------------------------------

# Arguments for F frames, N objects and M candidates, and the shape of the result, None where it is no array.
METRICS = {
    "mean_of": lambda F, N, M, b, m: ((b,), None),
    "grounding": lambda F, N, M, b, m: ((b, b, m), None),
    "overlaps": lambda F, N, M, b, m: ((b, b, m), (F, N)),
    "first_colors": lambda F, N, M, b, m: ((pictures(1)[0], *given_boxes(F + 1, N)), None),
    "assign": lambda F, N, M, b, m: ((np.ones((N, M)),), (N,)),
    "match_tracks": lambda F, N, M, b, m: ((*given_boxes(F, M), [""] * M, b, m, names(N)), (F, N, 4)),
    "unmatched": lambda F, N, M, b, m: ((names(M), names(N)), None),
    "listed": lambda F, N, M, b, m: ((names(N),), None),
    "check_boxes": lambda F, N, M, b, m: ((b, b, m), None),
    "check_images": lambda F, N, M, b, m: ((pictures(F), pictures(F)), None),
    "match_detections": lambda F, N, M, b, m: (
        ([{name: (given_boxes(1, M)[0][0], np.ones(M)) for name in names(N)}] * F, b, m, names(N)), (F, N, 4)
    ),
    "bootstrap_interval": lambda F, N, M, b, m: (([0.5] * F,), None),
    "find_colors": lambda F, N, M, b, m: ((pictures(F), [(255, 0, 0)] * N), (F, N, 4)),
    "colors_tell": lambda F, N, M, b, m: (
        (pictures(1)[0], *given_boxes(F + 1, N, m.all()), [(255, 0, 0)] * N), (N,)
    ),
    "color_holds": lambda F, N, M, b, m: ((pictures(F), b, m, [(255, 0, 0)] * N), (F, N)),
    "color_drift": lambda F, N, M, b, m: ((pictures(F), b, m), (F, N)),
    "psnr": lambda F, N, M, b, m: ((pictures(F), pictures(F)), None),
    "ssim": lambda F, N, M, b, m: ((pictures(1)[0], pictures(1)[0]), None),
    "frechet_distance": lambda F, N, M, b, m: ((np.ones((F, 4)), np.ones((N, 4))), None),
}  # fmt: skip
COLORS = {
    "middle_colors": lambda F, N, M, b, m: ((pictures(F), b, m), (F, N, 3)),
    "to_lab": lambda F, N, M, b, m: ((np.zeros((F, N, 3)),), (F, N, 3)),
    "background": lambda F, N, M, b, m: ((b, m, 5, 7), (F, 5, 7)),
}
BOXES = {"iou": lambda F, N, M, b, m: ((b, b), (F, N)), "area": lambda F, N, M, b, m: ((b,), (F, N))}
REFUSED = {"frechet_distance": "needs 2 clips"}


def test_the_tables_below_are_of_all_public_functions():
    for module, table in ((metrics, METRICS), (colors, COLORS)):
        public = {
            name
            for name, found in vars(module).items()
            if inspect.isfunction(found) and found.__module__ == module.__name__ and not name.startswith("_")
        }
        assert public == set(table)


@pytest.mark.parametrize(
    "module, name",
    [(module, name) for module, table in ((metrics, METRICS), (colors, COLORS), (dense, BOXES)) for name in table],
)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(counts=COUNTS)
def test_a_measure_of_nothing_has_its_shape_and_no_warning(module, name, counts):
    F, N, M, seen = counts
    arguments, shape = (METRICS | COLORS | BOXES)[name](F, N, M, *given_boxes(F, N, seen))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = getattr(module, name)(*arguments)
        except SMCDError as error:
            assert REFUSED.get(name, "is refused by nobody") in str(error)
            return
    if shape is not None:
        assert found.shape == shape
    if name == "grounding":
        assert len(found["ao_frames"]) == F and found["boxes"] == (F * N if seen else 0)
        assert math.isnan(found["ao"]) == (found["boxes"] == 0)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(counts=COUNTS.filter(lambda counts: counts[0]))
def test_a_clip_of_nothing_is_scored(counts):
    from smcd_core.data import Clip

    F, N, _, seen = counts
    boxes, mask = given_boxes(F, N, seen)
    clip = Clip(pictures(F), boxes, mask, tuple(names(N)), "nothing", ((255, 0, 0),) * N)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = Counterfactual(pictures(F), still_boxes(boxes, mask), mask)
        row = scores.score_row([pictures(F)], [clip], others=[other])
        text = tables.table({"a": row}, {"a": "a"})
        points = point_error(PointPaths(np.zeros((F, N, 2)), np.zeros((F, N, 2)), (SIDE, SIDE)))
    assert len(points["epe_frames"]) == F and math.isnan(points["epe"]) == (N == 0)
    assert tables.groups_table({"a": row}, {"a": "a"}).count("\n") >= 1
    assert "first-frame SSIM" in text and json.dumps(scores.json_ready(row.scores), allow_nan=False)


def test_no_clips_are_refused_by_name():
    with pytest.raises(SMCDError, match="there are no videos to score"):
        scores.score_row([], [])


# Trajectories --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    counts=COUNTS.filter(lambda counts: counts[0]), more=st.integers(1, 5), dtype=st.sampled_from([np.float32, float])
)
def test_boxes_of_no_object_go_through_everything(counts, more, dtype):
    F, N, M, seen = counts
    boxes, mask = given_boxes(F, N, seen)
    found = DenseBoxes(boxes.astype(dtype), mask, tuple(names(N)), size=(SIDE, SIDE))
    assert found.clipped().xyxy.shape == (F, N, 4) and found.weights.shape == (F, N)
    assert found.at(range(F + M)).mask.shape == (F + M, N) and found.resampled(more).xyxy.shape == (more, N, 4)
    assert dense.of_another_size(found) == ""
    trajectory = found.to_trajectory()
    again = dense.dense_boxes(trajectory, more)
    assert again.xyxy.shape == (more, N, 4) and again.mask.shape == (more, N)
    assert dense.phrases(trajectory) == names(N) and len(dense.strengths(trajectory)) == N
    assert dense.boxes_at(trajectory)[0].shape == (F, N, 4)
    clipped, kept = dense.clip_boxes(torch.from_numpy(boxes), torch.from_numpy(mask))
    assert clipped.shape == (F, N, 4) and kept.shape == (F, N)
    assert parse_trajectory(dumps(trajectory)) == trajectory and fingerprint(trajectory.to_dict())
    assert len(write.bounding_boxes(trajectory)) == F
    tracks = point_tracks(fit(trajectory, SIDE, SIDE, F), points=1)
    assert as_tracks(tracks)["track_path"].shape == (F, len(tracks.of), 2) and len(tracks.of) <= N
    assert len(json.loads(as_coordinates(tracks))) == len(tracks.of)


@pytest.mark.parametrize("make", [
    lambda: DenseBoxes(np.zeros((0, 2, 4)), np.zeros((0, 2), bool), ("a", "b"), size=(4, 4)).to_trajectory(),
    lambda: DenseBoxes(np.zeros((0, 2, 4)), np.zeros((0, 2), bool), ("a", "b")).at([0]),
    lambda: DenseBoxes(np.zeros((0, 2, 4)), np.zeros((0, 2), bool), ("a", "b")).resampled(3),
    lambda: simplify.trajectory_from_boxes(np.zeros((0, 0, 4)), np.zeros((0, 0)), 4, 4, 8, []),
    lambda: values.trajectory_from_value({"track_path": np.zeros((0, 2, 2))}, width=4, height=4, frames=2),
    lambda: values.trajectory_from_value({"track_path": np.zeros((2, 0, 2))}, width=4, height=4, frames=2),
    lambda: values.trajectory_from_value(torch.zeros(0, 4, 4), width=4, height=4, frames=2),
    lambda: values.trajectory_from_value([[], []], width=4, height=4, frames=2),
    lambda: values.trajectory_from_value([[]], width=4, height=4, frames=2),
    lambda: values.trajectory_from_value({"predictions": []}, width=4, height=4, frames=2),
    lambda: values.trajectory_from_value([], width=4, height=4, frames=2),
])  # fmt: skip
def test_boxes_in_no_frame_are_refused(make):
    with pytest.raises(SMCDError):
        make()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(counts=COUNTS)
def test_pictures_of_nothing_are_drawn(counts):
    F, N, _, seen = counts
    boxes, mask = given_boxes(F, N, seen)
    if not F:
        with pytest.raises(SMCDError, match="no frame"):
            draw_boxes(pictures(F), boxes, mask, ["red"] * N, names(N))
        with pytest.raises(SMCDError, match="no frame"):
            contact_sheet(pictures(F), boxes, mask, ["red"] * N, names(N))
        return
    drawn = draw_boxes(pictures(F), boxes, mask, ["red"] * N, names(N), paths=True)
    assert len(drawn) == F and contact_sheet(pictures(F), boxes, mask, ["red"] * N, names(N)).width
