"""Values of node graphs become trajectories."""

import json
import time

import numpy as np
import pytest
import torch

from smcd_core.trajectory.dense import boxes_at, phrases
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory
from smcd_core.trajectory.files import read_trajectory
from smcd_core.trajectory.fingerprint import fingerprint
from smcd_core.trajectory.identity import _nearest_first
from smcd_core.trajectory.values import trajectory_from_value
from smcd_core.trajectory.write import bounding_boxes

SIZE = dict(width=200, height=100)
BOX = {"x": 20, "y": 10, "width": 60, "height": 40}
XYXY = [0.1, 0.1, 0.4, 0.5]  # BOX in units of the frame


def read(value, frames=4, **options):
    return trajectory_from_value(value, frames=frames, **SIZE, **options)


def moved(dx, **others):
    return BOX | {"x": BOX["x"] + dx} | others


@pytest.mark.parametrize("value", [BOX, [BOX], [[BOX]], json.dumps(BOX), json.dumps([[BOX]])], ids=str)
def test_a_single_box_rests_for_all_frames_in_every_nesting(value):
    trajectory, what = read(value)
    boxes, mask = boxes_at(trajectory)
    assert boxes.shape == (4, 1, 4) and mask.all() and "box" in what and "200 x 100" in what
    assert torch.allclose(boxes, torch.tensor(XYXY).expand(4, 1, 4))


def test_lists_for_each_frame_move_and_a_frame_without_the_box_hides_it():
    trajectory, what = read([[moved(0)], [moved(10)], [], [moved(30)]])
    boxes, mask = boxes_at(trajectory)
    assert mask[:, 0].tolist() == [True, True, False, True] and "for each frame" in what
    assert boxes[[0, 1, 3], 0, 0].tolist() == pytest.approx([0.1, 0.15, 0.25])


def test_boxes_in_another_order_are_joined_by_label_and_nearness():
    a, b, dog = moved(0, label="cat"), moved(100, label="cat"), moved(40, label="dog")
    trajectory, _ = read([[a, b, dog], [dog, b, a], [b, a, dog]])
    boxes, mask = boxes_at(trajectory)
    assert mask.all() and sorted(phrases(trajectory)) == ["cat", "cat", "dog"]
    assert (boxes == boxes[0]).all()


@pytest.mark.parametrize(
    "key, ids",
    [("track_id", (1, 2)), ("tracker_id", ("a", "b")), ("trackId", (0, 7)), ("id", (4, 5)), ("track_id", (1.0, "02"))],
)
def test_two_that_cross_are_told_apart_by_their_ids(key, ids):
    """By nearness alone they bounced off each other."""
    left, right = ({"label": "person", key: one} for one in ids)
    frames = [[moved(10 * n, **left), moved(90 - 10 * n, **right)][:: 1 if n % 2 else -1] for n in range(10)]
    trajectory, what = read(frames)
    boxes, mask = boxes_at(trajectory)
    first = boxes[:, 0, 0] * 200 - 20
    assert mask.all() and boxes.shape[1] == 2 and phrases(trajectory) == ["person"] * 2
    assert first.tolist() in (
        pytest.approx([10 * n for n in range(10)]),
        pytest.approx([90 - 10 * n for n in range(10)]),
    )
    assert f"joined by {key}: 2 objects" in what
    without = [[{name: value for name, value in box.items() if name != key} for box in here] for here in frames]
    assert "joined by" not in read(without)[1]


def test_an_id_joins_boxes_over_a_gap_and_whatever_their_labels_say():
    frames = [[moved(0, track_id=3)], [], [moved(90, track_id=3, label="dog")], [moved(95, track_id=3, label="cat")]]
    trajectory, what = read(frames)
    assert phrases(trajectory) == ["dog"] and boxes_at(trajectory)[1].tolist() == [[True], [False], [True], [True]]
    assert "joined by track_id; objects whose label changes, and keep the first: 1 (object 3: dog, cat)" in what


