"""In the real ComfyUI: boxes from upstream and the text of SMCD Trajectory, and what goes back to the page."""

import json

import host
import pytest
import torch

from smcd_core.trajectory.document import parse_trajectory

comfy_host = host.start()
EMPTY = json.dumps({"version": 1, "width": 200, "height": 100, "frames": 4, "fps": 6, "objects": []})
BOX = {"x": 20, "y": 10, "width": 60, "height": 40, "label": "cat"}
DETECTED = [[BOX], [BOX], [], [BOX | {"x": 80}]]


def run(text=EMPTY, **inputs):
    """The trajectory, and what the page is told."""
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS["SMCD_Trajectory"]
    node.GET_SCHEMA()
    with torch.inference_mode():
        output = node.execute(text=text, **inputs)
    return parse_trajectory(output.result[0]), output.ui or {}


def test_without_boxes_the_text_is_all():
    trajectory, told = run()
    assert (trajectory.objects, trajectory.source, told) == ((), "", {})


def test_new_boxes_replace_the_text_and_go_to_the_page():
    trajectory, told = run(boxes=DETECTED)
    assert [parse_trajectory(text) for text in told["smcd_seed"]] == [trajectory]
    (track,) = trajectory.objects
    assert (track.phrase, trajectory.fps, trajectory.width) == ("cat", 6.0, 200)
    assert [(key.frame, key.visible) for key in track.keys] == [(0, True), (1, True), (2, False), (3, True)]
    assert track.keys[0].box == pytest.approx((0.1, 0.1, 0.4, 0.5))


def test_edits_of_the_same_boxes_win():
    seeded, told = run(boxes=DETECTED)
    edited = told["smcd_seed"][0].replace('"cat"', '"dog"')
    trajectory, told = run(edited, boxes=DETECTED)
    assert trajectory.objects[0].phrase == "dog" and trajectory.source == seeded.source and "smcd_seed" not in told


def test_other_boxes_win_over_edits():
    _, told = run(boxes=DETECTED)
    trajectory, told = run(told["smcd_seed"][0].replace('"cat"', '"dog"'), boxes=[[BOX]])
    assert trajectory.objects[0].phrase == "cat" and told["smcd_seed"]


def test_boxes_that_rest_take_the_frames_of_the_text():
    assert run(boxes=BOX)[0].frames == 4


def test_pixels_of_boxes_are_those_of_the_background():
    trajectory, told = run(boxes=[[BOX]], background=torch.zeros(1, 50, 100, 3))
    assert (trajectory.width, trajectory.height) == (100, 50)
    assert trajectory.objects[0].keys[0].box == pytest.approx((0.2, 0.2, 0.8, 1.0))


def test_a_long_background_comes_back_as_a_few_pictures():
    _, told = run(background=torch.rand(40, 8, 8, 3))
    assert len(told["smcd_background"]) == 16
    assert {"filename", "subfolder", "type"} <= told["smcd_background"][0].keys()


def test_broken_text_is_refused_with_boxes_too():
    with pytest.raises(ValueError, match="not JSON"):
        run("{", boxes=DETECTED)


@pytest.mark.parametrize("prefix", ["", "."])
def test_an_export_without_a_name_is_refused(prefix):
    with pytest.raises(ValueError, match="end it with the name of a file"):
        host.call("SMCD_Export", trajectory=BOX, format="json", filename_prefix=prefix)
