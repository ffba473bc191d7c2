"""The real ComfyUI as a server: the pack loads, lists its nodes, and runs prompts that scripts post."""

import asyncio
import contextlib
import io
import json
from pathlib import Path

import host
import pytest
from PIL import Image

host.start()  # skips where there is no ComfyUI

API = host.PACK / "workflows" / "api"
GOLDEN = Path(__file__).parent / "golden"
CHECKPOINT, BARE = "smcd/small.safetensors", "smcd/bare.safetensors"  # as host.serve_beside_others puts them


def workflow(name, folder=API):
    prompt = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    for node in prompt.values():
        if node["class_type"] == "SMCD_Load":
            node["inputs"]["checkpoint"] = CHECKPOINT
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 2
    return prompt


def find(prompt, kind):
    (key,) = [key for key, node in prompt.items() if node["class_type"] == kind]
    return key


def last_event(run):
    return run.events[-1][0], run.events[-1][1].get("exception_message")


def test_all_nodes_are_listed_with_the_models_of_extra_paths(server):
    info = host.ask(server, "/object_info")
    own = {name for name in info if name.startswith("SMCD_")}
    assert own == {node.define_schema().node_id for node in host.pack_module("nodes").NODES}
    assert CHECKPOINT in json.dumps(info["SMCD_Load"]["input"]["required"]["checkpoint"])
    assert info["SMCD_Conditioning"]["output"] == ["CONDITIONING", "CONDITIONING", "LATENT"]


def test_the_front_end_is_served_once(server):
    own = [path for path in host.ask(server, "/extensions") if "/smcd/" in path]
    assert len(own) == len(set(own)) == len(list((host.PACK / "web").rglob("*.js")))


def test_every_template_of_the_pack_opens(server):
    """The host lists those of five folders, `examples` among them, and serves those of the first one that is there."""
    names = host.ask(server, "/api/workflow_templates")["smcd"]
    assert sorted(names) == sorted(path.stem for path in (host.PACK / "workflows").glob("*.json"))
    for name in names:
        assert host.ask(server, f"/api/workflow_templates/smcd/{name}.json")["nodes"]


def test_a_pack_without_its_dependency_stops_neither_the_host_nor_other_packs(server):
    """One that works says nothing; the broken copy says what it lacks, and the rest is there."""
    lines = server.log.read_text().splitlines()
    assert [line for line in lines if "custom_nodes/smcd" in line and "seconds" not in line] == []
    assert [line for line in lines if "broken" in line and "a_dependency_that_is_missing" in line]
    assert {"Other", "SMCD_Load", "KSampler"} <= host.ask(server, "/object_info").keys()


@pytest.mark.parametrize("name, kind", [("01_quick_start", "SMCD_Generate"), ("03_several_objects", "KSampler")])
def test_a_posted_prompt_runs_to_a_video_with_a_preview_of_each_step(server, name, kind):
    prompt = workflow(name)
    run = host.watch(server, prompt)
    assert last_event(run) == ("execution_success", None)
    assert len(list(Path(server.base, "output", "SMCD").glob(f"{name[3:]}*.mp4"))) == 1
    assert [key for key, _ in run.previews] == [find(prompt, kind)] * 2
    assert all(Image.open(io.BytesIO(picture)).getbbox() for _, picture in run.previews)  # and not black
    # On the example nothing is to be remarked. Load SMCD says what it has loaded, unless it is still there.
    assert {node for node, _ in run.texts} <= {find(prompt, "SMCD_Load")}


def test_what_the_result_cannot_be_is_said_on_the_node_until_it_is_mended(server):
    prompt = workflow("01_quick_start")
    node, loader = find(prompt, "SMCD_Generate"), find(prompt, "SMCD_Load")
    prompt[loader]["inputs"]["weight_dtype"] = "bf16"  # not what the test above has loaded
    prompt[node]["inputs"]["width"] = 128
    texts = dict(host.watch(server, prompt, "page").texts)
    assert texts[loader].startswith("This model makes small, soft video: for sharp video use the released weights.")
    squeezed = "The image is squeezed from 320 x 320 to 128 x 64: set fit to crop to cut its sides off instead."
    assert texts[node] == squeezed
    prompt[node]["inputs"]["fit"] = "crop"
    cut = host.watch(server, prompt, "page").texts[-1]
    assert cut[0] == node and cut[1].startswith("The crop cuts off 37 % of object 1 (cup) in frame 0: choose a size")
    prompt[node]["inputs"]["width"] = 64
    assert host.watch(server, prompt, "page").texts[-1] == (node, "")


