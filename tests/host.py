"""The real ComfyUI for tests/test_nodes_*.py: found by COMFYUI_PATH, else in ~/comfy/ComfyUI, else they are skipped.

It runs on the CPU: in this process without its server (`call`, `run`), or as a server of its own (`serve`).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

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
            importlib.import_module("utils.extra_config")  # as main.py does: later comfy/utils.py has that name
            modules = {name: importlib.import_module(name) for name in ("nodes", "execution", "folder_paths")}
        except ImportError as error:
            sys.path.remove(str(HOST))
            pytest.skip(f"ComfyUI in {HOST} needs its requirements in this Python ({error})", allow_module_level=True)
        asyncio.run(_load(modules["nodes"]))
        _started = SimpleNamespace(**modules, pack=sys.modules[str(PACK).replace(".", "_x_")])
    return _started


async def _load(nodes) -> None:
    # Of the host's own extra nodes those that the tests use.
    extras = [
        "custom_sampler",
        "context_windows",
        "video",
        "mask",
        "images",
        "primitive",
        "preview_any",
        "rtdetr",
        "model_merging",
        "torch_compile",
    ]
    for name in extras:
        await nodes.load_custom_node(str(HOST / "comfy_extras" / f"nodes_{name}.py"), module_parent="comfy_extras")
    assert await nodes.load_custom_node(str(PACK)), "the pack did not load; the log says why"


def pack_module(name: str):
    """A module of the pack (nodes.loader, smcd_core.networks.config) as the host has it, not the tests' copy."""
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
    """A server as the executor needs it; keeps the messages that it is sent."""

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


@contextlib.contextmanager
def serve(base: Path, *options: str) -> Iterator[SimpleNamespace]:
    """Run a server with its folders in `base`, and this pack beside those that are there.

    Gives url, base, log, a file, and pid.
    """
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir(exist_ok=True)
    (base / "custom_nodes" / "smcd").symlink_to(PACK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "main.py", "--cpu", "--port", str(port), "--base-directory", str(base), *options]
    found = SimpleNamespace(url=f"http://127.0.0.1:{port}", base=base, log=base / "log.txt")
    with found.log.open("w") as stream:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command += ["--database-url", "sqlite:///:memory:"]
        process = subprocess.Popen(command, cwd=HOST, stdout=stream, stderr=stream, env=environment)  # noqa: S603
    found.pid = process.pid
    try:
        _wait(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(20)


# Weights of other models, as few as their loaders need to know them by: those complain of the rest and go on.
OTHERS = {
    "checkpoints/sd1": {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3)},
    "diffusion_models/sd3": {
        "joint_blocks.0.context_block.attn.qkv.weight": torch.zeros(192, 64),
        "x_embedder.proj.weight": torch.zeros(64, 16, 2, 2),
        "context_embedder.weight": torch.zeros(64, 4096),
    },
    "text_encoders/clip_l": {f"text_model.encoder.layers.{n}.mlp.fc1.weight": torch.zeros(3072, 768) for n in (0, 1)},
    "vae/taesd3": {"taesd_decoder.1.weight": torch.zeros(64, 16, 3, 3)},
}
OTHER_PACK = """
class Other:
    INPUT_TYPES, RETURN_TYPES, FUNCTION = classmethod(lambda cls: {"required": {}}), (), "run"
NODE_CLASS_MAPPINGS = {"Other": Other}
"""


@contextlib.contextmanager
def serve_beside_others(base: Path) -> Iterator[SimpleNamespace]:
    """Run a server with models of several kinds, another pack, and a copy of this one that is broken.

    extra_model_paths.yaml adds smcd/small.safetensors, and smcd/bare.safetensors without CLIP and VAE.
    """
    # Here, as import_probe.py wants the host without anything of the pack.
    from small_bundle import write_small_bundle

    from smcd_core.weights.checkpoint import read_checkpoint, write_checkpoint

    path = write_small_bundle(base / "elsewhere" / "small.safetensors")
    whole = read_checkpoint(path)
    write_checkpoint(base / "elsewhere" / "bare.safetensors", whole.config, whole.weights, info=whole.info)
    (base / "paths.yaml").write_text(f"mine:\n  base_path: {base}\n  smcd: elsewhere\n")
    for name, tensors in OTHERS.items():
        file = base / "models" / f"{name}.safetensors"
        file.parent.mkdir(parents=True)
        save_file(tensors, file)
    packs = base / "custom_nodes"
    packs.mkdir()
    (packs / "other.py").write_text(OTHER_PACK)
    for name in ("nodes", "smcd_core"):
        shutil.copytree(PACK / name, packs / "broken" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACK / "__init__.py", packs / "broken")
    (packs / "broken" / "smcd_core" / "trajectory" / "document.py").write_text("import a_dependency_that_is_missing\n")
    options = ["--preview-method", "auto", "--extra-model-paths-config", str(base / "paths.yaml")]
    with serve(base, *options) as found:
        yield found


def _wait(server: SimpleNamespace, process: subprocess.Popen, seconds: int = 180) -> None:
    for _ in range(2 * seconds):
        assert process.poll() is None, server.log.read_text()[-3000:]
        try:
            ask(server, "/system_stats")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise AssertionError(f"not ready after {seconds} s: {server.log.read_text()[-3000:]}")


def ask(server: SimpleNamespace, path: str, body: Any = None) -> Any:
    """The JSON answer to a GET, or to a POST of `body`."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url + path, data, headers)  # noqa: S310  this machine's own server
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


ENDS = {"execution_success", "execution_error", "execution_interrupted"}


def watch(server: SimpleNamespace, prompt: dict[str, Any], client: str = "") -> SimpleNamespace:
    """Post a prompt and listen until it has ended, as the page `client` does, or a new one.

    Returns refused (the answer with status 400, else None), events (type, data), previews (node, JPEG or PNG) and
    texts (node, what is shown on it).
    """
    return asyncio.run(watching(server, prompt, client or uuid.uuid4().hex))


async def watching(server: SimpleNamespace, prompt: dict[str, Any], client: str) -> SimpleNamespace:
    """`watch`, beside other things."""
    import aiohttp

    found = SimpleNamespace(refused=None, events=[], previews=[], texts=[])
    timeout = aiohttp.ClientTimeout(total=180)
    async with aiohttp.ClientSession(server.url, timeout=timeout) as session:
        async with session.ws_connect(f"/ws?clientId={client}", max_msg_size=0) as socket:
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            async with session.post("/prompt", json={"prompt": prompt, "client_id": client}) as answer:
                if answer.status == 400:
                    found.refused = await answer.json()
                    return found
            async for message in socket:
                if message.type == aiohttp.WSMsgType.BINARY:
                    _add_binary(found, message.data)
                    continue
                event = json.loads(message.data)
                found.events.append((event["type"], event["data"]))
                if event["type"] in ENDS:
                    return found
    raise AssertionError(f"the server hung up after {found.events[-1:]}")


def _add_binary(found: SimpleNamespace, message: bytes) -> None:
    """4 bytes type, 4 bytes length of the head, head, body. Type 3 is a text with the node's id as its head, type 4 a
    preview with JSON as its head.
    """
    kind, length = struct.unpack(">II", message[:8])
    head, body = message[8 : 8 + length], message[8 + length :]
    assert kind in (3, 4), kind
    if kind == 3:
        found.texts.append((head.decode(), body.decode()))
    else:
        found.previews.append((json.loads(head)["node_id"], body))
