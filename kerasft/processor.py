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
_BELOW_AVX512 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"}  # values of ONEDNN_MAX_CPU_ISA
# A number format, and the instructions by which TensorFlow decides that oneDNN computes with it.
_DECIDES = {"mixed_bfloat16": "avx512f", "mixed_float16": "avx512_fp16"}
_LONG = 300.0  # seconds of training from which on it is worth a word


@cache
def has_bfloat16() -> bool | None:
    """Whether an x86 processor multiplies bfloat16 itself (AVX512_BF16 or AMX); None where that is not known.

    Asked of `/proc/cpuinfo`; on other systems and other processors nothing is said.
    """
    flags = _flags()
    return None if flags is None or platform.machine().lower() not in ("x86_64", "amd64") else bool(_INSTRUCTIONS & flags)


def _flags() -> set[str] | None:
    try:
        text = _ASKED.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return next((set(line.partition(":")[2].split()) for line in text.splitlines() if line.startswith("flags")), None)


def uses_onednn() -> bool:
    """Whether TensorFlow computes with oneDNN in this process, which decides the last digits of every result."""
    return bool(_pywrap_util_port.IsMklEnabled())


def format_fault(precision: str) -> str:
    """Why a run in a number format would end this process; empty otherwise.

    TensorFlow asks the processor, oneDNN obeys ONEDNN_MAX_CPU_ISA: where that forbids the instructions which the processor has,
    a product of bfloat16 matrices ends in `dnnl::error` and the process is aborted (TensorFlow 2.21).
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if limit not in _BELOW_AVX512 or not uses_onednn() or _DECIDES.get(precision) not in (_flags() or ()) or _has_accelerator():
        return ""
    return f"ONEDNN_MAX_CPU_ISA={limit} forbids the instructions that TensorFlow takes for {precision} on this processor."


def _has_accelerator() -> bool:
    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


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
    if _has_accelerator():
        return ""
    native = has_bfloat16()
    if precision == "float32" and native and seconds >= _LONG:
        return "This processor multiplies bfloat16 itself: precision mixed_bfloat16 is about 1.4 times as fast (docs/devices.md)."
    if precision == "mixed_bfloat16" and native is False:
        return "This processor has no instructions for bfloat16: precision float32 is faster here."
    return ""
