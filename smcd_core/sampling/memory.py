"""Estimate the memory that a video takes, before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..networks.peak import peak_activations
from ..weights.components import frames_at_once, pixels_at_once, vae_stride

if TYPE_CHECKING:
    from .pipeline import SMCDPipeline
    from .settings import Settings

# Numbers for each pixel that the decoder of a VAE holds at its peak, for each channel of its widest level in pixels:
# counted on the device "meta", for widths of 32 to 128.
_DECODED = 6


@dataclass(frozen=True)
class Memory:
    """In bytes, on the device: the weights, and the largest of what the networks hold while they work."""

    weights: int
    work: int


def memory_of(pipeline: SMCDPipeline, settings: Settings) -> Memory:
    """An estimate for one video, without what the libraries and the system take for themselves."""
    size = pipeline.dtype.itemsize
    networks = [pipeline.smcd, pipeline.vae, pipeline.text]
    weights = [sum(x.numel() * x.element_size() for x in network.parameters()) for network in networks]
    stride = vae_stride(pipeline.vae)
    positions = (settings.height // stride) * (settings.width // stride)
    frames = min(settings.num_frames, settings.window or settings.num_frames)
    branches = len(settings.guidance.branches(pipeline.conditions))
    device_type = pipeline.device.type
    steps = peak_activations(pipeline.smcd.config, branches * frames, positions, device_type, videos=branches)
    decoded = min(settings.num_frames, frames_at_once(settings.width, settings.height))
    decoded *= pixels_at_once(settings.width, settings.height)
    decoding = _DECODED * pipeline.vae.config.block_out_channels[0] * decoded
    if not pipeline.is_offloaded:
        return Memory(sum(weights), int(size * max(steps, decoding)))
    # One network at a time is on the device.
    parts = [(weights[0], steps), (weights[1], decoding), (weights[2], 0)]
    heaviest = max(parts, key=lambda part: part[0] + size * part[1])
    return Memory(heaviest[0], int(size * heaviest[1]))
