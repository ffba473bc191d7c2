"""In the real ComfyUI: the published model's recorded latents come out of the graph."""

import host
import pytest
import torch
from einops import rearrange
from reference import CONFIGS, load, released_weights, tensors

from smcd_core.networks.smcd import SMCD
from smcd_core.weights.checkpoint import write_checkpoint

host.start()
inside = host.pack_module("nodes.host.model")
loading = host.pack_module("nodes.host.loading")

import comfy.sample  # noqa: E402  the host's, which host.start() found

FRAMES, SCALE = 3, 7.5
INPUTS, RECORDED = tensors("inputs"), tensors("sampler")
LATENT_SCALE = 0.18215  # SD1 VAE: the host's latents are not scaled


def frames(x):
    return rearrange(x, "b c f h w -> (b f) c h w")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    smcd = SMCD(CONFIGS["smcd"])
    load(smcd.unet, released_weights("smcd"))
    load(smcd.box_encoder, tensors("weights_position_net"))
    load(smcd.image_encoder, tensors("weights_visual_encoder"))
    path = tmp_path_factory.mktemp("models") / "published.safetensors"
    write_checkpoint(path, CONFIGS["smcd"], smcd.state_dict())
    return loading.load_model(str(path))


@pytest.fixture
def prompts(model, monkeypatch):
    """positive and negative of the recorded runs."""
    # Those runs were given tokens of another picture than the concatenated one.
    recorded = INPUTS["visual_tokens"][:1]
    networks = model.model.diffusion_model
    monkeypatch.setattr(networks.image_encoder, "forward", lambda latent: recorded)
    # They were also given other phrases in each frame.
    phrases, encode = INPUTS["phrase"][:FRAMES], networks.box_encoder.forward
    monkeypatch.setattr(networks.box_encoder, "forward", lambda boxes, mask, _phrases: encode(boxes, mask, phrases))
    values = {
        inside.BOXES: torch.cat([INPUTS["boxes"][:FRAMES], INPUTS["masks"][:FRAMES, :, None]], dim=-1),
        inside.PHRASES: phrases[0],
        inside.FIRST_FRAME: INPUTS["first_latent"][:1, :, :, :16] / LATENT_SCALE,
    }
    return [[[INPUTS["text"][n : n + 1], values]] for n in (0, 1)]


def sampled(model, prompts, sampler, sigmas, noise_scale=1.0):
    class Noise:
        seed = 0

        def generate_noise(self, _latent):
            return frames(RECORDED["noise"]) * noise_scale

    positive, negative = prompts
    (guider,) = host.call("SMCD_Guider", model=model, positive=positive, negative=negative, text=SCALE)
    latent = {"samples": torch.zeros(FRAMES, 4, 16, 16)}
    inputs = dict(noise=Noise(), guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent)
    return host.call("SamplerCustomAdvanced", **inputs)[0]["samples"] * LATENT_SCALE


def difference(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("steps", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_the_published_sampler_gives_the_published_latents(model, prompts, steps):
    """Tolerance 1e-4: the published code in float32 differs from itself in float64 by 2e-5."""
    found = sampled(model, prompts, *host.call("SMCD_Sampler", model=model, steps=steps))
    assert difference(found, frames(RECORDED[f"ddim{steps}.final"])) < 1e-4


@pytest.fixture
def ddim(model):
    """Sampler and noise levels of KSampler with ddim, ddim_uniform and 50 steps."""
    (sampler,) = host.call("KSamplerSelect", sampler_name="ddim")
    (sigmas,) = host.call("BasicScheduler", model=model, scheduler="ddim_uniform", steps=50, denoise=1.0)
    return sampler, sigmas


# What the published loop does otherwise: it starts with noise of variance 1, and stops at timestep 0.
LAST_SIGMA = 0.0291672


def start_scale(sigmas):
    return float((1 + sigmas[0] ** 2).sqrt() / sigmas[0])  # 1.0029


@pytest.mark.slow
def test_ksampler_ddim_is_near_the_published_latents(model, prompts, ddim, monkeypatch):
    """Measured: 1.185 %, so the bound is 1.3 % and not 0.25 %, which another random network gave.

    The host differs in two things and no other. It starts with 0.29 % less noise: with the published start 0.104 % is
    left. It ends at clean latents and not at timestep 0: with both as published 4.1e-6 is left, that is rounding. The
    recorded weights are random too, and answer 0.29 % less noise with a result that differs four times as much. The
    two tests below hold all this.
    """
    noise = frames(RECORDED["noise"])
    monkeypatch.setattr(comfy.sample, "prepare_noise", lambda *args, **kwargs: noise.clone())
    positive, negative = prompts
    inputs = dict(positive=positive, negative=negative, latent_image={"samples": torch.zeros(FRAMES, 4, 16, 16)})
    settings = dict(seed=0, steps=50, cfg=SCALE, sampler_name="ddim", scheduler="ddim_uniform", denoise=1.0)
    found = host.call("KSampler", model=model, **inputs, **settings)[0]["samples"] * LATENT_SCALE
    assert difference(found, frames(RECORDED["ddim50.final"])) < 0.013
    assert difference(found, sampled(model, prompts, *ddim)) < 1e-5


@pytest.mark.slow
def test_the_hosts_ddim_is_the_published_one_but_for_its_start_and_its_end(model, prompts, ddim):
    """Measured: 0.10 % with the start alone, 4e-6 with both, which is what the published sampler has."""
    (sampler, sigmas), expected = ddim, frames(RECORDED["ddim50.final"])
    started = sampled(model, prompts, sampler, sigmas, noise_scale=start_scale(sigmas))
    assert difference(started, expected) < 0.0025
    sigmas = torch.cat([sigmas[:-1], torch.tensor([LAST_SIGMA])])
    both = sampled(model, prompts, sampler, sigmas, noise_scale=start_scale(sigmas)) / (1 + LAST_SIGMA**2) ** 0.5
    assert difference(both, expected) < 1e-5


@pytest.mark.slow
def test_the_published_sampler_with_the_hosts_start_is_as_far_off_as_the_host(model, prompts, ddim):
    """0.3 % less noise makes 1.19 % of difference in both: these random weights multiply it by four."""
    sampler, sigmas = ddim
    published, published_levels = host.call("SMCD_Sampler", model=model, steps=50)
    found = sampled(model, prompts, published, published_levels, noise_scale=1 / start_scale(sigmas))
    assert 0.011 < difference(found, frames(RECORDED["ddim50.final"])) < 0.013
    sigmas = torch.cat([sigmas[:-1], torch.tensor([LAST_SIGMA])])
    assert difference(sampled(model, prompts, sampler, sigmas) / (1 + LAST_SIGMA**2) ** 0.5, found) < 1e-5
