"""The real ComfyUI for tests/test_nodes_*.py: found by COMFYUI_PATH, else in ~/comfy/ComfyUI, else they are skipped.

It runs in this process on the CPU, without its server.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

PACK = Path(__file__).parent.parent
HOST = Path(os.environ.get("COMFYUI_PATH", Path.home() / "comfy" / "ComfyUI"))
_started: SimpleNamespace | None = None


def start() -> SimpleNamespace:
    """Import the host and load the pack into it, once. Skips the calling module where that cannot be."""
    global _started
    if _started is None:
        if not (HOST / "main.py").is_file():
            pytest.skip(f"no ComfyUI in {HOST}: set COMFYUI_PATH", allow_module_level=True)
        # Before the pack's root, whose folder `nodes` would hide the host's module of that name.
        sys.path.insert(0, str(HOST))
        try:
            options = importlib.import_module("comfy.cli_args").args
            options.cpu = True
            modules = {name: importlib.import_module(name) for name in ("nodes", "execution", "folder_paths")}
        except ImportError as error:
            sys.path.remove(str(HOST))
            pytest.skip(f"ComfyUI in {HOST} needs its requirements in this Python ({error})", allow_module_level=True)
        asyncio.run(_load(modules["nodes"]))
        _started = SimpleNamespace(**modules, pack=sys.modules[str(PACK).replace(".", "_x_")])
    return _started


async def _load(nodes) -> None:
    # Of the host's own extra nodes those that the tests use.
    extras = ["custom_sampler", "context_windows", "video", "mask", "images", "rtdetr"]
    for name in extras:
        await nodes.load_custom_node(str(HOST / "comfy_extras" / f"nodes_{name}.py"), module_parent="comfy_extras")
    assert await nodes.load_custom_node(str(PACK)), "the pack did not load; the log says why"


def pack_module(name: str):
    """nodes.host, smcd_core.config ... as the host has them: not the copies that tests import under these names."""
    return importlib.import_module(f"{start().pack.__name__}.{name}")


def call(node_id: str, **inputs: Any) -> tuple:
    """The outputs of one node, under the host's inference mode; inputs left out take their defaults."""
    node = start().nodes.NODE_CLASS_MAPPINGS[node_id]
    given = _defaults(node) | inputs
    with torch.inference_mode():
        if hasattr(node, "GET_SCHEMA"):
            node.GET_SCHEMA()
            output = node.execute(**given)
            return tuple(output.result) if output.result is not None else ()
        return getattr(node(), node.FUNCTION)(**given)


def _defaults(node) -> dict[str, Any]:
    found = {}
    for name, spec in node.INPUT_TYPES().get("required", {}).items():
        options = spec[1] if len(spec) > 1 else {}
        if "default" in options:
            found[name] = options["default"]
        elif isinstance(spec[0], list):
            found[name] = spec[0][0]  # as the front end chooses
    return found


class _Server:
    """What the executor wants of a server; keeps the messages that it sends."""

    def __init__(self):
        self.client_id, self.last_node_id, self.last_prompt_id = "test", None, None
        self.sockets_metadata: dict = {}
        self.messages: list[tuple[str, Any]] = []

    def send_sync(self, event, data, sid=None):
        self.messages.append((event, data))


def run(prompt: dict[str, Any]) -> SimpleNamespace:
    """Validate and execute a prompt in the API format, as POST /prompt does.

    Returns success, errors (node errors of the validation), messages (of the run) and outputs (UI outputs by node).
    """
    execution = start().execution
    valid, error, outputs, node_errors = asyncio.run(execution.validate_prompt("test", prompt, None))
    if not valid:
        return SimpleNamespace(success=False, errors={"prompt": error, **node_errors}, messages=[], outputs={})
    server = _Server()
    arguments = {"lru": 0, "ram": 2.0, "ram_inactive": 24.0}
    executor = execution.PromptExecutor(server, cache_type=execution.CacheType.CLASSIC, cache_args=arguments)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(executor.execute_async(prompt, "test", {}, outputs))
    return SimpleNamespace(
        success=executor.success,
        errors={},
        messages=executor.status_messages,
        outputs=executor.history_result.get("outputs", {}),
    )