def test_what_a_run_says_is_not_shown_in_another_page(server):
    """It may have a node of the same id."""
    import aiohttp

    prompt = workflow("01_quick_start")
    prompt[find(prompt, "SMCD_Generate")]["inputs"]["width"] = 128

    async def beside_another():
        async with aiohttp.ClientSession(server.url) as session, session.ws_connect("/ws?clientId=other") as other:
            run = await host.watching(server, prompt, "page")
            heard = []
            with contextlib.suppress(asyncio.TimeoutError):
                while True:
                    heard.append(await other.receive(timeout=2))
        return run, heard

    run, heard = asyncio.run(beside_another())
    assert run.texts and not [message for message in heard if message.type == aiohttp.WSMsgType.BINARY]


def test_points_are_refused_when_only_the_video_that_reads_them_has_changed(server):
    """The host has them from the run before, and compares the inputs of the node that made them."""
    size = {"width": 128, "height": 128, "length": 9}
    tracks = {"trajectory": ["1", 1], **size, "fit": "crop", "points": 0, "anchors": 0}
    prompt = {
        "1": {"class_type": "SMCD_Example", "inputs": {"example": "beach"}},
        "2": {"class_type": "SMCD_Tracks", "inputs": tracks},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 1], **size}},  # as a node that makes a video
    }
    assert last_event(host.watch(server, prompt)) == ("execution_success", None)
    prompt["3"]["inputs"]["length"] = 17
    event, message = last_event(host.watch(server, prompt))
    assert event == "execution_error" and message.startswith(
        "PreviewAny makes a video of width 128, height 128, length"
    )


def test_boxes_that_replaced_a_text_replace_it_again_when_the_editor_has_gone_back_to_it(server):
    """By its undo, or as the page was loaded again: only a run tells it."""

    def seeds(text):
        """The texts that two runs give the editor of a node with this one."""
        prompt = {
            "1": {"class_type": "PrimitiveBoundingBox", "inputs": BOX},
            "2": {"class_type": "SMCD_Trajectory", "inputs": {"text": text, "boxes": ["1", 0]}},
            "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
        }
        runs = [host.watch(server, prompt) for _ in range(2)]
        told = [
            data["output"] for run in runs for event, data in run.events if event == "executed" and data["node"] == "2"
        ]
        return [output["smcd_seed"][0] for output in told if output]

    drawn = json.dumps({"version": 1, "width": 64, "height": 64, "frames": 5, "objects": []})
    first, again = seeds(drawn)
    assert first == again and json.loads(first)["objects"]
    assert seeds(first) == []  # which the editor has taken
    assert len(seeds(drawn)) == 2


BOX = {"x": 16, "y": 8, "width": 32, "height": 24}
SIZE = {"width": 64, "height": 64}
TRACK = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.8, "end_y": 0.7, "num_frames": 6, "num_tracks": 2}
TRACK |= {"track_spread": 0.1, "bezier": False, "mid_x": 0.5, "mid_y": 0.5, "interpolation": "linear"}
EXPORTED = [
    ("SMCD_Example", {"example": "beach"}),
    ("SMCD_Export", {"trajectory": ["0", 1], "format": "none", "filename_prefix": "x"}),
]
# Nodes, the last of which makes boxes; which of its outputs; what the reader says of it.
PRODUCERS = {
    "one box": ([("PrimitiveBoundingBox", BOX)], 0, "a bounding box: 1 objects, 5 frames"),
    "boxes of a list": (
        [("PrimitiveStringMultiline", {"value": json.dumps([BOX, BOX | {"x": 0}])})],
        0,
        "bounding boxes: 2 objects, 5 frames",
    ),
    "boxes for each frame": (
        [("CreateBoundingBoxes", {**SIZE, "editor_state": {"__value__": [BOX | {"metadata": {"type": "obj"}}]}})],
        1,
        "bounding boxes for each frame: 1 objects, 5 frames",
    ),
    "boxes of a trajectory": (
        EXPORTED,
        2,
        "bounding boxes for each frame: 2 objects (the given phrase replaces 'yellow circle', 'cyan diamond'), "
        "8 frames",
    ),
    "coordinates of a trajectory": (EXPORTED, 1, "point tracks: 2 objects, 8 frames"),
    "tracks of a trajectory": (EXPORTED, 3, "point tracks: 2 objects, 8 frames"),
    "tracks": ([("GenerateTracks", {**SIZE, **TRACK})], 0, "point tracks: 2 objects, 6 frames"),
    "a mask": ([("SolidMask", {**SIZE, "value": 1.0})], 0, "masks: 1 objects, 5 frames"),
    "masks": (
        [
            ("EmptyImage", {**SIZE, "batch_size": 7, "color": 0xFFFFFF}),
            ("ImageToMask", {"image": ["0", 0], "channel": "red"}),
        ],
        0,
        "masks: 1 objects, 7 frames",
    ),
}


