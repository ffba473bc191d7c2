"""In a fresh ComfyUI: what loading the pack takes from the host, and what it leaves alone."""

import json
import subprocess
import sys
from pathlib import Path

import host
import pytest

host.start()  # skips where there is no ComfyUI
pytestmark = pytest.mark.slow  # a host of its own

PROBE = Path(__file__).parent / "import_probe.py"
# They take seconds to import, and no node needs them before it runs.
HEAVY = {"accelerate", "av", "diffusers", "huggingface_hub", "matplotlib", "scipy", "transformers"}


@pytest.fixture(scope="module")
def found():
    """By a process of its own, which fails if anything opens a connection."""
    command = [sys.executable, str(PROBE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)  # noqa: S603
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_pack_is_imported_and_asked_for_its_nodes_in_under_a_second(found):
    """Measured: 0.07 s. Time of the CPU and not of the clock, as tests share their machine; imports are read from disk
    that was read before.
    """
    assert found["loaded"] and found["seconds"] < 1
    assert HEAVY.isdisjoint(found["packages"])


def test_the_pack_adds_its_nodes_and_its_folder_and_nothing_else(found):
    assert found["folders"] == ["smcd"]
    assert found["nodes"] == sorted(node.define_schema().node_id for node in host.pack_module("nodes").NODES)


def test_loading_exchanges_nothing_in_the_host_and_sets_nothing_for_the_process(found):
    """Nothing in the host even by the modules that come with the first run."""
    assert found["exchanged"] == [] and found["settings"] == []
    # Its own modules have the pack's folder in their names: none stands in the way of another pack's.
    taken = {path.stem for path in host.PACK.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert taken >= {"nodes", "smcd_core"}
    assert not [name for name in found["modules"] if name.partition(".")[0] in taken]
