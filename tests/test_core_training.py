"""Training: which parameters train, that it learns, and that a killed run goes on as if nothing had happened."""

import csv
import json
import math
import re
import sys
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import fsspec
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL import Image, ImageColor
from safetensors.torch import load_file, save_file
from tiny_bundle import tiny_smcd, tiny_vae
from tiny_training import TINY, losses, write_clips

from smcd_core.__main__ import main
from smcd_core.errors import SMCDError
from smcd_core.networks.config import SMALL, SYSTEMS, SMCDConfig, system_config
from smcd_core.networks.smcd import SMCD, Inputs
from smcd_core.sampling.diffusion import ddim
from smcd_core.training.config import PRESETS, STAGES, TrainingConfig, TrainingError
from smcd_core.training.encoded import EncodedClips
from smcd_core.training.loop import _Sampler, learning_rate, train
from smcd_core.training.loss import DenoisingLoss, fold_seed, sample_batch
from smcd_core.training.parameters import trainable_parameters
from smcd_core.training.run_folder import PROBES, Log
from smcd_core.training.start import make_model, start_from
from smcd_core.training.streamed import StreamedClips
from smcd_core.trajectory.document import PALETTE
from smcd_core.weights.checkpoint import read_checkpoint, write_checkpoint
from smcd_core.weights.defaults import read_defaults
from smcd_core.weights.layouts import join_gates

RELEASED_LISTS = json.loads((Path(__file__).parent / "golden/keys/trainable_keys.json").read_text())


@pytest.fixture(autouse=True)
def accelerate_as_in_a_new_process():
    """Accelerate keeps the precision of a process's first run for all later ones."""
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> EncodedClips:
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.mark.parametrize("stage, published", [("mim", "stage1"), ("diim", "stage2")])
def test_a_stage_trains_exactly_the_published_parameters(stage, published):
    config = SMCDConfig() if stage == "diim" else system_config("mim", {})
    trained = trainable_parameters(SMCD(config, device="meta"), stage)
    unet = join_gates({name.removeprefix("unet."): p for name, p in trained.items() if name.startswith("unet.")})
    expected = RELEASED_LISTS[published]
    assert sorted(unet) == sorted(expected["keys"])
    assert sum(p.numel() for p in unet.values()) == expected["num_params"]
    others = {name.split(".")[0] for name in trained} - {"unet"}
    assert others == ({"box_encoder"} if stage == "mim" else {"image_encoder"})


def test_the_stages_from_scratch_leave_nothing_untrained():
    model = SMCD(SMCDConfig(), device="meta")
    names = {name for name, _ in model.named_parameters()}
    assert names == set(trainable_parameters(model, "all"))
    joint = set(trainable_parameters(model, "joint"))
    assert joint == set(trainable_parameters(model, "mim")) | set(trainable_parameters(model, "diim"))
    backbone = set(trainable_parameters(model, "backbone"))
    assert {name for name in names - backbone if name.startswith("unet.")} == {
        name for name in names if "_gate." in name
    }


RUNS = [(system, stage) for system in SYSTEMS for stage in STAGES if (system, stage) != ("backbone", "mim")]


@pytest.mark.parametrize("system, stage", RUNS)
def test_every_parameter_of_a_stage_has_a_gradient_once_the_branches_are_open(clips, system, stage):
    torch.manual_seed(0)
    config = TrainingConfig(stage, 1, drop_text=0, drop_boxes=0, drop_first_frame=0, drop_image_tokens=0)
    images = config.effective_stage.images
    model = SMCD(system_config(system, TINY, coverage_bias=True))
    chosen = trainable_parameters(model.requires_grad_(False), stage, images)
    assert chosen
    for parameter in chosen.values():
        if not parameter.any():
            parameter.normal_(std=0.5)  # a gate that does not train stays closed
        parameter.requires_grad_(True)
    DenoisingLoss(model, clips.null_text, config)(sample_batch([clips[0], clips[1]], range(2), 0, config)).backward()
    assert [name for name, parameter in chosen.items() if parameter.grad is None or not parameter.grad.any()] == []


def test_a_stage_with_nothing_to_train_is_refused(clips, tmp_path):
    with pytest.raises(TrainingError, match="stage mim trains no parameter of this system"):
        train(TrainingConfig("mim", 1), system_config("backbone", TINY), clips, tmp_path / "run", quiet=True)


def test_both_scales_of_parallel_branches_train_in_stage_2():
    model = SMCD(system_config("parallel", TINY), device="meta")
    scales = {
        stage: {name.rpartition(".")[2] for name in trainable_parameters(model, stage) if name.endswith("_beta")}
        for stage in ("backbone", "mim", "diim", "joint", "all")
    }
    both = {"box_beta", "image_beta"}
    assert scales == {"backbone": set(), "mim": {"box_beta"}, "diim": both, "joint": both, "all": both}


