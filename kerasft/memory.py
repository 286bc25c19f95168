"""Memory: how much a process has needed, how much there is, and whether an error says that there is none left."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import tensorflow as tf

from kerasft.errors import is_disk_full

_SIGNS = ("RESOURCE_EXHAUSTED", "OOM when allocating", "out of memory")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def is_out_of_memory(error: BaseException) -> bool:
    """True when an error says that memory did not suffice, on a device or in the machine."""
    if is_disk_full(error):  # TensorFlow has one error for both
        return False
    return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError) or any(sign in str(error) for sign in _SIGNS)


def peak_bytes() -> int | None:
    """The most memory this process has held at once: on the first GPU where there is one, else in the machine; None where
    the system does not say.
    """
    if tf.config.list_logical_devices("GPU"):
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    try:
        import resource
    except ImportError:
        return None  # Windows
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def peak_bytes_of(process: int) -> int:
    """The most of the machine's memory another process has held at once; 0 when it is over or the system does not say.

    What the system keeps of a process that has ended counts the one that started it, too.
    """
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def machine_bytes() -> int | None:
    """The machine's memory, or the container's share of it; None on a GPU, and where the system does not say."""
    if tf.config.list_logical_devices("GPU"):
        return None
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limits = [Path(name).read_text().strip() for name in _LIMITS if Path(name).exists()]
    return min([whole, *(int(limit) for limit in limits if limit.isdigit())])
