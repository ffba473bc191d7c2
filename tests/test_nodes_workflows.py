"""In the real ComfyUI: whole prompts, the shared workflows among them. Bad input is in test_nodes_server.py."""

import json
import math
import re
import socket
import sys
from pathlib import Path
from types import ModuleType

import av
import host
import numpy as np
import pytest
import torch
from PIL import Image
from small_bundle import DEFAULTS, write_small_bundle

from smcd_core.sampling.diffusion import noise_of
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import parse_trajectory

comfy_host = host.start()
loader = host.pack_module("nodes.loader")
loading = host.pack_module("nodes.host.loading")
host_text = host.pack_module("nodes.host.text")

import comfy.model_management  # noqa: E402  the host's, which host.start() found
import comfy.sample  # noqa: E402

API = Path(__file__).parent.parent / "workflows" / "api"
# Those for other models' weights are checked in test_nodes_workflows_models.py.
OTHERS = (
    "09_wan_move", "10_wan_ati", "11_vace_boxes", "12_vace_phrases", "13_wan_fun", "14_ltx_boxes", "15_time_to_move",
    "16_score_any_model"
)  # fmt: skip
NAMES = sorted(path.stem for path in API.glob("*.json") if path.stem not in OTHERS)
# Nodes that need downloads, and what stands in for them here.
STAND_INS = {
    "CLIPLoader": ("SMCD_Load", {"checkpoint": loader.BUNDLED, "weight_dtype": "default"}, 1),
    "VAELoader": ("SMCD_Load", {"checkpoint": loader.BUNDLED, "weight_dtype": "default"}, 2),
    "LoadImage": ("SMCD_Example", {"example": "beach"}, 0),
    "SAM3_TrackToMask": ("SolidMask", {"value": 1.0, "width": 64, "height": 32}, 0),
}
MAKERS = {"SMCD_Conditioning", "SMCD_Generate"}  # of the video; they are told its size
# Two videos in a row, which SMCD Draw enlarges.
SCALED = {"08_metrics": (256, 512)}
UPSTREAM = {"SAM3_VideoTrack", "CheckpointLoaderSimple", "LoadVideo", "GetVideoComponents"}


@pytest.fixture(autouse=True)
def bundled(tmp_path_factory, monkeypatch):
    """The default checkpoint, with random weights."""
    path = tmp_path_factory.getbasetemp() / "small.safetensors"
    if not path.exists():
        write_small_bundle(path)
    monkeypatch.setitem(loader.BUNDLED_NAMES, loader.BUNDLED, path)
    return path


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.setattr(comfy_host.folder_paths, "output_directory", str(tmp_path))
    return tmp_path


def read(name, steps=2):
    """A workflow with few steps and without downloads."""
    prompt = json.loads((API / f"{name}.json").read_text(encoding="utf-8"))
    moved = {}
    gone = [key for key, node in prompt.items() if node["class_type"] in UPSTREAM]
    gone += [key for key, node in prompt.items() if [gone[0], 1] in node["inputs"].values()] if gone else []
    prompt = {key: node for key, node in prompt.items() if key not in gone}
    for key, node in prompt.items():
        if node["class_type"] in STAND_INS:
            kind, inputs, slot = STAND_INS[node["class_type"]]
            prompt[key] = {"class_type": kind, "inputs": dict(inputs)}
            moved[key] = slot
        elif node["class_type"] == "SMCD_Load":
            node["inputs"]["checkpoint"] = loader.BUNDLED
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in moved:
                node["inputs"][name] = [value[0], moved[value[0]]]
        if "steps" in node["inputs"] and "start_at_step" not in node["inputs"]:  # which is one of those that there are
            node["inputs"]["steps"] = steps
    return prompt


