"""In the real ComfyUI: boxes from upstream and the text of SMCD Trajectory, and what goes back to the page."""

import copy
import json
from pathlib import Path

import host
import numpy as np
import pytest
import torch
from PIL import Image

from smcd_core.trajectory.document import parse_trajectory

comfy_host = host.start()

import folder_paths  # noqa: E402  once the host is there

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


TWO = json.loads(EMPTY) | {
    "objects": [
        {"phrase": "cat", "id": "cat", "keys": [{"frame": 0, "box": [0, 0, 0.5, 0.5]}]},
        {"phrase": "gone", "id": "gone", "enabled": False, "keys": [{"frame": 0, "box": [0, 0, 0.5, 0.5]}]},
        {"phrase": "dog", "id": "dog", "keys": [{"frame": 0, "box": [0.5, 0.5, 1, 1]}]},
    ]
}
STILL = torch.zeros(1, 50, 100, 3)


def shapes(*patches, width=100, height=50):
    """MASK with a patch (x1, y1, x2, y2) in each."""
    masks = torch.zeros(len(patches), height, width)
    for mask, (x1, y1, x2, y2) in zip(masks, patches, strict=True):
        mask[y1:y2, x1:x2] = 1
    return masks


PATCHES = shapes((10, 10, 30, 20), (60, 30, 80, 40))


def test_masks_of_another_size_are_stretched_to_the_background():
    twice = PATCHES.repeat_interleave(2, 1).repeat_interleave(2, 2)
    _, told = run(json.dumps(TWO), background=STILL, masks=twice)
    assert told["smcd_masks"][0]["box"] == pytest.approx([0.06, 0.12, 0.34, 0.48], abs=0.021)


def test_masks_go_to_the_page_by_object():
    _, told = run(json.dumps(TWO), background=STILL, masks=PATCHES)
    cat, dog = told["smcd_masks"]
    assert (cat["id"], dog["id"]) == ("cat", "dog")
    assert cat["box"] == [0.06, 0.12, 0.34, 0.48]
    with Image.open(Path(folder_paths.get_temp_directory()) / cat["file"]["filename"]) as picture:
        shape, hole = np.split(np.array(picture)[..., 3], 2)
    assert shape.shape == (18, 28) and hole[1:-1, 1:-1].min() == 255 and hole[0].max() == 0
    assert shape[9, 14] == 255 and shape[4, 14] == 63 and shape[3, 14] == 0  # FEATHER is 4


def test_one_mask_is_for_all_objects():
    _, told = run(json.dumps(TWO), background=STILL, masks=shapes((10, 10, 90, 40)))
    assert [mask["id"] for mask in told["smcd_masks"]] == [""]


def test_masks_that_do_not_fit_leave_whole_boxes_and_say_so(caplog):
    for masks, wanted, message in (
        (shapes(*[(0, 0, 9, 9)] * 3), [], "3 masks for 2 objects: give one for all, or one for each in order"),
        (shapes((0, 0, 9, 9), (0, 0, 0, 0)), ["cat"], "mask 2 is empty"),
    ):
        _, told = run(json.dumps(TWO), background=STILL, masks=masks)
        assert [mask["id"] for mask in told["smcd_masks"]] == wanted
        assert message in caplog.text and message in told["smcd_remarks"][0]
    for masks, message in (
        (torch.ones(50, 100), r"masks has the shape \[50, 100\], expected \[masks, height, width\]"),
        (torch.ones(1, 0, 0), r"masks has the shape \[1, 0, 0\]"),
        (255 * PATCHES, "masks holds numbers up to 255, expected 0 to 1: divide them by 255"),
    ):
        with pytest.raises(ValueError, match=message):
            run(json.dumps(TWO), background=STILL, masks=masks)


def test_masks_of_another_shape_than_the_image_are_stretched_and_said(caplog):
    _, told = run(json.dumps(TWO), background=STILL, masks=PATCHES[:, :, :50])
    assert len(told["smcd_masks"]) == 1  # the dog's patch was in the other half
    assert "the masks are stretched over the image: make the masks of this image. They are 50 x 50" in caplog.text
    caplog.clear()
    run(json.dumps(TWO), background=STILL, masks=PATCHES[:, ::2, ::2])
    assert not caplog.text


def test_masks_need_a_still_and_say_so(caplog):
    masks = shapes((10, 10, 90, 40))
    assert "smcd_masks" not in run(json.dumps(TWO), masks=masks)[1]
    assert "the masks have no effect without one image as background: nothing is connected to it" in caplog.text
    assert "smcd_masks" not in run(json.dumps(TWO), background=STILL.repeat(3, 1, 1, 1), masks=masks)[1]
    assert "as background: it has 3" in caplog.text


def test_a_document_is_parsed_once_unless_another_pack_changes_it(monkeypatch):
    document = host.call("SMCD_Trajectory", text=EMPTY)[0]
    values = host.pack_module("nodes.values")
    changed = copy.deepcopy(document)
    changed["frames"] = 5
    assert values.read_boxes(changed, 64, 64, 8).frames == 5
    monkeypatch.setattr(values, "trajectory_from_value", None)
    assert values.read_boxes(document, 64, 64, 8).to_dict() == document


def test_broken_text_is_refused_with_boxes_too():
    with pytest.raises(ValueError, match="not JSON"):
        run("{", boxes=DETECTED)


@pytest.mark.parametrize("prefix", ["", "."])
def test_an_export_without_a_name_is_refused(prefix):
    with pytest.raises(ValueError, match="end it with the name of a file"):
        host.call("SMCD_Export", trajectory=BOX, format="json", filename_prefix=prefix)


def test_exported_boxes_refer_to_the_size_that_is_given():
    found = {"x": 800, "y": 600, "width": 200, "height": 100}
    text, _, boxes, _ = host.call("SMCD_Export", trajectory=found, width=1920, height=1080)
    assert (json.loads(text)["width"], json.loads(text)["height"]) == (1920, 1080)
    assert [{name: box[name] for name in found} for box in boxes[0]] == [found]


def test_scores_tell_the_page_which_boxes_they_are_of():
    moving = {"phrase": "cat", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]}]}
    text = json.dumps(json.loads(EMPTY) | {"objects": [moving]})
    node, metrics = (comfy_host.nodes.NODE_CLASS_MAPPINGS[name] for name in ("SMCD_Trajectory", "SMCD_Metrics"))
    for one in (node, metrics):
        one.GET_SCHEMA()
    images = torch.zeros(4, 100, 200, 3)
    images[:, 10:50, 20:100, 0] = 1.0
    document, boxes, _ = node.execute(text=text).result
    (report,) = metrics.execute(images, document).ui["smcd_scores"]
    assert parse_trajectory(report["text"]) == parse_trajectory(text)
    (report,) = metrics.execute(images, boxes).ui["smcd_scores"]
    assert "text" not in report  # pixels do not tell


def test_a_broken_text_is_said_before_the_run():
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS["SMCD_Trajectory"]
    assert node.validate_inputs(text=EMPTY) is True
    assert "frames" in node.validate_inputs(text=EMPTY.replace('"frames": 4', '"frames": 0'))
