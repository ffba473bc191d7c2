"""The main job on the bundled default: the example picture, animated along the example boxes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smcd_core.data.synthetic import COLORS
from smcd_core.evaluation.metrics import color_holds, find_colors, grounding, psnr
from smcd_core.networks.config import system_name
from smcd_core.sampling.pipeline import DEFAULT_CHECKPOINT, Request, SMCDPipeline
from smcd_core.trajectory.dense import boxes_at, clip_boxes
from smcd_core.trajectory.files import read_trajectory
from smcd_core.weights.checkpoint import read_checkpoint

EXAMPLES = Path(__file__).parents[1] / "demo"
SHOWN = [COLORS["yellow"], COLORS["cyan"]]  # of the objects of the example, in order


@pytest.fixture(scope="module")
def example():
    """The picture, its boxes, and videos with and without them; 12 steps, as the test is to be quick."""
    picture = np.array(Image.open(EXAMPLES / "beach.png").convert("RGB"))
    trajectory, _ = read_trajectory(EXAMPLES / "beach.json")
    boxes, mask = (tensor.numpy() for tensor in clip_boxes(*boxes_at(trajectory)))
    asked = [Request(picture, trajectory, "a yellow circle and a cyan diamond, beach", use_boxes=use) for use in (1, 0)]
    return picture, boxes, mask, SMCDPipeline.from_checkpoint().generate(asked, steps=12)


def test_the_default_is_the_published_system_with_everything_inside():
    checkpoint = read_checkpoint(DEFAULT_CHECKPOINT)
    assert system_name(checkpoint.config) == "zc+gca"
    assert checkpoint.vae and checkpoint.text_encoder and checkpoint.tokenizer
    assert [stage["stage"] for stage in checkpoint.info["training"]] == ["backbone", "mim", "diim", "all"]
    assert DEFAULT_CHECKPOINT.stat().st_size < 40e6


def test_objects_follow_their_boxes_and_do_not_without_them(example):
    _, boxes, mask, (video, without) = example
    followed, ignored = (grounding(find_colors(v, SHOWN), boxes, mask) for v in (video, without))
    assert followed["ao"] > 0.6 and followed["ao_frames"][-1] > 0.5
    assert ignored["ao"] < followed["ao"] - 0.25


def test_the_first_frame_is_the_picture_and_colours_hold(example):
    picture, boxes, mask, (video, _) = example
    assert psnr(video[0], picture) > 22  # dB; 64 test clips have 25.7 on average
    assert color_holds(video, boxes, mask, SHOWN).mean() > 0.8
