"""From a picture, boxes and a sentence to a video."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from ..networks.smcd import SMCD, Inputs, Tokens
from ..networks.text import TextEncoder
from ..trajectory.dense import boxes_at, clip_boxes, phrases, strengths
from ..trajectory.document import Trajectory
from ..weights.checkpoint import CheckpointError, build, read_checkpoint
from ..weights.components import decode_latents, encode_frames, load_components, missing_components, unpack_components
from ..weights.defaults import DEFAULT_CHECKPOINT, DEFAULTS, read_defaults
from .deep_cache import EverySecondStep
from .diffusion import SAMPLERS, TRAIN_STEPS, Guidance


@dataclass(frozen=True)
class Request:
    """What one video is to be made from.

    image      a picture, PIL or uint8 [H, W, 3]; it is resized to the video's size, whatever its aspect ratio
    prompt     a sentence on the whole video
    seed       of the noise
    negative   stands for "no text"; as released, a space
    use_boxes  False hides the trajectory from the model
    """

    image: Image.Image | np.ndarray
    trajectory: Trajectory
    prompt: str
    seed: int = 0
    negative: str = " "
    use_boxes: bool = True


def pick_device() -> str:
    """The fastest device there is."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class SMCDPipeline:
    """All networks, on one device.

    defaults  what calls use where they say nothing else; the keys are those of DEFAULTS
    """

    def __init__(self, smcd: SMCD, vae: AutoencoderKL, text: TextEncoder, defaults: Mapping[str, float] = DEFAULTS):
        """Raises ValueError if the networks do not fit together."""
        config, width = smcd.config, text.model.config.hidden_size
        needs = [
            ("text tokens", config.context_dim, width, "text encoder"),
            ("phrase embeddings", config.phrase_dim if config.boxes else width, width, "text encoder"),
            ("latents", config.latent_channels, vae.config.latent_channels, "VAE"),
        ]
        if config.image_tokens != "none":
            needs.append(("image tokens", config.context_dim, config.image_encoder_channels[-1], "image encoder"))
        for what, needed, given, giver in needs:
            if needed != given:
                raise ValueError(
                    f"SMCD takes {what} of width {needed}, the {giver} gives {given}: use the one it was trained with"
                )
        self.smcd, self.vae, self.text, self.defaults = smcd, vae, text, dict(defaults)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = DEFAULT_CHECKPOINT,
        *,
        components: str | Path | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> SMCDPipeline:
        """Read everything from files.

        path        any layout that `read_checkpoint` knows
        components  a diffusers pipeline folder with vae/, tokenizer/ and text_encoder/, used instead of what is in the
                    checkpoint; needed if nothing is in it

        Raises CheckpointError.
        """
        checkpoint = read_checkpoint(path)
        if components is not None:
            vae, text = load_components(components)
        elif missing := missing_components(checkpoint):
            raise CheckpointError(
                f"{path}: carries no {' and no '.join(missing)}: name a diffusers folder that has them, such as "
                "text-to-video-ms-1.7b, with --components (components= in Python)"
            )
        else:
            vae, text = unpack_components(checkpoint)
        smcd = build(checkpoint, dtype=dtype, device=device)
        # diffusers warns about a dtype even where it changes nothing.
        vae = vae.to(device) if vae.dtype == dtype else vae.to(device, dtype)
        try:
            return cls(smcd, vae, text.to(device, dtype), read_defaults(checkpoint))
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{path}: {error}") from None

    @property
    def conditions(self) -> frozenset[str]:
        """What the networks listen to: "text", and "boxes" and "image" where the system has them."""
        return self.smcd.config.conditions

    @property
    def vae_stride(self) -> int:
        """Pixels of one latent, along each side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def multiple(self) -> int:
        """Width and height of a video must be divisible by this, in pixels."""
        return self.vae_stride * self.smcd.config.stride

    def __call__(
        self,
        image: Image.Image | np.ndarray,
        trajectory: Trajectory,
        prompt: str,
        *,
        seed: int = 0,
        negative: str = " ",
        **settings: Any,
    ) -> np.ndarray:
        """One video, uint8 [F, H, W, 3]. `settings` as in `generate`."""
        return self.generate([Request(image, trajectory, prompt, seed, negative)], **settings)[0]

    @torch.no_grad()
    def generate(
        self,
        requests: Sequence[Request],
        *,
        num_frames: int | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance: Guidance | None = None,
        sampler: str = "ddim",
        guided: float = 1.0,
        reuse_features: bool = False,
        match_colors: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[np.ndarray]:
        """B videos in one batch, each uint8 [F, H, W, 3].

        num_frames    default: that of the trajectories; else they are sampled at so many evenly spaced times
        sampler       one of SAMPLERS; "ddim" is the released one
        guided        share of the steps, from the first, that guidance is used in; the others take one evaluation.
                      Source: Kynkaanniemi et al. (2024), "Applying guidance in a limited interval"
        reuse_features  let every second step take its deep features from the one before, see deep_cache.py
        match_colors  draw colours back to those of the image, see color_match.py; for a still camera and light
        progress      called with (steps done, steps in all)

        The others default to `defaults`. Raises ValueError for sizes that the networks cannot have.
        """
        lengths = {num_frames or request.trajectory.frames for request in requests}
        if len(lengths) != 1:
            raise ValueError(f"the trajectories have {sorted(lengths)} frames, expected one length: give num_frames")
        num_frames = lengths.pop()
        width, height = self._checked_size("width", width), self._checked_size("height", height)
        guidance = guidance or Guidance(**{name: self.defaults[name] for name in ("text", "boxes", "image")})
        steps = self.defaults["steps"] if steps is None else steps
        inputs, no_text = self._inputs(requests, num_frames, width, height)
        tokens, weights = self._branches(inputs, no_text, guidance)
        unguided = None
        if guided < 1:
            unguided = math.ceil(guided * steps), self._branches(inputs, no_text, Guidance(1, 1, 1))[0]
        noise = [self._noise(request.seed, num_frames, width, height) for request in requests]
        latents = self.denoise(
            torch.cat(noise),
            tokens,
            weights,
            steps,
            progress,
            sampler=sampler,
            unguided=unguided,
            reuse_features=reuse_features,
        )
        videos = [self.decode(video) for video in latents.split(num_frames)]
        return [_matched(*pair) for pair in zip(videos, requests, strict=True)] if match_colors else videos

    def _checked_size(self, side: str, pixels: int | None) -> int:
        pixels = self.defaults[side] if pixels is None else pixels
        if pixels < 1 or pixels % self.multiple:
            nearest = max(1, round(pixels / self.multiple)) * self.multiple
            raise ValueError(f"{side} is {pixels}, expected a multiple of {self.multiple} pixels: use {nearest}")
        return pixels

    def _noise(self, seed: int, num_frames: int, width: int, height: int) -> Tensor:
        """[F, 4, h, w], drawn on the CPU in float32, so that a seed means the same on every device."""
        size = (height // self.vae_stride, width // self.vae_stride)
        shape = (self.smcd.config.latent_channels, num_frames, *size)  # As released: channels before frames.
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).transpose(0, 1)

    @torch.no_grad()
    def tokens(
        self, requests: Sequence[Request], num_frames: int, width: int, height: int, guidance: Guidance
    ) -> tuple[Tokens, list[float]]:
        """What stays the same through all steps, for the K evaluations that guidance takes: their tokens as a batch of
        K * B videos, and their K weights."""
        return self._branches(*self._inputs(requests, num_frames, width, height), guidance)

    def _branches(self, inputs: Inputs, no_text: Tensor, guidance: Guidance) -> tuple[Tokens, list[float]]:
        weights: dict[frozenset[str], float] = {}
        for conditions, weight in guidance.branches():
            heard = conditions & self.conditions
            weights[heard] = weights.get(heard, 0.0) + weight
        weights = {conditions: weight for conditions, weight in weights.items() if weight != 0}
        branches = [self.smcd.encode(_keep(inputs, conditions, no_text)) for conditions in weights]
        differ_in_text = len({conditions - {"text"} for conditions in weights}) == 1
        tokens = replace(Tokens.cat(branches), copies=len(branches) if differ_in_text else 1)
        return tokens, list(weights.values())

    def _inputs(self, requests: Sequence[Request], num_frames: int, width: int, height: int) -> tuple[Inputs, Tensor]:
        """With all conditions, and the text tokens that stand for "no text"."""
        like = next(self.smcd.parameters())
        inputs = Inputs(self.text([request.prompt for request in requests]).to(like), num_frames)
        if "image" in self.conditions:
            first_frames = np.stack([_resized(request.image, width, height) for request in requests])
            inputs = replace(inputs, first_frame=self.encode(first_frames).to(like))
        objects = [self._objects(request, num_frames) for request in requests]
        most = max(len(vectors) for _, _, vectors in objects)
        if "boxes" in self.conditions and most > 0:
            # Requests with fewer boxes than others get empty ones, as SMCD.encode adds them up to config.box_slots.
            padded = [_pad_objects(*parts, most) for parts in objects]
            boxes, mask, vectors = (torch.stack(parts).to(like.device) for parts in zip(*padded, strict=True))
            inputs = replace(inputs, boxes_xyxy=boxes, box_mask=mask, phrases=vectors.to(like))
        return inputs, self.text([request.negative for request in requests]).to(like)

    def _objects(self, request: Request, num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes [F, N, 4], mask [F, N] and phrase embeddings [N, P] of one request."""
        boxes, mask = clip_boxes(*boxes_at(request.trajectory, num_frames))
        if not request.use_boxes or not mask.shape[1]:
            return boxes[:, :0], mask[:, :0].float(), torch.zeros(0, self.smcd.config.phrase_dim)
        vectors = self.text.phrases(phrases(request.trajectory))
        return boxes, mask * torch.tensor(strengths(request.trajectory)), vectors.cpu()

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
    ) -> Tensor:
        """noise float32 [BF, 4, h, w] -> latents of the same shape, on the networks' device; see `tokens`.

        unguided  a number of steps, and what is used alone after them: the tokens of B videos
        """
        guided_steps, alone = unguided or (TRAIN_STEPS, tokens)
        step = itertools.count()
        reuse = EverySecondStep() if reuse_features else None

        def predict(x: Tensor, t: Tensor) -> Tensor:
            """All branches in one batch; their weighted sum in float32, as differences of half floats are coarse."""
            used, shares = (tokens, weights) if next(step) < guided_steps else (alone, [1.0])
            batch = x.to(used.text).repeat(len(shares), 1, 1, 1)  # [KBF, 4, h, w]
            deep = reuse.next(len(batch)) if reuse else None
            predictions = self.smcd(batch, t.expand(len(used.text)), used, deep=deep).to(x)
            return sum(share * part for share, part in zip(shares, predictions.chunk(len(shares)), strict=True))

        kind, noise = self.smcd.config.prediction, noise.to(tokens.text.device)
        return SAMPLERS[sampler](predict, noise, steps, kind=kind, progress=progress)

    def encode(self, frames: np.ndarray) -> Tensor:
        """uint8 [F, H, W, 3] -> latents [F, 4, h, w], scaled."""
        return encode_frames(self.vae, frames)

    def decode(self, latents: Tensor) -> np.ndarray:
        """latents [F, 4, h, w] -> uint8 [F, H, W, 3]"""
        return decode_latents(self.vae, latents)


