"""The button of Load SMCD that fetches the released weights: its three routes, and the one download they control.

What can be fetched, from where and to where is fixed: the list in smcd_core.weights.published and the host's model
folders. A request can only name weights of that list, to say that their licences were read and accepted. It has to be a
POST with JSON, which no page of another origin can send: the host refuses other origins and answers no preflight.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import folder_paths

from ..smcd_core.weights.download import DownloadError, Item, Stopped, by_hand, fetch, plan
from ..smcd_core.weights.published import ALL, FOR_COMFYUI

ROUTE = "/smcd/download"


class Download(threading.Thread):
    """Fetches files one after the other; `state` is what the page shows of it."""

    def __init__(self, items: list[Item]):
        super().__init__(name="smcd download", daemon=True)  # an end of the host is no harm: it goes on next time
        self._items = items
        self._stop_asked = threading.Event()
        self.state: dict[str, Any] = {"state": "running", "file": "", "done": 0, "size": 0, "message": "", "hand": []}

    def stop(self) -> None:
        self._stop_asked.set()

    def run(self) -> None:
        try:
            for number, item in enumerate(self._items, 1):
                self._show(file=f"{item.path.name} ({number}/{len(self._items)})", done=0, size=int(item.file.size))
                fetch(item, self._progress)
        except Stopped:
            self._show(state="stopped")
        except (DownloadError, OSError, ImportError) as error:
            rest = [item for item in self._items if not item.is_there]
            self._show(state="failed", message=str(error), hand=by_hand(rest))
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
        self.state = {**self.state, **changes}  # another object, as it is read in other threads


_download: Download | None = None


def add_routes() -> None:
    """There is no server where nodes are used from Python."""
    from aiohttp import web
    from server import PromptServer

    if not (instance := getattr(PromptServer, "instance", None)):
        return

    @instance.routes.get(ROUTE)
    async def tell(request: web.Request) -> web.Response:
        return web.json_response({"weights": _weights(), "download": _download and _download.state})

    @instance.routes.post(ROUTE)
    async def start(request: web.Request) -> web.Response:
        global _download
        names = await _accepted(request)
        if names is None:
            expected = '{"licences_accepted": [...]} with some of ' + ", ".join(FOR_COMFYUI)
            return web.json_response({"error": f"expected JSON: {expected}"}, status=400)
        if _download is not None and _download.is_alive():
            return web.json_response({"error": "a download is running already"}, status=409)
        _download = Download(_items(names))
        _download.start()
        return web.json_response(_download.state, status=202)

    @instance.routes.post(f"{ROUTE}/stop")
    async def stop(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return web.json_response({"error": "expected JSON"}, status=400)
        if _download is not None:
            _download.stop()
        return web.json_response(_download and _download.state)


async def _accepted(request) -> list[str] | None:
    if request.content_type != "application/json":
        return None
    try:
        body = await request.json()
    except ValueError:
        return None
    names = body.get("licences_accepted") if isinstance(body, dict) else None
    if not isinstance(names, list) or not names or not all(name in FOR_COMFYUI for name in names):
        return None
    return [name for name in FOR_COMFYUI if name in names]


def _items(names: list[str]) -> list[Item]:
    return plan(names, lambda place: Path(folder_paths.get_folder_paths(place)[0]))


def _weights() -> list[dict[str, Any]]:
    """What there is to fetch for ComfyUI."""
    found = []
    for name in FOR_COMFYUI:
        weights = ALL[name]
        shown = {key: getattr(weights, key) for key in ("name", "title", "use", "page", "licence")}
        found.append({**shown, "files": [item.to_dict() for item in _items([name])]})
    return found