def skip_without_box_editor(server, prompt):
    """Its node came after the oldest ComfyUI that the pack runs in."""
    name = "CreateBoundingBoxes"
    if any(node["class_type"] == name for node in prompt.values()) and not host.ask(server, f"/object_info/{name}"):
        pytest.skip(f"this ComfyUI has no node {name}")


@pytest.mark.parametrize("kind", PRODUCERS)
def test_boxes_of_every_kind_are_taken_and_named(server, kind):
    nodes, output, expected = PRODUCERS[kind]
    prompt = {str(n): {"class_type": node, "inputs": inputs} for n, (node, inputs) in enumerate(nodes)}
    size = {"width": 128, "height": 128} if nodes is EXPORTED else SIZE  # boxes of a larger image are refused
    settings = {**size, "frames": 5, "fps": 8.0, "tolerance": 0.01, "point_size": 0.2, "phrases": "cat"}
    boxes = {"trajectory": [str(len(nodes) - 1), output]}
    prompt["read"] = {"class_type": "SMCD_FromBoxes", "inputs": {**settings, **boxes}}
    prompt["say"] = {"class_type": "PreviewAny", "inputs": {"source": ["read", 1]}}
    skip_without_box_editor(server, prompt)
    run = host.watch(server, prompt)
    assert run.refused is None and last_event(run) == ("execution_success", None)
    (said,) = [data["output"]["text"] for event, data in run.events if event == "executed" and data["node"] == "say"]
    assert said[0].startswith(expected)


# Bad input ------------------------------------------------------------------------------------------------------------


def put(kind, name, value):
    """An input of the one node of a kind."""

    def spoil(prompt):
        prompt[find(prompt, kind)]["inputs"][name] = value

    return spoil


def draw(change):
    """Changes the document of SMCD Trajectory."""

    def spoil(prompt):
        inputs = prompt[find(prompt, "SMCD_Trajectory")]["inputs"]
        document = json.loads(inputs["text"])
        change(document)
        inputs["text"] = json.dumps(document)

    return spoil


def each_object(**values):
    return draw(lambda document: [track.update(values) for track in document["objects"]])


def one_box(*box):
    return each_object(keys=[{"frame": 0, "box": box}])


def objects(count):
    return draw(
        lambda document: document.update(objects=[document["objects"][0] | {"id": str(n)} for n in range(count)])
    )


def through(kind, taking, at, name, output=0, **inputs):
    """A node of another kind between, or before, an input: `taking` names the input of it that takes what was there."""

    def spoil(prompt):
        (to,) = [key for key, node in prompt.items() if node["class_type"] == at]
        before = {taking: prompt[to]["inputs"][name]} if taking else {}
        prompt["new"] = {"class_type": kind, "inputs": {**inputs, **before}}
        prompt[to]["inputs"][name] = ["new", output]

    return spoil


def wrong_clip(type, *nodes):
    """A CLIP of 768 wide, for the nodes of these kinds."""

    def spoil(prompt):
        prompt["new"] = {"class_type": "CLIPLoader", "inputs": {"clip_name": "clip_l.safetensors", "type": type}}
        for node in prompt.values():
            if node["class_type"] in nodes:
                node["inputs"]["clip"] = ["new", 0]

    return spoil


