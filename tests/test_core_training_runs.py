"""Runs that are killed, and runs of several processes: what was learned is not lost, and the curve stays the same."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed.fsdp
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from tiny_training import TINY, losses, write_clips

from smcd_core.networks.blocks import ResBlock, SpatialTransformer, TemporalTransformer
from smcd_core.networks.config import system_config
from smcd_core.training import loop
from smcd_core.training.config import TrainingConfig, TrainingError
from smcd_core.training.encoded import EncodedClips
from smcd_core.training.loop import train

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")])),
    "OMP_NUM_THREADS": "1",
    "ACCELERATE_USE_CPU": "true",
}


@pytest.fixture(autouse=True)
def accelerate_as_in_a_new_process():
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> EncodedClips:
    return write_clips(tmp_path_factory.mktemp("clips"))


def same_weights(one: Path, other: Path) -> bool:
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (one, other))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


SAVING = TrainingConfig("all", 4, batch_size=2, save_every=2, ema=0.9)


@pytest.fixture(scope="module")
def undisturbed(clips, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    train(SAVING, system_config("mim", TINY), clips, out, quiet=True)
    return out


# Killed --------------------------------------------------------------------------------------------------------------

# Forks, as importing torch anew for every run would take most of the time. Before the first fork nothing is computed.
KILLS = """
import json, os, random, signal, sys, time
from pathlib import Path

import matplotlib.figure, torch
from smcd_core.training import loop
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.networks.config import system_config
from smcd_core.training.encoded import EncodedClips
from smcd_core.training.config import TrainingConfig
from tiny_training import TINY

torch.set_num_threads(1)
clips, out = sys.argv[1], Path(sys.argv[2])
SAVE_EVERY = 2
config = TrainingConfig("all", 12, batch_size=2, save_every=SAVE_EVERY, ema=0.9)

def start(folder):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            loop.train(config, system_config("mim", TINY), EncodedClips(clips), folder, quiet=True)
            code = 0
        finally:
            os._exit(code)
    return child

def newest_state(folder):
    return max([0, *(int(path.name[6:]) for path in folder.glob("state-*") if path.suffix != ".tmp")])

def last_row(folder):
    rows = (folder / "loss.csv").read_text().splitlines()[1:] if (folder / "loss.csv").exists() else []
    whole = [row for row in rows if row.count(",") >= 2 and row.split(",")[2]]
    return int(whole[-1].split(",")[0]) if whole else 0

began = time.monotonic()
_, status = os.waitpid(start(out / "undisturbed"), 0)
assert status == 0
whole = time.monotonic() - began

moments, kills, folder, finished = random.Random(0), [], out / "killed-0", 0
while len(kills) < 10:
    before = newest_state(folder)
    child = start(folder)
    time.sleep(moments.uniform(0, 0.5) * whole)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if (folder / "checkpoint.safetensors").exists():
            read_checkpoint(folder / "checkpoint.safetensors")  # whole, or this raises
        kills.append({"before": before, "saved": newest_state(folder), "seen": last_row(folder)})
    else:
        assert status == 0
        finished += 1
        folder = out / f"killed-{finished}"
