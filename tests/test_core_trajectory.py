"""The trajectory document: what is read, what is refused, and where its boxes are in each frame."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as npst
from lengths import with_frames

from smcd_core.trajectory import document as module
from smcd_core.trajectory.dense import boxes_at, clip_boxes, phrases, sample_track, strengths
from smcd_core.trajectory.document import Trajectory, TrajectoryError, dumps, parse_trajectory
from smcd_core.trajectory.simplify import trajectory_from_boxes

GOLDEN = json.loads((Path(__file__).parent / "golden" / "trajectory.json").read_text())
A, B = [0.1, 0.2, 0.3, 0.5], [0.6, 0.25, 0.9, 0.75]


def named(entries):
    return [pytest.param(entry, id=entry["name"]) for entry in entries]


def document(*keys, frames=8, **others):
    """One object with keys given as (frame, box), (frame, box, ease) or (frame, box, ease, visible)."""
    names = ("frame", "box", "ease", "visible")
    track = {"phrase": "red car", "keys": [dict(zip(names, key, strict=False)) for key in keys], **others}
    return {"version": 1, "width": 64, "height": 48, "frames": frames, "objects": [track]}


def at(trajectory, num_frames=None):
    boxes, mask = boxes_at(trajectory, num_frames, torch.float64)
    return boxes.numpy(), mask.numpy()


# ---- golden file, shared with the editor


@pytest.mark.parametrize("case", named(GOLDEN["cases"]))
def test_boxes_equal_the_golden_file(case):
    boxes, mask = at(parse_trajectory(case["trajectory"]), case["num_frames"])
    assert mask.tolist() == case["mask"]
    np.testing.assert_allclose(boxes, np.array(case["boxes"]).reshape(boxes.shape), rtol=0, atol=1e-12)


@pytest.mark.parametrize("entry", named(GOLDEN["refused"]))
def test_documents_of_the_golden_file_are_refused(entry):
    with pytest.raises(TrajectoryError):
        parse_trajectory(entry["trajectory"])


def test_absent_values_get_the_defaults_of_the_golden_file():
    assert parse_trajectory(GOLDEN["defaults"]["given"]).to_dict() == GOLDEN["defaults"]["document"]


def test_palette_and_limits_equal_the_golden_file():
    assert list(module.PALETTE) == GOLDEN["palette"]
    assert GOLDEN["limits"] == {
        "frames": module.MAX_FRAMES,
        "objects": module.MAX_OBJECTS,
        "side": module.MAX_SIDE,
        "fps": list(module.FPS_RANGE),
        "coordinate": list(module.COORDINATE_RANGE),
        "ease_y": list(module.EASE_Y_RANGE),
        "handle": list(module.HANDLE_RANGE),
        "strength": [0, module.MAX_STRENGTH],
        "phrase": module.MAX_PHRASE,
        "id": module.MAX_ID,
    }


# ---- reading and writing the document


@pytest.mark.parametrize("case", named(GOLDEN["cases"]))
def test_a_document_survives_being_written_and_read(case):
    trajectory = parse_trajectory(case["trajectory"])
    text = dumps(trajectory)
    assert parse_trajectory(text) == trajectory == parse_trajectory(text.encode())
    assert dumps(parse_trajectory(text)) == text


def test_text_has_one_line_per_key():
    text = dumps(parse_trajectory(document((0, A), (3, B, "in"))))
    assert sum('"frame":' in line for line in text.splitlines()) == 2


def test_whole_numbers_are_written_as_javascript_writes_them():
    assert '"fps": 8,' in dumps(parse_trajectory(document((0, [0.0, 0.0, 1.0, 1.0]))))


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1, 2]", "must be a JSON object"),
        ('{"version": NaN}', "lacks width"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "not JSON"),
        ('{"version": 1' + "0" * 5000 + "}", "not JSON"),
    ],
)
def test_text_that_is_not_a_document_is_refused(text, message):
    with pytest.raises(TrajectoryError, match=message):
        parse_trajectory(text)


def test_text_beyond_the_limit_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(module, "MAX_TEXT", 10)
    with pytest.raises(TrajectoryError, match="has 11 characters, the limit is 10"):
        parse_trajectory("x" * 11)


@pytest.mark.parametrize("value", [None, 3, [1], object()])
def test_only_text_and_dicts_are_read(value):
    with pytest.raises(TrajectoryError, match="JSON text or a dict"):
        parse_trajectory(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**400, pytest.param(10**6000, id="10**6000")])
def test_numbers_that_are_not_finite_are_refused(number):
    with pytest.raises(TrajectoryError, match="box"):
        parse_trajectory(document((0, [0, 0, 1, number])))


def test_an_inverted_box_is_named_by_object_frame_and_values():
    with pytest.raises(TrajectoryError, match=r"red car.*frame 3.*\[0.6, 0.1, 0.4, 0.5\].*inverted"):
        parse_trajectory(document((3, [0.6, 0.1, 0.4, 0.5])))


def test_a_byte_order_mark_is_skipped():
    assert parse_trajectory("\ufeff" + json.dumps(document((0, A)))).objects[0].phrase == "red car"


PATHS = st.sampled_from(
    [(), ("version",), ("width",), ("height",), ("frames",), ("fps",), ("objects",), ("objects", 0), ("objects", 1)]
    + [("objects", 0, name) for name in ("id", "phrase", "color", "strength", "enabled", "keys", "extra")]
    + [("objects", 0, "keys", 1, name) for name in ("frame", "box", "ease", "visible", "handles", "extra")]
    + [("objects", 0, "keys", 0, "handles", 1, 0), ("objects", 0, "keys", 0, "handles", 1)]
    + [("objects", 0, "keys", 0, "box", 2), ("objects", 0, "keys", 1), ("objects", 1, "keys", 0, "ease")]
)
NUMBERS = st.one_of(st.integers(-10, 5000), st.floats(), st.sampled_from([0, 1, 8, 10**400, -0.0, 1e308, 5e-324]))
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(["in", "hold", "#112233"])),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


def replaced(tree, path, value):
    """The tree with the value at the path replaced, or removed where the value is `...`."""
    if not path and value is not ...:
        return value
    tree = copy.copy(tree)
    if value is ... and len(path) < 2:
        del tree[path[0]]
    else:
        tree[path[0]] = replaced(tree.get(path[0]) if isinstance(tree, dict) else tree[path[0]], path[1:], value)
    return tree


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PATHS, st.one_of(JSON_VALUES, st.just(...))), min_size=1, max_size=3), st.booleans())
def test_malformed_documents_give_a_trajectory_error_or_boxes(changes, as_text):
    value = document((0, A, "in"), (5, B, [0.1, 0.2, 0.3, 0.4], False))
    value["objects"].append(document((2, B, "hold"))["objects"][0])
    value["objects"][0]["keys"][0]["handles"] = [[0, 0], [0.2, -0.4]]
    value["version"] = 2
    for path, new in changes:
        try:
            value = replaced(value, path, new)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took the place away
    try:
        trajectory = parse_trajectory(json.dumps(value) if as_text else value)
    except TrajectoryError as error:
        assert str(error)
        return
    boxes, mask = clip_boxes(*boxes_at(trajectory, 5))
    assert boxes.shape == (5, len(phrases(trajectory)), 4) and mask.shape == boxes.shape[:2]
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert parse_trajectory(dumps(trajectory)) == trajectory


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(st.text(), st.binary(), JSON_VALUES.map(json.dumps)))
def test_any_text_gives_a_trajectory_error(text):
    with pytest.raises(TrajectoryError):
        parse_trajectory(text)


# ---- boxes per frame


def test_disabled_objects_are_left_out_everywhere():
    value = document((0, A), strength=0.5)
    value["objects"] += document((0, B), enabled=False)["objects"] + document((0, B), phrase="dog")["objects"]
    trajectory = parse_trajectory(value)
    assert phrases(trajectory) == ["red car", "dog"]
    assert strengths(trajectory) == [0.5, 1.0]
    assert boxes_at(trajectory)[0].shape == (8, 2, 4)


def test_boxes_are_float32_and_the_mask_is_bool():
    boxes, mask = boxes_at(parse_trajectory(document((0, A))))
    assert boxes.dtype == torch.float32 and mask.dtype == torch.bool


@pytest.mark.parametrize("num_frames", [0, -1, 4097, 2.5, True])
def test_an_impossible_number_of_frames_is_refused(num_frames):
    with pytest.raises(TrajectoryError, match="num_frames"):
        boxes_at(parse_trajectory(document((0, A))), num_frames)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.tuples(st.floats(0, 1), st.floats(-1, 2), st.floats(0, 1), st.floats(-1, 2)),
    st.integers(2, 60),
)
def test_every_bezier_starts_and_ends_at_its_keys_and_moves_in_time(control, frames):
    trajectory = parse_trajectory(document((0, A, list(control)), (frames - 1, B), frames=frames))
    boxes, _ = at(trajectory)
    np.testing.assert_array_equal(boxes[0, 0], A)
    np.testing.assert_array_equal(boxes[-1, 0], B)
    x1, y1, x2, y2 = control
    u = np.linspace(0, 1, 20_001)
    curve_x = 3 * (1 - u) ** 2 * u * x1 + 3 * (1 - u) * u**2 * x2 + u**3
    curve_y = 3 * (1 - u) ** 2 * u * y1 + 3 * (1 - u) * u**2 * y2 + u**3
    for frame in range(1, frames - 1):
        progress = (boxes[frame, 0, 0] - A[0]) / (B[0] - A[0])
        distance = np.hypot(curve_x - frame / (frames - 1), curve_y - progress)
        assert distance.min() < 1e-3


# ---- clipping for the model


def clipped(*boxes, mask=None):
    boxes = torch.tensor(boxes)
    return clip_boxes(boxes, torch.ones(len(boxes), dtype=torch.bool) if mask is None else torch.tensor(mask))


def test_boxes_are_cut_at_the_edge_of_the_frame():
    boxes, mask = clipped([-0.5, 0.25, 0.5, 1.5])
    assert boxes.tolist() == [[0, 0.25, 0.5, 1]] and mask.tolist() == [True]


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([1.0, 0.0, 1.5, 1.0], id="beside the frame"),
        pytest.param([-0.5, 0.0, 0.0, 1.0], id="touching from outside"),
        pytest.param([0.2, 0.4, 0.2, 0.8], id="without area"),
        pytest.param([0.8, 0.2, 0.4, 0.6], id="inside out"),
    ],
)
def test_boxes_without_area_in_the_frame_are_masked_and_zero(box):
    boxes, mask = clipped(box)
    assert boxes.tolist() == [[0, 0, 0, 0]] and mask.tolist() == [False]


def test_invisible_boxes_are_zero_even_if_they_are_nan():
    boxes, mask = clipped([math.nan] * 4, [0.1, 0.1, 0.5, 0.5], mask=[False, False])
    assert not boxes.any() and not mask.any()


def test_a_visible_nan_box_is_refused():
    with pytest.raises(TrajectoryError, match="NaN"):
        clipped([0.0, 0.0, math.nan, 1.0])


def test_boxes_and_mask_of_different_shape_are_refused():
    with pytest.raises(TrajectoryError, match=r"\[2, 4\].*\[3\]"):
        clip_boxes(torch.zeros(2, 4), torch.ones(3, dtype=torch.bool))


def test_clipping_twice_changes_nothing():
    once = clip_boxes(*boxes_at(parse_trajectory(document((0, [-1, -1, 0.5, 0.5]), (7, [0.5, 0.5, 2, 2])))))
    twice = clip_boxes(*once)
    assert torch.equal(once[0], twice[0]) and torch.equal(once[1], twice[1])


# ---- dense boxes to few keys


def from_boxes(boxes, mask, **others):
    return trajectory_from_boxes(boxes, mask, 64, 48, 8, ["x"] * mask.shape[1], **others)


SHAPES = st.tuples(st.integers(1, 24), st.integers(0, 3))


@st.composite
def dense(draw):
    frames, count = draw(SHAPES)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    corners = draw(npst.arrays(dtype, (frames, count, 4), elements=st.floats(-2, 2, width=32)))
    walk = draw(st.booleans())  # smooth paths exercise the simplification, jumps its worst case
    corners = np.cumsum(corners, 0) / 16 if walk else corners
    low, high = np.minimum(corners[..., :2], corners[..., 2:]), np.maximum(corners[..., :2], corners[..., 2:])
    boxes = np.concatenate((low, high), -1)
    return boxes.astype(dtype), draw(npst.arrays(bool, (frames, count)))


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(dense(), st.sampled_from([0.0, 1e-6, 0.004, 0.1]))
def test_simplified_boxes_stay_within_the_tolerance_and_keep_the_mask(dense_boxes, tolerance):
    boxes, mask = dense_boxes
    trajectory = from_boxes(boxes, mask, tolerance=tolerance)
    again, visible = at(trajectory)
    np.testing.assert_array_equal(visible, mask)
    rounding = 1e-7 if boxes.dtype == np.float32 else 0  # keys are the decimals that float32 values stand for
    assert (np.abs(again - boxes)[mask].max(initial=0)) <= tolerance + rounding
    assert parse_trajectory(dumps(trajectory)) == trajectory


def test_a_straight_motion_becomes_two_keys():
    boxes, mask = boxes_at(parse_trajectory(document((0, A), (7, B))))
    assert [key.frame for key in from_boxes(boxes, mask).objects[0].keys] == [0, 7]


def test_a_corner_in_the_path_becomes_a_key():
    boxes, mask = boxes_at(parse_trajectory(document((0, A), (5, B), (7, A))))
    keys = from_boxes(boxes, mask).objects[0].keys
    assert [key.frame for key in keys] == [0, 5, 7] and keys[1].box == tuple(B)


def test_a_gap_becomes_one_invisible_key():
    boxes = np.tile(np.array(A), (6, 1, 1))
    boxes[2:4] = np.nan
    mask = np.array([1, 1, 0, 0, 1, 1], bool)[:, None]
    keys = from_boxes(boxes, mask).objects[0].keys
    assert [(key.frame, key.visible) for key in keys] == [(0, True), (1, True), (2, False), (4, True), (5, True)]


def test_an_object_that_is_never_visible_is_kept():
    trajectory = from_boxes(np.full((4, 1, 4), np.nan), np.zeros((4, 1), bool))
    assert not boxes_at(trajectory)[1].any() and len(trajectory.objects) == 1


def test_half_precision_tensors_are_read():
    boxes, mask = boxes_at(parse_trajectory(document((0, A), (7, B))))
    assert len(from_boxes(boxes.bfloat16(), mask, tolerance=0.02).objects[0].keys) == 2


@pytest.mark.parametrize(
    "boxes, mask, message",
    [
        (np.full((2, 1, 4), np.nan), np.ones((2, 1)), "object 0 .x., frame 0.*nan"),
        (np.array([[[0.5, 0, 0.4, 1]]]), np.ones((1, 1)), "inverted"),
        (np.array([[[0, 0, 99, 1]]]), np.ones((1, 1)), "from -16 to 17"),
        (np.zeros((2, 1, 3)), np.ones((2, 1)), r"give \[F, N, 4\]"),
        (np.zeros((2, 1, 4)), np.ones((3, 1)), r"give \[F, N, 4\]"),
        (np.zeros((0, 1, 4)), np.ones((0, 1)), "frames is 0"),
        (np.zeros((4097, 1, 4)), np.ones((4097, 1)), "frames is 4097"),
        (np.zeros((1, 257, 4)), np.ones((1, 257)), "has 257 entries"),
    ],
)
def test_bad_dense_boxes_are_refused(boxes, mask, message):
    with pytest.raises(TrajectoryError, match=message):
        from_boxes(boxes, mask)


def test_the_number_of_phrases_must_fit():
    with pytest.raises(TrajectoryError, match="2 objects but there are 1 phrases"):
        trajectory_from_boxes(np.zeros((1, 2, 4)), np.ones((1, 2)), 64, 48, 8, ["one"])


# ---- another length


def keys_of(trajectory: Trajectory):
    return [(key.frame, list(key.box)) for key in trajectory.objects[0].keys]


def test_keep_leaves_frame_numbers_and_refuses_to_lose_keys():
    trajectory = parse_trajectory(document((0, A), (5, B)))
    assert with_frames(trajectory, 20).objects == trajectory.objects
    assert with_frames(trajectory, 6).frames == 6
    with pytest.raises(TrajectoryError, match="frame 5 lies past the end of 5 frames"):
        with_frames(trajectory, 5)


def test_stretch_moves_keys_in_proportion():
    trajectory = with_frames(parse_trajectory(document((0, A), (3, B), (7, A))), 15, "stretch")
    assert keys_of(trajectory) == [(0, A), (6, B), (14, A)]


def test_stretch_keeps_the_later_of_two_keys_that_meet():
    trajectory = with_frames(parse_trajectory(document((0, A), (1, B), (2, A), (7, B))), 2, "stretch")
    assert keys_of(trajectory) == [(0, A), (1, B)]


@pytest.mark.parametrize("ease", ["linear", "in", "hold", [0.3, 1.6, 0.7, -0.5]])
@pytest.mark.parametrize("frames", [1, 2, 4, 6, 8, 12])
def test_crop_leaves_the_boxes_of_the_remaining_frames(ease, frames):
    trajectory = parse_trajectory(document((1, A, ease), (6, B, "out", False), (7, A)))
    boxes, mask = at(trajectory)
    cropped_boxes, cropped_mask = at(with_frames(trajectory, frames, "crop"))
    same = min(frames, 8)
    np.testing.assert_allclose(cropped_boxes[:same], boxes[:same], atol=1e-15)
    np.testing.assert_array_equal(cropped_mask[:same], mask[:same])


def test_crop_stays_a_valid_document_where_an_ease_overshoots():
    wild = [0.3, 16, 0.7, -16]
    trajectory = parse_trajectory(document((0, [-10, 0.2, 10, 0.8], wild), (7, [0.45, 0.4, 0.5, 0.9])))
    cropped = with_frames(trajectory, 6, "crop")
    assert parse_trajectory(cropped.to_dict()) == cropped
    for ours, theirs in zip(clip_boxes(*boxes_at(cropped)), clip_boxes(*boxes_at(trajectory)), strict=True):
        torch.testing.assert_close(ours, theirs[:6])


def test_an_unknown_mode_is_refused():
    with pytest.raises(TrajectoryError, match="keep, stretch or crop"):
        with_frames(parse_trajectory(document((0, A))), 4, "squeeze")


# ---- curved paths


def curved(leaving, arriving, size=(64, 48), ease="linear"):
    value = document((0, A, ease), (63, B), frames=64)
    value |= {"version": 2, "width": size[0], "height": size[1]}
    first, last = value["objects"][0]["keys"]
    first["handles"], last["handles"] = [[0, 0], leaving], [arriving, [0, 0]]
    return value


def centres(trajectory):
    boxes, _ = at(trajectory)
    return (boxes[:, 0, :2] + boxes[:, 0, 2:]) / 2


HANDLE = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(list)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(HANDLE, HANDLE, st.sampled_from([(640, 360), (100, 900)]))
def test_a_curve_is_passed_through_at_an_even_speed(leaving, arriving, size):
    (track,) = parse_trajectory(curved(leaving, arriving, size)).objects
    boxes, _ = sample_track(track.keys, np.linspace(0, 63, 4001), size)
    steps = np.diff((boxes[:, :2] + boxes[:, 2:]) / 2 * size, axis=0)
    behind = np.cumsum(np.hypot(*steps.T))
    np.testing.assert_allclose(behind / behind[-1], np.arange(1, 4001) / 4000, atol=2e-3)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(HANDLE, HANDLE, st.sampled_from(["linear", "in", "hold", [0.3, 1.6, 0.7, -0.5]]))
def test_a_curve_starts_and_ends_at_its_keys_survives_and_is_of_version_2(leaving, arriving, ease):
    trajectory = parse_trajectory(curved(leaving, arriving, ease=ease))
    boxes, _ = at(trajectory)
    np.testing.assert_allclose(boxes[[0, -1], 0], [A, B], atol=1e-14)
    assert parse_trajectory(dumps(trajectory)) == trajectory
    assert trajectory.to_dict()["version"] == (2 if any(leaving + arriving) else 1)


def test_handles_on_the_straight_line_change_nothing():
    way = (np.array(B).reshape(2, 2) - np.array(A).reshape(2, 2)).mean(0)
    trajectory = parse_trajectory(curved((way / 2).tolist(), (-way / 3).tolist()))
    straight = parse_trajectory(document((0, A), (63, B), frames=64))
    np.testing.assert_allclose(centres(trajectory), centres(straight), atol=2e-5)


def test_the_size_of_a_box_on_a_curve_changes_as_on_a_line():
    boxes, _ = at(parse_trajectory(curved([0.3, -0.5], [0.1, 0.4], ease="in_out")))
    straight, _ = at(parse_trajectory(document((0, A, "in_out"), (63, B), frames=64)))
    np.testing.assert_allclose(boxes[..., 2:] - boxes[..., :2], straight[..., 2:] - straight[..., :2], atol=1e-14)


def test_a_bad_handle_is_named_by_object_frame_and_range():
    with pytest.raises(TrajectoryError, match=r"red car.*frame 0: handles is nan: give a number from -16 to 16"):
        parse_trajectory(curved([0, math.nan], [0, 0]))


def test_handles_are_no_field_of_version_1():
    with pytest.raises(TrajectoryError, match="unknown key 'handles': it takes frame, box, ease, visible$"):
        parse_trajectory({**curved([0.1, 0], [0, 0]), "version": 1})


def test_a_newer_version_asks_for_an_update():
    with pytest.raises(TrajectoryError, match="version is 3: this program reads versions 1 and 2, update it"):
        parse_trajectory({**document((0, A)), "version": 3})


def test_few_keys_follow_a_curve_within_the_tolerance():
    boxes, mask = at(parse_trajectory(curved([0.3, -0.5], [0.1, 0.4])))
    few = from_boxes(boxes, mask)
    assert len(few.objects[0].keys) < 32
    np.testing.assert_allclose(at(few)[0], boxes, atol=0.004 + 1e-12)
