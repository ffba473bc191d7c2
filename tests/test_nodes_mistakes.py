"""docs/mistakes.md: common mistakes, each really made, with the message that it gets.

With SMCD_WRITE_DOCS=1 the table is written anew: SMCD_WRITE_DOCS=1 python -m pytest tests/test_nodes_mistakes.py
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import host
import pytest
import torch
from small_bundle import write_small_bundle
from tiny_bundle import bare

from smcd_core.__main__ import main
from smcd_core.weights.checkpoint import write_checkpoint
from smcd_core.weights.export import write_released

comfy_host = host.start()

from safetensors.torch import save_file  # noqa: E402

DOC = host.PACK / "docs" / "mistakes.md"
HEAD = """# What messages mean

Every message says what was found, what was expected and what to do. These are the ones that you may meet first, as the
program says them: `tests/test_nodes_mistakes.py` makes each of these mistakes and compares. Where something else does
not work, run the node SMCD Check or `smcd info`. Messages of a run are in English in every language of ComfyUI, so that
they can be searched for; the help pages of the nodes explain them in yours.
"""
SIDE = 64  # pixels of the small model's video


def box(**changes: Any) -> dict[str, Any]:
    return {"id": "o1", "phrase": "red car", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]}], **changes}


def document(*objects: dict[str, Any], frames: int = 8) -> dict[str, Any]:
    return {"version": 1, "width": 64, "height": 64, "frames": frames, "objects": list(objects)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A small checkpoint, loaded, and a folder with good, bad and broken files."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("mistakes")
    models = folder / "models" / "smcd"
    models.mkdir(parents=True)
    write_small_bundle(models / "small.safetensors")
    weights = bare()
    write_checkpoint(models / "bare.safetensors", weights.config, weights.weights)
    write_released(models / "released", weights)
    (models / "released" / "pytorch_model_2.bin").unlink()
    save_file(host.OTHERS["checkpoints/sd1"], models / "sd1.safetensors")
    (models / "page.safetensors").write_text("<!DOCTYPE html><html><body>Log in to download</body></html>")
    whole = (models / "small.safetensors").read_bytes()
    (models / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (64, 64)).save(folder / "photo.png")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "boxes.json").write_text(json.dumps(document(box())))
    (folder / "five.json").write_text(json.dumps(document(*(box(id=f"o{number}") for number in range(5)))))
    (folder / "late.json").write_text(json.dumps(document(box(keys=[{"frame": 8, "box": [0, 0, 1, 1]}]))))
    paths = comfy_host.folder_paths
    with pytest.MonkeyPatch.context() as patch:
        known = {name: ([str(models)], {".safetensors", ".bin"}) for name in ("smcd", "checkpoints")}
        patch.setattr(paths, "folder_names_and_paths", {**paths.folder_names_and_paths, **known})
        patch.setattr(paths, "filename_list_cache", {})
        patch.delenv("COMFYUI_PATH", raising=False)
        patch.chdir(folder)
        model, clip, vae = host.call("SMCD_Load", checkpoint="smcd/small.safetensors")
        yield SimpleNamespace(folder=folder, model=model, clip=clip, vae=vae)


@dataclass(frozen=True)
class Mistake:
    """node: its display name, or that of a command. make: makes it, and gives or raises the message."""

    node: str
    what: str
    make: Callable[[SimpleNamespace], Any]
    help: str


def conditioning(**changes: Any) -> Callable[[SimpleNamespace], Any]:
    """SMCD Conditioning with one thing wrong."""

    def make(place: SimpleNamespace) -> Any:
        good = {"positive": [], "negative": [], "clip": place.clip, "vae": place.vae, "width": SIDE, "height": SIDE}
        good |= {"first_frame": torch.zeros(1, 64, 64, 3), "trajectory": document(box())}
        return host.call("SMCD_Conditioning", **{**good, **changes})

    return make


def other_vae(place: SimpleNamespace) -> Any:
    import comfy.sd

    vae = comfy.sd.VAE(sd=dict(host.OTHERS["vae/taesd3"]))
    prompts = [host.call("CLIPTextEncode", clip=place.clip, text=text)[0] for text in ("a circle", " ")]
    positive, negative, latent = conditioning(vae=vae, positive=prompts[0], negative=prompts[1])(place)
    inputs = dict(model=place.model, positive=positive, negative=negative, latent_image=latent)
    return host.call("KSampler", **inputs, seed=0, steps=1)


def load(name: str) -> Callable[[SimpleNamespace], Any]:
    """As the host does it: asks whether the input is valid, then runs."""

    def make(_place: SimpleNamespace) -> Any:
        valid = host.pack_module("nodes.loader").SMCDLoad.validate_inputs(name)
        return valid if isinstance(valid, str) else host.call("SMCD_Load", checkpoint=name)

    return make


def call(node_id: str, **inputs: Any) -> Callable[[SimpleNamespace], Any]:
    return lambda place: host.call(node_id, **inputs)


def long_video(place: SimpleNamespace) -> Any:
    return host.call("SMCD_LongVideo", model=place.model, window=8, overlap=8)


def smcd(*words: str) -> Callable[[SimpleNamespace], str]:
    def make(_place: SimpleNamespace) -> str:
        with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()):
            try:
                code = main(list(words))
            except SystemExit as stop:  # argparse
                code = stop.code
        assert code == 2, (words, code)
        return errors.getvalue().splitlines()[-1]

    return make


ANIMATE = ("animate", "photo.png", "--boxes", "boxes.json", "--checkpoint", "models/smcd/small.safetensors")
FRAMES = torch.zeros(8, 64, 64, 3)
MISTAKES = [
    Mistake(
        "SMCD Conditioning",
        "A box is drawn, but nothing says what it holds",
        conditioning(trajectory=document(box(phrase=""))),
        "Type a phrase for each object in the editor",
    ),
    Mistake(
        "SMCD Conditioning",
        "No box is drawn, or all are switched off",
        conditioning(trajectory=document(box(enabled=False))),
        "Draw a box, or press `E` on an object",
    ),
    Mistake(
        "SMCD Conditioning",
        "All boxes are outside the picture",
        conditioning(trajectory=document(box(keys=[{"frame": 0, "box": [1.2, 0.1, 1.5, 0.4]}]))),
        "Move a box into the picture at some frame",
    ),
    Mistake(
        "SMCD Conditioning",
        "The released weights, and the CLIP of Load SMCD",
        conditioning(clip=None),
        "Add Load CLIP, type `stable_diffusion`, with the text encoder that the button fetches",
    ),
    Mistake(
        "SMCD Conditioning",
        "The released weights, and the VAE of Load SMCD",
        conditioning(vae=None),
        "Add Load VAE with the VAE that the button fetches",
    ),
    Mistake("KSampler", "A VAE of SD3 or Flux", other_vae, "Take the VAE of the model"),
    Mistake(
        "SMCD Conditioning",
        "A video as first frame",
        conditioning(first_frame=FRAMES),
        "Put Get Image from Batch between, with `batch_index` 0",
    ),
    Mistake("SMCD Conditioning", "A size that is no multiple of 8", conditioning(width=50), "Take multiples of 64"),
    Mistake(
        "SMCD Conditioning",
        "A trajectory of 8 frames for 16, with `refuse`",
        conditioning(frames=16, if_lengths_differ="refuse"),
        "Set `frames` to 0",
    ),
    Mistake(
        "SMCD Conditioning",
        "`box_start` after `box_end`",
        conditioning(box_start=0.8, box_end=0.2),
        "Both are shares of the sampling, 0 to 1",
    ),
    Mistake(
        "Load SMCD",
        "The file was moved or renamed",
        load("smcd/gone.safetensors"),
        "Put it back, press `R` for new lists, and choose again",
    ),
    Mistake("Load SMCD", "A checkpoint of another model", load("smcd/sd1.safetensors"), "Choose one of SMCD"),
    Mistake(
        "Load SMCD",
        "Only two of the three released files",
        load("smcd/released"),
        "Put all three into one folder; the button does",
    ),
    Mistake(
        "Load SMCD",
        "The web page of a file instead of the file",
        load("smcd/page.safetensors"),
        "Use the button, or the link of the file itself",
    ),
    Mistake(
        "Load SMCD",
        "A download that broke off",
        load("smcd/cut.safetensors"),
        "Delete it and fetch it again; SMCD Check compares it with what was published",
    ),
    Mistake(
        "SMCD Trajectory",
        "The text was edited by hand, with a slip",
        call("SMCD_Trajectory", text='{"version": 1 "width": 64}'),
        "Repair it there, or load a file over it",
    ),
    Mistake(
        "SMCD Trajectory",
        "The clip was shortened in the text, its keys were not",
        call("SMCD_Trajectory", text=json.dumps(document(box(keys=[{"frame": 8, "box": [0, 0, 1, 1]}])))),
        "Change the length in the editor, which asks what keys shall do",
    ),
    Mistake("SMCD Long Video", "As much overlap as a window has", long_video, "Half the window is a good start"),
    Mistake(
        "SMCD Metrics",
        "The detector saw the first half of the video",
        call(
            "SMCD_Metrics",
            images=FRAMES,
            trajectory=document(box()),
            found=[[{"x": 1, "y": 1, "width": 9, "height": 9, "label": "red car"}]] * 4,
        ),
        "Connect the whole video to it",
    ),
    Mistake(
        "smcd animate", "A file that is no picture", smcd("animate", "notes.txt", *ANIMATE[2:]), "Give a PNG or JPEG"
    ),
    Mistake(
        "smcd animate",
        "A name that does not exist",
        smcd(*ANIMATE[:2], "--boxes", "box.json"),
        "Look for typing errors",
    ),
    Mistake(
        "smcd animate",
        "More objects than the model knows",
        smcd(*ANIMATE[:2], "--boxes", "five.json", *ANIMATE[4:]),
        "Switch some off, or leave them out of the file",
    ),
    Mistake("smcd animate", "A key after the last frame", smcd(*ANIMATE[:2], "--boxes", "late.json"), "As it says"),
    Mistake("smcd animate", "A kind of video that it cannot write", smcd(*ANIMATE, "-o", "out.avi"), "Take `.mp4`"),
    Mistake("smcd animate", "A size that the network cannot have", smcd(*ANIMATE, "--size", "50x50"), "As it says"),
    Mistake(
        "smcd animate",
        "The released weights alone",
        smcd(*ANIMATE[:4], "--checkpoint", "models/smcd/bare.safetensors"),
        "`smcd download` fetches them: `--components weights/text-to-video-ms-1.7b`",
    ),
    Mistake("smcd download", "Outside of ComfyUI, without saying where to", smcd("download"), "As it says"),
    Mistake(
        "smcd finetune",
        "A folder without videos",
        smcd("finetune", "models", "--out", "run"),
        "Name the folder of the videos",
    ),
]


def message_of(mistake: Mistake, place: SimpleNamespace) -> str:
    try:
        message = mistake.make(place)
    except Exception as error:  # what ComfyUI shows of it
        message = str(error)
    assert isinstance(message, str), f"{mistake.what}: no message, {message}"
    message = message.replace(f"{place.folder}{os.sep}", "").replace(os.sep, "/")
    return re.sub(r"\(Error .*?\)|\d{5,}", "…", message)  # words of a library, and bytes of a file of random weights


def as_table(mistakes: list[tuple[Mistake, str]]) -> str:
    rows = ["| where | mistake | message | what to do |", "|---|---|---|---|"]
    for mistake, message in mistakes:
        shown = message.replace("|", "\\|")
        rows.append(f"| {mistake.node} | {mistake.what} | `{shown}` | {mistake.help} |")
    return "\n".join(rows)


@pytest.fixture(scope="module")
def messages(place):
    return [(mistake, message_of(mistake, place)) for mistake in MISTAKES]


def test_the_table_in_the_docs_is_what_the_program_says(messages):
    pytest.importorskip("accelerate", reason="smcd finetune needs it, ComfyUI does not install it")
    expected = f"{HEAD}\n{as_table(messages)}\n"
    if os.environ.get("SMCD_WRITE_DOCS"):
        DOC.write_text(expected, encoding="utf-8")
    assert DOC.read_text(encoding="utf-8").splitlines() == expected.splitlines()


def test_each_message_is_one_line_that_says_what_to_do(messages):
    """Not the same for two mistakes, short enough for the page, and more than the name of an error."""
    said = [message for _, message in messages]
    assert len(set(said)) == len(said) >= 10
    for message in said:
        assert "\n" not in message and 20 < len(message) < 400 and "Traceback" not in message, message


def test_without_the_mistake_there_is_no_message(place):
    """Each call above fails only through its mistake."""
    assert len(conditioning()(place)) == 3
    assert len(load("smcd/small.safetensors")(place)) == 3
