"""Counts what a computation holds in memory, also on the device "meta", where tensors have sizes only."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LiveTensors(TorchDispatchMode):
    """Counts the numbers in tensors that are alive, but for those that were there before."""

    def __init__(self, before):
        super().__init__()
        self.before = {x.untyped_storage()._cdata for x in before}
        self.alive, self.peak, self.sizes = 0, 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else [out]:
            if not isinstance(x, torch.Tensor):
                continue
            storage, key = x.untyped_storage(), x.untyped_storage()._cdata
            if key not in self.before and key not in self.sizes:
                self.sizes[key] = storage.nbytes() // x.element_size()
                self.alive += self.sizes[key]
                self.peak = max(self.peak, self.alive)
                weakref.finalize(storage, self._free, key)
        return out

    def _free(self, key):
        self.alive -= self.sizes.pop(key)
