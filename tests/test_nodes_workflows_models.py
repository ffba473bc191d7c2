"""In the real ComfyUI: the workflows that need other models' weights, checked as the server checks a prompt."""

import asyncio
import json
import re
from itertools import combinations
from pathlib import Path

import host
import pytest
from test_nodes_workflows import NAMES as RUN, OTHERS as NAMES, number

from smcd_core.guides.fit import fit, told
from smcd_core.trajectory.document import parse_trajectory

comfy_host = host.start()

FOLDER = Path(__file__).parent.parent / "workflows"
EXTRAS = ("wan", "wanmove", "lt", "lt_audio", "sam3", "model_advanced")
# As in pyproject.toml. The nodes of SAM3 came in 0.20, GetICLoRAParameters in 0.22, LTX-2.5 in 0.32.
SMCD_NEEDS = 21
GUIDES = {"SMCD_Tracks", "SMCD_CutAndDrag", "SMCD_GuideVideo"}
PAGE_ONLY = {"MarkdownNote"}
GROUPS = ["1 Model", "2 Picture and boxes", "3 ", "4 "]
# Inputs that say one thing about a video, by the names that nodes have for it.
SHARED = [("width",), ("height",), ("length", "frames", "frames_number"), ("fps", "frame_rate"), ("steps",)]
STEPS = ("start_at_step", "end_at_step")
OF_OTHER_PICTURES = {"SMCD_FromBoxes", "ImageFromBatch"}
BEFORE_WEIGHTS = {  # the prefix of the video that shows it
    "09_wan_move": "SMCD/wan_move_points",
    "10_wan_ati": "SMCD/wan_ati_points",
    "11_vace_boxes": "SMCD/vace_boxes_guide",
    "12_vace_phrases": "SMCD/vace_phrases_guide",
    "13_wan_fun": "SMCD/wan_fun_guide",
    "14_ltx_boxes": "SMCD/ltx_boxes_guide",
    "15_time_to_move": "SMCD/time_to_move_draft",
}
each_workflow = pytest.mark.parametrize("name", NAMES)
every_workflow = pytest.mark.parametrize("name", [*NAMES, *RUN])


@pytest.fixture(scope="module", autouse=True)
def extra_nodes():
    async def load():
        for name in EXTRAS:
            path = str(host.HOST / "comfy_extras" / f"nodes_{name}.py")
            assert await comfy_host.nodes.load_custom_node(path, module_parent="comfy_extras"), name

    asyncio.run(load())


def skip_without(given):
    """LTX-2.5 came after the oldest ComfyUI that the pack runs in."""
    lacking = {node["class_type"] for node in given.values()} - comfy_host.nodes.NODE_CLASS_MAPPINGS.keys()
    if lacking == {"GetICLoRAParameters"}:
        pytest.skip("this ComfyUI has no node GetICLoRAParameters")


def graph(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def prompt(name):
    return json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))


def rectangle(node):
    """Left, top, right and bottom, with the title, which is all that is left of a folded node."""
    (x, y), (width, height) = node["pos"], node["size"]
    if node["flags"].get("collapsed"):
        return x, y - 30, x + width, y
    return x, y - 30, x + width, y + height


def test_every_workflow_is_checked_here_or_run():
    assert sorted([*NAMES, *RUN]) == sorted(path.stem for path in FOLDER.glob("*.json"))


@each_workflow
def test_the_host_accepts_the_prompt_once_the_weights_are_there(name, tmp_path, monkeypatch):
    given = prompt(name)
    skip_without(given)
    files = [value for node in given.values() for value in node["inputs"].values() if isinstance(value, str)]
    monkeypatch.setattr(comfy_host.folder_paths, "get_filename_list", lambda _: files)
    monkeypatch.setattr(comfy_host.folder_paths, "input_directory", str(tmp_path))
    (tmp_path / "video.mp4").touch()
    valid, error, outputs, errors = asyncio.run(comfy_host.execution.validate_prompt("one", given, None))
    assert valid and not errors, (error, errors)
    assert {given[key]["class_type"] for key in outputs} >= {"SaveVideo"}


