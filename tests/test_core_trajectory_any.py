"""Any trajectory in each format that is written, and any change of a file in each format that is read."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from any_format import BOXES, FRAMES, SHARES, SIZE, arrays, cvat, documents, lines_of, tables
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from smcd_core.guides.box_files import PER_OBJECT, SUFFIXES, WRITTEN, write_boxes
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory
from smcd_core.trajectory.files import FORMATS, read_trajectory


def often(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


# ---- any trajectory, written and read


PHRASES = ("dog", "red  car", "=cat", 'a "big", dog: {x} # [y]', "熊 Bär", "")


@st.composite
def trajectories(draw):
    """One to three objects with eases, some of them hidden for a while or disabled, in frames of two sizes."""
    frames = draw(st.integers(1, 20))
    side, place = (st.integers(*span).map(lambda n: n / 100) for span in ((5, 40), (-20, 90)))
    objects = []
    for _ in range(draw(st.integers(1, 3))):
        keys = []
        for frame in sorted(draw(st.sets(st.integers(0, frames - 1), min_size=1, max_size=4))):
            x, y, w, h = draw(st.tuples(place, place, side, side))
            seen = draw(st.sampled_from([True, True, True, False]))
            ease = draw(st.sampled_from(["linear", "in_out", "hold", (0.3, -1.5, 0.6, 2.5)]))
            keys.append({"frame": frame, "box": [x, y, x + w, y + h], "visible": seen, "ease": ease})
        look = {
            "strength": draw(st.sampled_from([0, 0.5, 1, 2])),
            "enabled": draw(st.sampled_from([True, True, False])),
        }
        objects.append({"phrase": draw(st.sampled_from(PHRASES)), **look, "keys": keys})
    width, height = draw(st.sampled_from([(640, 360), (101, 53)]))
    head = {"version": 1, "width": width, "height": height, "frames": frames, "fps": draw(st.sampled_from([8, 12.5]))}
    return parse_trajectory({**head, "objects": objects})


def boxes_of(trajectory):
    return tuple(part.numpy() for part in boxes_at(trajectory, dtype=torch.float64))


def written_part(format, trajectory):
    """boxes, mask and tracks of what a format takes: all enabled objects, or the first one."""
    boxes, mask = boxes_of(trajectory)
    mask = mask & (boxes[..., 2:] >= boxes[..., :2]).all(-1)  # an ease may turn a box inside out
    tracks = [track for track in trajectory.objects if track.enabled]
    if format in (*PER_OBJECT, "xyxy"):
        boxes, mask, tracks = boxes[:, :1], mask[:, :1], tracks[:1]
    return boxes, mask, tracks


def middles_of(boxes):
    return (boxes[..., :2] + boxes[..., 2:]) / 2


class Holds(NamedTuple):
    """Parts of a trajectory that a format keeps, beside the boxes of enabled objects where they are visible.

    boxes  "all"; "middles" and the first size; "shown", without telling which object each is of; "points"
    near   how close boxes are, in shares of the frame
    kept   of the head: "size", "frames", "fps"; of objects: "phrase"
    """

    boxes: str
    near: float
    kept: str = ""


HOLDS = {
    "mot": Holds("all", 1e-5, "size frames fps"),
    "got10k": Holds("all", 1e-5, "size frames fps phrase"),
    "bbox_animator": Holds("shown", 1e-5),
    "trailblazer": Holds("all", 0.005, "size phrase"),
    "freetraj": Holds("all", 1e-5),
    "sg_i2v": Holds("middles", 1e-5, "frames"),
    "wan_move": Holds("points", 1e-4, "frames"),
}
# What a format cannot hold is refused in these words.
CANNOT = "hidden in frame|keyframes in frames|takes one object|choose the object|no enabled object|no object is visible"
ABSENT = "holds no box that counts|is empty|no objects"


def test_every_format_that_is_written_is_read_back_here():
    assert {*HOLDS, "json"} == {*WRITTEN}


@often(60)
@given(trajectory=trajectories())
def test_any_trajectory_comes_back_whole_from_json(tmp_path, trajectory):
    write_boxes(tmp_path / "a.json", trajectory, "json")
    assert read_trajectory(tmp_path / "a.json")[0] == trajectory


@often(60)
@pytest.mark.parametrize("format", HOLDS)
@given(trajectory=trajectories())
def test_any_trajectory_comes_back_or_is_refused(tmp_path, format, trajectory):
    path, holds = tmp_path / f"a{SUFFIXES.get(format, '')}", HOLDS[format]
    boxes, mask, tracks = written_part(format, trajectory)
    try:
        write_boxes(path, trajectory, format, tracks[0].id if format in PER_OBJECT and tracks else None)
    except TrajectoryError as error:
        assert re.search(CANNOT, str(error))
        if format == "wan_move":  # nothing covers the last object
            assert not inside(middles_of(boxes[0][mask[0]][-1:]))
        else:
            assert not tracks or not mask.all() or format == "trailblazer"
        return
    given = {} if "size" in holds.kept else {"width": trajectory.width, "height": trajectory.height}
    given |= {"frames": trajectory.frames} if format == "bbox_animator" else {}
    try:
        again, what = read_trajectory(path, **given)
    except TrajectoryError as error:
        # Boxes in pixels that are mostly right of the frame or below may be those of a larger image.
        is_outside = given and mask.any() and (middles_of(boxes[mask]) > 1).any(1).mean() > 0.5
        assert (re.search("boxes reach to", str(error)) and is_outside) or not mask.any()
        return
    assert_the_same(format, trajectory, again, what)


def assert_the_same(format, trajectory, again, what, holds=None):
    """That a format was read back as far as it holds a trajectory."""
    holds = holds or HOLDS[format]
    boxes, mask, tracks = written_part(format, trajectory)
    found, seen = boxes_of(again)
    if "frames" in holds.kept and (format, trajectory.frames) != ("wan_move", 1):  # points of one frame rest
        assert again.frames == trajectory.frames
    found, seen = found[: trajectory.frames], seen[: trajectory.frames]
    if "size" in holds.kept:
        assert (again.width, again.height) == (trajectory.width, trajectory.height)
    if "fps" in holds.kept:
        assert again.fps == trajectory.fps
    if "phrase" in holds.kept:
        assert [track.phrase for track in again.objects] == [" ".join(track.phrase.split()) for track in tracks]
    if holds.boxes == "points":  # each object that begins in the frame has some
        assert found.shape[1] and seen[0].any()
    elif holds.boxes == "middles":
        np.testing.assert_allclose(middles_of(found), middles_of(boxes), atol=holds.near)
        np.testing.assert_allclose(found[0], boxes[0], atol=holds.near)
    elif holds.boxes == "shown":  # an object that hides in between is several
        for frame in range(trajectory.frames):
            rows = (part[frame][there[frame]] for part, there in ((found, seen), (boxes, mask)))
            ours, theirs = (row[np.lexsort(row.round(3).T)] for row in rows)
            np.testing.assert_allclose(ours, theirs, atol=holds.near)
    else:
        shown = mask.any(0) | (format != "mot")  # an object without a box has no line of MOT
        if "straight lines between" in what:  # no two show in adjacent frames, and are joined
            assert (seen | ~mask[:, shown]).all()
        else:
            np.testing.assert_array_equal(seen, mask[:, shown])
        there = mask[:, shown]
        np.testing.assert_allclose(found[there], boxes[:, shown][there], atol=holds.near)


def inside(points):
    """Whether any of some points lies in the frame."""
    return bool(((points >= 0) & (points < 1)).all(-1).any())


EDITOR = json.loads((Path(__file__).parent / "golden/editor_files.json").read_text(encoding="utf-8"))
# Lines alone tell neither size nor rate, and CSV lists objects in the order in which they are seen.
EDITOR_HOLDS = HOLDS | {"mot": Holds("all", 1e-5), "csv": Holds("shown", 1e-5), "xyxy": Holds("all", 1e-5, "frames")}


@pytest.mark.parametrize("format", ["json", *EDITOR_HOLDS])
def test_what_the_editor_writes_is_read(tmp_path, format):
    count = 0
    for number, entry in enumerate(EDITOR):
        if format not in entry["files"]:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in entry["files"][format].items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else bytes.fromhex(content["hex"]))
        path = folder / next(name for name in entry["files"][format] if "visibility" not in name)
        trajectory = parse_trajectory(entry["trajectory"])
        if format == "json":
            assert read_trajectory(path)[0] == trajectory
            count += 1
            continue
        if format == "got10k":
            path = folder
        given = {} if "size" in EDITOR_HOLDS[format].kept else {"width": trajectory.width, "height": trajectory.height}
        given |= {"frames": trajectory.frames} if format in ("bbox_animator", "mot", "csv") else {}
        boxes, mask, _ = written_part(format, trajectory)
        try:
            again, what = read_trajectory(path, format="xyxy" if format == "xyxy" else None, **given)
        except TrajectoryError as error:
            is_outside = given and mask.any() and (middles_of(boxes[mask]) > 1).any(1).mean() > 0.5
            assert ("boxes reach to" in str(error) and is_outside) or not mask.any(), error
            continue
        assert_the_same(format, trajectory, again, what, EDITOR_HOLDS[format])
        count += 1
    assert count >= 6


def test_sg_i2v_refuses_a_box_that_an_ease_has_turned_inside_out(tmp_path):
    keys = [{"frame": 0, "box": [0.2, 0.2, 0.8, 0.8], "ease": [0.3, 2.5, 0.7, 1]}, {"frame": 7, "box": [0.5] * 4}]
    head = {"version": 1, "width": 640, "height": 360, "frames": 8}
    with pytest.raises(TrajectoryError, match="is hidden in frame 2; SG-I2V cannot say so"):
        write_boxes(
            tmp_path / "a.npy", parse_trajectory({**head, "objects": [{"phrase": "x", "keys": keys}]}), "sg_i2v"
        )


# ---- any change of a valid file: right, or refused by name


def outcome(path, expected=SHARES, **options):
    """Which of the frames show the object, rightly; None if the file was refused by name."""
    try:
        trajectory, what = read_trajectory(path, **(SIZE | options))
    except TrajectoryError as error:
        assert str(path) in str(error)
        return None
    boxes, mask = boxes_of(trajectory)
    assert boxes.shape[1] == 1 and trajectory.frames in (FRAMES, 16), what
    boxes, mask = boxes[:FRAMES, 0], mask[:FRAMES, 0]
    np.testing.assert_allclose(boxes[mask], expected[mask], atol=2e-3, err_msg=what)
    return mask.tolist()


ALL = [True] * FRAMES
ROOT = Path(__file__).parents[1]


def test_every_format_has_a_file_here():
    assert {*tables(), *documents(), *arrays(), "cvat", "yolo"} == {*FORMATS, "coco_vid"}


def formats_in(heading):
    """The formats in the first column of the first table under a heading of docs/formats.md."""
    text = (ROOT / "docs/formats.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return {name for row in re.findall(r"^\|([^|]*)\|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


def test_the_page_of_formats_lists_those_that_are_read_and_written():
    assert formats_in("Files") == {*FORMATS} and formats_in("What SMCD writes") == {*WRITTEN}


SAID = {
    "json": "SMCD trajectory", "xyxy": "x1,y1,x2,y2", "xywh": "x,y,w,h", "mot": "MOTChallenge", "csv": "CSV",
    "youtube_vis": "YouTube-VIS", "vot": "corners", "kitti": "KITTI", "yolo": "YOLO", "cvat": "CVAT", "vatic": "VATIC",
    "label_studio": "Label Studio", "values": "bounding box", "bbox_animator": "BBox-Animator",
    "trailblazer": "TrailBlazer", "freetraj": "FreeTraj",
}  # fmt: skip


def test_every_format_of_text_has_rows_in_tests_cases(tmp_path):
    assert {*SAID} == {*FORMATS} - {"sg_i2v", "wan_move"}  # which are bytes, each with a row that has its name
    said, names = [], []
    for table in (ROOT / "tests/cases").glob("*.json"):
        for number, case in enumerate(json.loads(table.read_text(encoding="utf-8"))):
            names.append(case["name"])
            if "error" in case or "hex" in case:
                continue
            folder = tmp_path / f"{table.stem}-{number}"
            for name, text in case["files"].items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(text.encode())
            path = folder / case.get("read", "a.txt")
            said.append(read_trajectory(path, **case.get("options", {"width": 100, "height": 50}))[1])
    for format, start in SAID.items():
        assert sum(start in what for what in said) >= 3, format
    assert {"SG-I2V", "Wan-Move"} <= {*names} and len(names) >= 150


SHARES_ARE_READ = ("xyxy", "xywh", "vot", "csv")


@pytest.mark.parametrize("sep", [",", ";", "\t", " "])
@pytest.mark.parametrize("format", tables())
def test_a_table_that_is_changed_is_right_or_refused(tmp_path, format, sep):
    sep = {"kitti": " ", "vatic": " ", "freetraj": ","}.get(format, sep)
    head, rows = (tables()[format][:1], tables()[format][1:]) if format == "csv" else ([], tables()[format])
    chosen = format if format in ("xyxy", "xywh") else None

    def changed(alter, **options):
        (tmp_path / "a.txt").write_text(lines_of([*head, *map(alter, range(len(rows)), rows)], sep))
        return outcome(tmp_path / "a.txt", format=chosen, **options)

    def numbers(change):
        return lambda row: [
            change(place, value) if isinstance(value, float) else value for place, value in enumerate(row)
        ]

    assert changed(lambda _, row: row) == ALL
    for alter in (
        lambda _, row: row[1:],
        lambda _, row: row[:-1],
        lambda n, row: row[:-1] if n == 1 else row,
        lambda n, row: [*row, 7] if n == 1 else row,
        lambda _, row: ["x", *row[1:]],
        lambda n, row: numbers(lambda _, value: "five")(row) if n == 1 else row,
    ):
        assert changed(alter) in (None, ALL)  # MOT has 7, 9 or 10 columns, KITTI 17 or 18
    in_pixels = format != "freetraj"
    if in_pixels:
        assert changed(lambda _, row: row, width=12, height=12) is None
        shares = changed(lambda _, row: numbers(lambda place, value: value / SIZES[format][place % 2])(row))
        assert shares == (ALL if format in SHARES_ARE_READ else None)
        for mark in ("nan", "0", "-1", "-1.0"):
            gone = changed(lambda n, row, mark=mark: numbers(lambda *_: mark)(row) if n == 2 else row)
            assert gone == [True, True, False, True, True]
    if format in ("mot", "csv", "kitti"):
        named = changed(lambda _, row: [row[0], "walker", *row[2:]])
        assert named == (ALL if format == "csv" else None)


NO_NUMBERS = st.sampled_from(["", "x", "nan", "inf", "1e99", "½", "1_0", "0x10", "١", "--1", "1 2", "1;2", '"', "None"])
OF_OBJECT = {"csv": (1,), "vatic": (0, 9), "kitti": (2,)}  # columns in which another text is another object or name


@often(150)
@pytest.mark.parametrize("format", tables())
@given(data=st.data())
def test_a_field_of_a_table_that_is_changed_is_right_or_refused(tmp_path, format, data):
    rows = [[f"{value:g}" if isinstance(value, float) else str(value) for value in row] for row in tables()[format]]
    first = int(format == "csv")
    sep = data.draw(st.sampled_from({"kitti": " ", "vatic": " ", "freetraj": ","}.get(format, ",;\t ")))
    number = data.draw(st.integers(first, len(rows) - 1))
    place = data.draw(st.integers(0, len(rows[number]) - 1))
    row = rows[number]
    match data.draw(st.sampled_from(["no number", "left out", "doubled", "quoted", "as 1.0", "row twice"])):
        case "no number" if place not in OF_OBJECT.get(format, ()):
            row[place] = data.draw(NO_NUMBERS)
        case "left out":
            del row[place]
        case "doubled":
            row.insert(place, row[place])
        case "quoted":
            row[place] = '"' + row[place].strip('"') + '"'
        case "as 1.0" if row[place].isdigit():
            row[place] += ".0"
        case "row twice" if format not in ("xyxy", "xywh", "vot"):  # where it is a frame more
            rows.insert(number, row)
    (tmp_path / "a.txt").write_text(lines_of(rows, sep), encoding="utf-8")
    outcome(tmp_path / "a.txt", format=format if format in ("xyxy", "xywh") else None)


# Width and height by the parity of a column: in mot x is in column 2, in vot and kitti in 0 and 6, in vatic in 1.
SIZES = {name: (50, 100) if name == "vatic" else (100, 50) for name in tables()}


def leaves(content, path=()):
    """The places of all keys and entries of JSON."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from leaves(value, (*path, key))


