"""The two networks that SMCD takes ready-made: an image autoencoder and a CLIP text encoder, trained small.

Only for training from scratch. At full size both come from the ModelScope release.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
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

from ..data import Clip, render_world_clip
from ..data.synthetic import COLORS, MOTIONS, SCENES, SHAPES
from ..data.world import UNNAMED, describe, vocabulary
from ..errors import SMCDError
from ..files import replacing
from ..networks.text import PADDING_ID, TextEncoder, make_tokenizer
from ..terminal import say

LATENT_SCALE = 0.18215  # SD1 VAE
_CONSTANT = 10.0  # of channels beside components of unit size: bounds the error of the largest to a hundredth or so
_LATENT_NOISE = 0.03  # that the decoder learns to bear, as a share of the deviation of each latent


# Autoencoder ---------------------------------------------------------------------------------------------------------


def small_autoencoder(
    latent_channels: int = 4, channels: Sequence[int] = (32, 32, 64, 128), blocks: int = 1
) -> AutoencoderKL:
    """Build an AutoencoderKL with Stable Diffusion's stride (8) and latent channels, and 3 % of its weights.

    latent_channels  what bounds the sharpness: 8 x 8 pixels of 3 colours become this many numbers
    channels         of the four resolutions, the finest first, multiples of 8; the first costs most time, the last most
                     weights
    blocks           of each resolution in the encoder; the decoder has one more
    """
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=tuple(channels),
        layers_per_block=blocks,
        norm_num_groups=8,  # with 32 groups of one channel each the decoder could not tell how bright a picture is
        latent_channels=latent_channels,
        sample_size=128,
        scaling_factor=LATENT_SCALE,
    )


class _Crops(IterableDataset):
    """Random crops of random frames, some mirrored, endless; float32 [3, crop, crop] in -1..1.

    render  a clip from its number, as `render_clip`
    """

    def __init__(self, seed: int, size: int, crop: int, render: Callable[..., Clip]):
        self.seed, self.size, self.crop, self.render = seed, size, crop, render

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            clip = self.render(int(rng.integers(2**40)), size=self.size, num_frames=1)
            for _ in range(max(1, (self.size // self.crop) ** 2 // 2)):  # half of what there is to see
                y, x = rng.integers(0, self.size - self.crop + 1, 2)
                image = clip.frames[0, y : y + self.crop, x : x + self.crop]
                yield _to_signed(image[:, ::-1] if rng.random() < 0.5 else image)


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
    lr: float = 1e-3,
    latent_channels: int = 4,
    channels: Sequence[int] = (32, 32, 64, 128),
    blocks: int = 1,
    detail_weight: float = 0.5,
    render: Callable[..., Clip] = render_world_clip,
    decoder_only: bool = False,
    seed: int = 0,
    device: str = "cpu",
) -> AutoencoderKL:
    """Train the decoder on frames of `size` pixels, save `out`/vae in the layout of diffusers; a stopped run goes on.

    The encoder is not trained: it is the best linear code, see `_encode_principal_components`. The first four fifths
    of the steps see crops, the last whole frames (fewer at once).

    latent_channels, channels, blocks  see `small_autoencoder`
    detail_weight  of `detail_loss`, which keeps edges and textures from being averaged
    render         a clip from its number, as `render_clip`
    decoder_only   improve the decoder of a finished autoencoder in `out`, on whole frames: latents keep their meaning

    Raises SMCDError for widths that cannot carry the latents.
    """
    torch.manual_seed(seed)
    if decoder_only:
        if not (out / "vae" / "config.json").is_file():
            raise SMCDError(f"{out / 'vae'}: holds no autoencoder to improve: train one first, without --decoder-only")
        vae = AutoencoderKL.from_pretrained(out / "vae", local_files_only=True)
    else:
        vae = small_autoencoder(latent_channels, channels, blocks)
        _start_almost_linear(vae)
        _encode_principal_components(vae, _pictures(size, render))
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    vae.to(device, memory_format=torch.channels_last)  # faster on a CPU
    decoder = [*vae.post_quant_conv.parameters(), *vae.decoder.parameters()]
    optimizer = torch.optim.AdamW(decoder, lr=lr, betas=(0.9, 0.99), weight_decay=1e-4)
    state_path = out / "vae" / ("decoder_state.pt" if decoder_only else "state.pt")
    step = 0
    if state_path.exists():
        state = torch.load(state_path, map_location=device, weights_only=True)
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]

    whole_from = 0 if decoder_only else steps * 4 // 5
    batches, psnr = None, []
    while step < steps:
        if batches is None or step == whole_from:
            whole = step >= whole_from
            side, batch = (size, max(1, batch_size * crop**2 // size**2)) if whole else (crop, batch_size)
            batches = iter(DataLoader(_Crops(seed + step, size, side, render), batch_size=batch, num_workers=1))
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 50) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        images = next(batches).to(device)
        with torch.no_grad():
            latents = vae.encode(images).latent_dist.sample()
        decoded = vae.decode(latents).sample  # in float32: with bfloat16 it learns half as fast
        squared = F.mse_loss(decoded, images)
        loss = F.l1_loss(decoded, images) + 2 * squared + detail_weight * detail_loss(decoded, images)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder, 1.0)
        optimizer.step()
        step += 1
        psnr.append(-10 * math.log10(squared.item() / 4))
        if step % 100 == 0 or step == steps:
            say(f"autoencoder: step {step}, loss {loss.item():.4f}, {sum(psnr) / len(psnr):.1f} dB")
            psnr.clear()
            _save_state(state_path, {"model": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step})
    vae.save_pretrained(out / "vae")
    return vae.eval()


@torch.no_grad()
def _start_almost_linear(vae: AutoencoderKL) -> None:
    """Let the image pass at first: residual branches add nothing, other layers keep its scale.

    With torch's own start each layer halves the image and adds a constant, and colours take thousands of steps to come
    through.
    """
    for name, layer in vae.named_modules():
        if name.endswith((".conv2", ".to_out.0")):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        elif isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
            torch.nn.init.zeros_(layer.bias)


@torch.no_grad()
def _encode_principal_components(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Make the latents the first principal components of 8 x 8 pixels: the best linear code.

    Times LATENT_SCALE, they have mean 0, mean square 1 and little noise; the deviation of each is the root of its
    deviation in pictures. Of unit size each, a denoiser would spend as much on the finest detail of a block as on its
    mean colour, and blocks would show.

    The components pass the encoder exactly: each halving keeps as many as its width allows, each of the last goes on as
    a pair (a, -a), since silu(a) - silu(-a) = a, and constants beside the pairs keep the last group norm from scaling
    them.

    pictures  float32 [N, 3, H, W] in -1..1, to take the statistics from

    Raises SMCDError if the last resolution is too narrow for pairs and constants.
    """
    encoder, latents = vae.encoder, vae.config.latent_channels
    width, groups = encoder.conv_norm_out.num_channels, encoder.conv_norm_out.num_groups
    needed = groups * (2 * -(-latents // groups) + 2)  # in each group a pair for each latent, and two constants
    if width < needed:
        raise SMCDError(
            f"the last of the autoencoder's channels is {width}, too few for {latents} latent channels: use {needed} "
            "or more"
        )
    *halving, last = encoder.down_blocks
    _pass_through(encoder.conv_in, 3)
    features = pictures
    for block in halving:
        features, deviation = _halve(block, features, latents if block is halving[-1] else None)
    size = (deviation / deviation.mean()).sqrt() / LATENT_SCALE
    _spread_in_pairs(encoder, last.resnets[0].conv_shortcut or halving[-1].downsamplers[0].conv, latents)
    _pass_through(vae.quant_conv, latents)
    vae.quant_conv.weight[:latents] *= size[:, None, None, None]
    vae.quant_conv.bias[latents:] = 2 * (_LATENT_NOISE * size).log()
    vae.post_quant_conv.weight /= size[:, None, None]


def _halve(block: nn.Module, features: Tensor, of_unit_size: int | None) -> tuple[Tensor, Tensor]:
    """Let a block turn 2 x 2 positions into their principal components: [N, C, H, W] -> [N, K, H / 2, W / 2].

    Returns them and their deviations [K] in the features.

    of_unit_size  how many components, each of deviation 1; None takes as many as the block has channels
    """
    kept = features.shape[1]
    for resnet in block.resnets:
        if resnet.conv_shortcut is not None:
            _pass_through(resnet.conv_shortcut, kept)
    conv = block.downsamplers[0].conv
    blocks = F.pixel_unshuffle(features, 2)  # [N, 4 C, H / 2, W / 2]
    mean, basis, deviation = _principal_components(blocks, of_unit_size or conv.out_channels)
    if of_unit_size:
        basis = basis / deviation[:, None]
    conv.weight.zero_()
    conv.bias.zero_()
    conv.weight[: len(basis), :kept, :2, :2] = basis.unflatten(1, (kept, 2, 2))
    conv.bias[: len(basis)] = -basis @ mean
    return torch.einsum("kc,nchw->nkhw", basis, blocks - mean[:, None, None]), deviation


def _spread_in_pairs(encoder: nn.Module, conv: nn.Conv2d, latents: int) -> None:
    """Bring the components past the last group norm and silu; `conv` is the layer before them."""
    width, groups = encoder.conv_norm_out.num_channels, encoder.conv_norm_out.num_groups
    in_group = width // groups
    number = torch.arange(latents)
    group = number % groups
    plus = group * in_group + number // groups * 2  # channel of a; that of -a follows
    spread = torch.zeros(width, latents)
    spread[plus, number], spread[plus + 1, number] = 1, -1
    constants = torch.tensor([_CONSTANT, -_CONSTANT]).repeat(width // 2)
    constants[plus] = constants[plus + 1] = 0
    if conv.kernel_size == (1, 1):  # a shortcut, after the components were made
        conv.weight.zero_()
        conv.weight[:, :latents, 0, 0] = spread
        conv.bias[:] = constants
    else:
        conv.weight[:] = torch.einsum("kz,zcyx->kcyx", spread, conv.weight[:latents])
        conv.bias[:] = spread @ conv.bias[:latents] + constants
    pairs = torch.bincount(group, minlength=groups)
    deviation = _CONSTANT * (1 - 2 * pairs[group] / in_group) ** 0.5  # of the group, which the norm divides by
    encoder.conv_out.weight.zero_()
    encoder.conv_out.weight[number, plus, 1, 1] = deviation
    encoder.conv_out.weight[number, plus + 1, 1, 1] = -deviation


def _pass_through(conv: nn.Conv2d, channels: int) -> None:
    """Copy the first `channels` and nothing else."""
    conv.weight.zero_()
    conv.bias.zero_()
    middle = conv.kernel_size[0] // 2
    conv.weight[range(channels), range(channels), middle, middle] = 1


def _principal_components(blocks: Tensor, wanted: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], up to `wanted` directions [K, C], largest first, and deviations along them [K] of [N, C, h, w]."""
    points = blocks.movedim(1, -1).flatten(0, 2)  # [N h w, C]
    mean = points.mean(0)
    variance, directions = torch.linalg.eigh(torch.cov(points.T))  # smallest first
    return mean, directions.T.flip(0)[:wanted], variance.flip(0)[:wanted].clamp(min=0).sqrt()


def detail_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbours, at three scales; images [B, 3, H, W] -> scalar.

    A perceptual term that needs no network: a blurred edge or texture is seen before a wrong shade is.
    """
    error = decoded - images
    total = error.new_zeros(())
    for _ in range(3):
        total = total + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        error = F.avg_pool2d(error, 2)
    return total / 6


def _save_state(path: Path, state: dict) -> None:
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _pictures(size: int, render: Callable[..., Clip]) -> Tensor:
    """Frames to take statistics from; float32 [256, 3, size, size] in -1..1."""
    return torch.stack([_to_signed(render(number, size=size, num_frames=1).frames[0]) for number in range(256)])


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
    out: Path, *, steps: int = 1500, batch_size: int = 64, lr: float = 1e-3, seed: int = 0
) -> TextEncoder:
    """Train until the end-of-text state of a sentence tells who is in it; save `out`/text_encoder and `out`/tokenizer.

    Stands in for the contrastive training of CLIP: from that one vector a linear layer must say which colour goes with
    which shape and which movement, whether there is an object without a name, and in which scene. So phrases that mean
    different things get vectors that differ.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoder = small_text_encoder()
    facts = [*product(COLORS, SHAPES), *product([*COLORS, UNNAMED], MOTIONS), (UNNAMED,), *((s,) for s in SCENES)]
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
            say(f"text encoder: step {step + 1}, loss {loss.item():.4f}, {exact:.0%} understood")
    encoder.model.save_pretrained(out / "text_encoder")
    encoder.tokenizer.save_pretrained(out / "tokenizer")
    return encoder.eval()


def _random_sentence(rng: np.random.Generator) -> tuple[str, list[tuple[str, ...]]]:
    """A phrase, with or without an article, or a caption as the clips have them; and the facts in it."""
    phrases, parts, facts = [], [], []
    for color in rng.permutation(list(COLORS))[: rng.integers(1, 4)].tolist():
        shape, motion = str(rng.choice(SHAPES)), str(rng.choice(MOTIONS))
        named = rng.random() < 0.7
        phrases.append(f"{color} {shape}" if named else UNNAMED)
        facts += [(color, shape), (color, motion)] if named else [(UNNAMED,), (UNNAMED, motion)]
        parts.append(describe(phrases[-1], motion))
    if rng.random() < 0.4:
        return rng.choice(["", "a ", "the "]) + phrases[0], facts[:1]
    if rng.random() < 0.5:
        return " and ".join(parts), facts
    scene = str(rng.choice(list(SCENES)))
    return f"{' and '.join(parts)}, {scene}", [*facts, (scene,)]
