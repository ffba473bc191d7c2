"""In the real ComfyUI: what the guide nodes make of images, trajectories and lengths that do not fit."""

import host
import pytest
import torch
from test_nodes_guides import run_in
from test_nodes_guides_drawn import Words

host.start()

A, B = [0.1, 0.2, 0.4, 0.6], [0.5, 0.4, 0.9, 0.9]
TARGET = dict(width=96, height=64, length=17, fit="crop")
IMAGE = torch.full((1, 80, 120, 3), 0.5)
NODES = ("SMCD_Tracks", "SMCD_CutAndDrag", "SMCD_GuideVideo", "SMCD_RegionalPrompt")


def document(width=120, height=80, frames=9, **track):
    track = {"phrase": "cat", "keys": [{"frame": 0, "box": A}, {"frame": frames - 1, "box": B}], **track}
    return {"version": 1, "width": width, "height": height, "frames": frames, "objects": [track]}


def first_key(**key):
    return document(keys=[{"frame": 0, "box": A} | key])


def guide(node, given=None, **inputs):
    inputs = TARGET | inputs
    if node == "SMCD_CutAndDrag":
        inputs = {"image": IMAGE} | inputs
    if node == "SMCD_RegionalPrompt":
        inputs["clip"] = Words()
    return host.call(node, trajectory=given or document(), **inputs)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 80, 120, 3), r"image holds no image: its shape is \[0, 80, 120, 3\]"),
        ((1, 0, 120, 3), "image holds no image"),
        ((80, 120, 3), r"image has the shape \[80, 120, 3\], expected images \[frames, height, width, 3\]"),
        ((1, 80, 120, 2), "image has the shape"),
    ],
)
def test_what_is_no_picture_is_refused_by_each_node(node, shape, message):
    with pytest.raises(ValueError, match=message):
        guide(node, image=torch.zeros(shape))


@pytest.mark.parametrize("node", ["SMCD_CutAndDrag", "SMCD_GuideVideo"])
def test_a_grey_picture_has_three_equal_colours(node):
    video = guide(node, image=IMAGE[..., :1])[0]
    assert video.shape == (17, 64, 96, 3) and video[0, 0, 0].tolist() == pytest.approx([0.5] * 3)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image * torch.nan, "image holds NaN or infinity"),
        (lambda image: image.clone().index_fill_(1, torch.tensor(0), torch.inf), "image holds NaN or infinity"),
        (lambda image: image * 255, "image holds numbers up to [0-9.]+, expected 0 to 1: divide them by 255"),
    ],
)
def test_a_picture_without_colours_is_refused_by_each_node(node, change, message):
    with pytest.raises(ValueError, match=message):
        guide(node, image=change(IMAGE))


def test_a_picture_with_lights_brighter_than_1_is_taken():
    bright = IMAGE.clone()
    bright[:, :20] = 8
    assert guide("SMCD_GuideVideo", image=bright)[0].amax() >= 1


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("picture", [(2, 3), (80, 120), (400, 30)])
@pytest.mark.parametrize(
    "given",
    [document(), document(frames=200), document(frames=1, keys=[{"frame": 0, "box": A}]), document(height=4000)],
)
def test_trajectories_of_any_length_and_shape_and_pictures_of_any_size_are_fitted(node, picture, given):
    first, *_ = guide(node, given, image=torch.rand(1, *picture, 3), fit="stretch")
    found = {"SMCD_Tracks": lambda: first["track_path"][:, 0], "SMCD_RegionalPrompt": lambda: first[1][1]["mask"]}
    assert len(found.get(node, lambda: first)()) == (5 if node == "SMCD_RegionalPrompt" else 17)


NOTHING = "no object is visible and inside the frame in frame 0"
OUTSIDE = "no box is inside the picture in the first frame in which it is visible"
NEVER = "no box is inside the frame at any time"
NONE = "the trajectory has no enabled object"


