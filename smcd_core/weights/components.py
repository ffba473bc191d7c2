"""Load the pretrained VAE and text encoder, from a diffusers folder or from inside a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..networks.text import TextEncoder, make_tokenizer, text_transformer, tokenizer_files
from .checkpoint import SUFFIXES, Checkpoint, CheckpointError, Component, read_checkpoint
from .files import read_weights
from .layouts import shapes_of
from .stored import cannot_be_built, check_components, check_text, check_vae, text_settings, vae_settings

FOLDERS = ("vae", "tokenizer", "text_encoder")  # of a diffusers text-to-video pipeline
MAX_CHUNK = 8  # frames in the VAE at once
CHUNK_PIXELS = MAX_CHUNK * 256**2  # in those frames; the decoder takes about 0.3 GB for 256 x 256 of them, in float32
# Tiles differ from the whole, as each has its own statistics and attention: with the bundled VAE, at 1280 x 1280 in
# tiles of this size, by 9 of 255 grey levels in the mean. Smaller ones differ more. Whole frames of Stable Diffusion's
# VAE take 3.2 GB for a million pixels, in float32.
TILE = 1024  # pixels a side
WHOLE_PIXELS = 1920 * 1088  # in the largest frame that goes through whole
_INSIDE = {"vae": "VAE", "text_encoder": "text encoder", "tokenizer": "tokenizer"}


def missing_components(checkpoint: Checkpoint) -> list[str]:
    """The parts that a checkpoint lacks to work alone: "VAE", "text encoder", "tokenizer"."""
    return [name for field, name in _INSIDE.items() if getattr(checkpoint, field) is None]


def load_components(folder: str | Path) -> tuple[AutoencoderKL, TextEncoder]:
    """VAE and text encoder of a diffusers pipeline such as text-to-video-ms-1.7b, or of a checkpoint file.

    Never uses the network. Raises CheckpointError if `folder` is neither.
    """
    folder = Path(folder)
    if folder.is_file():
        return unpack_components(read_checkpoint(folder))
    absent = [name for name in FOLDERS if not (folder / name).is_dir()]
    if absent:
        raise CheckpointError(
            f"{folder}: has no folder {' and no folder '.join(absent)}; expected a diffusers pipeline such as "
            f"text-to-video-ms-1.7b, with the folders {', '.join(FOLDERS)}"
        )
    readers = {"vae": AutoencoderKL, "tokenizer": CLIPTokenizer, "text_encoder": CLIPTextModel}
    read = {}
    for name, reader in readers.items():
        try:
            read[name] = reader.from_pretrained(folder / name, local_files_only=True, **_options(name, folder / name))
        except Exception as error:  # the libraries raise many types, down to KeyError
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{folder / name}: is no {reader.__name__} ({reason}). Get it again") from error
    return read["vae"].eval(), TextEncoder(read["tokenizer"], read["text_encoder"]).eval()


def _options(name: str, folder: Path) -> dict[str, Any]:
    """Further arguments of from_pretrained, so that it builds no more than the weights in the folder are for."""
    if name == "tokenizer":
        return {}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shapes: dict[str, tuple[int, ...]] = {}
    for file in folder.iterdir():
        if file.suffix in SUFFIXES and not file.name.startswith("."):
            shapes |= shapes_of(read_weights(file).tensors)
    if name == "vae":
        check_vae(config, shapes)
        return {}
    check_text(config, {key.removeprefix("text_model."): shape for key, shape in shapes.items()})
    return {"config": CLIPTextConfig(**text_settings(config))}


def pack_components(vae: AutoencoderKL, text: TextEncoder) -> dict[str, Any]:
    """Pack VAE and text encoder as the arguments of `write_checkpoint`."""
    vae_config = json.loads(json.dumps(vae_settings(vae.config)))  # lists for tuples, as in a file
    # Without the outermost name, which transformers 5 has dropped.
    text_weights = text_transformer(text.model).state_dict()
    return {
        "vae": Component(vae_config, vae.state_dict()),
        "text_encoder": Component(text_settings(text.model.config.to_dict()), text_weights),
        "tokenizer": tokenizer_files(text.tokenizer),
    }


def unpack_components(checkpoint: Checkpoint) -> tuple[AutoencoderKL, TextEncoder]:
    """Build VAE and text encoder of a checkpoint; the inverse of `pack_components`.

    Raises CheckpointError if a part is missing or cannot be built.
    """
    stored_vae, stored_text, stored_tokenizer = checkpoint.vae, checkpoint.text_encoder, checkpoint.tokenizer
    if stored_vae is None or stored_text is None or stored_tokenizer is None:
        missing = " and no ".join(missing_components(checkpoint))
        raise CheckpointError(f"{checkpoint.path}: carries no {missing}")
    check_components(checkpoint)
    try:
        vae = AutoencoderKL.from_config(vae_settings(stored_vae.config))
        vae.load_state_dict(_in_float32(stored_vae.weights), assign=True)
        model = CLIPTextModel(CLIPTextConfig(**text_settings(stored_text.config)))
        text_transformer(model).load_state_dict(_in_float32(stored_text.weights), assign=True)
        tokenizer = make_tokenizer(**stored_tokenizer)
    except Exception as error:  # two libraries raise many types for a configuration or weights that do not fit
        raise cannot_be_built(checkpoint, error) from error
    return vae.eval(), TextEncoder(tokenizer, model).eval()


def _in_float32(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As the networks are built; those in float32 stay in the file that they are mapped from."""
    return {name: weight.float() for name, weight in weights.items()}


