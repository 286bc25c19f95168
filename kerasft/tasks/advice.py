"""Training options that tasks want besides what a tuning method recommends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

_SMALL = 60e6  # weights


def from_the_beginning(advice: Any, backbone: Any, tuning: Any) -> Any:
    """Pre-training's rates where the weights are still random; other methods than full fine-tuning have no use for those.

    1e-3 for small models (`benchmarks/own_presets.py` was well with 1.5e-3), 1e-4 for larger ones (Devlin et al. 2018).
    """
    if not backbone.untrained or tuning.name != "full":
        return advice
    return replace(advice, learning_rate=1e-3 if backbone.parameters < _SMALL else 1e-4)


def bolder(advice: Any, backbone: Any, tuning: Any) -> Any:
    """Three times the rate and two more epochs for small backbones that learn: many decisions from few, short texts.

    Chosen on validation rows with MiniLM: entity F1 52.6 -> 59.2 on WikiGold and 53.6 -> 54.8 on WNUT-17, macro F1 of tuned
    thresholds 35.2 -> 43.3 on GoEmotions (10,000 rows). `benchmarks/RESULTS.md` has the test figures.

    Args:
        advice: `tuning.base.Recommended`.
        backbone: What is tuned.
        tuning: The method.
    """
    if not tuning.tunes_backbone or backbone.parameters >= _SMALL:
        return advice
    return replace(advice, learning_rate=3 * advice.learning_rate, epochs=advice.epochs + 2)