@pytest.mark.parametrize(
    "frames, message",
    [
        ([[moved(0, track_id=1)], [moved(5)]], "frame 1, box 0 has no track_id, others have: give one to every box"),
        ([[moved(0, track_id=1)], [moved(5, track_id=-1)]], "frame 1, box 0 has no track_id"),
        ([[moved(0, track_id=1)], [moved(5, track_id=1), moved(9, track_id=1.0)]], "frame 1: two boxes have the track"),
        (
            [[moved(0, id=0), moved(9, id=0)], [moved(5, id=0)]],
            "give each object its own, or leave id out of all boxes",
        ),
        ([moved(0, track_id=1), moved(5, track_id=1)], "two boxes have the track_id 1.* as a list for each frame"),
    ],
)
def test_ids_that_join_no_boxes_are_refused(frames, message):
    with pytest.raises(TrajectoryError, match=message):
        read(frames)


@pytest.mark.parametrize("ids", [(None, None), (-1, -1), (float("nan"),) * 2, (0, 1), ("4f", "a1")])
def test_an_id_that_names_no_object_joins_none(ids):
    """The last two count the boxes."""
    trajectory, what = read([[moved(0, id=ids[0])], [moved(5, id=ids[1])]])
    assert len(phrases(trajectory)) == 1 and "joined" not in what


@pytest.mark.parametrize("key, gone, here", [
    ("visible", False, True), ("lost", 1, 0), ("Out of view", np.bool_(True), None), ("present", 0.0, 1.0),
])  # fmt: skip
def test_a_box_that_is_said_to_be_absent_is_none(key, gone, here):
    """As in a table; an object stood still where its tracker had lost it."""
    trajectory, _ = read([[moved(0, **{key: here})], [moved(5, **{key: gone})], [moved(9)]])
    assert boxes_at(trajectory)[1].tolist() == [[True], [False], [True]]
    with pytest.raises(TrajectoryError, match=f"frame 1, box 0: {key} is 0.2: give true or false"):
        read([[moved(0)], [moved(5, **{key: 0.2})]])


@pytest.mark.parametrize("key", ["image_id", "file_name", "image", "imageId"])
def test_one_list_of_boxes_of_several_pictures_is_refused(key):
    """It became as many objects at rest."""
    with pytest.raises(TrajectoryError, match=f"different {key}, as of several frames: give a list of boxes for each"):
        read([moved(10 * n, **{key: n}) for n in range(8)])
    assert len(phrases(read([moved(10 * n, **{key: 7}) for n in range(8)])[0])) == 8
    assert len(phrases(read([[moved(n, **{key: n})] for n in range(8)])[0])) == 1


@pytest.mark.parametrize("key", ["frame", "frame_id", "frameId", "frame_no", "frameIndex", "time", "timestamp"])
def test_boxes_with_a_frame_number_are_refused(key):
    with pytest.raises(TrajectoryError, match="has a frame number: these are keyframes"):
        read([moved(10 * n, **{key: n}) for n in range(8)])


def test_labels_and_descriptions_become_phrases_and_given_phrases_win():
    assert phrases(read([moved(0, label="cat"), moved(9, metadata={"desc": "dog"})])[0]) == ["cat", "dog"]
    assert phrases(read([moved(0, label="cat"), BOX], phrase="a\nb\n")[0]) == ["a", "b"]
    assert phrases(read([moved(0, label="cat"), BOX], phrase="x")[0]) == ["x", "x"]
    with pytest.raises(TrajectoryError, match="2 objects but 3 phrases"):
        read([BOX, BOX], phrase="a\nb\nc")


def test_a_trajectory_is_read_as_it_is_from_dict_and_text():
    document = read(moved(0, label="cat"))[0].to_dict()
    for value in (document, json.dumps(document)):
        trajectory, what = read(value, frames=99)
        assert trajectory.to_dict() == document and "SMCD trajectory" in what


def test_tracks_become_squares_and_one_column_of_visibility_serves_all():
    path = torch.tensor([[[50.0, 50.0], [100.0, 50.0]], [[60.0, 50.0], [100.0, 50.0]]])
    visible = torch.tensor([[True], [False]])
    trajectory, what = read({"track_path": path, "track_visibility": visible}, point_size=0.2)
    boxes, mask = boxes_at(trajectory)
    assert mask.tolist() == [[True, True], [False, False]] and "tracks" in what
    assert boxes[0, 0].tolist() == pytest.approx([0.2, 0.4, 0.3, 0.6])  # 20 pixels around (50, 50)