def put(content, place, change):
    """A copy of JSON with one place changed, or without it if `change` is None."""
    content = copy.deepcopy(content)
    home = content
    for key in place[:-1]:
        home = home[key]
    if change is None:
        del home[place[-1]]
    else:
        home[place[-1]] = change(home[place[-1]])
    return content


CHANGES = {
    "left out": None,
    "null": lambda value: None,
    "as text": str,
    "as a list": lambda value: [value],
    "true": lambda value: True,
    "a fraction": lambda value: value + 0.5 if type(value) is int else value,
    "1.0 for 1": lambda value: float(value) if type(value) is int else value,
    "NaN": lambda value: float("nan"),
}
# Which these tell apart: other values are other objects.
TELLS_APART = {"instance_id", "label"}


@often(100)
@pytest.mark.parametrize("format", documents())
@given(data=st.data())
def test_a_document_that_is_changed_is_right_or_refused(tmp_path, format, data):
    content = documents()[format]
    place = data.draw(st.sampled_from([*leaves(content)]))
    change = data.draw(st.sampled_from([*CHANGES]))
    if place[-1] in TELLS_APART or (change == "left out" and isinstance(place[-1], int)):
        return  # an entry less is another motion
    content = put(content, place, CHANGES[change])
    text = yaml.safe_dump(content) if format == "trailblazer" else json.dumps(content)
    (tmp_path / "a.txt").write_text(text)
    outcome(tmp_path / "a.txt")


