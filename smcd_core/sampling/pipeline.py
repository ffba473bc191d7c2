"""From an image, boxes and a prompt to a video."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn

from ..errors import SMCDError, nearest
from ..networks.config import SMCDConfig
from ..networks.smcd import SMCD, Inputs, Tokens, pad_objects
from ..networks.text import TextEncoder, same_length
from ..trajectory.dense import DenseBoxes, dense_boxes, prompt_of
from ..trajectory.document import Trajectory
from ..weights.checkpoint import Checkpoint, CheckpointError
from ..weights.components import decode_latents, encode_frames, vae_stride
from ..weights.defaults import DEFAULT_CHECKPOINT, DEFAULTS, read_defaults
from ..weights.lora import Chosen
from ..weights.repository import local_path
from .animatic import start_of
from .deep_cache import EverySecondStep
from .devices import check_compiler, chosen_device, chosen_dtype
from .diffusion import (
    SAMPLERS,
    TIMESTEPS,
    TRAIN_STEPS,
    Callback,
    Guidance,
    Start,
    check_finite,
    noise_from,
    skipped,
)
from .framing import resized, size_of
from .loading import read_networks, write_networks
from .offload import Offload
from .request import Request, generators_of, given_noise
from .schedulers import Scheduled, check_scheduler, scheduler_config, scheduler_named, start_with
from .settings import NO_TEXT, Settings, check_objects, check_size, check_slots, from_noise, without_effect
from .windows import Windows

OUTPUTS = ("video", "latents")


class SMCDPipeline:
    """All networks, on one device.

    defaults  settings of calls that say nothing else; the keys are those of DEFAULTS
    info      what the checkpoint says of itself; `save_pretrained` keeps it
    """

    def __init__(
        self,
        smcd: SMCD,
        vae: AutoencoderKL,
        text: TextEncoder,
        defaults: Mapping[str, float] = DEFAULTS,
        info: Mapping[str, Any] | None = None,
    ):
        """Raises SMCDError if the networks do not fit together."""
        check_together(smcd.config, vae, text)
        self.smcd, self.vae, self.text, self.defaults = smcd, vae, text, dict(defaults)
        self.info = dict(info or {})
        self._offload: Offload | None = None

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path = DEFAULT_CHECKPOINT,
        *,
        components: str | Path | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        download: bool = False,
        lora: Chosen | None = None,
        offload: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> SMCDPipeline:
        """Read all networks from one path, or from one for SMCD and one for the others.

        path        any layout that `read_checkpoint` knows; the folder may hold vae/, tokenizer/ and text_encoder/ too.
                    With `download`, also a repository of the Hugging Face hub, as "owner/name"
        components  a diffusers pipeline folder with vae/, tokenizer/ and text_encoder/, used instead of what is at
                    `path`; needed if they are not there
        device      "auto" is the fastest there is
        dtype       "auto" is half precision on an NVIDIA GPU, else float32
        download    may use the network, if there is nothing at `path`
        lora        file to merge into the weights, or several: [("a.safetensors", 0.7), ("b.safetensors", 1.0)]
        offload     keep the networks in main memory, and each on the device only while it works
        checkpoint  what `read_checkpoint` gave for `path`, if it has been read

        Raises CheckpointError, and SMCDError for a device or dtype that cannot be used.
        """
        device = chosen_device(device)
        dtype = chosen_dtype(dtype, device)
        taking_turns = Offload(device) if offload else None
        home = "cpu" if offload else device
        path = local_path(path, download)
        smcd, vae, text, checkpoint = read_networks(path, components, home, dtype, lora, checkpoint)
        try:
            pipeline = cls(smcd, vae, text, read_defaults(checkpoint), checkpoint.info)
        except CheckpointError:
            raise
        except SMCDError as error:
            raise CheckpointError(f"{path}: {error}") from None
        pipeline.to(home, dtype)._offload = taking_turns
        return pipeline

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = DEFAULT_CHECKPOINT,
        *,
        components: str | Path | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> SMCDPipeline:
        """`from_pretrained` on the CPU in float32, unless something else is said."""
        return cls.from_pretrained(path, components=components, device=device, dtype=dtype)

    def save_pretrained(self, path: str | Path) -> Path:
        """Write everything into one file that `from_pretrained`, the command line and Load SMCD read; return its path.

        path  a name that ends in .safetensors, or a folder, which gets smcd.safetensors

        Raises CheckpointError for the suffix of another format, OSError if nothing can be written.
        """
        info = {**self.info, "defaults": self.defaults}
        return write_networks(path, self.smcd, self.vae, self.text, info)

    def to(
        self, device: str | torch.device | torch.dtype | None = None, dtype: str | torch.dtype | None = None
    ) -> SMCDPipeline:
        """Move all networks to a device, a dtype, or both; `to(torch.float16)` works as in torch. Returns itself.

        A device ends `offload`. Raises SMCDError as `from_pretrained` does.
        """
        if isinstance(device, torch.dtype):
            device, dtype = None, device
        if device is not None:
            self._offload = None
        where = chosen_device(next(self.smcd.parameters()).device if device is None else device)
        kind = self.dtype if dtype is None else chosen_dtype(dtype, where)
        self.smcd.to(where, kind)
        self.text.to(where, kind)
        # diffusers warns about a dtype even where it changes nothing.
        self.vae = self.vae.to(where) if self.vae.dtype == kind else self.vae.to(where, kind)
        return self

    def compile(self, **options: Any) -> SMCDPipeline:
        """Have torch compile the UNet in the first step of each size. Returns itself.

        options  of torch.compile

        Raises SMCDError without a compiler.
        """
        if "backend" not in options:
            check_compiler(str(self.device))
        self.smcd.compile(**options)
        return self

    @property
    def device(self) -> torch.device:
        """Where the networks work."""
        return next(self.smcd.parameters()).device if self._offload is None else self._offload.device

    @property
    def is_offloaded(self) -> bool:
        """Whether the networks are on the device only while they work."""
        return self._offload is not None

    @property
    def dtype(self) -> torch.dtype:
        return next(self.smcd.parameters()).dtype

    @property
    def conditions(self) -> frozenset[str]:
        """See `SMCDConfig.conditions`."""
        return self.smcd.config.conditions

    @property
    def scheduler_config(self) -> dict[str, Any]:
        """The argument of `from_config` of diffusers' schedulers."""
        return scheduler_config(self.smcd.config.prediction)

    @property
    def multiple(self) -> int:
        """Width and height of a video must be divisible by this, in pixels."""
        return vae_stride(self.vae) * self.smcd.config.stride

    def __call__(
        self,
        image: Image.Image | np.ndarray,
        trajectory: Trajectory,
        prompt: str | None = None,
        *,
        seed: int = 0,
        negative: str = NO_TEXT,
        **given: Any,
    ) -> Any:
        """One video, uint8 [F, H, W, 3], or its latents. `given` as in `generate`; the prompt is else the phrases."""
        if prompt is None and isinstance(trajectory, (Trajectory, DenseBoxes)):  # others are refused by Request
            prompt = prompt_of(dense_boxes(trajectory).phrases)
        return self.generate([Request(image, trajectory, prompt, seed, negative)], **given)[0]

    @torch.no_grad()
    def generate(
        self,
        requests: Sequence[Request],
        settings: Settings | None = None,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        callback: Callback | None = None,
        latents: Tensor | Sequence[Tensor] | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        scheduler: Any = None,
        output: str = "video",
        **given: Any,
    ) -> list[Any]:
        """B videos in one batch, each uint8 [F, H, W, 3], or their latents.

        settings   of all videos; or
        given      arguments of `Settings.of`: num_frames, width, height, steps, guidance, fast, ...
        progress   called with (steps done, total steps)
        callback   called with (steps done, total steps, noisy latents [B, F, C, h, w]) after each step; it may show
                   them with `decode`. Returning False raises Stopped
        latents    [B, F, C, h, w], standard normal, to start from instead of the noise of the seeds
        generator  one for each request, or one for all in turn, that draw the noise instead of the seeds
        scheduler  of diffusers, used instead of the sampler: its name, or one made with `scheduler_config`; a copy is
                   used
        output     "video", or "latents" for float32 [F, C, h, w], which `decode` takes

        Raises SMCDError for settings, sizes or objects that the networks cannot have, and for a video of NaN; TypeError
        for a keyword that there is not. Warns where `given` starts a video from noise though the checkpoint is made for
        another start, and of a negative prompt without effect.
        """
        _refuse_unknown(given)
        if not requests:
            raise SMCDError("there are no requests: give at least one")
        if output not in OUTPUTS:
            raise SMCDError(f"output is {output!r}, expected one of {', '.join(OUTPUTS)}")
        if settings is None:
            given["start"] = start_with(scheduler, given.get("start"))
            settings = self._settings_of(requests, **given)
            self._warn(requests, settings)
        if settings.match_colors and output == "latents":
            raise SMCDError("match_colors changes frames, which latents are not: leave it out, or take output='video'")
        if scheduler is not None:
            check_scheduler(scheduler, settings)
        check_size(settings.width, settings.height, self.multiple)
        num_frames, height, width = settings.num_frames, settings.height, settings.width
        shape = self._latent_shape(settings)
        generators = generators_of(requests, generator)
        if latents is None:
            noise = torch.cat([noise_from(one, shape).to(self.device) for one in generators])
        else:
            noise = given_noise(latents, (len(requests), *shape))
        scheduled, guided_steps = None, settings.guided_steps
        if scheduler is not None:
            if isinstance(scheduler, str):
                scheduler = scheduler_named(scheduler, self.smcd.config.prediction)
            scheduled = Scheduled(scheduler, settings.steps, self.smcd.config.prediction, self.device, generators)
            guided_steps = settings.guided_of(scheduled.total)
        inputs, no_text = self._inputs(requests, num_frames, width, height)
        start = start_of(requests, settings, self.encode)

        def show(done: int, total: int, x: Tensor) -> object:
            return None if callback is None else callback(done, total, x.unflatten(0, (-1, num_frames)))

        with self._turn(self.smcd):
            tokens, weights = self._branches(inputs, no_text, settings.guidance)
            unguided = None
            if settings.guided < 1:
                unguided = guided_steps, self._branches(inputs, no_text, Guidance(1, 1, 1))[0]
            made = self.denoise(
                noise,
                tokens,
                weights,
                settings.steps,
                progress,
                sampler=settings.sampler,
                unguided=unguided,
                reuse_features=settings.reuse_features,
                start=start,
                callback=show,
                scheduled=scheduled,
                windows=self._windows(settings),
            )
        check_finite(made, tokens.text.dtype)
        if output == "latents":
            return [*made.split(num_frames)]
        with self._turn(self.vae):
            videos = [self.decode(video) for video in made.split(num_frames)]
        if settings.match_colors:
            return [_matched(*pair) for pair in zip(videos, requests, strict=True)]
        return videos

    def _turn(self, network: nn.Module) -> AbstractContextManager[None]:
        """In which the network is where it works."""
        return nullcontext() if self._offload is None else self._offload.turn(network)

    def _windows(self, settings: Settings) -> Windows | None:
        if settings.window is None or settings.window >= settings.num_frames:
            return None
        return Windows(settings.num_frames, settings.window, settings.shared, self.device)

    def _settings_of(self, requests: Sequence[Request], **given: Any) -> Settings:
        """One for all requests. Raises SMCDError if their trajectories differ in length, or their images in shape."""
        every = [
            Settings.of(
                self.defaults, request.trajectory, picture=size_of(request.image), multiple=self.multiple, **given
            )
            for request in requests
        ]
        lengths = {settings.num_frames for settings in every}
        if len(lengths) > 1:
            raise SMCDError(f"the trajectories have {sorted(lengths)} frames, expected one length: give num_frames")
        sizes = {(settings.width, settings.height) for settings in every}
        if len(sizes) > 1:
            listed = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
            raise SMCDError(f"the videos would be {listed}, as their images are: give width and height")
        return every[0]

    def _warn(self, requests: Sequence[Request], settings: Settings) -> None:
        unheard = (without_effect(settings, request.negative, "text") for request in requests)
        for line in dict.fromkeys([*from_noise(self.defaults, settings), *itertools.chain(*unheard)]):
            warnings.warn(line, stacklevel=1)

    def _latent_shape(self, settings: Settings) -> tuple[int, int, int, int]:
        """[F, C, h, w] of one video."""
        stride = vae_stride(self.vae)
        size = (settings.height // stride, settings.width // stride)
        return (settings.num_frames, self.smcd.config.latent_channels, *size)

    @torch.no_grad()
    def tokens(
        self, requests: Sequence[Request], num_frames: int, width: int, height: int, guidance: Guidance
    ) -> tuple[Tokens, list[float]]:
        """The inputs of all steps for the K evaluations of guidance: tokens of K * B videos, and the K weights."""
        return self._branches(*self._inputs(requests, num_frames, width, height), guidance)

    def _branches(self, inputs: Inputs, no_text: Tensor, guidance: Guidance) -> tuple[Tokens, list[float]]:
        weights = dict(guidance.branches(self.conditions))
        with self._turn(self.smcd):
            branches = [self.smcd.encode(_keep(inputs, conditions, no_text)) for conditions in weights]
        differ_in_text = len({conditions - {"text"} for conditions in weights}) == 1
        tokens = replace(Tokens.cat(branches), copies=len(branches) if differ_in_text else 1)
        return tokens, list(weights.values())

    def _inputs(self, requests: Sequence[Request], num_frames: int, width: int, height: int) -> tuple[Inputs, Tensor]:
        """With all conditions, and the text tokens that stand for "no text"."""
        self._check_objects(requests, num_frames)
        like = {"device": self.device, "dtype": self.dtype}
        prompts = ([getattr(request, name) for request in requests] for name in ("prompt", "negative"))
        with self._turn(self.text):
            text, no_text = same_length([self.text.prompts(texts).to(**like) for texts in prompts])
            objects = [self._objects(request, num_frames) for request in requests]
        inputs = Inputs(text, num_frames)
        if "image" in self.conditions:
            first_frames = np.stack([resized(request.image, width, height) for request in requests])
            inputs = replace(inputs, first_frame=self.encode(first_frames).to(**like))
        most = max(len(vectors) for _, _, vectors in objects)
        if "boxes" in self.conditions and most > 0:
            # Requests with fewer boxes than others get empty ones, as SMCD.encode adds them up to config.box_slots.
            padded = [pad_objects(*parts, most) for parts in objects]
            boxes, mask, vectors = (torch.stack(parts).to(self.device) for parts in zip(*padded, strict=True))
            inputs = replace(inputs, boxes_xyxy=boxes, box_mask=mask, phrases=vectors.to(**like))
        return inputs, no_text

    def _check_objects(self, requests: Sequence[Request], num_frames: int) -> None:
        for request in requests:
            if request.use_boxes:
                boxes = dense_boxes(request.trajectory)
                check_objects(boxes, num_frames)
                if "boxes" in self.conditions:
                    check_slots(len(boxes.phrases), self.smcd.config.box_slots)

    def _objects(self, request: Request, num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes [F, N, 4], mask [F, N] and phrase embeddings [N, P] of one request."""
        boxes = dense_boxes(request.trajectory, num_frames)
        xyxy, weights = torch.from_numpy(boxes.xyxy), torch.from_numpy(boxes.weights)
        if not request.use_boxes or not boxes.phrases:
            return xyxy[:, :0], weights[:, :0], torch.zeros(0, self.smcd.config.phrase_dim)
        return xyxy, weights, self.text.phrases(boxes.phrases).cpu()

    @torch.no_grad()
    def denoise(
        self,
        noise: Tensor,
        tokens: Tokens,
        weights: Sequence[float],
        steps: int,
        progress: Callable[[int, int], None] = lambda done, total: None,
        *,
        sampler: str = "ddim",
        unguided: tuple[int, Tokens] | None = None,
        reuse_features: bool = False,
        start: Start | None = None,
        callback: Callback | None = None,
        scheduled: Scheduled | None = None,
        windows: Windows | None = None,
    ) -> Tensor:
        """noise float32 [BF, C, h, w] -> latents of the same shape, on the networks' device; see `tokens`.

        unguided   a number of steps, and what is used alone after them: the tokens of B videos
        scheduled  used instead of steps and sampler
        windows    over the frames of each video; None takes them all at once
        """
        guided_steps, alone = unguided or (TRAIN_STEPS, tokens)
        step = itertools.count(skipped(len(TIMESTEPS[sampler](steps)), start))
        reuse = [EverySecondStep() for _ in (windows.spans if windows else [0])] if reuse_features else None

        def predict(x: Tensor, t: Tensor) -> Tensor:
            """All branches in one batch; their weighted sum in float32, as differences of half floats are coarse."""
            used, shares = (tokens, weights) if next(step) < guided_steps else (alone, [1.0])

            def evaluate(x: Tensor, used: Tokens, window: int) -> Tensor:
                batch = x.to(used.text).repeat(len(shares), 1, 1, 1)  # [KBF, C, h, w]
                deep = reuse[window].next(len(batch)) if reuse else None
                predictions = self.smcd(batch, t.expand(len(used.text)), used, deep=deep).to(x)
                return sum(share * part for share, part in zip(shares, predictions.chunk(len(shares)), strict=True))

            return evaluate(x, used, 0) if windows is None else windows.fused(x, used, evaluate)

        kind, noise = self.smcd.config.prediction, noise.to(tokens.text.device)
        with self._turn(self.smcd):
            if scheduled is not None:
                return scheduled(predict, noise, progress, callback)
            return SAMPLERS[sampler](
                predict, noise, steps, kind=kind, progress=progress, callback=callback, start=start
            )

    def encode(self, frames: np.ndarray) -> Tensor:
        """uint8 [F, H, W, 3] -> latents [F, C, h, w], scaled."""
        with self._turn(self.vae):
            return encode_frames(self.vae, frames)

    def decode(self, latents: Tensor) -> np.ndarray:
        """latents [F, C, h, w] -> uint8 [F, H, W, 3]"""
        with self._turn(self.vae):
            return decode_latents(self.vae, latents)


def check_together(config: SMCDConfig, vae: AutoencoderKL, text: TextEncoder) -> None:
    """Raise SMCDError if VAE and text encoder give other widths than SMCD(config) takes."""
    width = text.model.config.hidden_size
    needs = [
        ("text tokens", config.context_dim, width, "text encoder"),
        ("phrase embeddings", config.phrase_dim if config.boxes else width, width, "text encoder"),
        ("latents", config.latent_channels, vae.config.latent_channels, "VAE"),
    ]
    if config.image_tokens != "none":
        needs.append(("image tokens", config.context_dim, config.image_encoder_channels[-1], "image encoder"))
    for what, needed, given, giver in needs:
        if needed != given:
            raise SMCDError(
                f"SMCD takes {what} of width {needed}, the {giver} gives {given}: use the one it was trained with"
            )


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    """Raise TypeError for a keyword that `Settings.of` does not take, with the one that was probably meant."""
    settings = {*signature(Settings.of).parameters, *(field.name for field in fields(Settings))}
    settings -= {"defaults", "trajectory", "picture", "multiple", "others"}
    for name in given.keys() - settings:
        calls = (SMCDPipeline.__call__, SMCDPipeline.generate)
        known = settings.union(*(signature(call).parameters for call in calls))
        near = nearest(name, sorted(known - {"self", "given", "others"}))
        raise TypeError(f"there is no keyword {name!r}" + (f": did you mean {near!r}?" if near else ""))


def _keep(inputs: Inputs, conditions: frozenset[str], no_text: Tensor) -> Inputs:
    """The inputs with all other conditions dropped, the way training drops them."""
    if "text" not in conditions:
        inputs = replace(inputs, text=no_text)
    if "boxes" not in conditions and inputs.box_mask is not None:
        inputs = replace(inputs, box_mask=torch.zeros_like(inputs.box_mask))
    if "image" not in conditions and inputs.first_frame is not None:
        inputs = replace(inputs, first_frame=torch.zeros_like(inputs.first_frame))
    return inputs


def _matched(video: np.ndarray, request: Request) -> np.ndarray:
    from .color_match import match_colors  # needs scipy, which nothing else here does

    frames, height, width = video.shape[:3]
    boxes = dense_boxes(request.trajectory, frames)
    shown = slice(None) if request.use_boxes else slice(0)
    return match_colors(video, resized(request.image, width, height), boxes.xyxy[:, shown], boxes.mask[:, shown])
