"""LoRA: what one trains, and that it changes a checkpoint in the same way wherever it is loaded."""

import json
from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file
from tiny_bundle import bare, tiny_smcd
from tiny_training import TINY, write_clips

from smcd_core.networks.config import system_config
from smcd_core.networks.smcd import SMCD
from smcd_core.training.config import TrainingConfig, TrainingError
from smcd_core.training.loop import train
from smcd_core.training.lora import lora_layers
from smcd_core.training.parameters import trainable_parameters
from smcd_core.weights.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from smcd_core.weights.files import read_weights
from smcd_core.weights.lora import LowRank, merged, read_lora, with_loras, write_lora

TO_Q = "unet.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
CONV = "image_encoder.conv_in.weight"
NORM = "unet.input_blocks.1.1.transformer_blocks.0.norm1.weight"


@pytest.fixture(autouse=True)
def accelerate_as_in_a_new_process():
    yield
    AcceleratorState._reset_state()


@pytest.fixture
def start(tmp_path):
    torch.manual_seed(0)
    config = system_config("zc+gca", TINY)
    write_checkpoint(tmp_path / "start.safetensors", config, tiny_smcd(config).state_dict())
    return read_checkpoint(tmp_path / "start.safetensors")


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips").mkdir()
    return write_clips(tmp_path / "clips")


def changes(seed=0, rank=2):
    """Of a linear layer, a convolution and a norm of the tiny checkpoint."""
    generator = torch.Generator().manual_seed(seed)
    weights = bare().weights
    pairs = {
        name: LowRank(
            torch.randn(rank, *weights[name].shape[1:], generator=generator),
            torch.randn(len(weights[name]), rank, *[1] * (weights[name].ndim - 2), generator=generator),
        )
        for name in (TO_Q, CONV)
    }
    return {**pairs, NORM: torch.full_like(weights[NORM], 0.25)}


# Training ------------------------------------------------------------------------------------------------------------


def test_a_stage_gives_its_gates_encoders_and_attention_an_adapter():
    model = SMCD(system_config("zc+gca", TINY), device="meta")

    def layers(stage, images=False):
        return lora_layers(model, trainable_parameters(model, stage, images))

    assert {name.split(".")[0] for name in layers("diim")} == {"unet", "image_encoder"}
    unet = [name for name in layers("diim") if name.startswith("unet.")]
    assert all(".image_gate." in name or ".attn" in name for name in unet)
    assert {name.split(".")[0] for name in layers("mim", images=True)} == {"unet", "box_encoder"}
    assert all("_gate." not in name and ".attn" in name for name in layers("backbone"))
    assert {*layers("mim"), *layers("diim"), *layers("backbone")} == {*layers("all")}


@pytest.mark.slow
def test_a_run_trains_a_lora_that_is_loaded_as_the_network_was(start, clips, tmp_path):
    config = TrainingConfig("diim", 3, lr=1e-2, lora=2, batch_size=2, ema=0.5)
    path = train(config, start.config, clips, tmp_path / "run", start=start, validation=[clips[0]], quiet=True)
    assert path.name == "lora.safetensors" and not (tmp_path / "run" / "checkpoint.safetensors").exists()
    info = json.loads(read_weights(path).metadata["info"])
    assert (info["base"], info["training"][-1]["lora"], info["training"][-1]["step"]) == ("start.safetensors", 2, 3)
    assert sum(x.numel() for x in load_file(path).values()) < 0.2 * sum(x.numel() for x in start.weights.values())

    loaded = with_loras(start, path).checked()
    changed = {name for name in start.weights if not torch.equal(start.weights[name], loaded.weights[name])}
    assert changed == set(read_lora(path, start.weights))
    assert {name.split(".")[0] for name in changed} == {"unet", "image_encoder"}
    assert any("image_gate" in name for name in changed) and not any("box_gate" in name for name in changed)

    # A run that goes on from its state learns from the same start, and ends as one that was never stopped.
    longer = replace(config, steps=5)
    AcceleratorState._reset_state()
    train(longer, start.config, clips, tmp_path / "run", start=start, quiet=True)
    AcceleratorState._reset_state()
    whole = train(longer, start.config, clips, tmp_path / "whole", start=start, quiet=True)
    found, expected = load_file(path), load_file(whole)
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.slow
def test_the_file_holds_what_the_run_computed_with(start, clips, tmp_path):
    config = TrainingConfig("all", 1, lora=2, batch_size=2)
    path = train(config, start.config, clips, tmp_path / "run", start=start, quiet=True)
    state = load_file(tmp_path / "run" / "state-00000001" / "model.safetensors")
    state = {name.removeprefix("model."): value for name, value in state.items()}
    loaded, name = with_loras(start, path), TO_Q.removesuffix(".weight")
    pair = state[f"{name}.lora_B.default.weight"] @ state[f"{name}.lora_A.default.weight"]
    assert torch.allclose(loaded.weights[TO_Q], state[f"{name}.base_layer.weight"] + pair, atol=1e-6)


