"""The main job on the bundled checkpoints: their example pictures, animated along the example boxes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smcd_core.data.synthetic import COLORS
from smcd_core.evaluation.metrics import color_holds, find_colors, grounding, psnr
from smcd_core.networks.config import system_name
from smcd_core.sampling.animatic import animatic
from smcd_core.sampling.framing import resized
from smcd_core.sampling.pipeline import Request, SMCDPipeline
from smcd_core.trajectory.dense import boxes_at, clip_boxes
from smcd_core.trajectory.files import read_trajectory
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.weights.defaults import BUNDLED, BUNDLED_MULTIPLE, DEFAULT_CHECKPOINT, SPRITES_CHECKPOINT

EXAMPLES = Path(__file__).parents[1] / "demo"
SHOWN = [COLORS["yellow"], COLORS["cyan"]]  # of the objects of the example, in order


@pytest.fixture(scope="module")
def photograph():
    """The animatic, where its object is, and videos with and without boxes; 10 steps, as the test is to be quick."""
    pipeline = SMCDPipeline.from_checkpoint(DEFAULT_CHECKPOINT)
    trajectory, _ = read_trajectory(EXAMPLES / "coffee.json")
    picture = resized(Image.open(EXAMPLES / "coffee.png").convert("RGB"), 256, 256)
    asked = [Request(picture, trajectory, "a cup moving down", use_boxes=use) for use in (1, 0)]
    guide, mask = animatic(picture, trajectory, trajectory.frames)
    return guide, mask.numpy() > 0.5, pipeline.generate(asked, steps=10)


@pytest.fixture(scope="module")
def example():
    """The picture, its boxes, and videos with and without them; 12 steps, as the test is to be quick."""
    picture = np.array(Image.open(EXAMPLES / "beach.png").convert("RGB"))
    trajectory, _ = read_trajectory(EXAMPLES / "beach.json")
    boxes, mask = (tensor.numpy() for tensor in clip_boxes(*boxes_at(trajectory)))
    asked = [Request(picture, trajectory, "a yellow circle and a cyan diamond, beach", use_boxes=use) for use in (1, 0)]
    return picture, boxes, mask, SMCDPipeline.from_checkpoint(SPRITES_CHECKPOINT).generate(asked, steps=12)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_a_bundled_checkpoint_is_the_published_system_with_everything_inside(path):
    checkpoint = read_checkpoint(path)
    assert system_name(checkpoint.config) == "zc+gca"
    assert checkpoint.vae and checkpoint.text_encoder and checkpoint.tokenizer
    stages = dict.fromkeys(stage["stage"] for stage in checkpoint.info["training"])
    assert list(stages) == ["backbone", "mim", "diim", "all"]
    assert path.stat().st_size < 40e6
    assert SMCDPipeline.from_checkpoint(path).multiple == BUNDLED_MULTIPLE


def test_what_a_box_holds_in_a_photograph_moves_with_it_and_stays_without_it(photograph):
    guide, mask, (video, still) = photograph
    moved, stayed = (psnr(made[-1][mask[-1]], guide[-1][mask[-1]]) for made in (video, still))  # dB, in the last box
    assert moved > 18 and moved > stayed + 5


def test_the_first_frame_is_the_photograph_and_its_background_stays(photograph):
    guide, mask, (video, _) = photograph
    background = ~mask.any(0)
    assert psnr(video[0], guide[0]) > 20  # dB; the autoencoder alone leaves 26
    assert min(psnr(frame[background], guide[0][background]) for frame in video) > 18


def test_objects_follow_their_boxes_and_do_not_without_them(example):
    _, boxes, mask, (video, without) = example
    followed, ignored = (grounding(find_colors(v, SHOWN), boxes, mask) for v in (video, without))
    assert followed["ao"] > 0.6 and followed["ao_frames"][-1] > 0.5
    assert ignored["ao"] < followed["ao"] - 0.25


def test_the_first_frame_is_the_picture_and_colours_hold(example):
    picture, boxes, mask, (video, _) = example
    assert psnr(video[0], picture) > 22  # dB; 64 test clips have 25.7 on average
    assert color_holds(video, boxes, mask, SHOWN).mean() > 0.8
