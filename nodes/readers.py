"""How other nodes of a workflow use the outputs of one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfy_execution.graph_utils import is_link


def other_videos(node: Any, slots: Sequence[int], own: Mapping[str, int], needs: Sequence[str] = ()) -> Iterator[str]:
    """Name each node that reads some outputs and makes a video of another size or length than theirs.

    node   the class that the host gives to `execute`
    slots  the outputs that are for a video of `own` size
    own    width, height and length
    needs  inputs that a node without them makes no video: pictures are also read by nodes that resize them

    The host runs a node again when its own inputs change, so it may miss a change of the other node alone.
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


def _number(prompt: Mapping[str, Any], value: Any) -> int | None:
    """A number of a widget, or of the primitive that is linked to it; None if only a run tells."""
    if is_link(value):
        source = prompt.get(value[0])
        value = source["inputs"].get("value") if source and source["class_type"] == "PrimitiveInt" else None
    return value if isinstance(value, int) else None
