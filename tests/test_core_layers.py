"""Each layer gives the numbers of the published one, and the gates leave the backbone alone until they open."""

import re
from dataclasses import replace
from functools import cache

import pytest
import torch
from einops import rearrange
from reference import CONFIGS, close, load, released_weights, tensors
from test_core_model import INPUTS, box_tokens, noisy

from smcd_core.networks import in_parts
from smcd_core.networks.attention import Attention, FeedForward
from smcd_core.networks.blocks import (
    Downsample,
    ResBlock,
    SpatialBlock,
    SpatialTransformer,
    TemporalTransformer,
    Upsample,
)
from smcd_core.networks.conditions import Conditions
from smcd_core.networks.config import RELEASED, SYSTEMS, ConfigError, SMCDConfig, system_config
from smcd_core.networks.image import widen_input_conv
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.networks.unet import UNet3D, timestep_features
from smcd_core.weights.layouts import split_gates

UNIT_INPUTS, UNIT_OUTPUTS = tensors("unit_inputs"), tensors("unit_outputs")
BACKBONE = CONFIGS["backbone"]
LAYER = dict(dtype=None, device=None, operations=torch.nn)


def unit_weights(name):
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors("unit_weights").items() if key.startswith(prefix)}


def unit_conditions(**changes):
    """One video of four frames."""
    return Conditions(**{"text": UNIT_INPUTS["text"], "num_frames": 4, **changes})


# Single layers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", ["x", "x_smallvar"])
@torch.no_grad()
def test_spatial_transformer_equals_the_published_one(x):
    layer = load(SpatialTransformer(32, BACKBONE, False, **LAYER), unit_weights("spatial"))
    each_frame_with_its_text = unit_conditions(num_frames=1)
    assert close(layer(UNIT_INPUTS[x], each_frame_with_its_text), UNIT_OUTPUTS[f"spatial.{x}"])


@pytest.mark.parametrize("x", ["x", "x_smallvar"])
@torch.no_grad()
def test_temporal_transformer_equals_the_published_one(x):
    layer = load(TemporalTransformer(32, BACKBONE, 8, **LAYER), unit_weights("temporal"))
    out = layer(UNIT_INPUTS[x], unit_conditions())
    assert close(rearrange(out, "(b f) c h w -> b c f h w", f=4), UNIT_OUTPUTS[f"temporal.{x}"])


def frames_with_own_times(x):
    """The part of the block that looks at single frames. Recorded with another time for each frame."""
    layer = load(ResBlock(32, 64, BACKBONE, **LAYER), unit_weights("resblock"))
    return layer, layer(UNIT_INPUTS[x], UNIT_INPUTS["emb"], unit_conditions(num_frames=1, images=True))


@torch.no_grad()
def test_residual_block_of_stills_equals_the_published_one():
    assert close(frames_with_own_times("x")[1], UNIT_OUTPUTS["resblock_notemporal.x"])


@pytest.mark.parametrize("x", ["x", "x_smallvar"])
@torch.no_grad()
def test_residual_block_equals_the_published_one(x):
    layer, still = frames_with_own_times(x)
    assert close(layer.temopral_conv(still, unit_conditions()), UNIT_OUTPUTS[f"resblock.{x}"])


@pytest.mark.parametrize("name, layer", [("down", Downsample), ("up", Upsample)])
@torch.no_grad()
def test_resampling_equals_the_published_one(name, layer):
    assert close(load(layer(32, **LAYER), unit_weights(name))(UNIT_INPUTS["x"]), UNIT_OUTPUTS[f"{name}.x"])


@torch.no_grad()
def test_cross_attention_equals_the_published_one():
    layer = load(Attention(32, 1024, 4, 8, **LAYER), unit_weights("cross_attn"))
    assert close(layer(UNIT_INPUTS["tok"], UNIT_INPUTS["text"]), UNIT_OUTPUTS["cross_attn.tok"])


@torch.no_grad()
def test_feed_forward_equals_the_published_one():
    assert close(load(FeedForward(32, **LAYER), unit_weights("ff"))(UNIT_INPUTS["tok"]), UNIT_OUTPUTS["ff.tok"])


def test_no_call_of_attention_gets_more_sequences_than_cuda_counts():
    sizes = []

    def layer(part):
        sizes.append(len(part))
        return part

    in_parts._positions(layer, torch.empty(2**17 + 3, 1, 1, device="meta"))
    assert sum(sizes) == 2**17 + 3 and max(sizes) < 2**16


