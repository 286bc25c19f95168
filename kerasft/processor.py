"""What this machine's processor computes with: whether it has instructions for bfloat16, and what follows for a run."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

_ASKED = Path("/proc/cpuinfo")
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
_LONG = 300.0  # seconds of training from which on it is worth a word


@cache
def has_bfloat16() -> bool | None:
    """Whether an x86 processor multiplies bfloat16 itself (AVX512_BF16 or AMX); None where that is not known.

    Asked of `/proc/cpuinfo`; on other systems and other processors nothing is said.
    """
    try:
        text = _ASKED.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    flags = next((line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags")), None)
    return None if flags is None or platform.machine().lower() not in ("x86_64", "amd64") else bool(_INSTRUCTIONS & set(flags))


def uses_onednn() -> bool:
    """Whether TensorFlow computes with oneDNN in this process, which decides the last digits of every result."""
    return bool(_pywrap_util_port.IsMklEnabled())


def onednn_warning() -> str:
    """What to say where oneDNN is off although nobody asked for that; empty otherwise."""
    if uses_onednn() or platform.machine().lower() not in ("x86_64", "amd64") or os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return ""
    return (
        "TensorFlow was imported before kerasft and runs without oneDNN: training is slower by about a quarter, and figures "
        "differ "
        "in their last digits from those of a process that imports kerasft first."
    )


def advice(precision: str, seconds: float) -> str:
    """What to say of a run's number format on a processor; empty when there is nothing, and where a GPU or TPU trains.

    Args:
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seconds: What training will take.
    """
    if any(device.device_type != "CPU" for device in tf.config.list_logical_devices()):
        return ""
    native = has_bfloat16()
    if precision == "float32" and native and seconds >= _LONG:
        return "This processor multiplies bfloat16 itself: precision mixed_bfloat16 is about 1.4 times as fast (docs/devices.md)."
    if precision == "mixed_bfloat16" and native is False:
        return "This processor has no instructions for bfloat16: precision float32 is faster here."
    return ""
