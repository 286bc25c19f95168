"""`python -m kerasft_app`: the app in the browser, or with `--window` in a window of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasft.data.limits import Limits, variable
from kerasft_app.login import VARIABLE, Login, read_auth
from kerasft_app.single_window import ask_first_window, listen

_LIMITS = {
    "columns": "columns of a table",
    "line": "characters of a line that is not JSON",
    "unpacked": "bytes of a compressed file or an archive, unpacked",
    "ratio": "largest ratio of unpacked to packed size, checked above 50 MiB",
    "files": "files of an archive",
}
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the app and stay until it is closed."""
    parser = argparse.ArgumentParser("kerasft-app", description="The KerasFT app.")
    parser.add_argument("--runs", default="saved_models", help="folder of the runs [%(default)s]")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [%(default)s: this machine only]")
    parser.add_argument("--port", type=int, default=None, help="port [the first free one from 7860]")
    parser.add_argument(
        "--auth", metavar="NAME:PASSWORD", help=f"ask for this name and password; @FILE reads them, and so does {VARIABLE}"
    )
    parser.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="another name by which it may be asked; may be repeated"
    )
    parser.add_argument("--share", action="store_true", help="make a public link through Gradio's servers")
    parser.add_argument("--max-upload", default="2gb", metavar="SIZE", help="largest upload [%(default)s]")
    for name, what in _LIMITS.items():
        default = getattr(Limits(), name)
        parser.add_argument(f"--max-{name}", type=int, metavar="N", help=f"limit on data: {what} [{default:,}]")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.add_argument("--window", action="store_true", help="open in a desktop window (needs the extra 'desktop')")
    parser.add_argument(
        "--install-desktop-entry", action="store_true", help="put the window into the menu of a Linux desktop, and exit"
    )
    given = parser.parse_args(arguments)
    try:
        import gradio  # noqa: F401
    except ImportError:
        print('The app needs Gradio: pip install "kerasft[app]"', file=sys.stderr)
        return 2
    try:
        auth = read_auth(given.auth)
    except ValueError as error:
        parser.error(str(error))
    for name in _LIMITS:
        if (value := getattr(given, f"max_{name}")) is not None:
            if value < 1:
                parser.error(f"--max-{name} is at least 1")
            os.environ[variable(name)] = str(value)  # which the processes that train and answer inherit
    if given.share and not auth:
        parser.error("--share makes the app public; give --auth NAME:PASSWORD with it")
    runs = Path(given.runs)
    if given.install_desktop_entry:
        return _install_desktop_entry(runs)
    if given.window and ask_first_window(runs):
        print("KerasFT is open already: its window was brought to the front.")
        return 0
    from kerasft_app.ui import create

    blocks, page = create(runs)
    page.board.keep_pumping()
    try:
        if given.window:
            from kerasft_app.window import open_window

            return int(
                open_window(
                    lambda: _start(given, blocks, page, auth), page.board.at_work, lambda show: listen(page.board.root, show)
                )
            )
        _start(given, blocks, page, auth)
        blocks.block_thread()
    except OSError as error:
        print(f"The app cannot be started: {error}", file=sys.stderr)
        return 2
    finally:
        page.predictor.close()
    return 0


def _start(given: argparse.Namespace, blocks: Any, page: Any, auth: tuple[str, str] | None) -> str:
    """Start the server; returns its address."""
    from kerasft_app.start import launch
    from kerasft_app.ui import ICON, STYLE, theme

    url = launch(
        blocks,
        page.board.root,
        host=given.host,
        port=given.port,
        login=Login(*auth) if auth else None,
        allowed=given.allow_host,
        share=given.share,
        max_file_size=given.max_upload,
        inbrowser=not (given.no_browser or given.window),
        footer_links=[],
        theme=theme(),
        css_paths=[STYLE],
        favicon_path=ICON,
    )
    print(f"KerasFT is at {url}", flush=True)
    return str(url)


def _install_desktop_entry(runs: Path) -> int:
    from kerasft_app.window_places import install_desktop_entry

    try:
        print(f"Written to {install_desktop_entry(runs)}. Remove that file to remove the entry.")
    except OSError as error:
        print(f"No menu entry was made: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
