"""A hub on this machine that speaks what huggingface_hub asks for, and copies of the program that know its files.

The hub answers a question for a large file with a redirection to another host and the file's sha256, as the real one
does, and for a small one with the file itself. It can stall, damage and refuse.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

from smcd_core.weights.published import ALL

ROOT = Path(__file__).parent.parent
SMALL = (".json", ".txt")  # kept by git itself, not by its extension for large files
PATCH = """

from dataclasses import replace as _replace

_KNOWN = {known}
for _name, _files in _KNOWN.items():
    _changed = tuple(_replace(_file, **_files[_file.name]) for _file in ALL[_name].files)
    ALL[_name] = _replace(ALL[_name], files=_changed)
"""


class FakeHub:
    """A running hub; use it as a context manager.

    contents   bytes by (name of the weights, name of the file)
    url        for HF_ENDPOINT
    asked      (method, path, headers) of all requests
    stall_at   sends no more than so many bytes of a large file, and waits for `go_on`
    damage     changes a byte of each large file
    status     answers everything with that
    """

    def __init__(self, contents: dict[tuple[str, str], bytes]):
        self.contents = contents
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.stall_at: int | None = None
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self.damage, self.status = False, 200
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                hub._answer(self)

            def do_GET(self):
                hub._answer(self)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> FakeHub:
        return self

    def __exit__(self, *_exception) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def fetched(self) -> list[SimpleNamespace]:
        """Of each large file: its sha256, and the first byte that was asked for."""
        found = []
        for method, path, headers in self.asked:
            if method == "GET" and path.startswith("/cdn/"):
                match = re.match(r"bytes=(\d+)-", headers.get("range", ""))
                found.append(SimpleNamespace(sha256=path.split("/")[2], start=int(match[1]) if match else 0))
        return found

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.command, request.path, headers))
        if self.status != 200:
            _send(request, self.status, {}, b"")
        elif match := re.fullmatch(r"/cdn/([0-9a-f]{64})", request.path):
            (content,) = {one for one in self.contents.values() if _sha256(one) == match[1]}
            self._send_large(request, content)
        else:
            self._resolve(request)

    def _resolve(self, request: BaseHTTPRequestHandler) -> None:
        for (name, file), content in self.contents.items():
            weights = ALL[name]
            if request.path != f"/{weights.repository}/resolve/{weights.revision}/{file}":
                continue
            commit = {"X-Repo-Commit": weights.revision}
            if file.endswith(SMALL):
                _send(request, 200, {**commit, "ETag": f'"{_git_sha1(content)}"'}, content)
                return
            large = {"X-Linked-Etag": f'"{_sha256(content)}"', "X-Linked-Size": str(len(content))}
            location = f"http://localhost:{self.port}/cdn/{_sha256(content)}"
            _send(request, 302, {**commit, **large, "Location": location}, b"")
            return
        _send(request, 404, {"X-Error-Code": "EntryNotFound"}, b"")

    def _send_large(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        if self.damage:
            content = content[:-1] + bytes([content[-1] ^ 1])
        match = re.match(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if match else {}
        if self.stall_at is None or self.stall_at >= len(content):
            _send(request, 206 if match else 200, headers, content[start:])
            return
        _send(request, 206 if match else 200, headers, content[start : self.stall_at], len(content) - start)
        request.wfile.flush()
        self.stalled.set()
        self.go_on.wait(60)
        request.close_connection = True


def _send(request, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command == "GET":
        try:
            request.wfile.write(body)
        except ConnectionError:
            request.close_connection = True  # who asked was killed


def random_contents(size: int = 3000, big: int = 0) -> dict[tuple[str, str], bytes]:
    """Of all files that there are to fetch; `big` is the size of the released UNet."""
    sizes = {("smcd", "pytorch_model.bin"): big or size}
    return {
        (name, file.name): _noise(f"{weights.repository} {file.name}", sizes.get((name, file.name), size))
        for name, weights in ALL.items()
        for file in weights.files
    }


def _noise(seed: str, size: int) -> bytes:
    block = hashlib.sha256(seed.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def copy_program(folder: Path, contents: dict[tuple[str, str], bytes], *, whole: bool = False) -> Path:
    """A copy in which the published files have the sizes and checksums of `contents`; whole: the pack for ComfyUI."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("smcd_core", "models", "demo", *(("nodes", "web") if whole else ())):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "__init__.py", folder)
    known: dict[str, dict[str, dict[str, object]]] = {}
    for (name, file), content in contents.items():
        pinned = next(one for one in ALL[name].files if one.name == file).sha256
        known.setdefault(name, {})[file] = {"size": len(content), "sha256": _sha256(content) if pinned else None}
    table = folder / "smcd_core" / "weights" / "published.py"
    table.write_text(table.read_text(encoding="utf-8") + PATCH.format(known=repr(known)), encoding="utf-8")
    return folder


def released_contents(folder: Path) -> dict[tuple[str, str], bytes]:
    """Real networks, small: a release, and the folder for --components."""
    from tiny_bundle import CONFIG, bare, tiny_text, write_components

    from smcd_core.networks.text import tokenizer_files
    from smcd_core.weights.export import write_released

    # What a release is without a configuration beside it.
    write_released(folder / "released", bare(replace(CONFIG, norm_groups=32, num_heads=8, head_dim=4, box_slots=8)))
    contents = {("smcd", file.name): (folder / "released" / file.name).read_bytes() for file in ALL["smcd"].files}
    home = write_components(folder / "components")
    tokenizer = tokenizer_files(tiny_text().tokenizer)
    written = {
        "tokenizer/vocab.json": json.dumps(tokenizer["vocab"]),
        "tokenizer/merges.txt": "\n".join(["#version: 0.2", *tokenizer["merges"], ""]),
        "tokenizer/special_tokens_map.json": "{}",
        "tokenizer/tokenizer_config.json": '{"tokenizer_class": "CLIPTokenizer"}',
    }
    for file in ALL["components"].files:
        name = file.target.split("/", 1)[1]
        contents["components", file.name] = written[name].encode() if name in written else (home / name).read_bytes()
    return contents


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
