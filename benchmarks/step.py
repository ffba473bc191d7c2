"""Time and peak memory of one denoising step, against the same mathematics written plainly and diffusers' backbone.

Random weights, fp32, CPU, both branches of guidance. Full size: 8 frames of 256 x 256 pixels.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from measure import arguments, held_memory, main, peak_memory

TEXT_TOKENS = 77
SMALL = dict(
    model_channels=64,
    channel_mult=(1, 2),
    num_res_blocks=1,
    attention_scales=(1.0,),
    context_dim=32,
    image_encoder_channels=(8, 16, 24, 32),
)


def _config(args: argparse.Namespace, **changes):
    from smcd_core.networks.config import SMCDConfig

    return SMCDConfig(**{**(SMALL if args.tiny else {}), **changes})


def _fill(network):
    """Weights without the cost of an initialisation: of usual size, no gate closed, nothing denormal."""
    network = network.to_empty(device="cpu").eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, 0.02)
        else:
            parameter.fill_(0.5)
    return network


def _measure(args: argparse.Namespace, network, step) -> dict[str, float]:
    import torch

    with torch.inference_mode():
        weights = sum(p.numel() * p.element_size() for p in network.parameters())
        before = held_memory()
        times = []
        for _ in range(1 + args.steps):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
    times = sorted(times[1:])  # without the first, which also sets things up
    peak = peak_memory()
    return {
        "step_s": times[len(times) // 2],
        "peak_memory_bytes": peak,
        "of_that_not_weights_bytes": peak - weights,
        "of_that_not_held_before_bytes": peak - before,
    }


def _inputs(args: argparse.Namespace, config):
    """Noisy latents [2F, 4, H, W], t [2], text [2, 77, D]."""
    import torch

    latent = args.size // 8
    x = torch.randn(args.frames, 4, latent, latent).repeat(2, 1, 1, 1)
    return x, torch.tensor([981, 981]), torch.randn(2, TEXT_TOKENS, config.context_dim)


def diffusers(args: argparse.Namespace) -> dict[str, float]:
    import torch
    from diffusers import UNet3DConditionModel

    config = _config(args)
    with_attention = [2.0**-level in config.attention_scales for level in range(len(config.channel_mult))]
    with torch.no_grad(), torch.device("meta"):
        network = UNet3DConditionModel(
            block_out_channels=tuple(config.model_channels * mult for mult in config.channel_mult),
            layers_per_block=config.num_res_blocks,
            down_block_types=["CrossAttnDownBlock3D" if has else "DownBlock3D" for has in with_attention],
            up_block_types=["CrossAttnUpBlock3D" if has else "UpBlock3D" for has in reversed(with_attention)],
            attention_head_dim=config.head_dim,
            cross_attention_dim=config.context_dim,
        )
    with torch.no_grad():
        network = _fill(network)
    x, t, text = _inputs(args, config)
    x = x.unflatten(0, (2, args.frames)).transpose(1, 2)  # [2, 4, F, H, W]
    return _measure(args, network, lambda: network(x, t, text).sample)


def backbone(args: argparse.Namespace) -> dict[str, float]:
    return _ours(args, boxes=False, first_frame_concat=False, image_tokens="none")


def smcd(args: argparse.Namespace) -> dict[str, float]:
    return _ours(args)


def plain(args: argparse.Namespace) -> dict[str, float]:
    return _ours(args, is_plain=True)


def _ours(args: argparse.Namespace, is_plain: bool = False, **changes) -> dict[str, float]:
    import torch

    from smcd_core.networks.conditions import Conditions
    from smcd_core.networks.in_parts import work_in_parts
    from smcd_core.networks.smcd import SMCD, Inputs

    config = _config(args, **changes)
    x, t, text = _inputs(args, config)
    with torch.no_grad():
        network = _fill(SMCD(config, device="meta"))
        first_frame = x[:1]
        boxes = torch.tensor([0.2, 0.3, 0.6, 0.7]).expand(1, args.frames, 1, 4)
        phrases = torch.randn(1, 1, config.phrase_dim)
        inputs = Inputs(text[:1], args.frames, boxes, boxes[..., 0].ceil(), phrases, first_frame)
        conditions = network.encode(inputs)
        pair = Conditions.cat([conditions, replace(conditions, text=text[1:])])
    if not is_plain:
        work_in_parts(network)
        pair = replace(pair, copies=2)
        return _measure(args, network, lambda: network(x, t, pair))
    from plain import call_by_branch, write_plainly

    write_plainly(network)
    return _measure(args, network, lambda: call_by_branch(network, x, t, pair))


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels (default 256)")
    parser.add_argument("--steps", type=int, default=1, help="timed steps in each measurement, after an untimed one")
    main(
        "step",
        parser.parse_args(),
        {
            "SMCD written plainly": plain,
            "diffusers UNet3DConditionModel": diffusers,
            "backbone here": backbone,
            "SMCD (boxes and image)": smcd,
        },
        references=2,
    )
