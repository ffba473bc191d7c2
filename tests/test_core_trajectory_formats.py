"""Boxes from and to the files of other programs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from smcd_core.trajectory.dense import boxes_at, phrases
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory
from smcd_core.trajectory.files import FORMATS, read_trajectory
from smcd_core.trajectory.formats import box_file
from smcd_core.trajectory.values import trajectory_from_value
from smcd_core.trajectory.write import write_got10k, write_json, write_mot, write_mot_sequence

SIZE = {"width": 100, "height": 50}
PIXELS = np.tile((100, 50), 2)
XYXY = "10,20,30,40\n11,20,31,40\n12,20,32,50\n"
XYWH = "10,20,20,20\n11,20,20,20\n12,20,20,30\n"
MOT = "1,1,10,20,20,20,1,-1,-1,-1\n2,1,11,20,20,20,1,-1,-1,-1\n3,1,12,20,20,30,1,-1,-1,-1\n"
CSV = "frame,object,x1,y1,x2,y2\n0,dog,10,20,30,40\n1,dog,11,20,31,40\n2,dog,12,20,32,50\n"
BOXES_PX = [[10, 20, 30, 40], [11, 20, 31, 40], [12, 20, 32, 50]]
META = "[METAINFO]\nurl: https://example.org/a=b\nobject_class: polar bear\nanno_fps: 10Hz\nresolution: (100, 50)\n"
YOUTUBE_VIS = {
    "info": {},
    "videos": [
        {"id": 1, "width": 100, "height": 50, "length": 3, "file_names": [f"ab12/0000{i}.jpg" for i in range(3)]},
        {"id": 2, "width": 10, "height": 10, "length": 1, "file_names": ["cd34/00000.jpg"]},
    ],
    "categories": [{"id": 7, "name": "dog"}, {"id": 8, "name": "cat"}],
    "annotations": [
        {"id": 1, "video_id": 1, "category_id": 7, "bboxes": [[10, 20, 20, 20], [11, 20, 20, 20], [12, 20, 20, 30]]},
        {"id": 2, "video_id": 1, "category_id": 8, "bboxes": [None, [0, 0, 50, 50], None], "segmentations": [None]},
        {"id": 3, "video_id": 2, "category_id": 8, "bboxes": [[1, 1, 2, 2]]},
    ],
}


@pytest.fixture
def folder(tmp_path):
    """Fills a fresh folder with files of the given names: text, bytes, or (width, height) for a picture."""

    def fill(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, tuple):
                Image.new("RGB", content).save(path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return fill


def pixels(trajectory, size=PIXELS):
    boxes, mask = boxes_at(trajectory, dtype=torch.float64)
    return boxes.numpy() * size, mask.numpy()


def example():
    """Three objects, one with a gap and one disabled."""
    keys = [{"frame": 0, "box": [0.1, 0.1, 0.3, 0.4], "ease": "in_out"}, {"frame": 7, "box": [0.5, 0.2, 0.8, 1.1]}]
    gap = [{"frame": n, "box": [0.2, 0.3, 0.4, 0.5], "visible": n != 3} for n in (0, 3, 6)]
    objects = [
        {"id": "a", "phrase": "red car", "keys": keys},
        {"id": "b", "phrase": "ein Bär", "keys": gap},
        {"id": "c", "phrase": "off", "enabled": False, "keys": keys},
    ]
    return parse_trajectory({"version": 1, "width": 640, "height": 360, "frames": 8, "fps": 12, "objects": objects})


# ---- one file of each format


def test_the_released_folder_is_read(folder):
    trajectory, what = read_trajectory(folder({"bbox.txt": XYXY, "img.png": (100, 50)}), phrase="dog")
    boxes, mask = pixels(trajectory)
    np.testing.assert_allclose(boxes[:, 0], BOXES_PX, atol=1e-9)
    assert mask.all() and phrases(trajectory) == ["dog"]
    assert what == "x1,y1,x2,y2 per frame: 1 object, 3 frames, 100x50 pixels from img.png"


def test_a_got10k_sequence_is_read(folder):
    trajectory, what = read_trajectory(
        folder({"groundtruth.txt": XYWH, "meta_info.ini": META, "absence.label": "0\n1\n0\n"})
    )
    boxes, mask = pixels(trajectory)
    np.testing.assert_allclose(boxes[[0, 2], 0], [BOXES_PX[0], BOXES_PX[2]], atol=1e-9)
    assert mask[:, 0].tolist() == [True, False, True]
    assert phrases(trajectory) == ["polar bear"] and trajectory.fps == 10
    assert what == "x,y,w,h per frame (GOT-10k): 1 object, 3 frames, 100x50 pixels from meta_info.ini"


def test_got10k_boxes_alone_need_format_and_size(folder):
    path = folder({"a.txt": XYWH}) / "a.txt"
    with pytest.raises(TrajectoryError, match="say format='xyxy' or format='xywh'"):
        read_trajectory(path, **SIZE)
    with pytest.raises(TrajectoryError, match="give width and height"):
        read_trajectory(path, format="xywh")
    boxes, _ = pixels(read_trajectory(path, format="xywh", **SIZE)[0])
    np.testing.assert_allclose(boxes[:, 0], BOXES_PX, atol=1e-9)


def test_a_mot_file_is_read(folder):
    text = MOT + "1,5,0,0,10,10,1,-1,-1,-1\n3,5,0,0,50,50,1,-1,-1,-1\n2,5,0,0,9,9,0,-1,-1,-1\n"
    trajectory, what = read_trajectory(folder({"x.txt": text}) / "x.txt", **SIZE)
    boxes, mask = pixels(trajectory)
    np.testing.assert_allclose(boxes[:, 0], BOXES_PX, atol=1e-9)
    assert mask.tolist() == [[True, True], [True, False], [True, True]]
    assert "1 row with conf 0 left out" in what and "some without a phrase" in what and "as given" in what


def test_a_mot_sequence_tells_size_rate_length_and_class(folder):
    info = "[Sequence]\nname=MOT16-02\nimDir=img1\nframeRate=30\nseqLength=5\nimWidth=100\nimHeight=50\nimExt=.jpg\n"
    trajectory, what = read_trajectory(folder({"gt/gt.txt": "1,1,10,20,20,20,1,3,0.9\n", "seqinfo.ini": info}))
    assert (trajectory.frames, trajectory.fps, trajectory.width) == (5, 30, 100)
    assert phrases(trajectory) == ["car"] and "from seqinfo.ini" in what
    assert boxes_at(trajectory)[1][:, 0].tolist() == [True, False, False, False, False]


def test_a_youtube_vis_video_is_read_by_id_or_folder(folder):
    path = folder({"instances": json.dumps(YOUTUBE_VIS)}) / "instances"
    for video in (1, "1", "ab12"):
        trajectory, what = read_trajectory(path, video=video)
        boxes, mask = pixels(trajectory)
        np.testing.assert_allclose(boxes[:, 0], BOXES_PX, atol=1e-9)
        assert mask[:, 1].tolist() == [False, True, False]
        assert phrases(trajectory) == ["dog", "cat"]
        assert what == "YouTube-VIS, video 1: 2 objects (dog in 3, cat in 1), 3 frames, 100x50 pixels from the file"


def test_a_choice_is_asked_for_if_there_are_several_videos(folder):
    path = folder({"instances": json.dumps(YOUTUBE_VIS)}) / "instances"
    with pytest.raises(TrajectoryError, match=r"has 2 videos and none was chosen.*1 \('ab12'\), 2 \('cd34'\)"):
        read_trajectory(path)
    with pytest.raises(TrajectoryError, match="0 of them are 'zz'"):
        read_trajectory(path, video="zz")


def test_a_csv_is_read(folder):
    trajectory, what = read_trajectory(folder({"a": CSV + "1,7,0,0,5,5\n"}) / "a", frames=4, **SIZE)
    boxes, mask = pixels(trajectory)
    np.testing.assert_allclose(boxes[:3, 0], BOXES_PX, atol=1e-9)
    assert mask.tolist() == [[True, False], [True, True], [True, False], [False, False]]
    assert phrases(trajectory) == ["dog", ""] and what.startswith("CSV of corners")


def test_our_json_is_read_with_nothing_given(tmp_path):
    write_json(tmp_path / "a.txt", example())
    trajectory, what = read_trajectory(tmp_path / "a.txt")
    assert trajectory == example() and what == "SMCD trajectory: 3 objects, 8 frames"


# ---- the way it is written does not matter


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="Windows line endings"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="old Mac line endings"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace(",", "\t"), id="tabs"),
        pytest.param(lambda text: text.replace(",", " "), id="spaces"),
        pytest.param(lambda text: text.replace(",", " , "), id="commas and spaces"),
        pytest.param(lambda text: text.rstrip("\n"), id="no newline at the end"),
        pytest.param(lambda text: text + "\n\n \n", id="empty lines at the end"),
    ],
)
@pytest.mark.parametrize("text, format", [(XYXY, "xyxy"), (XYWH, "xywh"), (MOT, None), (CSV, None)])
def test_spelling_of_lines_does_not_matter(folder, change, text, format):
    trajectory, _ = read_trajectory(folder({"a": change(text)}) / "a", format=format, **SIZE)
    np.testing.assert_allclose(pixels(trajectory)[0][:, 0], BOXES_PX, atol=1e-9)


@pytest.mark.parametrize("name", ["groundtruth.txt", "bbox.txt", "a.json", "gt.mot", "noname"])
def test_the_name_of_a_file_does_not_matter(tmp_path, name):
    (tmp_path / name).write_text(MOT)
    assert read_trajectory(tmp_path / name, **SIZE)[1].startswith("MOT")


def test_names_in_quotes_may_hold_commas(folder):
    text = 'frame,object,x1,y1,x2,y2\n0,"dog, big",10,20,30,40\n'
    assert phrases(read_trajectory(folder({"a": text}) / "a", **SIZE)[0]) == ["dog, big"]


def test_the_size_in_the_file_wins(folder):
    trajectory, _ = read_trajectory(folder({"bbox.txt": XYXY, "img.png": (100, 50)}), width=7, height=7)
    assert (trajectory.width, trajectory.height) == (100, 50)


def test_the_given_phrases_win(folder):
    path = folder({"instances": json.dumps(YOUTUBE_VIS)}) / "instances"
    assert phrases(read_trajectory(path, video=1, phrase="toy")[0]) == ["toy", "toy"]
    assert phrases(read_trajectory(path, video=1, phrase=["a", "b"])[0]) == ["a", "b"]
    with pytest.raises(TrajectoryError, match="has 2 objects but 3 phrases"):
        read_trajectory(path, video=1, phrase=["a", "b", "c"])


def test_tolerance_makes_few_keys_of_many_boxes(folder):
    lines = [f"{10 + n + 0.1 * (n % 2)},10,{30 + n},40" for n in range(40)]
    path = folder({"a": "\n".join(lines)}) / "a"
    exact, _ = read_trajectory(path, format="xyxy", **SIZE)
    few, _ = read_trajectory(path, format="xyxy", tolerance=0.004, **SIZE)
    assert len(exact.objects[0].keys) == 40 and len(few.objects[0].keys) == 2


# ---- what is refused, and how


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("", {}, "is empty"),
        (" \n\n", {}, "is empty"),
        ("hello", {}, "found 1 fields, first is 'hello'; expected 4 numbers"),
        ("1,2,3\n", {}, "found 3 fields"),
        ("1,2,3,4,5,6\n", {}, "say format='mot', or put frame,object,x1,y1,x2,y2 on top"),
        (XYXY + "\n1,2,3,4", {"format": "xyxy"}, "line 4: is empty"),
        (XYXY + "1,2,3", {"format": "xyxy"}, "line 4: found 3 fields, expected x1,y1,x2,y2"),
        (XYXY + "1,2,nan,4", {"format": "xyxy"}, "line 4: found 'nan', expected a number"),
        (XYXY + "1,2,1e999,4", {"format": "xyxy"}, "line 4: found '1e999', expected a number"),
        (XYXY + "1,2,1_0,4", {"format": "xyxy"}, "line 4: found '1_0', expected a number"),
        (XYXY + "5,2,4,4", {"format": "xyxy"}, r"line 4: found box \[5.0, 2.0, 4.0, 4.0\], expected x1 <= x2"),
        (XYXY + "5,2,-4,4", {"format": "xywh"}, "line 4: found box .* expected width and height of 0 or more"),
        (XYXY + "0,0,99999,9", {"format": "xyxy"}, "object 0 .*frame 3: box is 999.99: give a number from -16 to 17"),
        (XYXY, {"format": "xyxy", "frames": 8}, "has 3 frames but frames is 8"),
        (XYXY, {"format": "xyxy", "frames": 2}, "has 3 frames but frames is 2"),
        (XYXY, {"format": "bmp"}, "format is 'bmp': use one of json"),
        (XYXY, {"format": "json"}, "does not look like json: its content could be xyxy or xywh or mot or csv"),
        (XYXY, {"format": "mot"}, "line 1: found 4 fields, expected frame,id"),
        ("1,2,3,4\n" * 4097, {"format": "xyxy"}, "has 4097 frames and 1 object, read as .*; expected 1 to 4096"),
        (MOT + "4,1,1,2,3\n", {}, "line 4: found 5 fields, expected frame,id,left"),
        (MOT + "0,1,1,2,3,4,1,-1,-1,-1\n", {}, "line 4: found frame 0, id 1; expected whole numbers, frames from 1"),
        (MOT + "1,-1,1,2,3,4,1,-1,-1,-1\n", {}, "line 4: found id -1, a detection that no tracker .*: run a tracker"),
        (MOT + "3,1,1,2,3,4,1,-1,-1,-1\n", {}, "line 4: found a second box for object 1 in the same frame"),
        (MOT + "9999,1,1,2,3,4,1,-1,-1,-1\n", {}, "has 9999 frames and 1 object, read as MOTChallenge; expected 1"),
        (MOT, {"frames": 2}, "has boxes up to frame 3 of 2: add 1 frame or cut the file"),
        ("1,1,1,2,3,4,0,-1,-1,-1\n", {}, "has 0 frames and 0 objects"),
        (CSV + "-1,dog,1,2,3,4", {}, "line 5: found frame -1, expected a whole number from 0"),
        (CSV + "1,dog,1,2,3", {}, "line 5: found 5 fields, expected frame,object"),
        ('{"a": 1}', {}, "JSON with keys 'a': expected 'objects'"),
        ("[[1, 2]]", {}, "JSON with a list: expected 'objects'"),
        ('{"objects": []}', {}, "the trajectory lacks version"),
        ("{", {}, "is not JSON"),
        ("[" * 100_000, {}, "nested too deeply"),
    ],
)
def test_bad_files_are_refused_with_place_found_and_expected(folder, text, options, message):
    path = folder({"a": text}) / "a"
    with pytest.raises(TrajectoryError, match=message) as caught:
        read_trajectory(path, **{**SIZE, **options})
    assert str(path) in str(caught.value) or "format is" in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d["annotations"][0]["bboxes"].pop(), "annotation 1: found 2 entries in bboxes, expected 3"),
        (lambda d: d["annotations"][0].update(bboxes=None), "annotation 1: found no list in bboxes"),
        (lambda d: d["annotations"][0]["bboxes"].__setitem__(1, [1, 2, 3]), "annotation 1, frame 1: found 3 fields"),
        (lambda d: d["annotations"][0]["bboxes"].__setitem__(1, [1, 2, 3, "4"]), "frame 1: found .*or null"),
        (lambda d: d["annotations"][0]["bboxes"].__setitem__(1, [1, 2, -3, 4]), "frame 1: found box"),
        (lambda d: d.update(videos=3), "videos is not a list"),
        (lambda d: d.update(annotations=[3]), "annotations is not a list of JSON objects"),
        (lambda d: d["videos"][0].update(file_names=None, length="x"), "video 1 has x frames"),
        (lambda d: d["videos"][0].update(width=None), "give width and height"),
        (lambda d: d["videos"][0].update(width=0), "the frame has 0x50 pixels; expected 1 to 16384"),
        (lambda d: d["categories"][0].update(name="\ud800"), "surrogate"),
    ],
)
def test_bad_youtube_vis_files_are_refused(folder, change, message):
    content = json.loads(json.dumps(YOUTUBE_VIS))
    change(content)
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(folder({"a": json.dumps(content)}) / "a", video=1)


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "found none of bbox.txt, groundtruth.txt, gt/gt.txt, instances.json: name the file"),
        ({"bbox.txt": XYXY, "groundtruth.txt": XYWH}, "found .'bbox.txt', 'groundtruth.txt'. of"),
        ({"bbox.txt": XYXY}, "say format='xyxy' or format='xywh'"),
        ({"bbox.txt": XYXY, "img.png": b"\xff\xd8 a JPEG"}, "give width and height"),
        ({"bbox.txt": XYXY, "img.png": (9, 9), "meta_info.ini": META}, "say format="),
        ({"groundtruth.txt": XYWH, "absence.label": "0\n1\n"}, "has 3 boxes, expected as many 0 or 1 .* found 2"),
        ({"groundtruth.txt": XYWH, "absence.label": "0\n1\n2\n"}, "as many 0 or 1 in absence.label"),
        ({"groundtruth.txt": XYWH, "meta_info.ini": "a: b"}, r"expected \[METAINFO\]"),
        ({"groundtruth.txt": XYWH, "meta_info.ini": "[A]\n"}, r"expected \[METAINFO\]"),
        ({"groundtruth.txt": XYWH, "meta_info.ini": META.replace("10Hz", "fast")}, "found anno_fps 'fast'"),
        ({"groundtruth.txt": XYWH, "meta_info.ini": META.replace("10Hz", "0")}, "fps is 0"),
        ({"groundtruth.txt": XYWH, "meta_info.ini": META.replace("(100, 50)", "big")}, "give width and height"),
        ({"groundtruth.txt": b"\xff\xfe1\x00", "meta_info.ini": META}, r"is not UTF-8 text \(byte 0\)"),
    ],
)
def test_bad_folders_are_refused(folder, files, message):
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(folder(files))


def test_a_missing_file_is_a_trajectory_error(tmp_path):
    with pytest.raises(TrajectoryError, match="cannot be read: No such file"):
        read_trajectory(tmp_path / "nothing.json")


def test_a_file_beyond_the_limit_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr(box_file, "MAX_BYTES", 10)
    with pytest.raises(TrajectoryError, match=f"has {len(MOT)} bytes, the limit is 10"):
        read_trajectory(folder({"a": MOT}) / "a")


FIELDS = st.one_of(
    st.integers(-3, 12).map(str),
    st.floats().map(str),
    st.sampled_from(["", "nan", "dog", '"', "1e400", "9" * 5000, "frame", "\x00", "\u2028", "-1"]),
)
LINES = st.lists(st.lists(FIELDS, max_size=11).map(",".join), max_size=5).map("\n".join)
HEADED = LINES.map(lambda text: "frame,object,x1,y1,x2,y2\n" + text)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.one_of(LINES, HEADED), st.sampled_from([None, *FORMATS]))
def test_any_lines_give_a_trajectory_error_or_boxes(tmp_path, data, text, format):
    if data.draw(st.booleans()):  # a good file with a stretch of it replaced
        good = data.draw(st.sampled_from([XYXY, XYWH, MOT, CSV, json.dumps(YOUTUBE_VIS)]))
        start = data.draw(st.integers(0, len(good)))
        text = good[:start] + data.draw(FIELDS) + good[start + data.draw(st.integers(0, 9)) :]
    path = tmp_path / "a"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        trajectory, what = read_trajectory(path, format=format, video=1, **SIZE)
    except TrajectoryError as error:
        assert str(path) in str(error)
        return
    assert what and parse_trajectory(trajectory.to_dict()) == trajectory


# ---- round trips


def test_mot_survives_being_written_and_read(tmp_path):
    write_mot(tmp_path / "a.txt", example())
    again, _ = read_trajectory(tmp_path / "a.txt", width=640, height=360, frames=8, phrase=["red car", "ein Bär"])
    boxes, mask = pixels(example(), np.tile((640, 360), 2))
    boxes_again, mask_again = pixels(again, np.tile((640, 360), 2))
    np.testing.assert_array_equal(mask_again, mask)
    np.testing.assert_allclose(boxes_again[mask], boxes[mask], atol=1e-3)
    assert phrases(again) == phrases(example())


def test_a_mot_sequence_keeps_length_size_and_rate(tmp_path):
    """Of 8 frames the last two have no visible box, which lines alone cannot tell."""
    keys = [{"frame": 0, "box": [0.1, 0.1, 0.3, 0.4]}, {"frame": 6, "box": [0.1, 0.1, 0.3, 0.4], "visible": False}]
    head = {"version": 1, "width": 640, "height": 360, "frames": 8, "fps": 12}
    written = parse_trajectory({**head, "objects": [{"phrase": "x", "keys": keys}]})
    write_mot_sequence(tmp_path / "MOT-1", written)
    again, _ = read_trajectory(tmp_path / "MOT-1", phrase="x")
    assert (again.width, again.height, again.frames, again.fps) == (640, 360, 8, 12)
    np.testing.assert_array_equal(boxes_at(again)[1], boxes_at(written)[1])


@pytest.mark.parametrize("object_id, column", [("a", 0), ("b", 1)])
def test_got10k_survives_being_written_and_read(tmp_path, object_id, column):
    write_got10k(tmp_path / "sequence", example(), object_id)
    again, _ = read_trajectory(tmp_path / "sequence")
    boxes, mask = (values[:, column] for values in pixels(example(), np.tile((640, 360), 2)))
    boxes_again, mask_again = (values[:, 0] for values in pixels(again, np.tile((640, 360), 2)))
    np.testing.assert_array_equal(mask_again, mask)
    np.testing.assert_allclose(boxes_again[mask], boxes[mask], atol=1e-3)
    assert (again.width, again.height, again.fps, phrases(again)) == (640, 360, 12, [phrases(example())[column]])


@pytest.mark.parametrize("object_id", [None, "c", "z"])
def test_got10k_asks_which_object(tmp_path, object_id):
    with pytest.raises(TrajectoryError, match="choose the object a or b"):
        write_got10k(tmp_path, example(), object_id)
    assert not list(tmp_path.iterdir())


def test_boxes_that_an_ease_turned_inside_out_are_written_as_absent(tmp_path):
    keys = [{"frame": 0, "box": [0.2, 0.2, 0.8, 0.8], "ease": [0.3, 2.5, 0.7, 1]}, {"frame": 7, "box": [0.5] * 4}]
    head = {"version": 1, "width": 640, "height": 360, "frames": 8}
    write_mot(tmp_path / "a", parse_trajectory({**head, "objects": [{"phrase": "x", "keys": keys}]}))
    again, _ = read_trajectory(tmp_path / "a", width=640, height=360)
    assert 0 < boxes_at(again)[1].sum() < 8


@pytest.mark.parametrize("interruption", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch, interruption):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(*_):
        raise interruption

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(interruption):
        write_json(path, example())
    assert [entry.name for entry in Path(tmp_path).iterdir()] == ["a.json"] and path.read_text() == "old"


@pytest.mark.parametrize("image", ["labels/a.png", "images/a.jpg", "labels/train/a.png"])
def test_one_yolo_label_file_and_the_image_of_its_name_are_enough(tmp_path, image):
    labels = tmp_path / "labels" / ("train" if "train" in image else "")
    for folder in (labels, (tmp_path / image).parent):
        folder.mkdir(parents=True, exist_ok=True)
    (labels / "a.txt").write_text("0 0.2 0.6 0.2 0.4\n")
    (labels / "classes.txt").write_text("cat\n")
    Image.new("RGB", (200, 100)).save(tmp_path / image)
    for path, format in ((labels, None), (labels / "a.txt", "yolo")):
        trajectory, what = read_trajectory(path, format=format)
        assert (trajectory.width, trajectory.height, trajectory.frames) == (200, 100, 1)
        assert trajectory.objects[0].phrase == "cat" and f"from {Path(image).name}" in what
        np.testing.assert_allclose(trajectory.objects[0].keys[0].box, [0.1, 0.4, 0.3, 0.8])


LONG = {  # text and frame number of the first box of each object
    "vatic": "".join(f'{n} 10 20 30 40 {60 * n + f} 0 0 0 "dog {n}"\n' for n in range(300) for f in (0, 1)),
    "mot": "".join(f"{60 * n + f + 1},{n + 1},10,20,20,20,1,-1,-1,-1\n" for n in range(300) for f in (0, 1)),
    "csv": "frame,object,x1,y1,x2,y2\n"
    + "".join(f"{60 * n + f},dog {n},10,20,30,40\n" for n in range(300) for f in (0, 1)),
    "xywh": "10,20,20,20\n" * 5000,
}


@pytest.mark.parametrize("format", LONG)
def test_a_part_of_a_video_that_is_too_long_is_read(tmp_path, format):
    path = tmp_path / "a.txt"
    path.write_text(LONG[format])
    given = {**SIZE, "format": format}
    with pytest.raises(TrajectoryError, match=r"has \d+ frames and .*: take a part, as smcd convert-boxes --box-fr"):
        read_trajectory(path, **given)
    trajectory, what = read_trajectory(path, **given, part=(4860, 4867))
    boxes, mask = boxes_at(trajectory)
    assert trajectory.frames == 8 and what.endswith("of which frames 4860 to 4867")
    assert mask.sum(0).tolist() == ([8] if format == "xywh" else [2])
    np.testing.assert_allclose(boxes[0, 0].numpy() * PIXELS, BOXES_PX[0], atol=1e-5)
    last = 4999 if format == "xywh" else 17941
    for part, message in {
        (0, 4999): "the length of the part is 5000: give a whole number from 1 to 4096",
        (17940, 17950): f"frames 17940 to 17950 were asked for, the boxes have frames 0 to {last}",
        (-3, 2): "frames -3 to 2 were asked for",
        (7, 6): "the length of the part is 0",
        **({} if format == "xywh" else {(4870, 4877): "has no box in frames 4870 to 4877: the first is in frame 0"}),
        **({} if format == "xywh" else {(4870, 4870): "has no box in frame 4870: the first is in frame 0"}),
    }.items():
        with pytest.raises(TrajectoryError, match=message) as caught:
            read_trajectory(path, **given, part=part)
        assert str(path) in str(caught.value)


def test_a_part_of_a_document_keeps_its_objects(tmp_path):
    write_json(tmp_path / "a.json", read_trajectory_of(tmp_path, XYXY))
    trajectory, what = read_trajectory(tmp_path / "a.json", part=(1, 2))
    boxes, _ = boxes_at(trajectory)
    np.testing.assert_allclose(boxes[:, 0].numpy() * PIXELS, BOXES_PX[1:], atol=1e-4)
    assert what.endswith("3 frames, of which frames 1 to 2")
    with pytest.raises(TrajectoryError, match="a.json: frames 1 to 3 were asked for, the boxes have frames 0 to 2"):
        read_trajectory(tmp_path / "a.json", part=(1, 3))
    assert read_trajectory(tmp_path / "a.json", part=(1, 1))[1].endswith("3 frames, of which frame 1")
    with pytest.raises(TrajectoryError, match="a.json: frame 3 was asked for, the boxes have frames 0 to 2"):
        read_trajectory(tmp_path / "a.json", part=(3, 3))


def read_trajectory_of(folder, text):
    (folder / "a.txt").write_text(text)
    return read_trajectory(folder / "a.txt", **SIZE, format="xyxy")[0]


def test_a_single_yolo_label_file_is_told_by_its_shares(tmp_path):
    (tmp_path / "a.txt").write_text("0, 0.4, 0.8, 0.1, 0.3\n")  # FreeTraj
    with pytest.raises(TrajectoryError, match="name the file to read"):
        read_trajectory(tmp_path)
    (tmp_path / "b.txt").write_text("0 0.4 0.8 0.1 0.3\n")
    with pytest.raises(TrajectoryError, match="say format='yolo', or give the folder with a file per frame"):
        read_trajectory(tmp_path / "b.txt")


def document_of(*phrases):
    keys = [{"frame": 0, "box": [0, 0, 1, 1]}]
    objects = [{"keys": keys} if phrase is None else {"phrase": phrase, "keys": keys} for phrase in phrases]
    return {"version": 1, "width": 100, "height": 50, "frames": 2, "objects": objects}


def test_given_phrases_mend_a_document_without_and_tell_what_they_replace(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(document_of(None, "dog", "cat")))
    with pytest.raises(TrajectoryError, match=r"objects\[0\] lacks phrase"):
        read_trajectory(tmp_path / "a.json")
    trajectory, what = read_trajectory(tmp_path / "a.json", phrase=["cow", "pig", "cat"])
    assert phrases(trajectory) == ["cow", "pig", "cat"]
    assert what == "SMCD trajectory: 3 objects (the given phrase replaces 'dog'), 2 frames"
    value, what = trajectory_from_value(
        document_of(None, "dog", "cat"), width=100, height=50, frames=2, phrase="cow\npig\ncat"
    )
    assert value == trajectory and "(the given phrase replaces 'dog')" in what


@pytest.mark.parametrize(("name", "kind"), [("a.png", "a PNG image"), ("a.jpg", "a JPEG image"), ("a.gif", "a GIF")])
def test_a_picture_given_for_boxes_is_called_one(tmp_path, name, kind):
    Image.effect_noise((64, 64), 50).save(tmp_path / name)
    with pytest.raises(TrajectoryError, match=f"{name}: is {kind}.*: expected boxes, such as a trajectory .json"):
        read_trajectory(tmp_path / name)
