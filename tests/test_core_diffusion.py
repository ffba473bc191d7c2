"""Schedule, sampler and guidance are the published ones."""

import itertools
from functools import cache

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from einops import rearrange
from reference import CONFIGS, close, load, released_weights, tensors

from smcd_core.networks.motion import BoxEncoder
from smcd_core.networks.smcd import SMCD, Tokens
from smcd_core.sampling.diffusion import (
    ALPHAS_CUMPROD,
    SAMPLERS,
    Guidance,
    Start,
    add_noise,
    ddim,
    ddim_timesteps,
    dpm_solver,
    noise_of,
    predicted_noise,
    predicted_x0,
    trailing_timesteps,
    velocity,
)

INPUTS = tensors("inputs")
RECORDED = tensors("sampler")
SCALE = 7.5  # of the text, in all recorded runs
# The same sampler there; SPEC, section 9.1.
DIFFUSERS = dict(
    num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
    set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
)  # fmt: skip


def frames(x):
    return rearrange(x, "b c f h w -> (b f) c h w")


@cache
def network():
    model = SMCD(CONFIGS["smcd"]).eval()
    load(model.unet, released_weights("smcd"))
    return model


@cache
def branch(text, with_image=True):
    """Tokens of the recorded runs; text 0 is the prompt, 1 the negative one."""
    layers = dict(dtype=None, device=None, operations=torch.nn)
    encoder = load(BoxEncoder(32, 1024, **layers), tensors("weights_position_net"))
    with torch.no_grad():
        boxes = encoder(*(INPUTS[name][:3] for name in ("boxes", "masks", "phrase")))
    first_frame = INPUTS["first_latent"][:1, :, :, :16] * with_image
    return Tokens(INPUTS["text"][text : text + 1], 3, first_frame, boxes, INPUTS["visual_tokens"][:1])


@torch.no_grad()
def guided(x, t):
    """Text guidance as released, both branches in one batch."""
    tokens = Tokens.cat([branch(0), branch(1)])
    prompted, plain = network()(x.repeat(2, 1, 1, 1), t.expand(2), tokens).chunk(2)
    return plain + SCALE * (prompted - plain)


def linear_model(x, t):
    """Isolates the schedule from the network."""
    return (1 - ALPHAS_CUMPROD[t]).sqrt().to(x) * x


def same(actual, expected, tolerance):
    """Relative to the standard deviation of the latents: random weights do not denoise, latents grow to 14 and 21."""
    assert actual.shape == expected.shape
    return (actual - expected).abs().max().item() <= tolerance * max(1.0, expected.std().item())


# Schedule ------------------------------------------------------------------------------------------------------------


def test_noise_schedule_equals_the_published_one():
    """Tolerance: the order of a float64 product of 1000 numbers."""
    assert (ALPHAS_CUMPROD - RECORDED["alphas_cumprod_float64"]).abs().max() <= 1e-14


@pytest.mark.parametrize("steps", [10, 50])
def test_timesteps_equal_the_published_ones(steps):
    assert ddim_timesteps(steps) == RECORDED[f"ddim{steps}.timesteps"].tolist()


@pytest.mark.parametrize(
    ("steps", "run"), [(7, 8), (15, 16), (30, 31), (35, 36), (45, 46), (60, 63), (1000, 1000), (1, 1)]
)
def test_steps_that_do_not_divide_1000_give_more_of_them_as_released(steps, run):
    timesteps = ddim_timesteps(steps)
    assert len(timesteps) == run and timesteps[-1] == 1 and max(timesteps) <= 999


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_numbers_of_steps_are_refused(steps):
    for sampler in SAMPLERS.values():
        with pytest.raises(ValueError, match=f"steps is {steps}, expected 1 to 1000"):
            sampler(linear_model, RECORDED["linear_model.noise"], steps)


