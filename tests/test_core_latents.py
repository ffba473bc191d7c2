"""Latents into and out of the pipeline, and a callback that sees them."""

import numpy as np
import pytest
import torch
from test_core_pipeline import request
from tiny_bundle import write_bundle

from smcd_core.errors import SMCDError
from smcd_core.sampling.diffusion import SAMPLERS, Stopped, noise_of
from smcd_core.sampling.pipeline import SMCDPipeline

SHAPE = (3, 4, 4, 6)  # frames, channels, height and width of the latents


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return SMCDPipeline.from_checkpoint(write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors"))


def latents_of(pipeline, *requests, **given):
    return torch.stack(pipeline.generate(requests or [request()], steps=2, output="latents", **given))


def test_latents_decode_to_the_video(pipeline):
    (latents,) = latents_of(pipeline)
    assert latents.shape == SHAPE and latents.dtype == torch.float32
    assert np.array_equal(pipeline.decode(latents), pipeline.generate([request()], steps=2)[0])


def test_the_noise_of_a_seed_can_be_given_as_latents_or_as_a_generator(pipeline):
    expected = latents_of(pipeline, request(seed=4))
    noise = noise_of(4, SHAPE)
    other = request(seed=0, image=request(seed=4).image)
    for given in (
        dict(latents=noise[None]),
        dict(latents=[noise.double()]),
        dict(generator=torch.Generator().manual_seed(4)),
        dict(generator=[torch.Generator().manual_seed(4)]),
    ):
        assert torch.equal(latents_of(pipeline, other, **given), expected)
    assert not torch.equal(latents_of(pipeline, other), expected)


def test_one_generator_draws_for_all_videos_in_turn(pipeline):
    drawn = torch.Generator().manual_seed(1)
    both = latents_of(pipeline, request(), request(), generator=drawn)
    again = torch.Generator().manual_seed(1)
    noise = torch.stack([torch.randn((4, 3, 4, 6), generator=again).transpose(0, 1) for _ in range(2)])
    assert torch.equal(both, latents_of(pipeline, request(), request(), latents=noise))
    assert not torch.equal(both[0], both[1])


def test_several_videos_of_a_request_have_the_seeds_from_its_own_on(pipeline):
    one = request(seed=2**64 - 1)
    assert [each.seed for each in one.several(3)] == [2**64 - 1, 0, 1]
    assert len(pipeline.generate(request().several(2), steps=1)) == 2
    with pytest.raises(SMCDError, match="count is 0"):
        one.several(0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_callback_sees_the_latents_of_each_step(pipeline, sampler):
    seen = []
    two = [request(), request(seed=1)]
    result = latents_of(pipeline, *two, sampler=sampler, callback=lambda *step: seen.append(step))
    assert [step[:2] for step in seen] == [(1, 2), (2, 2)]
    assert torch.equal(seen[1][2], result) and not torch.equal(seen[0][2], result)


def test_a_callback_can_stop_and_the_next_video_is_as_before(pipeline):
    expected = latents_of(pipeline)
    with pytest.raises(Stopped, match="^the callback stopped the video after step 1 of 2$"):
        latents_of(pipeline, callback=lambda done, total, latents: False)

    def fail(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        latents_of(pipeline, callback=fail)
    assert torch.equal(latents_of(pipeline), expected)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(output="gif"), "output is 'gif', expected one of video, latents"),
        (dict(output="latents", match_colors=True), "match_colors changes frames, which latents are not: leave it out"),
        (
            dict(latents=torch.zeros(SHAPE)),
            r"latents have the shape \[3, 4, 4, 6\], expected \[1, 3, 4, 4, 6\]: videos",
        ),
        (dict(latents=torch.zeros(2, *SHAPE)), r"latents have the shape \[2, 3, 4, 4, 6\], expected \[1, 3, 4, 4, 6\]"),
        (dict(latents=[]), r"latents have the shape \[0\], expected \[1, 3, 4, 4, 6\]"),
        (dict(generator=[torch.Generator()] * 2), "there are 2 generators for 1 requests: give one, or one for each"),
    ],
)
def test_bad_latents_are_refused(pipeline, given, message):
    with pytest.raises(SMCDError, match=message):
        pipeline.generate([request()], steps=1, **given)