@pytest.mark.parametrize("inner_at_once", [1, 50, 128])  # of 128: every part is another sum, so the order changes
@torch.no_grad()
def test_feed_forward_in_parts_equals_the_published_one(inner_at_once, monkeypatch):
    monkeypatch.setattr(in_parts, "INNER_AT_ONCE", inner_at_once)
    layer = load(FeedForward(32, **LAYER), unit_weights("ff"))
    in_parts.work_in_parts(layer)
    assert close(layer(UNIT_INPUTS["tok"]), UNIT_OUTPUTS["ff.tok"])


@pytest.mark.parametrize("dim", [32, 320])
def test_timestep_features_equal_the_published_ones(dim):
    assert close(timestep_features(UNIT_INPUTS["timesteps"], dim), UNIT_OUTPUTS[f"sinusoidal_{dim}"])


GATES = {"gate_vanilla": "none", "gate_cross": "serial", "gate_parallel": "parallel"}


@pytest.mark.parametrize("recorded, x", [("tok", "tok"), ("tok_smallvar", "tok_smallvar"), ("tok_nomask", "tok")])
@pytest.mark.parametrize("name", GATES)
@torch.no_grad()
def test_gates_equal_the_published_ones_with_and_without_mask(name, recorded, x):
    config = replace(CONFIGS["smcd"], image_tokens=GATES[name])
    block = SpatialBlock(32, config, True, **LAYER).eval()
    gates = split_gates({f"gate_attn.{key}": value for key, value in unit_weights(name).items()})
    missing, unexpected = block.load_state_dict(gates, strict=False)
    assert not unexpected and not any("gate" in key or "beta" in key for key in missing)
    image_tokens = None if name == "gate_vanilla" else UNIT_INPUTS["visual"]
    conditions = unit_conditions(box_tokens=UNIT_INPUTS["ground"], image_tokens=image_tokens)
    assert close(block._gates(UNIT_INPUTS[x], conditions, 3, 4), UNIT_OUTPUTS[f"{name}.{recorded}"])


def test_every_recorded_layer_is_compared():
    """All of unit_outputs, but for two gates that the paper does not use."""
    compared = {f"{name}.{x}" for name in ("spatial", "temporal", "resblock") for x in ("x", "x_smallvar")}
    compared |= {f"{name}.x" for name in ("resblock_notemporal", "down", "up")} | {"cross_attn.tok", "ff.tok"}
    compared |= {f"{name}.{x}" for name in GATES for x in ("tok", "tok_smallvar", "tok_nomask")}
    compared |= {"sinusoidal_32", "sinusoidal_320"}
    unused = {name for name in UNIT_OUTPUTS if re.match("gate_(double|merge)", name)}
    assert compared == set(UNIT_OUTPUTS) - unused


# Inside the whole network --------------------------------------------------------------------------------------------

# Recorded names that differ from ours: the published gate is one module.
OURS = {
    "gate_attn.in": "box_gate.in",
    "gate_attn.attn.out": "box_gate.attn.out",
    "gate_attn.cross_attn.out": "image_gate.attn.out",
    "gate_attn.out": "image_gate.out",
}


@pytest.fixture(scope="module")
def traced():
    """Input and output of every module, and of every block as a whole, during one run of the published inputs."""
    network = load(UNet3D(CONFIGS["smcd"]), released_weights("smcd"))
    seen = {}

    def record(name):
        def hook(module, args, out):
            seen[f"{name}.in"], seen[f"{name}.out"] = args[0], out
            # A block is a list of layers: the last one that ran gives its output.
            if block := re.match(r"(input_blocks|output_blocks)\.\d+", name):
                if name.count(".") <= 2:
                    seen[f"trunk.{block[0]}"] = out

        return hook

    for name, module in network.named_modules():
        module.register_forward_hook(record(name))
    with torch.no_grad():
        image_tokens = INPUTS["visual_tokens"][:1]
        conditions = Conditions(INPUTS["text"][:1], 3, box_tokens=box_tokens()[:3], image_tokens=image_tokens)
        network(noisy(1, concat=True), INPUTS["t"][:1], conditions)
    return seen


@pytest.mark.parametrize("name", tensors("intermediates_smcd_b1"))
def test_values_inside_the_network_equal_the_published_ones(traced, name):
    expected = tensors("intermediates_smcd_b1")[name]
    for theirs, ours in OURS.items():
        name = name.replace(theirs, ours)
    actual = traced[name]
    if name.endswith("box_gate.attn.out"):
        expected = expected[:, : actual.shape[1]]  # the rows of the boxes, which nobody reads, are not computed here
    assert close(actual, expected)


