"""The folder of a training run: the log, and states to resume from, each complete or absent."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from pickle import UnpicklingError  # noqa: S403 - only to be caught

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..files import naming, replacing
from ..networks.config import SMCDConfig
from ..weights.files import naming_failures
from .config import TrainingConfig, TrainingError
from .run_summary import COLUMNS, LOG, read_log, states

# Columns that `validation.probe` fills, with their colours in the plot.
PROBES = {"x0_right_boxes": "#009e73", "x0_none_boxes": "#999999", "x0_wrong_boxes": "#d55e00"}
SETTINGS = "config.json"
# A resumed run may change these; they have no effect on the steps already taken.
MAY_CHANGE = ("steps", "save_every", "keep_every", "validate_every", "checkpointing", "workers")


def settings_of(config: TrainingConfig, model_config: SMCDConfig, clips: int, processes: int) -> dict[str, object]:
    """The settings that a resumed run must share with the state that it resumes from, ready for JSON."""
    settings = own_settings(config, processes) | {"clips in the data set": clips} | asdict(model_config)
    return json.loads(json.dumps(settings))


def own_settings(config: TrainingConfig, processes: int) -> dict[str, object]:
    """Those of them that are known before network and clips are."""
    settings = {name: value for name, value in asdict(config).items() if name not in MAY_CHANGE}
    # Processes, batch size and accumulation may change as long as their product stays.
    settings["clips in a step"] = processes * settings.pop("batch_size") * settings.pop("accumulation")
    return json.loads(json.dumps(settings))


def save_state(
    accelerator: Accelerator, out: Path, step: int, average: EMAModel | None, settings: dict[str, object]
) -> None:
    """Save all that a run needs to resume as state-<step>, and delete older states.

    The folder gets its name once it is complete, so a folder named state-<step> is always complete, even if the run is
    killed while saving.
    """
    final = out / f"state-{step:08d}"
    temporary = out / f"{final.name}.tmp"
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)
    accelerator.wait_for_everyone()
    shadow = {str(number): gather(value) for number, value in enumerate(average.shadow_params)} if average else {}
    try:
        with naming_failures(temporary):
            accelerator.save_state(str(temporary))
            if average and accelerator.is_main_process:
                save_file(shadow, temporary / "average.safetensors")
            if accelerator.is_main_process:
                (temporary / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)  # a full disk gets its space back
        raise
    accelerator.wait_for_everyone()  # each process has written its part
    if accelerator.is_main_process:
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        for old in states(out)[:-1]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


def gather(value: Tensor) -> Tensor:
    """A sharded tensor as a whole one on the CPU, any other unchanged. All processes must call this."""
    return value.full_tensor().cpu() if hasattr(value, "full_tensor") else value


def _distribute_like(value: Tensor, other: Tensor) -> Tensor:
    """A whole tensor moved to the device of another, and sharded in the same way."""
    value = value.to(other.device)
    if not hasattr(other, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor  # public since torch 2.6, which brought FSDP 2 too

    return distribute_tensor(value, other.device_mesh, other.placements)


def check_state(out: Path, settings: dict[str, object]) -> None:
    """Raises TrainingError if the newest state in `out` is damaged, or was saved with others of these settings."""
    for state in states(out)[-1:]:
        with _naming(state):
            _check_settings(state, settings, settings)


def resume(accelerator: Accelerator, out: Path, average: EMAModel | None, settings: dict[str, object]) -> int:
    """Load the newest state in `out` and return its step, 0 if there is none.

    The number of processes may differ from the run that saved it. Raises TrainingError if the state was saved with
    other settings or is damaged.
    """
    if not (saved := states(out)):
        return 0
    newest = saved[-1]
    step = int(newest.name.removeprefix("state-"))
    with _naming(newest):
        _check_settings(newest, settings)
        accelerator.load_state(str(newest))
        if average:
            shadow = load_file(newest / "average.safetensors")
            old = average.shadow_params
            average.shadow_params = [_distribute_like(shadow[str(number)], value) for number, value in enumerate(old)]
            average.optimization_step = step
    return step


@contextmanager
def _naming(state: Path) -> Iterator[None]:
    """Tell what is damaged."""
    try:
        yield
    except TrainingError:
        raise
    except (RuntimeError, ValueError, OSError, KeyError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise TrainingError(
            f"{state}: is not of this run, or damaged ({reason}); choose another folder, or delete that one"
        ) from None


def _check_settings(state: Path, settings: dict[str, object], names: Iterable[str] | None = None) -> None:
    """Compare the settings of these names, or all."""
    saved = _added_since(settings) | json.loads((state / SETTINGS).read_text(encoding="utf-8"))
    for name in names or [*settings, *saved]:
        if saved.get(name) != settings.get(name):
            raise TrainingError(
                f"{state}: is not of this run: {name} is {saved.get(name)} there, now {settings.get(name)}; use "
                "the same settings, choose another folder, or delete that one"
            )


def _added_since(settings: dict[str, object]) -> dict[str, object]:
    """The defaults of a run's settings, for a state that was saved before there were some of them."""
    known = {field.name: field.default for field in fields(TrainingConfig) if field.default is not MISSING}
    return {name: value for name, value in known.items() if name in settings}