@each_workflow
def test_page_and_script_have_the_same_nodes_values_and_links(name):
    page, script = graph(name), prompt(name)
    nodes = {str(node["id"]): node for node in page["nodes"] if node["type"] not in PAGE_ONLY}
    assert {key: node["type"] for key, node in nodes.items()} == {k: n["class_type"] for k, n in script.items()}
    links = {link[0]: [str(link[1]), link[2]] for link in page["links"]}
    for key, node in nodes.items():
        connected = {slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
        given = script[key]["inputs"]
        assert connected == {slot: value for slot, value in given.items() if isinstance(value, list)}
        values = node.get("widgets_values_named") or {}
        assert {slot: value for slot, value in given.items() if slot in values and slot not in connected} == {
            slot: value for slot, value in values.items() if slot in given and slot not in connected
        }


@each_workflow
def test_every_link_joins_slots_of_one_type(name):
    page = graph(name)
    nodes = {node["id"]: node for node in page["nodes"]}
    for _, start, out, end, into, kind in page["links"]:
        given, taken = nodes[start]["outputs"][out]["type"], nodes[end]["inputs"][into]["type"]
        assert kind == given and (given in taken.split(",") or "*" in (given, taken)), (start, end, given, taken)


@each_workflow
def test_nothing_overlaps_and_every_node_has_its_group(name):
    page = graph(name)
    nodes = [rectangle(node) for node in page["nodes"]]
    groups = [(x, y, x + width, y + height) for x, y, width, height in (group["bounding"] for group in page["groups"])]
    for one in (nodes, groups):
        for (ax, ay, aright, abottom), (bx, by, bright, bbottom) in combinations(one, 2):
            assert aright <= bx or bright <= ax or abottom <= by or bbottom <= ay
    homeless = [
        node["type"]
        for node, (x, y, right, bottom) in zip(page["nodes"], nodes, strict=True)
        if not any(x >= a and y >= b and right <= c and bottom <= d for a, b, c, d in groups)
    ]
    assert homeless == ["MarkdownNote"]
    titles = [group["title"] for group in page["groups"]]
    assert all(title.startswith(start) for title, start in zip(titles, GROUPS, strict=False)), titles


@each_workflow
def test_the_note_names_weights_with_folder_and_licence_memory_and_version(name):
    (note,) = [node["widgets_values"][0] for node in graph(name)["nodes"] if node["type"] == "MarkdownNote"]
    listed = [line for line in note.splitlines() if line.startswith("- ")]
    assert listed and all("`models/" in line and "(" in line for line in listed)
    assert "**Memory**: " in note
    (version,) = re.findall(r"\*\*ComfyUI\*\*: 0\.(\d+) or newer", note)
    assert int(version) == (32 if name == "14_ltx_boxes" else SMCD_NEEDS)
    weights = [
        value
        for node in prompt(name).values()
        for value in node["inputs"].values()
        if isinstance(value, str) and value.endswith(".safetensors")
    ]
    links = dict(re.findall(r"\[([^\]]+)\]\((https://huggingface\.co/[\w.-]+/[^)]+)\)", note))
    assert set(weights) == set(links)
    assert all(link.endswith(f"/{value}") or "IC-LoRA-BBox-Control" in link for value, link in links.items())


@each_workflow
def test_the_host_offers_the_weights_that_are_missing(name):
    (note,) = [node["widgets_values"][0] for node in graph(name)["nodes"] if node["type"] == "MarkdownNote"]
    offered = 0
    for node in graph(name)["nodes"]:
        for model in node["properties"].get("models", []):
            assert model["name"] in node["widgets_values"] and model["url"].endswith(f"/{model['name']}")
            assert model["url"].replace("/resolve/", "/blob/") in note and f"`models/{model['directory']}`" in note
            offered += 1
    assert offered


@pytest.mark.parametrize("name", [name for name in NAMES if name != "16_score_any_model"])
def test_it_opens_with_the_example_and_boxes_that_the_crop_leaves_whole(name):
    given = prompt(name)
    assert "LoadImage" not in {node["class_type"] for node in given.values()}
    (trajectory,) = [node["inputs"]["text"] for node in given.values() if node["class_type"] == "SMCD_Trajectory"]
    read = parse_trajectory(trajectory)
    picture, *_ = host.call("SMCD_Example", example="rocket")
    assert picture.shape[1:3] == (read.height, read.width)
    (target,) = {
        tuple(number(given, node["inputs"][key]) for key in ("width", "height", "length"))
        for node in given.values()
        if node["class_type"] in GUIDES
    }
    boxes = fit(read, *target)
    assert told(boxes, boxes.size, (read.width, read.height), True)[1:] == []


@every_workflow
@pytest.mark.parametrize("inputs", SHARED, ids=" ".join)
def test_a_number_that_several_nodes_need_comes_from_one(name, inputs):
    """Changed on one of them alone, it would give a wrong video without a word."""
    sources = {
        tuple(value) if isinstance(value, list) else (key, slot)
        for key, node in prompt(name).items()
        for slot, value in node["inputs"].items()
        if slot in inputs and node["class_type"] not in OF_OTHER_PICTURES
    }
    assert len(sources) <= 1


@every_workflow
def test_a_sampler_starts_at_the_step_at_which_the_one_before_it_ends(name):
    samplers = [node["inputs"] for node in prompt(name).values() if node["class_type"] == "KSamplerAdvanced"]
    starts, ends = (sorted(one[slot] for one in samplers if isinstance(one[slot], list)) for slot in STEPS)
    assert starts == ends and len(starts) == max(len(samplers) - 1, 0)


def without_weights(given):
    """The part of a prompt that needs no other model."""
    kept = given
    gone = {key for key, node in kept.items() if "Loader" in node["class_type"] or node["class_type"] == "LoadVideo"}
    while gone & kept.keys():
        kept = {key: node for key, node in kept.items() if key not in gone}
        links = {
            key: [value[0] for value in node["inputs"].values() if isinstance(value, list)]
            for key, node in kept.items()
        }
        gone = {key for key, sources in links.items() if not set(sources) <= kept.keys()}
    return kept


@pytest.mark.parametrize("name, shown", BEFORE_WEIGHTS.items())
def test_it_shows_what_it_gives_to_the_model_before_the_weights_are_there(name, shown, monkeypatch):
    """The host runs the outputs whose inputs it accepts, whatever it finds wrong with the others."""
    monkeypatch.setattr(comfy_host.folder_paths, "get_filename_list", lambda _: [])
    given = prompt(name)
    skip_without(given)
    valid, _, outputs, errors = asyncio.run(comfy_host.execution.validate_prompt("one", given, None))
    assert valid and errors
    assert shown in {given[key]["inputs"].get("filename_prefix") for key in outputs}
    (note,) = [node["widgets_values"][0] for node in graph(name)["nodes"] if node["type"] == "MarkdownNote"]
    assert f"The first video, `{shown.removeprefix('SMCD/')}`, shows the " in note
    assert "it is made even while weights are missing" in note


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "16_score_any_model"])
def test_what_needs_no_weights_runs(name, tmp_path, monkeypatch):
    for folder in ("output_directory", "temp_directory"):
        monkeypatch.setattr(comfy_host.folder_paths, folder, str(tmp_path))
    given = without_weights(prompt(name))
    assert GUIDES & {node["class_type"] for node in given.values()}
    result = host.run(given)
    assert result.success, (result.errors, result.messages[-1])
    assert result.outputs