def _keep(inputs: Inputs, conditions: frozenset[str], no_text: Tensor) -> Inputs:
    """The inputs with all other conditions dropped, the way training drops them."""
    if "text" not in conditions:
        inputs = replace(inputs, text=no_text)
    if "boxes" not in conditions and inputs.box_mask is not None:
        inputs = replace(inputs, box_mask=torch.zeros_like(inputs.box_mask))
    if "image" not in conditions and inputs.first_frame is not None:
        inputs = replace(inputs, first_frame=torch.zeros_like(inputs.first_frame))
    return inputs


def _pad_objects(boxes: Tensor, mask: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [F, count, 4], mask [F, count] and phrase embeddings [count, P] with nothing in the last ones."""
    pad, extra = torch.nn.functional.pad, count - len(vectors)
    return pad(boxes, (0, 0, 0, extra)), pad(mask, (0, extra)), pad(vectors, (0, 0, 0, extra))


def _matched(video: np.ndarray, request: Request) -> np.ndarray:
    from .color_match import match_colors  # needs scipy, which nothing else here does

    frames, height, width = video.shape[:3]
    boxes, mask = (part.numpy() for part in clip_boxes(*boxes_at(request.trajectory, frames)))
    if not request.use_boxes:
        boxes, mask = boxes[:, :0], mask[:, :0]
    return match_colors(video, _resized(request.image, width, height), boxes, mask > 0)


def _resized(image: Image.Image | np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3]"""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"the image is {image.dtype} {list(image.shape)}, expected uint8 [H, W, 3]")
        image = Image.fromarray(image)
    return np.array(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
