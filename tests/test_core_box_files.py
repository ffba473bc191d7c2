"""Box files of other video models: written and read again, on the command line as well."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from smcd_core.__main__ import main
from smcd_core.commands.convert_boxes import NAMES, WRITTEN as CHOICES
from smcd_core.guides.box_files import PER_OBJECT, SUFFIXES, WRITTEN, write_boxes
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory
from smcd_core.trajectory.files import read_trajectory
from smcd_core.trajectory.write import write_json
from smcd_core.trajectory.write_models import write_wan_move

SIZE = (640, 360)
MOVING = [
    {"frame": 0, "box": [0.1, 0.2, 0.3, 0.5]},
    {"frame": 4, "box": [0.4, 0.3, 0.6, 0.6]},
    {"frame": 9, "box": [0.7, 0.1, 0.9, 0.4]},
]
EASED = [{**MOVING[0], "ease": "in_out"}, MOVING[2]]
HIDING = [
    {"frame": 0, "box": [0.5, 0.5, 0.75, 0.75], "visible": False},
    {"frame": 2, "box": [0.5, 0.5, 0.75, 0.75]},
    {"frame": 5, "box": [0.75, 0.5, 1.25, 0.75], "visible": False},
    {"frame": 7, "box": [0.25, 0.25, 0.5, 0.75]},
]


def document(*objects, frames=10):
    head = {"version": 2, "width": SIZE[0], "height": SIZE[1], "frames": frames}
    tracks = [
        {"id": f"n{number}", "phrase": f"Hund {number}", "strength": 0.5 * number, "keys": keys}
        for number, keys in enumerate(objects, 1)
    ]
    return parse_trajectory({**head, "objects": tracks})


def written(tmp_path, format, trajectory, **options):
    """The trajectory after it was written in a format and read again, and what was recognised."""
    path = tmp_path / f"a{SUFFIXES.get(format, '')}"
    write_boxes(path, trajectory, format)
    return read_trajectory(path, **options)


def assert_same_boxes(found, expected, atol=1e-5):
    boxes, mask = boxes_at(found, dtype=torch.float64)
    boxes_expected, mask_expected = boxes_at(expected, dtype=torch.float64)
    np.testing.assert_array_equal(mask, mask_expected)
    np.testing.assert_allclose(boxes[mask], boxes_expected[mask], atol=atol)


BOXES = [format for format in WRITTEN if format != "wan_move"]  # which has points


@pytest.mark.parametrize("format", BOXES)
def test_boxes_survive_each_format_that_is_written(tmp_path, format):
    moved = [{**key, "box": [x + 0.05 for x in MOVING[0]["box"]]} for key in MOVING[:1]]
    objects = [MOVING] if format in PER_OBJECT else [MOVING, moved]
    trajectory = document(*objects, frames=16)  # FreeTraj makes no shorter videos
    if format == "sg_i2v":  # its boxes keep their size, and so do these
        assert {round(key["box"][2] - key["box"][0], 9) for key in MOVING} == {0.2}
    again, what = written(tmp_path, format, trajectory, width=640, height=360)
    assert_same_boxes(again, trajectory)
    names = [track.phrase for track in again.objects]
    assert names == (
        [""] * len(names) if format in ("mot", "sg_i2v", "freetraj") else ["Hund 1", "Hund 2"][: len(names)]
    )
    assert (again.width, again.height) == SIZE and what


def test_bbox_animator_keeps_strength_colour_and_when_an_object_is_there(tmp_path):
    trajectory = document(MOVING, HIDING, EASED)
    again, _ = written(tmp_path, "bbox_animator", trajectory, width=640, height=360)
    assert [(track.strength, track.color) for track in again.objects] == [
        (track.strength, track.color) for track in trajectory.objects for _ in range(2 if track.id == "n2" else 1)
    ]
    boxes, mask = boxes_at(again, dtype=torch.float64)
    joined = mask[:, 1] | mask[:, 2]  # it hides in between, which takes two objects there
    box = torch.where(mask[:, 1:2], boxes[:, 1], boxes[:, 2])
    expected, seen = boxes_at(trajectory, dtype=torch.float64)
    np.testing.assert_array_equal(joined, seen[:, 1])
    np.testing.assert_allclose(box[joined], expected[joined, 1], atol=1e-5)
    np.testing.assert_allclose(boxes[:, 3], expected[:, 2], atol=1e-5)  # its ease, frame by frame


def test_a_disabled_object_is_not_written(tmp_path):
    trajectory = document(MOVING, HIDING)
    off = replace(trajectory, objects=(trajectory.objects[0], replace(trajectory.objects[1], enabled=False)))
    for format in BOXES:
        again, _ = written(tmp_path / format, format, off, width=640, height=360)
        assert len(again.objects) == (2 if format == "json" else 1)


def test_trailblazer_is_what_its_program_reads(tmp_path):
    write_boxes(tmp_path / "a.yaml", document(MOVING), "trailblazer")
    content = yaml.safe_load((tmp_path / "a.yaml").read_text())
    assert content["keyframe"][1] == {"bbox_ratios": [0.4, 0.3, 0.6, 0.6], "frame": 4, "prompt": "Hund 1"}
    assert (content["token_inds"], content["width"], content["height"]) == ([1, 2], *SIZE)


def test_freetraj_is_what_its_program_reads(tmp_path):
    write_boxes(tmp_path / "a.txt", document(MOVING), "freetraj")
    lines = [[float(field) for field in line.split(",")] for line in (tmp_path / "a.txt").read_text().splitlines()]
    assert lines[1] == [4, 0.3, 0.6, 0.4, 0.6]  # frame, top, bottom, left, right


def test_sg_i2v_is_what_its_program_reads(tmp_path):
    write_boxes(tmp_path / "a.npy", document(MOVING), "sg_i2v")
    array = np.load(tmp_path / "a.npy")
    assert array.dtype == np.float32 and array.shape == (1, 2 + 10, 2)
    np.testing.assert_allclose(array[0, [0, 1, 2, 11]], [[64, 72], [192, 180], [128, 126], [512, 90]], atol=1e-4)


def test_wan_move_keeps_points_and_when_they_are_visible(tmp_path):
    points = np.arange(12, dtype=np.float32).reshape(3, 2, 2) * 30
    visible = np.array([[True, True], [True, False], [False, True]])
    write_wan_move(tmp_path / "my_tracks.npy", points, visible)
    assert np.load(tmp_path / "my_tracks.npy").shape == (1, 3, 2, 2)
    assert np.load(tmp_path / "my_visibility.npy").dtype == bool
    again, _ = read_trajectory(tmp_path / "my_tracks.npy", width=640, height=360)
    boxes, mask = boxes_at(again)
    np.testing.assert_array_equal(mask, visible)
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2 * torch.tensor(SIZE)
    np.testing.assert_allclose(middles[mask], points[visible], atol=1e-2)


def test_wan_move_leaves_no_points_without_their_visibility(tmp_path):
    """They would be read as visible in all frames."""
    (tmp_path / "visibility.npy").mkdir()
    with pytest.raises(OSError):
        write_wan_move(tmp_path / "tracks.npy", np.zeros((3, 2, 2)), np.zeros((3, 2)))
    assert not (tmp_path / "tracks.npy").exists()


def test_wan_move_gets_a_grid_of_points_in_each_box(tmp_path):
    write_boxes(tmp_path / "tracks.npy", document(MOVING, HIDING), "wan_move")
    points = np.load(tmp_path / "tracks.npy")[0]
    for frame, box in ((0, MOVING[0]["box"]), (9, MOVING[2]["box"])):
        low, high = points[frame].min(0) / SIZE, points[frame].max(0) / SIZE
        np.testing.assert_allclose((low + high) / 2, np.add(box[:2], box[2:]) / 2, atol=1e-4)
        assert (low > box[:2]).all() and (high < box[2:]).all()
    with pytest.raises(TrajectoryError, match="no object is visible and inside the frame in frame 0"):
        write_boxes(tmp_path / "more_tracks.npy", document(HIDING), "wan_move")


def test_a_visibility_of_another_shape_is_refused(tmp_path):
    write_wan_move(tmp_path / "tracks.npy", np.zeros((3, 2, 2)), np.ones((3, 2)))
    np.save(tmp_path / "visibility.npy", np.ones((1, 2, 2), bool))
    with pytest.raises(TrajectoryError, match=r"visibility.npy: is an array \[1, 2, 2\]; expected \[1, 3, 2\]"):
        read_trajectory(tmp_path / "tracks.npy", width=640, height=360)
    with pytest.raises(TrajectoryError, match="must hold 'tracks'"):
        write_wan_move(tmp_path / "a.npy", np.zeros((3, 2, 2)), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("format", "objects", "message"),
    [
        ("sg_i2v", [MOVING, HIDING], "object 'n2' is hidden in frame 0; SG-I2V cannot say so"),
        ("sg_i2v", [], "there is no enabled object"),
        ("trailblazer", [HIDING], "object 'n1' is hidden in frame 0; TrailBlazer cannot say so"),
        ("freetraj", [HIDING], "FreeTraj cannot say so"),
        ("freetraj", [MOVING, HIDING], "takes one object and this trajectory has 2: choose the object n1 or n2"),
        ("trailblazer", [], "this trajectory has 0: draw one or enable it"),
        ("yaml", [MOVING], "format is 'yaml': use one of json, mot"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path, format, objects, message):
    with pytest.raises(TrajectoryError, match=message):
        write_boxes(tmp_path / "a", document(*objects), format)
    assert list(tmp_path.iterdir()) == []


def test_trailblazer_refuses_keyframes_that_it_would_divide_by_zero_at(tmp_path):
    keys = [MOVING[0], {**MOVING[1], "frame": 5}, {**MOVING[2], "frame": 6}]
    with pytest.raises(
        TrajectoryError, match="Hund 1 has keyframes in frames 5 and 6; TrailBlazer needs a frame between"
    ):
        write_boxes(tmp_path / "a.yaml", document(keys), "trailblazer")


def test_trailblazer_refuses_a_last_key_beside_the_last_frame(tmp_path):
    keys = [MOVING[0], MOVING[1], {**MOVING[2], "frame": 8}]
    with pytest.raises(TrajectoryError, match="Hund 1 has keyframes in frames 8 and 9; TrailBlazer needs a frame"):
        write_boxes(tmp_path / "a.yaml", document(keys), "trailblazer")


@pytest.mark.parametrize(
    ("change", "way"),
    [
        ({"ease": "in"}, r"eased \(in\)"),
        ({"ease": "hold"}, r"eased \(hold\)"),
        ({"ease": [0.9, 0, 0.1, 1]}, "eased"),
        ({"handles": [[0, 0], [0.3, 0.9]]}, "on a bent path"),
    ],
)
def test_trailblazer_names_the_ease_whose_straight_lines_it_cannot_take(tmp_path, change, way):
    keys = [{**MOVING[0], **change}, {**MOVING[2], "frame": 3}]
    with pytest.raises(TrajectoryError, match=rf"Hund 1 moves {way} from frame 0 to 3, which takes .* or move its two"):
        write_boxes(tmp_path / "a.yaml", document(keys, frames=4), "trailblazer")


# The command ---------------------------------------------------------------------------------------------------------


def test_formats_of_the_command_are_those_that_are_written():
    assert CHOICES == WRITTEN


def test_the_command_converts_there_and_back(tmp_path, capsys):
    write_json(tmp_path / "a.json", document(MOVING))
    assert main(["convert-boxes", str(tmp_path / "a.json"), str(tmp_path / "b.yaml"), "--to", "trailblazer"]) == 0
    assert main(["convert-boxes", str(tmp_path / "b.yaml"), str(tmp_path / "c.json"), "--phrase", "a dog"]) == 0
    assert "TrailBlazer keyframes: 1 object" in capsys.readouterr().out
    again = json.loads((tmp_path / "c.json").read_text())
    assert again["objects"][0]["phrase"] == "a dog"
    assert_same_boxes(parse_trajectory(again), document(MOVING))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "freetraj"], "say --object n1 or --object n2"),
        (["--to", "mot", "--object", "n1"], "--object is for got10k, trailblazer, freetraj: leave it out"),
        (["--to", "freetraj", "--object", "n3"], "there is no enabled object 'n3'"),
    ],
)
def test_the_command_says_what_to_do(tmp_path, capsys, options, message):
    write_json(tmp_path / "a.json", document(MOVING, HIDING))
    assert main(["convert-boxes", str(tmp_path / "a.json"), str(tmp_path / "b"), *options]) == 2
    assert message in capsys.readouterr().err


def test_the_command_takes_some_frames_of_a_video_that_is_too_long(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("".join(f'0 10 20 30 40 {n} 0 0 0 "dog"\n' for n in range(5000)))
    command = ["convert-boxes", str(tmp_path / "a.txt"), str(tmp_path / "b.json"), "--box-size", "100x50"]
    assert main(command) == 2
    assert "has 5000 frames and 1 object, read as VATIC; expected 1 to 4096 frames" in capsys.readouterr().err
    assert main([*command, "--box-frames", "4990-4999"]) == 0
    assert json.loads((tmp_path / "b.json").read_text())["frames"] == 10
    assert main([*command, "--box-frames", "4990-5000"]) == 2
    assert "frames 4990 to 5000 were asked for, the boxes have frames 0 to 4999" in capsys.readouterr().err


def test_the_command_asks_for_the_size_where_pixels_need_it(tmp_path, capsys):
    write_boxes(tmp_path / "a.npy", document(MOVING), "sg_i2v")
    command = ["convert-boxes", str(tmp_path / "a.npy"), str(tmp_path / "b.json")]
    assert main(command) == 2
    assert (
        "a.npy: SG-I2V, 1 object, 10 frames: the size of the frame in pixels is not known: give width and height "
        "(--box-size WIDTHxHEIGHT)" in capsys.readouterr().err
    )
    assert main([*command, "--box-size", "640x360"]) == 0


@pytest.mark.parametrize("frames", [10, 16, 20])
def test_a_short_path_rests_in_freetraj_videos(tmp_path, frames):
    """They have 16 frames or more, and go on as the last two lines do."""
    again, what = written(tmp_path, "freetraj", document(MOVING, frames=frames))
    assert again.frames == max(frames, 16) and "gone on" not in what
    boxes = boxes_at(again)[0][:, 0]
    assert torch.equal(boxes[9:], boxes[9:10].expand(again.frames - 9, 4))


def test_freetraj_lines_that_go_on_are_said(tmp_path):
    (tmp_path / "a.txt").write_text("0, 0.4, 0.8, 0.1, 0.3\n7, 0.5, 0.9, 0.1, 0.3\n")
    assert "gone on from frame 7 to 15 as in FreeTraj's videos: 1 object" in read_trajectory(tmp_path / "a.txt")[1]


@pytest.mark.parametrize(
    ("format", "name", "message"),
    [
        ("mot", "a.txt", "mot is a folder with seqinfo.ini and gt/gt.txt: name it without .txt"),
        ("got10k", "a.csv", "got10k is a folder with groundtruth.txt, meta_info.ini and absence.label: name it"),
        ("sg_i2v", "a.txt", "sg_i2v is a file whose name ends in .npy: name it so"),
        ("wan_move", "a.json", "wan_move is a file whose name ends in tracks.npy: name it so"),
        ("json", "a.txt", "json is a file whose name ends in .json: name it so"),
    ],
)
def test_a_name_of_another_format_is_refused_before_the_boxes_are_read(tmp_path, capsys, format, name, message):
    assert main(["convert-boxes", "none.json", str(tmp_path / name), "--to", format]) == 2
    assert message in capsys.readouterr().err
    with pytest.raises(TrajectoryError, match=message):
        write_boxes(tmp_path / name, document(MOVING), format)
    assert not list(tmp_path.iterdir())


def test_help_of_the_command_names_the_files_of_each_format(capsys):
    with pytest.raises(SystemExit):
        main(["convert-boxes", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for format in WRITTEN:
        assert f"{format} ({NAMES[format]})" in shown
        assert NAMES[format].endswith(SUFFIXES.get(format, "folder"))


def test_every_file_that_was_written_is_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json("a.json", document(MOVING))
    for format, name in NAMES.items():
        assert main(["convert-boxes", "a.json", f"{format}/{name}", "--to", format]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        there = [path for path in (tmp_path / format).rglob("*") if path.is_file()]
        assert sorted(map(str, there)) == sorted(str(tmp_path / line) for line in lines)


def test_a_size_that_is_not_used_is_said(tmp_path, capsys):
    write_json(tmp_path / "a.json", document(MOVING, frames=10))
    given = [str(tmp_path / "a.json"), str(tmp_path / "tracks.npy"), "--to", "wan_move"]
    assert main(["convert-boxes", *given, "--box-size", "832x480"]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert "--box-size 832x480 is not used" in first and "are for 640 x 360 pixels" in first
    assert "length is 10: Wan makes 4n + 1 frames, the nearest is 9: smcd guide --style wan_move --frames 9" in second
    assert main(["convert-boxes", *given, "--box-size", "640x360"]) == 0
    assert "--box-size" not in capsys.readouterr().err