@pytest.mark.parametrize("steps", [1, 7, 10, 48, 61, 1000])
def test_trailing_timesteps_start_at_the_last_one_and_are_those_of_diffusers(steps):
    scheduler = DPMSolverMultistepScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    timesteps = trailing_timesteps(steps)
    assert len(timesteps) == steps and timesteps[0] == 999
    assert timesteps == scheduler.timesteps.tolist()[:steps]  # diffusers runs 62 of 61


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_noise_is_that_of_the_release_and_leaves_other_generators_alone(seed):
    """The released code draws channels before frames."""
    before = torch.get_rng_state()
    noise = noise_of(seed, (3, 4, 2, 5))
    assert torch.equal(torch.get_rng_state(), before)
    drawn = torch.randn((1, 4, 3, 2, 5), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(noise, drawn[0].transpose(0, 1)) and noise.is_contiguous()


# Sampling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("share, run", [(0.4, 4), (0.41, 5), (0.01, 1), (1.0, 10)])
def test_a_start_runs_its_share_of_the_steps_from_the_noised_guide(sampler, share, run):
    guide, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    seen, told = [], []

    def predict(x, t):
        seen.append((x, int(t)))
        return linear_model(x, t)

    start = Start(guide, torch.zeros(2, 1, 4, 4), (share, share))
    final = SAMPLERS[sampler](predict, noise, 10, start=start, progress=lambda *at: told.append(at))
    timesteps = {"ddim": ddim_timesteps, "dpm-solver++": trailing_timesteps}[sampler](10)[-run:]
    assert [t for _, t in seen] == timesteps and told[-1] == (run, run)
    first = add_noise(guide, noise, torch.tensor(timesteps[:1])) if share < 1 else noise
    assert torch.equal(seen[0][0], first)
    if share == 1:
        assert torch.equal(final, SAMPLERS[sampler](linear_model, noise, 10))


@pytest.mark.parametrize("kind", ["epsilon", "v"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_until_its_steps_begin_a_part_is_the_guide_at_the_noise_of_each_step(sampler, kind):
    guide, noise = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    inside = torch.zeros(1, 1, 4, 4)
    inside[..., :2] = 1
    for shares in ((0.8, 0.5), (1.0, 0.5)):
        seen = []

        def predict(x, t, seen=seen):
            seen.append((x, t.cpu()))
            return linear_model(x, t)

        SAMPLERS[sampler](predict, noise, 10, kind=kind, start=Start(guide, inside, shares))
        assert len(seen) == 10 * shares[0]
        for left, (x, t) in zip(range(len(seen), 0, -1), seen, strict=True):
            same_as_guide = (x - add_noise(guide, noise, t)).abs().amax((0, 1)) < 1e-5  # float32, over ten steps
            assert same_as_guide[:, :2].all() == (left >= 5)
            assert same_as_guide[:, 2:].all() == (left == 8 and shares[0] < 1)


@pytest.mark.parametrize("steps", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_sampling_the_published_network_gives_the_published_latents(steps):
    """Tolerance 1e-4: the published code in float32 differs from itself in float64 by 2e-5."""
    seen = []

    def predict(x, t):
        seen.append(x)
        return guided(x, t)

    final = ddim(predict, frames(RECORDED["noise"]), steps)
    for actual, name in ((seen[1], "after_step_1"), (seen[2], "after_step_2"), (final, "final")):
        assert same(actual, frames(RECORDED[f"ddim{steps}.{name}"]), 1e-4), name


@pytest.mark.parametrize("steps", [10, 50])
def test_sampling_a_linear_model_gives_the_published_latents(steps):
    """Tolerance 1e-5 of latents up to 3; a last step to clean latents, not to timestep 0, would be off by 2e-3."""
    final = ddim(linear_model, RECORDED["linear_model.noise"], steps)
    assert same(final, RECORDED[f"linear_model.ddim{steps}.final"], 1e-5)


@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_sampling_equals_diffusers(steps, kind):
    scheduler = DDIMScheduler(**DIFFUSERS, prediction_type={"epsilon": "epsilon", "v": "v_prediction"}[kind])
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.tolist() == ddim_timesteps(steps)
    x = noise = RECORDED["linear_model.noise"]
    for t in scheduler.timesteps:
        x = scheduler.step(linear_model(x, t), t, x).prev_sample
    assert same(ddim(linear_model, noise, steps, kind=kind), x, 1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_dpm_solver_is_nearer_to_the_limit_of_many_steps_than_ddim(kind):
    noise = RECORDED["linear_model.noise"]
    limit = dpm_solver(linear_model, noise, 500, kind=kind)
    assert same(ddim(linear_model, noise, 1000, kind=kind), limit, 0.02)  # DDIM leaves the noise of timestep 0 in
    errors = [(sampler(linear_model, noise, 10, kind=kind) - limit).norm() for sampler in (dpm_solver, ddim)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_dpm_solver_with_perfect_predictions_ends_at_the_clean_latents(kind):
    x0, noise, _, _ = (value[:1].float() for value in noised())

    def predict(x, t):
        signal, sigma = ALPHAS_CUMPROD[t].sqrt(), (1 - ALPHAS_CUMPROD[t]).sqrt()
        eps = (x - signal * x0) / sigma
        return (signal * eps - sigma * x0 if kind == "v" else eps).float()

    # Starts at timestep 999, where noise still holds .07 of the clean latents.
    start = add_noise(x0, noise, torch.tensor([999]))
    assert torch.allclose(dpm_solver(predict, start, 8, kind=kind), x0, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS.values())
def test_progress_is_reported_after_each_step(sampler):
    seen = []
    sampler(linear_model, RECORDED["linear_model.noise"], 4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


# Guidance ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [501, 981])
def test_one_guided_step_equals_the_published_one(step):
    """With the published image guidance too, whose terms are added to a whole prediction: weights sum to 2, 3 and 4
    (SPEC, section 9.2). That is why this project has its own.
    """
    x, t = frames(RECORDED["noise"]), torch.tensor([step])
    with torch.no_grad():
        prompted, plain, without_image = (network()(x, t, b) for b in (branch(0), branch(1), branch(0, False)))
    for name, actual in (("eps_cond", prompted), ("eps_uncond", plain), ("eps_cond_zero_image", without_image)):
        assert close(actual, frames(RECORDED[f"onestep{step}.{name}"])), name
    cfg = plain + SCALE * (prompted - plain)
    image = without_image + 1.5 * (prompted - without_image)
    text_image = 2 * plain + 2 * (prompted - plain)
    runs = {"cfg": cfg, "img1.5": cfg + image, "ti2": cfg + text_image, "img1.5_ti2": cfg + image + text_image}
    for name, eps in runs.items():
        x0 = predicted_x0(eps, x, t, "epsilon")
        assert same(x0, frames(RECORDED[f"onestep{step}.{name}.x0"]), 1e-4), name
        assert same(add_noise(x0, eps, t - 20), frames(RECORDED[f"onestep{step}.{name}.x_prev"]), 1e-4), name


def test_default_guidance_is_the_released_pair():
    both = frozenset({"image", "boxes"})
    assert Guidance().branches() == [(both, 1 - 7.5), (both | {"text"}, 7.5)]


def test_scales_of_one_need_a_single_evaluation():
    assert Guidance(1, 1, 1).branches() == [(frozenset({"image", "boxes", "text"}), 1)]


@pytest.mark.parametrize("scales", [*itertools.product([0, 1, 2.5], repeat=3)])
def test_weights_sum_to_one_and_no_evaluation_is_wasted(scales):
    branches = Guidance(*scales).branches()
    assert sum(weight for _, weight in branches) == pytest.approx(1)
    assert all(weight != 0 for _, weight in branches)
    held = [conditions for conditions, _ in branches]
    assert all(a < b for a, b in itertools.pairwise(held))


def test_each_scale_multiplies_its_own_step():
    """With predictions 0, 1, 3, 7 for nothing, image, +boxes, +text the steps are 1, 2, 4."""
    value = {0: 0, 1: 1, 2: 3, 3: 7}
    branches = Guidance(text=5, boxes=3, image=2).branches()
    assert sum(weight * value[len(conditions)] for conditions, weight in branches) == 2 * 1 + 3 * 2 + 5 * 4


def test_evaluations_that_a_network_cannot_tell_apart_become_one():
    without_boxes = Guidance(text=5, boxes=3, image=2).branches({"image", "text"})
    assert dict(without_boxes) == {frozenset(): -1, frozenset({"image"}): -3, frozenset({"image", "text"}): 5}
    assert Guidance(text=1, boxes=3, image=2).branches({"boxes"}) == [(frozenset(), -2), (frozenset({"boxes"}), 3)]
    assert Guidance(text=1, boxes=3, image=2).branches(()) == [(frozenset(), 1)]


# Predictions ---------------------------------------------------------------------------------------------------------


def noised(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x0, noise = torch.randn(2, 4, 6, 4, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor([1, 250, 700, 999])
    return x0, noise, t, add_noise(x0, noise, t)


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_a_perfect_prediction_gives_back_clean_latents_and_noise(kind):
    x0, noise, t, x = noised()
    prediction = velocity(x0, noise, t) if kind == "v" else noise
    # At t = 999 the share of the clean latents is .07: float64 leaves 1e-14.
    assert torch.allclose(predicted_x0(prediction, x, t, kind), x0, atol=1e-12)
    assert torch.allclose(predicted_noise(prediction, x, t, kind), noise, atol=1e-12)


def test_velocity_is_the_derivative_of_the_noisy_latents_along_the_circle():
    x0, noise, t, x = noised()
    v = velocity(x0, noise, t)
    # x turns by the angle whose sine is sigma; x and v are orthonormal images of x0 and noise.
    assert torch.allclose(x**2 + v**2, x0**2 + noise**2)
    alpha = ALPHAS_CUMPROD[t].sqrt().reshape(-1, 1, 1, 1, 1)
    assert torch.allclose(alpha * x - (1 - alpha**2).sqrt() * v, x0)


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_sampling_with_perfect_predictions_ends_at_the_clean_latents(kind):
    """But for the noise of timestep 0, which the released sampler leaves in: .029."""
    x0, noise, _, _ = (value[:1] for value in noised())

    def predict(x, t):
        signal, sigma = ALPHAS_CUMPROD[t].sqrt(), (1 - ALPHAS_CUMPROD[t]).sqrt()
        eps = (x - signal * x0) / sigma
        return signal * eps - sigma * x0 if kind == "v" else eps

    final = ddim(predict, noise, 20, kind=kind)
    sigma = (1 - ALPHAS_CUMPROD[0]).sqrt()
    assert sigma == pytest.approx(0.0292, abs=1e-4)
    residue = (final - ALPHAS_CUMPROD[0].sqrt() * x0) / sigma
    assert (residue - residue.mean()).std() < 3 and (final - x0).abs().max() < 0.15


def test_noisy_latents_keep_their_dtype_and_variance():
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 1, 40000, generator=generator)
    for step in (0, 500, 999):
        x = add_noise(x0.half(), noise.half(), torch.tensor([step]))
        assert x.dtype == torch.float16 and x.float().std() == pytest.approx(1, abs=0.02)
