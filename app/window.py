"""The app in a desktop window: pywebview on Qt WebEngine (LGPL), extra `desktop`."""

from __future__ import annotations

import os
import sys


def open_window(url: str) -> int:
    """Show the page in a window and return when it is closed; runs in progress go on.

    Args:
        url: Where the app listens.
    """
    os.environ.setdefault("QT_API", "pyside6")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")  # Chromium's sandbox refuses to run as root
    try:
        import webview
    except ImportError:
        print(f'A window needs: pip install "kerasft[desktop]". Until then, open {url} in a browser.', file=sys.stderr)
        return 2
    webview.create_window("KerasFT", url, width=1280, height=860, min_size=(390, 500))
    webview.start(gui="qt")
    return 0
