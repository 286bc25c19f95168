"""All that must exist before the first variable: seeds, determinism, precision."""

from __future__ import annotations

import keras
import tensorflow as tf

from kerasft.errors import ConfigError
from kerasft.processor import format_fault


def prepare(*, seed: int, precision: str, xla: bool = False) -> str:
    """Seed every generator and make operations repeat to the bit (with XLA: as far as XLA does).

    Args:
        seed: Seeds Python's, NumPy's and TensorFlow's generators, and with them new weights and dropout.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        xla: Whether the step is to be compiled; Keras then refuses TensorFlow's own determinism.

    Returns:
        The Keras dtype policy for all layers.

    Raises:
        ConfigError: Keras runs on a backend other than TensorFlow, or the precision would end the process.
    """
    if keras.config.backend() != "tensorflow":
        raise ConfigError(
            f"KerasFT needs Keras on TensorFlow. Keras was loaded on {keras.config.backend()!r}.",
            hint='Put this before the first import of keras: import os; os.environ["KERAS_BACKEND"] = "tensorflow"',
        )
    if fault := format_fault(precision):
        raise ConfigError(fault, hint="Take precision float32, or start without that variable, or with TF_ENABLE_ONEDNN_OPTS=0.")
    keras.utils.set_random_seed(seed)
    if not xla:
        tf.config.experimental.enable_op_determinism()
    return precision


def wrap_optimizer(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """Loss scaling for float16, whose small gradients would round to zero; others are returned as they are."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer
