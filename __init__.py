"""The SMCD node pack for ComfyUI."""

WEB_DIRECTORY = "./web"


def comfy_entrypoint():
    """Called by ComfyUI when it starts. Imported here: tests import this file where there is no ComfyUI."""
    from .nodes import SMCDExtension

    return SMCDExtension()
