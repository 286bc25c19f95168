"""Where the desktop window keeps things: its size, its menu entry, the address at which it is asked to come to the front."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

_ENTRY = """[Desktop Entry]
Type=Application
Name=KerasFT
Comment=Fine-tune transformers in Keras
Exec={command}
Icon={icon}
Terminal=false
Categories=Development;Science;
StartupWMClass=KerasFT
"""


def state_folder() -> Path:
    """The folder of what the window remembers; made if absent."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = base / "kerasft"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def install_desktop_entry(runs: Path) -> Path:
    """Put KerasFT into the menu of a Linux desktop, for this person only.

    Args:
        runs: Folder of the runs that it will show.

    Returns:
        The file of the entry; removed, the entry is gone.

    Raises:
        OSError: The system has no such entries, or they cannot be written.
    """
    if not sys.platform.startswith("linux"):
        raise OSError("Menu entries of this kind exist on Linux only. Elsewhere, make a shortcut to: kerasft-app --window")
    share = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    icon = share / "icons" / "hicolor" / "scalable" / "apps" / "kerasft.svg"
    entry = share / "applications" / "kerasft.desktop"
    for path in (icon, entry):
        path.parent.mkdir(parents=True, exist_ok=True)
    icon.write_bytes((Path(__file__).parent / "favicon.svg").read_bytes())
    words = [sys.executable, "-m", "kerasft_app", "--window", "--runs", str(runs.expanduser().resolve())]
    entry.write_text(_ENTRY.format(command=" ".join(map(_quoted, words)), icon=icon), encoding="utf-8")
    return entry


def _quoted(word: str) -> str:
    """A word of `Exec`, by the rules of the Desktop Entry Specification."""
    if shlex.quote(word) == word:
        return word.replace("%", "%%")
    escaped = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in word)
    return '"' + escaped.replace("\\", "\\\\").replace("%", "%%") + '"'
