"""A picture, boxes and a sentence become a video."""

from copy import copy, deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from live_tensors import LiveTensors
from PIL import Image
from tiny_bundle import CONFIG, DEFAULTS, MULTIPLE, bare, tiny_text, tiny_vae, write_bundle, write_components
from torch.utils._python_dispatch import TorchDispatchMode

import smcd_core.sampling.pipeline
from smcd_core.errors import SMCDError
from smcd_core.networks.config import SMALL, SMCDConfig, system_config
from smcd_core.networks.smcd import SMCD, Inputs, Tokens
from smcd_core.sampling.animatic import animatic, start_of
from smcd_core.sampling.devices import check_compiler, pick_dtype
from smcd_core.sampling.diffusion import SAMPLERS, Guidance, noise_of
from smcd_core.sampling.framing import resized
from smcd_core.sampling.memory import memory_of
from smcd_core.sampling.offload import Offload
from smcd_core.sampling.pipeline import DEFAULTS as RELEASED_DEFAULTS, Request, SMCDPipeline
from smcd_core.sampling.settings import Settings, from_noise
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.weights.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from smcd_core.weights.components import frames_at_once, load_components, pack_components, unpack_components
from smcd_core.weights.defaults import read_defaults
from smcd_core.weights.export import write_diffusers, write_released

ALL = Guidance(text=3.0, boxes=2.0, image=1.5)  # four branches


def trajectory(count=1, frames=3, **track):
    keys = [{"frame": 0, "box": [0.1, 0.2, 0.5, 0.6]}, {"frame": frames - 1, "box": [0.5, 0.3, 0.9, 0.7]}]
    objects = [{"phrase": "red circle", "keys": keys, **track} for _ in range(count)]
    return parse_trajectory({"version": 1, "width": 48, "height": 32, "frames": frames, "objects": objects})


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def request(seed=0, **changes):
    return replace(Request(picture(seed), trajectory(), "a red circle moving right", seed=seed), **changes)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors")


@pytest.fixture(scope="module")
def pipeline(bundle):
    return SMCDPipeline.from_checkpoint(bundle)


def latents(pipeline, *requests, guidance=ALL, steps=2):
    """Latents that `generate` decodes, before rounding hides small differences."""
    kept = []
    decode, pipeline.decode = pipeline.decode, lambda x: kept.append(x) or decode(x)
    try:
        pipeline.generate(requests, steps=steps, guidance=guidance)
    finally:
        del pipeline.decode
    return torch.stack(kept)


def differ(a, b):
    return (a - b).abs().max().item()


# What comes out ------------------------------------------------------------------------------------------------------


def test_a_video_has_the_size_and_length_that_the_checkpoint_was_trained_with(pipeline):
    video = pipeline(Image.fromarray(picture()), trajectory(), "a red circle")
    assert video.shape == (3, DEFAULTS["height"], DEFAULTS["width"], 3)
    assert video.dtype == np.uint8 and video.std() > 1


def test_size_and_number_of_frames_can_be_chosen(pipeline):
    assert pipeline(picture(), trajectory(), "", num_frames=2, width=16, height=64).shape == (2, 64, 16, 3)


def test_a_trajectory_gives_its_own_number_of_frames(pipeline):
    assert pipeline(picture(), trajectory(frames=4), "", width=16, height=16).shape[0] == 4


def test_the_same_seed_gives_the_same_video_bit_for_bit(pipeline, bundle):
    first = pipeline(picture(), trajectory(), "a red circle", seed=3)
    torch.manual_seed(99)  # the global generator plays no part
    again = SMCDPipeline.from_checkpoint(bundle)(picture(), trajectory(), "a red circle", seed=3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, pipeline(picture(), trajectory(), "a red circle", seed=4))


def test_several_videos_in_one_batch_equal_the_same_videos_alone(pipeline):
    """Tolerance: batches of another size add in another order; latents have deviation 1."""
    requests = [request(0), request(1, trajectory=trajectory(2)), request(2, use_boxes=False)]
    together = latents(pipeline, *requests)
    alone = torch.cat([latents(pipeline, one) for one in requests])
    assert differ(together, alone) <= 1e-4
    assert differ(together[0], together[1]) > 0.1


def test_guidance_in_one_batch_equals_separate_evaluations(pipeline):
    tokens, weights = pipeline.tokens([request()], 3, 48, 32, ALL)
    assert len(weights) == 4 and sum(weights) == pytest.approx(1)
    x, t = torch.randn(3, 4, 4, 6, generator=torch.Generator().manual_seed(1)), torch.tensor([501])
    with torch.no_grad():
        together = pipeline.smcd(x.repeat(4, 1, 1, 1), t.expand(4), tokens).chunk(4)
        for index, part in enumerate(together):
            pick = {name: v.chunk(4)[index] for name, v in vars(tokens).items() if isinstance(v, torch.Tensor)}
            assert differ(part, pipeline.smcd(x, t, Tokens(num_frames=3, **pick))) <= 1e-5
    assert differ(together[0], together[3]) > 1e-2


