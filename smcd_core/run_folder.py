"""The folder of a training run: states to go on from, each whole or not there, and the log."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file

from .stages import TrainingError
from .weight_files import replacing

# What `training.probe` measures, and its colours.
PROBES = {"x0_right_boxes": "#009e73", "x0_none_boxes": "#999999", "x0_wrong_boxes": "#d55e00"}


def save_state(accelerator: Accelerator, out: Path, step: int, average: EMAModel | None) -> None:
    """Write state-<step> under another name, then rename it: what has that name is whole, whenever a run is killed."""
    final = out / f"state-{step:08d}"
    temporary = out / f"{final.name}.tmp"
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    if accelerator.is_main_process:
        if average:
            shadow = {str(number): value for number, value in enumerate(average.shadow_params)}
            save_file(shadow, temporary / "average.safetensors")
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        for old in _states(out)[:-1]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


def _states(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("state-*") if path.suffix != ".tmp")


def resume(accelerator: Accelerator, out: Path, average: EMAModel | None) -> int:
    """Load the newest state of `out`; returns its step, 0 without one. Raises TrainingError for one of another run."""
    states = _states(out)
    if not states:
        return 0
    newest = states[-1]
    step = int(newest.name.removeprefix("state-"))
    try:
        accelerator.load_state(str(newest))
        if average:
            shadow = load_file(newest / "average.safetensors")
            average.shadow_params = [shadow[str(number)].to(accelerator.device) for number in range(len(shadow))]
            average.optimization_step = step
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise TrainingError(f"{newest}: is not of this run ({error}); choose another folder") from None
    return step


class Log:
    """loss.csv, one row per step; rows after the step of a resumed state are dropped, as they will be made again."""

    def __init__(self, out: Path, step: int, active: bool):
        self.path, self.active = out / "loss.csv", active
        self.fields = ["step", "loss", "lr", *PROBES]
        if not active:
            return
        rows = [row for row in self.rows() if int(row["step"]) <= step] if self.path.exists() else []
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.fields)
            writer.writeheader()
            writer.writerows(rows)

    def rows(self) -> list[dict[str, str]]:
        with self.path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["loss"] and row["lr"]]

    def add(self, row: dict[str, float]) -> None:
        if self.active:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.fields).writerow(row)

    def plot(self) -> None:
        """loss.png: the loss, smoothed, and the probe of `training.probe`."""
        from matplotlib.figure import Figure

        rows = self.rows()
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