def test_a_parallel_system_still_follows_the_boxes_that_stage_1_learned():
    torch.manual_seed(0)
    mim, model = SMCD(system_config("mim", TINY)).eval(), SMCD(system_config("parallel", TINY)).eval()
    with torch.no_grad():
        for name, parameter in mim.named_parameters():
            if ".alpha_" in name:
                parameter.fill_(1.0)
    start_from(model, mim.state_dict())
    x, t, text, boxes = torch.randn(4, 4, 8, 8), torch.tensor([500, 20]), torch.randn(2, 3, 16), torch.rand(2, 2, 1, 4)
    inputs = Inputs(text, 2, boxes, torch.ones(2, 2, 1), torch.randn(2, 1, 16), torch.randn(2, 4, 8, 8))
    with torch.no_grad():
        here, elsewhere = (model(x, t, model.encode(replace(inputs, boxes_xyxy=b))) for b in (boxes, boxes.flip(0)))
    assert (here - elsewhere).abs().max() > 1e-3
    untrained = SMCD(system_config("backbone", TINY)).eval()
    start_from(model := SMCD(system_config("parallel", TINY)), untrained.state_dict())
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("box_beta"))


@pytest.mark.parametrize("system", [system for system in SYSTEMS if system != "backbone"])
def test_stage_2_trains_what_is_published_of_every_system(system):
    """The input convolution; of a ControlNet what is new, and in the decoder the layers that it makes wider."""
    model = SMCD(system_config(system, SMALL), device="meta")
    trained = set(trainable_parameters(model, "diim"))
    assert {"unet.input_blocks.0.0.weight", "unet.input_blocks.0.0.bias"} <= trained
    control = {name.split(".")[1] for name in trained if name.startswith("control_net.")}
    decoder = [name for name in trained if re.match(r"unet\.output_blocks\.\d+\.0\.", name)]
    if not model.config.control:
        assert not control and not decoder
        return
    assert control == {"zero_convs", "input_hint_block"} and len(decoder) == 36
    assert {name.split(".", 4)[4].rpartition(".")[0] for name in decoder} == {
        "in_layers.0", "in_layers.2", "skip_connection"
    }  # fmt: skip


def test_the_hint_of_a_control_net_is_dropped_apart_from_the_input_channels(clips):
    model = make_model(system_config("zc+ctrlnet", TINY), None, 0).requires_grad_(False)
    loss = DenoisingLoss(model, clips.null_text, TrainingConfig("diim", 1))
    batch = sample_batch([clips[0], clips[1]], range(2), 0, TrainingConfig("diim", 1))
    batch["keep"] = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 1]])
    conditions = model.encode(loss.inputs(batch))
    first = batch["latents"][:, 0]
    assert torch.equal(conditions.hint, torch.stack([torch.zeros_like(first[0]), first[1]]))
    assert torch.equal(conditions.first_frame, torch.stack([first[0], torch.zeros_like(first[1])]))
    seen = []
    model.control_net.input_hint_block.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    loss(batch)
    assert torch.equal(seen[0], conditions.hint)


def test_images_do_not_train_what_they_do_not_reach():
    model = SMCD(system_config("backbone", TINY))
    trained = trainable_parameters(model, "backbone", images=True)
    assert not any("temopral" in name for name in trained)
    assert "unet.input_blocks.0.0.weight" in trained


def test_a_new_part_starts_without_effect_on_what_was_learned():
    torch.manual_seed(0)
    backbone = SMCD(system_config("backbone", TINY)).eval()  # not zero-initialised, so that it has an effect
    model = SMCD(system_config("zc+gca", TINY)).eval()
    new = start_from(model, backbone.state_dict())
    assert all("_gate." in name or not name.startswith("unet.") for name in new)
    x, t, text = torch.randn(4, 4, 8, 8), torch.tensor([500, 20]), torch.randn(2, 3, 16)
    inputs = Inputs(
        text, 2, torch.rand(2, 2, 1, 4), torch.ones(2, 2, 1), torch.randn(2, 1, 16), torch.randn(2, 4, 8, 8)
    )
    with torch.no_grad():
        alone = backbone(x, t, backbone.encode(replace(inputs, boxes_xyxy=None, first_frame=None)))
        assert torch.equal(model(x, t, model.encode(inputs)), alone)


def test_a_control_net_starts_as_a_copy_of_the_encoder():
    torch.manual_seed(0)
    mim = SMCD(system_config("mim", TINY))
    model = SMCD(system_config("zc+ctrlnet", TINY))
    new = start_from(model, mim.state_dict())
    assert {name.split(".")[1] for name in new} == {"zero_convs", "input_hint_block"}
    weights = model.state_dict()
    assert torch.equal(weights["control_net.time_embed.0.weight"], weights["unet.time_embed.0.weight"])
    # The decoder reads [x, skip, control]: what it does with control is a copy of what it does with the skip.
    conv = weights["unet.output_blocks.0.0.in_layers.2.weight"]
    assert torch.equal(conv[:, -64:], conv[:, -128:-64])


def test_a_checkpoint_of_another_size_is_refused_by_name():
    smaller = SMCD(system_config("backbone", TINY | dict(channel_mult=(1, 1))))
    with pytest.raises(TrainingError, match="input_blocks.*same size"):
        start_from(SMCD(system_config("mim", TINY)), smaller.state_dict())


def test_conditions_are_dropped_as_often_as_the_stage_says(clips):
    config = TrainingConfig("diim", 1)
    batch = sample_batch([clips[0]] * 4000, range(4000), 0, config)
    kept = batch["keep"].mean(0)
    # Published: text never, boxes .1, concatenated frame .25, image tokens .1. 4000 draws: deviation below .007.
    assert torch.allclose(kept, torch.tensor([1.0, 0.9, 0.75, 0.9]), atol=0.03)


