"""Every option of the command line: a line in the docs, a help that says something, one error for a bad value."""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from tiny_bundle import write_inputs
from tiny_training import write_clips

import smcd_core.data.check
import smcd_core.data.pairs
import smcd_core.evaluation.scores
import smcd_core.training.encoded
import smcd_core.training.loop
import smcd_core.training.pretrain
import smcd_core.weights.download
from smcd_core.__main__ import main
from smcd_core.commands.arguments import lora_file
from smcd_core.data import SyntheticClips
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.video import write_video

sys.path.append(str(Path(__file__).parents[1] / "docs"))
import options  # noqa: E402  docs/options.py

ARGUMENTS = [
    (name, action)
    for name, _, parser in options.parsers()
    for action in parser._actions
    if not isinstance(action, argparse._HelpAction)
]


def name_of(action):
    return action.option_strings[-1] if action.option_strings else action.dest


def test_the_page_of_all_options_is_as_the_program_says():
    assert options.PAGE.read_text(encoding="utf-8") == options.page(), "run python docs/options.py"


@pytest.mark.parametrize(("command", "action"), ARGUMENTS, ids=lambda value: getattr(value, "dest", value))
def test_the_help_says_more_than_the_default(command, action):
    said = re.sub(r"\(default[^)]*\)", "", action.help or "").strip()
    assert said and not said.startswith("default"), f"{command} {name_of(action)}: {action.help!r}"


# Numbers, sizes and choices ------------------------------------------------------------------------------------------

PATHS = (None, Path, lora_file)
TYPED = [(command, action) for command, action in ARGUMENTS if action.choices or action.type not in PATHS]
BAD = "<none>"


@pytest.mark.parametrize(("command", "action"), TYPED, ids=lambda value: getattr(value, "dest", value))
def test_what_is_no_number_size_or_choice_is_refused_by_name(command, action, capsys):
    count = action.nargs if isinstance(action.nargs, int) else 1
    with pytest.raises(SystemExit) as stop:
        main([*command.split()[1:], *action.option_strings[-1:], *[BAD] * count])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1
    assert re.search(rf"argument .*{re.escape(name_of(action))}.*: .*{BAD}", said), said


# Paths and names -----------------------------------------------------------------------------------------------------

