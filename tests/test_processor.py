"""What is said of number formats, by what the processor says of itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from kerasft import events, processor
from kerasft.errors import ConfigError
from kerasft.progress import TerminalProgress
from kerasft.training.strategy import prepare

FASTER = "mixed_bfloat16 is about 1.4 times as fast"
SLOWER = "float32 is faster here"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_ASKED", path)
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    processor.has_bfloat16.cache_clear()
    yield path
    processor.has_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("told", "precision", "seconds", "said"),
    [
        ("avx2 avx512f avx512_bf16", "float32", 600.0, FASTER),
        ("avx2 amx_tile amx_bf16", "float32", 600.0, FASTER),
        ("avx2 avx512_bf16", "float32", 60.0, None),  # too short to think about it
        ("avx2 avx512_bf16", "mixed_bfloat16", 600.0, None),
        ("avx2 avx512f", "float32", 600.0, None),
        ("avx2 avx512f", "mixed_bfloat16", 60.0, SLOWER),
    ],
)
def test_what_is_said_of_a_processor(flags: Path, told: str, precision: str, seconds: float, said: str | None) -> None:
    flags.write_text(f"processor\t: 0\nflags\t\t: fpu {told}\n", encoding="utf-8")
    found = processor.advice(precision, seconds)
    assert found == "" if said is None else said in found


def test_of_a_processor_that_does_not_tell_nothing_is_said(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert processor.has_bfloat16() is None  # no such file
    assert processor.advice("mixed_bfloat16", 600.0) == processor.advice("float32", 600.0) == ""
    processor.has_bfloat16.cache_clear()
    flags.write_text("flags\t: avx512_bf16\n", encoding="utf-8")
    monkeypatch.setattr(processor.platform, "machine", lambda: "aarch64")
    assert processor.has_bfloat16() is None


@pytest.mark.parametrize(
    ("limit", "told", "precision", "refused"),
    [
        ("AVX2", "avx2 avx512f", "mixed_bfloat16", True),
        ("avx2_vnni", "avx2 avx512f", "mixed_bfloat16", True),
        ("AVX512_CORE", "avx2 avx512f", "mixed_bfloat16", False),
        ("AVX2", "avx2", "mixed_bfloat16", False),  # TensorFlow does not ask oneDNN there
        ("AVX2", "avx2 avx512f", "float32", False),
        ("AVX2", "avx2 avx512f avx512_fp16", "mixed_float16", True),
        ("", "avx2 avx512f", "mixed_bfloat16", False),
    ],
)
def test_a_limit_of_onednn_that_would_abort_the_process_is_refused(
    flags: Path, monkeypatch: pytest.MonkeyPatch, limit: str, told: str, precision: str, refused: bool
) -> None:
    """TensorFlow 2.21 aborts with dnnl::error there (measured with a product of two bfloat16 matrices)."""
    flags.write_text(f"flags\t: fpu {told}\n", encoding="utf-8")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.setattr(processor, "uses_onednn", lambda: True)
    if not refused:
        assert processor.format_fault(precision) == ""
        return
    with pytest.raises(ConfigError, match=f"ONEDNN_MAX_CPU_ISA={limit.upper()}"):
        prepare(seed=1, precision=precision)
    monkeypatch.setattr(processor, "uses_onednn", lambda: False)
    assert processor.format_fault(precision) == ""


def test_where_a_gpu_trains_nothing_is_said_of_the_processor(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags.write_text("flags\t: avx512_bf16\n", encoding="utf-8")
    assert FASTER in processor.advice("float32", 600.0)
    devices = [SimpleNamespace(device_type=kind) for kind in ("CPU", "GPU")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda *_: devices)
    assert processor.advice("float32", 600.0) == ""


def test_the_command_line_shows_it() -> None:
    shown = io.StringIO()
    TerminalProgress(shown)(events.Estimated(seconds=61.0, advice="Try this."))
    assert shown.getvalue() == "About 1:01 of training\nTry this.\n"
