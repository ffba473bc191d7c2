"""A headless Chromium for tests that need ComfyUI's front end: found on PATH, else they are skipped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def path() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} on PATH", allow_module_level=True)
    return found


class Page:
    """One tab, spoken to by the DevTools protocol."""

    def __init__(self, socket):
        self._socket, self._last = socket, 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json(timeout=60)
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript, awaited there."""
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, json.dumps(result["exceptionDetails"])[:2000]
        return result["result"].get("value")

    async def until(self, script: str, seconds: float = 60) -> None:
        for _ in range(int(4 * seconds)):
            if await self.evaluate(script):
                return
            await asyncio.sleep(0.25)
        raise AssertionError(f"not true after {seconds} s: {script}")


@contextlib.asynccontextmanager
async def open_page(url: str) -> AsyncIterator[Page]:
    import aiohttp  # ComfyUI brings it

    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        "--window-size=1600,1000",
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path(), *options, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)  # noqa: S603
        try:
            for line in process.stderr:
                if "DevTools listening on" in line:
                    break
            address = line.split(" on ws://")[1].split("/")[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://{address}/json/list") as answer:
                    tabs = await answer.json(content_type=None)
                target = next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"]
                async with session.ws_connect(target, max_msg_size=0) as socket:
                    page = Page(socket)
                    await page.call("Page.navigate", url=url)
                    await page.until("document.readyState === 'complete'")
                    yield page
        finally:
            process.terminate()
            process.wait(20)
