"""How other nodes of a workflow use the outputs of one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import is_link

import nodes

from ..smcd_core.errors import SMCDError

SIZE = ("width", "height", "length")

_Reader = tuple[str, int, Mapping[str, Any]]  # id of a node, the output that it reads, and what it is


class NodeWithReaders(io.ComfyNode):
    """A node that looks at its readers, so that it runs again when their numbers change: see `note_readers`."""

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        return ""  # of a prompt that no page or script posted


def other_videos(node: Any, slots: Sequence[int], own: Mapping[str, int], needs: Sequence[str] = ()) -> Iterator[str]:
    """Name each node that reads some outputs and makes a video of another size or length than theirs.

    node   the class that the host gives to `execute`
    slots  the outputs that are for a video of `own` size
    own    width, height and length
    needs  inputs that a node without them makes no video: pictures are also read by nodes that resize them
    """
    prompt = prompt_of(node)
    # One that reads several of the outputs is named once.
    readers = {key: reader for key, slot, reader in _own_readers(node) if slot in slots}
    for reader in readers.values():
        given = reader["inputs"]
        numbers = {name: _number(prompt, given.get(name)) for name in own}
        told = {name: value for name, value in numbers.items() if value is not None}
        is_video = all(name in given for name in needs)
        if is_video and any(value != own[name] for name, value in told.items()):
            made = ", ".join(f"{name} {value}" for name, value in told.items())
            width, height, length = (own[name] for name in SIZE)
            yield (
                f"{reader['class_type']} makes a video of {made}, but this is for {width} x {height} pixels and "
                f"{length} frames"
            )


def refuse_ati(node: Any, coordinates: int) -> None:
    """Stop if WanTrackToVideo reads `coordinates`, an output with one point for each frame."""
    if any(slot == coordinates and reader["class_type"] == "WanTrackToVideo" for _, slot, reader in _own_readers(node)):
        raise SMCDError(
            "WanTrackToVideo reads 121 points for each object, and coordinates has one for each frame: give it "
            "coordinates_121 of SMCD Tracks"
        )


def prompt_of(node: Any) -> Mapping[str, Any]:
    """The prompt that a node runs in; empty where a script calls it."""
    return (node.hidden and node.hidden.prompt) or {}


def note_readers(json_data: dict[str, Any]) -> dict[str, Any]:
    """Note the numbers of its readers as the fingerprint of each node that looks at them.

    The host compares a node's own inputs and its fingerprint, and shows the prompt to no node that it asks for one. So
    this is called with what was posted, whatever that is, before the host looks at it.
    """
    prompt = json_data.get("prompt")
    for node_id, node in prompt.items() if isinstance(prompt, dict) else ():
        kind = nodes.NODE_CLASS_MAPPINGS.get(node.get("class_type")) if isinstance(node, dict) else None
        if kind and issubclass(kind, NodeWithReaders):
            node["is_changed"] = [
                [slot, reader.get("class_type"), *(_number(prompt, reader["inputs"].get(name)) for name in SIZE)]
                for _, slot, reader in _readers(prompt, node_id)
            ]
    return json_data


def _own_readers(node: Any) -> Iterator[_Reader]:
    prompt = prompt_of(node)
    return _readers(prompt, node.hidden.unique_id) if prompt else iter(())


def _readers(prompt: Mapping[str, Any], node_id: str) -> Iterator[_Reader]:
    """The nodes that a node gives something to, once for each input. The prompt may be anything that was posted."""
    for key, reader in prompt.items():
        given = reader.get("inputs") if isinstance(reader, dict) else None
        for value in given.values() if isinstance(given, dict) else ():
            if is_link(value) and value[0] == node_id:
                yield key, value[1], reader


def _number(prompt: Mapping[str, Any], value: Any) -> int | None:
    """A number of a widget, or of the primitive that is linked to it; None if only a run tells."""
    if is_link(value):
        source = prompt.get(value[0])
        value = source["inputs"].get("value") if source and source["class_type"] == "PrimitiveInt" else None
    return value if isinstance(value, int) else None
