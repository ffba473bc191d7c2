"""Run on its own by test_nodes_import.py: load the pack into a fresh host, and print as JSON what that changed.

Any way to the network is an error from before the pack is loaded until the end.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
import time
import warnings
from types import ModuleType
from typing import Any

import host
import torch

# What the host has when it comes to the packs.
HOST_MODULES = ("nodes", "execution", "server", "folder_paths", "node_helpers", "comfy_api.latest")


def no_network(event: str, arguments: tuple) -> None:
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        raise PermissionError(f"{event} {arguments}")


def attributes() -> dict[str, Any]:
    """Everything in the host's modules, and in their classes: what a pack could exchange."""
    found = {}
    for name, module in list(sys.modules.items()):
        if not str(getattr(module, "__file__", "")).startswith(str(host.HOST)):
            continue
        for attribute, value in vars(module).items():
            if isinstance(value, ModuleType) or attribute.startswith("__"):
                continue  # a module of the host that is imported for the first time appears in its package
            found[f"{name}.{attribute}"] = value
            if isinstance(value, type) and value.__module__ == name:
                members = {f"{name}.{attribute}.{member}": inner for member, inner in vars(value).items()}
                found |= {key: inner for key, inner in members.items() if not key.endswith("__")}
    return found


def settings() -> dict[str, Any]:
    """State that is global to the process."""
    return {
        "path": list(sys.path),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "torch": (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), torch.initial_seed()),
    }


def main() -> None:
    sys.path.insert(0, str(host.HOST))
    importlib.import_module("comfy.cli_args").args.cpu = True
    importlib.import_module("utils.extra_config")  # as main.py does: later comfy/utils.py may have that name
    nodes, *_ = (importlib.import_module(name) for name in HOST_MODULES)
    folders = importlib.import_module("folder_paths").folder_names_and_paths
    attributes_before, settings_before = attributes(), settings()
    modules_before, nodes_before, folders_before = set(sys.modules), set(nodes.NODE_CLASS_MAPPINGS), set(folders)
    sys.addaudithook(no_network)

    start = time.process_time()
    loaded = asyncio.run(nodes.load_custom_node(str(host.PACK)))
    seconds = time.process_time() - start
    settings_now = settings()
    packages = {name.partition(".")[0] for name in set(sys.modules) - modules_before}

    pack = str(host.PACK).replace(".", "_x_")
    for file in (host.PACK / "nodes").rglob("*.py"):
        name = ".".join(file.relative_to(host.PACK).with_suffix("").parts)
        importlib.import_module(f"{pack}.{name}")
    now = attributes()
    found = {
        "loaded": loaded,
        "seconds": seconds,
        "packages": sorted(packages),
        "modules": sorted(set(sys.modules) - modules_before),
        "exchanged": [name for name, value in attributes_before.items() if now.get(name) is not value],
        "settings": [name for name, value in settings_before.items() if settings_now[name] != value],
        "nodes": sorted(set(nodes.NODE_CLASS_MAPPINGS) - nodes_before),
        "folders": sorted(set(folders) - folders_before),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