ANIMATE = "animate picture.png --boxes boxes.json --checkpoint bundle.safetensors --device cpu"
GUIDE = "guide picture.png --boxes boxes.json --frames 5"
ENCODE = "encode --clips 2 --pixels 32 --frames 2 --components components --out new --device cpu"
TRAIN = "train --stage diim --small --steps 1 --data clips --out new"
FINISHED = "evaluate --videos ours --trajectories boxes --out new --size 32"
SCORED = "evaluate --checkpoint bundle.safetensors --clips 1 --steps 1 --out new --device cpu"
PAIRS = "data pairs videos --frames 2 --pixels 32x32 --out new"
FINETUNE = "finetune videos --checkpoint bundle.safetensors --frames 2 --pixels 32 --steps 1 --out new"
TEXTS = {"--prompt", "--negative", "--phrase"}  # any text will do
# Of each option that is a path or a name: a command with one that will not do, and what is said of it.
REFUSED = {
    "smcd animate": {
        "image": ("animate none.png --boxes boxes.json", "none.png: No such file"),
        "--boxes": ("animate picture.png --boxes none.json", "none.json: cannot be read: No such file"),
        "--box-video": (f"{ANIMATE} --boxes two.json --box-video 5", "say --box-video 3 or --box-video 7"),
        "--out": (f"{ANIMATE} -o text.txt/a.gif", "text.txt"),
        "--checkpoint": ("animate picture.png --boxes boxes.json --checkpoint none", "none: no such file"),
        "--components": (f"{ANIMATE} --components none", "none: has no folder vae"),
        "--lora": (f"{ANIMATE} --lora none.safetensors", "none.safetensors: no such file"),
        "--scheduler": (f"{ANIMATE} --scheduler None", "None"),
        "--device": (f"{ANIMATE} --device abacus", "--device abacus cannot be used here"),
        "--contact-sheet": (f"{ANIMATE} --contact-sheet a.gif", r"--contact-sheet is a.gif: its name must end in .png"),
    },
    "smcd guide": {
        "image": ("guide none.png --boxes boxes.json", "none.png: No such file"),
        "--boxes": ("guide picture.png --boxes none.json", "none.json: cannot be read: No such file"),
        "--box-video": (f"{GUIDE} --boxes two.json --box-video 5", "say --box-video 3 or --box-video 7"),
        "--out": (f"{GUIDE} -o text.txt/a.gif", "text.txt"),
        "--mask": (f"{GUIDE} -o a.gif --mask none.png", "none.png: No such file"),
        "--background": (f"{GUIDE} -o a.gif --background none.png", "none.png: No such file"),
        "--mask-out": (f"{GUIDE} -o a.gif --mask-out a.avi", r"a.avi: cannot write .avi"),
    },
    "smcd convert": {
        "source": ("convert none new.safetensors", "none: no such file"),
        "target": ("convert bundle.safetensors text.txt/new.safetensors", "text.txt"),
        "--components": ("convert bundle.safetensors new.safetensors --components none", "none: has no folder vae"),
        "--info": ("convert bundle.safetensors new.safetensors --info none.json", "none.json: No such file"),
    },
    "smcd convert-boxes": {
        "boxes": ("convert-boxes none.json new.json", "none.json: cannot be read: No such file"),
        "target": ("convert-boxes boxes.json text.txt/new.json", "text.txt"),
        "--object": ("convert-boxes boxes.json new --to got10k --object none", "none"),
        "--box-video": ("convert-boxes two.json new.json --box-video 5", "say --box-video 3 or --box-video 7"),
    },
    "smcd info": {
        "file": ("info none", "none: no such file"),
        "--box-video": ("info two.json --box-video 5", "say --box-video 3 or --box-video 7"),
        "--models": ("info --models none", "none: no such folder"),
    },
    "smcd download": {
        "weights": ("download none --folder new", "no weights are called 'none': choose from"),
        "--models": ("download --models text.txt --yes", "text.txt"),
        "--folder": ("download --folder text.txt --yes", "text.txt"),
    },
    "smcd pretrain": {
        "--out": ("pretrain autoencoder --steps 1 --out text.txt/new --device cpu", "text.txt"),
        "--device": ("pretrain autoencoder --steps 1 --out new --device abacus", "--device abacus cannot be used here"),
    },
    "smcd encode": {
        "--root": (f"{ENCODE} --dataset got10k --root none", "none: "),
        "--split": (f"{ENCODE} --split none", "--split is 'none', expected train or validation"),
        "--components": ("encode --clips 2 --components none --out new", "none: has no folder vae"),
        "--out": (f"{ENCODE} --out text.txt/new", "text.txt"),
        "--device": (f"{ENCODE} --device abacus", "--device abacus cannot be used here"),
        "--part": (f"{ENCODE} --part 3/2", "--part is '3/2', expected something like 1/2"),
    },
    "smcd train": {
        "--data": (f"{TRAIN} --data none", "none"),
        "--init": (f"{TRAIN} --init none", "none: no such file"),
        "--out": (f"{TRAIN} --out text.txt/new", "text.txt"),
        "--validation": (f"{TRAIN} --validation none", "none"),
        "--components": (f"{TRAIN} --validation clips --components none", "none: has no folder vae"),
    },
    "smcd evaluate": {
        "--checkpoint": ("evaluate --checkpoint none --out new", "none: no such file"),
        "--components": (f"{SCORED} --components none", "none: has no folder vae"),
        "--data": (f"{SCORED} --data none", "none: does not exist"),
        "--videos": ("evaluate --videos none --out new", "none: "),
        "--trajectories": (f"{FINISHED} --trajectories none", "none"),
        "--references": (f"{FINISHED} --references none", "none"),
        "--prompts": (f"{FINISHED} --clip new --prompts none.json", "none.json: "),
        "--found": (f"{FINISHED} --found none", "none"),
        "--mot": (f"{FINISHED} --found boxes --mot text.txt/new", "text.txt"),
        "--counterfactuals": (f"{FINISHED} --counterfactuals none", "none"),
        "--counterfactual-trajectories": (
            f"{FINISHED} --counterfactuals ours --counterfactual-trajectories none", "none"
        ),
        "--points": (f"{FINISHED} --points none --found-points points", "none"),
        "--found-points": (f"{FINISHED} --points points --found-points none", "none"),
        "--floor": (f"{FINISHED} --floor none", "--floor none: is none of the folders of --videos"),
        "--ceiling": (f"{FINISHED} --floor ours --ceiling none", "--ceiling none: is none of the folders of --videos"),
        "--detector": (f"{SCORED} --detector none", "none"),
        "--clip": (f"{SCORED} --clip none", "none"),
        "--dino": (f"{SCORED} --dino none", "none"),
        "--lpips": (f"{SCORED} --lpips none.pth none.pth", "none.pth: "),
        "--fvd": (f"{SCORED} --fvd none.pt", "none.pt: "),
        "--device": (f"{SCORED} --device abacus", "--device abacus cannot be used here"),
        "--out": (f"{SCORED} --out text.txt/new", "text.txt"),
    },
    "smcd data check": {
        "root": ("data check none", "none: "),
        "--split": ("data check videos --split none", "split is 'none', but a dataset of the kind folder has no"),
        "--sheet": ("data check videos --sheet text.txt/new.png", "text.txt"),
        "--json": ("data check videos --json text.txt/new.json", "text.txt"),
    },
    "smcd data pairs": {
        "root": (f"{PAIRS.replace('videos', 'none')}", "none: "),
        "--out": (f"{PAIRS} --out text.txt/new", "text.txt"),
        "--split": (f"{PAIRS} --split none", "split is 'none', but a dataset of the kind folder has no splits"),
    },
    "smcd finetune": {
        "root": (f"{FINETUNE.replace('videos', 'none')}", "none: "),
        "--out": (f"{FINETUNE} --out text.txt/new", "text.txt"),
        "--checkpoint": (f"{FINETUNE} --checkpoint none", "none: no such file"),
        "--components": (f"{FINETUNE} --components none", "none: has no folder vae"),
    },
}  # fmt: skip


