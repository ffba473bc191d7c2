"""Settings and fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

torch.set_num_threads(1)  # on tensors this small, threads cost more than they save


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running ComfyUI with this pack and others. Skips where there is no ComfyUI."""
    import host

    host.start()
    with host.serve_beside_others(tmp_path_factory.mktemp("comfy")) as found:
        yield found
