"""kill -9 while a command works: what has its name is complete, and the same command works again.

The commands run in copies of this process, which has all packages loaded, so that they are killed while they work.
"""

import json
import math
import os
import random
import signal
import time

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tiny_bundle import tiny_smcd, write_inputs
from tiny_training import TINY, write_clips

from smcd_core.__main__ import main
from smcd_core.networks.config import system_config
from smcd_core.video import read_metadata
from smcd_core.weights.checkpoint import write_checkpoint

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

KILLS = 20
REFUSE_TO_REPLACE = ("convert released",)
COMMANDS = {
    "convert-boxes": ["convert-boxes", "boxes.json", "out.json"],
    "guide": ["guide", "picture.png", "--boxes", "boxes.json", "-o", "out", "--mask-out", "mask"],
    "animate": ["animate", "picture.png", "--boxes", "boxes.json", "--checkpoint", "bundle.safetensors"]
    + ["--device", "cpu", "--steps", "1", "-o", "out.gif"],
    "convert": ["convert", "bundle.safetensors", "out.safetensors"],
    "convert released": ["convert", "bundle.safetensors", "out", "--to", "released"],
    "encode": ["encode", "--clips", "3", "--pixels", "32", "--frames", "2", "--components", "components"]
    + ["--device", "cpu", "--out", "out"],
    "train": ["train", "--stage", "diim", "--init", "start.safetensors", "--data", "clips", "--steps", "3"]
    + ["--batch-size", "2", "--save-every", "1", "--small", "--out", "out"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    write_inputs(folder)
    config = system_config("zc+gca", TINY)
    write_checkpoint(folder / "start.safetensors", config, tiny_smcd(config).state_dict())
    (folder / "clips").mkdir()
    write_clips(folder / "clips")
    return folder


def started(folder, argv):
    """The process number of a copy of this process that runs the command."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.chdir(folder)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = main(argv)
    finally:
        os._exit(code)


def incomplete(folder):
    """The names of files that are there and cannot be read; temporary files are hidden."""
    readers = {".gif": read_metadata, ".png": lambda path: Image.open(path).load()}
    readers |= {".json": lambda path: json.loads(path.read_text()), ".safetensors": _read_tensors}
    readers |= {".bin": lambda path: torch.load(path, weights_only=True)}
    bad = []
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") or part.endswith(".tmp") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix in readers:
            try:
                readers[path.suffix](path)
            except Exception as error:  # noqa: BLE001  whatever it is, the file is not complete
                bad.append(f"{path.name}: {error!r}")
    return bad


def _read_tensors(path):
    with safe_open(path, "pt") as file:
        return [file.get_tensor(name) for name in file.keys()]


def made(folder):
    return sorted(path for path in folder.glob("out*"))


def move_away(folder, number):
    for path in made(folder):
        os.rename(path, folder / f"before-{number}-{path.name}")


def killed_after(seconds, folder, argv):
    """Run the command, and kill it after so many seconds: None, or how many it took if it had ended well before."""
    began, child = time.perf_counter(), started(folder, argv)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.perf_counter() - began >= seconds:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    if ended[1] == signal.SIGKILL:
        return None
    assert ended[1] == 0
    return time.perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_nothing_half_written_and_works_again(files, tmp_path, monkeypatch, name):
    for command in ("encode", "train"):
        monkeypatch.setattr(f"smcd_core.commands.{command}.SMALL", TINY)
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    argv, moments, kills, runs = COMMANDS[name], random.Random(name), 0, 0  # noqa: S311  not for secrets
    whole = killed_after(math.inf, tmp_path, argv)
    while kills < KILLS:
        runs += 1
        if runs % 2 or name in REFUSE_TO_REPLACE:
            move_away(tmp_path, runs)
        # Other programs may slow the command at any time, so its time is that of the last run that came to its end.
        took = killed_after(whole * moments.uniform(0, 1.1), tmp_path, argv)
        kills, whole = (kills + 1, whole) if took is None else (kills, took)
        assert not incomplete(tmp_path), f"after {kills} kills"
    if name in REFUSE_TO_REPLACE:
        move_away(tmp_path, runs + 1)
    assert killed_after(math.inf, tmp_path, argv)
    assert made(tmp_path) and not incomplete(tmp_path)
