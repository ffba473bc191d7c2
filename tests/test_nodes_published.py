"""In the real ComfyUI: the published model's recorded latents come out of the graph."""

import host
import pytest
import torch
from einops import rearrange
from reference import CONFIGS, load, released_weights, tensors

from smcd_core.checkpoint import write_checkpoint
from smcd_core.model import SMCD

host.start()
inside = host.pack_module("nodes.host")
loading = host.pack_module("nodes.host_loading")

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
    monkeypatch.setattr(model.model.diffusion_model.image_encoder, "forward", lambda latent: recorded)
    values = {
        inside.BOXES: torch.cat([INPUTS["boxes"][:FRAMES], INPUTS["masks"][:FRAMES, :, None]], dim=-1),
        inside.PHRASES: INPUTS["phrase"][:FRAMES],  # another one in each frame
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


@pytest.mark.parametrize("steps", [10, 50])
def test_the_published_sampler_gives_the_published_latents(model, prompts, steps):
    """Tolerance 1e-4: the published code in float32 differs from itself in float64 by 2e-5."""
    found = sampled(model, prompts, *host.call("SMCD_Sampler", model=model, steps=steps))
    assert difference(found, frames(RECORDED[f"ddim{steps}.final"])) < 1e-4


@pytest.mark.parametrize("start, tolerance", [("of the host", 0.02), ("as published", 0.002)])
def test_the_hosts_ddim_gives_the_published_latents_but_for_first_and_last_step(model, prompts, start, tolerance):
    """The host starts with 0.3 % less noise, which these random weights make to 1.2 %; the rest is the last step."""
    (sampler,) = host.call("KSamplerSelect", sampler_name="ddim")
    (sigmas,) = host.call("BasicScheduler", model=model, scheduler="ddim_uniform", steps=50, denoise=1.0)
    scale = (1 + sigmas[0] ** 2).sqrt() / sigmas[0] if start == "as published" else 1.0
    found = sampled(model, prompts, sampler, sigmas, noise_scale=scale)
    assert difference(found, frames(RECORDED["ddim50.final"])) < tolerance