def test_progress_counts_the_steps(pipeline):
    seen = []
    pipeline.generate([request()], steps=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.slow
def test_a_network_that_predicts_v_makes_another_video(tmp_path):
    as_v = SMCDPipeline.from_checkpoint(write_bundle(tmp_path / "v.safetensors", replace(CONFIG, prediction="v")))
    as_noise = SMCDPipeline.from_checkpoint(write_bundle(tmp_path / "e.safetensors"))
    v, noise = latents(as_v, request()), latents(as_noise, request())
    assert v.isfinite().all() and differ(v, noise) > 0.1


def test_encoding_then_decoding_takes_frames_to_frames_in_chunks(pipeline):
    frames = np.random.default_rng(0).integers(0, 256, (10, 16, 24, 3), dtype=np.uint8)
    encoded = pipeline.encode(frames)
    assert encoded.shape == (10, 4, 2, 3)
    assert differ(encoded[9:], pipeline.encode(frames[9:])) <= 1e-5
    assert pipeline.decode(encoded).shape == frames.shape


def test_first_frame_is_the_mean_of_the_posterior_times_the_scaling_factor(pipeline):
    frame = np.full((1, 16, 16, 3), 255, np.uint8)
    with torch.no_grad():
        expected = pipeline.vae.encode(torch.ones(1, 3, 16, 16)).latent_dist.mean * 0.25
    assert differ(pipeline.encode(frame), expected) <= 1e-6


# Conditions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue square"},
        {"image": picture(9)},
        {"trajectory": trajectory(phrase="blue square")},
        {"trajectory": trajectory(strength=0.5)},
        {"trajectory": trajectory(keys=[{"frame": 0, "box": [0.5, 0.5, 1, 1]}])},
        {"negative": "square"},
    ],
    ids=["prompt", "image", "phrase", "strength", "boxes", "negative prompt"],
)
def test_every_input_changes_the_video(pipeline, change):
    assert differ(latents(pipeline, request()), latents(pipeline, request(**change))) > 1e-4


NOTHING = {
    "no objects": trajectory(0),
    "disabled": trajectory(enabled=False),
    "off the frame": trajectory(keys=[{"frame": 0, "box": [1.5, 0, 2, 1]}]),
    "invisible": trajectory(keys=[{"frame": 0, "box": [0, 0, 1, 1], "visible": False}]),
}


@pytest.mark.parametrize("nothing", [*NOTHING, "strength 0"])
def test_boxes_dropped_equals_no_boxes(pipeline, nothing, monkeypatch):
    if nothing in NOTHING:  # refused at the door, see below
        monkeypatch.setattr(smcd_core.sampling.pipeline, "check_objects", lambda *_: None)
    dropped = latents(pipeline, request(use_boxes=False))
    none = NOTHING.get(nothing, trajectory(strength=0.0))
    assert differ(dropped, latents(pipeline, request(trajectory=none))) <= 1e-5
    assert differ(dropped, latents(pipeline, request())) > 1e-3


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_trajectory_with_nothing_to_move_is_refused_unless_boxes_are_dropped(pipeline, nothing):
    with pytest.raises(SMCDError, match="no enabled object: draw a box or enable one|no box is inside the frame"):
        pipeline.generate([request(trajectory=NOTHING[nothing])])
    assert len(pipeline.generate([request(trajectory=NOTHING[nothing], use_boxes=False)])) == 1


def test_an_object_without_a_phrase_is_refused(pipeline):
    with pytest.raises(SMCDError, match="object 1 of 2 has no phrase: say what is in its box"):
        pipeline.generate([request(trajectory=trajectory(2, phrase=" "))])


def test_a_scale_of_zero_ignores_its_condition(pipeline):
    no_boxes, no_image, no_text = (replace(Guidance(1, 1, 1), **{name: 0}) for name in ("boxes", "image", "text"))
    here, there = request(use_boxes=True), request(use_boxes=False)
    # text sits above boxes: with its scale at 0 too nothing is left of them
    assert differ(*(latents(pipeline, r, guidance=replace(no_boxes, text=0)) for r in (here, there))) <= 1e-5
    only_image = Guidance(text=0, boxes=0, image=0)
    assert differ(*(latents(pipeline, r, guidance=only_image) for r in (here, request(image=picture(5))))) <= 1e-5
    assert differ(*(latents(pipeline, r, guidance=no_text) for r in (here, request(prompt="blue")))) <= 1e-5
    assert differ(*(latents(pipeline, r, guidance=no_image) for r in (here, request(prompt="blue")))) > 1e-4


def test_guidance_of_one_costs_a_single_evaluation(pipeline):
    assert pipeline.tokens([request()], 3, 48, 32, Guidance(1, 1, 1))[1] == [1]


def test_released_guidance_keeps_boxes_and_image_in_both_branches(pipeline):
    tokens, weights = pipeline.tokens([request()], 3, 48, 32, Guidance(text=7.5))
    assert weights == [-6.5, 7.5]
    for name in ("first_frame", "box_tokens", "image_tokens"):
        assert torch.equal(*getattr(tokens, name).chunk(2))
    assert not torch.equal(*tokens.text.chunk(2))


