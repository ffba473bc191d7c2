"""The two networks that SMCD takes ready-made: an image autoencoder and a CLIP text encoder, trained small.

Only for training from scratch. At full size both come from the ModelScope release.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..data import render_clip
from ..data.synthetic import COLORS, MOTIONS, SCENES, SHAPES, vocabulary
from ..files import replacing
from ..networks.text import PADDING_ID, TextEncoder, make_tokenizer

LATENT_SCALE = 0.18215  # SD1 VAE
KL_WEIGHT = 1e-3  # small: the latents are to carry the picture, not to be noise


# Autoencoder ---------------------------------------------------------------------------------------------------------


def small_autoencoder() -> AutoencoderKL:
    """An AutoencoderKL with the strides (8) and latent channels (4) of Stable Diffusion and 2 % of its weights."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 32, 64, 128),
        layers_per_block=1,
        norm_num_groups=8,  # with 32 groups of one channel each the decoder could not tell how bright a picture is
        latent_channels=4,
        sample_size=128,
        scaling_factor=LATENT_SCALE,
    )


class _Crops(IterableDataset):
    """Random crops of random frames, endless; float32 [3, crop, crop] in -1..1."""

    def __init__(self, seed: int, size: int, crop: int):
        self.seed, self.size, self.crop = seed, size, crop

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            clip = render_clip(int(rng.integers(2**40)), size=self.size, num_frames=4)
            for frame in clip.frames:
                y, x = rng.integers(0, self.size - self.crop + 1, 2)
                yield _to_signed(frame[y : y + self.crop, x : x + self.crop])


def _to_signed(image: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> float32 [3, H, W] in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 127.5 - 1


def train_autoencoder(
    out: Path,
    *,
    steps: int,
    size: int = 128,
    crop: int = 64,
    batch_size: int = 8,
    lr: float = 1.5e-3,
    decoder_only: bool = False,
    seed: int = 0,
) -> AutoencoderKL:
    """Train on frames of `size` pixels, save to `out`/vae in the layout of diffusers; a stopped run goes on.

    The first four fifths see crops, the last whole frames (fewer at once). At the end the latents are made to have
    mean 0 and, times LATENT_SCALE, deviation 1 in each channel, by folding the statistics into the two 1x1
    convolutions.

    decoder_only  improve the decoder of a finished autoencoder in `out`, on whole frames: latents keep their meaning
    """
    torch.manual_seed(seed)
    if decoder_only:
        vae = AutoencoderKL.from_pretrained(out / "vae", local_files_only=True)
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    else:
        vae = small_autoencoder()
        # Start with almost noiseless latents: a large variance would drown the image before the encoder can speak.
        with torch.no_grad():
            vae.quant_conv.bias[4:] = -6
            vae.quant_conv.weight[4:] *= 0.1
    optimizer = torch.optim.AdamW(vae.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=1e-4)
    state_path = out / "vae" / ("decoder_state.pt" if decoder_only else "state.pt")
    step = 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]

    whole_from = 0 if decoder_only else steps * 4 // 5
    batches = None
    while step < steps:
        if batches is None or step == whole_from:
            whole = step >= whole_from
            side, batch = (size, max(1, batch_size * crop**2 // size**2)) if whole else (crop, batch_size)
            batches = iter(DataLoader(_Crops(seed + step, size, side), batch_size=batch, num_workers=1))
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 50) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        images = next(batches)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        decoded = decoded.float()
        loss = F.l1_loss(decoded, images) + 2 * F.mse_loss(decoded, images)
        loss = loss + KL_WEIGHT * posterior.kl().mean() / images[0].numel()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0 or step == steps:
            psnr = -10 * math.log10(F.mse_loss(decoded, images).item() / 4)
            print(f"autoencoder: step {step}, loss {loss.item():.4f}, {psnr:.1f} dB", flush=True)
            _save_state(state_path, {"model": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step})
    if not decoder_only:
        _normalise_latents(vae, size)
    vae.save_pretrained(out / "vae")
    return vae.eval()


def _save_state(path: Path, state: dict) -> None:
    with replacing(path) as temporary:
        torch.save(state, temporary)


@torch.no_grad()
def _normalise_latents(vae: AutoencoderKL, size: int) -> None:
    frames = [render_clip(i, size=size, num_frames=1).frames[0] for i in range(256)]
    latents = torch.cat([vae.encode(_to_signed(f)[None]).latent_dist.mean for f in frames])  # [256, 4, h, w]
    mean = latents.mean((0, 2, 3))
    scale = 1 / (latents.std((0, 2, 3)) * LATENT_SCALE)
    encode, decode = vae.quant_conv, vae.post_quant_conv
    encode.weight[:4] *= scale[:, None, None, None]
    encode.bias[:4] = (encode.bias[:4] - mean) * scale
    encode.bias[4:] += 2 * scale.log()  # the posterior's log-variance scales along
    decode.bias += decode.weight[:, :, 0, 0] @ mean
    decode.weight /= scale[None, :, None, None]


# Text encoder --------------------------------------------------------------------------------------------------------


def small_tokenizer(words: Sequence[str]) -> CLIPTokenizer:
    """A CLIP tokenizer in which each of `words` is one token; any other word falls apart into letters."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(BPE(end_of_word_suffix="</w>"))
    model.pre_tokenizer = pre_tokenizers.Whitespace()
    model.train_from_iterator(words, BpeTrainer(vocab_size=4096, end_of_word_suffix="</w>", show_progress=False))
    merges = [" ".join(pair) for pair in json.loads(model.to_str())["model"]["merges"]]
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *(merge.replace(" ", "") for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return make_tokenizer({token: index for index, token in enumerate(dict.fromkeys(tokens))}, merges)


def small_text_encoder() -> TextEncoder:
    """CLIP's text model with 3 layers of width 128 over the words of the synthetic captions."""
    tokenizer = small_tokenizer(" ".join(vocabulary()).split())
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        projection_dim=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=32,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=PADDING_ID,
    )
    return TextEncoder(tokenizer, CLIPTextModel(config))


