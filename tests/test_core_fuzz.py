"""Whatever is in a file or a value, the readers give what they promise or their own error: no other type gets out, none
takes long, and none takes much memory.

Datasets, trajectory documents and files of boxes have such tests beside their other ones; here are the rest.
"""

from __future__ import annotations

import json
import pickle
import struct
import time
import tracemalloc
import warnings
import zipfile
from datetime import timedelta
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from safetensors.torch import save as safetensors_bytes
from tiny_bundle import write_bundle

from smcd_core.networks.config import SMCDConfig
from smcd_core.networks.smcd import SMCD
from smcd_core.training.encoded import EncodedClips
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.document import MAX_FRAMES, MAX_OBJECTS, TrajectoryError, parse_trajectory
from smcd_core.trajectory.files import read_trajectory
from smcd_core.trajectory.fingerprint import fingerprint
from smcd_core.trajectory.values import trajectory_from_value
from smcd_core.video import VideoError, read_metadata, write_video
from smcd_core.weights.checkpoint import CheckpointError, build, read_checkpoint
from smcd_core.weights.components import missing_components, unpack_components
from smcd_core.weights.defaults import read_defaults

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries, about what is wrong with the files

SLOW = timedelta(seconds=60)  # an example takes milliseconds; this is for hangs, on a machine that others use too
FUZZ = settings(
    max_examples=150, deadline=SLOW, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

NUMBERS = st.integers(-3, 40) | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 2**31, 1e308])
WORDS = st.text(max_size=8) | st.sampled_from(["", "nan", "\ud800", "\x00", "../x", "none", "o1"])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=8
)


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """Bytes replaced, put in, cut out, or the end missing; most often near the start or the end, where the tables of
    most formats are.
    """
    for _ in range(draw(st.integers(1, 3))):
        near = draw(st.integers(0, min(len(data), 4000)))
        place = draw(st.sampled_from([near, len(data) - near, draw(st.integers(0, len(data)))]))
        new, gone = draw(st.binary(max_size=12)), draw(st.integers(0, 12))
        data = data[:place] + new + data[place + gone :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data


@st.composite
def changed(draw, value):
    """A JSON value with one thing in it replaced or gone."""
    value = json.loads(json.dumps(value))
    place, key = {"": value}, ""
    while isinstance(place[key], (dict, list)) and place[key] and draw(st.integers(0, 3)):
        place = place[key]
        key = draw(st.sampled_from(range(len(place)) if isinstance(place, list) else sorted(place)))
    if draw(st.integers(0, 4)) == 0 and place is not value and isinstance(place, dict) and "" not in place:
        del place[key]
    else:
        place[key] = draw(JSON)
    return value if key != "" else place[""]


# Checkpoints ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """(header, tensors) of a whole checkpoint: with VAE, text encoder and tokenizer."""
    data = write_bundle(tmp_path_factory.mktemp("bundle") / "whole.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def use(path) -> None:
    """All that reads a checkpoint before its networks run."""
    try:
        checkpoint = read_checkpoint(path)
        build(checkpoint)
        read_defaults(checkpoint)
        if not missing_components(checkpoint):
            unpack_components(checkpoint)
    except CheckpointError as error:
        assert str(error) and len(str(error)) < 2000


@FUZZ
@given(start=st.sampled_from([b"", b"PK\x03\x04", b"PK", b"\x80\x02", b"\x80\x04\x95", b"\x00" * 8 + b"{", b"{"]),
       content=st.binary(max_size=400))  # fmt: skip
def test_arbitrary_bytes_are_no_checkpoint(tmp_path, start, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(start + content)
    with pytest.raises(CheckpointError, match="weights.safetensors"):
        read_checkpoint(path)


@settings(FUZZ, max_examples=20)
@given(data=st.data())
def test_a_checkpoint_with_a_changed_header_is_read_or_refused(tmp_path, bundle, data):
    header, tensors = bundle
    metadata = {name: json.loads(value) for name, value in header["__metadata__"].items()}
    if data.draw(st.integers(0, 3)):
        name = data.draw(st.sampled_from(sorted(metadata)))
        new = data.draw(changed(metadata[name]))
        written = header["__metadata__"] | {name: json.dumps(new)}
        header = header | {"__metadata__": written}
    else:
        names = data.draw(st.lists(st.sampled_from(sorted(header)), min_size=1, max_size=2))
        header = {name: data.draw(changed(value)) if name in names else value for name, value in header.items()}
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    path = tmp_path / "changed.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + tensors)
    use(path)


@pytest.fixture(scope="module")
def backbone():
    config = SMCDConfig(
        model_channels=8, norm_groups=4, num_heads=8, head_dim=1, channel_mult=(1,), num_res_blocks=1, context_dim=8,
        boxes=False, first_frame_concat=False, image_tokens="none",
    )  # fmt: skip
    return SMCD(config).unet.state_dict(), config.to_json()


@FUZZ
@given(data=st.data())
@pytest.mark.parametrize(
    "kind", ["safetensors", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("zip", "old"))]
)
def test_damaged_weights_are_read_or_refused(tmp_path, backbone, kind, data):
    weights, config = backbone
    stream = BytesIO()
    if kind == "safetensors":
        stream.write(safetensors_bytes(weights))
    else:
        torch.save(weights, stream, _use_new_zipfile_serialization=kind == "zip")
    path = tmp_path / "model.bin"
    path.write_bytes(data.draw(damaged(stream.getvalue())))
    (tmp_path / "smcd.json").write_text(config)
    use(path)


@pytest.mark.slow
@settings(FUZZ, max_examples=40)
@given(data=st.data())
def test_a_damaged_description_beside_released_weights_is_refused(tmp_path, backbone, data):
    weights, config = backbone
    torch.save(weights, tmp_path / "model.bin")
    (tmp_path / "smcd.json").write_text(json.dumps(data.draw(changed(json.loads(config)))), encoding="utf-8")
    use(tmp_path / "model.bin")


def zipped_pickle(path, content: bytes, compression=zipfile.ZIP_STORED):
    """As torch.save writes it, with any pickle inside."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/version", b"3\n")
        file.writestr("archive/byteorder", b"little")
    return path


@FUZZ
@given(value=JSON | st.binary() | st.dictionaries(WORDS | st.integers(), JSON), extra=st.binary(max_size=20))
def test_a_pickle_of_anything_else_is_no_checkpoint(tmp_path, value, extra):
    content = pickle.dumps(value, protocol=2)
    with pytest.raises(CheckpointError):
        read_checkpoint(zipped_pickle(tmp_path / "a.pth", content[:-1] + extra + content[-1:]))


def test_a_pickle_cannot_ask_for_memory(tmp_path):
    """bytearray(2**40), which torch lets pass: weights_only keeps code out, not wishes."""
    content = b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85R."
    with pytest.raises(CheckpointError, match="a.pth"):
        read_checkpoint(zipped_pickle(tmp_path / "a.pth", content))


def test_a_packed_pickle_is_not_unpacked(tmp_path):
    """64 MB of a pickle's empty lists in 65 kB of file."""
    path = zipped_pickle(tmp_path / "a.pth", b"\x80\x02" + b"]" * 2**26 + b".", zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**17
    with pytest.raises(CheckpointError, match="a.pth: is a compressed archive"):
        read_checkpoint(path)


def test_shapes_in_a_header_take_no_memory_before_they_are_checked(tmp_path):
    text = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(CheckpointError, match="huge"):
        read_checkpoint(path)
    path.write_bytes(struct.pack("<Q", 2**40) + b"{")
    with pytest.raises(CheckpointError, match="huge"):
        read_checkpoint(path)


# Encoded clips -------------------------------------------------------------------------------------------------------


@FUZZ
@given(data=st.data())
def test_damaged_encoded_clips_give_a_value_error(tmp_path, data):
    clip = {"latents": (2, 3, 4, 2, 2), "text": (2, 5, 8), "boxes_xyxy": (2, 3, 1, 4), "mask": (2, 3, 1)}
    clip = {name: torch.zeros(shape) for name, shape in {**clip, "phrases": (2, 1, 8), "null_text": (5, 8)}.items()}
    (tmp_path / "clips-00000.safetensors").write_bytes(data.draw(damaged(safetensors_bytes(clip))))
    try:
        clips = EncodedClips(tmp_path)
        clips[0]
    except ValueError as error:
        assert "clips-00000" in str(error) or "no encoded clips" in str(error)


# Values of a graph ---------------------------------------------------------------------------------------------------

BOX = {"x": 10, "y": 20, "width": 30, "height": 40, "label": "dog", "metadata": {"desc": "cat"}}
DOCUMENT = {
    "version": 1, "width": 64, "height": 48, "frames": 5, "fps": 8, "source": "abc",
    "objects": [{"id": "o1", "phrase": "dog", "color": "#e69f00", "strength": 1, "enabled": True,
                 "keys": [{"frame": 0, "box": [0.1, 0.2, 0.3, 0.4], "ease": [0.1, 0, 1, 1], "visible": True},
                          {"frame": 4, "box": [0.1, 0.2, 0.3, 0.4], "ease": "hold", "visible": False}]}],
}  # fmt: skip
VALUES = [
    DOCUMENT, BOX, [BOX, BOX], [[BOX], [BOX, BOX], []], [{"x": 1, "y": 2}], [[{"x": 1, "y": 2}], [{"x": 3, "y": 4}]],
    [[BOX | {"track_id": 1}, BOX | {"id": 1, "track_id": 2}], [BOX | {"track_id": 2}]],
    [[BOX | {"visible": True}, BOX | {"lost": 1, "outside": None}], [BOX | {"visible": False}]],
    {"track_path": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "track_visibility": [[True, True], [True, False]]},
]  # fmt: skip


@settings(FUZZ, max_examples=400)
@given(value=JSON | st.sampled_from(VALUES).flatmap(changed), as_text=st.booleans(), phrase=st.text(max_size=6))
def test_arbitrary_values_of_a_graph_give_a_trajectory_or_its_error(value, as_text, phrase):
    fingerprint(value)
    try:
        found, what = trajectory_from_value(
            json.dumps(value) if as_text else value, width=64, height=48, frames=4, phrase=phrase
        )
    except TrajectoryError as error:
        assert str(error) and len(str(error)) < 2000
        return
    boxes, _ = boxes_at(found)
    assert boxes.isfinite().all() and what


def seconds(function) -> float:
    """Time of the CPU: the machine may be busy."""
    start = time.process_time()
    with pytest.raises(TrajectoryError):
        function()
    return time.process_time() - start


def test_more_boxes_than_a_trajectory_takes_are_refused_at_once():
    """Joining boxes to tracks takes their number squared: some megabytes of text would take hours."""
    size = dict(width=64, height=48, frames=4)
    many = [[BOX] * (20 * MAX_OBJECTS)] * 5
    assert seconds(lambda: trajectory_from_value(many, **size)) < 30
    assert seconds(lambda: trajectory_from_value([[BOX]] * (20 * MAX_FRAMES), **size)) < 30
    assert seconds(lambda: trajectory_from_value([[{"x": 1, "y": 2}] * 20] * (20 * MAX_OBJECTS), **size)) < 30


@pytest.mark.parametrize("text", ["[" * 10**6, '{"objects":' * 10**5, '"' + "x" * 10**7, "9" * 10**6, " " * 10**7])
def test_absurd_texts_are_refused_at_once_and_in_little_memory(tmp_path, text):
    (tmp_path / "boxes.json").write_text(text)
    readers = [
        lambda: parse_trajectory(text),
        lambda: trajectory_from_value(text, width=64, height=48, frames=4),
        lambda: read_trajectory(tmp_path / "boxes.json"),
    ]
    tracemalloc.start()
    try:
        assert sum(map(seconds, readers)) < 60  # traced, and so some times slower than it is
        assert tracemalloc.get_traced_memory()[1] < 20 * len(text) + 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text, where", [("1\n" * 10**7, "1048577 lines"), ("1," * 10**7, "20000000 characters")])
def test_many_or_long_lines_are_refused_in_little_memory(tmp_path, text, where):
    """20 MB of short lines took 2.6 GB."""
    (tmp_path / "boxes.txt").write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(TrajectoryError, match=f"boxes.txt.* has .*{where}|boxes.txt.* has 19999999 characters"):
            read_trajectory(tmp_path / "boxes.txt")
        assert tracemalloc.get_traced_memory()[1] < 8 * len(text)
    finally:
        tracemalloc.stop()


# Videos --------------------------------------------------------------------------------------------------------------


@FUZZ
@given(data=st.data())
@pytest.mark.parametrize("suffix", [".mp4", *(pytest.param(s, marks=pytest.mark.slow) for s in (".webp", ".gif", ""))])
def test_settings_in_a_damaged_video_are_read_or_refused(tmp_path, suffix, data):
    path = tmp_path / f"video{suffix}"
    write_video(np.zeros((2, 16, 16, 3), np.uint8), path, 8, {"seed": 1})
    file = path if suffix else path / "0000.png"
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert isinstance(read_metadata(path), dict)
        except (VideoError, OSError) as error:
            assert str(error)
