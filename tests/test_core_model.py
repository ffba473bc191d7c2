"""The networks give the numbers of the published ones."""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from live_tensors import LiveTensors
from reference import CONFIGS, close, load, released_weights, tensors

from smcd_core.networks.conditions import Conditions
from smcd_core.networks.config import SMALL, SMCDConfig, system_config
from smcd_core.networks.image import ImageEncoder
from smcd_core.networks.in_parts import AT_ONCE, work_in_parts
from smcd_core.networks.motion import BoxEncoder, GatedSelfAttention, fourier_features
from smcd_core.networks.peak import peak_activations
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.networks.unet import ControlNet, DeepFeatures, UNet3D

INPUTS = tensors("inputs")
OUTPUTS = tensors("outputs")


def frames(x):
    return rearrange(x, "b c f h w -> (b f) c h w")


def box_encoder():
    return load(BoxEncoder(32, 1024, dtype=None, device=None, operations=torch.nn), tensors("weights_position_net"))


@cache
def unet(variant, in_parts=False):
    network = load(UNet3D(CONFIGS[variant]), released_weights(variant))
    if in_parts:
        work_in_parts(network)
    return network


@torch.no_grad()
def box_tokens(null=False):
    boxes, mask, phrases = INPUTS["boxes"], INPUTS["masks"], INPUTS["phrase"]
    if null:
        boxes, mask, phrases = torch.zeros_like(boxes), torch.zeros_like(mask), torch.zeros_like(phrases)
    return box_encoder()(boxes, mask, phrases)


def noisy(batch, concat):
    x = INPUTS["x4"][:batch]
    if concat:
        first = INPUTS["first_latent"][:batch, :, None].expand(-1, -1, x.shape[2], -1, -1)
        x = torch.cat([x, first], dim=1)
    return frames(x)


@torch.no_grad()
def predict(variant, batch, in_parts=False, **conditions):
    concat = CONFIGS[variant].first_frame_concat
    conditions = Conditions(INPUTS["text"][:batch], 3, **conditions)
    out = unet(variant, in_parts)(noisy(batch, concat), INPUTS["t"][:batch], conditions)
    return rearrange(out, "(b f) c h w -> b c f h w", f=3)


