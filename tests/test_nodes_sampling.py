"""In the real ComfyUI: sampling equals the pipeline's, in few calls, with any sampler."""

import dataclasses

import host
import numpy as np
import pytest
import torch
from small_bundle import CONFIG, DEFAULTS, write_small_bundle

from smcd_core.sampling.diffusion import Guidance, noise_of
from smcd_core.sampling.pipeline import Request, SMCDPipeline
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.weights.defaults import FAST

comfy_host = host.start()
inside = host.pack_module("nodes.host.model")
loading = host.pack_module("nodes.host.loading")
host_text = host.pack_module("nodes.host.text")

import comfy.controlnet  # noqa: E402  the host's, which host.start() found
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.utils  # noqa: E402

FRAMES, SIZE = 4, 64
PROMPT = "a red circle moving right, meadow"
DOCUMENT = {
    "version": 1,
    "width": SIZE,
    "height": SIZE,
    "frames": FRAMES,
    "objects": [
        {
            "phrase": "red circle",
            "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.6]}, {"frame": 3, "box": [0.4, 0.2, 0.9, 0.7]}],
        },
        {
            "phrase": "blue square",
            "strength": 0.6,
            "keys": [
                {"frame": 0, "box": [0.6, 0.6, 0.95, 0.9]},
                {"frame": 2, "box": [0.6, 0.1, 0.9, 0.4], "visible": False},
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_small_bundle(tmp_path_factory.mktemp("models") / "small.safetensors")


@pytest.fixture(scope="module")
def parts(path):
    return loading.load_model(str(path)), host_text.load_clip(str(path)), loading.load_vae(str(path))


@pytest.fixture(scope="module")
def pipeline(path):
    return SMCDPipeline.from_checkpoint(path)


@pytest.fixture(scope="module")
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    return pixels, torch.from_numpy(pixels)[None].float() / 255


def conditioned(parts, picture, frames=FRAMES, document=DOCUMENT, size=SIZE, negative=" ", **settings):
    """positive, negative and latent, through the nodes."""
    _, clip, vae = parts
    texts = (host.call("CLIPTextEncode", clip=clip, text=text)[0] for text in (PROMPT, negative))
    positive, negative = texts
    inputs = dict(positive=positive, negative=negative, clip=clip, vae=vae, first_frame=picture[1], trajectory=document)
    return host.call("SMCD_Conditioning", **inputs, width=size, height=size, frames=frames, **settings)


def custom_sample(model, guider, sampler, sigmas, latent, noise):
    class Noise:
        seed = 0

        def generate_noise(self, _latent):
            return noise.clone()

    inputs = dict(noise=Noise(), guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent)
    return host.call("SamplerCustomAdvanced", **inputs)[0]["samples"]


def pipeline_latents(pipeline, picture, guidance, steps=4):
    request = Request(picture[0], parse_trajectory(DOCUMENT), PROMPT, seed=7)
    tokens, weights = pipeline.tokens([request], FRAMES, SIZE, SIZE, guidance)
    noise = noise_of(7, (FRAMES, 4, SIZE // 8, SIZE // 8))
    return noise, pipeline.denoise(noise, tokens, weights, steps) / pipeline.vae.config.scaling_factor


def difference(a, b):
    return ((a - b).norm() / b.norm()).item()


class Calls:
    """Counts the calls of the network and notes the batch of each."""

    def __init__(self, model):
        self.batches = []
        self.model = model.clone()
        self.model.set_model_unet_function_wrapper(self._note)

    def _note(self, apply, args):
        self.batches.append(args["input"].shape[0])
        return apply(args["input"], args["timestep"], **args["c"])


@pytest.mark.parametrize(
    "guidance",
    [
        Guidance(1.0),
        Guidance(4.0, 2.0, 1.5),
        *(pytest.param(given, marks=pytest.mark.slow) for given in (Guidance(3.0), Guidance(3.0, 0.0, 0.0))),
    ],
    ids=str,
)
def test_published_sampler_and_guider_equal_the_pipeline(parts, picture, pipeline, guidance):
    model = parts[0]
    positive, negative, latent = conditioned(parts, picture)
    scales = dict(text=guidance.text, boxes=guidance.boxes, image=guidance.image)
    (guider,) = host.call("SMCD_Guider", model=model, positive=positive, negative=negative, **scales)
    sampler, sigmas = host.call("SMCD_Sampler", model=model, steps=4)
    noise, expected = pipeline_latents(pipeline, picture, guidance)
    found = custom_sample(model, guider, sampler, sigmas, latent, noise)
    # Float32 through four steps; the host goes by sigma where the pipeline goes by alpha.
    assert difference(found, expected) < 1e-4


@pytest.mark.slow
def test_a_model_of_other_latents_makes_the_video_of_the_pipeline(tmp_path, picture):
    config = dataclasses.replace(CONFIG, latent_channels=16)
    path = write_small_bundle(tmp_path / "sixteen.safetensors", config)
    model, clip, vae = loading.load_model(str(path)), host_text.load_clip(str(path)), loading.load_vae(str(path))
    inputs = dict(model=model, clip=clip, vae=vae, first_frame=picture[1], trajectory=DOCUMENT, prompt=PROMPT)
    images, _ = host.call("SMCD_Generate", **inputs, seed=7, steps=2, text=0.0, width=0, height=0, frames=0)
    expected = SMCDPipeline.from_checkpoint(path)(picture[0], parse_trajectory(DOCUMENT), PROMPT, seed=7, steps=2)
    assert np.abs(images.numpy() * 255 - expected).max() <= 1.01  # rounding of a grey level
    fitted = model.model.latent_format
    assert [len(row) for row in fitted.latent_rgb_factors] == [3] * 16 and len(fitted.latent_rgb_factors_bias) == 3


def test_a_vae_of_other_latents_is_refused_by_the_sampler(parts, picture, tmp_path):
    config = dataclasses.replace(CONFIG, latent_channels=16)
    vae = loading.load_vae(str(write_small_bundle(tmp_path / "sixteen.safetensors", config)))
    positive, negative, latent = conditioned((parts[0], parts[1], vae), picture)
    with pytest.raises(ValueError, match="latent has 16 channels, this model takes 4: use the VAE output of"):
        inputs = dict(model=parts[0], positive=positive, negative=negative, latent_image=latent)
        host.call("KSampler", **inputs, seed=0, steps=1)


@pytest.mark.slow
def test_ddim_of_the_host_is_near_the_published_sampler(parts, picture, pipeline):
    positive, negative, latent = conditioned(parts, picture)
    (guider,) = host.call("SMCD_Guider", model=parts[0], positive=positive, negative=negative, text=3.0)
    noise, expected = pipeline_latents(pipeline, picture, Guidance(3.0), steps=50)
    (sampler,) = host.call("KSamplerSelect", sampler_name="ddim")
    (sigmas,) = host.call("BasicScheduler", model=parts[0], scheduler="ddim_uniform", steps=50, denoise=1.0)
    found = custom_sample(parts[0], guider, sampler, sigmas, latent, noise)
    assert difference(found, expected) < 0.05  # another first and last step, and random weights exaggerate


def test_the_guider_at_its_defaults_is_ksampler(parts, picture):
    model = parts[0]
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(seed=3, steps=3, cfg=7.5, sampler_name="euler", scheduler="normal", denoise=1.0)
    (expected,) = host.call(
        "KSampler", model=model, positive=positive, negative=negative, latent_image=latent, **inputs
    )
    (guider,) = host.call("SMCD_Guider", model=model, positive=positive, negative=negative)
    (noise,) = host.call("RandomNoise", noise_seed=3)
    (sampler,) = host.call("KSamplerSelect", sampler_name="euler")
    (sigmas,) = host.call("BasicScheduler", model=model, scheduler="normal", steps=3, denoise=1.0)
    found = host.call(
        "SamplerCustomAdvanced", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent
    )[0]["samples"]
    assert difference(found, expected["samples"]) < 1e-5
    assert found.shape == (FRAMES, 4, SIZE // 8, SIZE // 8)


def test_both_branches_run_in_one_call_and_cfg_1_runs_one_branch(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    for cfg, batch in ((5.0, 2 * FRAMES), (1.0, FRAMES)):
        calls = Calls(parts[0])
        host.call(
            "KSampler", model=calls.model, positive=positive, negative=negative, latent_image=latent, steps=2, cfg=cfg
        )
        assert calls.batches == [batch] * 2


def test_four_branches_run_in_one_call_and_low_memory_splits_it(parts, picture, monkeypatch):
    positive, negative, latent = conditioned(parts, picture)
    results = []
    for is_low, batches in ((False, [4 * FRAMES]), (True, [FRAMES] * 4)):
        calls = Calls(parts[0])
        if is_low:
            monkeypatch.setattr(type(parts[0].model), "memory_required", lambda *args, **kwargs: 1e15)
        prompts = dict(positive=positive, negative=negative)
        (guider,) = host.call("SMCD_Guider", model=calls.model, **prompts, text=3.0, boxes=2.0, image=1.5)
        sampler, sigmas = host.call("SMCD_Sampler", model=calls.model, steps=1)
        noise = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        results.append(custom_sample(calls.model, guider, sampler, sigmas, latent, noise))
        assert calls.batches == batches
    assert difference(*results) < 1e-5


def test_prompts_of_unequal_length_run_in_one_call(parts, picture):
    positive, negative, latent = conditioned(parts, picture, negative="red " * 40)
    assert negative[0][0].shape[1] == 2 * positive[0][0].shape[1]
    calls = Calls(parts[0])
    host.call("KSampler", model=calls.model, positive=positive, negative=negative, latent_image=latent, steps=1)
    assert calls.batches == [2 * FRAMES]


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", comfy.samplers.SCHEDULER_NAMES)
def test_every_scheduler_gives_a_video(parts, picture, scheduler):
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(steps=3, sampler_name="euler", scheduler=scheduler, cfg=2.0)
    (out,) = host.call("KSampler", model=parts[0], positive=positive, negative=negative, latent_image=latent, **inputs)
    assert out["samples"].isfinite().all() and out["samples"].shape[0] == FRAMES


@pytest.mark.slow
@pytest.mark.parametrize("sampler", comfy.samplers.SAMPLER_NAMES)
def test_every_sampler_gives_a_video(parts, picture, sampler):
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(steps=3, sampler_name=sampler, scheduler="normal", cfg=2.0)
    (out,) = host.call("KSampler", model=parts[0], positive=positive, negative=negative, latent_image=latent, **inputs)
    assert out["samples"].isfinite().all() and out["samples"].shape[0] == FRAMES


def test_a_video_of_nan_is_an_error_from_every_sampler_of_the_host(parts, picture):
    """It would be decoded to black frames. As half precision gives it when it overflows."""
    model = parts[0].clone()
    model.set_model_unet_function_wrapper(lambda apply, args: torch.full_like(args["input"], float("nan")))
    positive, negative, latent = conditioned(parts, picture)
    both = dict(positive=positive, negative=negative)
    (guider,) = host.call("SMCD_Guider", model=model, **both)
    sampler, sigmas = host.call("SMCD_Sampler", model=model, steps=2)
    for run in (
        lambda: host.call("KSampler", model=model, **both, latent_image=latent, steps=2),
        lambda: host.call("KSamplerAdvanced", model=model, **both, latent_image=latent, steps=2),
        lambda: custom_sample(model, guider, sampler, sigmas, latent, latent["samples"]),
    ):
        with pytest.raises(ValueError, match="the video came out as NaN in float32: use .* weight_dtype in Load SMCD"):
            run()


def test_a_latent_of_several_videos_says_so(parts, picture, caplog):
    positive, negative, latent = conditioned(parts, picture)
    both = {"samples": latent["samples"].repeat(2, 1, 1, 1)}
    host.call("KSampler", model=parts[0], positive=positive, negative=negative, latent_image=both, steps=1)
    assert "the latent has 8 frames and the boxes 4: 2 videos are made one after another" in caplog.text


def test_a_batch_of_two_videos_equals_each_alone(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    noise = torch.randn(2 * FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    (guider,) = host.call("SMCD_Guider", model=parts[0], positive=positive, negative=negative, text=3.0)
    sampler, sigmas = host.call("SMCD_Sampler", model=parts[0], steps=2)
    both = custom_sample(parts[0], guider, sampler, sigmas, {"samples": torch.zeros(2 * FRAMES, 4, 8, 8)}, noise)
    for part, alone in zip(both.split(FRAMES), noise.split(FRAMES), strict=True):
        assert difference(part, custom_sample(parts[0], guider, sampler, sigmas, latent, alone)) < 1e-5


@pytest.mark.parametrize("window, overlap", [(4, 2), pytest.param(5, 1, marks=pytest.mark.slow)])
def test_a_long_video_equals_that_of_the_pipeline(parts, path, picture, window, overlap):
    frames, steps, guidance = 11, 2, dict(text=3.0, boxes=2.0, image=1.5)
    pipeline = SMCDPipeline.from_checkpoint(path)
    request = Request(picture[0], parse_trajectory(DOCUMENT), PROMPT, seed=7)
    given = dict(steps=steps, guidance=Guidance(**guidance), window=window, overlap=overlap)
    (expected,) = pipeline.generate([request], num_frames=frames, width=SIZE, height=SIZE, output="latents", **given)
    positive, negative, latent = conditioned(parts, picture, frames=frames)
    (model,) = host.call("SMCD_LongVideo", model=parts[0], window=window, overlap=overlap)
    (guider,) = host.call("SMCD_Guider", model=model, positive=positive, negative=negative, **guidance)
    sampler, sigmas = host.call("SMCD_Sampler", model=model, steps=steps)
    noise = noise_of(7, (frames, 4, SIZE // 8, SIZE // 8))
    found = custom_sample(model, guider, sampler, sigmas, latent, noise)
    assert difference(found, expected / pipeline.vae.config.scaling_factor) < 1e-5


def test_context_windows_that_hold_all_frames_change_nothing(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(positive=positive, negative=negative, latent_image=latent, steps=2, cfg=3.0)
    (windowed,) = host.call("SMCD_LongVideo", model=parts[0], window=FRAMES, overlap=2)
    (plain,) = host.call("KSampler", model=parts[0], **inputs)
    (found,) = host.call("KSampler", model=windowed, **inputs)
    assert difference(found["samples"], plain["samples"]) < 1e-6


@pytest.mark.parametrize(
    "is_core",
    [pytest.param(False, id="SMCD_LongVideo"), pytest.param(True, id="ContextWindowsManual", marks=pytest.mark.slow)],
)
def test_64_frames_run_in_windows_that_see_the_boxes_of_their_own_frames(parts, picture, is_core):
    frames, length, overlap = 64, 8, 4
    conditions = conditioned(
        parts, picture, frames=frames, box_end=0.9
    )  # a share, so that tokens without boxes come too
    positive, negative, latent = conditions
    if is_core:
        schedule = "standard_static"  # older hosts have no default
        windows = dict(context_length=length, context_overlap=overlap, context_schedule=schedule, dim=0)
        (model,) = host.call("ContextWindowsManual", model=parts[0], **windows)
    else:
        (model,) = host.call("SMCD_LongVideo", model=parts[0], window=length, overlap=overlap)
    whole, seen = {}, []

    def keep(self, *args):
        out = box_conds(self, *args)
        whole.update({name: cond.cond for name, cond in out.items()})
        return out

    def note(apply, args):
        window = args["c"]["transformer_options"]["context_window"].index_list
        shown = {name: args["c"][name].chunk(len(args["cond_or_uncond"]))[0] for name in whole}
        seen.append((window, shown, args["input"].shape[0]))
        return apply(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(note)
    box_conds = inside.SMCDModel._box_conds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inside.SMCDModel, "_box_conds", keep)
        inputs = dict(positive=positive, negative=negative, latent_image=latent, steps=1, cfg=3.0)
        (out,) = host.call("KSampler", model=model, **inputs)
    assert out["samples"].shape[0] == frames and out["samples"].isfinite().all()
    asked = positive[0][1][inside.BOXES]
    assert torch.equal(whole["boxes"].view(torch.float32)[:, : asked.shape[1]], asked)
    per_frame = {name for name, tensor in whole.items() if tensor.shape[0] == frames}
    assert per_frame == {"boxes", "box_tokens", "box_tokens_off"}
    assert [window for window, _, _ in seen] == [[*range(first, first + length)] for first in range(0, 60, overlap)]
    for window, shown, batch in seen:
        # The core node's causal fix puts a frame before each window but the first.
        before = [window[0] - 1] if is_core and window[0] else []
        assert batch == 2 * (length + len(before))
        for name in per_frame:
            assert torch.equal(shown[name], whole[name][[*before, *window]]), name


def test_windows_over_two_videos_are_refused(parts, picture):
    positive, negative, _ = conditioned(parts, picture)
    (model,) = host.call("SMCD_LongVideo", model=parts[0], window=FRAMES, overlap=2)
    inputs = dict(positive=positive, negative=negative, latent_image={"samples": torch.zeros(2 * FRAMES, 4, 8, 8)})
    with pytest.raises(ValueError, match="over 8 frames, but a video has 4: make one video at a time"):
        host.call("KSampler", model=model, **inputs, steps=1)


def test_a_controlnet_is_refused(parts, picture):
    class Control(comfy.controlnet.ControlBase):
        def get_control(self, *_arguments):
            return {"middle": [None]}

    positive, negative, latent = conditioned(parts, picture)
    for prompt in (positive, negative):
        prompt[0][1]["control"] = Control()
    inputs = dict(model=parts[0], positive=positive, negative=negative, latent_image=latent, steps=1)
    with pytest.raises(ValueError, match="cannot be combined with a ControlNet: remove the Apply ControlNet node"):
        host.call("KSampler", **inputs)


@pytest.mark.parametrize(
    "name, found",
    [("attn2_patch", "attn2_patch"), ("input_block_patch", "input_block_patch"), ("attn1_replace", "attn1")],
)
def test_patches_that_no_layer_would_call_are_refused(name, found, parts, picture):
    model = parts[0].clone()
    patch = lambda *given: given[0]  # noqa: E731
    if name == "attn1_replace":
        model.set_model_attn1_replace(patch, "middle", 0)
    else:
        getattr(model, f"set_model_{name}")(patch)
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(model=model, positive=positive, negative=negative, latent_image=latent, steps=1)
    with pytest.raises(ValueError, match=f"patches of attention and blocks do not reach: found {found}; remove the"):
        host.call("KSampler", **inputs)


def test_free_u_is_refused_by_name(parts, picture):
    from comfy_extras.nodes_freelunch import FreeU_V2

    (model,) = FreeU_V2.execute(parts[0], b1=1.3, b2=1.4, s1=0.9, s2=0.2).result
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(model=model, positive=positive, negative=negative, latent_image=latent, steps=1)
    with pytest.raises(ValueError, match="found output_block_patch; remove the node that adds them, such as FreeU"):
        host.call("KSampler", **inputs)


# Relative distance from float32 after two steps, twice what was measured; fp8 has 3 bits of mantissa.
@pytest.mark.parametrize("name, tolerance", [("fp16", 0.01), ("bf16", 0.05), ("fp8_e4m3fn", 0.4)])
def test_weights_in_other_types_give_nearly_the_same_of_exact_boxes(path, picture, parts, name, tolerance):
    loader = host.pack_module("nodes.loader")
    model = loading.load_model(str(path), loader.WEIGHT_DTYPES[name])
    assert model.model.get_dtype() == loader.WEIGHT_DTYPES[name]
    positive, negative, latent = conditioned(parts, picture)
    exact, encoded, seen = positive[0][1][inside.BOXES], [], []
    encoder = model.model.diffusion_model.box_encoder
    encoder.register_forward_pre_hook(lambda _module, inputs: encoded.append(inputs[0]))

    def note(apply, args):
        seen.append(args["c"]["boxes"].view(torch.float32)[:FRAMES, :2])
        return apply(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(note)
    inputs = dict(positive=positive, negative=negative, latent_image=latent, steps=2, cfg=2.0)
    (expected,) = host.call("KSampler", model=parts[0], **inputs)
    (found,) = host.call("KSampler", model=model, **inputs)
    assert 0 < difference(found["samples"], expected["samples"]) < tolerance
    assert encoded and all(torch.equal(boxes.squeeze(0)[:, :2], exact[..., :4]) for boxes in encoded)
    assert len(seen) == 2 and all(torch.equal(boxes, exact) for boxes in seen)


def test_gates_and_null_tokens_keep_their_values_in_fp8(path):
    """Scalars with 3 bits of mantissa would be up to 6 % off."""
    network = loading.load_model(str(path), torch.float8_e4m3fn).model.diffusion_model
    stored = read_checkpoint(path).weights
    bare = [name for name in stored if name.rsplit(".", 1)[1] not in ("weight", "bias")]
    assert any("alpha_attn" in name for name in bare) and any("null_" in name for name in bare)
    for name in bare:
        found = network.get_parameter(name.removeprefix("unet."))
        assert torch.equal(found, stored[name].half()), name
    assert network.time_embed[0].weight.dtype == torch.float8_e4m3fn


def test_boxes_count_only_in_their_share_of_the_sampling(parts, picture):
    inputs = dict(model=parts[0], steps=2, cfg=1.0, seed=1)

    def sampled(**settings):
        positive, negative, latent = conditioned(parts, picture, **settings)
        return host.call("KSampler", positive=positive, negative=negative, latent_image=latent, **inputs)[0]["samples"]

    whole, off = sampled(), sampled(box_strength=0.0)
    assert difference(whole, off) > 1e-3
    assert difference(sampled(box_start=0.999, box_end=1.0), off) < 1e-5
    assert 1e-4 < difference(sampled(box_end=0.5), whole)


def test_a_first_frame_without_boxes_is_a_video_without_boxes(parts, picture):
    """The message about a trajectory without objects recommends SMCD Image alone."""
    model, clip, vae = parts
    inputs = dict(model=model, steps=2, cfg=1.0, seed=1)
    (prompt,) = host.call("CLIPTextEncode", clip=clip, text=PROMPT)
    image = dict(vae=vae, first_frame=picture[1], width=SIZE, height=SIZE, frames=FRAMES)
    positive, negative, latent = host.call("SMCD_Image", positive=prompt, negative=prompt, **image)
    (found,) = host.call("KSampler", positive=positive, negative=negative, latent_image=latent, **inputs)
    positive, negative, latent = conditioned(parts, picture, box_strength=0.0)
    (expected,) = host.call("KSampler", positive=positive, negative=negative, latent_image=latent, **inputs)
    assert difference(found["samples"], expected["samples"]) < 1e-5


def test_strength_zero_of_the_image_is_the_image_dropped(parts, picture):
    inputs = dict(model=parts[0], steps=2, cfg=1.0, seed=1)

    def sampled(image, **settings):
        positive, negative, latent = conditioned(parts, (None, image), **settings)
        return host.call("KSampler", positive=positive, negative=negative, latent_image=latent, **inputs)[0]["samples"]

    none = dict(concat_strength=0.0, token_strength=0.0)
    assert torch.equal(sampled(picture[1], **none), sampled(1 - picture[1], **none))
    assert difference(sampled(picture[1]), sampled(picture[1], **none)) > 1e-3


def test_rescale_changes_the_result_and_a_range_of_nothing_is_no_guidance(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    noise = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sampler, sigmas = host.call("SMCD_Sampler", model=parts[0], steps=2)

    def sampled(**settings):
        (guider,) = host.call("SMCD_Guider", model=parts[0], positive=positive, negative=negative, **settings)
        return custom_sample(parts[0], guider, sampler, sigmas, latent, noise)

    strong = sampled(text=9.0)
    assert difference(sampled(text=9.0, rescale=0.7), strong) > 1e-3
    assert torch.equal(sampled(text=9.0, text_start=0.6, text_end=0.9), sampled(text=1.0))


def test_a_condition_outside_its_range_costs_no_evaluation(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    prompts = dict(positive=positive, negative=negative)
    calls = Calls(parts[0])
    ranges = dict(text_end=0.7, boxes_start=0.25, boxes_end=0.5, image_start=0.9)
    (guider,) = host.call("SMCD_Guider", model=calls.model, **prompts, text=3.0, boxes=2.0, image=1.5, **ranges)
    (sampler,) = host.call("KSamplerSelect", sampler_name="euler")
    sampling = parts[0].get_model_object("model_sampling")
    sigmas = torch.tensor([*map(sampling.percent_to_sigma, (0.1, 0.4, 0.6, 0.8, 0.95)), 0.0])
    noise = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = custom_sample(calls.model, guider, sampler, sigmas, latent, noise)
    # Text; text and boxes; text; nothing but the prompt as it is; image with and without.
    assert calls.batches == [FRAMES * n for n in (2, 3, 2, 1, 3)]
    # The same, step after step with what holds in each.
    held = [dict(text=3.0), dict(text=3.0, boxes=2.0), dict(text=3.0), {}, dict(image=1.5)]
    x = noise * sigmas[0]
    for scales, first, last in zip(held, sigmas, sigmas[1:]):
        (guider,) = host.call("SMCD_Guider", model=parts[0], **prompts, **{"text": 1.0, **scales})
        pair = torch.stack([first, last])
        x = custom_step(parts[0], guider, sampler, pair, x)
    assert difference(found, x) < 1e-4


def custom_step(model, guider, sampler, sigmas, x):
    """One step from noisy latents to less noisy ones, both in units of the model."""
    scale = model.model.latent_format.scale_factor
    (noise,) = host.call("DisableNoise")
    latent = {"samples": x / scale}
    inputs = dict(noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent)
    return host.call("SamplerCustomAdvanced", **inputs)[0]["samples"] * (1 if sigmas[-1] == 0 else scale)


def test_a_range_that_ends_before_it_starts_is_refused(parts, picture):
    positive, negative, _ = conditioned(parts, picture)
    inputs = dict(model=parts[0], positive=positive, negative=negative)
    with pytest.raises(ValueError, match="image_start is 0.9 and image_end 0.5: start before the end"):
        host.call("SMCD_Guider", **inputs, image_start=0.9, image_end=0.5)


def test_ksampler_advanced_in_two_halves_is_ksampler(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    shared = dict(model=parts[0], positive=positive, negative=negative, steps=4, cfg=2.0)
    shared |= dict(sampler_name="euler", scheduler="normal")
    (whole,) = host.call("KSampler", **shared, latent_image=latent, seed=0)
    first = dict(start_at_step=0, end_at_step=2, return_with_leftover_noise="enable", noise_seed=0)
    second = dict(start_at_step=2, end_at_step=4, add_noise="disable", noise_seed=0)
    (half,) = host.call("KSamplerAdvanced", **shared, latent_image=latent, **first)
    (found,) = host.call("KSamplerAdvanced", **shared, latent_image=half, **second)
    assert difference(found["samples"], whole["samples"]) < 1e-5


def previewer(latent_format):
    from comfy.cli_args import args
    from latent_preview import LatentPreviewMethod, get_previewer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(args, "preview_method", LatentPreviewMethod.Auto)
        return get_previewer(torch.device("cpu"), latent_format)


def test_each_step_has_a_preview(parts):
    preview = previewer(parts[0].model.latent_format)
    kind, image, _ = preview.decode_latent_to_preview_image("JPEG", torch.randn(FRAMES, 4, 8, 8))
    assert kind == "JPEG" and image.size == (8, 8)


def test_previews_of_a_bundled_checkpoint_have_the_colours_of_its_own_latents():
    """Measured: 0.10 of the range off on average, 0.35 with the host's colours for Stable Diffusion."""
    from comfy.latent_formats import SD15

    model, _, vae = host.call("SMCD_Load", checkpoint="smcd-tiny (bundled)")
    picture, _, _ = host.call("SMCD_Example", example="beach")
    with torch.inference_mode():
        latents = model.model.process_latent_in(vae.encode(picture))
        expected = torch.nn.functional.avg_pool2d(picture.movedim(-1, 1), 8)[0].movedim(0, -1)
        own, other = (
            (torch.from_numpy(np.array(previewer(colors).decode_latent_to_preview(latents))) / 255 - expected).abs()
            for colors in (model.model.latent_format, SD15())
        )
    assert own.mean() < 0.15 < 0.3 < other.mean()


def test_combined_and_ranged_conditionings_and_masks_work(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(model=parts[0], negative=negative, latent_image=latent, steps=2, cfg=2.0, seed=0)
    (plain,) = host.call("KSampler", positive=positive, **inputs)
    (twice,) = host.call("ConditioningCombine", conditioning_1=positive, conditioning_2=positive)
    (same,) = host.call("KSampler", positive=twice, **inputs)
    assert difference(same["samples"], plain["samples"]) < 1e-5
    (early,) = host.call("ConditioningSetTimestepRange", conditioning=positive, start=0.0, end=0.5)
    (found,) = host.call("KSampler", positive=early, **inputs)
    assert found["samples"].isfinite().all()
    masked = {**plain, "noise_mask": torch.zeros(FRAMES, SIZE, SIZE)}
    (kept,) = host.call("KSampler", positive=positive, **(inputs | {"latent_image": masked, "seed": 9}))
    assert difference(kept["samples"], plain["samples"]) < 1e-5


def test_the_same_seed_gives_the_same_frames_twice(parts, picture):
    positive, negative, latent = conditioned(parts, picture)
    inputs = dict(model=parts[0], positive=positive, negative=negative, latent_image=latent, steps=2, seed=5)
    first, second = (host.call("KSampler", **inputs)[0]["samples"] for _ in range(2))
    assert torch.equal(first, second)


ODD = {"steps": 7}  # the timesteps are rounded


STARTS = [{"start": 0.4}, {"start": 0.8, "start_inside": 0.3}, {"start": 1.0, "start_inside": 0.5}]


@pytest.mark.parametrize(
    "settings, changes",
    [
        ({}, {}),
        (FAST, {"fast": True}),
        (FAST | ODD, {"fast": True} | ODD),
        *(pytest.param(start, start, marks=pytest.mark.slow) for start in STARTS),
        *((FAST | start, {"fast": True} | start) for start in STARTS[-1:]),
        *(pytest.param(FAST | start, {"fast": True} | start, marks=pytest.mark.slow) for start in STARTS[:-1]),
    ],
)
def test_generate_makes_the_video_of_the_pipeline(parts, picture, pipeline, settings, changes):
    model, clip, vae = parts
    expected = pipeline(picture[0], parse_trajectory(DOCUMENT), PROMPT, seed=7, **settings)
    inputs = dict(model=model, clip=clip, vae=vae, first_frame=picture[1], trajectory=DOCUMENT, prompt=PROMPT, seed=7)
    inputs |= changes
    images, video = host.call("SMCD_Generate", **inputs)
    found = (images * 255).round().to(torch.uint8).numpy()
    assert found.shape == expected.shape == (FRAMES, DEFAULTS["height"], DEFAULTS["width"], 3)
    assert np.abs(found.astype(int) - expected).max() <= 1  # a value between two bytes may fall to either
    assert video.get_components().images.shape[0] == FRAMES


def test_generate_names_an_object_that_starts_outside_when_others_move(parts, picture, caplog):
    model, clip, vae = parts
    keys = [{"frame": 0, "box": [1.1, 0.2, 1.4, 0.6]}, {"frame": 3, "box": [0.2, 0.2, 0.5, 0.6]}]
    document = DOCUMENT | {"objects": [DOCUMENT["objects"][0], {"phrase": "kite", "keys": keys}]}
    inputs = dict(model=model, clip=clip, vae=vae, first_frame=picture[1], trajectory=document, prompt=PROMPT, seed=7)
    host.call("SMCD_Generate", **inputs, fast=True, start=0.5)
    assert "object 2 (kite) is not taken along: its box is outside the image in frame 0" in caplog.text
    caplog.clear()
    host.call("SMCD_Generate", **inputs, fast=True, start=1.0)
    assert "not taken along" not in caplog.text


def test_generate_says_that_a_negative_prompt_has_no_effect(parts, picture, caplog):
    model, clip, vae = parts
    inputs = dict(model=model, clip=clip, vae=vae, first_frame=picture[1], trajectory=DOCUMENT, prompt=PROMPT, seed=7)
    unheard = "the negative prompt has no effect: it counts only with text guidance (text) above 1"
    for text, is_said in ((2.0, False), (1.0, True)):
        host.call("SMCD_Generate", **inputs, steps=1, text=text, negative="grey")
        assert (unheard in caplog.text) == is_said
    caplog.clear()
    (empty, _), (space, _) = (
        host.call("SMCD_Generate", **inputs, steps=1, text=1.0, negative=text) for text in ("", " ")
    )
    assert torch.equal(empty, space) and unheard not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("inside", [None, 0.2], ids=["everywhere", "objects held"])
def test_stock_nodes_start_from_the_dragged_picture_as_smcd_generate_does(parts, picture, inside, monkeypatch):
    """As in workflows 03 and 05, given the same noise: the released sampler ends at timestep 0 instead of at clean
    latents, and the host's mask has soft edges.
    """
    monkeypatch.setattr(comfy.sample, "prepare_noise", lambda latent, seed, *_: noise_of(seed, latent.shape))
    model, clip, vae = parts
    size = dict(width=SIZE, height=SIZE)
    given = dict(first_frame=picture[1], trajectory=DOCUMENT, prompt=PROMPT, seed=7, steps=10, text=1.0, frames=FRAMES)
    shares = dict(start=0.4, start_inside=inside or 0.0)
    own, _ = host.call("SMCD_Generate", model=model, clip=clip, vae=vae, **given, **size, **shares)
    positive, negative, _ = conditioned(parts, picture)
    target = dict(size, length=FRAMES, fit="stretch", feather=2)
    guide, moving, *_ = host.call("SMCD_CutAndDrag", image=picture[1], trajectory=DOCUMENT, **target)
    (latent,) = host.call("VAEEncode", pixels=guide, vae=vae)
    sampler = dict(model=model, positive=positive, negative=negative, cfg=1.0, sampler_name="euler")
    sampler |= dict(scheduler="ddim_uniform")
    if inside is None:
        (latent,) = host.call("KSampler", **sampler, seed=7, latent_image=latent, steps=4, denoise=0.4)
    else:
        advanced = dict(sampler, noise_seed=7, steps=10)
        (held,) = host.call("SetLatentNoiseMask", samples=latent, mask=1 - moving)
        steps = dict(add_noise="enable", start_at_step=6, end_at_step=8, return_with_leftover_noise="enable")
        (latent,) = host.call("KSamplerAdvanced", **advanced, **steps, latent_image=held)
        (free,) = host.call("SetLatentNoiseMask", samples=latent, mask=torch.ones(1, SIZE, SIZE))
        steps = dict(add_noise="disable", start_at_step=8, end_at_step=10000, return_with_leftover_noise="disable")
        (latent,) = host.call("KSamplerAdvanced", **advanced, **steps, latent_image=free)
    (stock,) = host.call("VAEDecode", samples=latent, vae=vae)
    # 0.0024 and 0.025 when it was written, 0.008 and 0.11 with soft edges; the rough video is 0.24 away.
    mean, most = (0.005, 0.05) if inside is None else (0.015, 0.2)
    gap = (stock - own).abs()
    assert gap.mean() < mean and gap.max() < most and (guide - own).abs().mean() > 0.1


def test_the_model_is_built_of_the_hosts_layers(path):
    model = loading.load_model(str(path), torch.float16)
    layers = [m for m in model.model.diffusion_model.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    assert layers and all(hasattr(layer, "comfy_cast_weights") for layer in layers)
    assert CONFIG.prediction == "v" and model.model.model_type.name == "V_PREDICTION"
