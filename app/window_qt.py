"""What pywebview 6 leaves to be done on Qt 6: downloads, a question before closing, size and position, coming to the front."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy import QtCore, QtGui, QtWidgets

from kerasft_app.window_places import state_folder

_GEOMETRY = "window.json"
_BUTTON = QtWidgets.QMessageBox.StandardButton


class _Front(QtCore.QObject):  # type: ignore[misc]  # Qt has no types where it is not installed
    """Brings a window to the front when asked from any thread."""

    asked = QtCore.Signal()

    def __init__(self, view: Any) -> None:
        super().__init__(view)
        self._view = view
        self.asked.connect(self._show)

    @QtCore.Slot()  # type: ignore[untyped-decorator]
    def _show(self) -> None:
        state = self._view.windowState() & ~QtCore.Qt.WindowState.WindowMinimized
        self._view.setWindowState(state)
        self._view.show()
        self._view.raise_()
        self._view.activateWindow()


def dress(window: Any, at_work: Callable[[], tuple[int, int]], raised: Callable[[Callable[[], None]], None]) -> None:
    """Give a window of pywebview what a desktop program has.

    Args:
        window: The `webview.Window`, before it is shown.
        at_work: How many runs and studies are in progress, and how many wait.
        raised: Called with what brings the window to the front.
    """
    folder: list[str] = [str(Path.home() / "Downloads")]

    def before_show() -> None:
        view = window.native
        _restore(view)
        # pywebview's own handler calls what Qt 6 does not have any more, so that a download would do nothing.
        view.webview.page().profile().downloadRequested.connect(lambda download: save_download(view, download, folder))
        front = _Front(view)
        raised(front.asked.emit)

    def closing() -> bool:
        view = window.native
        running, waiting = at_work()
        if (running or waiting) and not _confirm_close(view, running, waiting):
            return False
        _remember(view)
        return True

    window.events.before_show += before_show
    window.events.closing += closing


def save_download(view: Any, download: Any, folder: list[str]) -> None:
    """Ask where to save a download, save it, and say where it is.

    Args:
        view: The window.
        download: `QWebEngineDownloadRequest`.
        folder: Where the last one was saved; changed.
    """
    start = folder[0] if Path(folder[0]).is_dir() else str(Path.home())
    wanted, _ = QtWidgets.QFileDialog.getSaveFileName(view, "Save", str(Path(start) / download.downloadFileName()))
    if not wanted:
        download.cancel()
        return
    target = Path(wanted)
    folder[0] = str(target.parent)
    download.setDownloadDirectory(str(target.parent))
    download.setDownloadFileName(target.name)
    download.isFinishedChanged.connect(lambda: _show_result(view, download, target))
    download.accept()


def _show_result(view: Any, download: Any, target: Path) -> None:
    """Say that a download has ended, and how."""
    box = QtWidgets.QMessageBox(view)
    box.setWindowTitle("KerasFT")
    if download.state() == download.DownloadState.DownloadCompleted:
        box.setText(f"Saved as {target}")
        show = box.addButton("Show in folder", QtWidgets.QMessageBox.ButtonRole.ActionRole)
        show.clicked.connect(lambda: QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(str(target.parent))))
    else:
        box.setText(f"{target.name} could not be saved: {download.interruptReasonString()}")
    box.addButton(_BUTTON.Ok)
    box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()  # does not wait: the page goes on


def _confirm_close(view: Any, running: int, waiting: int) -> bool:
    """Ask whether the window is to be closed although runs are in progress or wait."""
    lines = []
    if running:
        runs, they = ("A run is", "It goes on") if running == 1 else (f"{running} runs are", "They go on")
        lines.append(f"{runs} in progress. {they} without the window; open KerasFT again to follow.")
    if waiting:
        runs = "One run waits. It starts" if waiting == 1 else f"{waiting} runs wait. They start"
        lines.append(f"{runs} when KerasFT is opened again.")
    text = "\n".join(lines)
    box = QtWidgets.QMessageBox(QtWidgets.QMessageBox.Icon.Information, "KerasFT", text, parent=view)
    close = box.addButton("Close the window", QtWidgets.QMessageBox.ButtonRole.AcceptRole)
    box.addButton("Stay", QtWidgets.QMessageBox.ButtonRole.RejectRole)
    box.exec()
    return bool(box.clickedButton() is close)


def _remember(view: Any) -> None:
    geometry = base64.b64encode(bytes(view.saveGeometry().data())).decode("ascii")
    try:
        (state_folder() / _GEOMETRY).write_text(json.dumps({"geometry": geometry}), encoding="utf-8")
    except OSError:  # a full disk must not keep a window open
        return


def _restore(view: Any) -> None:
    """Size and position of last time; Qt brings a window back whose screen is gone."""
    try:
        noted = json.loads((state_folder() / _GEOMETRY).read_text(encoding="utf-8"))
        view.restoreGeometry(QtCore.QByteArray(base64.b64decode(noted["geometry"])))
    except (OSError, ValueError, KeyError, TypeError):  # the first time, or a damaged file
        return
