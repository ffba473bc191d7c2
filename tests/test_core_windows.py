"""Long videos in windows of frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_core_pipeline import ALL, request, trajectory
from tiny_bundle import write_bundle

from smcd_core.errors import SMCDError
from smcd_core.sampling.diffusion import Guidance
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.sampling.windows import Windows, spans


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return SMCDPipeline.from_checkpoint(write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors"))


def long(seed=0):
    return request(seed, trajectory=trajectory(frames=7))


def latents_of(pipeline, *requests, **given):
    return torch.stack(pipeline.generate(requests, steps=2, output="latents", guidance=ALL, **given))


@pytest.mark.parametrize(
    "frames, length, overlap, starts",
    [(16, 8, 4, [0, 4, 8]), (17, 8, 4, [0, 4, 8, 9]), (9, 8, 4, [0, 1]), (8, 8, 4, [0]), (6, 2, 0, [0, 2, 4])],
)
def test_windows_cover_all_frames_and_are_equally_long(frames, length, overlap, starts):
    found = spans(frames, length, overlap)
    assert [span.start for span in found] == starts
    assert {span.stop - span.start for span in found} == {length} and found[-1].stop == frames


@pytest.mark.parametrize("length, weights", [(4, [1, 2, 2, 1]), (5, [1, 2, 3, 2, 1]), (1, [1])])
def test_weights_fall_towards_the_ends_of_a_window(length, weights):
    assert Windows(9, length, 0, "cpu").weights.flatten().tolist() == weights


def test_a_window_as_long_as_the_video_changes_nothing(pipeline):
    expected = pipeline.generate([long()], steps=2)[0]
    for window in (7, 8):
        assert np.array_equal(pipeline.generate([long()], steps=2, window=window)[0], expected)


def test_windows_without_overlap_of_a_single_step_are_videos_of_their_own(pipeline):
    boxes, noise = trajectory(frames=6), torch.randn(1, 6, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    whole = request(trajectory=boxes)
    (found,) = pipeline.generate([whole], steps=1, window=3, overlap=0, latents=noise, output="latents")
    inputs, no_text = pipeline._inputs([whole], 6, 48, 32)
    for part in (slice(0, 3), slice(3, 6)):
        own = replace(inputs, num_frames=3, boxes_xyxy=inputs.boxes_xyxy[:, part], box_mask=inputs.box_mask[:, part])
        tokens, weights = pipeline._branches(own, no_text, Guidance(text=2.0))
        alone = pipeline.denoise(noise[0, part], tokens, weights, 1)
        assert torch.allclose(found[part], alone, atol=1e-4)


def test_several_long_videos_equal_each_alone(pipeline):
    both = latents_of(pipeline, long(0), long(1), window=3, overlap=1)
    for found, one in zip(both, (long(0), long(1))):
        assert torch.allclose(found, latents_of(pipeline, one, window=3, overlap=1)[0], atol=1e-4)


@pytest.mark.parametrize(
    "given",
    [
        dict(fast=True),
        dict(start=0.5),
        *(pytest.param(given, marks=pytest.mark.slow) for given in (dict(reuse_features=True), dict(guided=0.5))),
    ],
)
def test_windows_work_with_other_settings(pipeline, given):
    plain = latents_of(pipeline, long(), window=3)
    found = latents_of(pipeline, long(), window=3, **given)
    assert found.isfinite().all() and not torch.equal(found, plain)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(window=0), "window is 0"),
        (dict(window=4, overlap=4), "overlap is 4 and window 4: give less than the window"),
        (dict(window=4, overlap=-1), "overlap is -1"),
        (dict(overlap=2), "overlap is 2, but there is no window: give both, or neither"),
    ],
)
def test_windows_that_cannot_be_are_refused(pipeline, given, message):
    with pytest.raises(SMCDError, match=message):
        pipeline.generate([long()], steps=1, **given)
