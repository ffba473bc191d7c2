"""What is installed and what is missing, without leaving ComfyUI."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io, ui


class SMCDCheck(io.ComfyNode):
    """smcd info, of the folders that ComfyUI uses."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SMCD_Check",
            display_name="SMCD Check",
            category="SMCD",
            description="Reports what is installed and which weights are found, missing or damaged, with exact names "
            "and folders, and what to do next. Run it when something does not work, and paste its text into your bug "
            "report.",
            search_aliases=["info", "diagnose", "missing models", "versions"],
            inputs=[
                io.Boolean.Input(
                    "verify",
                    default=False,
                    advanced=True,
                    tooltip="Also check published weights by their sha256. Reads them completely: a minute for 10 GB.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="text", tooltip="The text on the node, for Save Text or Preview as Text.")
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, verify: bool) -> io.NodeOutput:
        from ..smcd_core.doctor import PLACES, as_text, report
        from .host.saved import read_any_checkpoint

        folders = {place: [Path(folder) for folder in folder_paths.get_folder_paths(place)] for place in PLACES}
        text = as_text(report(folders, comfyui=_version(), read=read_any_checkpoint, verify=verify))
        return io.NodeOutput(text, ui=ui.PreviewText(text))

    @classmethod
    def fingerprint_inputs(cls, verify: bool) -> float:
        """Never the same: files come and go."""
        return float("nan")


def _version() -> str | None:
    try:
        from comfyui_version import __version__
    except ImportError:  # it has not always been there
        return None
    return __version__
