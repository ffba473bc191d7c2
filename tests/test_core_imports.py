"""Dependencies point one way."""

import ast
from pathlib import Path

import pytest

import smcd_core

ROOT = Path(smcd_core.__file__).parent
MODULES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
# What a file may import from the package, itself aside. Networks know nothing of files, files nothing of training.
BASE = {"config"}
NETWORKS = BASE | {"attention", "motion", "image", "blocks", "unet", "model", "reuse"}
BOXES = {"trajectory", "trajectory_formats"}
FILES = {"weight_files"}
LEVELS = {
    "config": set(),
    "trajectory": set(),
    "metrics": set(),
    "diffusion": set(),
    "weight_files": set(),
    "text": set(),
    "trajectory_formats": {"trajectory"},
    "video": FILES,
    "color_match": {"metrics"},
    "features": FILES,
    "detectors": FILES | {"features"},
    "attention": BASE,
    "motion": BASE | {"attention"},
    "image": BASE | {"attention"},
    "blocks": BASE | {"attention", "motion", "image"},
    "unet": NETWORKS - {"unet", "model", "reuse"},
    "model": NETWORKS - {"model", "reuse"},
    "reuse": NETWORKS - {"model", "reuse"},
    "layouts": BASE,
    "checkpoint": NETWORKS | FILES | {"layouts"},
    "defaults": FILES | {"checkpoint"},
    "hub_files": set(),
    "hub": {"hub_files"},
    "report": BASE | FILES | {"checkpoint", "defaults", "hub", "hub_files", "layouts"},
    "trajectory_inputs": {"trajectory"},
    "components": FILES | {"checkpoint", "text"},
    "pipeline": NETWORKS | BOXES | {"checkpoint", "color_match", "components", "defaults", "diffusion", "text"},
}
# Only these and data may import anything else.
ABOVE = {"training", "evaluation", "evaluation_plots", "ablation", "ablation_report", "commands", "__main__"}


def imports(text, package):
    """Names in the package, as in LEVELS, that the text of a file in `package` may import: at its top or later."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*home, node.module] if node.module else home)
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


def imports_of(name):
    return set(imports(MODULES[name].read_text(encoding="utf-8"), ["smcd_core", *name.split("/")[:-1]]))


def own(names):
    """Those in this package, as in LEVELS: data/clip."""
    return {name.removeprefix("smcd_core.").replace(".", "/") for name in names} & set(MODULES)


def test_relative_absolute_and_late_imports_are_seen():
    late = "def f():\n    import smcd_core.pipeline\n    import comfy.ops\n"
    text = f"from ..training import train\nfrom . import info\n{late}"
    found = set(imports(text, ["smcd_core", "commands"]))
    assert own(found) == {"training", "commands/info", "pipeline"} and "comfy.ops" in found


@pytest.mark.parametrize("name", MODULES)
def test_the_core_imports_neither_the_host_nor_what_is_built_on_it(name):
    roots = {found.split(".")[0] for found in imports_of(name)}
    assert not roots & {"comfy", "comfy_api", "comfy_execution", "nodes", "folder_paths", "tests"}


@pytest.mark.parametrize("name", LEVELS)
def test_a_file_imports_only_what_lies_below_it(name):
    assert own(imports_of(name)) <= LEVELS[name], sorted(own(imports_of(name)) - LEVELS[name])


@pytest.mark.parametrize("name", sorted(set(MODULES) - ABOVE))
def test_nothing_below_imports_training_or_the_command_line(name):
    if name.split("/")[0] not in ABOVE:
        assert not {found.split("/")[0] for found in own(imports_of(name))} & ABOVE


def test_public_names_exist_and_load_on_first_use():
    for name in smcd_core.__all__:
        assert getattr(smcd_core, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        smcd_core.nothing  # noqa: B018
    assert "SMCDPipeline" in dir(smcd_core)
