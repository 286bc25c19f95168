"""`python -m kerasft_app`: the app in the browser, or with `--window` in a window of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the app and stay until it is closed."""
    parser = argparse.ArgumentParser("kerasft-app", description="The KerasFT app.")
    parser.add_argument("--runs", default="saved_models", help="folder of the runs [%(default)s]")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [%(default)s: this machine only]")
    parser.add_argument("--port", type=int, default=None, help="port [the first free one from 7860]")
    parser.add_argument("--auth", metavar="NAME:PASSWORD", help="ask for this name and password")
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
    if given.auth and ":" not in given.auth:
        parser.error("--auth takes NAME:PASSWORD")
    if given.share and not given.auth:
        parser.error("--share makes the app public; give --auth NAME:PASSWORD with it")
    from kerasft_app.ui import STYLE, create, theme

    blocks, page = create(Path(given.runs))
    page.board.keep_pumping()
    _, url, _ = blocks.launch(
        server_name=given.host,
        server_port=given.port,
        auth=tuple(given.auth.split(":", 1)) if given.auth else None,
        share=given.share,
        max_file_size=given.max_upload,
        allowed_paths=[str(page.board.root)],
        blocked_paths=[],
        inbrowser=not (given.no_browser or given.window),
        prevent_thread_lock=True,
        quiet=True,
        footer_links=[],
        theme=theme(),
        css_paths=[STYLE],
    )
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
