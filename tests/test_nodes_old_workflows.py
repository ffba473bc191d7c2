"""In the real ComfyUI: the workflows of 0.1.0 as they were saved then, and the frames that 0.1.0 made in four steps."""

import json
from pathlib import Path

import host
import numpy as np
import pytest
from PIL import Image

comfy_host = host.start()

OLD = Path(__file__).parent / "golden" / "workflows_0.1.0"
EVERY = {"long_video": 9}  # of its 64 frames each ninth is kept
LEAST_PSNR = 45  # dB; equal on one machine, other versions of torch add up differently


def with_four_steps(name):
    """The prompt that the front end made of a workflow."""
    prompt = json.loads((OLD / f"{name}.api.json").read_text(encoding="utf-8"))
    for node in prompt.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 4
    return prompt


def frames_of(prompt, folder, monkeypatch):
    """uint8 [F, H, W, 3]: what the node that makes the video makes."""
    monkeypatch.setattr(comfy_host.folder_paths, "output_directory", str(folder))
    maker = next(key for key, node in prompt.items() if node["class_type"] in ("VAEDecode", "SMCD_Generate"))
    saved = {"class_type": "SaveImage", "inputs": {"images": [maker, 0], "filename_prefix": "frame"}}
    result = host.run({**prompt, "100": saved})
    assert result.success, (result.errors, result.messages[-1])
    return np.stack([np.asarray(Image.open(folder / image["filename"])) for image in result.outputs["100"]["images"]])


SLOW = ("guidance", "several_objects", "long_video")


VIDEOS = sorted(path.stem for path in OLD.glob("*.png"))


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in VIDEOS])
def test_a_workflow_of_0_1_0_makes_the_same_video(name, tmp_path, monkeypatch):
    frames = frames_of(with_four_steps(name), tmp_path, monkeypatch)[:: EVERY.get(name, 1)]
    then = np.asarray(Image.open(OLD / f"{name}.png").convert("RGB")).astype(float)
    now = np.concatenate(frames, 1).astype(float)
    assert 10 * np.log10(255**2 / np.square(now - then).mean().clip(1e-9)) > LEAST_PSNR


def test_its_scores_are_the_same(tmp_path, monkeypatch):
    then = [
        [0.9, 0.9325, 0.9652, 0.8809, 0.897, 0.8179, 0.8204, 0.895],
        [0.8804, 0.8799, 0.8784, 0.9234, 0.9009, 0.8952, 0.8171, 0.8799],
    ]
    monkeypatch.setattr(comfy_host.folder_paths, "output_directory", str(tmp_path))
    result = host.run(with_four_steps("metrics"))
    assert result.success, (result.errors, result.messages[-1])
    scores = next(output["smcd_scores"] for output in result.outputs.values() if "smcd_scores" in output)
    np.testing.assert_allclose(scores[0]["iou"], then, atol=0.02)  # boxes are found in whole pixels of 128


def test_the_one_for_the_released_weights_lacks_files_only():
    result = host.run(with_four_steps("image_to_video"))
    problems = [problem for key, node in result.errors.items() if key != "prompt" for problem in node["errors"]]
    missing = {problem["extra_info"]["input_name"] for problem in problems}
    assert missing == {"checkpoint", "clip_name", "vae_name"}, problems