def train_text_encoder(
    out: Path, *, steps: int = 2000, batch_size: int = 64, lr: float = 1e-3, seed: int = 0
) -> TextEncoder:
    """Train until the end-of-text state of a sentence tells who is in it; save `out`/text_encoder and `out`/tokenizer.

    Stands in for the contrastive training of CLIP: from that one vector a linear layer must say which colour goes with
    which shape and which movement, and in which scene. So phrases that mean different things get vectors that differ.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoder = small_text_encoder()
    facts = [*product(COLORS, SHAPES), *product(COLORS, MOTIONS), *((scene,) for scene in SCENES)]
    column = {fact: index for index, fact in enumerate(facts)}
    probe = nn.Linear(encoder.model.config.hidden_size, len(facts))
    optimizer = torch.optim.AdamW([*encoder.model.parameters(), *probe.parameters()], lr=lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for step in range(steps):
        sentences = [_random_sentence(rng) for _ in range(batch_size)]
        target = torch.zeros(batch_size, len(facts))
        for row, (_, known) in enumerate(sentences):
            target[row, [column[fact] for fact in known]] = 1
        logits = probe(encoder.phrases([text for text, _ in sentences]))
        loss = F.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 200 == 0:
            exact = ((logits > 0) == target.bool()).all(1).float().mean().item()
            print(f"text encoder: step {step + 1}, loss {loss.item():.4f}, {exact:.0%} understood", flush=True)
    encoder.model.save_pretrained(out / "text_encoder")
    encoder.tokenizer.save_pretrained(out / "tokenizer")
    return encoder.eval()


def _random_sentence(rng: np.random.Generator) -> tuple[str, list[tuple[str, ...]]]:
    """A phrase, with or without an article, or a caption as `render_clip` writes them; and the facts in it."""
    colors = rng.permutation(list(COLORS))[: rng.integers(1, 4)]
    shapes, motions = rng.choice(SHAPES, len(colors)), rng.choice(MOTIONS, len(colors))
    scene = str(rng.choice(list(SCENES)))
    phrases = [f"{color} {shape}" for color, shape in zip(colors, shapes)]
    named = [(str(color), str(shape)) for color, shape in zip(colors, shapes)]
    if rng.random() < 0.4:
        return rng.choice(["", "a ", "the "]) + phrases[0], named[:1]
    moving = [(str(color), str(motion)) for color, motion in zip(colors, motions)]
    parts = [f"a {phrase} {motion}" for phrase, motion in zip(phrases, motions)]
    return f"{' and '.join(parts)}, {scene}", [*named, *moving, (scene,)]
