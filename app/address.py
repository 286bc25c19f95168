"""The page's address holds tab and run (`?tab=results&run=NAME`), so that Back, a reload and a link work as people expect."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kerasft_app.charts import note_box
from kerasft_app.page import Page

_ID = "address-changed"
# What a browser has done (Back, Forward, a link in the page) comes to the app as a press of this hidden button.
_LISTEN = f"""() => {{
  if (window.kerasftAddress) return;
  window.kerasftAddress = true;
  const go = () => document.querySelector('#{_ID}').click();
  window.addEventListener('popstate', go);
  document.addEventListener('click', (event) => {{  // a link to a run opens it here, without loading the page again
    const link = event.target.closest && event.target.closest('a[href^="?tab="]');
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, '', link.getAttribute('href'));
    go();
  }});
}}"""
_READ = """() => {
  const query = new URLSearchParams(location.search);
  return [query.get('tab') || 'data', query.get('run') || ''];
}"""
# Opening a tab is a step that Back undoes; another run in the same tab replaces the address.
_WRITE = """(run) => {{
  if (!window.kerasftAddress) return;  // the page is being loaded: its first tab is not one that was opened
  const query = new URLSearchParams(location.search);
  const before = query.toString();
  {change}
  if (query.toString() !== before) history.{how}(null, '', '?' + query.toString());
}}"""
_OPENED = "if ((query.get('tab') || 'data') !== '{tab}') query.set('tab', '{tab}');"
_CHOSEN = "if (run) query.set('run', run);"


def build(page: Page, tabs: dict[str, Any]) -> None:
    """Wire the address; call inside the page's layout, after the tabs.

    Args:
        page: The page.
        tabs: The `gr.Tab` of each name.
    """
    moved = gr.Button("Open the page that the address names", elem_id=_ID, elem_classes="kft-away")
    wanted = [gr.Textbox(visible=False) for _ in range(2)]  # filled by the script; a `gr.State` would keep the server's value
    quiet: dict[str, Any] = {"show_progress": "hidden"}

    def go(tab: Any, run: Any) -> list[Any]:
        """Open a tab and choose a run; what is not there is said and not guessed."""
        update = page.runs_update(run if isinstance(run, str) else None)
        known = not run or any(one.name == run for one in page.board.runs())
        message = "" if known else str(note_box(f"There is no run named {str(run)[:80]!r} here; another one is shown."))
        return [gr.Tabs(selected=tab) if tab in tabs else gr.skip(), update, message]

    page.loaded(go, wanted, [page.tabs, page.run, page.said], js=_READ, **quiet).then(None, None, None, js=_LISTEN)
    moved.click(go, wanted, [page.tabs, page.run, page.said], js=_READ, **quiet)
    for name, tab in tabs.items():
        tab.select(None, None, None, js=_WRITE.format(change=_OPENED.format(tab=name), how="pushState"))
    page.run.change(None, page.run, None, js=_WRITE.format(change=_CHOSEN, how="replaceState"))