def test_an_unheard_condition_costs_no_evaluation(tmp_path):
    config = replace(CONFIG, boxes=False, image_tokens="none", first_frame_concat=False)
    backbone = SMCDPipeline.from_checkpoint(write_bundle(tmp_path / "b.safetensors", config))
    assert backbone.conditions == {"text"}
    assert len(backbone.tokens([request()], 3, 48, 32, ALL)[1]) == 2
    assert torch.equal(latents(backbone, request()), latents(backbone, request(image=picture(7), use_boxes=False)))


def test_more_objects_than_slots_are_refused(pipeline):
    """Their number changes the result (SPEC, section 7), and the model never saw so many."""
    latents(pipeline, request(trajectory=trajectory(CONFIG.box_slots)))
    with pytest.raises(SMCDError, match="there are 5 objects, this model was trained with 3 at most: disable some"):
        pipeline.generate([request(trajectory=trajectory(5))])


def test_a_prompt_of_many_words_is_read_to_its_end(pipeline):
    long = "red " * 12
    words = [f"{long}circle", f"{long}square"]
    assert differ(*(latents(pipeline, request(prompt=prompt)) for prompt in words)) > 1e-4


def test_prompts_of_unequal_length_in_one_batch_equal_each_alone(pipeline):
    """Repeated tokens change no attention. Tolerance: another order of sums."""
    requests = [request(0), request(1, prompt="red " * 30, negative="blue " * 12)]
    together = latents(pipeline, *requests)
    assert differ(together, torch.cat([latents(pipeline, one) for one in requests])) <= 1e-4


def test_strength_scales_the_mask_and_boxes_are_clipped_in_float32(pipeline):
    half = deepcopy(pipeline)
    half.smcd.half(), half.vae.half(), half.text.half()
    outside = trajectory(strength=0.25, keys=[{"frame": 0, "box": [-1, 0.123456, 0.3, 2]}])
    tokens, _ = half.tokens([request(trajectory=outside)], 3, 48, 32, Guidance(1, 1, 1))
    assert tokens.box_tokens.dtype == torch.float16
    assert tokens.boxes_xyxy[0, 0].tolist() == torch.tensor([0, 0.123456, 0.3, 1]).tolist()
    assert tokens.box_mask[0].tolist() == [0.25, 0, 0]


# Files ---------------------------------------------------------------------------------------------------------------


def test_components_come_back_out_of_a_checkpoint_unchanged(bundle, tmp_path):
    torch.manual_seed(0)
    vae, text = tiny_vae(), tiny_text()
    path = tmp_path / "all.safetensors"
    write_checkpoint(path, CONFIG, read_checkpoint(bundle).weights, **pack_components(vae, text))
    vae_again, text_again = unpack_components(read_checkpoint(path))
    assert vae_again.config.scaling_factor == vae.config.scaling_factor
    assert all(
        torch.equal(a, b) for a, b in zip(vae.state_dict().values(), vae_again.state_dict().values(), strict=True)
    )
    texts = ["a red circle", "unknown words", ""]
    with torch.no_grad():
        assert torch.equal(text(texts), text_again(texts))


@pytest.mark.slow
def test_released_files_with_a_diffusers_folder_equal_the_bundle(bundle, tmp_path):
    write_released(tmp_path / "released", read_checkpoint(bundle))
    vae, text = unpack_components(read_checkpoint(bundle))
    vae.save_pretrained(tmp_path / "parts" / "vae")
    text.tokenizer.save_pretrained(tmp_path / "parts" / "tokenizer")
    text.model.save_pretrained(tmp_path / "parts" / "text_encoder")
    released = SMCDPipeline.from_checkpoint(tmp_path / "released", components=tmp_path / "parts")
    assert released.defaults == RELEASED_DEFAULTS
    sizes = dict(width=48, height=32, steps=2, guidance=ALL)
    video = released.generate([request()], **sizes)[0]
    assert np.array_equal(video, SMCDPipeline.from_checkpoint(bundle).generate([request()], **sizes)[0])


def test_a_text_to_video_pipeline_of_diffusers_animates_by_text(tmp_path):
    config = replace(CONFIG, boxes=False, image_tokens="none", first_frame_concat=False, num_heads=8, norm_groups=32)
    write_components(tmp_path)
    write_diffusers(tmp_path / "unet", bare(config))
    video = SMCDPipeline.from_checkpoint(tmp_path, components=tmp_path)(
        picture(), trajectory(), "a circle", width=16, height=16, steps=1
    )
    assert video.shape == (3, 16, 16, 3)


def test_a_checkpoint_without_vae_and_text_encoder_says_what_to_give(tmp_path):
    checkpoint = bare()
    write_checkpoint(tmp_path / "bare.safetensors", checkpoint.config, checkpoint.weights)
    with pytest.raises(CheckpointError, match="carries no VAE and no text encoder and no tokenizer.*--components"):
        SMCDPipeline.from_checkpoint(tmp_path / "bare.safetensors")