@pytest.mark.parametrize("change, message", [({"box_slots": 3}, "box_slots is 2"), ({"dropout": 0.5}, "dropout is")])
def test_a_lora_needs_a_start_of_the_same_network(start, clips, tmp_path, change, message):
    config = TrainingConfig("diim", 1, lora=2)
    with pytest.raises(TrainingError, match="name the one to start from"):
        train(config, start.config, clips, tmp_path / "run", quiet=True)
    other = replace(start, config=replace(start.config, **change))
    with pytest.raises(TrainingError, match=message):
        train(config, start.config, clips, tmp_path / "run", start=other, quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_must_have_the_rank_it_started_with(start, clips, tmp_path):
    train(TrainingConfig("diim", 1, lora=2), start.config, clips, tmp_path / "run", start=start, quiet=True)
    AcceleratorState._reset_state()
    with pytest.raises(TrainingError, match="lora is 2 there, now 4"):
        train(TrainingConfig("diim", 2, lora=4), start.config, clips, tmp_path / "run", start=start, quiet=True)


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_as_it_was_written(tmp_path):
    expected = changes()
    write_lora(tmp_path / "a.safetensors", expected, {})
    found = read_lora(tmp_path / "a.safetensors", bare().weights)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].whole(), expected[name].whole()) for name in (TO_Q, CONV))
    assert torch.equal(found[NORM], expected[NORM])


def test_names_and_scales_of_other_programs_are_read(tmp_path):
    pair = changes()[TO_Q]
    stem = TO_Q.removeprefix("unet.").removesuffix(".weight").replace(".", "_")
    tensors = {f"lora_unet_{stem}.lora_down.weight": pair.down, f"lora_unet_{stem}.lora_up.weight": pair.up}
    tensors[f"lora_unet_{stem}.alpha"] = torch.tensor(1.0)
    tensors["diffusion_model.out.2.diff_b"] = torch.ones(4)
    save_file(tensors, tmp_path / "other.safetensors")
    found = read_lora(tmp_path / "other.safetensors", bare().weights)
    assert torch.allclose(found[TO_Q].whole(), pair.whole() / 2)
    assert torch.equal(found["unet.out.2.bias"], torch.ones(4))


def test_strengths_and_several_files_add_up(tmp_path):
    checkpoint, files = bare(), [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for seed, file in enumerate(files):
        write_lora(file, changes(seed), {})
    found = with_loras(checkpoint, [(files[0], 0.5), (files[1], -1.0)]).weights
    first, second = (changes(seed) for seed in range(2))
    expected = checkpoint.weights[TO_Q] + 0.5 * first[TO_Q].up @ first[TO_Q].down - second[TO_Q].up @ second[TO_Q].down
    assert torch.allclose(found[TO_Q], expected, atol=1e-6)
    assert torch.allclose(found[NORM], checkpoint.weights[NORM] + 0.5 * 0.25 - 0.25)
    assert found["unet.out.2.weight"] is checkpoint.weights["unet.out.2.weight"]  # untouched: still mapped


def test_a_small_change_of_half_precision_weights_is_not_rounded_away():
    weights = {name: x.half() for name, x in bare().weights.items()}
    pair = changes()[TO_Q]
    found = merged(weights, {TO_Q: pair}, 1e-6)[TO_Q]
    assert found.dtype == torch.float32 and not torch.equal(found, weights[TO_Q].float())


DAMAGED = {
    "of another network": ({"diffusion_model.blocks.0.lora_A.weight": torch.zeros(2, 4)}, "does not have: use it with"),
    "of a gate": ({"diffusion_model.out.2.alpha_attn.diff": torch.zeros(())}, "does not have"),
    "half": ({"diffusion_model.out.2.lora_A.weight": torch.zeros(2, 32, 3, 3)}, "has down for unet.out.2.weight"),
    "of another width": (
        {"diffusion_model.out.2.diff": torch.zeros(4, 31, 3, 3)}, r"by \[4, 31, 3, 3\], its shape .* is \[4, 32, 3, 3\]"
    ),
    "of two ranks": (
        {"diffusion_model.time_embed.0.lora_A.weight": torch.zeros(2, 32),
         "diffusion_model.time_embed.0.lora_B.weight": torch.zeros(128, 3)}, r"by \[\[2, 32\], \[128, 3\]\]"
    ),
    "without rank": (
        {"diffusion_model.time_embed.0.lora_A.weight": torch.zeros(0, 32),
         "diffusion_model.time_embed.0.lora_B.weight": torch.zeros(128, 0)}, "time_embed.0.weight by"
    ),
    "of another kind": ({"diffusion_model.out.2.hada_w1_a": torch.zeros(1)}, "is no part of a LoRA"),
    "of whole numbers": ({"diffusion_model.out.2.diff": torch.zeros(4, dtype=torch.int64)}, "holds torch.int64"),
    "empty": ({}, "holds no tensors"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_does_not_fit_is_refused(tmp_path, name):
    tensors, message = DAMAGED[name]
    save_file(tensors, tmp_path / "bad.safetensors")
    with pytest.raises(CheckpointError, match=message):
        with_loras(bare(), tmp_path / "bad.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="gone.safetensors: no such file"):
        with_loras(bare(), tmp_path / "gone.safetensors")
