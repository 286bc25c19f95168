"""The login of the app: where name and password come from, and that guessing them is slow."""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections import deque
from pathlib import Path

VARIABLE = "KERASFT_AUTH"  # of the environment: NAME:PASSWORD
_WINDOW = 300.0  # seconds in which failures count
_LONGEST = 10.0  # seconds that an answer is delayed at most


def read_auth(given: str | None) -> tuple[str, str] | None:
    """Name and password: as given, from the file behind an `@`, or from the environment; None where nobody names any.

    A command line is seen by everyone on the machine, a file or a variable is not.

    Args:
        given: `NAME:PASSWORD`, or `@FILE`, whose first line is that.

    Raises:
        ValueError: The file cannot be read, or there is no colon; says what to do.
    """
    where, text = "--auth", given
    if given and given.startswith("@"):
        where = given[1:]
        try:
            text = Path(where).expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"The file of --auth cannot be read: {error}") from None
    elif given is None and VARIABLE in os.environ:
        where, text = f"the variable {VARIABLE}", os.environ[VARIABLE]
    if text is None:
        return None
    name, colon, password = text.partition(":")
    if not colon or not name or not password:
        raise ValueError(f"{where} takes NAME:PASSWORD.")
    return name, password


class Login:
    """Checks a name and a password; each failure delays the next answers, whoever asks.

    Args:
        name: The name.
        password: The password.
    """

    def __init__(self, name: str, password: str) -> None:
        self._wanted = (name.encode("utf-8"), password.encode("utf-8"))
        self._failures: deque[float] = deque(maxlen=64)
        self._one_by_one = threading.Lock()

    def __call__(self, name: str, password: str) -> bool:
        """Whether they are right; guesses are answered one after the other, each failure in a while slower."""
        given = (str(name).encode("utf-8", "replace"), str(password).encode("utf-8", "replace"))
        right = [hmac.compare_digest(one, other) for one, other in zip(given, self._wanted, strict=True)]
        if all(right):
            return True  # nobody who knows it waits for those who guess
        with self._one_by_one:
            now = time.monotonic()
            recent = sum(now - then < _WINDOW for then in self._failures)
            self._failures.append(now)
            time.sleep(min(_LONGEST, 0.5 * 2 ** min(recent, 10)))
        return False