@pytest.mark.parametrize("format", documents())
def test_a_document_as_it_is_shows_the_object_in_all_frames(tmp_path, format):
    content = documents()[format]
    (tmp_path / "a.txt").write_text(yaml.safe_dump(content) if format == "trailblazer" else json.dumps(content))
    assert outcome(tmp_path / "a.txt") == ALL


def test_boxes_of_bbox_animator_in_shares_or_of_another_size_are_refused(tmp_path):
    content = documents()["bbox_animator"]
    (tmp_path / "a.txt").write_text(json.dumps(content))
    with pytest.raises(TrajectoryError, match="boxes reach to 38 x 35, the image has 12 x 12 pixels"):
        read_trajectory(tmp_path / "a.txt", width=12, height=12)
    for keyframe in content["objects"][0]["keyframes"]:
        keyframe["box"] = [value / 100 for value in keyframe["box"]]
    (tmp_path / "a.txt").write_text(json.dumps(content))
    with pytest.raises(TrajectoryError, match="shares of the picture, not pixels as BBox-Animator has them"):
        read_trajectory(tmp_path / "a.txt", **SIZE)


ARRAY_CHANGES = {
    "as whole numbers": (lambda x: (2 * x).round().astype(np.int32) / 2, True),
    "half precision": (lambda x: x.astype(np.float16), True),
    "big endian": (lambda x: x.astype(">f4"), True),
    "by columns": (np.asfortranarray, True),
    "in shares": (lambda x: x / np.array([100, 50]), False),
    "as text": (lambda x: x.astype("U"), False),
    "complex": (lambda x: x.astype(complex), False),
    "NaN": (lambda x: x * np.nan, False),
    "x alone": (lambda x: x[..., :1], False),
    "without objects": (lambda x: x[..., :0, :], False),
}


