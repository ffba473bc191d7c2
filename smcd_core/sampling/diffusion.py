"""The noise schedule, the samplers, and guidance with one scale for each condition."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..errors import SMCDError

TRAIN_STEPS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012  # their roots grow linearly


def alphas_cumprod() -> Tensor:
    """Share of the clean latents' variance at each timestep, float64 [1000], falling. Source: SPEC, section 9."""
    betas = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TRAIN_STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0)


ALPHAS_CUMPROD = alphas_cumprod()
_SIGNAL, _SIGMA = ALPHAS_CUMPROD.sqrt(), (1 - ALPHAS_CUMPROD).sqrt()


def add_noise(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x0, noise [B, ...] and t [B] -> noisy latents [B, ...]"""
    signal, sigma = _signal_and_noise(t, x0)
    return signal * x0 + sigma * noise


def velocity(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The v that a network with prediction "v" learns. Source: Salimans and Ho (2022), appendix D."""
    signal, sigma = _signal_and_noise(t, x0)
    return signal * noise - sigma * x0


def predicted_x0(prediction: Tensor, x: Tensor, t: Tensor, kind: str) -> Tensor:
    """The clean latents that a prediction of `kind` ("epsilon" | "v") stands for; x [B, ...] noisy, t [B]."""
    signal, sigma = _signal_and_noise(t, x)
    return signal * x - sigma * prediction if kind == "v" else (x - sigma * prediction) / signal


def predicted_noise(prediction: Tensor, x: Tensor, t: Tensor, kind: str) -> Tensor:
    """The noise that a prediction of `kind` stands for."""
    signal, sigma = _signal_and_noise(t, x)
    return sigma * x + signal * prediction if kind == "v" else prediction


def _signal_and_noise(t: Tensor, like: Tensor) -> tuple[Tensor, Tensor] | tuple[float, float]:
    """sqrt(abar_t) and sqrt(1 - abar_t) to multiply `like` [B, ...]; taken in float64, then cast."""
    if t.device.type == "cpu" and t.numel() == 1:
        return _SIGNAL[t].item(), _SIGMA[t].item()  # numbers need not be sent to the device of the latents
    signal, sigma = (table[t] for table in _tables(like.dtype, t.device))
    return signal.reshape(-1, *[1] * (like.ndim - 1)), sigma.reshape(-1, *[1] * (like.ndim - 1))


@cache
def _tables(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """sqrt(abar_t) and sqrt(1 - abar_t) for all t, kept on the device: a copy there waits for its work."""
    with torch.inference_mode(False):
        # Cast before they move: Apple's GPUs have no float64.
        return _SIGNAL.to(dtype).to(device), _SIGMA.to(dtype).to(device)


def noise_of(seed: int, shape: Sequence[int]) -> Tensor:
    """Standard normal noise of shape [F, C, h, w], drawn on the CPU in float32: a seed means the same everywhere."""
    return noise_from(torch.Generator().manual_seed(seed), shape)


def noise_from(generator: torch.Generator, shape: Sequence[int]) -> Tensor:
    """The next noise of a generator, float32 [F, C, h, w], on its device."""
    num_frames, channels, *size = shape
    # As released: channels before frames.
    noise = torch.randn((channels, num_frames, *size), generator=generator, device=generator.device)
    return noise.transpose(0, 1).contiguous()


def ddim_timesteps(steps: int) -> list[int]:
    """Falling timesteps: 981, 961, ..., 21, 1 for 50 steps.

    As released: a number of steps that does not divide 1000 gives a few more (30 gives 31). Raises SMCDError unless
    steps is 1 to 1000. Source: SPEC, section 9.
    """
    check_steps(steps)
    return [min(t + 1, TRAIN_STEPS - 1) for t in reversed(range(0, TRAIN_STEPS, TRAIN_STEPS // steps))]


def trailing_timesteps(steps: int) -> list[int]:
    """Falling timesteps that start at the last one: 999, 899, ..., 99 for 10 steps.

    Raises SMCDError unless steps is 1 to 1000. Source: Lin et al. (2023), "Common Diffusion Noise Schedules".
    """
    check_steps(steps)
    times = np.arange(TRAIN_STEPS, 0, -TRAIN_STEPS / steps)[:steps]  # rounding may leave one more, as for 61 steps
    return [int(time) - 1 for time in times.round()]


def check_steps(steps: int) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= TRAIN_STEPS:
        raise SMCDError(f"steps is {steps!r}, expected 1 to {TRAIN_STEPS}")


Callback = Callable[[int, int, Tensor], object]


class Stopped(SMCDError):
    """A callback stopped the sampling."""


def report(
    done: int, total: int, latents: Tensor, progress: Callable[[int, int], None], callback: Callback | None
) -> None:
    """Tell of a step. Raises Stopped if the callback returns False."""
    progress(done, total)
    if callback is not None and callback(done, total, latents) is False:
        raise Stopped(f"the callback stopped the video after step {done} of {total}")


@dataclass(frozen=True)
class Start:
    """Clean latents that a video starts from in place of noise; each part of it for its own share of the steps.

    guide   [N, ...]
    inside  [N, 1, ...] in 0..1, where the second share counts
    shares  of the steps, for the rest and for the inside. Until its steps begin, a part is the guide at the noise of
            each step, which the other part sees; 1 begins with noise. Source: Singer et al. (2025), "Time-to-Move"
    """

    guide: Tensor
    inside: Tensor
    shares: tuple[float, float]

    def first(self, noise: Tensor, t: Tensor) -> Tensor:
        """The latents at timestep t [1], the first: noise where the share is 1, else the guide with noise."""
        return self.chosen(noise, add_noise(self.guide, noise, t), [share == 1 for share in self.shares])

    def held(self, prediction: Tensor, noise: Tensor, t: Tensor, kind: str, left: int, total: int) -> Tensor:
        """The prediction at t, with the one that leads to the guide where the steps of the share begin later.

        left  steps to go, this one among them, of `total`
        """
        guide = velocity(self.guide, noise, t) if kind == "v" else noise
        return self.chosen(prediction, guide, self.begun(left, total))

    def begun(self, left: int, total: int) -> list[bool]:
        """Whether the steps of the rest and of the inside have begun."""
        return [left <= steps_of(share, total) for share in self.shares]

    def chosen(self, a: Tensor, b: Tensor, is_a: Sequence[bool]) -> Tensor:
        """a or b, each for the rest and for the inside."""
        outside, inside = (a if chosen else b for chosen in is_a)
        return outside if outside is inside else outside + (inside - outside) * self.inside


def ddim(
    predict: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    steps: int,
    *,
    kind: str = "epsilon",
    progress: Callable[[int, int], None] = lambda done, total: None,
    callback: Callback | None = None,
    start: Start | None = None,
) -> Tensor:
    """Denoise with deterministic DDIM (eta 0).

    predict   (x [N, ...], t [1]) -> prediction of `kind`, guidance already applied
    noise     [N, ...], standard normal
    progress  called with (steps done, total steps)
    callback  the same with the latents of the step, [N, ...]; returning False raises Stopped
    start     leaves out the first steps; None starts from noise
    returns   latents [N, ...]

    As released: the last step goes to timestep 0, whose sigma is .029, not to clean latents.
    """
    timesteps = ddim_timesteps(steps)
    stride, total = TRAIN_STEPS // steps, len(timesteps)
    timesteps = timesteps[skipped(total, start) :]
    x = noise if start is None else start.first(noise, torch.tensor(timesteps[:1]))
    for index, step in enumerate(timesteps):
        t = torch.tensor([step])
        # Filled there, not copied there, which would wait for the device.
        prediction = predict(x, torch.full((1,), step, device=x.device))
        if start is not None:
            prediction = start.held(prediction, noise, t, kind, len(timesteps) - index, total)
        x0, eps = predicted_x0(prediction, x, t, kind), predicted_noise(prediction, x, t, kind)
        x = add_noise(x0, eps, (t - stride).clamp(min=0))
        report(index + 1, len(timesteps), x, progress, callback)
    return x


def dpm_solver(
    predict: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    steps: int,
    *,
    kind: str = "epsilon",
    progress: Callable[[int, int], None] = lambda done, total: None,
    callback: Callback | None = None,
    start: Start | None = None,
) -> Tensor:
    """Denoise with DPM-Solver++(2M), which needs fewer steps than DDIM; arguments as for `ddim`.

    Ends at clean latents. Source: Lu et al. (2022), "DPM-Solver++".
    """
    from diffusers import DPMSolverMultistepScheduler

    timesteps = trailing_timesteps(steps)
    total = len(timesteps)
    timesteps = timesteps[skipped(total, start) :]
    scheduler = DPMSolverMultistepScheduler(
        beta_start=FIRST_BETA,
        beta_end=LAST_BETA,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction" if kind == "v" else "epsilon",
    )
    scheduler.set_timesteps(timesteps=timesteps)
    scheduler.set_begin_index(0)  # else it searches its timesteps for each step, which waits for the device
    x = noise if start is None else start.first(noise, torch.tensor(timesteps[:1]))
    for index, step in enumerate(timesteps):
        prediction = predict(x, torch.full((1,), step, device=x.device))
        if start is not None:
            prediction = start.held(prediction, noise, torch.tensor([step]), kind, len(timesteps) - index, total)
        x = scheduler.step(prediction, step, x).prev_sample
        report(index + 1, len(timesteps), x, progress, callback)
    return x


def skipped(total: int, start: Start | None) -> int:
    """How many of the first of `total` steps are left out."""
    return 0 if start is None else total - steps_of(max(start.shares), total)


def steps_of(share: float, total: int) -> int:
    """A share of the steps, one at least."""
    return max(1, math.ceil(share * total - 1e-9))


def check_finite(latents: Tensor, dtype: torch.dtype) -> None:
    """Raise SMCDError if the networks, run in `dtype`, gave NaN or infinity, which would be decoded to black frames."""
    if not latents.isfinite().all():
        name = str(dtype).removeprefix("torch.")
        raise SMCDError(
            f"the video came out as NaN in {name}: use --dtype bfloat16 or float32 (dtype= in Python, weight_dtype in "
            "Load SMCD)"
        )


SAMPLERS = {"ddim": ddim, "dpm-solver++": dpm_solver}
TIMESTEPS = {"ddim": ddim_timesteps, "dpm-solver++": trailing_timesteps}  # of each sampler, for a number of steps
CONDITIONS = frozenset({"image", "boxes", "text"})


@dataclass(frozen=True)
class Guidance:
    """How strongly each condition is followed, over what the model does without it.

    The conditions build on each other: nothing, then the image, then the boxes, then the text; each scale multiplies
    its own step on that way. 1 is what the model was trained to do, 0 ignores the condition, more exaggerates it.
    With boxes and image at 1 this is the released guidance: text only, boxes and image in both branches.
    """

    text: float = 7.5
    boxes: float = 1.0
    image: float = 1.0

    def branches(self, heard: Collection[str] = CONDITIONS) -> list[tuple[frozenset[str], float]]:
        """The conditions of each evaluation, with its weight; the weights sum to 1.

        heard  conditions that the network listens to; evaluations that it cannot tell apart become one

        An evaluation of weight 0 is left out, so that scales of 1 cost nothing.
        """
        chain = [("image", self.image), ("boxes", self.boxes), ("text", self.text)]
        weights: dict[frozenset[str], float] = {frozenset(): 1.0}
        held: frozenset[str] = frozenset()
        for name, scale in chain:
            weights[held] -= scale
            held = held | {name}
            weights[held] = scale
        merged: dict[frozenset[str], float] = {}
        for conditions, weight in weights.items():
            conditions = conditions & frozenset(heard)
            merged[conditions] = merged.get(conditions, 0.0) + weight
        return [(conditions, weight) for conditions, weight in merged.items() if weight != 0]
