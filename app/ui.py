"""The page: header with the run picker, then the tabs in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from kerasft_app import address
from kerasft_app.page import Page
from kerasft_app.predictors import Predictors
from kerasft_app.pulse import CHANGE, LIST, SCRIPT, STEP
from kerasft_app.runs import RunBoard
from kerasft_app.tabs import data, export, results, runs, search, train, try_it

STYLE = Path(__file__).parent / "style.css"
ICON = Path(__file__).parent / "favicon.svg"
_TABS = (
    ("Data", "data", data),
    ("Train", "train", train),
    ("Search", "search", search),
    ("Results", "results", results),
    ("Try", "try", try_it),
    ("Export", "export", export),
    ("Runs", "runs", runs),
)

# A link that leads out of the app opens beside it: in its place it would end the window without a way back.
_OUTSIDE = """() => {
  if (window.kerasftOutside) return;
  window.kerasftOutside = true;
  document.addEventListener('click', (event) => {
    const link = event.target.closest && event.target.closest('a[href]');
    if (!link || link.origin === location.origin || !/^https?:$/.test(link.protocol)) return;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }, true);
}"""

# Gradio's menu of further tabs stays open over the page when focus leaves it.
_CLOSE_MENU = """() => {
  if (window.kerasftMenus) return;
  window.kerasftMenus = true;
  const close = (inside) => {
    const open = document.querySelector('.overflow-dropdown:not(.hide)');
    if (open && !(inside && open.parentElement.contains(inside))) open.parentElement.querySelector('button').click();
  };
  document.addEventListener('focusin', (event) => close(event.target));
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(null); });
}"""
# A file dropped beside a box would replace the page, and Gradio ignores one dropped on a box that holds a file. In the tab Data
# both go into the box, in place of what it holds.
_DROP = """() => {
  if (window.kerasftDrop) return;
  window.kerasftDrop = true;
  const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  document.addEventListener('dragover', (event) => { if (files(event)) event.preventDefault(); });
  const full = (event) => event.target.closest && event.target.closest('#upload') && document.querySelector(CLEAR);
  const CLEAR = '#upload button[aria-label="Clear"]';
  document.addEventListener('drop', (event) => {  // before Gradio's own rows, which would take it for their order
    if (!files(event) || !full(event)) return;
    event.stopPropagation();
    take(event);
  }, true);
  document.addEventListener('drop', (event) => { if (files(event) && !event.defaultPrevented) take(event); });
  const take = (event) => {
    event.preventDefault();
    const tab = document.querySelector('#tab-data-button');
    if (!tab || tab.getAttribute('aria-selected') !== 'true') return;  // other tabs have boxes of their own
    const dropped = event.dataTransfer.files;
    const clear = document.querySelector(CLEAR);
    if (clear) clear.click();  // in place of the files that are there, not beside them
    setTimeout(() => {
      const box = document.querySelector('#upload input[type=file]');
      if (!box) return;
      box.files = dropped;
      box.dispatchEvent(new Event('change', { bubbles: true }));
    }, 500);
  };
}"""


def theme() -> gr.Theme:
    """Colours and fonts; the fonts are the system's, because a page here must not fetch anything."""
    fonts = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    base = gr.themes.Default(primary_hue="orange", secondary_hue="slate", neutral_hue="slate", font=fonts, font_mono=mono)
    # WCAG AA asks for a contrast of 4.5 between a text and what is behind it; the theme's own colours have 2.6 to 3.6.
    both = {
        "button_primary_background_fill": "*primary_700",
        "button_primary_background_fill_hover": "*primary_800",
        "button_cancel_background_fill": "#b91c1c",
        "button_cancel_background_fill_hover": "#991b1b",
    }
    grey = {
        "body_text_color_subdued": "*neutral_600",
        "block_info_text_color": "*neutral_600",
        "input_placeholder_color": "*neutral_500",
    }
    dark = {
        "body_text_color_subdued": "*neutral_400",
        "block_info_text_color": "*neutral_400",
        "input_placeholder_color": "*neutral_400",
    }
    return base.set(**both, **grey, **{f"{name}_dark": value for name, value in {**both, **dark}.items()})


def _hidden(kind: str) -> Any:
    """The event of a button that only the page itself presses."""
    return gr.Button("What has changed", elem_classes=["kft-away", kind]).click


def create(root: Path) -> tuple[gr.Blocks, Page]:
    """The Gradio page over the runs in a folder."""
    page = Page(RunBoard(root), Predictors())
    with gr.Blocks(title="KerasFT", analytics_enabled=False) as blocks:
        page.data, page.task = gr.State(None), gr.State(None)
        page.remembered = gr.BrowserState(None, storage_key="kerasft-form", secret="kerasft-form")  # no secret is in it
        page.loaded, page.closed = blocks.load, blocks.unload
        header = _hidden(LIST)
        with gr.Row(elem_id="header", equal_height=True, elem_classes="stack"):
            gr.HTML(
                '<div class="kft-title"><h1>KerasFT</h1><span>fine-tune transformers in Keras</span></div>',
                scale=3,
                min_width=200,
            )
            look = {"show_label": False, "container": False, "scale": 2, "min_width": 200}
            page.run = gr.Dropdown([], label="Run", allow_custom_value=True, elem_id="run-picker", **look)
        page.said = gr.HTML(elem_id="page-said")
        tabs = {}
        with gr.Tabs(elem_id="tabs") as page.tabs:
            for title, identity, module in _TABS:
                with gr.Tab(title, id=identity, elem_id=f"tab-{identity}") as tabs[identity]:
                    gr.HTML(f'<h2 class="kft-away">{title}</h2>', padding=False, elem_classes="kft-away")
                    page.opening = tabs[identity].select
                    page.stepping, page.changing = _hidden(STEP), _hidden(CHANGE)
                    module.build(page)
        address.build(page, tabs)
        for script in (_CLOSE_MENU, _DROP, _OUTSIDE, SCRIPT):
            page.loaded(None, None, None, js=script)
        shown = [page.run, page.said]
        header(page.runs_refresh, page.run, shown, show_progress="hidden", trigger_mode="always_last")
    return blocks, page
