"""The extension that ComfyUI loads, with its nodes in the order of a workflow."""

from comfy_api.latest import ComfyExtension, io

from .box_files import SMCDLoadBoxes
from .boxes import SMCDDraw, SMCDExport, SMCDFromBoxes
from .check import SMCDCheck
from .conditioning import SMCDConditioning, SMCDImage, SMCDMotion
from .download import add_routes
from .generate import SMCDGenerate
from .guides import SMCDCutAndDrag, SMCDTracks
from .guides_drawn import SMCDGuideVideo, SMCDRegionalPrompt
from .loader import SMCDLoad, register_model_folder
from .metrics import SMCDMetrics
from .readers import note_readers
from .sampling import SMCDGuider, SMCDLongVideo, SMCDSampler
from .trajectory import SMCDExample, SMCDTrajectory, serve_examples

NODES: list[type[io.ComfyNode]] = [
    SMCDLoad,
    SMCDExample,
    SMCDTrajectory,
    SMCDFromBoxes,
    SMCDLoadBoxes,
    SMCDConditioning,
    SMCDMotion,
    SMCDImage,
    SMCDGuider,
    SMCDSampler,
    SMCDLongVideo,
    SMCDGenerate,
    SMCDDraw,
    SMCDExport,
    SMCDTracks,
    SMCDCutAndDrag,
    SMCDGuideVideo,
    SMCDRegionalPrompt,
    SMCDMetrics,
    SMCDCheck,
]


class SMCDExtension(ComfyExtension):
    async def on_load(self) -> None:
        from server import PromptServer

        register_model_folder()
        if server := getattr(PromptServer, "instance", None):  # Python programs use nodes without one
            serve_examples(server)
            add_routes(server)
            server.add_on_prompt_handler(note_readers)

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
