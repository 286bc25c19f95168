"""`python -m kerasft_app`: the app in the browser, or with `--window` in a window of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kerasft_app.login import VARIABLE, Login, read_auth

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
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.add_argument("--window", action="store_true", help="open in a desktop window (needs the extra 'desktop')")
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
    if given.share and not auth:
        parser.error("--share makes the app public; give --auth NAME:PASSWORD with it")
    from kerasft_app.start import launch
    from kerasft_app.ui import ICON, STYLE, create, theme

    blocks, page = create(Path(given.runs))
    page.board.keep_pumping()
    try:
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
    except OSError as error:
        print(f"The app cannot be started: {error}", file=sys.stderr)
        page.predictor.close()
        return 2
    print(f"KerasFT is at {url}", flush=True)
    try:
        if given.window:
            from kerasft_app.window import open_window

            return int(open_window(url))
        blocks.block_thread()
    finally:
        page.predictor.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
