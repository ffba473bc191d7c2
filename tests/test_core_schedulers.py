"""Schedulers of diffusers in place of the samplers."""

from dataclasses import replace

import diffusers
import pytest
import torch
from test_core_pipeline import request
from tiny_bundle import CONFIG, write_bundle

from smcd_core.errors import SMCDError
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.sampling.schedulers import NAMES, Scheduled, scheduler_named


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return SMCDPipeline.from_checkpoint(write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors"))


def made(name, pipeline, **changes):
    return getattr(diffusers, name).from_config(pipeline.scheduler_config, **changes)


def latents_of(pipeline, *requests, steps=4, **given):
    return torch.stack(pipeline.generate(requests or [request()], steps=steps, output="latents", **given))


def difference(a, b):
    return (a - b).abs().max().item()


@pytest.mark.parametrize("guided", [1.0, 0.5])
def test_ddim_of_diffusers_agrees_with_the_released_sampler(pipeline, guided):
    """Tolerance 1e-4 of latents up to about 5: diffusers computes the schedule in float32."""
    two = [request(), request(seed=1)]
    scheduler = made("DDIMScheduler", pipeline)
    found = latents_of(pipeline, *two, scheduler=scheduler, guided=guided)
    assert difference(found, latents_of(pipeline, *two, guided=guided)) < 1e-4


@pytest.mark.slow
def test_a_network_that_predicts_v_needs_a_scheduler_for_v(tmp_path):
    pipeline = SMCDPipeline.from_checkpoint(write_bundle(tmp_path / "v.safetensors", replace(CONFIG, prediction="v")))
    scheduler = made("DDIMScheduler", pipeline)
    assert difference(latents_of(pipeline, scheduler=scheduler), latents_of(pipeline)) < 1e-4
    with pytest.raises(SMCDError, match="expects predictions of epsilon, the model gives v_prediction: make it with"):
        latents_of(pipeline, scheduler=made("DDIMScheduler", pipeline, prediction_type="epsilon"))


def test_dpm_solver_of_diffusers_is_the_fast_sampler(pipeline):
    scheduler = made("DPMSolverMultistepScheduler", pipeline, timestep_spacing="trailing", steps_offset=0)
    found = latents_of(pipeline, scheduler=scheduler)
    assert difference(found, latents_of(pipeline, sampler="dpm-solver++")) < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "EulerAncestralDiscreteScheduler",  # with noise in each step
        "HeunDiscreteScheduler",  # twice at each timestep
        *(
            pytest.param(f"{name}Scheduler", marks=pytest.mark.slow)
            for name in ("UniPCMultistep", "EulerDiscrete", "PNDM", "LMSDiscrete", "DEISMultistep", "LCM")
        ),
    ],
)
def test_each_kind_of_scheduler_gives_a_video_again_and_again_whatever_is_in_the_batch(pipeline, name):
    if name == "LMSDiscreteScheduler":
        pytest.importorskip("scipy")
    scheduler = made(name, pipeline)
    config = dict(scheduler.config)
    alone = latents_of(pipeline, request(seed=1), scheduler=scheduler)
    assert alone.isfinite().all() and alone.abs().max() < 100
    both = latents_of(pipeline, request(), request(seed=1), scheduler=scheduler)
    assert difference(both[1], alone[0]) < 1e-3
    assert dict(scheduler.config) == config


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_every_name_stands_for_a_scheduler_of_the_models_kind(kind):
    pytest.importorskip("scipy")
    for name in NAMES:
        Scheduled(scheduler_named(name, kind), 4, kind, torch.device("cpu"), [torch.Generator()])


def test_a_name_means_the_scheduler_made_with_the_pipelines_configuration(pipeline):
    name = "UniPCMultistepScheduler"
    found = latents_of(pipeline, scheduler=name)
    assert torch.equal(found, latents_of(pipeline, scheduler=made(name, pipeline)))


def test_the_callback_counts_the_steps_of_the_scheduler(pipeline):
    seen = []
    scheduler = made("HeunDiscreteScheduler", pipeline)  # takes two evaluations in all steps but the last
    latents_of(pipeline, steps=2, scheduler=scheduler, callback=lambda done, total, x: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("given", [dict(fast=True), dict(sampler="dpm-solver++"), dict(start=0.5)])
def test_a_scheduler_beside_a_sampler_is_refused(pipeline, given):
    with pytest.raises(
        SMCDError, match="a scheduler replaces the sampler and begins with noise: leave out sampler, fa"
    ):
        latents_of(pipeline, scheduler=made("DDIMScheduler", pipeline), **given)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: diffusers.DDIMScheduler(),
            "the noise schedule of DDIMScheduler is not that of the model: make it with",
        ),
        (
            lambda: diffusers.FlowMatchEulerDiscreteScheduler(),
            "scheduler is FlowMatchEulerDiscreteScheduler, expected one",
        ),
        (lambda: 7, "scheduler is int, expected one of diffusers for noise or v predictions, as DDIMScheduler"),
        (
            lambda: "euler",
            "scheduler is 'euler', expected one of DDIMScheduler, DDPMScheduler, .*UniPCMultistepScheduler",
        ),
    ],
)
def test_a_scheduler_that_does_not_fit_is_refused(pipeline, make, message):
    with pytest.raises(SMCDError, match=message):
        latents_of(pipeline, scheduler=make())
