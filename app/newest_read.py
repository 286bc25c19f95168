"""Which read of data a page waits for: of several at once, such as an upload while the example is read, only the newest shows."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict

_MAX_PAGES = 10_000  # pages that were never closed are forgotten, the oldest first


class NewestRead:
    """The number of the newest read of each page; pages are named by the session hash of Gradio."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, page: str | None) -> int:
        """Start a read, which replaces any other of that page.

        Returns:
            Its number, for `is_newest`.
        """
        with self._lock:
            number = next(self._numbers)
            self._newest[page or ""] = number
            self._newest.move_to_end(page or "")
            while len(self._newest) > _MAX_PAGES:
                self._newest.popitem(last=False)
            return number

    def begin_first(self, page: str | None) -> int | None:
        """Start a read only if the page has not started one; None otherwise."""
        with self._lock:
            started = (page or "") in self._newest
        return None if started else self.begin(page)

    def is_newest(self, page: str | None, number: int | None) -> bool:
        """Whether no other read of the page has been started since."""
        with self._lock:
            return self._newest.get(page or "") == number
