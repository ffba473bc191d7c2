"""The command line and the nodes say the same to the same bad input.

Each row is given to smcd animate as a file and to SMCD Generate as a value of the graph, with the same small model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import host
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_bundle import write_small_bundle

from smcd_core.__main__ import main
from smcd_core.commands.arguments import read_image
from smcd_core.data import open_dataset
from smcd_core.data.samples import SampleError
from smcd_core.weights.checkpoint import read_checkpoint, write_checkpoint

comfy_host = host.start()
SIDE = 64
BOX = [0.1, 0.1, 0.5, 0.5]
PIXELS = {"x": 5, "y": 5, "width": 20, "height": 20, "label": "red circle"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alike")
    write_small_bundle(folder / "small.safetensors")
    Image.new("RGB", (SIDE, SIDE), "gray").save(folder / "a.png")
    return folder


@pytest.fixture
def models(place, monkeypatch):
    paths = comfy_host.folder_paths
    monkeypatch.setitem(paths.folder_names_and_paths, "smcd", ([str(place)], {".safetensors"}))


def command_line(place, capsys, boxes: str, *options: str, checkpoint: str = "small.safetensors") -> str:
    """The message of smcd animate, without the names of its files."""
    (place / "b.json").write_text(boxes, encoding="utf-8")
    argv = ["animate", place / "a.png", "--boxes", place / "b.json", "--checkpoint", place / checkpoint, "--steps", "1"]
    assert main([*map(str, argv), "--prompt", "x", "-o", str(place / "o.gif"), *options]) == 2
    message = capsys.readouterr().err.splitlines()[-1].removeprefix("smcd: error: ")
    for path in (place / "b.json", place / checkpoint):
        message = message.removeprefix(f"{path}: ")
    return message.removesuffix(" (--phrase)")  # the option that mends it


def node(boxes: Any, checkpoint: str = "small.safetensors", **inputs: Any) -> str:
    """The message of SMCD Generate, or of Load SMCD before it."""
    with pytest.raises(ValueError) as caught:
        model, clip, vae = host.call("SMCD_Load", checkpoint=f"smcd/{checkpoint}")
        picture = torch.full((1, SIDE, SIDE, 3), 0.5)
        both = dict(model=model, clip=clip, vae=vae, first_frame=picture, trajectory=boxes, prompt="x", steps=1)
        host.call("SMCD_Generate", **(both | inputs))
    folder = comfy_host.folder_paths.get_folder_paths("smcd")[0]
    return str(caught.value).removeprefix(f"{folder}/{checkpoint}: ")


def track(**changes: Any) -> dict[str, Any]:
    return {"phrase": "red circle", "keys": [{"frame": 0, "box": BOX}], **changes}


def document(*objects: Any, **changes: Any) -> dict[str, Any]:
    return {"version": 1, "width": SIDE, "height": SIDE, "frames": 4, "objects": list(objects), **changes}


def keyed(box: list, **more: Any) -> dict[str, Any]:
    return document(track(keys=[{"frame": 0, "box": box, **more}]))


@dataclass(frozen=True)
class Row:
    """A bad input, and a part of the message of both."""

    boxes: Any
    message: str


ROWS = {
    # nothing to animate
    "no object": Row(document(), "the trajectory has no enabled object"),
    "only disabled objects": Row(document(track(enabled=False)), "the trajectory has no enabled object"),
    "all boxes outside": Row(keyed([2, 2, 3, 3]), "no box is inside the frame at any time"),
    "never visible": Row(keyed(BOX, visible=False), "no box is inside the frame at any time"),
    "phrase of blanks": Row(document(track(phrase="  ")), "object 1 of 1 has no phrase"),
    "second object without a phrase": Row(document(track(), track(phrase="")), "object 2 of 2 has no phrase"),
    "box without a label": Row([{**PIXELS, "label": ""}], "object 1 of 1 has no phrase"),
    "more objects than trained": Row(document(*[track()] * 5), "there are 5 objects, this model was trained with 4"),
    # a document with a fault
    "another version": Row(document(track(), version=3), "version is 3: this program reads versions 1 and 2"),
    "version as text": Row(document(track(), version="1"), "version is '1'"),
    "unknown key": Row(document(track(), colour=1), "unknown key 'colour'"),
    "unknown key of an object": Row(document(track(colour=1)), "unknown key 'colour'"),
    "object without a phrase key": Row(document({"keys": [{"frame": 0, "box": BOX}]}), "objects[0] lacks phrase"),
    "object without keys": Row(document(track(keys=[])), "keys"),
    "no frames": Row(document(track(), frames=0), "frames is 0: give a whole number from 1 to 4096"),
    "too many frames": Row(document(track(), frames=99999), "frames is 99999"),
    "frames as text": Row(document(track(), frames="4"), "frames is '4'"),
    "no rate": Row(document(track(), fps=0), "fps is 0: give a number from 0.01 to 1000"),
    "width of nothing": Row(document(track(), width=0), "width is 0"),
    "key after the end": Row(document(track(keys=[{"frame": 9, "box": BOX}])), "frame is 9"),
    "keys out of order": Row(
        document(track(keys=[{"frame": 2, "box": BOX}, {"frame": 1, "box": BOX}])), "(red circle)"
    ),
    "inverted box": Row(keyed([0.5, 0.5, 0.1, 0.1]), "is inverted, x2 < x1: swap the two"),
    "box of three numbers": Row(keyed([0, 0, 1]), "box"),
    "box in pixels": Row(keyed([10, 10, 99, 99]), "box is 99: give a number from -16 to 17"),
    "box of NaN": Row(keyed([float("nan"), 0, 1, 1]), "box is nan"),
    "box of text": Row(keyed(["0", 0, 1, 1]), "box is '0'"),
    "unknown ease": Row(keyed(BOX, ease="bounce"), "ease"),
    "strength of text": Row(document(track(strength="strong")), "strength is 'strong'"),
    "negative strength": Row(document(track(strength=-1)), "strength is -1: give a number from 0"),
    "strength of NaN": Row(document(track(strength=float("nan"))), "strength is nan"),
    "phrase of a book": Row(document(track(phrase="x" * 3000)), "has 3000 characters, the limit is"),
    "colour in words": Row(document(track(color="red")), "is 'red': write it like #e69f00"),
    "two keys in one frame": Row(document(track(keys=[{"frame": 0, "box": BOX}] * 2)), "frame 0"),
    "two objects of one id": Row(document(track(id="a"), track(id="a")), "'a'"),
    "objects as a number": Row(document() | {"objects": 3}, "objects"),
    # boxes of other programs
    "boxes of a larger picture": Row([[{**PIXELS, "x": 900, "y": 900}]] * 4, "boxes reach to 920 x 920, the image has"),
    "shares instead of pixels": Row([PIXELS | dict(x=0.1, y=0.1, width=0.5, height=0.5)], "which are shares"),
    "Roboflow in shares": Row({"predictions": [dict(x=0.3, y=0.3, width=0.5, height=0.5)]}, "which are shares"),
    "keyframes of a tool": Row([PIXELS | {"frame": 3}], "has a frame number: these are keyframes"),
    "negative width": Row([PIXELS | {"width": -5}], "is -5 x 20 pixels: give 0 or more"),
    "numbers as text": Row([PIXELS | {"x": "1"}], "x is '1': give a finite number"),
    "infinite numbers": Row([PIXELS | {"x": float("inf")}], "x is inf: give a finite number"),
    "enormous numbers": Row([PIXELS | {"x": 10**9}], "x is 1000000000: give a finite number, of up to 1000000"),
    "tracks of unequal length": Row([[{"x": 1, "y": 1}], [{"x": 1, "y": 1}, {"x": 2, "y": 1}]], "tracks have 1 to 2"),
    "more boxes than objects may be": Row([[PIXELS] * 300], "found 1 frames and 300 objects"),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_command_line_and_the_node_say_the_same(place, models, capsys, name):
    row = ROWS[name]
    found = command_line(place, capsys, json.dumps(row.boxes)), node(json.dumps(row.boxes))
    assert found[0] == found[1] and row.message in found[0]


def test_both_look_at_the_frames_that_are_made(place, models, capsys):
    brief = json.dumps(document(track(keys=[{"frame": n, "box": BOX, "visible": n == 1} for n in range(3)])))
    found = command_line(place, capsys, brief, "--frames", "2"), node(brief, frames=2)
    assert found[0] == found[1] and "no box is visible in the 2 frames that the video takes of 4" in found[0]


# A file may hold more kinds of JSON than a value, so what is expected differs; what was found does not.
UNREAD = {
    "empty list": ("[]", "JSON with a list", "found an empty list"),
    "bare numbers": ("[[1, 2, 3, 4]]", "JSON with a list", "found lists of bare numbers"),
    "lists of nothing": ("[[], []]", "JSON with a list", "without any box"),
    "another object": ('{"a": 1}', "JSON with keys 'a'", "found an object with keys 'a'"),
    "half a text": ('{"version":', "is not JSON: Expecting value", "is not JSON (Expecting value"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_neither_can_read_is_named_by_both(place, models, capsys, name):
    text, of_file, of_value = UNREAD[name]
    assert of_file in command_line(place, capsys, text) and of_value in node(text)


GOOD = json.dumps(document(track()))


@pytest.mark.parametrize("width", [50, 72])
def test_both_name_the_size_that_would_fit(place, models, capsys, width):
    said = command_line(place, capsys, GOOD, "--size", f"{width}x64"), node(GOOD, width=width, height=64)
    assert said[0] == said[1] == f"width is {width}, expected a multiple of 32 pixels: use 64"


def nan_weights(path):
    checkpoint = read_checkpoint(path)
    name = "unet.out.2.bias"
    weights = checkpoint.weights | {name: torch.full_like(checkpoint.weights[name], float("nan"))}
    parts = {part: getattr(checkpoint, part) for part in ("vae", "text_encoder", "tokenizer", "info")}
    write_checkpoint(path, checkpoint.config, weights, **parts)


def without_a_tensor(path):
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({name: x for name, x in load_file(path).items() if name != "unet.out.2.bias"}, path, metadata)


def changed_part(part, **changes):
    def change(path):
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        save_file(load_file(path), path, metadata | {part: json.dumps(json.loads(metadata[part]) | changes)})

    return change


CHECKPOINTS = {
    "weights of NaN": (nan_weights, "the video came out as NaN in float32"),
    "a tensor less": (without_a_tensor, "1 of .* tensors of the SMCD are missing, the first is unet.out.2.bias"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty. Get it again"),
    "a web page": (lambda path: path.write_bytes(b"<!doctype html>"), "found a web page instead of weights"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is not a complete .safetensors file"),
    "a text encoder of endless layers": (
        changed_part("text_encoder", num_hidden_layers=10**9), "num_hidden_layers is 1000000000, which is out of range"
    ),
    "a VAE of other widths": (changed_part("vae", layers_per_block=9), "has .* convolutions of width .* needs"),
    "endless blocks": (changed_part("config", num_res_blocks=60000), "has 180003 blocks, but it holds"),
    "defaults out of range": (changed_part("info", defaults={"width": 10**9}), "width in its defaults is 1000000000"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_both_say_the_same_of_a_checkpoint(place, models, capsys, name):
    spoil, message = CHECKPOINTS[name]
    path = place / f"{name.replace(' ', '-')}.safetensors"
    path.write_bytes((place / "small.safetensors").read_bytes())
    spoil(path)
    comfy_host.folder_paths.filename_list_cache.clear()
    said = command_line(place, capsys, GOOD, checkpoint=path.name), node(GOOD, checkpoint=path.name)
    assert said[0] == said[1]
    assert re.search(message, said[0])


def test_both_lay_a_transparent_picture_over_white_and_say_so(place, models, capsys, caplog):
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").save(place / "alpha.png")
    shown = np.asarray(read_image(place / "alpha.png"))
    note = "is partly transparent and was laid over white"
    assert f"alpha.png: {note}" in capsys.readouterr().err
    first_frame = torch.from_numpy(pixels)[None].float() / 255
    picture = np.asarray(host.pack_module("nodes.conditioning").picture_of(first_frame))
    assert np.abs(picture.astype(int) - shown).max() <= 1  # Pillow rounds each product

    _, clip, vae = host.call("SMCD_Load", checkpoint="smcd/small.safetensors")
    (prompt,) = host.call("CLIPTextEncode", clip=clip, text="x")
    inputs = dict(positive=prompt, negative=prompt, vae=vae, width=SIDE, height=SIDE, frames=1)
    seen, opaque = (
        host.call("SMCD_Image", **inputs, first_frame=image)[0][0][1]["smcd_first_frame"]
        for image in (first_frame, torch.from_numpy(shown.copy())[None].float() / 255)
    )
    assert f"first_frame {note}" in caplog.text
    torch.testing.assert_close(seen, opaque, atol=0.05, rtol=0)
    assert not host.pack_module("nodes.conditioning").see_through(torch.ones(1, 2, 2, 4))


# Files of boxes: what is wrong with them, for smcd convert-boxes, SMCD Load Boxes, and training.

CSV = "frame,object,x1,y1,x2,y2\n"
BAD_FILES = {
    ("walk.csv", "frame,object,x1,y1,x2\n0,dog,1,2,30\n"): "which lacks y2",
    ("walk.csv", CSV + "0,dog,1,2,30,40\n0,dog,1,2,30,40\n"): "line 3: found a second box for object 'dog'",
    ("walk.csv", CSV + "0,dog,1,2,thirty,40\n"): "line 2: found 'thirty', expected a number",
    ("walk.csv", CSV + "1e19,dog,1,2,30,40\n"): "line 2: found frame 1e19",
    ("walk.csv", CSV + "0,dog,30,2,1,40\n"): "expected x1 <= x2 and y1 <= y2",
    ("walk.csv", CSV + "0,dog,900,900,990,990\n"): "boxes reach to 990 x 990, the image has 64 x 64 pixels",
    ("walk.csv", CSV.replace("x2", "x1") + "0,dog,1,2,3,4\n"): "which lacks x2",
    ("walk.csv", CSV[:-1] + ",image_width,image_height\n0,dog,1,2,3,4,a,b\n"): "found an image of 'a x b'",
    ("walk.json", '{"version":'): "is not JSON: Expecting value",
    ("walk.json", json.dumps(document(track(), version=9))): "version is 9",
    ("walk.json", json.dumps(document(track(), colour=1))): "unknown key 'colour'",
    ("walk.json", json.dumps(keyed([0.5, 0.5, 0.1, 0.1]))): "is inverted, x2 < x1: swap the two",
    ("walk.mot.txt", "1,-1,5,5,20,20,1,-1,-1,-1\n"): "found id -1, a detection that no tracker has joined",
    ("walk.mot.txt", "1,1,0.1,0.1,0.2,0.2,1,-1,-1,-1\n"): "all numbers are 0 to 1, which are shares of the picture",
    ("walk.mot.txt", "0,1,5,5,20,20,1,-1,-1,-1\n"): "found frame 0, id 1; expected whole numbers, frames from 1",
    ("walk.mot.txt", "1,1,5,5,20,20,1,-1,-1,-1\n" * 2): "line 2: found a second box for object 1",
}


@pytest.mark.parametrize("file, text", BAD_FILES)
def test_command_line_node_and_training_say_the_same_of_a_file(tmp_path, monkeypatch, capsys, file, text):
    frames = tmp_path / "walk"
    frames.mkdir()
    for number in range(4):
        Image.new("RGB", (SIDE, SIDE)).save(frames / f"{number}.png")
    path = tmp_path / file
    path.write_text(text, encoding="utf-8")
    format = "mot" if file.endswith(".mot.txt") else None
    options = ["--box-size", f"{SIDE}x{SIDE}", *(["--box-format", format] if format else [])]
    assert main(["convert-boxes", str(path), str(tmp_path / "out.json"), *options]) == 2
    said = capsys.readouterr().err.splitlines()[-1].removeprefix("smcd: error: ")
    monkeypatch.setattr(comfy_host.folder_paths, "get_input_directory", lambda: str(tmp_path))
    with pytest.raises(ValueError) as of_node:
        host.call("SMCD_LoadBoxes", file=file, format=format or "detect", width=SIDE, height=SIDE)
    with pytest.raises(SampleError) as of_training:
        open_dataset("folder", tmp_path, size=SIDE, num_frames=4, phrase="dog")[0]
    said = said.removesuffix(" (--box-size WIDTHxHEIGHT)")  # how the command line takes it
    of_all = {message.removeprefix(str(path))[2:] for message in (said, str(of_node.value), str(of_training.value))}
    assert len(of_all) == 1 and BAD_FILES[file, text] in of_all.pop()