class Log:
    """Writes loss.csv, one row per step. Rows after `step`, where the run resumes, are dropped: they come again.

    active       False on all processes but the main one, which write nothing
    tensorboard  log to the folder tensorboard/ as well. Raises TrainingError if the package is missing
    """

    def __init__(self, out: Path, step: int, active: bool, tensorboard: bool = False):
        self.path, self.active = out / LOG, active
        self.fields = [*COLUMNS, *PROBES]
        self.board = _tensorboard(out / "tensorboard", step) if tensorboard and active else None
        if not active:
            return
        rows = [row for row in read_log(self.path) if int(row["step"]) <= step] if self.path.exists() else []
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.fields)
            writer.writeheader()
            writer.writerows(rows)

    def add_all(self, rows: list[dict[str, float]]) -> None:
        """Add the rows, and take them off the list."""
        for row in rows:
            self.add(row)
        rows.clear()

    def add(self, row: dict[str, float]) -> None:
        if self.active:
            with naming(self.path), self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.fields).writerow(row)
        if self.board:
            for name in self.fields[1:]:
                if name in row:
                    self.board.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        if self.board:
            self.board.close()

    def plot(self) -> None:
        """Draw loss.png: the loss, raw and smoothed, and the probe of the boxes."""
        if not self.active:
            return
        from matplotlib.figure import Figure

        rows = read_log(self.path)
        figure = Figure(figsize=(9, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        steps, losses = [int(row["step"]) for row in rows], [float(row["loss"]) for row in rows]
        window = max(1, len(losses) // 50)
        smooth = torch.tensor(losses).unfold(0, window, 1).mean(1).tolist()
        left.plot(steps, losses, color="#cccccc", linewidth=0.5)
        left.plot(steps[window - 1 :], smooth, color="#0072b2")
        left.set(xlabel="step", ylabel="loss", yscale="log")
        probed = [row for row in rows if all(row[name] for name in PROBES)]
        for name, color in PROBES.items():
            values = [float(row[name]) for row in probed]
            label = name.removeprefix("x0_").replace("_", " ")
            right.plot([int(row["step"]) for row in probed], values, color=color, label=label)
        right.set(xlabel="step", ylabel="error of clean latents at t = 900")
        if probed:
            right.legend()
        with replacing(self.path.with_name("loss.png")) as temporary:
            figure.savefig(temporary, format="png", dpi=120)


def _tensorboard(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            f"logging to TensorBoard needs its package, which cannot be imported ({error}): pip install tensorboard"
        ) from None
    return SummaryWriter(str(folder), purge_step=step + 1)
