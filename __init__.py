"""The SMCD node pack for ComfyUI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import SMCDExtension

WEB_DIRECTORY = "./web"


def comfy_entrypoint() -> SMCDExtension:
    """Entry point of ComfyUI. Imports the nodes late: tests import this file without ComfyUI."""
    from .nodes import SMCDExtension

    return SMCDExtension()
