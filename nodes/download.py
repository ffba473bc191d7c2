"""Routes behind the download button of Load SMCD, and the one download that they control.

Addresses and folders are fixed: the list in smcd_core.weights.published and the host's model folders. A request can
only name weights of that list, to say that the user accepts their licences. It must be a POST with JSON, which pages of
other origins cannot send: the host refuses other origins and answers no preflight.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import folder_paths

from ..smcd_core.weights.download import PlannedFile, fetch, manual_lines, plan_downloads
from ..smcd_core.weights.hub import DownloadError, Stopped
from ..smcd_core.weights.published import ALL, FOR_COMFYUI

ROUTE = "/smcd/download"


class Download(threading.Thread):
    """Fetches files one after the other; the page shows its `state`."""

    def __init__(self, files: list[PlannedFile]):
        super().__init__(name="smcd download", daemon=True)  # ending the host is harmless: it resumes
        self._files = files
        self._stop_asked = threading.Event()
        self.state: dict[str, Any] = {"state": "running", "file": "", "done": 0, "size": 0, "message": "", "hand": []}

    def stop(self) -> None:
        self._stop_asked.set()

    def run(self) -> None:
        try:
            for number, planned in enumerate(self._files, 1):
                self._show(
                    file=f"{planned.path.name} ({number}/{len(self._files)})", done=0, size=int(planned.file.size)
                )
                fetch(planned, self._progress)
        except Stopped:
            self._show(state="stopped")
        except (DownloadError, OSError, ImportError) as error:
            rest = [planned for planned in self._files if not planned.is_there]
            self._show(state="failed", message=str(error), hand=manual_lines(rest))
        except Exception as error:
            self._show(state="failed", message=f"{type(error).__name__}: {error}")
            raise
        else:
            self._show(state="done")

    def _progress(self, done: int, size: int) -> None:
        if self._stop_asked.is_set():
            raise Stopped
        self._show(done=done, size=size)

    def _show(self, **changes: Any) -> None:
        self.state = {**self.state, **changes}  # a new dict: other threads read the old one


_download: Download | None = None


def add_routes(server: Any) -> None:
    """Add the routes to the host's server."""
    from aiohttp import web

    @server.routes.get(ROUTE)
    async def tell(request: web.Request) -> web.Response:
        return web.json_response({"weights": _weights(), "download": _download and _download.state})

    @server.routes.post(ROUTE)
    async def start(request: web.Request) -> web.Response:
        global _download
        names = await _accepted(request)
        if names is None:
            expected = '{"licences_accepted": [...]} with some of ' + ", ".join(FOR_COMFYUI)
            return web.json_response({"error": f"expected JSON: {expected}"}, status=400)
        if _download is not None and _download.is_alive():
            return web.json_response({"error": "a download is running already"}, status=409)
        _download = Download(_files(names))
        _download.start()
        return web.json_response(_download.state, status=202)

    @server.routes.post(f"{ROUTE}/stop")
    async def stop(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return web.json_response({"error": "expected JSON"}, status=400)
        if _download is not None:
            _download.stop()
        return web.json_response(_download and _download.state)


async def _accepted(request) -> list[str] | None:
    from aiohttp.web import RequestPayloadError

    if request.content_type != "application/json":
        return None
    try:
        body = await request.json()
    except (ValueError, LookupError, RecursionError, RequestPayloadError):
        # no JSON, an unknown charset, endless brackets, not packed as the request says
        return None
    names = body.get("licences_accepted") if isinstance(body, dict) else None
    if not isinstance(names, list) or not names or not all(name in FOR_COMFYUI for name in names):
        return None
    return [name for name in FOR_COMFYUI if name in names]


def _files(names: list[str]) -> list[PlannedFile]:
    return plan_downloads(names, lambda place: Path(folder_paths.get_folder_paths(place)[0]))


def _weights() -> list[dict[str, Any]]:
    """The weights for ComfyUI, as the page shows them."""
    found = []
    for name in FOR_COMFYUI:
        weights = ALL[name]
        shown = {key: getattr(weights, key) for key in ("name", "title", "use", "page", "licence")}
        found.append({**shown, "files": [planned.to_dict() for planned in _files([name])]})
    return found
