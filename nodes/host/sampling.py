"""Guidance, the released DDIM and context windows in terms of the host's samplers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import product

import comfy.context_windows
import comfy.k_diffusion.sampling
import comfy.model_management
import comfy.samplers
import comfy.utils
import torch
from torch import Tensor

from ...smcd_core.sampling.diffusion import TRAIN_STEPS, Guidance, Start, ddim_timesteps, trailing_timesteps
from ...smcd_core.sampling.settings import Settings
from .model import BOXES, FIRST_FRAME, smcd_model


class ConditionGuider(comfy.samplers.CFGGuider):
    """Guidance with one scale for each condition; all evaluations of a step in one call where memory allows."""

    def set_guidance(
        self,
        positive,
        negative,
        guidance: Guidance,
        rescale: float = 0.0,
        ranges: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """ranges: (start, end) as shares of the sampling for conditions whose scale is 1 before and after.

        Where a scale is 1, nothing is evaluated for it.
        """
        model = smcd_model(self.model_patcher)
        self.guidance, self.rescale = guidance, rescale
        to_sigma = self.model_patcher.get_model_object("model_sampling").percent_to_sigma
        ranges = {name: span for name, span in (ranges or {}).items() if span != (0.0, 1.0)}
        self.sigmas = {name: tuple(map(to_sigma, span)) for name, span in ranges.items()}
        self.cfg = guidance.text  # only told to other packs' hooks
        conds = {"positive": positive, "negative": negative}
        for states in product((False, True), repeat=len(ranges)):
            outside = {name for name, is_inside in zip(ranges, states) if not is_inside}
            for heard in self._branches(outside):
                name = self._name(heard)
                if name not in conds:
                    # Like the prompts in all but what is dropped.
                    conds[name] = _without(positive if "text" in heard else negative, model.conditions - heard)
        self.inner_set_conds(conds)

    def _branches(self, outside: Collection[str]) -> dict[frozenset[str], float]:
        """The weight of each evaluation, by the conditions that it hears."""
        guidance = replace(self.guidance, **dict.fromkeys(outside, 1.0))
        return dict(guidance.branches(self.model_patcher.model.conditions))

    def _name(self, heard: frozenset[str]) -> str:
        """Of a branch among the conds. Other packs look for the first two."""
        conditions = self.model_patcher.model.conditions
        names = {conditions: "positive", conditions - {"text"}: "negative"}
        return names.get(heard) or "+".join(sorted(heard)) or "nothing"

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict | None = None, seed: int | None = None):
        model_options = model_options or {}
        sigma = timestep[0].item()
        outside = [name for name, (first, last) in self.sigmas.items() if not last <= sigma <= first]
        weights = {self._name(heard): weight for heard, weight in self._branches(outside).items()}
        # Other packs' hooks expect the positive and the negative one first; one that is None is not evaluated.
        names = [*dict.fromkeys(["positive", "negative", *weights])]
        conds = [self.conds[name] if name in weights else None for name in names]
        out = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        shared = {"cond_scale": self.cfg, "input": x, "sigma": timestep, "model": self.inner_model}
        shared["model_options"] = model_options
        for hook in model_options.get("sampler_pre_cfg_function", []):
            out = hook({"conds": conds, "conds_out": out, "timestep": timestep, **shared})
        denoised = sum(weights[name] * part for name, part in zip(names, out) if name in weights)
        if self.rescale > 0 and len(weights) > 1:
            denoised = _rescaled(x, denoised, out[0] if "positive" in weights else out[1], timestep, self.rescale)
        for hook in model_options.get("sampler_post_cfg_function", []):
            both = {"cond": conds[0], "uncond": conds[1], "cond_denoised": out[0], "uncond_denoised": out[1]}
            denoised = hook({"denoised": denoised, **both, **shared})
        return denoised


def _without(conditioning: list, dropped: frozenset[str]) -> list:
    """The conditioning with conditions dropped the way training drops them: keys and shapes stay."""
    changed = []
    for text, values in conditioning:
        values = dict(values)
        if "boxes" in dropped and BOXES in values:
            values[BOXES] = values[BOXES].clone()
            values[BOXES][..., 4] = 0
        if "image" in dropped and FIRST_FRAME in values:
            values[FIRST_FRAME] = torch.zeros_like(values[FIRST_FRAME])
        changed.append([text, values])
    return changed


def _rescaled(x: Tensor, denoised: Tensor, condition: Tensor, sigma: Tensor, share: float) -> Tensor:
    """Give the guided prediction the deviation of the unguided one, on v as the host's RescaleCFG does.

    Source: Lin et al. (2023), section 3.4.
    """
    sigma = sigma.reshape(-1, *[1] * (x.ndim - 1))
    root = (sigma**2 + 1).sqrt()

    def velocity(x0: Tensor) -> Tensor:
        return (x / root**2 - x0) * root / sigma

    guided, plain = velocity(denoised), velocity(condition)
    dims = tuple(range(1, x.ndim))
    scale = plain.std(dims, keepdim=True) / guided.std(dims, keepdim=True)
    guided = guided * (share * scale + 1 - share)
    return x / root**2 - guided * sigma / root


class PublishedDDIM(comfy.samplers.KSAMPLER):
    """The released DDIM: starts from noise of variance 1 and stops at timestep 0, not at clean latents."""

    def __init__(self, from_noise: bool = True):
        super().__init__(_ddim_to_last_sigma)
        self.from_noise = from_noise

    def max_denoise(self, model_wrap, sigmas: Tensor) -> bool:
        return self.from_noise  # asks the host for noise * sqrt(1 + sigma^2), which the network sees with variance 1


def _ddim_to_last_sigma(model, noise: Tensor, sigmas: Tensor, **kwargs) -> Tensor:
    x = comfy.k_diffusion.sampling.sample_euler(model, noise, sigmas, **kwargs)
    return x / math.sqrt(1 + float(sigmas[-1]) ** 2)


def sampling_of(patcher, settings: Settings) -> tuple:
    """SAMPLER and noise levels that do what the settings say."""
    if settings.sampler == "ddim":
        sampler, sigmas = PublishedDDIM(settings.starts is None), published_sigmas(patcher, settings.steps)
    else:
        sampler, sigmas = fast_sampling(patcher, settings.steps)
    return sampler, sigmas[settings.skipped :]


def published_sigmas(patcher, steps: int) -> Tensor:
    """The noise levels of the released schedule, [steps + 1], the last one that of timestep 0."""
    smcd_model(patcher)  # the schedule is that of no other architecture
    timesteps = ddim_timesteps(steps)
    last = max(0, timesteps[-1] - TRAIN_STEPS // steps)
    sigmas = patcher.get_model_object("model_sampling").sigmas
    return sigmas[torch.tensor([*timesteps, last])].cpu()


def fast_sampling(patcher, steps: int) -> tuple:
    """SAMPLER and noise levels [steps + 1] that do what `dpm_solver` of smcd_core does."""
    smcd_model(patcher)
    sigmas = patcher.get_model_object("model_sampling").sigmas[torch.tensor(trailing_timesteps(steps))].cpu()
    return comfy.samplers.sampler_object("dpmpp_2m"), torch.cat([sigmas, sigmas.new_zeros(1)])


def sample(patcher, guider: ConditionGuider, sampler, sigmas: Tensor, noise: Tensor, seed: int, **how) -> Tensor:
    """Latents [F, C, h, w], with previews and progress as KSampler has them.

    how  latent_image, if it does not start from noise, and denoise_mask; see `waiting`
    """
    import latent_preview

    how = {"latent_image": torch.zeros_like(noise), **how}
    callback = latent_preview.prepare_callback(patcher, len(sigmas) - 1)
    quiet = not comfy.utils.PROGRESS_BAR_ENABLED
    samples = guider.sample(
        noise, sampler=sampler, sigmas=sigmas, callback=callback, disable_pbar=quiet, seed=seed, **how
    )
    return samples.to(comfy.model_management.intermediate_device())


def waiting(guider: ConditionGuider, start: Start, sigmas: Tensor, noise: Tensor, total: int) -> dict[str, Tensor]:
    """Return the inputs of `sample` that let the host's inpainting hold each part of the guide until its steps begin.

    start    the guide as latents of the host, [F, C, h, w]
    sigmas   of the steps that are run, of `total`
    """

    def begun(sigma: Tensor, mask: Tensor, extra_options: dict) -> Tensor:
        left = int((sigmas[:-1] <= sigma.max().cpu() * (1 + 1e-6)).sum())
        outside, inside = start.begun(left, total)
        return mask * inside + (1 - mask) * outside

    guider.model_options = {**guider.model_options, "denoise_mask_function": begun}
    # The host adds noise * sigma to the latents. Noise alone has the variance 1 + sigma^2 there.
    is_noise = start.chosen(torch.ones(()), torch.zeros(()), [share == 1 for share in start.shares])
    more = math.sqrt(1 + float(sigmas[0]) ** -2)
    return {
        "noise": noise * (1 + (more - 1) * is_noise),
        "latent_image": start.guide * (1 - is_noise),
        "denoise_mask": start.inside,
    }


def with_windows(patcher, length: int, overlap: int):
    """The model with the host's context windows over frames."""
    windows = comfy.context_windows
    patcher = patcher.clone()
    patcher.model_options["context_handler"] = windows.IndexListContextHandler(
        context_schedule=windows.get_matching_context_schedule(windows.ContextSchedules.STATIC_STANDARD),
        fuse_method=windows.get_matching_fuse_method(windows.ContextFuseMethods.PYRAMID),
        context_length=length,
        context_overlap=overlap,
        context_stride=1,
        closed_loop=False,
        dim=0,
        causal_window_fix=False,  # would give all windows but the first one frame more than the model was trained with
    )
    windows.create_prepare_sampling_wrapper(patcher)
    return patcher
