"""Networks that take turns on a GPU that has no room for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..errors import SMCDError


class Offload:
    """Networks wait in main memory, and are on `device` while they work."""

    def __init__(self, device: str):
        """Raises SMCDError for a device whose memory is main memory."""
        self.device = torch.device(device)
        if self.device.type in ("cpu", "mps"):
            raise SMCDError(
                f"offload moves networks between main memory and a GPU, but the device is {device}: leave it out"
            )
        self._at_work: list[nn.Module] = []

    @contextmanager
    def turn(self, network: nn.Module) -> Iterator[None]:
        """Put the network on the device, and take it off again; a turn within its own changes nothing."""
        if any(other is network for other in self._at_work):
            yield
            return
        waiting = [parameter.data for parameter in network.parameters()]
        network.to(self.device)
        self._at_work.append(network)
        try:
            yield
        finally:
            self._at_work.pop()
            # The weights have not changed: drop those on the device instead of copying them back.
            for parameter, data in zip(network.parameters(), waiting, strict=True):
                parameter.data = data
            network.to("cpu")  # buffers