SLOW = ("03_several_objects", "04_guidance", "06_long_video", "07_boxes_from_video")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NAMES])
def test_each_workflow_runs_to_a_video_file(name, output):
    prompt = read(name)
    result = host.run(prompt)
    assert result.success, (result.errors, result.messages[-1])
    (file,) = (output / "SMCD").glob("*.mp4")
    with av.open(str(file)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == (64 if name == "06_long_video" else 8)
    assert frames[0].shape[:2] == SCALED.get(name, asked_size(prompt)) and np.ptp(frames[0]) > 0


def asked_size(prompt):
    """Height and width that the one node with a say in it is given, or the checkpoint's own."""
    (inputs,) = [node["inputs"] for node in prompt.values() if node["class_type"] in MAKERS]
    return tuple(number(prompt, inputs.get(side)) or DEFAULTS[side] for side in ("height", "width"))


def number(prompt, value):
    """A number of a node, or of the primitive that is linked to it."""
    return prompt[value[0]]["inputs"]["value"] if isinstance(value, list) else value


def test_the_quick_start_needs_nothing_but_the_pack():
    prompt = json.loads((API / "01_quick_start.json").read_text(encoding="utf-8"))
    kinds = {node["class_type"] for node in prompt.values()}
    assert {kind for kind in kinds if not kind.startswith("SMCD_")} == {"SaveVideo"}


def test_the_quick_start_opens_no_connection(output, monkeypatch):
    def refuse(*arguments, **_options):
        raise AssertionError(f"asked for {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert host.run(read("01_quick_start")).success


@pytest.mark.slow
def test_a_run_leaves_nothing_behind_in_the_pack(output):
    """No value of a module or a node class changes, whatever the nodes are called."""
    for name in ("08_metrics", "01_quick_start"):
        prompt = read(name)
        assert host.run(prompt).success  # what is imported late is there
        before = state()
        renamed = json.loads(re.sub(r'\["(\d+)", (\d)\]', r'["9\1", \2]', json.dumps(prompt)))
        assert host.run({f"9{key}": node for key, node in renamed.items()}).success
        assert state() == before


def state():
    pack = comfy_host.pack.__name__
    modules = [module for name, module in sys.modules.items() if name.startswith(pack)]
    places = [*modules, *host.pack_module("nodes").NODES]
    return {
        (place.__name__, name): repr(value)
        for place in places
        for name, value in vars(place).items()
        if not name.startswith("__") and not callable(value) and not isinstance(value, ModuleType)
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bundled_default_follows_its_boxes_as_on_the_command_line(monkeypatch, seed):
    monkeypatch.undo()  # the random one
    model, clip, vae = host.call("SMCD_Load")
    picture, trajectory, prompt = host.call("SMCD_Example", example="beach")
    inputs = dict(first_frame=picture, trajectory=trajectory, prompt=prompt, seed=seed, steps=8)
    images, _ = host.call("SMCD_Generate", model=model, clip=clip, vae=vae, **inputs)
    pixels = (picture[0] * 255).round().to(torch.uint8).numpy()
    pipeline = SMCDPipeline.from_checkpoint()
    expected = torch.from_numpy(pipeline(pixels, parse_trajectory(trajectory), prompt, seed=seed, steps=8)) / 255
    found, wanted = (
        host.call("SMCD_Metrics", images=video, trajectory=trajectory, first_frame=picture)[0]
        for video in (images, expected)
    )
    assert abs(found - wanted) < 0.02 and found > 0.6


@pytest.mark.slow
def test_own_start_makes_the_video_of_generate_as_its_note_says(tmp_path, monkeypatch):
    """With the bundled weights and the same noise; the host's mask has soft edges."""
    monkeypatch.undo()  # the random weights
    for folder in ("output_directory", "temp_directory"):
        monkeypatch.setattr(comfy_host.folder_paths, folder, str(tmp_path))
    monkeypatch.setattr(comfy.sample, "prepare_noise", lambda latent, seed, *_: noise_of(seed, latent.shape))
    prompt = json.loads((API / "05_own_start.json").read_text(encoding="utf-8"))
    parts = dict(model=["1", 0], clip=["1", 1], vae=["1", 2], first_frame=["2", 0], trajectory=["3", 0])
    size = dict(width=256, height=256, frames=0)
    how = dict(prompt=prompt["5"]["inputs"]["text"], seed=0, steps=25, text=1.0, start=0.2, start_inside=0.08)
    prompt["own"] = {"class_type": "SMCD_Generate", "inputs": {**parts, **size, **how}}
    for name, images in {"rough": ["4", 0], "stock": ["10", 0], "same": ["own", 0]}.items():
        prompt[name] = {"class_type": "PreviewImage", "inputs": {"images": images}}
    result = host.run(prompt)
    assert result.success, (result.errors, result.messages[-1])
    rough, stock, same = (
        np.stack([np.asarray(Image.open(tmp_path / image["filename"]).convert("RGB")) for image in output["images"]])
        for output in map(result.outputs.get, ("rough", "stock", "same"))
    )
    # 0.6 and 20 when it was written; with other noise 5.5 and 74, and the rough video is 6.4 away.
    gap = np.abs(stock.astype(float) - same)
    assert gap.mean() < 1.5 and gap.max() < 40 and np.abs(rough.astype(float) - same).mean() > 5


def test_the_metrics_come_as_numbers_and_as_a_picture(output):
    example = host.call("SMCD_Example", example="beach")
    images = example[0].repeat(8, 1, 1, 1)
    scores = host.call("SMCD_Metrics", images=images, trajectory=example[1], first_frame=example[0])
    average_overlap, sr50, _sr75, quality, text, plot = scores
    # The objects are in their boxes in frame 0 and stay there while the boxes leave.
    assert 0.2 < average_overlap < 0.9 and 0 < sr50 < 1 and quality == 100
    assert text.startswith(f"AO {average_overlap:.3f}") and plot.shape == (1, 360, 640, 3)


def test_colours_score_no_photograph(caplog):
    """They found a share of the whole image, for an AO of 0.2 where the objects follow."""
    image, trajectory, _ = host.call("SMCD_Example", example="coffee")
    scores = host.call("SMCD_Metrics", images=image.repeat(8, 1, 1, 1), trajectory=trajectory, first_frame=image)
    assert all(map(math.isnan, scores[:3])) and scores[4] == "no AO: connect found boxes, first frame 100.0 dB"
    assert "no overlap without found: colours do not tell where these are: cup" in caplog.text


def test_found_boxes_are_matched_by_label_and_a_perfect_result_scores_one():
    _, trajectory, _ = host.call("SMCD_Example", example="beach")
    boxes = host.call("SMCD_Export", trajectory=trajectory, format="none")[2]
    boxes = [frame[::-1] for frame in boxes]
    scores = host.call("SMCD_Metrics", images=torch.zeros(8, 128, 128, 3), trajectory=trajectory, found=boxes)
    assert scores[0] > 0.97  # boxes of whole pixels


def test_found_boxes_without_labels_are_matched_by_overlap_and_others_may_be_there():
    """They were matched by order, which in a detector's list is that of its scores; more objects were refused."""
    _, trajectory, _ = host.call("SMCD_Example", example="beach")
    boxes = host.call("SMCD_Export", trajectory=trajectory, format="none")[2]
    inputs = dict(images=torch.zeros(8, 128, 128, 3), trajectory=trajectory)
    sides, corner = ("x", "y", "width", "height"), {"x": 0, "y": 0, "width": 4, "height": 4}
    found = [[corner, *({side: box[side] for side in sides} for box in here[::-1])] for here in boxes]
    assert host.call("SMCD_Metrics", **inputs, found=found)[0] > 0.97


def test_labels_of_found_boxes_that_match_no_phrase_are_remarked(caplog):
    """They fell back to the order of objects, for an AO of 0, without a word."""
    _, trajectory, _ = host.call("SMCD_Example", example="beach")
    boxes = host.call("SMCD_Export", trajectory=trajectory, format="none")[2]
    inputs = dict(images=torch.zeros(8, 128, 128, 3), trajectory=trajectory)
    first, second = dict.fromkeys(box["label"] for frame in boxes for box in frame)

    def score(names):
        caplog.clear()
        found = [[box | {"label": names.get(box["label"], box["label"])} for box in here] for here in boxes]
        return host.call("SMCD_Metrics", **inputs, found=found)[0]

    assert score({first: "sea star", second: "toy"}) > 0.97
    assert "the labels of the found boxes ('sea star', 'toy') are not the phrases ('" in caplog.text
    assert 0.3 < score({first: "sea star"}) < 0.7  # the other object is found
    assert f"found has no boxes with these labels: '{first}'" in caplog.text
    for names in ({}, {first: "", second: ""}):
        assert score(names) > 0.97
        assert "labels" not in caplog.text


def test_masks_of_a_tracker_are_scored_like_boxes():
    key = {"frame": 0, "box": [0.25, 0.5, 0.75, 1.0]}
    document = {"version": 1, "width": 64, "height": 32, "frames": 4, "objects": [{"phrase": "cat", "keys": [key]}]}
    masks = torch.zeros(4, 32, 64)
    masks[:2, 16:, 16:48] = 1  # where it should be, then the left half of it, then nothing
    masks[2, 16:, 16:32] = 1
    inputs = dict(images=torch.zeros(4, 32, 64, 3), trajectory=document, found=masks)
    average_overlap, sr50, sr75, *_ = host.call("SMCD_Metrics", **inputs)
    assert average_overlap == pytest.approx((1 + 1 + 0.5 + 0) / 4) and (sr50, sr75) == (0.5, 0.5)
    # Three boxes of four are found; the half one reaches the threshold of AP50, and its middle is 8 pixels away.
    places = f"coverage 1.000, mIoU {2.5 / 4:.3f}, AP50 1.000, centroid distance {8 / math.hypot(64, 32) / 3:.3f}"
    assert places in host.call("SMCD_Metrics", **inputs)[4]


def test_other_boxes_and_points_are_scored_in_the_text():
    """A white square that follows its box, or rests; points that are found 3 and 4 pixels away."""
    keys = [{"frame": 0, "box": [0, 0, 0.25, 0.5]}, {"frame": 1, "box": [0.5, 0.5, 0.75, 1]}]
    document = {"version": 1, "width": 64, "height": 32, "frames": 2, "objects": [{"phrase": "cat", "keys": keys}]}
    still = document | {"objects": [{"phrase": "cat", "keys": keys[:1]}]}
    images = torch.zeros(2, 32, 64, 3)
    images[0, :16, :16] = images[1, 16:, 32:48] = 1
    inputs = dict(images=images, trajectory=document, found=document)
    other = dict(other=images[:1].repeat(2, 1, 1, 1), other_trajectory=still)
    path = torch.tensor([[[8.0, 8.0]], [[40.0, 24.0]]])
    seen = torch.ones(2, 1, dtype=torch.bool)
    points = {"points": {"track_path": path, "track_visibility": seen}}
    points["found_points"] = {"track_path": path + torch.tensor([3.0, 4.0]), "track_visibility": seen}
    text = host.call("SMCD_Metrics", **inputs, **other, **points)[4]
    assert "change inside 1.000, leakage 0.000, localisation IoU 1.000" in text
    assert "EPE in pixels 5.000, of moving points 5.000" in text
    guessed = points | {"points": {"track_path": path, "track_visibility": torch.full((2, 1), 0.2)}}
    with pytest.raises(ValueError, match="track_visibility holds 0.2, expected 0 or 1"):
        host.call("SMCD_Metrics", **inputs, **guessed)
    with pytest.raises(ValueError, match="other and other_trajectory are a video and its boxes: connect both or none"):
        host.call("SMCD_Metrics", **inputs, other=images)
    with pytest.raises(ValueError, match="found_points where they are: connect both or none"):
        host.call("SMCD_Metrics", **inputs, points=points["points"])
    points["found_points"] = {"track_path": path[:1], "track_visibility": seen[:1]}
    with pytest.raises(ValueError, match=r"shapes \[2, 1, 2\] and \[1, 1, 2\], images 2 frames: make them alike"):
        host.call("SMCD_Metrics", **inputs, **points)


@pytest.mark.parametrize("change", [{"objects": []}, {"box": [2, 2, 3, 3]}], ids=["no object", "off the frame"])
def test_nothing_to_score_is_an_error_and_no_number(change):
    key = {"frame": 0, "box": change.pop("box", [0, 0, 1, 1])}
    document = {"version": 1, "width": 8, "height": 8, "frames": 2, "objects": [{"phrase": "cat", "keys": [key]}]}
    with pytest.raises(ValueError, match="no box inside the frame at any time: there is nothing to score"):
        host.call("SMCD_Metrics", images=torch.zeros(2, 8, 8, 3), trajectory=document | change)


@pytest.mark.slow
def test_interrupt_stops_within_a_step_and_the_next_run_is_clean(output):
    prompt = read("03_several_objects", steps=50)
    calls = []
    network = host.pack_module("nodes.host.model").HostSMCD
    forward = network.forward

    def stop(self, x, *args, **kwargs):
        calls.append(x.shape[0])
        if len(calls) == 3:
            comfy.model_management.interrupt_current_processing()
        return forward(self, x, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "forward", stop)
        result = host.run(prompt)
    assert not result.success and result.messages[-1][0] == "execution_interrupted"
    assert len(calls) <= 4
    assert host.run(read("03_several_objects")).success


def test_motion_and_image_together_are_the_conditioning(bundled):
    clip, vae = host_text.load_clip(str(bundled)), loading.load_vae(str(bundled))
    picture, trajectory, _ = host.call("SMCD_Example", example="beach")
    prompts = dict(positive=[[torch.zeros(1, 32, 128), {}]], negative=[[torch.ones(1, 32, 128), {}]])
    sizes = dict(width=64, height=64)
    whole = host.call(
        "SMCD_Conditioning", **prompts, clip=clip, vae=vae, first_frame=picture, trajectory=trajectory, **sizes
    )
    positive, negative = host.call("SMCD_Motion", **prompts, clip=clip, trajectory=trajectory)
    parts = host.call("SMCD_Image", positive=positive, negative=negative, vae=vae, first_frame=picture, **sizes)
    for one, other in zip(whole[:2], parts[:2], strict=True):
        assert one[0][1].keys() == other[0][1].keys()
        for name, value in one[0][1].items():
            equal = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert equal(value, other[0][1][name]), name
    assert whole[2]["samples"].shape == parts[2]["samples"].shape


def test_a_trajectory_of_another_length_is_sampled_at_the_frames_of_the_video(bundled):
    _, trajectory, _ = host.call("SMCD_Example", example="beach")
    prompt = [[torch.zeros(1, 32, 128), {}]]
    inputs = dict(positive=prompt, negative=prompt, clip=host_text.load_clip(str(bundled)), trajectory=trajectory)
    for frames, expected in ((0, 8), (8, 8), (15, 15), (1, 1)):
        positive, negative = host.call("SMCD_Motion", **inputs, frames=frames)
        boxes, mask = boxes_at(parse_trajectory(trajectory), expected)
        for values in (positive[0][1], negative[0][1]):
            assert torch.equal(values["smcd_boxes"], torch.cat([boxes, mask[..., None].float()], dim=-1))


def test_boxes_of_a_detector_pass_through_the_graph_and_back():
    """The host's own box editor gives a box to our reader, and its DrawBBoxes draws ours."""
    box = {"x": 16, "y": 8, "width": 32, "height": 16, "label": "person"}
    trajectory, what = host.call("SMCD_FromBoxes", trajectory=[[box]] * 3, width=64, height=32)
    assert "1 objects, 3 frames" in what and trajectory["objects"][0]["phrase"] == "person"
    boxes = host.call("SMCD_Export", trajectory=trajectory)[2]
    assert boxes == [[box]] * 3
    drawn = host.call("DrawBBoxes", image=torch.zeros(3, 32, 64, 3), bboxes=boxes)[0]
    assert drawn.shape == (3, 32, 64, 3) and drawn.max() > 0


@pytest.mark.parametrize("format, file", [("json", "*.json"), ("mot", "*/gt/gt.txt"), ("got10k", "*/groundtruth.txt")])
def test_export_writes_files_that_are_read_again(output, format, file):
    from smcd_core.trajectory.files import read_trajectory

    _, trajectory, _ = host.call("SMCD_Example", example="beach")
    host.call("SMCD_Export", trajectory=trajectory, format=format)
    found = sorted((output / "SMCD").glob(file))
    assert len(found) == (2 if format == "got10k" else 1)
    read_back, _ = read_trajectory(found[0], width=128, height=128)
    assert read_back.frames == 8


def test_draw_repeats_one_picture_for_all_frames():
    picture, trajectory, _ = host.call("SMCD_Example", example="beach")
    (drawn,) = host.call("SMCD_Draw", images=picture, trajectory=trajectory)
    assert drawn.shape[0] == 8 and not torch.equal(drawn[0], drawn[7])
    for more in ("paths", "ids"):
        assert (
            (host.call("SMCD_Draw", images=picture, trajectory=trajectory, **{more: True})[0] != drawn).any(-1)[0].any()
        )


def test_every_node_explains_itself():
    for node in host.pack_module("nodes").NODES:
        schema = node.define_schema()
        assert schema.node_id.startswith("SMCD_") and schema.description and schema.display_name
        assert comfy_host.nodes.NODE_CLASS_MAPPINGS[schema.node_id] is node


def test_the_search_finds_the_nodes_under_the_words_of_animators():
    words = {alias for node in host.pack_module("nodes").NODES for alias in node.define_schema().search_aliases}
    assert words >= {"spline", "timeline", "draw", "sprite", "animate", "motion path"}
