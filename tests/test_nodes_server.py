"""The real ComfyUI as a server: the pack loads, lists its nodes, and runs prompts that scripts post."""

import json
import re
import time
import urllib.error
from pathlib import Path

import host
import pytest
from small_bundle import write_small_bundle

host.start()  # skips where there is no ComfyUI

API = host.PACK / "workflows" / "api"
CHECKPOINT = "smcd/small.safetensors"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With a checkpoint that lies where extra_model_paths.yaml says."""
    base = tmp_path_factory.mktemp("comfy")
    write_small_bundle(base / "elsewhere" / "small.safetensors")
    (base / "paths.yaml").write_text(f"mine:\n  base_path: {base}\n  smcd: elsewhere\n")
    with host.serve(base, "--extra-model-paths-config", str(base / "paths.yaml")) as found:
        yield found


def workflow(name):
    prompt = json.loads((API / f"{name}.json").read_text(encoding="utf-8"))
    for node in prompt.values():
        if node["class_type"] == "SMCD_Load":
            node["inputs"]["checkpoint"] = CHECKPOINT
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 2
    return prompt


def test_all_nodes_are_listed_with_the_models_of_extra_paths(server):
    info = host.ask(server, "/object_info")
    own = {name for name in info if name.startswith("SMCD_")}
    assert own == {node.define_schema().node_id for node in host.pack_module("nodes").NODES}
    assert CHECKPOINT in json.dumps(info["SMCD_Load"]["input"]["required"]["checkpoint"])
    assert info["SMCD_Conditioning"]["output"] == ["CONDITIONING", "CONDITIONING", "LATENT"]


def test_the_front_end_is_served_once(server):
    own = [path for path in host.ask(server, "/extensions") if "/smcd/" in path]
    assert len(own) == len(set(own)) == len(list((host.PACK / "web").rglob("*.js")))


def test_the_pack_loads_quickly_and_without_complaint(server):
    log = server.log.read_text()
    (seconds,) = re.findall(r"([\d.]+) seconds: .*custom_nodes/smcd", log)
    assert float(seconds) < 3  # 0.1 on an idle machine; tests share theirs
    assert "Traceback" not in log and "IMPORT FAILED" not in log


def test_a_posted_prompt_runs_to_a_video(server):
    prompt_id = host.ask(server, "/prompt", {"prompt": workflow("quick_start")})["prompt_id"]
    for _ in range(240):
        history = host.ask(server, f"/history/{prompt_id}")
        if prompt_id in history:
            break
        time.sleep(0.5)
    assert history[prompt_id]["status"]["status_str"] == "success", history[prompt_id]["status"]
    assert len(list(Path(server.base, "output", "SMCD").glob("quick_start*.mp4"))) == 1


def test_a_prompt_with_a_wrong_value_is_answered_with_the_node(server):
    prompt = workflow("quick_start")
    (key,) = [key for key, node in prompt.items() if node["class_type"] == "SMCD_Load"]
    prompt[key]["inputs"]["weight_dtype"] = "int3"
    with pytest.raises(urllib.error.HTTPError) as caught:
        host.ask(server, "/prompt", {"prompt": prompt})
    answer = json.loads(caught.value.read())
    assert caught.value.code == 400 and list(answer["node_errors"]) == [key]