def vae_stride(vae: AutoencoderKL) -> int:
    """Side of a latent in pixels."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def frames_at_once(width: int, height: int) -> int:
    """Number of frames per VAE call: fewer for larger frames, to bound memory. Sizes in pixels."""
    return min(MAX_CHUNK, max(1, CHUNK_PIXELS // (width * height)))


def pixels_at_once(width: int, height: int) -> int:
    """Number of pixels of a frame per VAE call: large frames are cut into tiles."""
    return width * height if width * height <= WHOLE_PIXELS else min(TILE, width) * min(TILE, height)


@contextmanager
def _in_tiles(vae: AutoencoderKL, width: int, height: int) -> Iterator[None]:
    """In which the VAE takes frames larger than WHOLE_PIXELS in tiles, which overlap by a quarter and are blended."""
    if width * height <= WHOLE_PIXELS or vae.use_tiling:  # by its owner
        yield
        return
    before = vae.tile_sample_min_size, vae.tile_latent_min_size
    vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // vae_stride(vae)
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()
        vae.tile_sample_min_size, vae.tile_latent_min_size = before


@torch.no_grad()
def encode_frames(vae: AutoencoderKL, frames: np.ndarray, chunk: int | None = None) -> Tensor:
    """uint8 [F, H, W, 3] -> latents [F, 4, h, w], scaled, `chunk` frames at a time (default: `frames_at_once`)."""
    height, width = frames.shape[1:3]
    pixels = torch.from_numpy(frames).to(vae.device).permute(0, 3, 1, 2).to(vae.dtype) / 127.5 - 1
    # The release samples the posterior, twice. Its deviation is tiny, and the mean makes the first frame deterministic
    # (SPEC, section 14).
    with _in_tiles(vae, width, height):
        means = [vae.encode(part).latent_dist.mean for part in pixels.split(chunk or frames_at_once(width, height))]
    return torch.cat(means) * vae.config.scaling_factor


def through_autoencoder(vae: AutoencoderKL, frames: np.ndarray) -> np.ndarray:
    """uint8 [F, H, W, 3] encoded and decoded again: what the autoencoder keeps of it."""
    return decode_latents(vae, encode_frames(vae, frames))


@torch.no_grad()
def decode_latents(vae: AutoencoderKL, latents: Tensor, chunk: int | None = None) -> np.ndarray:
    """latents [F, 4, h, w] -> uint8 [F, H, W, 3], `chunk` frames at a time (default: `frames_at_once`)."""
    height, width = (side * vae_stride(vae) for side in latents.shape[2:])
    latents = latents.to(vae.device, vae.dtype) / vae.config.scaling_factor
    parts = []
    with _in_tiles(vae, width, height):
        for part in latents.split(chunk or frames_at_once(width, height)):
            pixels = vae.decode(part).sample.float() * 127.5 + 127.5  # [f, 3, H, W]
            parts.append(pixels.round().clamp(0, 255).to("cpu", torch.uint8))
    return torch.cat(parts).permute(0, 2, 3, 1).contiguous().numpy()
