"""Gradio's clocks, slowed down.

Gradio shows for each event how long it has taken, and for that draws with every frame of the screen, also where the clock is
hidden. The clock of its own "Loading" never ends (Gradio 6.31: it is removed while it runs), so that every page works sixty
times a second for as long as it is open, on the processor that trains. The script lets such clocks go on five times a second.
"""

from __future__ import annotations

_BETWEEN = 200  # milliseconds

# Known by their text, `(performance.now() - start) / 1e3`; whatever else draws is left alone, and all is where the text changes.
HEAD = f"""<script>
(() => {{
  const frame = window.requestAnimationFrame.bind(window);
  const clock = /^\\(\\)\\s*=>\\s*\\{{.{{0,30}}\\(performance\\.now\\(\\)\\s*-.{{0,20}}\\/\\s*1e3/;
  window.requestAnimationFrame = (draw) => {{
    if (clock.test(Function.prototype.toString.call(draw))) return setTimeout(draw, {_BETWEEN}, 0), 0;
    return frame(draw);
  }};
}})();
</script>"""
