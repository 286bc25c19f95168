"""What must hold while KerasFT computes: Keras's global settings as ours, and no fork after TensorFlow's first use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kerasft.errors import RunError

_state = {"used": False, "forked": False}


def _after_fork() -> None:
    _state["forked"] = _state["used"]


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def own_settings() -> Iterator[None]:
    """Keras in float32 and TensorFlow compiled, whatever a program set for its own models; its settings come back afterwards.

    The precision of a run is its own option: layers without a dtype of their own (pooling, dropout, head) would else take the
    global one, and half of a model would follow it.

    Raises:
        RunError: TensorFlow was used here before this process was forked: its threads are not here, and a computation would
            wait for them for ever.
    """
    if _state["forked"]:
        raise RunError(
            "TensorFlow was used before this process was forked, and cannot compute in it.",
            hint="Start processes with 'spawn' (multiprocessing.get_context('spawn')), or load the model after the fork "
            "(gunicorn: without --preload).",
        )
    _state["used"] = True
    import keras
    import tensorflow as tf

    policy, floatx, eager = keras.config.dtype_policy(), keras.config.floatx(), tf.config.functions_run_eagerly()
    if policy.name == "float32" and floatx == "float32" and not eager:
        yield
        return
    try:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        tf.config.run_functions_eagerly(False)
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        tf.config.run_functions_eagerly(eager)
