"""Remarks of a run: in the log, and on the node that they are about."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import server

from ...smcd_core.terminal import inert

_SHOWN: set[tuple[str, str]] = set()  # page and node that show one


def remark(node: type, lines: Sequence[str]) -> None:
    """Show lines on a node in place of those of its last run. `node` is the class that the host gives to `execute`.

    The host shows two lines of about 35 letters before it scrolls, so each begins with what matters. Only the page that
    started the run shows them: another may have a node of the same id.
    """
    for line in lines:
        logging.getLogger("smcd").warning("%s", inert(line))
    node_id = getattr(node.hidden, "unique_id", None)
    page = getattr(server.PromptServer, "instance", None)
    client = getattr(page, "client_id", None)
    if client is None or node_id is None or not (lines or (client, node_id) in _SHOWN):
        return
    page.send_progress_text("\n".join(f"{line[0].upper()}{line[1:]}." for line in lines), node_id, client)
    _SHOWN.add((client, node_id))
