"""Encoded clips that are not on a disk: shards of an object store or of the Hugging Face hub, fetched when needed.

The files are those that `smcd encode` writes. Each is some 30 MB that are read in one go, so they stream as well as
tars would, and need no second format; a dataset repository of the hub may hold them as they are.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from fnmatch import fnmatch
from posixpath import basename
from typing import Any

import fsspec
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ..errors import SMCDError
from .encoded import PATTERN, EncodedClips

_HEAD = 2**16  # bytes, with the header: names and shapes of six tensors, and the settings of the clips


class StreamedClips(EncodedClips):
    """Clips below a URL of fsspec, such as hf://datasets/OWNER/NAME/clips or s3://BUCKET/clips.

    at_once  shards to keep in memory, as many as the order of training draws from at a time

    Raises SMCDError as EncodedClips does, and where the URL cannot be read.
    """

    def __init__(self, url: str, at_once: int):
        self.url, self.at_once = url, at_once
        self._loaded: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        try:
            files, root = fsspec.core.url_to_fs(url)
            shards = sorted(path for path in files.find(root) if fnmatch(basename(path), PATTERN))
        except Exception as error:  # each file system raises its own
            raise SMCDError(f"{url}: cannot be read ({' '.join(str(error).split())[:200]})") from None
        self._index(url, shards)

    def _shapes(self, shard: Any) -> dict[str, list[int]]:
        head = self._fetch(shard, 0, _HEAD)
        size = int.from_bytes(head[:8], "little")
        try:
            header = json.loads(head[8 : 8 + size])
            shapes = {name: value["shape"] for name, value in header.items() if name != "__metadata__"}
            return {name: [int(size) for size in shape] for name, shape in shapes.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SMCDError(f"{shard}: is no file of `smcd encode`") from None

    def _null_text(self, shard: Any) -> Tensor:
        return self._whole(shard)["null_text"]

    def _read(self, shard: Any, row: int) -> dict[str, Tensor]:
        return {name: value[row].float() for name, value in self._whole(shard).items() if name != "null_text"}

    def _whole(self, shard: str) -> dict[str, Tensor]:
        if shard not in self._loaded:
            try:
                self._loaded[shard] = load(self._fetch(shard))
            except SafetensorError as error:
                raise SMCDError(f"{shard}: is damaged ({error}); encode it again") from None
            # One more than are drawn from: a batch may span two groups.
            while len(self._loaded) > self.at_once + 1:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(shard)
        return self._loaded[shard]

    def _fetch(self, shard: str, start: int | None = None, end: int | None = None) -> bytes:
        # Opened where it is used: a worker process cannot use its parent's connections.
        files, _ = fsspec.core.url_to_fs(self.url)
        try:
            return files.cat_file(shard, start, end)
        except Exception as error:  # each file system raises its own
            raise SMCDError(f"{shard}: cannot be read ({' '.join(str(error).split())[:200]})") from None
