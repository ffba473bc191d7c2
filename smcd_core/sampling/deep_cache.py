"""Cheaper steps: every second one takes its deep features from the step before."""

from __future__ import annotations

from ..networks.unet import DeepFeatures


class EverySecondStep:
    """Choose the `deep` argument of UNet3D.forward, for one run of a sampler with one forward for each step.

    Source: DeepCache (Ma et al., CVPR 2024), interval 2.
    """

    def __init__(self):
        self._last: DeepFeatures | None = None

    def next(self, frames: int) -> DeepFeatures:
        """The features of the last step if it computed them for as many frames, else empty ones to fill."""
        last, self._last = self._last, None
        if last is None or last.features is None or len(last.features) != frames:
            last = self._last = DeepFeatures()
        return last
