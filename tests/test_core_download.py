"""smcd download, against a hub on this machine that speaks what huggingface_hub asks for."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_hub import FakeHub, copy_program, random_contents, released_contents
from PIL import Image

from smcd_core.weights import download, hub
from smcd_core.weights.download import destination, fetch, licence_lines, manual_lines, plan_downloads
from smcd_core.weights.hub import DownloadError
from smcd_core.weights.published import ALL, FOR_COMFYUI, FOR_COMMAND_LINE

MIB = 1 << 20
BIG = 24 * MIB  # huggingface_hub writes 10 MiB at a time, so an interruption after 22 leaves 20


@pytest.fixture(scope="module")
def contents():
    return random_contents()


@pytest.fixture(scope="module")
def program(tmp_path_factory, contents):
    return copy_program(tmp_path_factory.mktemp("program"), contents)


@pytest.fixture
def fake(contents):
    with FakeHub(dict(contents)) as found:
        yield found


def command(*argv):
    return [sys.executable, "-m", "smcd_core", *map(str, argv)]


def environment(url, **more):
    return {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "0", **more}


def smcd(program, url, *argv, **more):
    """The finished command."""
    settings = dict(cwd=program, env=environment(url, **more), stdin=subprocess.DEVNULL, timeout=120)
    return subprocess.run(command(*argv), capture_output=True, text=True, **settings)  # noqa: S603


def files_in(folder):
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def expected(names, contents, of_place):
    files = ((name, file) for name in names for file in ALL[name].files)
    return {of_place(file): contents[name, file.name] for name, file in files}


# What is fetched -----------------------------------------------------------------------------------------------------


def test_for_comfyui_each_file_goes_where_its_loader_looks(tmp_path, program, fake, contents):
    (tmp_path / "models").mkdir()
    done = smcd(program, fake.url, "download", "--yes", COMFYUI_PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    wanted = expected(FOR_COMFYUI, contents, lambda file: f"{file.place}/{file.target}")
    assert files_in(tmp_path / "models") == wanted
    assert "smcd/animate-your-motion/pytorch_model.bin" in wanted
    assert f"{tmp_path}/models/smcd/animate-your-motion\n  for Load SMCD" in done.stdout


def test_into_any_other_folder_goes_what_the_command_line_needs(tmp_path, program, fake, contents):
    done = smcd(program, fake.url, "download", "--yes", "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path) == expected(FOR_COMMAND_LINE, contents, lambda file: file.target)


def test_nothing_that_is_there_is_fetched_again(tmp_path, program, fake):
    assert smcd(program, fake.url, "download", "--yes", "--folder", tmp_path).returncode == 0
    fake.asked.clear()
    again = smcd(program, fake.url, "download", "--yes", "--folder", tmp_path)
    assert again.returncode == 0 and again.stderr.count("kept ") == 11
    assert "to be fetched" not in again.stdout
    assert not fake.fetched()


@pytest.mark.slow
def test_what_was_fetched_makes_a_video(tmp_path):
    contents = released_contents(tmp_path / "made")
    program = copy_program(tmp_path / "program", contents)
    with FakeHub(contents) as fake:
        done = smcd(program, fake.url, "download", "--yes", "--folder", tmp_path / "weights")
    assert done.returncode == 0, done.stderr
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "picture.png")
    (tmp_path / "boxes.txt").write_text("2,2,20,20\n4,4,22,22\n")
    picture = [tmp_path / "picture.png", "--boxes", tmp_path / "boxes.txt", "--box-format", "xyxy"]
    picture += ["--phrase", "red circle"]
    small = ["--size", "32x32", "--frames", 2, "--steps", 1, "--device", "cpu", "-o", tmp_path / "a.gif"]
    weights = ["--checkpoint", tmp_path / "weights" / "animate-your-motion"]
    weights += ["--components", tmp_path / "weights" / "text-to-video-ms-1.7b"]
    made = smcd(program, fake.url, "animate", *picture, *small, *weights)
    assert made.returncode == 0 and (tmp_path / "a.gif").is_file(), made.stderr


def test_no_token_of_the_user_is_sent(tmp_path, program, fake):
    smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path)
    assert fake.asked and not any("authorization" in headers for _, _, headers in fake.asked)


# Licences ------------------------------------------------------------------------------------------------------------


def answered(program, url, folder, answer):
    """Exit code and output of the command at a terminal."""
    pty = pytest.importorskip("pty")  # not on Windows
    ours, its = pty.openpty()
    with subprocess.Popen(  # noqa: S603
        command("download", "vae", "--folder", folder),
        cwd=program,
        env=environment(url),
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(ours, answer.encode() + b"\n")
        output, errors = process.communicate(timeout=120)
    os.close(ours)
    os.close(its)
    return process.returncode, output + errors


@pytest.mark.parametrize("answer", ["n", "", "yess"])
def test_without_a_yes_the_hub_is_not_even_asked(tmp_path, program, fake, answer):
    code, output = answered(program, fake.url, tmp_path, answer)
    assert code == 2 and "were not accepted, so nothing was fetched" in output
    assert not fake.asked and not files_in(tmp_path)


def test_a_yes_fetches(tmp_path, program, fake):
    code, output = answered(program, fake.url, tmp_path, "y")
    assert code == 0 and len(files_in(tmp_path)) == 1
    assert output.index("CC-BY-NC-4.0") < output.index("Do you accept all licences")


def test_where_nobody_can_be_asked_yes_has_to_be_given(tmp_path, program, fake):
    done = smcd(program, fake.url, "download", "--folder", tmp_path)
    assert done.returncode == 2 and "--yes" in done.stderr.splitlines()[-1]
    assert not fake.asked and not files_in(tmp_path)


def test_page_licence_place_and_size_of_everything_are_shown(tmp_path):
    shown = "\n".join(licence_lines(plan_downloads(ALL, lambda place: tmp_path / place)))
    for weights in ALL.values():
        assert weights.page in shown and weights.licence in shown
        assert all(str(destination(tmp_path / file.place, file.target)) in shown for file in weights.files)
    assert "7.34 GB" in shown and "non-commercial" not in shown and shown.count("not for commercial use") == 5


# Interruptions -------------------------------------------------------------------------------------------------------


def test_after_a_kill_the_download_goes_on_where_it_was(tmp_path):
    contents = random_contents(big=BIG)
    program = copy_program(tmp_path / "program", contents)
    weights = tmp_path / "weights"
    argv = ["download", "smcd", "--yes", "--folder", weights]
    with FakeHub(contents) as fake:
        fake.stall_at = 22 * MIB
        first = subprocess.Popen(command(*argv), cwd=program, env=environment(fake.url), stderr=subprocess.PIPE)  # noqa: S603
        assert fake.stalled.wait(60)
        (part,) = wait_for(lambda: [path for path in weights.rglob(".*.part") if path.stat().st_size >= 20 * MIB])
        kept = part.stat().st_size

        second = smcd(program, fake.url, *argv)
        assert second.returncode == 2 and "being fetched by another program" in second.stderr

        first.kill()
        first.communicate()
        fake.stall_at = None
        fake.asked.clear()
        third = smcd(program, fake.url, *argv)
    assert third.returncode == 0, third.stderr
    assert fake.fetched()[0].start == kept >= 20 * MIB
    assert files_in(weights) == expected(["smcd"], contents, lambda file: file.target)


def wait_for(found, seconds=30):
    for _ in range(10 * seconds):
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("nothing came")


def test_a_connection_that_breaks_says_what_is_kept(tmp_path):
    contents = random_contents(big=BIG)
    program = copy_program(tmp_path / "program", contents)
    with FakeHub(contents) as fake:
        fake.stall_at = 22 * MIB
        fake.go_on.set()  # so each connection is closed there, and so are those that go on from there
        done = smcd(program, fake.url, "download", "smcd", "--yes", "--folder", tmp_path / "weights")
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and "have arrived and are kept: start again to resume" in last, done.stderr
    assert len([*(tmp_path / "weights").rglob("*.part")]) == 1


def test_what_is_left_of_another_version_is_not_continued(tmp_path, program, fake, contents):
    (item,) = plan_downloads(["vae"], lambda place: tmp_path)
    stale = item.path.with_name(f".{item.path.name}.000000000000.part")
    stale.write_bytes(b"old")
    assert smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path).returncode == 0
    assert item.path.read_bytes() == contents["vae", item.file.name] and fake.fetched()[0].start == 0


# Refusals ------------------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_deleted_and_named(tmp_path, program, fake):
    fake.damage = True
    done = smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path)
    assert done.returncode == 2 and "does not have the hub's checksum" in done.stderr.splitlines()[-1]
    assert not [name for name in files_in(tmp_path) if not name.endswith(".lock")]


def test_a_damaged_small_file_is_noticed_too(tmp_path, program, fake, contents, monkeypatch):
    (item,) = [
        one for one in plan_downloads(["components"], lambda place: tmp_path) if one.file.name == "tokenizer/vocab.json"
    ]
    content = contents["components", item.file.name]
    monkeypatch.setattr(download, "look_up", lambda *_: hub.RemoteFile(f"{fake.url}/x", len(content), "0" * 40))
    monkeypatch.setattr(
        "huggingface_hub.file_download.http_get", lambda url, stream, **_: stream.write(content), raising=True
    )
    with pytest.raises(DownloadError, match="does not have the hub's checksum"):
        fetch(item, lambda done, size: None)
    assert not item.path.exists()


def test_a_file_that_was_exchanged_on_the_hub_is_not_fetched(tmp_path, program, fake):
    (file,) = ALL["vae"].files
    fake.contents["vae", file.name] = b"something else" * 300
    done = smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path)
    assert done.returncode == 2 and "the hub now has another file there" in done.stderr
    assert not fake.fetched() and not files_in(tmp_path)


def test_a_file_of_the_user_is_never_overwritten(tmp_path, program, fake):
    (item,) = plan_downloads(["vae"], lambda place: tmp_path)
    item.path.write_bytes(b"mine")
    done = smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path)
    assert done.returncode == 2 and "Nothing is ever overwritten" in done.stderr
    assert item.path.read_bytes() == b"mine"


@pytest.mark.parametrize("status", [401, 404])
def test_a_closed_or_moved_file_sends_to_its_page(tmp_path, program, fake, status):
    fake.status = status
    done = smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and f"the hub answers {status}" in last and ALL["vae"].page in last


@pytest.mark.parametrize(
    ("url", "more", "reason"),
    [
        ("http://127.0.0.1:9", {}, "no connection to the hub"),  # nothing listens
        ("http://hub.invalid", {}, "no connection to the hub"),  # no such name
        ("http://127.0.0.1:9", {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ],
)
def test_without_a_network_it_says_what_to_fetch_and_where_to_put_it(tmp_path, program, url, more, reason):
    done = smcd(program, url, "download", "--yes", "--folder", tmp_path, **more)
    assert done.returncode == 2 and reason in done.stderr.splitlines()[-1]
    for item in plan_downloads(FOR_COMMAND_LINE, lambda place: tmp_path):
        assert f"  fetch    {item.weights.url(item.file)}\n  save as  {item.path}\n" in done.stderr
    assert not files_in(tmp_path)


def test_a_full_disk_is_noticed_before(tmp_path, monkeypatch):
    (item,) = plan_downloads(["vae"], lambda place: tmp_path)
    monkeypatch.setattr(download, "look_up", lambda *_: hub.RemoteFile("http://127.0.0.1:9", 10**18, item.file.sha256))
    with pytest.raises(DownloadError, match="needs 1e\\+09 GB, but only"):
        fetch(item, lambda done, size: None)


@pytest.mark.parametrize(
    "target", ["../a.bin", "/etc/a.bin", "a/../../b.bin", "C:/a.bin", "a\\..\\..\\b.bin", "a\0.bin", "", "."]
)
def test_no_name_leads_out_of_the_folder(tmp_path, target):
    with pytest.raises(DownloadError, match="is not a file name below"):
        destination(tmp_path, target)


def test_a_table_with_such_a_name_writes_nothing(tmp_path, contents, fake):
    program = copy_program(tmp_path / "program", contents)
    table = program / "smcd_core" / "weights" / "published.py"
    evil = '\nALL["vae"] = _replace(ALL["vae"], files=(_replace(ALL["vae"].files[0], target="../../evil.bin"),))\n'
    table.write_text(table.read_text() + evil)
    done = smcd(program, fake.url, "download", "vae", "--yes", "--folder", tmp_path / "a" / "b")
    assert done.returncode == 2 and "is not a file name below" in done.stderr
    assert not fake.asked and not [*tmp_path.rglob("evil.bin")]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["everything", "--folder", "x"], "no weights are called 'everything'"),
        (["--folder", "x", "--models", "y"], "choose one"),
        ([], "no ComfyUI was found: give its folder models with --models DIR"),
    ],
)
def test_each_mistake_gives_one_line(program, argv, message):
    done = smcd(program, "http://127.0.0.1:9", "download", *argv, COMFYUI_PATH="")
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1 and message in done.stderr


def test_the_table_is_sound():
    homes = [(file.place, file.target) for weights in ALL.values() for file in weights.files]
    assert len(set(homes)) == len(homes)
    for weights in ALL.values():
        assert len(weights.revision) == 40 and set(weights.revision) <= set("0123456789abcdef")
        for file in weights.files:
            assert destination(Path("models"), file.target).parts[0] == "models"
            assert file.sha256 is None or (len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef"))
            assert weights.url(file).startswith("https://huggingface.co/") and file.size > 0


def test_the_list_needs_no_network(program, tmp_path):
    done = smcd(program, "http://127.0.0.1:9", "download", "--list", "--folder", tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == manual_lines(plan_downloads(FOR_COMMAND_LINE, lambda place: tmp_path))
