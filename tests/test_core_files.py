"""Writing: what a full disk, a killed process, a planted link or a folder without rights leaves behind, and says."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_bundle import CONFIG, bare, write_bundle, write_components
from tiny_training import TINY, write_clips

from smcd_core.__main__ import _explain, main
from smcd_core.errors import SMCDError
from smcd_core.files import check_writable, replacing
from smcd_core.networks.config import SMCDConfig
from smcd_core.networks.smcd import SMCD
from smcd_core.training.config import TrainingConfig
from smcd_core.training.loop import train
from smcd_core.training.run_folder import Log
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.trajectory.write import write_got10k, write_mot_sequence
from smcd_core.trajectory.write_models import write_wan_move
from smcd_core.video import check_output, write_video
from smcd_core.weights.checkpoint import CheckpointError, read_checkpoint
from smcd_core.weights.export import write_diffusers, write_released
from smcd_core.weights.files import save_weights

posix = pytest.mark.skipif(os.name == "nt", reason="no limits of file size, pipes or links there")
FRAMES = np.zeros((2, 16, 16, 3), np.uint8)


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def refused_by_a_read_only_disk(path, *args, **kwargs):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def leave(path, name, *, old):
    """Something that a killed process left."""
    left = path / name
    left.mkdir() if name.endswith("old") else left.write_bytes(b"half")
    if old:
        os.utime(left, (0, 0))


def test_what_killed_processes_left_is_deleted_by_the_next_write(tmp_path):
    for name in (".a.txt.999.tmp", ".video.999.old", ".b.txt.999.tmp"):
        leave(tmp_path, name, old=True)
    leave(tmp_path, ".a.txt.998.tmp", old=False)  # it may be at work
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    write_video(FRAMES, tmp_path / "video", 8, {})
    assert names(tmp_path) == [".a.txt.998.tmp", ".b.txt.999.tmp", "a.txt", "video"]


@posix
def test_others_may_read_a_checkpoint_as_any_file_of_the_user(tmp_path):
    (tmp_path / "plain").write_text("")
    save_weights(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {})  # safetensors itself lets the user alone
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


@posix
def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".a.txt.{os.getpid()}.tmp").symlink_to(victim)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert victim.read_text() == "precious" and (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("name", ["x" * 250 + ".gif", "\u732b" * 80 + ".gif"])
def test_the_longest_names_are_written(tmp_path, name):
    check_output(tmp_path / name)
    write_video(FRAMES, tmp_path / name, 8, {})
    assert names(tmp_path) == [name]


def test_a_place_that_cannot_be_written_to_is_noticed_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(SMCDError, match="file is a file, not a folder: name another place"):
        check_output(tmp_path / "file" / "a.gif")
    with pytest.raises(OSError, match="[Nn]ame too long"):
        check_writable(tmp_path / ("x" * 300))
    check_writable(tmp_path / "new" / "folder" / "a.gif")
    assert names(tmp_path) == ["file"]
    monkeypatch.setattr(Path, "open", refused_by_a_read_only_disk)  # root may write everywhere
    with pytest.raises(SMCDError, match=r"cannot be written to \(Read-only file system\): name another place"):
        check_output(tmp_path / "a.gif")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="Linux has a folder in which nobody can make files")
def test_a_folder_in_which_nobody_can_make_files_is_noticed_before_the_work():
    with pytest.raises(SMCDError, match="the folder /proc cannot be written to .*: name another place"):
        check_output("/proc/a.gif")


# A full disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "bundle.safetensors")


@pytest.fixture
def full_disk():
    """No file can grow beyond 100 kB while the test runs."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@posix
@pytest.mark.parametrize("layout", ["smcd", "released"])
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(bundle, full_disk, tmp_path, layout, capsys):
    target = tmp_path / "out" / ("a.safetensors" if layout == "smcd" else "folder")
    assert main(["convert", str(bundle), str(target), "--to", layout]) == 2
    said = capsys.readouterr().err
    assert said.startswith("smcd: error: ") and said.count("\n") == 1
    assert "cannot be written" in said or "too large" in said.lower()
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    if layout == "released":
        full_disk()
        write_released(target, read_checkpoint(bundle))  # nothing blocks the next try
        assert read_checkpoint(target).layout == "released"


