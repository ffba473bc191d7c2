"""The small autoencoder and text encoder learn, and what they write can be used."""

import pytest
import torch
import torch.nn.functional as F

from smcd_core.data import render_clip
from smcd_core.data.synthetic import vocabulary
from smcd_core.training.pretrain import LATENT_SCALE, _to_signed, small_tokenizer, train_autoencoder, train_text_encoder
from smcd_core.weights.components import load_components


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    folder = tmp_path_factory.mktemp("components")
    train_autoencoder(folder, steps=12, size=64, crop=32, batch_size=4)
    train_text_encoder(folder, steps=200, batch_size=32)
    return folder


def frames(count: int, size: int = 64) -> torch.Tensor:
    return torch.stack([_to_signed(render_clip(n, size=size, num_frames=1).frames[0]) for n in range(count)])


@torch.no_grad()
def test_latents_are_centred_and_of_unit_size(components):
    vae, _ = load_components(components)
    latents = vae.encode(frames(64)).latent_dist.mean * LATENT_SCALE
    assert vae.config.scaling_factor == LATENT_SCALE
    # Statistics of other frames than these 64: a tenth off at most.
    assert latents.mean((0, 2, 3)).abs().max() < 0.2
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.2


@torch.no_grad()
def test_folding_the_statistics_in_does_not_change_what_is_decoded(components):
    """Before: the state that the run left behind; after: what it saved."""
    after, _ = load_components(components)
    before = type(after).from_config(after.config)
    before.load_state_dict(torch.load(components / "vae" / "state.pt", weights_only=True)["model"])
    pictures = frames(2)
    decoded = [vae.decode(vae.encode(pictures).latent_dist.mean).sample for vae in (before, after)]
    assert torch.allclose(*decoded, atol=1e-3)  # latents are some 100 times larger on one side


def test_a_stopped_autoencoder_goes_on_where_it_was(components, tmp_path, capsys):
    options = dict(size=32, crop=16, batch_size=2)
    train_autoencoder(tmp_path, steps=1, **options)
    train_autoencoder(tmp_path, steps=1, **options)
    assert capsys.readouterr().out.count("step 1,") == 1


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
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.convert_ids_to_tokens(0) == "!"  # the padding of OpenCLIP


def test_phrases_that_mean_the_same_come_to_lie_closer(components):
    _, text = load_components(components)
    with torch.no_grad():
        red, a_red, blue = F.normalize(text.phrases(["red circle", "a red circle", "blue square"]), dim=1)
    assert red @ a_red > red @ blue + 0.05
