"""Prompts and phrases are read as the released model reads them."""

import pytest
import torch
from tiny_bundle import WIDTH, tiny_text
from transformers import CLIPTextConfig, CLIPTextModel

from smcd_core.networks.text import PADDING_ID, TextEncoder, cleaned, make_tokenizer, text_transformer, tokenizer_files
from smcd_core.training.pretrain import small_tokenizer

WORDS = "a red blue circle square moving right".split()


@pytest.fixture(scope="module")
def text():
    torch.manual_seed(0)
    return tiny_text()


def encoder_with(layers):
    tokenizer = small_tokenizer(WORDS)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=layers, num_attention_heads=1,
        max_position_embeddings=10, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return TextEncoder(tokenizer, CLIPTextModel(config)).eval()


def test_ids_are_start_words_end_and_zeros(text):
    ids = text.ids(["a red circle"])[0].tolist()
    start, end = text.tokenizer.bos_token_id, text.tokenizer.eos_token_id
    assert ids[0] == start and ids[4] == end and ids[5:] == [PADDING_ID] * 7
    assert text.tokenizer.convert_ids_to_tokens(ids[1:4]) == ["a</w>", "red</w>", "circle</w>"]


def test_a_space_reads_as_nothing(text):
    """The released negative prompt."""
    assert text.ids([" "]).tolist() == text.ids([""]).tolist()


def test_a_long_text_loses_its_last_words_but_not_its_end(text):
    ids = text.ids(["red " * 50, "blue"])
    assert ids.shape == (2, 12)
    assert ids[0, -1] == text.tokenizer.eos_token_id and ids[0, -2] != PADDING_ID


@torch.no_grad()
def test_a_long_prompt_is_read_in_chunks_with_their_own_start_and_end(text):
    """The model has 12 positions, so 10 words to a chunk, as in ComfyUI."""
    words = ["red", "blue"] * 11
    states = text.prompts([" ".join(words)])
    chunks = [" ".join(words[first : first + 10]) for first in (0, 10, 20)]
    assert states.shape == (1, 36, WIDTH)
    assert torch.allclose(states.reshape(3, 12, WIDTH), text(chunks), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("words", [0, 1, 10])
def test_a_prompt_that_fits_is_read_as_released(text, words):
    assert torch.equal(text.prompts(["red " * words, "blue"]), text(["red " * words, "blue"]))


@torch.no_grad()
def test_the_shorter_prompts_of_a_batch_are_repeated(text):
    states = text.prompts(["red " * 15, "blue", "red " * 25])
    assert states.shape == (3, 72, WIDTH)
    assert torch.equal(states[1].reshape(6, 12, WIDTH), states[1, :12].expand(6, -1, -1))
    assert torch.equal(states[0, :24], states[0, 24:48])


def test_upper_case_and_unknown_words_are_read(text):
    assert text.ids(["A RED Circle"]).tolist() == text.ids(["a red circle"]).tolist()
    ids = text.ids(["xyz \u00e9\u4e2d"])[0]
    assert (ids != PADDING_ID).sum() > 4


@pytest.mark.parametrize(
    "given, usual",
    [
        ("a \u201cred\u201d circle\u2019s", 'a "red" circle\'s'),
        ("red &amp; blue &amp;amp; &#39;a&#39;", "red & blue & 'a'"),
        ("\ufb01re \uff52\uff45\uff44\u3000a", "fire red a"),
        ("<b>&amp;</b>", "<b>&</b>"),
        ("caf\u00e9 \u2014 \u4e2d\u6587\u2026 \u00bd", "caf\u00e9 \u2014 \u4e2d\u6587\u2026 \u00bd"),  # as they are
        ("sch\u00c3\u00b6n", "sch\u00c3\u00b6n"),  # a departure: ftfy would repair it
    ],
)
def test_quotes_entities_and_ligatures_are_read_as_by_open_clip(text, given, usual):
    """Compared with open_clip 3.3 and ftfy 6.3 on 20,000 texts; here the cases that differed before."""
    assert cleaned(given) == usual
    assert text.ids([given]).tolist() == text.ids([usual]).tolist()
    assert torch.equal(text.prompts([given]), text.prompts([usual]))


@torch.no_grad()
def test_the_name_of_a_special_token_is_text(text):
    start, end = text.tokenizer.bos_token_id, text.tokenizer.eos_token_id
    for name in (text.tokenizer.bos_token, text.tokenizer.eos_token):
        ids = text.ids([f"a {name}"])[0].tolist()
        assert (ids.count(start), ids.count(end)) == (1, 1) and ids.index(end) > 3
    assert not torch.equal(text.phrases([f"a {text.tokenizer.eos_token}"]), text.phrases(["a"]))


@torch.no_grad()
def test_hidden_states_are_those_before_the_last_layer_after_the_final_norm():
    """Equals a model without its last layer. Tolerance: the same sums in the same order, so none is needed."""
    torch.manual_seed(0)
    whole, shorter = encoder_with(4), encoder_with(3)
    shorter.model.load_state_dict(whole.model.state_dict(), strict=False)
    expected = shorter.model(input_ids=whole.ids(["a red circle"])).last_hidden_state
    assert torch.equal(whole(["a red circle"]), expected)
    assert not torch.allclose(expected, whole.model(input_ids=whole.ids(["a red circle"])).last_hidden_state)


@torch.no_grad()
def test_a_model_shipped_without_its_last_layer_is_used_to_its_end():
    """diffusers ships OpenCLIP's 24 layers as 23."""
    torch.manual_seed(0)
    shipped = encoder_with(23)
    expected = shipped.model(input_ids=shipped.ids(["blue"])).last_hidden_state
    assert torch.equal(shipped(["blue"]), expected)


@torch.no_grad()
def test_a_phrase_is_the_state_at_its_first_end_token(text):
    phrases = ["red circle", "", "a blue square moving right"]
    vectors, hidden = text.phrases(phrases), text(phrases)
    assert vectors.shape == (3, WIDTH)
    for row, end in enumerate((3, 1, 6)):
        assert torch.equal(vectors[row], hidden[row, end])
    assert (vectors[0] - vectors[2]).abs().max() > 0.1


@torch.no_grad()
def test_what_follows_the_end_does_not_change_a_phrase(text):
    """Attention is causal, so the padding is not seen. Tolerance: another order of sums."""
    ids = text.ids(["red circle"])
    other = ids.clone()
    other[:, 4:] = 3
    assert torch.allclose(text.hidden_states(ids)[:, :4], text.hidden_states(other)[:, :4], atol=1e-6)
    assert not torch.allclose(text.hidden_states(ids)[:, 4:], text.hidden_states(other)[:, 4:], atol=1e-2)


def test_a_tokenizer_comes_back_from_its_files():
    tokenizer = small_tokenizer(WORDS)
    files = tokenizer_files(tokenizer)
    again = make_tokenizer(**files)
    assert tokenizer_files(again) == files
    for sentence in ("a red circle moving right", "unknown words", "A, b!", ""):
        assert again(sentence).input_ids == tokenizer(sentence).input_ids
    assert (again.bos_token_id, again.eos_token_id) == (tokenizer.bos_token_id, tokenizer.eos_token_id)


def test_the_transformer_is_found_in_both_generations_of_the_library(text):
    class Older(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.text_model = inner

    inner = text_transformer(text.model)
    assert hasattr(inner, "final_layer_norm")
    assert text_transformer(Older(inner)) is inner