# Gates ---------------------------------------------------------------------------------------------------------------


def with_gates(image_tokens):
    """The published backbone, with random gates around that are closed."""
    config = replace(CONFIGS["smcd"], first_frame_concat=False, image_tokens=image_tokens)
    network = UNet3D(config).eval()  # gates are closed when built
    missing, unexpected = network.load_state_dict(released_weights("backbone"), strict=False)
    assert not unexpected and all("_gate." in key or "_beta" in key for key in missing)
    return network


@cache
@torch.no_grad()
def backbone_output():
    network = load(UNet3D(BACKBONE), released_weights("backbone"))
    return network(noisy(2, concat=False), INPUTS["t"], Conditions(INPUTS["text"], 3))


@pytest.mark.parametrize("image_tokens", ["none", "serial", "parallel"])
@torch.no_grad()
def test_closed_gates_leave_the_backbone_unchanged(image_tokens):
    network = with_gates(image_tokens)
    x, t = noisy(2, concat=False), INPUTS["t"]
    conditions = Conditions(INPUTS["text"], 3, box_tokens=box_tokens(), image_tokens=INPUTS["visual_tokens"])
    assert torch.equal(network(x, t, conditions), backbone_output())
    for name, parameter in network.named_parameters():
        if re.search("alpha_|_beta", name):
            parameter.fill_(0.5)
    assert not torch.equal(network(x, t, conditions), backbone_output())


@pytest.mark.parametrize("variant", ["mim", "smcd", "parallel"])
@torch.no_grad()
def test_empty_conditions_leave_the_backbone_unchanged(variant):
    """The gates of these weights are open, but there is nothing to look at."""
    weights = released_weights(variant) | released_weights("backbone")
    config = replace(CONFIGS[variant], first_frame_concat=False)
    network = load(UNet3D(config), weights)
    x, t, text = noisy(2, concat=False), INPUTS["t"], INPUTS["text"]
    assert torch.equal(network(x, t, Conditions(text, 3)), backbone_output())
    # As released: without boxes the image is not looked at either.
    assert torch.equal(network(x, t, Conditions(text, 3, image_tokens=INPUTS["visual_tokens"])), backbone_output())


@torch.no_grad()
def test_an_empty_first_frame_leaves_the_backbone_unchanged_when_its_channels_are_new():
    backbone = released_weights("backbone")
    weights = backbone | {"input_blocks.0.0.weight": widen_input_conv(backbone["input_blocks.0.0.weight"], 8)}
    network = load(UNet3D(replace(BACKBONE, first_frame_concat=True)), weights)
    out = network(noisy(2, concat=True), INPUTS["t"], Conditions(INPUTS["text"], 3))
    # Not bit for bit: the convolution sums twice as many terms, half of them zero, in another order.
    assert close(out, backbone_output(), 1e-6)


# Sizes ---------------------------------------------------------------------------------------------------------------

SMALL = SMCDConfig(
    model_channels=32,
    channel_mult=(1, 2, 2),
    num_res_blocks=1,
    attention_scales=(1.0, 0.5),
    num_heads=2,
    head_dim=16,
    context_dim=24,
    phrase_dim=12,
    image_encoder_channels=(8, 16, 24),
    image_encoder_blocks=1,
)


def inputs(frames=3, boxes=2, height=8, width=12, batch=1):
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(shape, generator=generator)

    boxes_xyxy = torch.rand(batch, frames, boxes, 4, generator=generator).sort(dim=-1).values
    conditions = Inputs(
        text=random(batch, 5, 24),
        num_frames=frames,
        boxes_xyxy=boxes_xyxy,
        box_mask=torch.ones(batch, frames, boxes),
        phrases=random(batch, boxes, 12),
        first_frame=random(batch, 4, height, width),
    )
    return random(batch * frames, 4, height, width), torch.full((batch,), 500), conditions


@cache
def open_network(config=SMALL):
    torch.manual_seed(0)
    network = SMCD(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if re.search("alpha_|_beta", name):
                parameter.fill_(0.5)
    return network


@pytest.mark.parametrize("height, width", [(4, 4), (8, 12), (16, 4), (20, 24)])
@pytest.mark.parametrize("frames", [1, 17, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 8))])
@torch.no_grad()
def test_any_size_and_number_of_frames_runs(height, width, frames):
    x, t, conditions = inputs(frames=frames, height=height, width=width)
    network = open_network()
    out = network(x, t, network.encode(conditions))
    assert out.shape == x.shape and out.isfinite().all()