def test_a_dropped_condition_cannot_be_seen(clips):
    model = make_model(system_config("zc+gca", TINY), None, 0).requires_grad_(False)
    loss = DenoisingLoss(model, clips.null_text, TrainingConfig("all", 1))
    batch = sample_batch([clips[0], clips[1]], range(2), 0, TrainingConfig("all", 1))
    batch["keep"] = torch.zeros(2, 4)
    inputs = loss.inputs(batch)
    assert not inputs.box_mask.any() and not inputs.first_frame.any() and not inputs.image_latent.any()
    assert torch.equal(inputs.text, clips.null_text.expand(2, -1, -1))


@pytest.mark.slow
def test_half_precision_learns_too(clips, tmp_path):
    config = TrainingConfig("all", 24, batch_size=4, lr=3e-3, seed=1, timestep_power=0.5, mixed_precision="bf16")
    path = train(config, system_config("zc+gca", TINY, coverage_bias=True), clips, tmp_path, quiet=True)
    curve = losses(tmp_path)
    assert sum(curve[-8:]) < 0.95 * sum(curve[:8])
    assert all(weight.dtype == torch.float32 for weight in read_checkpoint(path).weights.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 runs on a GPU")
def test_fp16_without_a_gpu_says_what_to_take_instead(clips, tmp_path):
    config = TrainingConfig("mim", 1, batch_size=1, mixed_precision="fp16")
    with pytest.raises(TrainingError, match="mixed_precision is fp16, which needs a GPU: choose no or bf16"):
        train(config, system_config("mim", TINY), clips, tmp_path, quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_trains_and_the_loss_falls(clips, tmp_path, system):
    config = TrainingConfig("all", 40, batch_size=4, lr=2e-3, seed=1, timestep_power=0.5)
    train(config, system_config(system, TINY), clips, tmp_path, quiet=True)
    curve = losses(tmp_path)
    # Measured: .62 to .9 of where it started after 40 steps; noise of a mean of ten is below .05.
    assert sum(curve[-10:]) < 0.95 * sum(curve[:10])


@pytest.mark.slow
def test_boxes_come_to_count_within_a_short_training(clips, tmp_path):
    """The probe tells right boxes from wrong ones: the network has learned to look at them."""
    config = TrainingConfig("all", 150, batch_size=8, lr=3e-3, ema=0.9, timestep_power=0.5, object_weight=3.0)
    model_config = system_config("mim", TINY, coverage_bias=True)
    train(config, model_config, clips, tmp_path, validation=[clips[n] for n in range(8)], quiet=True)
    with (tmp_path / "loss.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["x0_right_boxes"]) < 0.8 * float(last["x0_wrong_boxes"])


def test_the_device_is_not_waited_for_in_each_step(clips, tmp_path, monkeypatch):
    read = []
    gather_all = Accelerator.gather
    monkeypatch.setattr(Accelerator, "gather", lambda self, x: read.append(x.numel()) or gather_all(self, x))
    train(TrainingConfig("mim", 12, batch_size=2), system_config("mim", TINY), clips, tmp_path, quiet=True)
    assert read == [10, 2] and len((tmp_path / "loss.csv").read_text().splitlines()) == 13


def test_a_loss_that_is_nan_is_named_by_its_step_and_not_saved(clips, tmp_path, monkeypatch):
    calls = iter(range(100))
    forward = DenoisingLoss.forward
    monkeypatch.setattr(
        DenoisingLoss, "forward", lambda self, batch: forward(self, batch) * (math.nan if next(calls) == 4 else 1)
    )
    with pytest.raises(TrainingError, match="the loss is NaN at step 5: lower lr"):
        train(TrainingConfig("mim", 9, batch_size=2), system_config("mim", TINY), clips, tmp_path, quiet=True)
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_trainer_takes_the_steps_of_a_plain_loop(clips, tmp_path):
    config = TrainingConfig("mim", 3, batch_size=4, lr=1e-3, warmup=2, clip_norm=0.1)
    model_config = system_config("mim", TINY)
    path = train(config, model_config, clips, tmp_path, quiet=True)
    model = make_model(model_config, None, config.seed)
    trained = list(trainable_parameters(model.requires_grad_(False), "mim", images=True).values())
    for parameter in trained:
        parameter.requires_grad_(True)
    loss, expected = DenoisingLoss(model, clips.null_text, config).train(), []
    optimizer = torch.optim.AdamW(trained, lr=5e-4, betas=(0.9, 0.999), weight_decay=0.01)
    orders = [torch.randperm(8, generator=torch.Generator().manual_seed(33 + epoch)).tolist() for epoch in (0, 1)]
    for step, chosen in enumerate([orders[0][:4], orders[0][4:], orders[1][:4]]):
        value = loss(sample_batch([clips[number] for number in chosen], range(4), step, config))
        value.backward()
        torch.nn.utils.clip_grad_norm_(trained, 0.1)
        optimizer.step()
        optimizer.zero_grad()
        optimizer.param_groups[0]["lr"] = 1e-3  # after a warm-up of two steps
        expected.append(value.item())
    assert losses(tmp_path) == pytest.approx(expected, rel=1e-6)  # float32, the same arithmetic
    found = read_checkpoint(path).weights
    assert all(torch.allclose(found[name], value, atol=1e-7) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_the_checkpoint_holds_the_average_of_the_weights_where_one_is_kept(clips, tmp_path):
    config, model_config = TrainingConfig("all", 4, batch_size=2, lr=1e-2), system_config("mim", TINY)
    averaged = read_checkpoint(
        train(replace(config, ema=0.3), model_config, clips, tmp_path / "averaged", quiet=True)
    ).weights
    runs = [replace(config, steps=steps) for steps in (1, 2, 3, 4)]
    paths = [train(run, model_config, clips, tmp_path / str(run.steps), quiet=True) for run in runs]
    expected = make_model(model_config, None, config.seed).state_dict()
    # diffusers' EMAModel: no faster than ema, but faster at the start, where there is little to average.
    for decay, path in zip((0.0, 2 / 11, 3 / 12, 0.3), paths):
        weights = read_checkpoint(path).weights
        expected = {name: decay * value + (1 - decay) * weights[name] for name, value in expected.items()}
    assert all(torch.allclose(averaged[name], value, atol=1e-6) for name, value in expected.items())
    assert not all(torch.allclose(averaged[name], weights[name], atol=1e-4) for name in weights)


@pytest.mark.slow
def test_recomputing_activations_changes_nothing(clips, tmp_path):
    config = TrainingConfig("all", 3, batch_size=2)
    train(config, system_config("zc+gca", TINY), clips, tmp_path / "plain", quiet=True)
    train(
        replace(config, checkpointing=True), system_config("zc+gca", TINY), clips, tmp_path / "recomputed", quiet=True
    )
    plain, recomputed = losses(tmp_path / "plain"), losses(tmp_path / "recomputed")
    assert plain == pytest.approx(recomputed, rel=1e-5)  # the same arithmetic in the same order


@pytest.mark.slow
def test_accumulated_batches_equal_one_large_batch(clips, tmp_path):
    config = TrainingConfig("all", 4, batch_size=4)
    train(config, system_config("mim", TINY), clips, tmp_path / "whole", quiet=True)
    halves = replace(config, batch_size=2, accumulation=2)
    train(halves, system_config("mim", TINY), clips, tmp_path / "halves", quiet=True)
    # Sums in another order; Adam divides by the gradient's size, so rounding grows a little with each step.
    assert losses(tmp_path / "whole") == pytest.approx(losses(tmp_path / "halves"), rel=1e-3)


def test_a_resumed_run_continues_the_same_curve(clips, tmp_path):
    config = TrainingConfig("all", 4, batch_size=2, ema=0.9, save_every=2)
    model_config = system_config("zc+gca", TINY | dict(dropout=0.1))
    whole = train(config, model_config, clips, tmp_path / "whole", quiet=True)
    train(replace(config, steps=2), model_config, clips, tmp_path / "resumed", quiet=True)
    resumed = train(config, model_config, clips, tmp_path / "resumed", quiet=True)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")
    one, other = read_checkpoint(whole).weights, read_checkpoint(resumed).weights
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_checkpoints_are_kept_where_asked_for(clips, tmp_path):
    config = TrainingConfig("all", 4, batch_size=2, save_every=4, keep_every=2)
    newest = train(config, system_config("mim", TINY), clips, tmp_path, quiet=True)
    kept = [tmp_path / f"checkpoint-{step:08d}.safetensors" for step in (2, 4)]
    assert sorted(tmp_path.glob("checkpoint*.safetensors")) == [*kept, newest]
    found = [read_checkpoint(path) for path in (*kept, newest)]
    assert [checkpoint.info["training"][-1]["step"] for checkpoint in found] == [2, 4, 4]
    first, last, same = (checkpoint.weights["unet.out.2.weight"] for checkpoint in found)
    assert torch.equal(last, same) and not torch.equal(first, last)


@pytest.mark.slow
def test_workers_change_nothing(clips, tmp_path):
    config = TrainingConfig("all", 3, batch_size=2)
    for workers in (0, 2):
        train(replace(config, workers=workers), system_config("mim", TINY), clips, tmp_path / str(workers), quiet=True)
    assert losses(tmp_path / "0") == losses(tmp_path / "2")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_frozen_layers_in_half_precision_hardly_change_the_loss_and_not_the_checkpoint(clips, tmp_path, rank):
    torch.manual_seed(0)
    model_config = system_config("zc+gca", TINY)
    write_checkpoint(tmp_path / "start.safetensors", model_config, tiny_smcd(model_config).state_dict())
    start = read_checkpoint(tmp_path / "start.safetensors")
    config = TrainingConfig("diim", 2, batch_size=2, mixed_precision="bf16", lora=rank)
    train(config, model_config, clips, tmp_path / "whole", start=start, quiet=True)
    half = replace(config, frozen_dtype="bf16")
    path = train(half, model_config, clips, tmp_path / "half", start=start, validation=[clips[0]], quiet=True)
    assert losses(tmp_path / "half") == pytest.approx(losses(tmp_path / "whole"), rel=0.02)
    state = load_file(tmp_path / "half" / "state-00000002" / "model.safetensors")
    types = {name.removeprefix("model.").replace(".base_layer.", "."): value.dtype for name, value in state.items()}
    frozen = "unet.input_blocks.1.0.in_layers.2.weight"
    assert types[frozen] == torch.bfloat16
    assert types["unet.input_blocks.1.0.in_layers.0.weight"] == torch.float32  # a norm
    if not rank:
        found = read_checkpoint(path).weights
        assert {value.dtype for value in found.values()} == {torch.float32}
        assert torch.equal(found[frozen], start.weights[frozen])


@pytest.mark.slow
def test_batches_hold_clips_of_one_size_and_come_again_after_a_break(tmp_path):
    config, model_config = TrainingConfig("all", 4, batch_size=2, save_every=2), system_config("zc+gca", TINY)
    clips = write_buckets(tmp_path)
    batches = list(islice(_Sampler([*clips.buckets.values()], config, 0, 0, 1), 40))
    sizes = [{tuple(clips[index]["latents"].shape[2:]) for index in batch} for batch in batches]
    assert all(len(size) == 1 for size in sizes) and {index for batch in batches for index in batch} == {*range(11)}
    assert 4 < sum(size == {(4, 16)} for size in sizes) < 20  # 3 of the 11 clips
    assert list(islice(_Sampler([*clips.buckets.values()], config, 7, 0, 1), 33)) == batches[7:]
    halves = [
        islice(_Sampler([*clips.buckets.values()], replace(config, batch_size=1), 0, one, 2), 40) for one in (0, 1)
    ]
    assert [[*left, *right] for left, right in zip(*halves)] == batches
    train(config, model_config, clips, tmp_path / "run", validation=[clips[0], clips[9]], vae=tiny_vae(), quiet=True)
    assert len(losses(tmp_path / "run")) == 4


@pytest.mark.slow
def test_streamed_clips_are_those_on_disk_and_few_shards_are_in_memory(tmp_path):
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        write_clips(tmp_path / str(number))
    store, kept = fsspec.filesystem("memory"), EncodedClips(tmp_path)
    store.put(str(tmp_path), "/shards", recursive=True)
    clips = StreamedClips("memory://shards", 2)
    assert len(clips) == len(kept) == 32 and clips.buckets == kept.buckets
    assert torch.equal(clips.null_text, kept.null_text)
    for index in (0, 31, 9):
        assert all(torch.equal(clips[index][name], value) for name, value in kept[index].items())
    config = TrainingConfig("all", 3, batch_size=2, shards_at_once=2)
    batches = list(islice(_Sampler([*clips.buckets.values()], config, 0, 0, 1), 16))
    groups = [{index // 8 for batch in batches[start : start + 8] for index in batch} for start in (0, 8)]
    assert [len(group) for group in groups] == [2, 2] and groups[0] | groups[1] == {0, 1, 2, 3}
    assert sorted(index for batch in batches for index in batch) == [*range(32)]
    for data, name in ((clips, "streamed"), (kept, "kept")):
        train(config, system_config("mim", TINY), data, tmp_path / name, quiet=True)
    assert losses(tmp_path / "streamed") == losses(tmp_path / "kept") and len(clips._loaded) <= 3


def test_a_url_that_cannot_be_read_is_named(capsys, tmp_path):
    with pytest.raises(SMCDError, match="nothing://x: cannot be read"):
        StreamedClips("nothing://x", 2)
    with pytest.raises(SMCDError, match="holds no encoded clips"):
        StreamedClips("memory://empty", 2)
    fsspec.filesystem("memory").pipe("/bad/clips-00000.safetensors", b"half a file")
    with pytest.raises(SMCDError, match="clips-00000.safetensors: is no file of `smcd encode`"):
        StreamedClips("memory://bad", 2)
    command = ["train", "--stage", "mim", "--steps", "1", "--data", "memory://bad", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "--shards-at-once is missing" in capsys.readouterr().err


def write_buckets(folder: Path) -> EncodedClips:
    """Eight square clips, and three of another shape."""
    write_clips(folder)
    tensors = load_file(folder / "clips-00000.safetensors")
    wide = {name: value if name == "null_text" else value[:3].contiguous() for name, value in tensors.items()}
    save_file(wide | {"latents": wide["latents"].reshape(3, 2, 4, 4, 16)}, folder / "clips-00000-1.safetensors")
    return EncodedClips(folder)


def test_a_size_that_the_network_cannot_have_is_found_before_the_first_step(tmp_path):
    clips = write_buckets(tmp_path)
    tensors = load_file(tmp_path / "clips-00000-1.safetensors")
    save_file(tensors | {"latents": torch.zeros(3, 2, 4, 4, 15)}, tmp_path / "clips-00000-1.safetensors")
    clips = EncodedClips(tmp_path)
    with pytest.raises(TrainingError, match="the latents of the clips are 15 x 4, expected multiples of 2"):
        train(TrainingConfig("all", 1), system_config("mim", TINY), clips, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_remembers_how_it_was_trained(clips, tmp_path):
    first = train(TrainingConfig("mim", 2, batch_size=2), system_config("mim", TINY), clips, tmp_path / "1", quiet=True)
    start, config = read_checkpoint(first), TrainingConfig("diim", 1, batch_size=2)
    second = train(config, system_config("zc+gca", TINY), clips, tmp_path / "2", start=start, quiet=True)
    stages = read_checkpoint(second).info["training"]
    assert [(stage["stage"], stage["step"]) for stage in stages] == [("mim", 2), ("diim", 1)]


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(lr=0), "lr is 0, expected a number above 0"),
        (dict(lr=float("nan")), "lr is nan"),
        (dict(clip_norm=float("inf")), "clip_norm is inf"),
        (dict(object_weight=-1), "object_weight is -1"),
        (dict(timestep_power=0), "timestep_power is 0"),
        (dict(warmup=-3), "warmup is -3, expected 0 or more"),
        (dict(weight_decay=-0.1), "weight_decay is -0.1"),
        (dict(seed=-1), "seed is -1"),
        (dict(ema=1.0), "ema is 1.0, expected 0 or more and below 1"),
        (dict(betas=(0.9, 1.0)), "betas is .0.9, 1.0., expected two numbers"),
        (dict(drop_text=2), "drop_text is 2, expected a share from 0 to 1"),
        (dict(stage="stage1"), "stage is 'stage1', expected one of backbone, mim"),
        (dict(steps=0), "steps is 0, expected 1 or more"),
        (dict(batch_size=-1), "batch_size is -1"),
        (dict(optimizer="adam8"), "optimizer is 'adam8', expected one of adamw, adamw8bit"),
        (dict(mixed_precision="half"), "mixed_precision is 'half', expected one of no, fp16, bf16"),
        (dict(frozen_dtype="fp8"), "frozen_dtype is 'fp8', expected one of no, fp16, bf16"),
        (dict(frozen_dtype="bf16"), "frozen_dtype is bf16, but mixed_precision is no: choose the same"),
        (dict(keep_every=-1), "keep_every is -1, expected 0 or more"),
        (dict(workers=-1), "workers is -1"),
        (dict(lora=-2), "lora is -2"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(TrainingError, match=message):
        TrainingConfig(**(dict(stage="mim", steps=1) | wrong))


def test_the_plot_shows_the_loss_and_the_probe(tmp_path):
    log = Log(tmp_path, 0, active=True)
    shown = {"loss": "#0072b2"} | PROBES
    del shown["x0_none_boxes"]  # grey, as the edges of letters are
    for steps, visible in ((range(1, 21), {"loss"}), (range(21, 41), shown)):
        for step in steps:
            probed = {name: 1 + number / step for number, name in enumerate(PROBES)}
            log.add({"step": step, "loss": 1 / step, "lr": 1e-3} | (probed if step > 20 else {}))
        log.plot()
        with Image.open(tmp_path / "loss.png") as picture:
            colors = {color for _, color in picture.convert("RGB").getcolors(2**24)}
        assert {name for name, color in shown.items() if ImageColor.getrgb(color) in colors} == set(visible)


def test_a_state_of_another_run_is_refused(clips, tmp_path):
    train(TrainingConfig("mim", 1, batch_size=1), system_config("mim", TINY), clips, tmp_path, quiet=True)
    with pytest.raises(TrainingError, match="state-00000001: is not of this run"):
        train(TrainingConfig("all", 2, batch_size=1), system_config("zc+gca", TINY), clips, tmp_path, quiet=True)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(lr=1e-3), "lr is 5e-05 there, now 0.001"),
        pytest.param(dict(object_weight=3.0), "object_weight is 1.0 there, now 3.0", marks=pytest.mark.slow),
        pytest.param(dict(seed=1), "seed is 33 there, now 1", marks=pytest.mark.slow),
        (dict(batch_size=2), "clips in a step is 1 there, now 2"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(clips, tmp_path, change, message):
    config, model_config = TrainingConfig("mim", 1, batch_size=1), system_config("mim", TINY)
    train(config, model_config, clips, tmp_path, quiet=True)
    with pytest.raises(TrainingError, match=f"state-00000001: is not of this run: {message}"):
        train(replace(config, steps=2, **change), model_config, clips, tmp_path, quiet=True)
    same = dict(steps=2, save_every=7, validate_every=7, checkpointing=True)
    train(replace(config, **same), model_config, clips, tmp_path, quiet=True)
    assert len(losses(tmp_path)) == 2


def test_clips_that_do_not_fit_the_network_are_refused_before_anything_is_written(clips, tmp_path):
    for change, message in (
        (
            dict(context_dim=32, image_encoder_channels=(16, 32)),
            "16 text features, but context_dim of the netw",
        ),
        (dict(phrase_dim=8), "16 phrase features, but phrase_dim of the network is 8"),
        (dict(latent_channels=3), "4 latent channels, but latent_channels of the network is 3"),
        (dict(channel_mult=(1,) * 5), "latents of the clips are 8 x 8, expected multiples of 16"),
    ):
        with pytest.raises(TrainingError, match=message):
            train(TrainingConfig("mim", 1), system_config("mim", TINY | change), clips, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_has_the_box_slots_that_it_was_trained_with(clips, tmp_path):
    config = system_config("mim", TINY | {"box_slots": 30})
    path = train(TrainingConfig("mim", 1, batch_size=1), config, clips, tmp_path, quiet=True)
    assert read_checkpoint(path).config == replace(config, box_slots=2)


def test_the_learning_rate_warms_up_and_falls_by_half_a_cosine():
    warm = TrainingConfig("all", 100, lr=1.0, warmup=4)
    assert [learning_rate(step, warm) for step in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1, 1, 1]
    cosine = TrainingConfig("all", 100, lr=1.0, cosine=True)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([torch.zeros(1)], 1.0), 100, eta_min=0.02)
    for step in range(100):
        assert learning_rate(step, cosine) == pytest.approx(reference.get_last_lr()[0])
        reference.optimizer.step()
        reference.step()
    assert learning_rate(1, replace(cosine, warmup=4)) == learning_rate(1, cosine) / 2


def test_no_two_places_of_a_training_share_their_noise():
    seeds = {fold_seed(33, step, place) for step in range(50) for place in range(50)}
    assert len(seeds) == 2500
    assert fold_seed(33, 1, 2) == fold_seed(33, 1, 2) != fold_seed(33, 2, 1)


def test_an_empty_data_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no encoded clips"):
        EncodedClips(tmp_path)


PUBLISHED = {  # SPEC, section 12: system, lr, clips in a step, drops of text, boxes, first frame, image tokens
    "stage1": ("mim", 3e-5, 64, (0.5, 0.1, 0, 0)),
    "stage2": ("zc+gca", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
    "joint": ("zc+gca", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
    "zc": ("zc", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
    "gca": ("gca", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
    "zc+gca": ("zc+gca", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
    "ctrlnet": ("ctrlnet", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
    "zc+ctrlnet": ("zc+ctrlnet", 5e-5, 16, (0, 0.1, 0.25, 0.1)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_has_the_published_numbers(name):
    system, lr, batch, drops = PUBLISHED[name]
    preset = PRESETS[name]
    config, policy = preset.training, preset.training.effective_stage
    assert (preset.system, config.lr, config.batch_size * config.accumulation) == (system, lr, batch)
    assert (policy.drop_text, policy.drop_boxes, policy.drop_first_frame, policy.drop_image_tokens) == drops
    assert config.betas == (0.9, 0.999) and config.weight_decay == 1e-2 and config.clip_norm == 1 and config.seed == 33
    assert config.mixed_precision == "fp16" and config.save_every == 10_000 and not config.ema and not config.warmup
    assert config.object_weight == config.timestep_power == 1
    first = name == "stage1"
    assert (policy.images, preset.frames, preset.slots) == ((True, 1, 30) if first else (False, 8, 8))
    assert preset.pixels == 256 and config.steps == (200_000 if first else 60_000)


@pytest.mark.parametrize(
    "change", [{"latents": None}, {"null_text": None}, {"mask": None}, {"text": 1}, {"latents": 1}], ids=str
)
def test_a_file_that_encode_did_not_write_is_refused_by_name(change, tmp_path):
    shapes = {"latents": (2, 2, 4, 8, 8), "text": (2, 3, 16), "boxes_xyxy": (2, 2, 2, 4), "mask": (2, 2, 2)}
    tensors = {
        name: torch.zeros(shape) for name, shape in {**shapes, "phrases": (2, 2, 16), "null_text": (3, 16)}.items()
    }
    save_file(tensors, tmp_path / "clips-00000.safetensors")
    assert len(EncodedClips(tmp_path)) == 2
    ((name, rows),) = change.items()
    tensors[name] = tensors[name][:rows].clone()
    save_file(
        {key: value for key, value in tensors.items() if change.get(key, 1)}, tmp_path / "clips-00000.safetensors"
    )
    with pytest.raises(SMCDError, match="clips-00000.safetensors: is no file that `smcd encode` wrote: it holds "):
        EncodedClips(tmp_path)


@pytest.mark.slow
def test_the_command_line_changes_a_preset_and_the_checkpoint_keeps_it(tmp_path, capsys):
    small = tmp_path / "clips"
    small.mkdir()
    tensors = {
        "latents": torch.randn(2, 2, 4, 8, 8), "text": torch.randn(2, 3, 128), "boxes_xyxy": torch.zeros(2, 2, 2, 4),
        "mask": torch.ones(2, 2, 2), "phrases": torch.randn(2, 2, 128), "null_text": torch.zeros(3, 128),
    }  # fmt: skip
    save_file(tensors, small / "clips-00000.safetensors")
    common = ["train", "--small", "--data", str(small), "--steps", "1", "--mixed-precision", "no", "--batch-size", "1"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([*common, "--preset", "stage2", "--out", str(second)]) == 2
    assert "the preset stage2 starts from a checkpoint of stage 1" in capsys.readouterr().err
    assert main([*common, "--preset", "backbone", "--accumulation", "1", "--out", str(first)]) == 0
    init = ["--init", str(first / "checkpoint.safetensors")]
    assert main([*common, *init, "--preset", "ctrlnet", "--accumulation", "1", "--out", str(second)]) == 0
    assert "the paper used 8 frames of 256 x 256 pixels with 8 boxes; the data has 2" in capsys.readouterr().out
    checkpoint = read_checkpoint(second / "checkpoint.safetensors")
    assert checkpoint.config == system_config("ctrlnet", SMALL | {"box_slots": 2})  # as the clips
    before, last = checkpoint.info["training"]
    given = dict(steps=1, mixed_precision="no", batch_size=1, accumulation=1)
    assert before["stage"] == "backbone"
    assert last == json.loads(json.dumps(asdict(replace(PRESETS["ctrlnet"].training, **given)) | {"step": 1}))


@pytest.mark.slow
def test_samples_with_boxes_are_drawn_at_each_validation(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("smcd_core.training.validation.SAMPLE_STEPS", 2)
    config = TrainingConfig("all", 4, batch_size=1, validate_every=2)
    model_config, examples = system_config("zc+gca", TINY), [clips[0], clips[1]]
    plain = train(config, model_config, clips, tmp_path / "plain", validation=examples, quiet=True)
    drawn = train(config, model_config, clips, tmp_path / "drawn", validation=examples, vae=tiny_vae(), quiet=True)
    pictures = sorted((tmp_path / "drawn" / "samples").iterdir())
    assert [path.name for path in pictures] == ["step-00000002.png", "step-00000004.png"]
    with Image.open(pictures[1]) as picture:
        assert picture.size == (2 * 256, 4 * 256)  # two frames; two clips, each real and made
        colors = {color for _, color in picture.convert("RGB").getcolors(maxcolors=2**24)}
    assert ImageColor.getrgb(PALETTE[0]) in colors
    # Looking at the network does not change it.
    one, other = read_checkpoint(plain).weights, read_checkpoint(drawn).weights
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_samples_start_where_videos_of_the_checkpoint_start(clips, tmp_path, monkeypatch):
    starts = []

    def watched(predict, noise, steps, *, kind, start):
        starts.append(start)
        return ddim(predict, noise, steps, kind=kind, start=start)

    monkeypatch.setattr("smcd_core.training.validation.ddim", watched)
    model_config, examples = system_config("zc+gca", TINY), [dict(clips[0]), dict(clips[1]), dict(clips[2])]
    examples[1]["mask"] = torch.zeros_like(examples[1]["mask"])
    examples[2]["boxes_xyxy"] = examples[2]["boxes_xyxy"] * 0.001  # of less than a pixel
    path, defaults = tmp_path / "start.safetensors", {"start": 0.12, "start_inside": 0.08}
    write_checkpoint(path, model_config, SMCD(model_config).state_dict(), info={"defaults": defaults})
    for name, start in {"noise": None, "animatic": read_checkpoint(path)}.items():
        config = TrainingConfig("all", 1, batch_size=1)
        out = tmp_path / name
        train(config, model_config, clips, out, start=start, validation=examples, vae=tiny_vae(), quiet=True)
        assert (out / "samples" / "step-00000001.png").exists()
    trained = read_checkpoint(out / "checkpoint.safetensors")
    assert read_defaults(trained) == read_defaults(read_checkpoint(path))  # or its videos would start elsewhere
    assert starts[:3] == [None] * 3
    moving, still, tiny = starts[3:]
    assert moving.shares == still.shares == tiny.shares == (0.12, 0.08)
    assert moving.inside[1].mean() == pytest.approx(4 * 4 / (8 * 8), abs=0.1)  # where the box is
    assert not still.inside.any() and not tiny.inside.any()
    assert torch.equal(still.guide[0], still.guide[1]) and not torch.equal(moving.guide[0], moving.guide[1])


@pytest.mark.parametrize(
    "package, settings, message",
    [
        ("bitsandbytes.optim", dict(optimizer="adamw8bit"), "adamw8bit needs the package bitsandbytes.*pip install"),
        ("torch.utils.tensorboard", dict(tensorboard=True), "TensorBoard needs its package.*pip install tensorboard"),
    ],
)
def test_a_missing_extra_is_named(clips, tmp_path, monkeypatch, package, settings, message):
    monkeypatch.setitem(sys.modules, package, None)
    board = settings.pop("tensorboard", False)
    config = TrainingConfig("all", 1, batch_size=1, **settings)
    with pytest.raises(TrainingError, match=message):
        train(config, system_config("mim", TINY), clips, tmp_path, tensorboard=board, quiet=True)


@pytest.mark.slow
def test_moments_in_eight_bits_learn_as_well(clips, tmp_path):
    pytest.importorskip("bitsandbytes")
    config = TrainingConfig("all", 40, batch_size=4, lr=2e-3, seed=1, timestep_power=0.5, optimizer="adamw8bit")
    train(config, system_config("mim", TINY), clips, tmp_path / "8", quiet=True)
    train(replace(config, optimizer="adamw"), system_config("mim", TINY), clips, tmp_path / "32", quiet=True)
    # Not the same numbers, but as good: bitsandbytes rounds the moments of large tensors.
    assert sum(losses(tmp_path / "8")[-10:]) == pytest.approx(sum(losses(tmp_path / "32")[-10:]), rel=0.05)


def test_tensorboard_gets_what_the_csv_gets(clips, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for steps in (2, 4):  # stopped in between
        config = TrainingConfig("all", steps, batch_size=1)
        train(config, system_config("mim", TINY), clips, tmp_path, tensorboard=True, quiet=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("loss")
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert [event.value for event in events] == pytest.approx(losses(tmp_path), rel=1e-6)  # float32 there