def test_components_may_come_from_a_checkpoint_that_has_them_inside(tmp_path):
    vae, text = load_components(write_bundle(tmp_path / "bundle.safetensors"))
    expected, expected_text = unpack_components(read_checkpoint(tmp_path / "bundle.safetensors"))
    assert all(torch.equal(value, vae.state_dict()[name]) for name, value in expected.state_dict().items())
    assert torch.equal(text(["a red circle"]), expected_text(["a red circle"]))
    write_checkpoint(tmp_path / "bare.safetensors", bare().config, bare().weights)
    with pytest.raises(CheckpointError, match="bare.safetensors: carries no VAE"):
        load_components(tmp_path / "bare.safetensors")


def test_a_folder_without_components_says_what_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="no folder vae and no folder tokenizer.*text-to-video-ms-1.7b"):
        load_components(tmp_path)
    write_components(tmp_path)
    (tmp_path / "vae" / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="vae: is no AutoencoderKL"):
        load_components(tmp_path)


def test_networks_of_different_widths_are_refused(tmp_path):
    path = write_bundle(tmp_path / "wide.safetensors", replace(CONFIG, context_dim=64))
    with pytest.raises(CheckpointError, match="text tokens of width 64, the text encoder gives 32"):
        SMCDPipeline.from_checkpoint(path)


def test_an_image_encoder_of_another_width_is_refused(tmp_path):
    path = write_bundle(tmp_path / "narrow.safetensors", replace(CONFIG, image_encoder_channels=(16, 24)))
    with pytest.raises(CheckpointError, match="image tokens of width 32, the image encoder gives 24"):
        SMCDPipeline.from_checkpoint(path)


@pytest.mark.parametrize(
    "defaults",
    [
        {"size": 3},
        {"width": "big"},
        {"steps": 2.5},
        {"text": True},
        [8],
        {"width": 10**9},
        {"height": 0},
        {"frames": 5000},
        {"steps": -1},
        {"fps": 0},
        {"text": 1e9},
        {"image": float("nan")},
        {"fps": float("inf")},
        {"start": 0},
        {"start_inside": 1.5},
    ],  # fmt: skip
)
def test_malformed_defaults_are_refused(bundle, defaults):
    checkpoint = replace(read_checkpoint(bundle), info={"defaults": defaults})
    with pytest.raises(CheckpointError, match="defaults"):
        read_defaults(checkpoint)


def test_a_pipeline_reads_the_defaults_of_its_checkpoint(bundle):
    checkpoint = replace(read_checkpoint(bundle), info={"defaults": {"steps": -1}})
    with pytest.raises(CheckpointError, match="defaults"):
        SMCDPipeline.from_pretrained(bundle, checkpoint=checkpoint)


def test_a_text_encoder_that_does_not_fit_its_configuration_is_refused(bundle, tmp_path):
    checkpoint = read_checkpoint(bundle)
    broken = replace(checkpoint.text_encoder, config=checkpoint.text_encoder.config | {"num_hidden_layers": 2})
    write_checkpoint(
        tmp_path / "x.safetensors", CONFIG, checkpoint.weights, vae=checkpoint.vae, text_encoder=broken,
        tokenizer=checkpoint.tokenizer,
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="VAE or text encoder inside it cannot be built"):
        SMCDPipeline.from_checkpoint(tmp_path / "x.safetensors")


# Wrong input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 50}, "width is 50, expected a multiple of 16 pixels: use 48"),
        ({"height": 0}, "height is 0, expected a multiple of 16 pixels: use 16"),
        ({"steps": 0}, "steps is 0, expected 1 to 1000"),
        ({"num_frames": 5000}, "num_frames is 5000"),
        ({"steps": 2.5}, "steps is 2.5, expected 1 to 1000"),
        ({"sampler": "euler"}, "sampler is 'euler', expected one of ddim, dpm-solver"),
        ({"guided": 1.5}, "guided is 1.5, expected 0 to 1"),
        ({"start": 0.0}, "start is 0.0, expected more than 0, up to 1"),
        ({"start_inside": 1.2}, "start_inside is 1.2, expected more than 0, up to 1"),
        ({"guidance": Guidance(float("nan"))}, "the guidance scale of text is nan"),
        ({"fps": 0}, "fps is 0, expected 0.01 to 1000"),
    ],
)
def test_settings_that_cannot_be_are_refused(pipeline, settings, message):
    assert pipeline.multiple == MULTIPLE
    with pytest.raises(ValueError, match=message):
        pipeline.generate([request()], **settings)


def test_trajectories_of_different_lengths_are_refused(pipeline):
    with pytest.raises(ValueError, match=r"have \[3, 4\] frames"):
        pipeline.generate([request(), request(trajectory=trajectory(frames=4))])


def test_a_checkpoint_that_makes_any_shape_makes_that_of_the_picture(bundle):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    pipeline.defaults = pipeline.defaults | {"area": 48 * 32}
    wide = request()
    high = replace(wide, image=np.rot90(picture()).copy())
    assert pipeline.generate([wide], steps=1)[0].shape == (3, 32, 48, 3)
    assert pipeline.generate([high], steps=1)[0].shape == (3, 48, 32, 3)
    with pytest.raises(SMCDError, match="would be 32 x 48, 48 x 32, as their images are: give width and height"):
        pipeline.generate([wide, high], steps=1)


