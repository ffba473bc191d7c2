"""The small autoencoder and text encoder learn, and what they write can be used."""

import pytest
import torch
import torch.nn.functional as F

from smcd_core.__main__ import main
from smcd_core.data import WorldClips, render_clip, render_world_clip
from smcd_core.data.world import vocabulary
from smcd_core.errors import SMCDError
from smcd_core.training import loop, pretrain
from smcd_core.training.encoded import encode_clips
from smcd_core.training.pretrain import (
    LATENT_SCALE,
    _to_signed,
    detail_loss,
    small_autoencoder,
    small_text_encoder,
    small_tokenizer,
    train_autoencoder,
    train_text_encoder,
)
from smcd_core.weights.components import load_components


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    folder = tmp_path_factory.mktemp("components")
    train_autoencoder(folder, steps=2, size=32, crop=16, batch_size=2, render=render_clip)
    text = small_text_encoder()
    text.model.save_pretrained(folder / "text_encoder")
    text.tokenizer.save_pretrained(folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train_autoencoder(folder, steps=12, size=64, crop=32, batch_size=4)
    train_text_encoder(folder, steps=200, batch_size=32)
    return folder


def frames(count: int, size: int = 64) -> torch.Tensor:
    return torch.stack([_to_signed(render_world_clip(n, size=size, num_frames=1).frames[0]) for n in range(count)])


@torch.no_grad()
@pytest.mark.slow
def test_latents_are_centred_and_of_unit_size(trained):
    vae, _ = load_components(trained)
    latents = vae.encode(frames(64)).latent_dist.mean * LATENT_SCALE
    assert vae.config.scaling_factor == LATENT_SCALE
    # Statistics of other frames than these 64: a tenth off at most.
    assert latents.mean((0, 2, 3)).abs().max() < 0.2
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.2


@torch.no_grad()
def test_latents_are_the_principal_components_of_blocks():
    """A linear map of the latents gives the pictures back as well as the components themselves do."""
    pictures = frames(64)
    vae = small_autoencoder(16)
    pretrain._start_almost_linear(vae)
    pretrain._encode_principal_components(vae, pictures)
    pixels = F.pixel_unshuffle(pictures, 8).movedim(1, -1).flatten(0, 2)  # [N, 192]
    latents = vae.encode(pictures).latent_dist.mean.movedim(1, -1).flatten(0, 2)  # [N, 16]
    latents = torch.cat([latents, torch.ones(len(latents), 1)], 1)
    left = (latents @ torch.linalg.lstsq(latents, pixels).solution - pixels).square().mean()
    least = torch.linalg.svdvals(pixels - pixels.mean(0))[16:].square().sum() / pixels.numel()
    # A twentieth: the halvings choose the components one after another, and the group norm is almost linear only.
    assert least <= left < 1.05 * least


def test_too_narrow_a_last_resolution_is_refused_with_the_width_that_it_needs(tmp_path):
    with pytest.raises(SMCDError, match="channels is 32, too few for 16 latent channels: use 48 or more"):
        train_autoencoder(tmp_path, steps=1, size=32, latent_channels=16, channels=(32,) * 4, render=render_clip)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_more_latent_channels_and_other_widths_are_saved_and_read_again(tmp_path, components):
    widths = dict(latent_channels=8, channels=(8, 8, 16, 32), blocks=2)
    train_autoencoder(tmp_path, steps=1, size=32, crop=16, batch_size=1, **widths)
    for name in ("text_encoder", "tokenizer"):
        (tmp_path / name).symlink_to(components / name)
    vae, _ = load_components(tmp_path)
    assert vae.config.latent_channels == 8 and list(vae.config.block_out_channels) == [8, 8, 16, 32]
    with torch.no_grad():
        latents = vae.encode(frames(64, 32)).latent_dist.mean * LATENT_SCALE
    assert latents.shape == (64, 8, 4, 4) and (latents.std((0, 2, 3)) - 1).abs().max() < 0.3


def test_the_command_line_says_what_the_autoencoder_is_and_what_it_sees(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(pretrain, "train_autoencoder", lambda out, **options: seen.append(options))
    arguments = ["pretrain", "autoencoder", "--out", str(tmp_path), "--steps", "7"]
    main(arguments)
    main([*arguments, "--dataset", "synthetic", "--latent-channels", "16", "--channels", "8", "8", "16", "16"])
    assert [options["render"] for options in seen] == [render_world_clip, render_clip]
    assert [options["latent_channels"] for options in seen] == [4, 16] and seen[0]["steps"] == 7
    assert seen[1]["channels"] == [8, 8, 16, 16]


def test_a_network_has_the_latent_channels_of_the_clips_that_it_learns_from(tmp_path, components, monkeypatch):
    _, text = load_components(components)
    encode_clips(WorldClips(1, size=16, num_frames=1), small_autoencoder(8, (8, 8, 8, 8)), text, tmp_path, slots=4)
    seen = []
    monkeypatch.setattr(loop, "train", lambda config, model_config, *arguments, **options: seen.append(model_config))
    main(
        ["train", "--stage", "all", "--small", "--steps", "1", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    )
    assert seen[0].latent_channels == 8 and seen[0].model_channels == 32


def test_the_detail_loss_sees_a_blur_and_not_a_shade():
    pictures = frames(4)
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    darker = pictures - (blurred - pictures).abs().mean()
    assert detail_loss(pictures, pictures) == 0
    assert detail_loss(darker, pictures) < 1e-6 < 0.01 < detail_loss(blurred, pictures)


@pytest.mark.slow
def test_a_stopped_autoencoder_goes_on_where_it_was(components, tmp_path, capsys):
    options = dict(size=32, crop=16, batch_size=2, render=render_clip)
    train_autoencoder(tmp_path, steps=1, **options)
    train_autoencoder(tmp_path, steps=1, **options)
    assert capsys.readouterr().out.count("step 1,") == 1


@pytest.mark.slow
def test_a_better_decoder_keeps_the_meaning_of_latents(tmp_path):
    options = dict(size=32, crop=16, batch_size=8)
    before = train_autoencoder(tmp_path, steps=2, **options)
    after = train_autoencoder(tmp_path, steps=20, decoder_only=True, **options)
    pictures = frames(8, 32)
    with torch.no_grad():
        latents = before.encode(pictures).latent_dist.mean
        assert torch.equal(after.encode(pictures).latent_dist.mean, latents)
        errors = [F.mse_loss(vae.decode(latents).sample, pictures).item() for vae in (before, after)]
    assert errors[1] < 0.9 * errors[0]


def test_every_word_is_one_token_and_unknown_words_are_letters():
    tokenizer = small_tokenizer(" ".join(vocabulary()).split())
    assert tokenizer.tokenize("a red circle moving right") == [
        "a</w>",
        "red</w>",
        "circle</w>",
        "moving</w>",
        "right</w>",
    ]
    assert tokenizer.tokenize("fox") == ["f", "o", "x</w>"]
    ids = tokenizer("fox").input_ids
    assert tokenizer.tokenize("an object") == ["an</w>", "object</w>"]
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.convert_ids_to_tokens(0) == "!"  # the padding of OpenCLIP


@pytest.mark.slow
def test_phrases_that_mean_the_same_come_to_lie_closer(trained):
    _, text = load_components(trained)
    with torch.no_grad():
        red, a_red, blue = F.normalize(text.phrases(["red circle", "a red circle", "blue square"]), dim=1)
    assert red @ a_red > 0.97  # before training .86 to .91
    assert red @ a_red > red @ blue + 0.1
