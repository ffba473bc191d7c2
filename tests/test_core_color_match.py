"""Colours that drifted come back; nothing else changes."""

import numpy as np
from tiny_bundle import write_bundle

from smcd_core.colors import background, to_lab
from smcd_core.data import SyntheticClips
from smcd_core.evaluation.metrics import color_drift, psnr
from smcd_core.evaluation.scores import request_of
from smcd_core.sampling.color_match import MOST_DRIFT, match_colors
from smcd_core.sampling.pipeline import Request, SMCDPipeline

CLIP = SyntheticClips(1, split="validation")[0]
BOXES = CLIP.boxes_xyxy, CLIP.mask


def test_a_video_without_drift_stays_as_it_is():
    matched = match_colors(CLIP.frames, CLIP.frames[0], *BOXES)
    # What an object uncovers changes the statistics of the scene a little.
    assert psnr(matched, CLIP.frames) > 35 and np.array_equal(matched[0], CLIP.frames[0])


def test_a_scene_that_faded_gets_its_mean_and_contrast_back():
    frames, nothing = CLIP.frames[:1].repeat(3, 0), np.zeros((3, 0), bool)
    faded = (frames * 0.7 + 40).astype(np.uint8)
    assert psnr(faded, frames) < 30
    # Rounding to whole numbers, stretched by 1 / 0.7, is all that is lost.
    assert psnr(match_colors(faded, CLIP.frames[0], np.zeros((3, 0, 4)), nothing), frames) > 48


def test_an_object_that_drifted_gets_its_colour_back_and_the_scene_in_its_box_stays():
    box = np.tile(np.float32([0.25, 0.25, 0.75, 0.75]), (2, 1, 1))
    frames = np.full((2, 64, 64, 3), 220, np.uint8)
    frames[:, 20:44, 20:44] = (200, 40, 40)
    drifted = frames.copy()
    drifted[1, 20:44, 20:44] = (170, 60, 30)
    mask = np.ones((2, 1), bool)
    assert color_drift(drifted, box, mask)[1, 0] > 10
    matched = match_colors(drifted, frames[0], box, mask)
    assert color_drift(matched, box, mask)[1, 0] < 0.5
    # The scene in the box is over 200 levels away from the object and hardly moves.
    assert np.abs(matched[1, 17:19, 17:19].astype(int) - 220).max() <= 1


def test_what_is_in_the_place_of_a_lost_object_is_not_painted_like_it():
    box = np.tile(np.float32([0.25, 0.25, 0.75, 0.75]), (2, 1, 1))
    frames = np.full((2, 64, 64, 3), 220, np.uint8)
    frames[0, 16:48, 16:48] = (200, 40, 40)
    assert np.linalg.norm(to_lab([220] * 3) - to_lab([200, 40, 40])) > MOST_DRIFT
    assert (match_colors(frames, frames[0], box, np.ones((2, 1), bool))[1] == 220).all()


def test_the_pipeline_matches_colours_only_when_asked(tmp_path):
    pipeline = SMCDPipeline.from_checkpoint(write_bundle(tmp_path / "tiny.safetensors"))
    clip = SyntheticClips(1, split="validation", size=48, num_frames=3)[0]
    asked, settings = [request_of(clip)], dict(width=48, height=48, steps=1)
    plain, matched = (pipeline.generate(asked, **settings, match_colors=match)[0] for match in (False, True))
    assert np.array_equal(matched, match_colors(plain, clip.frames[0], clip.boxes_xyxy, clip.mask))
    scene = background(clip.boxes_xyxy, clip.mask, 48, 48, margin=0)
    wanted, before, after = (part[scene[0]].mean(0) for part in (clip.frames[0], plain[0], matched[0]))
    assert np.abs(after - wanted).max() < 0.5 * np.abs(before - wanted).max()
    hidden = [Request(clip.frames[0], asked[0].trajectory, "", use_boxes=False)]
    assert pipeline.generate(hidden, **settings, match_colors=True)[0].shape == (3, 48, 48, 3)
