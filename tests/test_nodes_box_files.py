"""In the real ComfyUI: files of boxes from the input folder and into the output folder."""

import host
import numpy as np
import pytest

comfy_host = host.start()

from smcd_core.guides.box_files import PER_OBJECT, WRITTEN, write_boxes  # noqa: E402
from smcd_core.trajectory.document import parse_trajectory  # noqa: E402
from smcd_core.trajectory.files import read_trajectory  # noqa: E402

OBJECTS = [
    {
        "id": name,
        "phrase": name,
        "keys": [{"frame": 0, "box": [x, 0.2, x + 0.2, 0.5]}, {"frame": 15, "box": [x, 0.5, x + 0.2, 0.8]}],
    }
    for name, x in (("cat", 0.1), ("dog", 0.6))
]
DOCUMENT = {"version": 1, "width": 320, "height": 240, "frames": 16, "objects": OBJECTS}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("input", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(comfy_host.folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path


def load(file, **given):
    given = dict(format="detect", width=0, height=0, phrases="") | given
    return host.call("SMCD_LoadBoxes", file=file, **given)


@pytest.mark.parametrize("format", WRITTEN)
def test_what_is_exported_can_be_loaded(folders, format):
    host.call("SMCD_Export", trajectory=DOCUMENT, format=format, filename_prefix="boxes")
    written = sorted((folders / "output").iterdir())
    assert len(written) == (2 if format in PER_OBJECT or format == "wan_move" else 1)  # which has its visibility beside
    first = written[0].rename(folders / "input" / written[0].name)
    document, what = load(first.name, width=320, height=240, phrases="bird")
    assert {track["phrase"] for track in document["objects"]} == {"bird"} and document["frames"] == 16 and what


def test_sizes_and_phrases_win_as_in_the_command_line(folders):
    write_boxes(folders / "input" / "b.npy", parse_trajectory(DOCUMENT), "sg_i2v")
    with pytest.raises(Exception, match="the size of the frame in pixels is not known: give width and height"):
        load("b.npy")
    document, _ = load("b.npy", width=320, height=240, phrases="a cat\n\na dog\n")
    assert [track["phrase"] for track in document["objects"]] == ["a cat", "a dog"]
    expected, _ = read_trajectory(folders / "input" / "b.npy", width=320, height=240)
    boxes = [[key["box"] for key in track["keys"]] for track in document["objects"]]
    np.testing.assert_allclose(boxes, [[key.box for key in track.keys] for track in expected.objects])


@pytest.mark.parametrize("name", ["../secret.json", "/etc/hostname", "", " ", "a/../../secret.json"])
def test_a_name_that_leads_out_of_the_input_folder_is_refused(folders, name):
    (folders / "secret.json").write_text("{}")
    with pytest.raises(Exception, match="give the name of a file in ComfyUI's input folder"):
        load(name)


def test_a_missing_file_is_named(folders):
    with pytest.raises(Exception, match="nothing.json: cannot be read"):
        load("nothing.json")


def test_a_changed_file_is_read_again(folders):
    node = comfy_host.nodes.NODE_CLASS_MAPPINGS["SMCD_LoadBoxes"]
    assert node.fingerprint_inputs(file="b.json") is None
    (folders / "input" / "b.json").write_text("{}")
    before = node.fingerprint_inputs(file="b.json")
    (folders / "input" / "b.json").write_text("{} ")
    assert before != node.fingerprint_inputs(file="b.json") and node.fingerprint_inputs(file="../x") is None
