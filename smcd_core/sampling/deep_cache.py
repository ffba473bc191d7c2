"""Cheaper steps: take the deep features of the step before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from ..networks.unet import UNet3D

PARTS = ("input_blocks", "middle_block", "output_blocks")


class _Kept(nn.Module):
    """Stands for all levels below the uppermost: gives what they gave last."""

    features: Tensor | None = None

    def forward(self, _x: Tensor) -> Tensor:
        return self.features


@contextmanager
def features_of_every_second_forward(unet: UNet3D) -> Iterator[None]:
    """Inside, every second forward runs only the uppermost level, on the deep features of the forward before it.

    For one run of a sampler, one forward for each step. Source: DeepCache (Ma et al., CVPR 2024), interval 2.
    """
    count, kept, was_whole = unet.config.num_res_blocks + 1, _Kept(), False
    whole = [getattr(unet, name) for name in PARTS]
    upper = [unet.input_blocks[:count], nn.ModuleList([kept]), unet.output_blocks[-count:]]

    def choose(_unet: UNet3D, args: tuple) -> None:
        nonlocal was_whole
        _x, _t, context, num_frames = args
        # Where guidance ends there are fewer videos than before.
        was_whole = not (was_whole and len(kept.features) == len(context) * num_frames)
        put(whole if was_whole else upper)

    def put(parts: list[nn.Module]) -> None:
        for name, part in zip(PARTS, parts, strict=True):
            setattr(unet, name, part)

    def keep(_layer: nn.Module, _args: tuple, out: Tensor) -> None:
        kept.features = out

    hooks = [
        unet.register_forward_pre_hook(choose),
        unet.output_blocks[-count - 1][-1].register_forward_hook(keep),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        put(whole)