_, status = os.waitpid(start(folder), 0)
assert status == 0
folders = [f"killed-{number}" for number in range(finished + 1)]
print(json.dumps({"kills": kills, "folders": folders, "save_every": SAVE_EVERY}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_ten_kills_at_random_moments_lose_nothing_but_the_last_steps(clips, tmp_path):
    command = [sys.executable, "-c", KILLS, str(clips.folder), str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)  # noqa: S603
    result = json.loads(done.stdout.splitlines()[-1])
    assert len(result["kills"]) == 10
    for kill in result["kills"]:
        assert kill["before"] <= kill["saved"]  # a state that was saved stays
        assert kill["seen"] - kill["saved"] <= result["save_every"]  # and no more is lost than what came after it
    assert max(kill["saved"] for kill in result["kills"]) > result["save_every"]  # they were not all too early
    for folder in result["folders"]:
        assert same_weights(tmp_path / "undisturbed", tmp_path / folder)
        assert losses(tmp_path / "undisturbed") == losses(tmp_path / folder)


KILLED_IN_SAVE = """
import os, sys
from smcd_core.training import loop
from smcd_core.networks.config import system_config
from smcd_core.training.encoded import EncodedClips
from smcd_core.training.config import TrainingConfig
from tiny_training import TINY

folder, out, place = sys.argv[1:]
replace = os.replace
def killed_before_it_is_whole(source, target):
    if place in str(target) and os.path.exists(os.path.join(out, "state-00000002")):  # in the last save
        os._exit(9)  # as abrupt as SIGKILL, and Windows has it
    replace(source, target)
os.replace = killed_before_it_is_whole
config = TrainingConfig("all", 4, batch_size=2, save_every=2, ema=0.9)
loop.train(config, system_config("mim", TINY), EncodedClips(folder), out, quiet=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["state-00000004", "checkpoint.safetensors", "loss.png"])
def test_a_run_stopped_while_it_saves_goes_on_to_the_same_weights(clips, undisturbed, tmp_path, monkeypatch, place):
    rename = os.replace

    def stopped_before_it_is_whole(source, target):
        if place in str(target) and (tmp_path / "state-00000002").exists():  # in the last save
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped_before_it_is_whole)
        with pytest.raises(KeyboardInterrupt):
            train(SAVING, system_config("mim", TINY), clips, tmp_path, quiet=True)
    train(SAVING, system_config("mim", TINY), clips, tmp_path, quiet=True)
    assert same_weights(undisturbed, tmp_path)
    assert losses(undisturbed) == losses(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["state-00000004", "checkpoint.safetensors", "loss.png"])
def test_a_run_killed_while_it_saves_goes_on_to_the_same_weights(clips, undisturbed, tmp_path, place):
    command = [sys.executable, "-c", KILLED_IN_SAVE, str(clips.folder), str(tmp_path / "killed"), place]
    assert subprocess.run(command, env=ENVIRONMENT).returncode == 9  # noqa: S603
    train(SAVING, system_config("mim", TINY), clips, tmp_path / "killed", quiet=True)
    assert same_weights(undisturbed, tmp_path / "killed")
    assert losses(undisturbed) == losses(tmp_path / "killed")


@pytest.fixture
def ctrl_c():
    """Python's own handling of Ctrl-C: jobs in the background of a shell start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_loses_no_step_and_twice_says_which(clips, undisturbed, tmp_path, monkeypatch, times):
    step = loop._Run.take_step

    def stopped(run, batches):
        for _ in range(times if run.step == 2 else 0):
            signal.raise_signal(signal.SIGINT)
        step(run, batches)

    monkeypatch.setattr(loop._Run, "take_step", stopped)
    settings = replace(SAVING, save_every=1000)
    told = {1: "after step 3 of 4$", 2: "after step 0 of 4; steps since then, which are lost: 2$"}[times]
    with pytest.raises(KeyboardInterrupt, match=told):
        train(settings, system_config("mim", TINY), clips, tmp_path, quiet=True)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [path.name for path in tmp_path.glob("state-*")] == ["state-00000003"] * (times == 1)
    monkeypatch.undo()
    train(settings, system_config("mim", TINY), clips, tmp_path, quiet=True)
    assert same_weights(tmp_path, undisturbed) and losses(tmp_path) == losses(undisturbed)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.bin", "average.safetensors"])
def test_a_cut_off_state_is_refused_by_name(clips, tmp_path, file):
    config = TrainingConfig("all", 1, batch_size=1, ema=0.9)
    train(config, system_config("mim", TINY), clips, tmp_path, quiet=True)
    path = tmp_path / "state-00000001" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TrainingError, match="state-00000001: is not of this run, or damaged"):
        train(config, system_config("mim", TINY), clips, tmp_path, quiet=True)


# Several processes ---------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from smcd_core.training import loop
from smcd_core.networks.config import system_config
from smcd_core.training.encoded import EncodedClips
from tiny_training import TINY

class Sharded(loop.Accelerator):
    "What `accelerate launch` makes of docs/fsdp.yaml on GPUs; on a CPU it would not shard."
    distributed_type = DistributedType.FSDP
    is_fsdp2 = True

    def __init__(self, **settings):
        super().__init__(**settings)
        blocks = ["ResBlock", "SpatialTransformer", "TemporalTransformer"]
        self.state.fsdp_plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, cpu_ram_efficient_loading=False, auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=blocks,
        )

clips, out, steps, kind = sys.argv[1:]
if kind == "sharded":
    loop.Accelerator = Sharded