def test_the_table_has_every_path_and_name():
    found = {(command, name_of(action)) for command, action in ARGUMENTS if (command, action) not in TYPED}
    flags = {(command, name_of(action)) for command, action in ARGUMENTS if action.nargs == 0}
    told = {(command, name) for command, rows in REFUSED.items() for name in rows}
    assert {pair for pair in found - flags if pair[1] not in TEXTS} == told


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    write_inputs(folder)
    videos = [{"id": n, "file_names": [f"{n}/0.jpg"], "width": 64, "height": 48, "length": 1} for n in (3, 7)]
    boxes = [{"id": n, "video_id": n, "category_id": 1, "bboxes": [[1, 2, 30, 20]]} for n in (3, 7)]
    document = {"videos": videos, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "two.json").write_text(json.dumps(document))
    (folder / "text.txt").write_text("a file")
    (folder / "clips").mkdir()
    write_clips(folder / "clips")
    for name in ("videos", "ours", "boxes", "points"):
        (folder / name).mkdir()
    for name in ("videos", "ours"):
        write_video(SyntheticClips(1, size=32, num_frames=3)[0].frames, folder / name / "0.gif", 8, {})
    (folder / "videos" / "0.txt").write_text("a circle")
    shutil.copy(folder / "boxes.json", folder / "boxes" / "0.json")
    (folder / "points" / "0.json").write_text("[[" + ", ".join(['{"x": 1, "y": 2}'] * 3) + "]]")
    return folder


@pytest.fixture
def files(inputs, tmp_path, monkeypatch):
    """The current folder, with all inputs."""
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_work(monkeypatch):
    """Whatever takes long fails the test."""

    def never(*_args, **_kwargs):
        raise AssertionError("the work began")

    for place, name in (
        (SMCDPipeline, "generate"), (smcd_core.evaluation.scores, "generate_rows"),
        (smcd_core.evaluation.scores.RowScores, "add"), (smcd_core.training.loop, "train"),
        (smcd_core.training.encoded, "encode_clips"), (smcd_core.training.pretrain, "train_autoencoder"),
        (smcd_core.data.pairs, "write_pairs"), (smcd_core.data.check, "check"), (smcd_core.weights.download, "fetch"),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, never)


@pytest.mark.parametrize(
    ("argv", "message"),
    [pytest.param(*row, id=f"{command} {name}") for command, rows in REFUSED.items() for name, row in rows.items()],
)
def test_a_path_or_name_that_will_not_do_is_refused_in_one_line_before_the_work(files, no_work, capsys, argv, message):
    assert main(argv.split()) == 2
    said = capsys.readouterr().err.rstrip("\n").splitlines()
    errors = [line for line in said if line.startswith("smcd: error: ")]
    assert len(errors) == 1 and said[-1] == errors[0] and message in errors[0], said
    assert not list(files.glob("new*"))
