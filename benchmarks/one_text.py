"""Where the time of one text goes: the parts of an exported model's answer, and the matrix products it cannot do without.

    python benchmarks/one_text.py

MiniLM with a head, one sentence of `--words` words, a call at a time: `answer` is the SavedModel's signature, string in,
numbers out; `framing` its tokenisation, `network` the Keras model on the tokens; `products` are the dense layers' products
of (tokens, in) with (in, out) alone, one after the other as the layers need them; `call` is a signature that does nothing.
They take turns; medians and the 99th of 100 of all rounds. An answer cannot take less than `products` and `call`: that says
how far off half its time is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from workers.common import machine, table, versions

import kerasft as kft
from kerasft.layers.transformer_block import PROJECTIONS, TransformerBlock
from kerasft.presets import DEFAULT_PRESET

STRING = tf.TensorSpec((None,), tf.string)
WORDS = "the film is a duel between two gifted performers who keep the story moving when it has little left to say"
CALLS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--words", type=int, default=21)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    info = machine()
    text = " ".join((WORDS.split() * given.words)[: given.words])
    with tempfile.TemporaryDirectory(prefix="kerasft-bench-") as folder:
        parts, tokens = made(given.preset, text, Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in parts}
        for number in range(given.rounds):
            for name, call in list(parts.items())[:: 1 if number % 2 else -1]:
                seconds[name] += timed(call)
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr, flush=True)
    print(f"{given.preset}, {given.words} words, {tokens} tokens; {info}; {versions('kerasft', 'tensorflow', 'keras')}\n")
    whole = statistics.median(seconds["answer"])
    rows = [
        (name, f"{1e3 * statistics.median(found):.2f}", f"{1e3 * sorted(found)[int(0.99 * len(found))]:.2f}",
         f"{statistics.median(found) / whole:.0%}") for name, found in seconds.items()
    ]  # fmt: skip
    print(table(("part", "median, ms", "99 of 100, ms", "of the answer"), rows))


def made(preset: str, text: str, folder: Path) -> tuple[dict[str, Callable[[], Any]], int]:
    """Each part as a call, and the number of tokens."""
    few = [{"text": text, "label": label} for label in ("a", "b") * 20]
    model = kft.finetune(preset, few, kft.TextClassification(), train=kft.TrainConfig(epochs=0), out=folder / "run")
    serve = tf.saved_model.load(str(model.export(folder / "serving" / "1"))).signatures["serving_default"]
    asking = model.asking

    @tf.function(input_signature=[STRING])
    def nothing(texts: tf.Tensor) -> tf.Tensor:
        return tf.identity(texts)

    @tf.function(input_signature=[STRING])
    def framing(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        framed: dict[str, tf.Tensor] = asking.dense(asking.framing(texts))
        return framed

    given = tf.constant([text])
    dense = framing(given)

    @tf.function(input_signature=[{name: tf.TensorSpec((None, None), value.dtype) for name, value in dense.items()}])
    def network(inputs: dict[str, tf.Tensor]) -> Any:
        return asking.model(inputs, training=False)

    tokens = int(dense["token_ids"].shape[1])
    products = dense_products([layer for layer in asking.model.layers if isinstance(layer, TransformerBlock)], tokens)
    parts: dict[str, Callable[[], Any]] = {
        "answer": lambda: {name: value.numpy() for name, value in serve(text=given).items()},
        "call": lambda: nothing(given),
        "framing": lambda: framing(given),
        "network": lambda: network(dense),
        "products": products,
    }
    return parts, tokens


def dense_products(blocks: list[TransformerBlock], tokens: int) -> Callable[[], Any]:
    """The products of all blocks' dense layers with copies of their kernels; each waits for what the layer's would wait for."""
    kernels = [[tf.Variable(block.kernel(name)) for name in PROJECTIONS] for block in blocks]
    first = tf.random.normal((tokens, kernels[0][0].shape[0]))

    @tf.function
    def run() -> tf.Tensor:
        x = first
        for query, key, value, output, into, out in kernels:
            heads = tf.matmul(x, query) + tf.matmul(x, key) + tf.matmul(x, value)
            x = 1e-3 * tf.matmul(tf.matmul(tf.matmul(heads, output), into), out)  # small, so that nothing overflows
        return x

    return run


def timed(call: Callable[[], Any]) -> list[float]:
    """Seconds of each of some calls, after a few that do not count."""
    for _ in range(10):
        call()
    found = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return found


if __name__ == "__main__":
    main()
