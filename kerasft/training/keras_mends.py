"""Two mends without which Keras 3's `fit` fails under `MultiWorkerMirroredStrategy` (keras issue 20585).

`_maybe_symbolic_build` reduces a whole batch, a tuple, in one call that takes single values; `reduce_per_replica` takes the mean
of numbers along an axis they do not have. Both are replaced only while `fit` runs on several workers, and only as long as Keras's
own code is the one that fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from keras.src.backend.tensorflow import trainer as keras_trainer


def needed() -> tuple[bool, bool]:
    """Whether Keras's own `_maybe_symbolic_build` and `reduce_per_replica` still fail."""
    build = inspect.getsource(keras_trainer.TensorFlowTrainer._maybe_symbolic_build)
    reduce = inspect.getsource(keras_trainer.reduce_per_replica)
    return (
        "maybe_distributed_data_batch,\n                        axis=None" in build,
        'strategy.reduce("MEAN", v, axis=0)' in reduce,
    )


@contextmanager
def mended() -> Iterator[None]:
    """Replace what fails, and put it back."""
    trainer = keras_trainer.TensorFlowTrainer
    before = trainer._maybe_symbolic_build, keras_trainer.reduce_per_replica
    builds, reduces = needed()
    try:
        if builds:
            trainer._maybe_symbolic_build = _maybe_symbolic_build
        if reduces:
            keras_trainer.reduce_per_replica = _reduce_per_replica
        yield
    finally:
        trainer._maybe_symbolic_build, keras_trainer.reduce_per_replica = before


def _maybe_symbolic_build(model: Any, iterator: Any = None, data_batch: Any = None) -> None:
    strategy = model.distribute_strategy
    if iterator is not None:
        batch = next(next(iter(iterator))[2])
        data_batch = tf.nest.map_structure(lambda values: strategy.experimental_local_results(values)[0], batch)
    with strategy.scope():
        model._symbolic_build(data_batch=data_batch)


def _reduce_per_replica(values: Any, strategy: Any, reduction: str) -> Any:
    """The mean over all replicas of the numbers a training step tells."""
    assert reduction == "auto", "only `fit` runs while this is in place"
    return tf.nest.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)