@pytest.mark.parametrize(
    ("given", "tracks", "cut", "regions"),
    [
        (document(keys=[{"frame": 0, "box": A, "visible": False}, {"frame": 4, "box": B}]), NOTHING, None, None),
        (first_key(visible=False), NOTHING, OUTSIDE, NEVER),
        (first_key(box=[2, 2, 2.5, 2.5]), NOTHING, OUTSIDE, NEVER),
        (first_key(box=[0.3, 0.3, 0.3, 0.6]), NOTHING, OUTSIDE, NEVER),
        (document(enabled=False), "draw a box or enable one", NONE, NONE),
    ],
)
def test_nothing_in_frame_0_is_a_result_or_a_message(given, tracks, cut, regions):
    for node, message in zip(NODES, (tracks, cut, None, regions), strict=True):
        if message is None:
            assert guide(node, given)
        else:
            with pytest.raises(ValueError, match=message):
                guide(node, given)


def test_masks_without_a_number_are_empty():
    with pytest.raises(ValueError, match="the mask in the box of object 1 .cat. is empty"):
        guide("SMCD_CutAndDrag", masks=torch.full((1, 8, 8), torch.nan))


@pytest.mark.parametrize("node", NODES)
def test_4097_frames_are_refused(node):
    with pytest.raises(ValueError, match="length is 4097: give a whole number from 1 to 4096"):
        guide(node, length=4097)


def test_the_nearest_length_to_4096_is_one_that_can_be_made():
    with pytest.raises(ValueError, match=r"it must be 4n \+ 1, the nearest is 4093"):
        guide("SMCD_RegionalPrompt", length=4096)
    assert "the nearest is 4093" in guide("SMCD_Tracks", length=4096, points=1)[3]


@pytest.mark.parametrize("node", NODES)
def test_what_the_crop_cuts_off_and_boxes_for_another_shape_are_said_by_each_node(node, caplog):
    report = guide(node, document(height=120), image=IMAGE, width=64, height=64)[-1]
    lines = [record.message for record in caplog.records if record.name == "smcd"]
    if isinstance(report, str):
        assert lines == report.splitlines()[1:]
    assert lines[0].startswith(
        "the boxes are stretched to the image: see that they lie on its objects. They are for 120 x 120"
    )
    assert lines[1].startswith("the crop cuts off 22 % of object 1 (cat) in frame 0: ")
    assert lines[1].endswith("the middle 80 x 80 of its 120 x 80 pixels")


@pytest.mark.parametrize("node", ["SMCD_Tracks", "SMCD_CutAndDrag"])
def test_a_picture_that_fits_is_no_remark(node, caplog):
    guide(node, image=IMAGE, width=192, height=128)
    assert not [record.message for record in caplog.records if record.name == "smcd"]


@pytest.mark.parametrize(
    ("node", "slot", "more"),
    [
        ("SMCD_GuideVideo", 0, dict(style="vace")),
        ("SMCD_CutAndDrag", 3, dict(image=IMAGE, feather=4)),
        ("SMCD_RegionalPrompt", 0, dict(clip=Words(), prompt="", frames_per_latent=4, background=0.3)),
    ],
)
def test_a_guide_for_a_video_of_another_size_or_length_is_remarked_on(node, slot, more, caplog):
    given = dict(trajectory=document(), **TARGET, **more)
    size = {"width": 96, "height": 64, "length": 17}
    same = {"class_type": "WanVaceToVideo", "inputs": {"control_video": ["1", slot]} | size}
    small = {"class_type": "ImageScale", "inputs": {"image": ["1", slot], "width": 32, "height": 32}}
    run_in({"2": same, "3": small}, node, **given)
    assert "makes a video of" not in caplog.text
    other = {"class_type": "WanVaceToVideo", "inputs": same["inputs"] | {"length": 81}}
    run_in({"2": other}, node, **given)
    assert (
        "WanVaceToVideo makes a video of width 96, height 64, length 81, but this is for 96 x 64 pixels and 17 frames: "
        "give both the same numbers" in caplog.text
    )
