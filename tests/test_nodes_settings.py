"""In the real ComfyUI: command line, SMCD Generate and Python treat the same document alike."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import host
import numpy as np
import pytest
import torch
from PIL import Image
from small_bundle import CONFIG, write_small_bundle

from smcd_core.__main__ import main
from smcd_core.errors import SMCDError
from smcd_core.sampling.framing import cropped
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.video import read_metadata

comfy_host = host.start()

PROMPT = " ".join(["a red circle moving right and a blue square moving left and a green diamond standing still"] * 5)
SEED = 7


def track(number, **changes):
    left = 0.1 * number
    keys = [{"frame": 0, "box": [left, 0.1, left + 0.3, 0.4]}, {"frame": 15, "box": [left, 0.6, left + 0.3, 0.9]}]
    return {"phrase": f"{('red', 'blue', 'green', 'pink', 'cyan')[number]} circle", "keys": keys, **changes}


def document(*objects, **changes):
    return {"version": 1, "width": 64, "height": 48, "frames": 16, "fps": 24, "objects": [*objects], **changes}


FIVE = document(*(track(number) for number in range(5)))
ONE = document(track(0))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model for 5 objects that makes any shape, one for 4, a picture, and what each front end needs of them."""
    folder = tmp_path_factory.mktemp("settings")
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    models = {}
    for slots in (4, 5):
        area = {"area": 96 * 64} if slots == 5 else {}
        path = write_small_bundle(folder / f"{slots}.safetensors", replace(CONFIG, box_slots=slots), **area)
        loading, text = (host.pack_module(f"nodes.host.{name}") for name in ("loading", "text"))
        parts = dict(zip(("model", "clip", "vae"), (loading.load_model, text.load_clip, loading.load_vae)))
        parts = {name: load(str(path)) for name, load in parts.items()}
        models[slots] = SimpleNamespace(path=path, node=parts, pipeline=SMCDPipeline.from_checkpoint(path))
    return SimpleNamespace(folder=folder, pixels=pixels, models=models)


def command_line(place, model, content, prompt, given):
    """Frames and frames per second, or the message."""
    (place.folder / "boxes.json").write_text(json.dumps(content))
    out = place.folder / f"video{len(list(place.folder.iterdir()))}"
    words = ["animate", place.folder / "picture.png", "--boxes", place.folder / "boxes.json", "--seed", SEED, "-o", out]
    words += ["--checkpoint", model.path, "--device", "cpu", "--prompt", prompt]
    names = {"num_frames": "--frames", "steps": "--steps", "text": "--cfg-text", "fit": "--fit", "start": "--start"}
    names["negative"] = "--negative"
    for name, value in given.items():
        words += [] if name not in names else [names[name], value]
    words += ["--fast"] if given.get("fast") else []
    words += ["--size", f"{given['width']}x{given['height']}"] if "width" in given else []
    with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()):
        code = main([*map(str, words)])
    if code:
        return errors.getvalue().splitlines()[-1].removeprefix("smcd: error: ")
    frames = np.stack([np.array(Image.open(path)) for path in sorted(Path(out).glob("*.png"))])
    return frames, read_metadata(out)["settings"]["fps"]


def node(place, model, content, prompt, given):
    given = {"frames" if name == "num_frames" else name: value for name, value in given.items()}
    picture = torch.from_numpy(place.pixels)[None].float() / 255
    try:
        images, video = host.call(
            "SMCD_Generate", **model.node, first_frame=picture, trajectory=content, prompt=prompt, seed=SEED, **given
        )
    except ValueError as error:  # the pack's own SMCDError, not that of this process
        return str(error)
    return (images * 255).round().to(torch.uint8).numpy(), float(video.get_components().frame_rate)


def python(place, model, content, prompt, given):
    given = dict(given)
    image, trajectory = place.pixels, parse_trajectory(content)
    try:
        if given.pop("fit", "stretch") == "crop":
            image, trajectory = cropped(image, trajectory, given["width"], given["height"])
        return model.pipeline(image, trajectory, prompt, seed=SEED, **given), trajectory.fps
    except SMCDError as error:
        return str(error)


@pytest.mark.parametrize(
    ("content", "prompt", "given", "frames"),
    [
        (FIVE, PROMPT, {}, 16),
        pytest.param(FIVE, PROMPT, {"fast": True, "steps": 3}, 16, marks=pytest.mark.slow),
        pytest.param(FIVE, "a red circle", {"num_frames": 3, "text": 5.0, "steps": 3}, 3, marks=pytest.mark.slow),
        pytest.param(FIVE, "a red circle", {"steps": 4, "start": 0.5}, 16, marks=pytest.mark.slow),
        (document(track(3)), PROMPT, {"num_frames": 3, "steps": 2, "negative": "a blue square"}, 3),
        (document(track(3)), PROMPT, {"fast": True, "start": 0.4, "fit": "crop", "width": 32, "height": 64}, 16),
        pytest.param(
            document(track(3)),
            PROMPT,
            {"width": 32, "height": 64, "steps": 2, "fit": "crop"},
            16,
            marks=pytest.mark.slow,
        ),
        (document(track(0, keys=track(0)["keys"][:1]), frames=1), "a circle", {}, 4),  # rests: as in training
    ],
    ids=["all defaults", "fast", "given", "start", "negative", "fast start", "crop", "one frame"],
)
def test_the_same_document_gives_the_same_video(place, content, prompt, given, frames):
    """At most 1 of 255 apart: a value between two bytes may fall to either."""
    results = [end(place, place.models[5], content, prompt, given) for end in (python, command_line, node)]
    (expected, _), *_ = results
    assert expected.shape == (frames, given.get("height", 64), given.get("width", 96), 3)  # the picture has 64 x 48
    for video, fps in results:
        assert video.shape == expected.shape and fps == 24
        assert np.abs(video.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (FIVE, {}, "there are 5 objects, this model was trained with 4 at most: disable some"),
        (document(), {}, "the trajectory has no enabled object: draw a box or enable one"),
        (document(track(0, enabled=False)), {}, "the trajectory has no enabled object: draw a box or enable one"),
        (
            document(track(0), track(1, phrase=" ")),
            {},
            "object 2 of 2 has no phrase: say what is in its box, in the editor or the file",
        ),
        (
            document(track(0, keys=[{"frame": 0, "box": [1.2, 0, 1.5, 1]}])),
            {},
            "no box is inside the frame at any time: move one into it",
        ),
        (ONE, {"width": 72, "height": 64}, "width is 72, expected a multiple of 32 pixels: use 64"),
    ],
    ids=["too many objects", "no object", "none enabled", "no phrase", "outside", "size"],
)
def test_the_same_mistake_gives_the_same_message(place, content, given, message):
    found = [end(place, place.models[4], content, PROMPT, given) for end in (python, command_line, node)]
    assert [text.removesuffix(" (--phrase)") for text in found] == [message] * 3  # how the command line takes it
    assert "--" not in found[2]


def test_a_disabled_object_takes_no_slot(place):
    content = document(*(track(number) for number in range(4)), track(4, enabled=False))
    for end in (python, command_line, node):
        assert not isinstance(end(place, place.models[4], content, "a circle", {"steps": 1, "num_frames": 1}), str)


def test_a_long_prompt_is_longer_than_the_text_model_takes(place):
    """Else the test above would show nothing."""
    text = place.models[5].pipeline.text
    tokens = len(text.tokenizer(PROMPT).input_ids) - 2
    assert tokens >= 80 > text.model.config.max_position_embeddings