def no_clip(prompt):
    through("SMCD_Load", None, "SMCD_Conditioning", "clip", 1, checkpoint=BARE, weight_dtype="default")(prompt)


def wrong_model(kind, **inputs):
    """The tiny network of Stable Diffusion 3 for an SMCD node, whose output goes nowhere but to a preview."""

    def spoil(prompt):
        loader = {"unet_name": "sd3.safetensors", "weight_dtype": "default"}
        prompt["other"] = {"class_type": "UNETLoader", "inputs": loader}
        conditioning = find(prompt, "SMCD_Conditioning")
        links = {name: [conditioning, n] for n, name in enumerate(inputs.pop("prompts", []))}
        prompt["new"] = {"class_type": kind, "inputs": {**inputs, **links, "model": ["other", 0]}}
        prompt["show"] = {"class_type": "PreviewAny", "inputs": {"source": ["new", 0]}}

    return spoil


def halves_of_different_length(prompt):
    """Motion for 8 frames, the latents of Image for 7."""
    whole = prompt.pop(key := find(prompt, "SMCD_Conditioning"))["inputs"]
    image = {
        name: whole[name] for name in ("vae", "first_frame", "width", "height", "concat_strength", "token_strength")
    }
    motion = {name: value for name, value in whole.items() if name not in image}
    links = {"positive": ["motion", 0], "negative": ["motion", 1]}
    motion |= {"box_width": 128, "box_height": 128}
    prompt["motion"] = {"class_type": "SMCD_Motion", "inputs": motion}
    prompt[key] = {"class_type": "SMCD_Image", "inputs": {**image, **links, "frames": 7}}


