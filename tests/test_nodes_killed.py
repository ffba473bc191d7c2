"""kill -9 of ComfyUI while SMCD writes: what has its name is complete, and the next server goes on."""

import json
import os
import random
import signal
import time

import host
import numpy as np
import pytest

from smcd_core.trajectory.files import read_trajectory

host.start()

MOMENTS = 20
FORMATS = ["json", "csv", "mot", "wan_move", "got10k"]  # got10k is a folder for each object
POINTS = 120  # on the 32 objects
OBJECTS = {"got10k": 1, "wan_move": POINTS}  # of a file, where not all
SIZE = {"width": 320, "height": 240}


def exports(formats):
    """A prompt that saves 32 objects of 256 frames as a file of each format."""
    tracks = [
        {
            "phrase": "dog",
            "keys": [{"frame": f, "box": [x + f / 5000, y, x + f / 5000 + 0.05, y + 0.1]} for f in range(256)],
        }
        for x in np.arange(8) / 8
        for y in np.arange(4) / 4
    ]
    document = {"version": 1, **SIZE, "frames": 256, "objects": tracks}
    nodes = {"1": {"class_type": "SMCD_Trajectory", "inputs": {"text": json.dumps(document)}}}
    for n, format in enumerate(formats, 2):
        inputs = {"trajectory": ["1", 0], "format": format, "filename_prefix": f"a/{format}", **SIZE}
        nodes[str(n)] = {"class_type": "SMCD_Export", "inputs": inputs}
    return nodes


def check_all(output):
    """Read each file that has its name; return how many there are. Temporary files are hidden."""
    count = 0
    for path in output.rglob("*"):
        if path.name.startswith(".") or path.suffix == ".tmp" or path.parent != output / "a":
            continue
        if "visibility" in path.name:
            assert np.load(path).shape == (1, 256, POINTS)
            continue
        trajectory, _ = read_trajectory(path, **SIZE)
        objects = next((count for start, count in OBJECTS.items() if path.name.startswith(start)), 32)
        assert (len(trajectory.objects), trajectory.frames) == (objects, 256), path.name
        if path.suffix == ".npy":  # without it, all points would be visible
            assert path.with_name(path.name.replace("tracks", "visibility")).is_file()
        count += 1
    return count


@pytest.mark.slow
def test_a_killed_server_leaves_nothing_half_written_and_the_next_one_works(tmp_path):
    moments = random.Random(0)  # noqa: S311  not for secrets
    options = ["--disable-all-custom-nodes", "--whitelist-custom-nodes", "smcd"]
    seconds, found = 0.0, []
    for number in range(MOMENTS + 1):
        with host.serve(tmp_path, *options) as server:
            began = time.perf_counter()
            if number == 0:
                assert host.watch(server, exports(FORMATS)).events[-1][0] == "execution_success"
                seconds = time.perf_counter() - began
            else:
                for _ in range(3):
                    host.ask(server, "/prompt", {"prompt": exports(moments.sample(FORMATS, len(FORMATS)))})
                time.sleep(moments.uniform(0, seconds))
                os.kill(server.pid, signal.SIGKILL)
        found.append(check_all(tmp_path / "output"))
        (tmp_path / "custom_nodes" / "smcd").unlink()
    assert found[0] >= len(FORMATS) and len({*found}) > MOMENTS // 4  # it was killed while it wrote
    with host.serve(tmp_path, *options) as server:
        assert host.watch(server, exports(FORMATS)).events[-1][0] == "execution_success"
    assert check_all(tmp_path / "output") > found[-1]
