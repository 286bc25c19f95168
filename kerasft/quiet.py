"""Loads TensorFlow without the lines its C++ parts print about the machine, which are alarming and mean nothing to a person."""

from __future__ import annotations

import os
import sys
import tempfile


def load_tensorflow() -> None:
    """Load TensorFlow and look for devices; what it prints meanwhile is shown only when it fails, or with KERASFT_LOGS=1."""
    if "tensorflow" in sys.modules or os.environ.get("KERASFT_LOGS"):
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            kept.seek(0)
            os.write(before, kept.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
    tf.get_logger().setLevel("ERROR")
