"""A run folder without the packages of training: its log, and what is in it."""

from __future__ import annotations

import csv
from pathlib import Path

LOG, COLUMNS = "loss.csv", ["step", "loss", "lr"]  # and those of the probe
# The results of a run, the one to use first.
_RESULTS = ("smcd.safetensors", "lora.safetensors", "checkpoint.safetensors")
_REST = ("loss.csv", "loss.png", "samples", "clips", "tensorboard")


def read_log(path: Path) -> list[dict[str, str]]:
    """Read the rows of a loss.csv, without one that a killed run left unfinished."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["loss"] and row["lr"]]


def states(folder: Path) -> list[Path]:
    """The states in a run folder, the newest last."""
    return sorted(path for path in folder.glob("state-*") if path.suffix != ".tmp")


def is_run(folder: Path) -> bool:
    """Whether a folder is one that `smcd train` or `smcd finetune` has written."""
    log = folder / LOG
    if not log.is_file():
        return False
    with log.open("rb") as file:
        return file.readline(200).startswith(",".join(COLUMNS).encode())


def describe_run(folder: Path) -> list[tuple[str, str]]:
    """Lines on a run folder: its steps, its losses, its results, and where it goes on."""
    rows = read_log(folder / LOG)
    command = "smcd finetune" if (folder / "clips").is_dir() else "smcd train"
    last = f"{rows[-1]['step']}, with a loss of {float(rows[-1]['loss']):.4f}" if rows else "none yet"
    results = [name for name in _RESULTS if (folder / name).is_file()]
    kept = sorted(path.name for pattern in _RESULTS for path in folder.glob(pattern.replace(".", "-[0-9]*.")))
    found = [name + "/" * (folder / name).is_dir() for name in _REST if (folder / name).exists()]
    return [
        ("run", f"of {command}, in {folder}"),
        ("last step", last),
        ("goes on", "; ".join(f"after the step of {state.name}" for state in states(folder)[-1:]) or "from the start"),
        ("results", ", ".join([*results, *kept]) or "none yet"),
        ("files", ", ".join(found)),
    ]
