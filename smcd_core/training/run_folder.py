"""The folder of a training run: states to go on from, each whole or not there, and the log."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from pickle import UnpicklingError  # noqa: S403 - only to be caught

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..files import replacing
from .config import TrainingError

# What `validation.probe` measures, and its colours.
PROBES = {"x0_right_boxes": "#009e73", "x0_none_boxes": "#999999", "x0_wrong_boxes": "#d55e00"}


def save_state(accelerator: Accelerator, out: Path, step: int, average: EMAModel | None) -> None:
    """Write state-<step> under another name, then rename it: what has that name is whole, whenever a run is killed."""
    final = out / f"state-{step:08d}"
    temporary = out / f"{final.name}.tmp"
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    shadow = {str(number): whole(value) for number, value in enumerate(average.shadow_params)} if average else {}
    if average and accelerator.is_main_process:
        save_file(shadow, temporary / "average.safetensors")
    accelerator.wait_for_everyone()  # each process has written its part
    if accelerator.is_main_process:
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        for old in _states(out)[:-1]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


def whole(value: Tensor) -> Tensor:
    """A sharded tensor gathered on the CPU, which all processes must ask for; any other as it is."""
    return value.full_tensor().cpu() if hasattr(value, "full_tensor") else value


def _like(value: Tensor, other: Tensor) -> Tensor:
    """A whole tensor, on the device of another and sharded as that is."""
    value = value.to(other.device)
    if not hasattr(other, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor  # FSDP 2, which needs it as well, came with torch 2.6

    return distribute_tensor(value, other.device_mesh, other.placements)


def _states(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("state-*") if path.suffix != ".tmp")


def resume(accelerator: Accelerator, out: Path, average: EMAModel | None) -> int:
    """Load the newest state of `out`; returns its step, 0 without one.

    The number of processes may be another than when it was saved. Raises TrainingError for a state that is of another
    run or damaged.
    """
    states = _states(out)
    if not states:
        return 0
    newest = states[-1]
    step = int(newest.name.removeprefix("state-"))
    try:
        accelerator.load_state(str(newest))
        if average:
            shadow = load_file(newest / "average.safetensors")
            old = average.shadow_params
            average.shadow_params = [_like(shadow[str(number)], value) for number, value in enumerate(old)]
            average.optimization_step = step
    except (RuntimeError, ValueError, OSError, KeyError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise TrainingError(
            f"{newest}: is not of this run, or damaged ({reason}); choose another folder, or delete that one"
        ) from None
    return step


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a loss.csv; one that a killed run has not finished is left out."""
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["loss"] and row["lr"]]


class Log:
    """loss.csv, one row per step; rows after the step of a resumed state are dropped, as they will be made again.

    tensorboard  the same into the folder tensorboard/. Raises TrainingError if that package is missing
    """

    def __init__(self, out: Path, step: int, active: bool, tensorboard: bool = False):
        self.path, self.active = out / "loss.csv", active
        self.fields = ["step", "loss", "lr", *PROBES]
        self.board = _tensorboard(out / "tensorboard", step) if tensorboard and active else None
        if not active:
            return
        rows = [row for row in read_log(self.path) if int(row["step"]) <= step] if self.path.exists() else []
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.fields)
            writer.writeheader()
            writer.writerows(rows)

    def add(self, row: dict[str, float]) -> None:
        if self.active:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.fields).writerow(row)
        if self.board:
            for name in self.fields[1:]:
                if name in row:
                    self.board.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        if self.board:
            self.board.close()

    def plot(self) -> None:
        """loss.png: the loss, smoothed, and the probe of `validation.probe`."""
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
