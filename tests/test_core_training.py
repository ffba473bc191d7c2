"""Training: which parameters train, that it learns, and that a killed run goes on as if nothing had happened."""

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file

from smcd_core.checkpoint import join_gates, read_checkpoint
from smcd_core.config import SYSTEMS, SMCDConfig, system_config
from smcd_core.data.encoded import EncodedClips
from smcd_core.denoising import DenoisingLoss, draw
from smcd_core.model import SMCD, Inputs
from smcd_core.stages import TrainingConfig, TrainingError
from smcd_core.training import train, trainable_parameters
from smcd_core.warm_start import make_model, start_from

RELEASED_LISTS = json.loads((Path(__file__).parent / "golden/keys/trainable_keys.json").read_text())
TINY = dict(
    model_channels=32, channel_mult=(1, 2), num_res_blocks=1, attention_scales=(1.0,), num_heads=2, head_dim=16,
    context_dim=16, phrase_dim=16, norm_groups=8, dropout=0.0, box_slots=2, image_encoder_channels=(16, 16),
    image_encoder_blocks=1, prediction="v",
)  # fmt: skip


@pytest.fixture(autouse=True)
def accelerate_as_in_a_new_process():
    """Accelerate keeps the precision of a process's first run for all later ones."""
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> EncodedClips:
    """Eight clips of two frames: an object of one value on a ground of another, with its box and a phrase that says
    which value."""
    random = torch.Generator().manual_seed(0)
    folder = tmp_path_factory.mktemp("clips")
    latents = torch.full((8, 2, 4, 8, 8), -0.5)
    boxes = torch.zeros(8, 2, 2, 4)
    phrases = torch.zeros(8, 2, 16)
    for clip in range(8):
        value = float(torch.rand((), generator=random)) * 2
        phrases[clip, 0] = value
        for frame in range(2):
            x, y = torch.randint(0, 5, (2,), generator=random).tolist()
            latents[clip, frame, :, y : y + 4, x : x + 4] = value
            boxes[clip, frame, 0] = torch.tensor([x, y, x + 4, y + 4]) / 8
    tensors = {
        "latents": latents.half(),
        "text": torch.randn(8, 3, 16, generator=random).half(),
        "boxes_xyxy": boxes,
        "mask": torch.tensor([1.0, 0.0]).expand(8, 2, 2).contiguous(),
        "phrases": phrases.half(),
        "null_text": torch.zeros(3, 16).half(),
    }
    save_file(tensors, folder / "clips-00000.safetensors")
    return EncodedClips(folder)