def test_requests_of_other_lengths_are_refused(pipeline):
    longer = request(trajectory=trajectory(frames=5))
    with pytest.raises(SMCDError, match=r"have \[3, 5\] frames, expected one length: give num_frames"):
        pipeline.generate([request(), longer], steps=1)


def test_no_request_is_refused(pipeline):
    with pytest.raises(SMCDError, match="there are no requests"):
        pipeline.generate([])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_video_of_nan_is_an_error_that_names_the_type_and_the_remedy(pipeline, value, monkeypatch):
    """It would be black frames."""
    half = deepcopy(pipeline)
    monkeypatch.setattr(half, "denoise", lambda noise, *_, **__: noise.index_fill(0, torch.tensor([1]), value))
    half.smcd.half()
    with pytest.raises(SMCDError, match="NaN in float16: use --dtype bfloat16 or float32"):
        half.generate([request()])


def test_half_precision_is_bfloat16_where_the_gpu_has_it(monkeypatch):
    for has_it, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has_it=has_it: has_it)
        assert pick_dtype("cuda:1") == expected
    assert pick_dtype("cpu") == pick_dtype("mps") == torch.float32


@pytest.mark.parametrize("side, frames", [(64, 8), (256, 8), (512, 2), (768, 1), (2048, 1)])
def test_the_vae_takes_fewer_large_frames_at_once(side, frames):
    assert frames_at_once(side, side) == frames


def test_only_frames_beyond_the_limit_go_through_the_vae_in_tiles(pipeline, monkeypatch):
    vae, sizes = pipeline.vae, []
    latents, frames = torch.randn(1, 4, 6, 8), np.zeros((1, 48, 64, 3), np.uint8)
    whole = pipeline.decode(latents)
    monkeypatch.setattr("smcd_core.weights.components.TILE", 32)
    hooks = [
        part.register_forward_pre_hook(lambda _, given: sizes.append(given[0].shape[2:]))
        for part in (vae.encoder, vae.decoder)
    ]
    try:
        for limit, largest in ((48 * 64, [(48, 64), (6, 8)]), (48 * 64 - 1, [(32, 32), (4, 4)])):
            monkeypatch.setattr("smcd_core.weights.components.WHOLE_PIXELS", limit)
            sizes.clear()
            assert pipeline.encode(frames).shape == latents.shape and pipeline.decode(latents).shape == frames.shape
            assert sizes[0] == largest[0] and largest[1] in sizes and max(sizes) == largest[0]
    finally:
        for hook in hooks:
            hook.remove()
    monkeypatch.undo()
    assert np.array_equal(pipeline.decode(latents), whole) and not vae.use_tiling


def made_as(**settings):
    defaults = dict(num_frames=8, width=64, height=64, fps=8, steps=2, guidance=Guidance(text=2))
    return Settings(**defaults | settings)