data = EncodedClips(clips)
config = loop.TrainingConfig("all", int(steps), batch_size=2, lr=1e-3, ema=0.9)
loop.train(config, system_config("zc+gca", TINY), data, out, validation=[data[0], data[1]], quiet=True)
"""


def two_processes(clips: EncodedClips, out: Path, steps: int, kind: str = "whole") -> None:
    """`accelerate launch` starts torchrun on GPUs; on a CPU it would start one process."""
    script = out.with_suffix(".py")
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    command = [*launch, str(clips.folder), str(out), str(steps), kind]
    subprocess.run(command, env=ENVIRONMENT, check=True)  # noqa: S603


def one_process(clips: EncodedClips, out: Path, steps: int) -> None:
    config = TrainingConfig("all", steps, batch_size=4, lr=1e-3, ema=0.9)
    train(config, system_config("zc+gca", TINY), clips, out, validation=[clips[0], clips[1]], quiet=True)


@pytest.fixture(scope="module")
def alone(clips, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    one_process(clips, out, 6)
    return out


def assert_same_run(one: Path, other: Path) -> None:
    # Gradients are summed in another order; Adam divides by their size, so rounding grows a little with each step.
    assert losses(one) == pytest.approx(losses(other), rel=1e-3)
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (one, other))
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in other.items()}
    # lr is .001: six steps move a weight by up to .006.
    assert all(torch.allclose(one[name], other[name], atol=3e-4) for name in one)


@pytest.mark.parametrize("processes, batch_size, accumulation", [(2, 2, 1), (1, 2, 2), (2, 1, 2), (4, 1, 1)])
def test_processes_and_accumulation_divide_the_batch_of_one(clips, processes, batch_size, accumulation):
    config = TrainingConfig("all", 5, batch_size=4)
    divided = replace(config, batch_size=batch_size, accumulation=accumulation)
    alone = loop._batches(clips, config, 1, SimpleNamespace(process_index=0, num_processes=1))
    runs = [
        loop._batches(clips, divided, 1, SimpleNamespace(process_index=number, num_processes=processes))
        for number in range(processes)
    ]
    for _ in range(4):  # into the second epoch, from a step within the first
        whole, parts = next(alone), [next(run) for _ in range(accumulation) for run in runs]
        assert all(torch.equal(value, torch.cat([part[name] for part in parts])) for name, value in whole.items())


@pytest.mark.slow
def test_torchrun_on_cpus_starts_processes_that_share_the_encoding():
    ask = "import os; from smcd_core.training.encoded import processes; s = processes(); "
    ask += "os.write(1, f'{s.process_index} {s.num_processes}\\n'.encode())"  # print would mix the two
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--no-python"]
    command = [*launch, sys.executable, "-c", ask]
    said = subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    assert sorted(said.split("\n")) == ["", "0 2", "1 2"]


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one_with_twice_the_batch(clips, alone, tmp_path):
    two_processes(clips, tmp_path / "two", 6)
    assert_same_run(tmp_path / "two", alone)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(clips, alone, tmp_path):
    """One, two, one, with the batch of a step kept the same."""
    one_process(clips, tmp_path / "run", 2)
    two_processes(clips, tmp_path / "run", 4)
    one_process(clips, tmp_path / "run", 6)
    assert_same_run(tmp_path / "run", alone)


@pytest.mark.slow
def test_a_sharded_run_gives_the_same_and_goes_on(clips, alone, tmp_path):
    if not hasattr(torch.distributed.fsdp, "fully_shard"):
        pytest.skip("FSDP 2 came with torch 2.6")
    for steps in (3, 6):  # stopped in between
        two_processes(clips, tmp_path / "sharded", steps, "sharded")
    assert (tmp_path / "sharded" / "state-00000006" / "pytorch_model_fsdp_0").is_dir()  # it was sharded indeed
    assert_same_run(tmp_path / "sharded", alone)


def test_the_configuration_for_sharding_is_one_that_accelerate_understands():
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(ROOT / "docs/fsdp.yaml"))  # raises for a name that it does not know
    assert config.distributed_type == DistributedType.FSDP and config.fsdp_config["fsdp_version"] == 2
    wrapped = config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"].split(",")
    assert wrapped == [kind.__name__ for kind in (ResBlock, SpatialTransformer, TemporalTransformer)]
