"""Sample with any scheduler of diffusers that has the noise schedule of the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from ..errors import SMCDError
from .diffusion import ALPHAS_CUMPROD, FIRST_BETA, LAST_BETA, TRAIN_STEPS, Callback, report
from .settings import Settings

# Those of diffusers that sample from noise with any model of this noise schedule.
NAMES = (
    "DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler",
    "HeunDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler",
    "PNDMScheduler", "SASolverScheduler", "UniPCMultistepScheduler",
)  # fmt: skip
_NEAREST = 1e-4  # of the shares of variance: schedulers compute them in float32
_PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction"}  # our names and theirs


def scheduler_config(kind: str) -> dict[str, Any]:
    """The argument of a scheduler's `from_config`, for networks with predictions of `kind`; it means our ddim."""
    return {
        "_class_name": "DDIMScheduler",  # keeps other schedulers quiet about keys that are only its own
        "num_train_timesteps": TRAIN_STEPS,
        "beta_start": FIRST_BETA,
        "beta_end": LAST_BETA,
        "beta_schedule": "scaled_linear",
        "prediction_type": _PREDICTIONS[kind],
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }


def check_scheduler(scheduler: Any, settings: Settings) -> None:
    """Raise SMCDError for the name of none, or settings that only samplers have."""
    if isinstance(scheduler, str) and scheduler not in NAMES:
        raise SMCDError(f"scheduler is {scheduler!r}, expected one of {', '.join(NAMES)}")
    if settings.sampler != "ddim" or settings.starts:
        raise SMCDError("a scheduler replaces the sampler and begins with noise: leave out sampler, fast and start")


def start_with(scheduler: Any, start: float | None) -> float | None:
    """The start of a video: a scheduler begins with noise, whatever the checkpoint prefers, unless told otherwise."""
    return 1.0 if scheduler is not None and start is None else start


def scheduler_named(name: str, kind: str) -> Any:
    """One of NAMES, for networks with predictions of `kind`."""
    import diffusers

    return getattr(diffusers, name).from_config(scheduler_config(kind))


class Scheduled:
    """A sampler made of a copy of a scheduler, for one run.

    generators  one for each of the B videos; schedulers that add noise in each step draw it from them

    Raises SMCDError if the model was trained with another noise schedule or prediction.
    """

    def __init__(
        self, scheduler: Any, steps: int, kind: str, device: torch.device, generators: Sequence[torch.Generator]
    ):
        _check(scheduler, kind)
        self.scheduler, self.generators = deepcopy(scheduler), [*generators]
        self.scheduler.set_timesteps(steps, device=device)
        self.total = len(self.scheduler.timesteps)
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(0)  # else it searches its timesteps for each step

    def __call__(
        self,
        predict: Callable[[Tensor, Tensor], Tensor],
        noise: Tensor,
        progress: Callable[[int, int], None],
        callback: Callback | None,
    ) -> Tensor:
        """Denoise [BF, C, h, w]; arguments as for `ddim`."""
        videos = len(self.generators)
        takes_generator = "generator" in inspect.signature(self.scheduler.step).parameters
        drawn = {"generator": self.generators} if takes_generator else {}
        x = noise.unflatten(0, (videos, -1)) * self.scheduler.init_noise_sigma  # [B, F, C, h, w]
        for index, t in enumerate(self.scheduler.timesteps):
            scaled = self.scheduler.scale_model_input(x, t)
            prediction = predict(scaled.flatten(0, 1), t.reshape(1)).unflatten(0, (videos, -1))
            x = self.scheduler.step(prediction, t, x, **drawn).prev_sample
            report(index + 1, self.total, x.flatten(0, 1), progress, callback)
        return x.flatten(0, 1)


def _check(scheduler: Any, kind: str) -> None:
    name = type(scheduler).__name__
    remedy = f"make it with {name}.from_config(pipeline.scheduler_config)"
    shares = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(shares, Tensor) or not hasattr(scheduler, "step"):
        raise SMCDError(f"scheduler is {name}, expected one of diffusers for noise or v predictions, as DDIMScheduler")
    if shares.shape != ALPHAS_CUMPROD.shape or (shares.cpu() - ALPHAS_CUMPROD).abs().max() > _NEAREST:
        raise SMCDError(f"the noise schedule of {name} is not that of the model: {remedy}")
    predicts = scheduler.config.get("prediction_type", "epsilon")
    if predicts != _PREDICTIONS[kind]:
        raise SMCDError(f"{name} expects predictions of {predicts}, the model gives {_PREDICTIONS[kind]}: {remedy}")
