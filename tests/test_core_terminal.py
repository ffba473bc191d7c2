"""Foreign text appears on the terminal and does nothing else there."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

import smcd_core
from smcd_core.__main__ import main
from smcd_core.data.samples import SampleError
from smcd_core.errors import SMCDError
from smcd_core.terminal import MOST, inert, say, say_json
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory
from smcd_core.trajectory.formats.box_file import BoxFileError
from smcd_core.video import write_video
from smcd_core.weights.checkpoint import CheckpointError

ROOT = Path(smcd_core.__file__).parent
ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp"
ACTIVE = set(map(chr, [*range(32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF]))


def is_inert(text):
    return not set(text.replace("\n", "")) & ACTIVE


@given(st.text(max_size=50))
def test_any_text_becomes_one_line_that_every_terminal_can_show(text):
    line = inert(text)
    assert is_inert(line) and "\n" not in line
    line.encode()
    if is_inert(text) and "\n" not in text:
        assert line == text or any(ord(x) > 0x200D for x in text)


def test_names_in_all_languages_stay_as_they_are():
    for text in ("ein Käfer", "赤い車", "كلب أحمر", "👩\u200d🚀 astronaut"):
        assert inert(text) == text


def test_long_text_is_cut():
    assert len(inert("x" * 10**7)) == MOST and inert("x" * 10**7).endswith("x\u2026")


def test_only_one_file_prints():
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write", "tqdm.write"):
                found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"terminal.py"}


@pytest.mark.parametrize(
    "error",
    [SMCDError(ESCAPE), CheckpointError(ESCAPE * 9), BoxFileError(ESCAPE, ESCAPE, ESCAPE), SampleError(ESCAPE, ESCAPE)],
    ids=lambda error: type(error).__name__,
)
def test_messages_of_errors_are_inert_wherever_they_are_shown(error):
    assert is_inert(str(error)) and "owned" in str(error)


def test_a_phrase_cannot_make_a_message_of_megabytes():
    with pytest.raises(TrajectoryError) as caught:
        parse_trajectory({"version": 1, "frames": 1, "x" * 10**7: ESCAPE})
    assert len(str(caught.value)) <= MOST and is_inert(str(caught.value))


def test_metadata_of_a_video_is_shown_as_valid_json_without_escapes(tmp_path, capsys):
    write_video(np.zeros((1, 16, 16, 3), np.uint8), tmp_path / "a.gif", 8, {"prompt": ESCAPE, "name": "赤" * 3000})
    assert main(["info", str(tmp_path / "a.gif"), "--json"]) == 0
    shown = capsys.readouterr().out
    assert is_inert(shown) and json.loads(shown) == {"prompt": ESCAPE, "name": "赤" * 3000}


def test_names_of_files_are_shown_inert(tmp_path, capsys):
    path = tmp_path / "a\x1b[2Jb.gif"
    try:
        path.write_bytes(b"GIF89a")
    except OSError:
        pytest.skip("this file system has no such names")
    for argv in (["info", str(path)], ["animate", str(path), "--boxes", str(path)], ["data", "check", str(path)]):
        assert main(argv) == 2
        text = capsys.readouterr().err
        assert is_inert(text) and "\\x1b[2J" in text


def test_lines_are_kept_apart(capsys):
    say("a\nb\x07")
    say_json({"a": ["\x1b"]})
    assert capsys.readouterr().out == 'a\nb\\x07\n{\n "a": [\n  "\\u001b"\n ]\n}\n'