@pytest.mark.parametrize(
    "visible, found",
    [([[0.2], [1]], "0.2"), ([[1], [float("nan")]], "nan"), ([[0], [255]], "255"), ([[-1], [1]], "-1")],
)
def test_visibility_other_than_0_and_1_is_refused(visible, found):
    """Trackers give probabilities: 0.2 counted as visible."""
    path = torch.tensor([[[50.0, 50.0]], [[60.0, 50.0]]])
    with pytest.raises(TrajectoryError, match=f"track_visibility holds {found}, expected 0 or 1"):
        read({"track_path": path, "track_visibility": torch.tensor(visible, dtype=torch.float32)})


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32, torch.int64])
def test_visibility_of_0_and_1_may_have_any_type(dtype):
    path = torch.tensor([[[50.0, 50.0]], [[60.0, 50.0]]])
    read_as, _ = read({"track_path": path, "track_visibility": torch.tensor([[1], [0]]).to(dtype)})
    assert boxes_at(read_as)[1].tolist() == [[True], [False]]


def test_points_as_text_are_tracks_too():
    one = [{"x": 50, "y": 50}, {"x": 60, "y": 50}]
    assert boxes_at(read(json.dumps(one))[0])[0].shape == (2, 1, 4)
    assert boxes_at(read(json.dumps([one, one]))[0])[0].shape == (2, 2, 4)
    with pytest.raises(TrajectoryError, match="1 to 2 points"):
        read([one, one[:1]])


@pytest.mark.parametrize("key, value", [("z", -0.1), ("visibility", 0.9), ("visible", True), ("presence", 1.0)])
@pytest.mark.parametrize("is_nested", [True, False])
def test_landmarks_are_refused(key, value, is_nested):
    """A list for each frame became objects and frames in turn, as the outer list is that of the tracks."""
    pose = [{"x": 20.0 + n, "y": 30.0, key: value} for n in range(33)]
    with pytest.raises(TrajectoryError, match=f"track 0, point 0 has '{key}', as landmarks .* list for each point"):
        read([pose] * 8 if is_nested else pose)


@pytest.mark.parametrize("key", ["frame", "frameNumber", "time"])
def test_points_with_a_frame_number_are_refused(key):
    """Keyframes far apart became points of adjacent frames."""
    with pytest.raises(TrajectoryError, match="track 0, point 0 has a frame number, as keyframes have"):
        read([{"x": 10, "y": 20, key: 0}, {"x": 90, "y": 20, key: 24}])


def test_a_mask_batch_becomes_the_box_around_what_is_set():
    mask = torch.zeros(3, 10, 20)
    mask[0, 2:5, 4:8] = mask[2, 0, 19] = 1
    trajectory, what = read(mask)
    boxes, visible = boxes_at(trajectory)
    assert visible[:, 0].tolist() == [True, False, True] and "masks" in what
    assert boxes[0, 0].tolist() == pytest.approx([0.2, 0.2, 0.4, 0.5])
    assert boxes[2, 0].tolist() == pytest.approx([0.95, 0.0, 1.0, 0.1])
    assert len(phrases(read([mask, mask])[0])) == 2


def test_masks_of_another_shape_than_the_frame_are_stretched_and_said():
    mask = torch.zeros(1, 10, 10)
    mask[0, 2:5, 4:8] = 1
    trajectory, what = read(mask)
    assert trajectory.objects[0].keys[0].box == pytest.approx((0.4, 0.2, 0.8, 0.5))
    assert what.startswith("masks (10 x 10 pixels, stretched): 1 objects")


