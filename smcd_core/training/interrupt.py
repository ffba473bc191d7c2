"""Ctrl-C that waits for the end of a step, so that what was learned can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Holds Ctrl-C back in some parts of a loop; elsewhere it raises KeyboardInterrupt at once, as ever.

    is_broken  whether Ctrl-C came a second time and ended such a part in its middle
    """

    def __init__(self) -> None:
        self._is_held, self._came, self.is_broken = False, False, False

    @contextmanager
    def watched(self) -> Iterator[Interrupt]:
        """Take over SIGINT inside the block, if it is Python's own and this is the main thread."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield self
            return
        signal.signal(signal.SIGINT, self._take)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at the end of the block, if Ctrl-C comes in it."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._came:
            raise KeyboardInterrupt

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._is_held and not self._came:
            self._came = True
            return
        self.is_broken = self._is_held
        raise KeyboardInterrupt
