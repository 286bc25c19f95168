"""One window for each folder of runs: a second start asks the first window to come to the front."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path

ADDRESS_FILE = ".window.json"  # in the folder of the runs
_PATIENCE = 3.0  # seconds


def ask_first_window(runs: Path) -> bool:
    """Ask a window that shows this folder already to come to the front; True if there is one."""
    try:
        noted = json.loads((runs / ADDRESS_FILE).read_text(encoding="utf-8"))
        with socket.create_connection(("127.0.0.1", int(noted["port"])), timeout=_PATIENCE) as connection:
            connection.sendall(str(noted["word"]).encode("ascii") + b"\n")
            return connection.recv(16) == b"shown\n"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):  # none, or one that has ended without a word
        return False


def listen(runs: Path, show: Callable[[], None]) -> None:
    """Let later starts ask for this window; a word that only this person's files hold tells them from strangers.

    Args:
        runs: Folder of the runs.
        show: Brings the window to the front; called from another thread.
    """
    server = socket.create_server(("127.0.0.1", 0))
    word = secrets.token_hex(16)
    path = runs / ADDRESS_FILE
    own = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")  # another window may be starting at this moment
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"port": server.getsockname()[1], "word": word}, file)
    os.replace(own, path)

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(_PATIENCE)
                try:
                    if secrets.compare_digest(connection.recv(64), word.encode("ascii") + b"\n"):
                        show()
                        connection.sendall(b"shown\n")
                except OSError:  # whoever asked has gone
                    continue

    threading.Thread(target=serve, daemon=True, name="window").start()
