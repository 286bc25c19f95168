"""What a run would cost before it starts, as the page shows it, and cheaper alternatives to a long one. No Gradio here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasft.errors import KerasFTError
from kerasft.presets import find_preset, list_presets
from kerasft.progress import clock
from kerasft.tasks import TASKS, get_task
from kerasft.tuning import TUNINGS
from kerasft.workload import Estimate, estimate, has_gpu, product_rate
from kerasft_app.charts import escape

_LONG = 300.0  # seconds from which alternatives are offered
_OFFERED = 2
_CHEAPER = ("frozen", "lora")  # tuning methods


def expected(recipe: Mapping[str, Any], known: Mapping[str, Any]) -> Estimate | None:
    """The estimate for a recipe and the data of the page; None where it cannot be known."""
    if has_gpu():
        return None
    return estimate(recipe, known.get("rows") or {}, known.get("lengths") or {}, rate=product_rate())


def outlook_html(recipe: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """File, rows, task, model and method of the run that Train would start, with its estimated time and memory."""
    found = expected(recipe, known)
    task, tuning = TASKS.get(recipe["task"]["name"]), TUNINGS.get(recipe["tuning"]["name"])
    facts = [f"<b>{escape(known.get('file', ''))}</b>", escape(known.get("sizes", "")), escape(task.title)]
    facts += [escape(str(recipe["preset"]).rstrip("/").rpartition("/")[2]), escape(tuning.title)]
    return f'<div class="kft-outlook">{" · ".join(filter(None, facts))}<br>{_cost(found)}</div>'


def _cost(found: Estimate | None) -> str:
    if found is None:
        reason = "measured on the GPU after two steps" if has_gpu() else "known once the model is on this disk"
        return f"Time and memory: {reason}"
    if not found.updates:
        return "There is nothing to learn from: no training rows, or no epochs"
    updates = f"{found.updates:,} update{'s' if found.updates != 1 else ''}"
    cost = f"About <b>{escape(clock(found.seconds))}</b> and {found.peak_bytes / 2**30:.1f} GiB of memory, {updates}"
    return cost + (f"<br>{escape(found.reason)}" if found.reason else "")


def alternatives(recipe: Mapping[str, Any], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The two cheapest ways to shorten a run of more than five minutes: `title`, `seconds` and `changes` of the form."""
    now = expected(recipe, known)
    if now is None or now.seconds < _LONG:
        return []
    task = get_task(recipe["task"]["name"], **{k: v for k, v in recipe["task"].items() if k != "name"})
    candidates: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    for name in _CHEAPER:
        if name != recipe["tuning"]["name"] and not task.must_tune_backbone:
            title = TUNINGS.get(name).title
            candidates.append((title, {"tuning": name}, {**recipe, "tuning": {"name": name}}))
    family = find_preset(str(recipe["preset"])).family
    for preset in list_presets():
        if preset.here and preset.family == family and preset.name != recipe["preset"]:
            candidates.append((f"Model {preset.name}", {"model": preset.name}, {**recipe, "preset": preset.name}))
    shorter = int((known.get("lengths") or {}).get("p95", 0))
    if 8 <= shorter < int(getattr(task, "max_length", 0)) and not hasattr(task, "overlap"):
        cut = {**recipe["task"], "max_length": shorter}
        candidates.append((f"Maximum length {shorter} tokens", {"max_length": shorter}, {**recipe, "task": cut}))
    offers: list[dict[str, Any]] = []
    for title, changes, other in candidates:
        try:
            found = expected(other, known)
        except KerasFTError:
            continue
        if found is not None and found.seconds < 0.8 * now.seconds:
            offers.append({"title": f"{title}: about {clock(found.seconds)}", "seconds": found.seconds, "changes": changes})
    return sorted(offers, key=lambda offer: offer["seconds"])[:_OFFERED]
