"""The app in a desktop window: pywebview on Qt WebEngine (LGPL), extra `desktop`."""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasft_app.window_places import state_folder

_PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>KerasFT</title><style>
body {{ font: 16px system-ui, sans-serif; margin: 15vh auto; max-width: 34em; padding: 0 2em; line-height: 1.5; color: #1f2937; }}
h1 {{ color: #c2410c; font-size: 1.5em; }} p {{ white-space: pre-line; overflow-wrap: anywhere; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #0b0f19; color: #e5e7eb; }} h1 {{ color: #fb923c; }} }}
</style></head><body><h1>KerasFT</h1><p>{text}</p></body></html>"""


def page(text: str) -> str:
    """A page of one paragraph, shown while there is no app to show."""
    return _PAGE.format(text=html.escape(text))


def open_window(
    start: Callable[[], str], at_work: Callable[[], tuple[int, int]], raised: Callable[[Callable[[], None]], None]
) -> int:
    """Show a window at once, the app in it as soon as it answers, and return when the window is closed.

    Args:
        start: Starts the app; returns its address. What it raises is shown in the window.
        at_work: How many runs and studies are in progress, which go on when the window is closed, and how many wait.
        raised: Called with what brings the window to the front.

    Returns:
        An exit status: 0; 2 where the window or the app could not be started.
    """
    os.environ.setdefault("QT_API", "pyside6")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")  # Chromium's sandbox refuses to run as root
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        print("A window needs a screen, and none is known here (DISPLAY). Leave --window out for the browser.", file=sys.stderr)
        return 2
    try:
        import webview

        from kerasft_app.window_qt import dress
    except ImportError as error:
        print(f'A window needs: pip install "kerasft[desktop]" ({error}). Leave --window out for the browser.', file=sys.stderr)
        return 2
    window = webview.create_window("KerasFT", html=page("Starting …"), width=1280, height=860, min_size=(390, 500))
    dress(window, at_work, raised)
    status: list[int] = [0]

    def load() -> None:
        try:
            window.load_url(start())
        except Exception as error:  # whatever it is, a person who started it from a menu sees no terminal
            status[0] = 2
            print(f"The app cannot be started: {error}", file=sys.stderr)
            window.load_html(page(f"The app cannot be started.\n\n{type(error).__name__}: {error}"))

    icon: Any = str(Path(__file__).parent / "favicon.svg")
    # Not private: what the form said and which file was loaded outlive the window, as in a browser.
    webview.start(load, gui="qt", icon=icon, private_mode=False, storage_path=str(state_folder() / "webview"))
    return status[0]
