"""Which weights learn: one file a method."""

from __future__ import annotations

from kerasft.tuning.base import TUNINGS, Tuning, get_tuning

__all__ = ["TUNINGS", "Tuning", "get_tuning"]