CASES = {
    "backbone.b1": ("backbone", 1, lambda: {}),
    "backbone.b2": ("backbone", 2, lambda: {}),
    "mim.b1": ("mim", 1, lambda: {"box_tokens": box_tokens()[:3]}),
    "mim.b2": ("mim", 2, lambda: {"box_tokens": box_tokens()}),
    "mim.b1_null": ("mim", 1, lambda: {"box_tokens": box_tokens(null=True)[:3]}),
    "smcd.b1": ("smcd", 1, lambda: {"box_tokens": box_tokens()[:3], "image_tokens": INPUTS["visual_tokens"][:1]}),
    "smcd.b2": ("smcd", 2, lambda: {"box_tokens": box_tokens(), "image_tokens": INPUTS["visual_tokens"]}),
    "smcd.b1_null": (
        "smcd",
        1,
        lambda: {"box_tokens": box_tokens(null=True)[:3], "image_tokens": INPUTS["visual_tokens"][:1]},
    ),
    "smcd.b1_slots3": (
        "smcd",
        1,
        lambda: {"box_tokens": box_tokens()[:3, :3], "image_tokens": INPUTS["visual_tokens"][:1]},
    ),
    "smcd.b1_nogrounding": ("smcd", 1, lambda: {}),
    "smcd.b1_emptydict": ("smcd", 1, lambda: {"image_tokens": INPUTS["visual_tokens"][:1]}),
    "parallel.b1": (
        "parallel",
        1,
        lambda: {"box_tokens": box_tokens()[:3], "image_tokens": INPUTS["visual_tokens"][:1]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_unet_equals_the_published_one(case):
    variant, batch, conditions = CASES[case]
    assert close(predict(variant, batch, **conditions()), OUTPUTS[case])


@pytest.mark.parametrize("at_once", [200, *(pytest.param(many, marks=pytest.mark.slow) for many in (1, 100, 2048))])
@pytest.mark.parametrize("case", ["smcd.b2", "parallel.b1"])
def test_a_forward_in_parts_equals_the_published_one(case, at_once, monkeypatch):
    monkeypatch.setitem(AT_ONCE, "cpu", at_once)  # less than a frame, a frame, two of three frames, all
    variant, batch, conditions = CASES[case]
    assert close(predict(variant, batch, in_parts=True, **conditions()), OUTPUTS[case])


@torch.no_grad()
@pytest.mark.parametrize("boxes", [1, 4, 8])
def test_rows_of_the_coverage_bias_are_aligned_for_fused_attention(boxes):
    """torch copies a mask for its memory-efficient attention unless its rows are a multiple of 8 numbers apart."""
    gate = GatedSelfAttention(32, 16, 2, 16, True, dtype=None, device=None, operations=torch.nn)
    x, coverage = torch.zeros(2, 36, 32), torch.rand(2, 36, boxes)
    bias = gate._score_bias(coverage, x)
    assert bias.shape == (2, 1, 36, 36 + boxes) and all(stride % 8 == 0 for stride in bias.stride()[:-1])
    assert not bias[..., :36].any()
    torch.testing.assert_close(bias[:, 0, :, 36:], (coverage + 2e-3).log() + math.log(36 / boxes))


@torch.no_grad()
def test_parts_of_a_network_with_coverage_bias_equal_the_whole(monkeypatch):
    config = system_config("zc+gca", SMALL, coverage_bias=True)
    smcd = SMCD(config).eval()
    for parameter in smcd.parameters():
        parameter.normal_(0, 0.1)
    corners = torch.rand(2, 3, 2, 2, 2).sort(dim=-2).values.flatten(-2)  # [B, F, N, 4]
    text, phrases = torch.randn(2, 5, config.context_dim), torch.randn(2, 2, config.phrase_dim)
    inputs = Inputs(text, 3, corners, torch.ones(2, 3, 2), phrases, torch.randn(2, 4, 8, 8))
    tokens, x, t = smcd.encode(inputs), torch.randn(6, 4, 8, 8), torch.tensor([900, 20])
    whole = smcd(x, t, tokens)
    work_in_parts(smcd)
    monkeypatch.setitem(AT_ONCE, "cpu", 70)
    assert close(smcd(x, t, tokens), whole)


@pytest.mark.parametrize(
    "at_once",
    [
        pytest.param(None, id="whole"),
        pytest.param(2048, id="at once", marks=pytest.mark.slow),
        pytest.param(200, id="in parts"),
        pytest.param(100, id="frame by frame", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("copies", [1, 2], ids=["everything twice", "the prefix once"])
@torch.no_grad()
def test_guidance_pair_in_one_batch_equals_the_published_one(copies, at_once, monkeypatch):
    monkeypatch.setitem(AT_ONCE, "cpu", at_once)
    twice = lambda x: torch.cat([x, x])  # noqa: E731
    boxes, image = twice(box_tokens()[:3]), twice(INPUTS["visual_tokens"][:1])
    conditions = Conditions(INPUTS["text"], 3, box_tokens=boxes, image_tokens=image, copies=copies)
    network = unet("smcd", in_parts=at_once is not None)
    out = network(twice(noisy(1, concat=True)), twice(INPUTS["t"][:1]), conditions)
    assert close(rearrange(out, "(b f) c h w -> b c f h w", f=3), OUTPUTS["smcd.b2_cfg"])


@pytest.mark.parametrize("system", ["backbone", "zc+gca", "zc+ctrlnet"])
@pytest.mark.parametrize("levels", [1, 3])
@torch.no_grad()
def test_deep_features_of_the_same_input_give_the_same_output(system, levels):
    torch.manual_seed(0)
    smcd = SMCD(replace(system_config(system, SMALL), channel_mult=(1, 2, 3)[:levels])).eval()
    text, first = torch.randn(2, 5, 128), torch.randn(1, 4, 8, 8).repeat(2, 1, 1, 1)
    conditions = replace(smcd.encode(Inputs(text, 3, first_frame=first)), copies=2)
    x, t, deep, ran = torch.randn(3, 4, 8, 8).repeat(2, 1, 1, 1), torch.tensor([900, 900]), DeepFeatures(), []
    smcd.unet.middle_block[0].register_forward_hook(lambda *_: ran.append(1))
    whole = smcd(x, t, conditions, deep=deep)
    assert torch.equal(whole, smcd(x, t, conditions))
    assert torch.equal(whole, smcd(x, t, conditions, deep=deep)) and len(ran) == 2


@torch.no_grad()
def test_eight_frames_equal_the_published_ones():
    x = INPUTS["x4_f8"]
    x = torch.cat([x, INPUTS["first_latent_f8"][:, :, None].expand_as(x)], dim=1)
    tokens = box_tokens()[[0, 1, 2, 3, 4, 5, 0, 1]]
    conditions = Conditions(INPUTS["text"][:1], 8, box_tokens=tokens, image_tokens=INPUTS["visual_tokens"][:1])
    out = unet("smcd")(frames(x), INPUTS["t"][:1], conditions)
    assert close(rearrange(out, "(b f) c h w -> b c f h w", f=8), OUTPUTS["smcd.f8"])


@torch.no_grad()
def test_control_net_and_its_unet_equal_the_published_ones():
    x = noisy(2, concat=False)
    control_net = load(ControlNet(CONFIGS["control"]), released_weights("controlnet"))
    features = control_net(x, INPUTS["first_latent"], INPUTS["t"], INPUTS["text"], 3)
    assert len(features) == 8
    for index, feature in enumerate(features):
        expected = OUTPUTS[f"controlnet.feat.{index}"]
        assert close(feature[: len(expected)], expected)
    conditions = Conditions(INPUTS["text"], 3, box_tokens=box_tokens())
    out = unet("control")(x, INPUTS["t"], conditions, control=features)
    assert close(rearrange(out, "(b f) c h w -> b c f h w", f=3), OUTPUTS["control.b2"])


@pytest.mark.parametrize(
    "frames, side, at_once, changes",
    [
        (8, 32, AT_ONCE["cpu"], {}),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (16, 16, AT_ONCE["cpu"], {}),
                (16, 32, 2**16, {}),
                (32, 64, 2**16, {}),
                (8, 32, AT_ONCE["cpu"], {"image_tokens": "none", "control": True}),
                (32, 64, 2**16, {"image_tokens": "none", "control": True}),
            ]
        ),
    ],
)
@torch.no_grad()
def test_the_memory_estimate_is_what_a_forward_holds_and_a_tenth_at_most(frames, side, at_once, changes, monkeypatch):
    """Released sizes, without arithmetic: on the device "meta" tensors have sizes only."""
    # Fused attention, as on all devices, has no scores in memory; that of "meta" has.
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda q, k, v, attn_mask: torch.empty_like(q))
    monkeypatch.setitem(AT_ONCE, "meta", at_once)
    config = replace(SMCDConfig(), **changes)
    smcd = SMCD(config, device="meta")
    work_in_parts(smcd)
    size = lambda *shape: torch.empty(shape, device="meta")  # noqa: E731
    length = min(frames, 8)
    videos, latents = frames // length, size(frames, 4, side, side)
    boxes, first = size(frames, 8, 1024), size(videos, 4, side, side)
    conditions = Conditions(size(videos, 77, 1024), length, first, boxes, size(videos, 16, 1024), hint=first)
    given = [x for x in (*vars(conditions).values(), latents, *smcd.parameters()) if isinstance(x, torch.Tensor)]
    with LiveTensors(given) as live:
        smcd(latents, torch.full((videos,), 500, device="meta"), conditions)
    estimate = peak_activations(config, frames, side * side, "meta", videos=videos)
    assert live.peak <= estimate <= 1.1 * live.peak


def test_box_tokens_equal_the_published_ones():
    assert close(fourier_features(INPUTS["boxes"]), OUTPUTS["position_net.fourier"])
    assert close(box_tokens()[:, :4], OUTPUTS["position_net.out"])
    assert close(box_tokens(null=True)[:1, :1], OUTPUTS["position_net.out_null"])


@pytest.mark.parametrize(
    "latent, expected", [("ve_in", "tokens"), ("ve_in_rect", "tokens_rect"), (None, "tokens_zero")]
)
@torch.no_grad()
def test_image_tokens_equal_the_published_ones(latent, expected):
    encoder = load(
        ImageEncoder(4, (16, 24, 32, 40), 3, dtype=None, device=None, operations=torch.nn),
        tensors("weights_visual_encoder"),
    )
    latent = torch.zeros(1, 4, 32, 32) if latent is None else INPUTS[latent]
    assert close(encoder(latent), OUTPUTS[f"visual_encoder.{expected}"])
