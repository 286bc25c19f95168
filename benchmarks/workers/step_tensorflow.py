"""Times a training step of KerasFT or stock KerasHub, or dense products alone. Started by `step.py`.

python step_tensorflow.py SIDE MODEL BATCH LENGTH
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `import kerasft` does, here for both sides
os.environ["KERAS_BACKEND"] = "tensorflow"

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from common import time_steps

SIDE, MODEL, BATCH, LENGTH = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
REPEATS = 3


def main() -> None:
    if SIDE == "products":
        time_steps(products(), operations=operations())
        return
    model, names = kerashub() if SIDE == "KerasHub" else kerasft()
    rng = np.random.default_rng(0)
    values = {"token_ids": rng.integers(1000, 20000, (BATCH, LENGTH)), "padding_mask": np.ones((BATCH, LENGTH))}
    values["segment_ids"] = np.zeros((BATCH, LENGTH))
    inputs = {name: tf.constant(values[name], "int32") for name in names}
    targets = tf.constant(rng.integers(0, 2, BATCH))
    model.make_train_function()
    time_steps(lambda: model.train_function(iter([(inputs, targets)])))


def kerasft() -> tuple[Any, list[str]]:
    import kerasft as kft
    from kerasft.layers.transformer_block import TransformerBlock
    from kerasft.training.optimizer import make_optimizer

    task = kft.TextClassification()
    learned = task.learn(kft.load_data([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}] * 10)["train"])
    precision = "mixed_bfloat16" if "bfloat16" in SIDE else "float32"
    model = kft.build(str(MODEL), task, learned=learned, seed=1, dropout=0.1, precision=precision)
    optimizer = make_optimizer(
        learning_rate=1e-4, total_updates=1000, warmup=0.1, schedule="linear", weight_decay=0.01, clip_norm=1.0, accumulate=1,
        head_learning_rate=None,
    )  # fmt: skip
    for layer in model.layers:
        if isinstance(layer, TransformerBlock):
            layer.recompute = "checkpointing" in SIDE
    model.compile(optimizer=optimizer, loss=task.loss(label_smoothing=0.0), jit_compile="XLA" in SIDE)
    return model, list(model.input)


def kerashub() -> tuple[Any, list[str]]:
    model = keras_hub.models.BertTextClassifier.from_preset(str(MODEL), num_classes=2, preprocessor=None)
    optimizer = keras.optimizers.AdamW(1e-4, weight_decay=0.01, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    return model, list(model.input)


def shapes() -> list[tuple[int, int]]:
    """(in, out) of a block's dense layers."""
    config = keras_hub.models.BertBackbone.from_preset(str(MODEL), load_weights=False).get_config()
    width, inner = config["hidden_dim"], config["intermediate_dim"]
    return [*[(width, width)] * 4, (width, inner), (inner, width)]


def operations() -> float:
    return sum(3 * 2.0 * BATCH * LENGTH * rows * columns for rows, columns in shapes()) * REPEATS


def products() -> Callable[[], Any]:
    """The three products of each dense layer of some blocks."""
    layers = []
    for rows, columns in shapes() * REPEATS:
        layers.append([tf.random.normal(shape) for shape in ((BATCH * LENGTH, rows), (rows, columns), (BATCH * LENGTH, columns))])

    @tf.function
    def run() -> tf.Tensor:
        made = []
        for inputs, kernel, upstream in layers:
            made.append(tf.matmul(inputs, kernel))
            made.append(tf.matmul(upstream, kernel, transpose_b=True))
            made.append(tf.matmul(inputs, upstream, transpose_a=True))
        return tf.add_n([product[0, 0] for product in made])  # one number of each, so that none is left out

    return run


if __name__ == "__main__":
    main()