SCALES = {"text": 7.5, "boxes": 1.0, "image": 1.0, "rescale": 0.0}
SCALES |= {f"{name}_{end}": float(end == "end") for name in ("text", "boxes", "image") for end in ("start", "end")}
MOTION, SAMPLER = "SMCD_Conditioning", "KSampler"  # the latter first sees boxes and model together
# What is spoilt, the kind of node that is highlighted, and what its message must say: the thing, what was found, what
# was expected, what to do.
BAD = {
    "no phrase": (each_object(phrase=" "), MOTION, "object 1 of 2 has no phrase: say what is in its box"),
    "no CLIP": (no_clip, MOTION, "clip is empty: the checkpoint holds none, so use Load CLIP with OpenCLIP ViT-H"),
    "no VAE": (
        through("SMCD_Load", None, MOTION, "vae", 2, checkpoint=BARE, weight_dtype="default"),
        MOTION,
        "vae is empty: the checkpoint holds none, so use Load VAE with a Stable Diffusion 1 VAE",
    ),
    "CLIP of 768 for the prompts": (
        wrong_clip("stable_diffusion", "CLIPTextEncode"),
        SAMPLER,
        "the prompt has tokens of width 768, this model takes 128: use the CLIP output of Load SMCD, or Load CLIP",
    ),
    "CLIP of 768 for the phrases": (
        wrong_clip("stable_diffusion", MOTION),
        SAMPLER,
        "phrases have width 768, this model takes 128: use the CLIP output of Load SMCD, or Load CLIP",
    ),
    "another kind of CLIP": (
        wrong_clip("sd3", MOTION),
        MOTION,
        "the CLIP is a SD3ClipModel",
        "SMCD takes a CLIP text model: use the CLIP output of Load SMCD",
    ),
    "VAE of 16 channels": (
        through("VAELoader", None, MOTION, "vae", vae_name="taesd3.safetensors"),
        SAMPLER,
        "the first frame's latent has 16 channels, this model takes 4: use the VAE output of Load SMCD",
    ),
    "checkpoint of another model": (
        put("SMCD_Load", "checkpoint", "checkpoints/sd1.safetensors"),
        "SMCD_Load",
        "a Stable Diffusion network for images; expected an SMCD",
    ),
    "another model for the sampler": (
        wrong_model("SMCD_Sampler", steps=4),
        "SMCD_Sampler",
        "the model is SD3, expected one from Load SMCD",
    ),
    "another model for the guider": (
        wrong_model("SMCD_Guider", prompts=["positive", "negative"], **SCALES),
        "SMCD_Guider",
        "the model is SD3, expected one from Load SMCD",
    ),
    "frames 0": (
        draw(lambda document: document.update(frames=0)),
        "SMCD_Trajectory",
        "frames is 0: give a whole number",
    ),
    "frames -1": (put(MOTION, "frames", -1), MOTION, "-1 smaller than min of 0: frames"),
    "frames in words": (put(MOTION, "frames", "eight"), MOTION, "frames, eight, invalid literal"),
    "7 frames, boxes of 8": (
        lambda prompt: [put(MOTION, "frames", 7)(prompt), put(MOTION, "if_lengths_differ", "refuse")(prompt)],
        MOTION,
        "the trajectory has 8 frames, the video 7: set frames to 8 or 0, or if_lengths_differ to resample",
    ),
    "latents of 7 frames, boxes of 8": (
        halves_of_different_length,
        SAMPLER,
        "the latent has 7 frames, the boxes 8: set frames to the same number, or connect the latent of SMCD",
    ),
    "no objects": (
        objects(0),
        MOTION,
        "the trajectory has no enabled object: draw a box or enable one",
    ),
    "no object enabled": (each_object(enabled=False), MOTION, "no enabled object: draw a box or enable one"),
    "a detector found nothing": (
        through(
            "CreateBoundingBoxes", None, MOTION, "trajectory", 1, width=128, height=128, editor_state={"__value__": []}
        ),
        MOTION,
        "found an empty list: expected a trajectory, boxes {x, y, width, height}",
    ),
    "box of NaN": (
        one_box(float("nan"), 0, 1, 1),
        "SMCD_Trajectory",
        "objects[0] (yellow circle), frame 0: box is nan: give a number from -16 to 17",
    ),
    "boxes off the frame": (one_box(2, 2, 3, 3), MOTION, "no box is inside the frame at any time: move one into it"),
    "more objects than trained": (
        objects(5),
        SAMPLER,
        "there are 5 objects, this model was trained with 4 at most: disable some",
    ),
    "text that is not JSON": (put("SMCD_Trajectory", "text", "{"), "SMCD_Trajectory", "the trajectory is not JSON"),
    "several pictures": (
        through("RepeatImageBatch", "image", MOTION, "first_frame", amount=2),
        MOTION,
        "first_frame has 2 images: take one of them, with Get Image from Batch",
    ),
    "size of half a latent": (
        put(MOTION, "width", 132),
        MOTION,
        "the size is 132 x 128, expected multiples of 64 pixels",
    ),
    "size that cannot be halved": (
        put(MOTION, "width", 136),
        SAMPLER,
        "the video is 136 x 128 pixels, this model takes multiples of 32: change width and height",
    ),
    "range that ends before it starts": (
        lambda prompt: [put(MOTION, "box_start", 0.9)(prompt), put(MOTION, "box_end", 0.1)(prompt)],
        MOTION,
        "box_start is 0.9 and box_end 0.1: start before the end",
    ),
    "checkpoint that is not there": (
        put("SMCD_Load", "checkpoint", "smcd/gone.safetensors"),
        "SMCD_Load",
        "smcd/gone.safetensors: no such checkpoint in",
        "elsewhere",
        "put it there and refresh the page, or choose another",
    ),
    "weight_dtype that is not offered": (
        put("SMCD_Load", "weight_dtype", "int3"),
        "SMCD_Load",
        "'int3' not in ['default'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_message_at_the_node_that_the_page_highlights(server, case):
    spoil, kind, *words = BAD[case]
    prompt = workflow("several_objects_from_noise", GOLDEN)  # the fewest nodes around each that is to complain
    spoil(prompt)
    skip_without_box_editor(server, prompt)
    found = host.watch(server, prompt)
    if found.refused:  # before the run
        ((node, errors),) = found.refused["node_errors"].items()
        (error,) = errors["errors"]
        message = f"{error['message']}: {error['details']}"
    else:
        event, error = found.events[-1]
        assert event == "execution_error"
        node, message = error["node_id"], error["exception_message"]
    assert prompt[node]["class_type"] == kind, message
    assert all(part in message for part in words), message
    assert len(message) < 400 and message.strip().count("\n") == 0