@pytest.mark.parametrize("widths", [[128, 256, 512, 512], [32, 64, 64, 64]])
def test_the_memory_estimate_of_decoding_is_what_the_vae_holds(pipeline, widths, monkeypatch):
    """Without arithmetic, on the device "meta"; attention is fused on all others."""
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda q, *_, **__: torch.empty_like(q))
    levels = dict(down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    with torch.device("meta"):
        vae = AutoencoderKL(block_out_channels=widths, layers_per_block=2, latent_channels=4, **levels).eval()
        latents = torch.empty(8, 4, 32, 32)
    with torch.no_grad(), LiveTensors([latents, *vae.parameters()]) as live:
        vae.decode(latents)
    large = SMCDPipeline(pipeline.smcd, vae, pipeline.text)
    need = memory_of(large, made_as(num_frames=20, width=256, height=256))
    assert need.work == pytest.approx(4 * live.peak, rel=0.02)


def test_the_memory_estimate_counts_weights_and_what_grows_with_the_video(pipeline):
    networks = (pipeline.smcd, pipeline.vae, pipeline.text)
    weights = [sum(x.nbytes for x in network.parameters()) for network in networks]
    small, long, wide, windowed = (
        memory_of(pipeline, made_as(**more))
        for more in ({}, {"num_frames": 800}, {"width": 4096, "height": 4096}, {"num_frames": 800, "window": 8})
    )
    assert small.weights == sum(weights) and windowed.work == small.work < long.work and small.work < wide.work
    offloaded = SMCDPipeline(*networks)
    offloaded._offload = Offload("cuda")
    assert memory_of(offloaded, made_as()).weights in weights


def test_networks_take_turns_on_the_device(pipeline, bundle, monkeypatch):
    """The device is the CPU here, with copies of the weights for it."""
    offloaded, moves = SMCDPipeline.from_checkpoint(bundle), []
    offloaded._offload = Offload("cuda")
    offloaded._offload.device = torch.device("cpu")
    homes = [parameter.data_ptr() for parameter in offloaded.smcd.parameters()]

    def to(name, network, where):
        moves.append(name if where is offloaded._offload.device else "home")
        for parameter in network.parameters():
            parameter.data = parameter.data.clone() if moves[-1] == name else parameter.data

    for name in ("text", "smcd", "vae"):
        network = getattr(offloaded, name)
        monkeypatch.setattr(network, "to", partial(to, name, network))
    given = dict(steps=2, guidance=ALL, guided=0.5, start=0.9)
    found, expected = (torch.tensor(made.generate([request()], **given)[0]).float() for made in (offloaded, pipeline))
    assert differ(found, expected) <= 1  # weights at other addresses: sums in another order
    assert moves == ["text", "home", "vae", "home", "vae", "home", "smcd", "home", "vae", "home"]
    assert [parameter.data_ptr() for parameter in offloaded.smcd.parameters()] == homes
    moves.clear()
    with pytest.raises(ZeroDivisionError):
        offloaded.generate([request()], steps=2, callback=lambda *_: 1 / 0)
    assert moves == ["text", "home", "vae", "home", "smcd", "home"]


def test_offload_beside_main_memory_is_refused_and_moving_ends_it(bundle):
    with pytest.raises(
        SMCDError, match="^offload moves networks between main memory and a GPU, but the device is cpu: "
    ):
        SMCDPipeline.from_pretrained(bundle, device="cpu", offload=True)
    offloaded = SMCDPipeline.from_checkpoint(bundle)
    offloaded._offload = Offload("cuda:1")
    assert offloaded.to(torch.float32).device == torch.device("cuda:1")
    assert offloaded.to("cpu").device == torch.device("cpu")


@pytest.mark.parametrize(
    "device, change, message",
    [
        ("cpu", ("os.environ", {"CXX": "none-such"}), "compile needs the C\\+\\+ compiler none-such: install it"),
        (
            "cuda",
            ("smcd_core.sampling.devices.find_spec", lambda name: None),
            "compile needs triton on cuda: install it",
        ),
    ],
)
def test_without_a_compiler_nothing_is_compiled(device, change, message, monkeypatch):
    monkeypatch.setattr(*change)
    with pytest.raises(SMCDError, match=message):
        check_compiler(device)


@pytest.mark.slow
def test_a_compiled_pipeline_makes_the_same_video(pipeline, bundle):
    """Traced as every backend has it; "eager" then runs the trace without compiling it."""
    compiled = SMCDPipeline.from_checkpoint(bundle).compile(backend="eager")
    given = dict(steps=2, output="latents", reuse_features=True)
    found, expected = (made.generate([request()], **given)[0] for made in (compiled, pipeline))
    assert differ(found, expected) <= 1e-4


def test_an_image_of_floats_is_refused(pipeline):
    with pytest.raises(ValueError, match=r"the image is float32 \[8, 8, 3\], expected uint8"):
        pipeline.generate([request(image=np.zeros((8, 8, 3), np.float32))])


def test_a_grey_or_transparent_picture_is_taken(pipeline):
    for mode in ("L", "RGBA", "P"):
        assert latents(pipeline, request(image=Image.new(mode, (20, 30)))).isfinite().all()


def test_defaults_of_the_released_model_fit_it():
    assert RELEASED_DEFAULTS["width"] % (8 * SMCDConfig().stride) == 0
    assert Guidance(**{name: RELEASED_DEFAULTS[name] for name in ("text", "boxes", "image")}) == Guidance()


# Speed ---------------------------------------------------------------------------------------------------------------


def test_branches_that_differ_in_their_text_share_what_comes_before_it(pipeline):
    rows = []
    first_block = pipeline.smcd.unet.input_blocks[0][0].register_forward_hook(lambda _m, _x, out: rows.append(len(out)))
    try:
        text_only, all_scales = (latents(pipeline, request(), guidance=g, steps=1) for g in (Guidance(3.0), ALL))
    finally:
        first_block.remove()
    assert rows == [3, 4 * 3]  # one of two branches, and all four; three frames each
    tokens, weights = pipeline.tokens([request()], 3, DEFAULTS["width"], DEFAULTS["height"], Guidance(3.0))
    noise = noise_of(0, (3, 4, 4, 6))
    apart = pipeline.denoise(noise, replace(tokens, copies=1), weights, 1)
    torch.testing.assert_close(text_only[0], apart, atol=2e-5, rtol=0)


def test_steps_without_guidance_take_one_evaluation(pipeline):
    rows = []
    whole = pipeline.smcd.register_forward_hook(lambda _m, _x, out: rows.append(len(out)))
    try:
        pipeline.generate([request()], steps=5, guidance=ALL, guided=0.5, sampler="dpm-solver++")
    finally:
        whole.remove()
    assert rows == [4 * 3] * 3 + [3] * 2  # four branches, then one; three frames each


def test_the_guided_share_is_of_the_steps_that_are_run():
    """DDIM runs 63 of 60 steps, the other sampler what it is asked for."""
    settings = Settings.of(RELEASED_DEFAULTS, steps=60, guided=0.5)
    assert settings.guided_steps == 32
    assert replace(settings, sampler="dpm-solver++").guided_steps == 30


def test_a_video_can_start_from_the_image_with_its_boxes_moved(pipeline):
    rows, asked = [], request()
    whole = pipeline.smcd.register_forward_hook(lambda _m, _x, out: rows.append(len(out)))
    try:
        video = pipeline.generate([asked], steps=5, guidance=ALL, guided=0.8, start=0.4)[0]
        pipeline.generate([asked, asked], steps=5, guidance=Guidance(1), start=0.6, start_inside=0.2, fast=True)
    finally:
        whole.remove()
    assert rows == [4 * 3, 3, 2 * 3, 2 * 3, 2 * 3]  # of five steps the last two, the fourth guided; then the last three
    guide, mask = animatic(resized(asked.image, 48, 32), asked.trajectory, 3)
    assert guide.shape == video.shape and mask[2, 16, 34] == 1 and mask[0, 16, 34] == 0
    settings = Settings.of(pipeline.defaults, asked.trajectory, start=0.5)
    start = start_of([asked], settings, pipeline.encode)
    assert torch.equal(start.guide, pipeline.encode(guide)) and start.shares == (0.5, 0.5)
    assert start.inside.shape == (3, 1, *start.guide.shape[2:])
    still = start_of([replace(asked, use_boxes=False)], settings, pipeline.encode)
    assert torch.equal(still.guide[2], still.guide[0]) and not still.inside.any()
    assert np.array_equal(
        pipeline.generate([asked], steps=2)[0], pipeline.generate([asked], steps=2, start=1.0, start_inside=1.0)[0]
    )


def test_a_checkpoint_says_where_its_videos_start_unless_the_user_does():
    defaults = {**RELEASED_DEFAULTS, "start": 0.4, "start_inside": 0.2}
    assert Settings.of(RELEASED_DEFAULTS).starts is None
    assert Settings.of(defaults).starts == (0.4, 0.2)
    assert Settings.of(defaults, start_inside=0.3).starts == (0.4, 0.3)
    assert Settings.of(defaults, start=0.6).starts == (0.6, 0.6)
    noisy = Settings.of(defaults, start=1.0)
    assert noisy.starts is None
    assert from_noise(defaults, noisy)[0].startswith(
        "objects may dissolve in their boxes: the video starts from noise, this checkpoint is made to start from the "
    )
    assert from_noise(defaults, Settings.of(defaults)) == from_noise(RELEASED_DEFAULTS, noisy) == []


def test_what_the_user_may_not_expect_is_a_warning(bundle, recwarn):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    pipeline.defaults = {**pipeline.defaults, "start": 0.5}
    how = dict(steps=2, output="latents")

    def said(**given):
        recwarn.clear()
        asked = request()
        pipeline(asked.image, asked.trajectory, asked.prompt, **how, **given)
        return [str(warning.message) for warning in recwarn if warning.category is UserWarning]

    noise = (
        "objects may dissolve in their boxes: the video starts from noise, this checkpoint is made to start from the"
    )
    unheard = "the negative prompt has no effect: it counts only with text guidance (text) above 1"
    assert said(text=2.0, negative="grey") == said(text=1.0) == []
    (line,) = said(scheduler="DDIMScheduler")
    assert line.startswith(noise)
    assert said(text=1.0, negative="grey") == [unheard]


def test_a_scheduler_begins_with_noise_whatever_the_checkpoint_says(bundle):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    pipeline.defaults = {**pipeline.defaults, "start": 0.5}
    video = pipeline.generate([request()], steps=2, scheduler="DDIMScheduler")[0]
    pipeline.defaults = {**pipeline.defaults, "start": 1.0}
    assert np.array_equal(video, pipeline.generate([request()], steps=2, scheduler="DDIMScheduler")[0])


def test_every_second_step_can_take_the_deep_features_of_the_one_before(pipeline):
    unet, deep = pipeline.smcd.unet, []
    parts = [unet.input_blocks, unet.middle_block, unet.output_blocks]
    middle = unet.middle_block[0].register_forward_hook(lambda *_: deep.append(1))
    try:
        whole = pipeline.generate([request()], steps=4)[0]
        assert len(deep) == 4
        reused = pipeline.generate([request()], steps=4, reuse_features=True)[0]
        assert len(deep) == 4 + 2
        pipeline.generate([request()], steps=5, guidance=ALL, guided=0.5, reuse_features=True)
        assert len(deep) == 4 + 2 + 3  # whole, reused, whole; without guidance whole, reused
    finally:
        middle.remove()
    assert [unet.input_blocks, unet.middle_block, unet.output_blocks] == parts
    assert not np.array_equal(reused, whole) and np.abs(reused.astype(int) - whole).mean() < 20
    assert np.array_equal(pipeline.generate([request()], steps=4)[0], whole)  # nothing is left behind


@pytest.mark.slow
@torch.no_grad()
def test_the_network_compiles_as_one_graph():
    """Traced as every backend has it; "eager" then runs the trace without compiling it."""
    config = replace(system_config("zc+gca", SMALL, coverage_bias=True), channel_mult=(1,), num_res_blocks=1)
    smcd = SMCD(config).eval()
    text, boxes = torch.randn(2, 5, config.context_dim), torch.tensor([0.1, 0.2, 0.6, 0.7]).expand(2, 3, 1, 4)
    phrases, first = torch.randn(2, 1, config.phrase_dim), torch.randn(1, 4, 8, 8).repeat(2, 1, 1, 1)
    tokens = replace(smcd.encode(Inputs(text, 3, boxes, boxes[..., 0].ceil(), phrases, first)), copies=2)
    x, t = torch.randn(3, 4, 8, 8).repeat(2, 1, 1, 1), torch.tensor([900, 900])
    compiled = torch.compile(smcd, backend="eager", fullgraph=True)  # fullgraph: a break is an error
    torch.testing.assert_close(compiled(x, t, tokens), smcd(x, t, tokens), atol=2e-5, rtol=0)


@pytest.mark.slow
@torch.no_grad()
def test_an_exported_network_takes_any_height_and_width_that_the_stride_divides():
    config = replace(system_config("zc+gca", SMALL), channel_mult=(1, 2), attention_scales=(0.5,))
    unet = SMCD(config).eval().unet

    class Plain(torch.nn.Module):  # a dataclass is no input of an exported program
        def __init__(self):
            super().__init__()
            self.unet = unet

        def forward(self, x, t, text, boxes, image):
            return self.unet(x, t, Tokens(text, 2, box_tokens=boxes, image_tokens=image))

    text, boxes, image = torch.randn(1, 7, 128), torch.randn(2, 4, 128), torch.randn(1, 6, 128)
    height, width = (config.stride * torch.export.Dim(name, min=2, max=64) for name in ("height", "width"))
    given = (torch.randn(2, 8, 8, 16), torch.tensor([500]), text, boxes, image)
    exported = torch.export.export(Plain(), given, dynamic_shapes=({2: height, 3: width}, None, None, None, None))
    other = torch.randn(2, 8, 12, 6)
    torch.testing.assert_close(exported.module()(other, *given[1:]), Plain()(other, *given[1:]), atol=2e-5, rtol=0)


class OnOneDevice(TorchDispatchMode):
    """Refuses copies between devices."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default:
            assert out.device == args[0].device, f"{args[0].device} to {out.device}"
        return out


@pytest.mark.parametrize(
    "sampler", [pytest.param(name, marks=[pytest.mark.slow] * (name != "ddim")) for name in SAMPLERS]
)
def test_no_step_waits_for_the_device(pipeline, sampler):
    """On the device "meta" no number is ever known: whatever asks for one fails, as it would wait on a GPU."""
    tokens, weights = pipeline.tokens([request()], 3, DEFAULTS["width"], DEFAULTS["height"], ALL)
    noise = noise_of(0, (3, 4, 4, 6)).to("meta")
    on_meta = copy(pipeline)
    on_meta.smcd = deepcopy(pipeline.smcd).to("meta")
    in_steps = []

    def progress(done, total):
        if done == 1:
            in_steps.append(OnOneDevice().__enter__())

    try:
        assert on_meta.denoise(noise, tokens.to("meta"), weights, 4, progress, sampler=sampler).is_meta
    finally:
        in_steps.pop().__exit__(None, None, None)


# Mistakes in Python --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", ["a.png", Path("a.png"), torch.zeros(8, 8, 3), None])
def test_an_image_that_is_none_is_refused_by_what_it_is(pipeline, image):
    said = "'a.png', expected .*: open it with PIL.Image.open" if str(image) == "a.png" else "a (Tensor|NoneType), exp"
    with pytest.raises(SMCDError, match=f"the image is {said}"):
        pipeline(image, trajectory(), "a dog")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"version": 1}, "trajectory is a dict, expected a Trajectory: smcd_core.parse_trajectory makes one"),
        ("a.json", "trajectory is a str, expected a Trajectory: smcd_core.read_trajectory makes one"),
        (Path("a.csv"), "smcd_core.read_trajectory makes one"),
    ],
)
def test_boxes_that_were_not_read_are_refused(pipeline, given, said):
    with pytest.raises(SMCDError, match=said):
        pipeline(picture(), given, "a dog")
    with pytest.raises(SMCDError, match=said):
        Request(picture(), given, "a dog")


@pytest.mark.parametrize(
    ("keyword", "near"),
    [
        ("sead", "seed"),
        ("step", "steps"),
        ("frames", "num_frames"),
        ("widht", "width"),
        ("multiple", None),
        ("q", None),
    ],
)
def test_an_unknown_keyword_names_the_nearest(pipeline, keyword, near):
    said = f"there is no keyword '{keyword}'" + (f": did you mean '{near}'\\?$" if near else "$")
    with pytest.raises(TypeError, match=said):
        pipeline(picture(), trajectory(), "a dog", **{keyword: 1})
    with pytest.raises(TypeError, match=said):
        pipeline.generate([request()], **{keyword: 1})


def test_without_a_prompt_the_phrases_are_it(pipeline):
    boxes = trajectory(2)
    named = " and ".join(dict.fromkeys(track.phrase for track in boxes.objects))
    ours, theirs = (pipeline(picture(), boxes, *prompt, steps=2) for prompt in ([], [named]))
    np.testing.assert_array_equal(ours, theirs)