@pytest.mark.parametrize("change", ARRAY_CHANGES)
@pytest.mark.parametrize("format", arrays())
def test_an_array_that_is_changed_is_right_or_refused(tmp_path, format, change):
    alter, is_right = ARRAY_CHANGES[change]
    np.save(tmp_path / "a.npy", alter(arrays()[format]))
    squares = np.concatenate([middles_of(SHARES) - [0.05, 0.1], middles_of(SHARES) + [0.05, 0.1]], 1)
    found = outcome(tmp_path / "a.npy", squares if format == "wan_move" else SHARES)
    assert found == (ALL if is_right else None)


@often(150)
@pytest.mark.parametrize("format", arrays())
@given(data=st.data())
def test_bytes_of_an_array_that_are_changed_are_right_or_refused(tmp_path, format, data):
    path = tmp_path / "a.npy"
    array = arrays()[format].copy()
    how = data.draw(st.sampled_from(["a number", "the order of axes", "an axis more", "the head", "cut off"]))
    if how == "a number":
        array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(
            st.sampled_from([np.nan, np.inf, -np.inf, 1e7, 3e38])
        )
    elif how == "the order of axes":
        axes = data.draw(st.permutations(range(array.ndim)))
        assume(axes[-1] < array.ndim - 1)  # nothing tells points before the frames
        array = array.transpose(axes)
    elif how == "an axis more":
        place = data.draw(st.integers(0, array.ndim))
        assume(format != "sg_i2v" or place > 2)  # which are points of Wan-Move
        array = np.expand_dims(array, place)
    np.save(path, array)
    content = bytearray(path.read_bytes())
    if how == "the head":
        content[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    elif how == "cut off":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    squares = np.concatenate([middles_of(SHARES) - [0.05, 0.1], middles_of(SHARES) + [0.05, 0.1]], 1)
    outcome(path, squares if format == "wan_move" else SHARES)


@often(100)
@given(data=st.data())
def test_cvat_that_is_changed_is_right_or_refused(tmp_path, data):
    text = cvat()
    places = [
        found.span(1)
        for found in re.finditer(r'(?: frame|[xy](?:tl|br)|outside)="([^"]*)"|<\w+>([\d.]+)', text)
        if found[1]
    ]
    places += [found.span() for found in re.finditer(r' \w+="[^"]*"', text)]
    start, end = data.draw(st.sampled_from(places))
    new = "" if text[start] == " " else data.draw(st.sampled_from(["", "x", "nan", "1e99", "-1", "½", "1_0"]))
    (tmp_path / "a.xml").write_text(text[:start] + new + text[end:], encoding="utf-8")
    if new != "-1":  # a box may begin outside the frame
        outcome(tmp_path / "a.xml")


def test_boxes_of_cvat_that_leave_the_straight_line_between_keyframes_are_kept(tmp_path):
    """Other programs that write CVAT's XML mark only the first and the last box of a track as keyframes."""
    places = [10, 40, 40.4, 40.8, 10]
    boxes = "".join(
        f'<box frame="{f}" keyframe="{int(f in (0, 4))}" outside="0" xtl="{x}" ytl="20" xbr="{x + 20}" ybr="35"></box>'
        for f, x in enumerate(places)
    )
    (tmp_path / "a.xml").write_text(re.sub("<box .*</box>", boxes, cvat()))
    expected = [[x, 20, x + 20, 35] for x in places] / np.array([100, 50, 100, 50])
    assert outcome(tmp_path / "a.xml", expected) == ALL


YOLO_CHANGES = {
    "nothing": (lambda f, row: row, ALL),
    "without ids": (lambda f, row: row[:5], ALL),
    "with a score": (lambda f, row: [*row[:5], 0.9, row[5]], ALL),
    "an empty file": (lambda f, row: [] if f == 2 else row, [True, True, False, True, True]),
    "no file": (lambda f, row: None if f == 2 else row, [True, True, False, True, True]),
    "a column less": (lambda f, row: row[:4], None),
    "without class": (lambda f, row: row[1:5], None),
    "in pixels": (lambda f, row: [row[0], *(100 * value for value in row[1:5]), row[5]], None),
    "a class as text": (lambda f, row: ["cat", *row[1:]], None),
    "an id as text": (lambda f, row: [*row[:5], "seven"], None),
    "separated by commas": (lambda f, row: [",".join(map(str, row))], ALL),
}


@pytest.mark.parametrize("change", YOLO_CHANGES)
def test_yolo_labels_that_are_changed_are_right_or_refused(tmp_path, change):
    alter, expected = YOLO_CHANGES[change]
    for frame, (x1, y1, x2, y2) in enumerate(SHARES.tolist()):
        row = alter(frame, [0, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 7])
        if row is not None:
            (tmp_path / f"v_{frame + 1}.txt").write_text(" ".join(map(str, row)))
    assert outcome(tmp_path) == expected


@often(150)
@given(data=st.data())
def test_a_field_of_yolo_labels_that_is_changed_is_right_or_refused(tmp_path, data):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    has_id = data.draw(st.booleans())
    changed = data.draw(st.integers(0, FRAMES - 1))
    for frame, (x1, y1, x2, y2) in enumerate(SHARES.tolist()):
        row = [0, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, *([7] if has_id else [])]
        fields, name = [str(value) for value in row], f"v_{frame + 1}.txt"
        if frame == changed:
            place = data.draw(st.integers(0, len(fields) - 1))
            match data.draw(st.sampled_from(["no number", "left out", "doubled", "row twice", "another name"])):
                case "no number":
                    fields[place] = data.draw(NO_NUMBERS) or "x"
                    assume(has_id or fields[4] != "1 2")  # which is a height and an id
                case "left out":
                    del fields[place]
                case "doubled":
                    fields.insert(place, fields[place])
                case "row twice":
                    fields += ["\n", *fields]
                case "another name":
                    name = data.draw(st.sampled_from(["v.txt", "w_1.txt", "v_1_1.txt", "v_01.txt", "v_x.txt"]))
        (folder / name).write_text(" ".join(fields), encoding="utf-8")
    outcome(folder)


@pytest.mark.parametrize(
    "rows, kind",
    [
        ([[*row, 7] for row in tables()["vot"]], "a polygon and something"),
        ([row[:7] for row in tables()["vot"]], "a polygon without its end"),
        ([row[1:] for row in tables()["mot"]], "MOT without frames"),
    ],
)
def test_numbers_that_cannot_be_mot_are_not_read_as_such(tmp_path, rows, kind):
    (tmp_path / "a.txt").write_text(lines_of(rows, ","))
    with pytest.raises(TrajectoryError, match="numbers per line that are no MOT lines.*say format='mot'"):
        read_trajectory(tmp_path / "a.txt", **SIZE)


def test_rows_that_say_that_nothing_is_there_tell_the_length(tmp_path):
    rows = [["frame", "id", "x", "y", "w", "h"], [1, 3, 10, 20, 30, 20], [2, 3, *["nan"] * 4], [3, 3, *[""] * 4]]
    (tmp_path / "a.csv").write_text(lines_of(rows, ","))
    trajectory, _ = read_trajectory(tmp_path / "a.csv", **SIZE)
    assert trajectory.frames == 3 and boxes_of(trajectory)[1][:, 0].tolist() == [True, False, False]


def of_images(**changes):
    content = documents()["coco_vid"]
    for number, value in changes.pop("frame_ids", {}).items():
        content["images"][number]["frame_id"] = value
    return content | changes


@pytest.mark.parametrize(
    "content, message",
    [
        (of_images(frame_ids={2: None}), "frame_id of image 'v/2.jpg' is None, expected a whole number that no other"),
        (of_images(frame_ids={2: 1}), "frame_id of image 'v/[12].jpg' is 1, expected a whole number that no other"),
        (of_images(videos=[{"id": 2, "name": "v"}]), "image 0 is of video '1', expected the id of one of its videos"),
        (
            documents()["youtube_vis"] | {"videos": [{"id": 2, **SIZE, "length": FRAMES}]},
            "annotation 1 is of vid",
        ),
    ],
)
def test_images_and_annotations_that_have_no_place_are_named(tmp_path, content, message):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(tmp_path / "a.json")


def test_boxes_here_are_those_of_the_frame():
    assert len(BOXES) == FRAMES and (SHARES > 0).all() and (SHARES < 1).all()