def losses(folder: Path) -> list[float]:
    with (folder / "loss.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


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
    batch = draw([clips[0]] * 4000, range(4000), 0, config)
    kept = batch["keep"].mean(0)
    # Published: text never, boxes .1, concatenated frame .25, image tokens .1. 4000 draws: deviation below .007.
    assert torch.allclose(kept, torch.tensor([1.0, 0.9, 0.75, 0.9]), atol=0.03)


def test_a_dropped_condition_cannot_be_seen(clips):
    model = make_model(system_config("zc+gca", TINY), None, 0).requires_grad_(False)
    loss = DenoisingLoss(model, clips.null_text, TrainingConfig("all", 1))
    batch = draw([clips[0], clips[1]], range(2), 0, TrainingConfig("all", 1))
    batch["keep"] = torch.zeros(2, 4)
    inputs = loss.inputs(batch)
    assert not inputs.box_mask.any() and not inputs.first_frame.any() and not inputs.image_latent.any()
    assert torch.equal(inputs.text, clips.null_text.expand(2, -1, -1))


def test_half_precision_learns_too(clips, tmp_path):
    # On images: the gradient of torch's bfloat16 Conv3d on the CPU is NaN for clips as short as two frames (2.13).
    config = TrainingConfig(
        "backbone", 40, images=True, batch_size=4, lr=2e-3, seed=1, timestep_power=0.5, mixed_precision="bf16"
    )
    path = train(config, system_config("backbone", TINY), clips, tmp_path, quiet=True)
    curve = losses(tmp_path)
    assert sum(curve[-10:]) < 0.95 * sum(curve[:10])
    assert all(weight.dtype == torch.float32 for weight in read_checkpoint(path).weights.values())


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_trains_and_the_loss_falls(clips, tmp_path, system):
    config = TrainingConfig("all", 40, batch_size=4, lr=2e-3, seed=1, timestep_power=0.5)
    train(config, system_config(system, TINY), clips, tmp_path, quiet=True)
    curve = losses(tmp_path)
    # Measured: .62 to .9 of where it started after 40 steps; noise of a mean of ten is below .05.
    assert sum(curve[-10:]) < 0.95 * sum(curve[:10])


def test_boxes_come_to_count_within_a_short_training(clips, tmp_path):
    """The probe tells right boxes from wrong ones: the network has learned to look at them."""
    config = TrainingConfig("all", 150, batch_size=8, lr=3e-3, ema=0.9, timestep_power=0.5, object_weight=3.0)
    model_config = system_config("mim", TINY, coverage_bias=True)
    train(config, model_config, clips, tmp_path, validation=[clips[n] for n in range(8)], quiet=True)
    with (tmp_path / "loss.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["x0_right_boxes"]) < 0.8 * float(last["x0_wrong_boxes"])


def test_recomputing_activations_changes_nothing(clips, tmp_path):
    config = TrainingConfig("all", 3, batch_size=2)
    train(config, system_config("zc+gca", TINY), clips, tmp_path / "plain", quiet=True)
    train(
        replace(config, checkpointing=True), system_config("zc+gca", TINY), clips, tmp_path / "recomputed", quiet=True
    )
    plain, recomputed = losses(tmp_path / "plain"), losses(tmp_path / "recomputed")
    assert plain == pytest.approx(recomputed, rel=1e-5)  # the same arithmetic in the same order


def test_accumulated_batches_equal_one_large_batch(clips, tmp_path):
    config = TrainingConfig("all", 4, batch_size=4)
    train(config, system_config("mim", TINY), clips, tmp_path / "whole", quiet=True)
    halves = replace(config, batch_size=2, accumulation=2)
    train(halves, system_config("mim", TINY), clips, tmp_path / "halves", quiet=True)
    # Sums in another order; Adam divides by the gradient's size, so rounding grows a little with each step.
    assert losses(tmp_path / "whole") == pytest.approx(losses(tmp_path / "halves"), rel=1e-3)


def test_a_resumed_run_continues_the_same_curve(clips, tmp_path):
    config = TrainingConfig("all", 6, batch_size=2, ema=0.9, save_every=3)
    model_config = system_config("zc+gca", TINY | dict(dropout=0.1))
    whole = train(config, model_config, clips, tmp_path / "whole", quiet=True)
    train(replace(config, steps=3), model_config, clips, tmp_path / "resumed", quiet=True)
    resumed = train(config, model_config, clips, tmp_path / "resumed", quiet=True)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")
    one, other = read_checkpoint(whole).weights, read_checkpoint(resumed).weights
    assert all(torch.equal(one[name], other[name]) for name in one)


KILLED = """
import sys, os, signal
from smcd_core import training
from smcd_core.config import system_config
from smcd_core.data.encoded import EncodedClips
from smcd_core.stages import TrainingConfig

folder, out, kill = sys.argv[1:]
replace = os.replace
def killed_before_it_is_whole(source, target):
    if "state-00000004" in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
if kill == "kill":
    os.replace = killed_before_it_is_whole
config = TrainingConfig("all", 6, batch_size=2, save_every=2, ema=0.9)
training.train(config, system_config("mim", TINY), EncodedClips(folder), out, quiet=True)
"""


def test_a_run_killed_while_it_saves_goes_on_to_the_same_weights(clips, tmp_path):
    def run(out: str, kill: str) -> int:
        code = KILLED.replace("TINY", repr(TINY))
        command = [sys.executable, "-c", code, str(clips.folder), str(tmp_path / out), kill]
        root = Path(__file__).parents[1]
        return subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}).returncode  # noqa: S603

    assert run("undisturbed", "live") == 0
    assert run("killed", "kill") == -signal.SIGKILL
    assert (tmp_path / "killed" / "state-00000004.tmp").exists()  # it died in the middle of a save
    assert run("killed", "live") == 0
    one, other = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("undisturbed", "killed"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert losses(tmp_path / "undisturbed") == losses(tmp_path / "killed")


TWO_PROCESSES = """
import sys
from smcd_core.config import system_config
from smcd_core.data.encoded import EncodedClips
from smcd_core.stages import TrainingConfig
from smcd_core.training import train

config = TrainingConfig("all", int(sys.argv[3]), batch_size=2, lr=1e-3, ema=0.9)
train(config, system_config("zc+gca", TINY), EncodedClips(sys.argv[1]), sys.argv[2], quiet=True)
"""


def test_two_processes_give_the_curve_of_one_with_twice_the_batch(clips, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(TWO_PROCESSES.replace("TINY", repr(TINY)))
    # `accelerate launch` starts torchrun on GPUs; on a CPU it would start one process.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [*launch, str(script), str(clips.folder), str(tmp_path / "two")]
    for steps in ("2", "4"):  # stopped in between
        subprocess.run([*command, steps], cwd=root, env=environment, check=True)  # noqa: S603
    config = TrainingConfig("all", 4, batch_size=4, lr=1e-3, ema=0.9)
    train(config, system_config("zc+gca", TINY), clips, tmp_path / "one", quiet=True)
    # Gradients are summed in another order; Adam divides by their size, so rounding grows a little with each step.
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)


def test_a_checkpoint_remembers_how_it_was_trained(clips, tmp_path):
    first = train(TrainingConfig("mim", 2, batch_size=2), system_config("mim", TINY), clips, tmp_path / "1", quiet=True)
    start, config = read_checkpoint(first), TrainingConfig("diim", 1, batch_size=2)
    second = train(config, system_config("zc+gca", TINY), clips, tmp_path / "2", start=start, quiet=True)
    stages = read_checkpoint(second).info["training"]
    assert [(stage["stage"], stage["step"]) for stage in stages] == [("mim", 2), ("diim", 1)]
    assert (tmp_path / "1" / "loss.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(stage="stage1"), "stage is 'stage1', expected one of backbone, mim"),
        (dict(steps=0), "steps is 0, expected 1 or more"),
        (dict(batch_size=-1), "batch_size is -1"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(TrainingError, match=message):
        TrainingConfig(**(dict(stage="mim", steps=1) | wrong))


def test_a_state_of_another_run_is_refused(clips, tmp_path):
    train(TrainingConfig("mim", 1, batch_size=1), system_config("mim", TINY), clips, tmp_path, quiet=True)
    with pytest.raises(TrainingError, match="state-00000001: is not of this run"):
        train(TrainingConfig("all", 2, batch_size=1), system_config("zc+gca", TINY), clips, tmp_path, quiet=True)


def test_an_empty_data_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no encoded clips"):
        EncodedClips(tmp_path)
