"""Floating-point operations at the released size: of a denoising step, of encoding a clip and of training on it.

8 frames of 256 x 256 pixels, counted by torch's FlopCounterMode on the device "meta", which needs neither weights nor
time. A multiplication and an addition are two operations. The denoising step has both branches of guidance; the
training step is one of stage 2 (DIIM), forwards and backwards, for one clip.
"""

from __future__ import annotations

from typing import Any

import torch
from animate import released_components
from torch.utils.flop_counter import FlopCounterMode

from smcd_core.networks.conditions import Conditions
from smcd_core.networks.config import SMCDConfig
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.training.parameters import trainable_parameters

FRAMES, SIDE, TEXT_TOKENS = 8, 256, 77


def counted(work) -> float:
    """TFLOP of what `work` does."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


def network_and_inputs(**changes: Any) -> tuple[SMCD, Inputs]:
    config = SMCDConfig(**changes)
    boxes = torch.zeros(1, FRAMES, 1, 4)
    text, phrases = torch.zeros(1, TEXT_TOKENS, config.context_dim), torch.zeros(1, 1, config.phrase_dim)
    first = torch.zeros(1, config.latent_channels, SIDE // 8, SIDE // 8)
    return SMCD(config), Inputs(text, FRAMES, boxes, boxes[..., 0], phrases, first)


@torch.no_grad()
def denoising(**changes: Any) -> float:
    network, inputs = network_and_inputs(**changes)
    conditions = network.encode(inputs)
    x = torch.zeros(2 * FRAMES, 4, SIDE // 8, SIDE // 8)
    return counted(lambda: network(x, torch.zeros(2), Conditions.cat([conditions, conditions])))


@torch.no_grad()
def encoding() -> tuple[float, float]:
    """Of a frame in the VAE, and of a caption."""
    vae, text = released_components()
    frame = counted(lambda: vae.encode(torch.zeros(1, 3, SIDE, SIDE)))
    return frame, counted(lambda: text(torch.zeros(1, TEXT_TOKENS, dtype=torch.long)))


def training() -> float:
    network, inputs = network_and_inputs()
    network.requires_grad_(False)
    for parameter in trainable_parameters(network, "diim").values():
        parameter.requires_grad_(True)
    x = torch.zeros(FRAMES, 4, SIDE // 8, SIDE // 8)
    return counted(lambda: network(x, torch.zeros(1), network.encode(inputs)).sum().backward())


def main() -> None:
    with torch.device("meta"):
        backbone = denoising(boxes=False, first_frame_concat=False, image_tokens="none")
        whole, train = denoising(), training()
        frame, caption = encoding()
    print(f"denoising step, backbone:  {backbone:.2f} TFLOP")
    print(f"denoising step, SMCD:      {whole:.2f} TFLOP, {whole / backbone:.2f} times the backbone's")
    clip = FRAMES * frame + caption
    print(f"encoding a clip:           {clip:.2f} TFLOP ({frame:.2f} a frame, {caption:.2f} the caption)")
    print(f"training step of stage 2:  {train:.2f} TFLOP")


if __name__ == "__main__":
    main()