@pytest.mark.parametrize(
    "value, message",
    [
        ([], "empty list"),
        ([[]], "without any box"),
        ("", "text is empty"),
        ("{'x': 1}", "not JSON"),
        ("7", "found int"),
        ([[1, 2, 3, 4]], "may be x1, y1, x2, y2 or x, y, width, height"),
        (BOX | {"width": float("nan")}, "width is nan"),
        (BOX | {"width": -1}, "-1 x 40"),
        ({"bbox": [1, 2, 3, 4]}, "keys 'bbox'"),
        ([BOX, 3], "found a list of dict"),
        (torch.zeros(3, 4, 8), "masks without any box"),
        (torch.zeros(4, 4), r"masks \(4 x 4 pixels, stretched\) without any box"),
        (torch.zeros(1, 0, 0), r"mask 0 is \[1, 0, 0\]: expected \[frames, height, width\]"),
        (torch.zeros(1, 4, 4, 3), r"mask 0 is \[1, 4, 4, 3\]: expected \[frames, height, width\]"),
        (torch.zeros(4), r"mask 0 is \[4\]: expected \[frames, height, width\]"),
        (torch.tensor(3.0), r"mask 0 is \[\]: expected \[frames, height, width\]"),
        (
            [torch.ones(1, 4, 8), torch.ones(2, 4, 8)],
            r"mask 1 is \[2, 4, 8\]: expected \[1, height, width\] as the first",
        ),
        ({"track_path": torch.zeros(3, 2)}, r"track_path is \[3, 2\]"),
        ({"track_path": torch.full((2, 1, 2), float("nan"))}, "NaN"),
        (BOX | {"x": 1e9}, "box"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_with_what_was_found(value, message):
    with pytest.raises(TrajectoryError, match=message):
        read(value)


SHAPE = r'\[\[{"x": 10, "y": 20, "width": 60, "height": 40, "label": "dog"}, ...\], ...\]'
DETECTORS = {  # what popular detectors give
    "Florence-2": ({"<OD>": {"bboxes": [[1, 2, 3, 4]], "labels": ["dog"]}}, "an object with keys '<OD>'"),
    "GroundingDINO": ({"scores": [0.9], "boxes": [[1, 2, 3, 4]]}, "an object with keys 'scores', 'boxes'"),
    "a list of its arrays": ([{"boxes": np.zeros((1, 4))}], "a list of objects with keys 'boxes'"),
    "COCO": ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "a list of objects with keys 'image_id', 'bbox'"),
    "Qwen": ([[{"bbox_2d": [1, 2, 3, 4]}]], "lists of objects with keys 'bbox_2d'"),
    "corners": ([[{"x1": 1, "y1": 2, "x2": 3, "y2": 4}]], "lists of objects with keys 'x1', 'y1', 'x2', 'y2'"),
    "a frame of boxes, one of corners": ([[BOX], [{"left": 1, "top": 2}]], "lists of objects with keys 'left', 'top'"),
    "frames by number": ({"0": [BOX]}, "an object with keys '0'"),
    "bare numbers": ([[1, 2, 3, 4]], "lists of bare numbers"),
    "an array": (np.zeros((1, 4)), r"ndarray \[1, 4\]"),
    "a list of arrays": ([np.zeros((2, 4))], r"a list of ndarray \[2, 4\]"),
    "lists of tensors": ([[torch.zeros(4)]], r"lists of Tensor \[4\]"),
    "lists of words": ([["dog"]], "lists of str"),
    "boxes and a number": ([BOX, 3], "a list of dict and int"),
    "nothing": ([], "an empty list"),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_refusals_of_values_say_what_was_found_and_show_what_is_expected(name):
    value, found = DETECTORS[name]
    with pytest.raises(TrajectoryError, match=f"^found {found}.*{SHAPE}"):
        read(value)


def test_other_refusals_say_what_to_do():
    with pytest.raises(TrajectoryError, match=r"entry 1 of the list is null: give \[\] for a frame without boxes"):
        read([[BOX], None])
    with pytest.raises(TrajectoryError, match=f"double quotes.*{SHAPE}"):
        read("[[{'x': 1}]]")
    for value in (BOX | dict(x=0.1, y=0.1, width=0.5, height=0.5), {"track_path": torch.full((4, 2, 2), 0.25)}):
        with pytest.raises(TrajectoryError, match="not pixels: multiply them by its width and height"):
            read(value)
    with pytest.raises(TrajectoryError, match="nothing was found: lower its threshold"):
        read([])
    with pytest.raises(TrajectoryError, match="1 objects but 2 phrases.* The masks of a batch are the frames of one"):
        read(torch.eye(8).repeat(2, 1, 1), phrase="a\nb")
    with pytest.raises(TrajectoryError, match="1 objects but 2 phrases.* or a line for each$"):
        read(BOX, phrase="a\nb")


def test_boxes_given_to_other_packs_come_back_within_a_pixel():
    trajectory, _ = read([[moved(0, label="cat")], [moved(13, label="cat")], [], [moved(150, label="cat")]])
    frames = bounding_boxes(trajectory)
    assert frames[1] == [moved(13, label="cat")] and frames[2] == []
    assert frames[3][0]["x"] + frames[3][0]["width"] == 200  # cut at the side
    again, _ = read(frames)
    assert (boxes_at(again)[0][0] - boxes_at(trajectory)[0][0]).abs().max() < 0.01


def test_given_phrases_rename_the_objects_of_a_trajectory():
    document = read([moved(0, label="cat"), moved(9, label="dog")])[0].to_dict()
    document["objects"][0]["enabled"] = False
    assert phrases(read(document, phrase="bird")[0]) == ["bird"]
    assert parse_trajectory(document).objects[0].phrase == "cat"


def test_fingerprints_tell_boxes_apart():
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    moved = {**box, "x": 1.5}
    tracks = {"track_path": torch.zeros(2, 1, 2), "track_visibility": torch.ones(2, 1, dtype=torch.bool)}
    hidden = {**tracks, "track_visibility": torch.tensor([[True], [False]])}
    masks = [torch.zeros(2, 4, 8), torch.zeros(2, 8, 4)]
    values = [box, [box], [[box]], moved, [box, moved], [[box], [moved]], tracks, hidden, *masks, "text"]
    assert len({fingerprint(value) for value in values}) == len(values)


def test_equal_boxes_have_equal_fingerprints():
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    assert fingerprint([box]) == fingerprint([dict(reversed(box.items()))])
    assert fingerprint(torch.eye(3, dtype=torch.bfloat16)) == fingerprint(torch.eye(3))


def test_fingerprints_of_saved_documents_stay_what_they_were():
    """Else the editor takes a saved document for one of other boxes, and its edits are lost."""
    masks = torch.linspace(0, 1, 2**20 + 5).reshape(1, -1, 1)  # longer than what is hashed at a time
    box = {"x": 1, "y": 2, "width": 3.5, "height": 4, "label": "dog"}
    tracks = {"track_path": torch.arange(4.0).reshape(2, 1, 2), "track_visibility": torch.tensor([[True], [False]])}
    values = [[[box], []], "[1]", masks, masks[:, ::2], tracks, [masks[:, :3], masks[:, 3:6] > 0]]
    assert [fingerprint(value) for value in values] == [
        "9d4b97e482c37dd0",
        "651a0d5a6303a93f",
        "c3bd4b04ab05f24d",
        "0ea0f605c7d25fcd",
        "e2b893ae46cc827a",
        "7ebc7aed74452a3c",
    ]


@pytest.mark.parametrize("number", [int, np.int64, np.float32, np.float64, np.array, torch.tensor])
def test_numbers_of_numpy_and_torch_are_numbers(number):
    box = {"x": number(20), "y": number(10), "width": number(60), "height": number(40), "label": "cat"}
    gone = {name: number(0) for name in ("x", "y", "width", "height")}
    trajectory, what = read([[box | {"track_id": number(3)}], [gone], [box | {"track_id": number(3)}]])
    boxes, mask = boxes_at(trajectory)
    assert boxes[0, 0].tolist() == pytest.approx(XYXY) and phrases(trajectory) == ["cat"]
    assert mask.tolist() == [[True], [False], [True]] and "joined by track_id" in what


@pytest.mark.parametrize("number, truth", [(np.float32, np.bool_), (np.array, np.array), (torch.tensor, torch.tensor)])
def test_a_trajectory_may_hold_numbers_of_numpy_and_torch(number, truth):
    """They were refused as out of a range that they are in."""

    def document(whole, number, truth):
        key = {"frame": whole(7), "box": [number(side) for side in XYXY], "visible": truth(True)}
        track = {"id": "a", "phrase": "cat", "keys": [key], "strength": number(0.5), "enabled": truth(True)}
        head = {"width": whole(200), "height": whole(100), "frames": whole(8), "fps": number(8.0)}
        return {"version": whole(2), **head, "objects": [track]}

    whole = np.int64 if number is np.float32 else number
    found, plain = read(document(whole, number, truth))[0], read(document(int, float, bool))[0]
    assert found.objects[0].keys[0].box == pytest.approx(plain.objects[0].keys[0].box)
    assert json.loads(json.dumps(found.to_dict())).keys() == plain.to_dict().keys()
    with pytest.raises(TrajectoryError, match="frame is 8: give a whole number from 0 to 7"):
        read(document(lambda n: whole(n + (n == 7)), number, truth))


@pytest.mark.parametrize("box", [np.zeros(4), torch.zeros(4)], ids=["numpy", "torch"])
def test_a_box_that_is_an_array_is_named_as_no_list(box):
    document = {"version": 1, "width": 9, "height": 9, "frames": 1}
    document["objects"] = [{"phrase": "cat", "keys": [{"frame": 0, "box": box}]}]
    with pytest.raises(TrajectoryError, match=r"box is (array|tensor)\(.*it must be a list"):
        read(document)


@pytest.mark.parametrize("shape", [(10, 20), (1, 10, 20), (1, 1, 10, 20)])
def test_a_single_mask_may_come_in_any_shape(shape):
    mask = torch.zeros(10, 20)
    mask[2:5, 4:8] = 1
    boxes, visible = boxes_at(read(mask.reshape(shape))[0])
    assert visible.all() and boxes[0, 0].tolist() == pytest.approx([0.2, 0.2, 0.4, 0.5])


def test_stray_pixels_do_not_stretch_the_box_of_a_mask_and_halves_do():
    mask = torch.zeros(2, 64, 64)
    mask[:, 10:20, 10:20] = mask[0, 60, 60] = mask[1, 40:50, 40:50] = 1
    boxes, _ = boxes_at(read(mask)[0])
    assert (boxes[0, 0] * 64).tolist() == pytest.approx([10, 10, 20, 20])
    assert (boxes[1, 0] * 64).tolist() == pytest.approx([10, 10, 50, 50])


@pytest.mark.parametrize(
    "value, message",
    [
        ({"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.2}, "shares of the picture, not pixels"),
        ({"track_path": torch.full((4, 2, 2), 0.25), "track_visibility": torch.ones(4, 2)}, "shares of the picture"),
        ([{"frame": 1, "x": 1, "y": 2, "width": 30, "height": 20}], "keyframes of an annotation tool"),
        ({"x": 1500, "y": 800, "width": 300, "height": 200}, "boxes reach to 1800 x 1000, the image has 200 x 100"),
        (["[1]", "[2]"], "each must be a list of points"),
        (torch.zeros(0, 4, 4), "without any box"),
    ],
    ids=str,
)
def test_values_that_cannot_be_meant_are_refused(value, message):
    with pytest.raises(TrajectoryError, match=message):
        read(value)


def test_the_nearest_pairs_are_taken_first_as_if_one_by_one():
    rng = np.random.default_rng(0)
    for rows, columns in [(1, 1), (3, 7), (7, 3), (12, 12), (0, 4), (4, 0)]:
        for _ in range(20):
            distances = rng.integers(0, 6, (rows, columns)).astype(float)  # with equal ones
            distances[rng.random(distances.shape) < 0.2] = np.inf
            expected, rest = [], distances.copy()
            while rest.size and np.isfinite(rest.min()):
                t, n = divmod(int(rest.argmin()), columns)
                expected.append((t, n))
                rest[t], rest[:, n] = np.inf, np.inf
            assert sorted(_nearest_first(distances)) == sorted(expected)


def test_a_full_house_of_boxes_is_joined_in_seconds():
    """Taking one pair at a time was cubic in the number of objects."""
    rng, count = np.random.default_rng(0), 256
    starts, frames = rng.uniform(0, 900, (count, 2)), 40
    value = [
        [{"x": x, "y": y, "width": 20, "height": 20} for x, y in (starts + f)[rng.permutation(count)].tolist()]
        for f in range(frames)
    ]
    start = time.process_time()
    found, _ = trajectory_from_value(value, width=1000, height=1000, frames=frames)
    assert len(found.objects) == count and time.process_time() - start < 20


NO_MASKS = {
    "a box": torch.tensor([[10.0, 20.0, 60.0, 50.0]]),
    "boxes up to 255": torch.tensor([[[10.0, 20.0, 255.0, 50.0]], [[12.0, 20.0, 255.0, 50.0]]]),
    "a box in shares": torch.tensor([[0.1, 0.2, 0.5, 0.6]]),
    "points": torch.arange(24.0).reshape(4, 3, 2),
    "points in shares": torch.linspace(0, 1, 24).reshape(4, 3, 2),
    "a map of three objects": torch.arange(4).repeat_interleave(16).reshape(1, 8, 8),
    "a map of three objects in bytes": torch.arange(4, dtype=torch.uint8).repeat_interleave(16).reshape(1, 8, 8),
    "logits": torch.linspace(-20, 20, 64).reshape(1, 8, 8),
    "soft bytes as floats": torch.linspace(0, 255, 64).reshape(1, 8, 8),
}


@pytest.mark.parametrize("name", NO_MASKS)
def test_tensors_that_cannot_be_masks_are_refused(name):
    """They were read as masks: a box became the whole picture."""
    value = NO_MASKS[name]
    low, high = value.min().item(), value.max().item()
    found = rf"found a tensor \[.*\] of numbers from {low:g} to {high:g}, which is no mask"
    for one in (value, [value]):
        with pytest.raises(TrajectoryError, match=found):
            read(one)


@pytest.mark.parametrize("dtype, top", [("bool", 1), ("uint8", 1), ("uint8", 255), ("float32", 255), ("int64", 255)])
def test_masks_may_have_any_type(dtype, top):
    mask = torch.zeros(1, 10, 20)
    mask[0, 2:5, 4:8] = top
    boxes, _ = boxes_at(read(mask.to(getattr(torch, dtype)))[0])
    assert boxes[0, 0].tolist() == pytest.approx([0.2, 0.2, 0.4, 0.5])


def test_soft_masks_are_cut_at_one_half_in_bytes_too_and_may_overshoot():
    mask = torch.zeros(1, 10, 20)
    mask[0, 2:5, 4:8], mask[0, 2:5, 8:12], mask[0, 2:5, 12] = 1, 0.3, -0.2
    soft = mask.clone()
    soft[0, 3, 5] = 1.2
    for one in (soft, (mask.clamp(min=0) * 255).to(torch.uint8), soft.half()):
        assert boxes_at(read(one)[0])[0][0, 0].tolist() == pytest.approx([0.2, 0.2, 0.4, 0.5])


def test_a_mask_of_nan_is_named():
    masks = [torch.zeros(1, 10, 20), torch.full((1, 10, 20), float("nan"))]
    with pytest.raises(TrajectoryError, match="mask 1 holds NaN: repair what made it"):
        read(masks)


@pytest.mark.parametrize("side", [int, str])
def test_the_size_that_a_detector_gives_may_be_text(side):
    found = {"x": 20, "y": 20, "width": 20, "height": 20, "class": "car", "confidence": 0.9}
    value = {"predictions": [found], "image": {"width": side(200), "height": side(100)}}
    boxes, _ = boxes_at(trajectory_from_value(value, width=400, height=400, frames=1)[0])
    assert boxes[0, 0].tolist() == pytest.approx([0.05, 0.1, 0.15, 0.3])


def test_the_size_that_comes_with_boxes_is_that_of_the_trajectory_and_said():
    """Boxes were in shares of it, and the trajectory had the size that was given: another shape."""
    box = {"x": 320, "y": 240, "width": 64, "height": 48, "class": "car", "confidence": 0.9}
    value = {"predictions": [box], "image": {"width": 640, "height": 480}}
    for one in (value, json.dumps(value), [json.dumps(value)]):
        trajectory, what = trajectory_from_value(one, width=512, height=512, frames=1)
        assert (trajectory.width, trajectory.height) == (640, 480)
        assert boxes_at(trajectory)[0][0, 0].tolist() == pytest.approx([0.45, 0.45, 0.55, 0.55])
        assert what.endswith("1 frames of 640 x 480 pixels, the size that comes with the boxes, not 512 x 512")
    assert "not" not in trajectory_from_value(value, width=640, height=480, frames=1)[1]
    trajectory, what = trajectory_from_value(value | {"image": {}}, width=512, height=512, frames=1)
    assert (trajectory.width, trajectory.height) == (512, 512) and what.endswith("512 x 512 pixels")


@pytest.mark.parametrize("given", [{}, {"width": 512, "height": 512}, {"width": 640, "height": 480}])
def test_a_file_of_boxes_with_their_size_needs_no_other(tmp_path, given):
    box = {"x": 320, "y": 240, "width": 64, "height": 48, "class": "car", "confidence": 0.9}
    (tmp_path / "a.json").write_text(json.dumps({"predictions": [box], "image": {"width": 640, "height": 480}}))
    trajectory, what = read_trajectory(tmp_path / "a.json", **given)
    assert (trajectory.width, trajectory.height) == (640, 480) and what.endswith("640x480 pixels from the file")
    (tmp_path / "a.json").write_text(json.dumps({"predictions": [box]}))
    if not given:
        with pytest.raises(TrajectoryError, match="the size of the frame in pixels is not known"):
            read_trajectory(tmp_path / "a.json")


def test_only_text_names_an_object():
    box = {"x": 10, "y": 10, "width": 20, "height": 20, "label": {"id": 3}, "class": ["a"]}
    assert trajectory_from_value(box, width=100, height=100, frames=1)[0].objects[0].phrase == ""