BACKBONE = dict(boxes=False, first_frame_concat=False, image_tokens="none", num_heads=8, head_dim=4)


@pytest.mark.parametrize(
    "write, function", [(write_released, "torch.save"), (write_diffusers, "smcd_core.weights.files.save_file")]
)
def test_files_of_a_folder_appear_together_or_not_at_all(tmp_path, write, function, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("PytorchStreamWriter failed writing file data/3")

    backbone = bare(replace(CONFIG, **BACKBONE))
    monkeypatch.setattr(function, full)
    with pytest.raises(CheckpointError, match="cannot be written .PytorchStreamWriter failed.* Is the disk full"):
        write(tmp_path / "out", backbone)
    assert names(tmp_path / "out") == []


def leave_room(number):
    """No file can grow beyond `number` bytes; `full_disk` takes that back."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@posix
def test_a_disk_that_is_full_while_clips_are_encoded_is_one_line(full_disk, tmp_path, capsys):
    full_disk()
    components = write_components(tmp_path / "components")
    leave_room(10_000)
    options = ["--clips", "3", "--pixels", "64", "--frames", "8", "--device", "cpu"]
    assert main(["encode", *options, "--components", str(components), "--out", str(tmp_path / "out")]) == 2
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").split("\n") if "error" in line]
    assert len(said) == 1 and "clips-00000.safetensors" in said[0] and "Is the disk full?" in said[0]
    assert names(tmp_path / "out") == []


@posix
@pytest.mark.parametrize("room", ["nothing", "a checkpoint"])
def test_a_disk_that_is_full_while_training_is_one_line(full_disk, tmp_path, room):
    """A checkpoint is written first, then a state of twice its size."""
    full_disk()
    config = TrainingConfig("all", steps=1, batch_size=2, mixed_precision="no", images=False, save_every=1)
    model_config, data, out = SMCDConfig(**TINY), write_clips(tmp_path), tmp_path / "out"
    whole = sum(p.numel() for p in SMCD(model_config, device="meta").parameters()) * 4
    leave_room(whole // 2 if room == "nothing" else whole * 3 // 2)
    with pytest.raises((CheckpointError, OSError)) as caught:
        train(config, model_config, data, out, quiet=True)
    said = _explain(caught.value)
    assert ("checkpoint.safetensors" if room == "nothing" else "state-00000001.tmp") in said and "\n" not in said
    assert names(out) == (["loss.csv"] if room == "nothing" else ["checkpoint.safetensors", "loss.csv", "loss.png"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a file for a disk without room")
def test_a_log_that_finds_no_room_is_named(tmp_path):
    log = Log(tmp_path, 0, active=True)
    log.path = Path("/dev/full")
    with pytest.raises(OSError) as caught:
        log.add({"step": 1, "loss": 1.0, "lr": 0.1})
    assert _explain(caught.value) == "/dev/full: No space left on device"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a file for a disk without room")
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError) as caught, replacing(tmp_path / "a.json"), open("/dev/full", "w") as stream:
        stream.write("x" * 10**6)
    assert _explain(caught.value) == f"{tmp_path / 'a.json'}: No space left on device"
    assert names(tmp_path) == []


@pytest.mark.parametrize("first", ["open", "unlink"])  # Linux refuses to delete even what is not there
def test_a_read_only_disk_is_told_with_the_name_that_was_given(tmp_path, monkeypatch, first):
    monkeypatch.setattr(Path, first, refused_by_a_read_only_disk)
    with pytest.raises(OSError) as caught, replacing(tmp_path / "a.json"):
        pass
    assert _explain(caught.value) == f"{tmp_path / 'a.json'}: Read-only file system"


def test_a_full_disk_is_told_with_the_name_of_a_folder_of_frames(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as Pillow does, without a name

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError) as caught:
        write_video(FRAMES, tmp_path / "frames", 8, {})
    assert _explain(caught.value) == f"{tmp_path / 'frames'}: No space left on device"
    assert names(tmp_path) == []


@posix
def test_a_full_disk_is_told_with_the_name_of_an_array(full_disk, tmp_path):
    with pytest.raises(OSError) as caught:
        write_wan_move(tmp_path / "tracks.npy", np.zeros((200, 100, 2)), np.ones((200, 100)))
    assert _explain(caught.value) == f"{tmp_path / 'tracks.npy'}: {os.strerror(caught.value.errno)}"
    assert names(tmp_path) == ["visibility.npy"]


@posix
@pytest.mark.parametrize("write", [write_got10k, write_mot_sequence])
def test_a_full_disk_is_told_with_the_name_of_a_folder_of_boxes(full_disk, tmp_path, write):
    keys = [{"frame": f, "box": [f / 9000, 0, 0.5, 0.5]} for f in range(4000)]
    document = {"version": 1, "width": 64, "height": 64, "frames": 4000, "objects": [{"phrase": "dog", "keys": keys}]}
    with pytest.raises(OSError) as caught:
        write(tmp_path / "walk", parse_trajectory(document))
    assert _explain(caught.value) == f"{tmp_path / 'walk'}: {os.strerror(caught.value.errno)}"
    assert names(tmp_path) == []
    full_disk()
    write(tmp_path / "walk", parse_trajectory(document))
    (tmp_path / "walk" / "00000001.jpg").write_text("a frame")
    write(tmp_path / "walk", parse_trajectory(document))  # over what is there, beside the frames
    assert names(tmp_path) == ["walk"] and "00000001.jpg" in names(tmp_path / "walk")


@posix
def test_a_full_disk_is_told_with_the_name_of_an_mp4(full_disk, tmp_path):
    pytest.importorskip("av")
    noise = np.random.default_rng(0).integers(0, 256, (8, 256, 256, 3), np.uint8)
    with pytest.raises(OSError) as caught:
        write_video(noise, tmp_path / "a.mp4", 8, {})
    assert _explain(caught.value) == f"{tmp_path / 'a.mp4'}: {os.strerror(caught.value.errno)}"
    assert names(tmp_path) == []


# Downloads -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch):
    """A hub of one file of 10 bytes; `hub.send` is what arrives."""
    import huggingface_hub.file_download as library

    from smcd_core.weights import hub
    from smcd_core.weights.published import ALL

    weights = ALL["vae"]

    class Hub:
        remote = hub.RemoteFile("https://hub.invalid/x", 10, "0" * 64)

        def fetch(self, path, progress=lambda done, size: None):
            hub.resume(self.remote, path, progress, weights=weights, file=weights.files[0])

    found = Hub()
    monkeypatch.setattr(library, "http_get", lambda url, stream, **options: found.send(stream))
    return found


def test_a_hub_that_sends_more_than_it_said_is_cut_off(tmp_path, hub):
    hub.send = lambda stream: [stream.write(bytes(4)) for _ in range(10**6)]
    with pytest.raises(SMCDError, match="sends more than the 10 bytes that it announced"):
        hub.fetch(tmp_path / "a.bin")
    assert all(path.stat().st_size <= 10 for path in tmp_path.iterdir())


def test_a_stalled_line_is_stopped_at_once(tmp_path, hub):
    from smcd_core.weights.hub import Stopped

    stalled, late = threading.Event(), []

    def send(stream):
        stream.write(bytes(4))
        stalled.wait(30)
        try:
            stream.write(bytes(4))
        except BaseException as error:
            late.append(error)

    def stop(done, size):
        if done == 4:
            raise Stopped

    hub.send, start = send, time.monotonic()
    with pytest.raises(Stopped):
        hub.fetch(tmp_path / "a.bin", stop)
    assert time.monotonic() - start < 10
    stalled.set()
    for _ in range(100):
        if late:
            break
        time.sleep(0.05)
    assert late and [path.stat().st_size for path in tmp_path.glob(".*.part")] == [4]


@posix
def test_a_pipe_or_link_in_the_place_of_a_part_is_not_written_to(tmp_path, hub):
    hub.send = lambda stream: stream.write(bytes(10))
    victim, part = tmp_path / "victim", tmp_path / ".a.bin.000000000000.part"
    victim.write_text("precious")
    for plant in (lambda: part.symlink_to(victim), lambda: os.mkfifo(part)):
        plant()
        with pytest.raises(SMCDError, match="checksum"):
            hub.fetch(tmp_path / "a.bin")
        assert victim.read_text() == "precious" and not part.exists()
