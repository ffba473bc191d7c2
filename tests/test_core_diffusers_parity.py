"""The backbone is diffusers' UNet3DConditionModel: the same weights give the same video."""

import pytest
import torch
from diffusers import UNet3DConditionModel
from einops import rearrange
from reference import CONFIGS, released_weights
from test_core_model import INPUTS

from smcd_core.networks.conditions import Conditions
from smcd_core.networks.config import SMCDConfig
from smcd_core.networks.smcd import SMCD
from smcd_core.weights.checkpoint import build, read_checkpoint, write_checkpoint
from smcd_core.weights.export import write_diffusers

TOLERANCE = 1e-5  # outputs are of magnitude 3; the published code differs from diffusers by 4e-6

SIZES = {
    "as published": CONFIGS["backbone"],
    "other sizes": SMCDConfig(
        model_channels=24,
        channel_mult=(1, 2, 3),
        num_res_blocks=2,
        attention_scales=(0.5, 0.25),
        head_dim=12,
        norm_groups=8,
        boxes=False,
        first_frame_concat=False,
        image_tokens="none",
    ),
}


def weights_of(config):
    """Released weights where there are some, else random ones; no layer of theirs is zero."""
    if config == CONFIGS["backbone"]:
        return {f"unet.{name}": value for name, value in released_weights("backbone").items()}
    torch.manual_seed(0)
    return SMCD(config).state_dict()


def difference(ours, theirs, batch, frames):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 4, frames, 16, 24, generator=generator)
    t, text = torch.tensor([981, 21])[:batch], INPUTS["text"][:batch]
    with torch.no_grad():
        out = ours(rearrange(x, "b c f h w -> (b f) c h w"), t, Conditions(text, frames))
        expected = theirs(x, t, text).sample
    assert expected.std() > 0.1
    return (rearrange(out, "(b f) c h w -> b c f h w", f=frames) - expected).abs().max().item()


@pytest.mark.parametrize("batch, frames", [(2, 3), *(pytest.param(1, f, marks=pytest.mark.slow) for f in (1, 3))])
@pytest.mark.parametrize("size", SIZES)
def test_backbone_equals_diffusers_with_converted_weights(tmp_path, size, batch, frames):
    config = SIZES[size]
    write_checkpoint(tmp_path / "smcd.safetensors", config, weights_of(config))
    checkpoint = read_checkpoint(tmp_path / "smcd.safetensors")
    write_diffusers(tmp_path / "diffusers", checkpoint)
    theirs = UNet3DConditionModel.from_pretrained(tmp_path / "diffusers", low_cpu_mem_usage=False).eval()
    assert difference(build(checkpoint).unet, theirs, batch, frames) <= TOLERANCE


@pytest.mark.parametrize("safe", [True, False])
def test_backbone_saved_by_diffusers_gives_the_same_here(tmp_path, safe):
    torch.manual_seed(0)
    theirs = UNet3DConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        layers_per_block=1,
        attention_head_dim=16,
        cross_attention_dim=1024,
    ).eval()
    theirs.save_pretrained(tmp_path, safe_serialization=safe)
    ours = build(read_checkpoint(tmp_path))
    assert ours.config.attention_scales == (1.0,)
    assert difference(ours.unet, theirs, 2, 3) <= TOLERANCE
