"""A stranger's workflow can name files in the chosen folders, and nothing else."""

from __future__ import annotations

import http.client
import io
import json
import pickle
import zipfile
from pathlib import Path

import host
import pytest
import torch
from safetensors.torch import save_file
from tiny_bundle import write_bundle

comfy_host = host.start()

CANARY = "this line is not for you"
OUTSIDE = [
    "../stolen",
    "../../stolen",
    "a/../../../stolen",
    "..\\..\\stolen",
    "/stolen",
    "~/../../stolen",
    "C:\\stolen",
]
DOCUMENT = {
    "version": 1, "width": 64, "height": 64, "frames": 2,
    "objects": [{"id": "o1", "phrase": "dog", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]}]}],
}  # fmt: skip


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Host folders in a place of their own, with a file outside them that nobody may read or replace."""
    paths = comfy_host.folder_paths
    output, models = tmp_path / "in" / "output", tmp_path / "in" / "models"
    for folder in (output, models / "smcd"):
        folder.mkdir(parents=True)
    (tmp_path / "in" / "secret.safetensors").write_text(CANARY)
    (tmp_path / "secret.safetensors").write_text(CANARY)
    monkeypatch.setattr(paths, "output_directory", str(output))
    known = {name: ([str(models / "smcd")], {".safetensors"}) for name in ("smcd", "checkpoints", "diffusion_models")}
    known["elsewhere"] = ([str(tmp_path)], {".safetensors"})
    monkeypatch.setattr(paths, "folder_names_and_paths", {**paths.folder_names_and_paths, **known})
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("format", ["json", "got10k", "mot"])
@pytest.mark.parametrize("prefix", OUTSIDE)
def test_an_export_leads_nowhere_but_into_the_output_folder(folders, prefix, format):
    before = files(folders)
    try:
        host.call("SMCD_Export", trajectory=DOCUMENT, format=format, filename_prefix=prefix)
    except Exception as error:  # the host's own type
        assert "outside the output folder" in str(error)
    new = files(folders) - before
    assert all(name.startswith("in/output/") for name in new)
    assert not any(Path("/").glob("stolen*"))


def test_a_folder_that_vanishes_leaves_the_bundled_checkpoint_usable(folders, monkeypatch):
    """The host raises for a folder of models that is gone, such as one on a disk that was taken off."""
    loader = host.pack_module("nodes.loader")

    def gone(folder):
        raise FileNotFoundError(2, "No such file or directory", "/mnt/models")

    monkeypatch.setattr(comfy_host.folder_paths, "get_filename_list", gone)
    assert loader.checkpoint_names() == [*loader.BUNDLED_NAMES]
    assert loader.SMCDLoad.validate_inputs(loader.BUNDLED) is True
    assert "no such checkpoint" in loader.SMCDLoad.validate_inputs("smcd/other.safetensors")


@pytest.mark.parametrize("name", [*OUTSIDE, "a:b", "nul", "x\x00y", "räum 空间", "a/b", ".."])
def test_ids_of_objects_do_not_become_paths(folders, name):
    track = {**DOCUMENT["objects"][0], "id": name}
    host.call("SMCD_Export", trajectory={**DOCUMENT, "objects": [track]}, format="got10k", filename_prefix="a/b")
    (written,) = {path.parent for path in folders.rglob("groundtruth.txt")}
    assert written.parent == folders / "in" / "output" / "a" and written.name.isascii()
    assert set(written.name) & set('\\/:*?"<>|. \0') == set()  # that Windows has no file names with


def test_objects_with_alike_ids_get_folders_of_their_own(folders):
    tracks = [{**DOCUMENT["objects"][0], "id": name} for name in ("a b", "a_b", "a/b")]
    host.call("SMCD_Export", trajectory={**DOCUMENT, "objects": tracks}, format="got10k", filename_prefix="x")
    assert len(list(folders.rglob("groundtruth.txt"))) == 3


def test_a_prefix_with_a_dot_keeps_its_counter(folders):
    for _ in range(2):
        host.call("SMCD_Export", trajectory=DOCUMENT, format="json", filename_prefix="v1.2")
    assert files(folders / "in" / "output") == {"v1.2_00001_.json", "v1.2_00002_.json"}


@pytest.mark.parametrize(
    "name",
    ["smcd/../../secret.safetensors", "smcd/../../../secret.safetensors", "elsewhere/secret.safetensors",
     "custom_nodes/smcd/pyproject.toml", "/etc/passwd", "../secret.safetensors", "smcd//etc/passwd", "", "smcd",
     "smcd/..", "checkpoints\\..\\..\\secret.safetensors", "smcd/\x00"],
)  # fmt: skip
def test_only_checkpoints_of_the_model_folders_are_read(folders, name):
    with pytest.raises((ValueError, OSError)) as caught:
        host.call("SMCD_Load", checkpoint=name, weight_dtype="default")
    assert CANARY[:4] not in str(caught.value) and "root:" not in str(caught.value)


def test_a_checkpoint_of_a_model_folder_is_read(folders):
    write_bundle(folders / "in" / "models" / "smcd" / "sub" / "a.safetensors")
    assert host.pack_module("nodes.loader").checkpoint_path("smcd/sub/a.safetensors").is_file()


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "", "beach.png/../../pyproject", "..\\README"])
def test_an_example_is_one_of_the_packs_own(name):
    with pytest.raises((ValueError, OSError)):
        host.call("SMCD_Example", example=name)


@pytest.mark.parametrize("text", ["/etc/passwd", "file:///etc/passwd", "../secret.safetensors", "@secret", "${HOME}"])
@pytest.mark.parametrize("node, name", [("SMCD_Trajectory", "text"), ("SMCD_FromBoxes", "trajectory"),
                                        ("SMCD_Export", "trajectory")])  # fmt: skip
def test_text_is_never_a_file_name(node, name, text):
    with pytest.raises(ValueError, match="JSON"):
        host.call(node, **{name: text})


def test_a_prompt_with_a_foreign_checkpoint_or_example_is_refused_before_it_runs():
    loads = {"1": {"class_type": "SMCD_Load", "inputs": {"checkpoint": "smcd/../../x", "weight_dtype": "default"}},
             "2": {"class_type": "SMCD_Example", "inputs": {"example": "../x"}},
             "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}  # fmt: skip
    result = host.run(loads)
    assert not result.success and "not in" in json.dumps(result.errors).lower()


HEADERS = [
    b"", b"{", b"[]", b"null", b'{"config": 1}', b'{"config": "{}"}', b"\xff\xfe", b"[" * 5000,
    b'{"config": "x", "info": {}}', b'{"config": "{}", "info": {}, "vae": 3}', b'{"config": "{}", "info": []}',
    b'{"config": "{}", "info": {}}',
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_a_checkpoint_of_save_checkpoint_with_a_damaged_header_is_refused(tmp_path, header):
    saved, errors = host.pack_module("nodes.host.saved"), host.pack_module("smcd_core.weights.checkpoint")
    content = torch.frombuffer(bytearray(header or b" "), dtype=torch.uint8)
    weights = {"model.diffusion_model.out.2.bias": torch.zeros(4), "first_stage_model.x": torch.zeros(1)}
    name = host.pack_module("smcd_core.weights.saved").HEADER
    save_file({name: content, **weights}, tmp_path / "a.safetensors")
    with pytest.raises(errors.CheckpointError, match="a.safetensors"):
        saved.read_any_checkpoint(tmp_path / "a.safetensors")


PATHS = [
    "/smcd/examples/../pyproject.toml", "/smcd/examples/..%2fpyproject.toml", "/smcd/examples/%2e%2e/pyproject.toml",
    "/smcd/examples/%2fetc%2fpasswd", "/smcd/examples/..%5cpyproject.toml", "/smcd/examples/",
    "/extensions/smcd/..%2fpyproject.toml", "/extensions/smcd/../pyproject.toml",
]  # fmt: skip


def test_the_server_gives_no_file_but_the_examples_and_the_front_end(server):
    address = server.url.removeprefix("http://")

    def get(path):
        connection = http.client.HTTPConnection(address)  # sends the path as it is
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert {path: get(path)[0] for path in PATHS if get(path)[0] not in (400, 403, 404)} == {}
    assert b"yellow circle" in get("/smcd/examples/beach.json")[1]


def test_a_checkpoint_with_code_does_not_run_it(folders):
    """A pickle as torch.save writes it, whose loading would make a file."""

    class Code:
        def __reduce__(self):
            return Path.touch, (folders / "ran",)

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"x": Code()}, protocol=2))
        file.writestr("archive/version", b"3\n")
    (folders / "in" / "models" / "smcd" / "bad.safetensors").write_bytes(stream.getvalue())
    with pytest.raises(ValueError, match="could run code"):
        host.call("SMCD_Load", checkpoint="smcd/bad.safetensors", weight_dtype="default")
    assert not (folders / "ran").exists()
