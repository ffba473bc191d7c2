"""How other nodes of a workflow use the outputs of one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import is_link

import nodes

from ..smcd_core.errors import SMCDError

SIZE = ("width", "height", "length")


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
    if node.hidden is None or node.hidden.prompt is None:  # where a script calls the node
        return
    prompt, outputs = node.hidden.prompt, [[node.hidden.unique_id, slot] for slot in slots]
    for reader in prompt.values():
        given = reader["inputs"]
        numbers = {name: _number(prompt, given.get(name)) for name in own}
        told = {name: value for name, value in numbers.items() if value is not None}
        is_reader = any(value in outputs for value in given.values()) and all(name in given for name in needs)
        if is_reader and any(value != own[name] for name, value in told.items()):
            made = ", ".join(f"{name} {value}" for name, value in told.items())
            width, height, length = (own[name] for name in ("width", "height", "length"))
            yield (
                f"{reader['class_type']} makes a video of {made}, but this is for {width} x {height} pixels and "
                f"{length} frames"
            )


def refuse_ati(node: Any, coordinates: int) -> None:
    """Stop if WanTrackToVideo reads `coordinates`, an output with one point for each frame."""
    if node.hidden is None or node.hidden.prompt is None:
        return
    for slot, kind, *_ in _readers(node.hidden.prompt, node.hidden.unique_id):
        if slot == coordinates and kind == "WanTrackToVideo":
            raise SMCDError(
                "WanTrackToVideo reads 121 points for each object, and coordinates has one for each frame: give it "
                "coordinates_121 of SMCD Tracks"
            )


def watch_prompts() -> None:
    """Note the readers of each prompt that a page or a script posts. Python programs use nodes without a server."""
    from server import PromptServer

    if instance := getattr(PromptServer, "instance", None):
        instance.add_on_prompt_handler(note_readers)


def note_readers(json_data: dict[str, Any]) -> dict[str, Any]:
    """Note the numbers of its readers as the fingerprint of each node that looks at them.

    The host compares a node's own inputs and its fingerprint, and shows the prompt to no node that it asks for one. So
    this is called with what was posted, whatever that is, before the host looks at it.
    """
    prompt = json_data.get("prompt")
    for node_id, node in prompt.items() if isinstance(prompt, dict) else ():
        kind = nodes.NODE_CLASS_MAPPINGS.get(node.get("class_type")) if isinstance(node, dict) else None
        if kind and issubclass(kind, NodeWithReaders):
            node["is_changed"] = _readers(prompt, node_id)
    return json_data


def _readers(prompt: Mapping[str, Any], node_id: str) -> list[list[Any]]:
    """[output, type, width, height, length] for each input that a node gives something to."""
    given = [node for node in prompt.values() if isinstance(node, dict) and isinstance(node.get("inputs"), dict)]
    return [
        [value[1], reader.get("class_type"), *(_number(prompt, reader["inputs"].get(name)) for name in SIZE)]
        for reader in given
        for value in reader["inputs"].values()
        if is_link(value) and value[0] == node_id
    ]


def _number(prompt: Mapping[str, Any], value: Any) -> int | None:
    """A number of a widget, or of the primitive that is linked to it; None if only a run tells."""
    if is_link(value):
        source = prompt.get(value[0])
        value = source["inputs"].get("value") if source and source["class_type"] == "PrimitiveInt" else None
    return value if isinstance(value, int) else None