@pytest.mark.parametrize("image_tokens", ["none", "serial", "parallel"])
@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("boxes", [0, 12, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 8))])
@torch.no_grad()
def test_any_number_of_boxes_runs(boxes, image_tokens, control):
    network = open_network(replace(SMALL, image_tokens=image_tokens, control=control))
    x, t, conditions = inputs(boxes=boxes, batch=2)
    tokens = network.encode(conditions)
    out = network(x, t, tokens)
    assert tokens.box_tokens.shape == (6, max(8, boxes), 24)
    assert out.shape == x.shape and out.isfinite().all()


@torch.no_grad()
def test_no_boxes_and_boxes_of_number_zero_are_the_same():
    network = open_network()
    x, t, conditions = inputs(boxes=0)
    without = replace(conditions, boxes_xyxy=None, box_mask=None, phrases=None)
    assert torch.equal(network(x, t, network.encode(conditions)), network(x, t, network.encode(without)))


@torch.no_grad()
def test_videos_in_one_batch_do_not_see_each_other():
    network = open_network()
    x, t, conditions = inputs(batch=2)
    both = network(x, t, network.encode(conditions))
    first = replace(conditions, **{k: v[:1] for k, v in vars(conditions).items() if isinstance(v, torch.Tensor)})
    assert close(network(x[:3], t[:1], network.encode(first)), both[:3], 1e-5)


@pytest.mark.parametrize("height, width", [(6, 8), (8, 6), (7, 7)])
def test_a_size_that_the_stride_does_not_divide_is_an_error(height, width):
    network = open_network()
    x, t, conditions = inputs(height=8, width=8)
    tokens = replace(network.encode(conditions), first_frame=torch.zeros(1, 4, height, width))
    with pytest.raises(ValueError, match=f"latents are {width} x {height} .*multiples of 4"):
        network(torch.zeros(3, 4, height, width), t, tokens)


# Configuration -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(image_tokens="double"), "image_tokens is 'double', expected 'none', 'serial' or 'parallel'"),
        (dict(prediction="x0"), "prediction is 'x0'"),
        (dict(model_channels=0), "model_channels is 0, expected 1 to 65536"),
        (dict(box_slots=2.5), "box_slots is 2.5, expected 1 to 65536"),
        (dict(channel_mult=(1, -2)), "channel_mult is -2, expected 1 to 65536"),
        (dict(channel_mult=()), "channel_mult is empty, expected one number for each level"),
        (dict(image_encoder_channels=()), "image_encoder_channels is empty"),
        (dict(attention_scales=(1.0, 0.3)), "attention_scales has 0.3, expected scales of levels: 1.0, 0.5, 0.25, ..."),
        (dict(dropout=-1.0), "dropout is -1.0, expected 0 to less than 1"),
        (dict(dropout=1.0), "dropout is 1.0, expected 0 to less than 1"),
        (dict(boxes=False), "image_tokens needs boxes=True"),
        (dict(boxes=False, image_tokens="none", box_coverage_bias=True), "box_coverage_bias needs boxes=True"),
        (dict(norm_groups=48), "model_channels is 320, expected a multiple of norm_groups 48"),
        (dict(head_dim=48), "model_channels is 320, expected a multiple of head_dim 48"),
    ],
)
def test_impossible_configurations_are_errors(changes, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        replace(RELEASED, **changes)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "not JSON"),
        ("[]", "is a list"),
        ('{"depth": 3}', "unknown configuration fields ['depth']"),
        ('{"head_dim": "64"}', "head_dim is '64', expected a int"),
        ('{"head_dim": true}', "head_dim is True"),
        ('{"head_dim": 0}', "head_dim is 0, expected 1 to 65536"),
        ('{"channel_mult": []}', "channel_mult is []"),
        ('{"channel_mult": [1, "2"]}', "channel_mult is '2'"),
        ('{"boxes": 1}', "boxes is 1"),
        (f'{{"attention_scales": [{10**400}]}}', "attention_scales is 1000"),
    ],
)
def test_malformed_configurations_are_errors(text, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SMCDConfig.from_json(text)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_listens_to_what_it_has_parts_for(system):
    parts = {"backbone": {"text"}, "mim": {"text", "boxes"}}
    assert system_config(system, {}).conditions == parts.get(system, {"text", "boxes", "image"})


@pytest.mark.parametrize("config", [RELEASED, SMALL, *CONFIGS.values()])
def test_configurations_come_back_from_json(config):
    assert SMCDConfig.from_json(config.to_json()) == config
