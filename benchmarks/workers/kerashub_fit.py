"""KerasHub as its guide shows it: `BertTextClassifier.from_preset(...).fit(texts, labels)`. Started by `throughput.py`."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import time

import keras
import keras_hub
import numpy as np
from common import finish, texts_and_labels, versions, worker_arguments


def main() -> None:
    given = worker_arguments()
    keras.utils.set_random_seed(given.seed)
    texts, labels = texts_and_labels(given.data / "train.jsonl")
    names = sorted(set(labels))
    model = keras_hub.models.BertTextClassifier.from_preset(str(given.model), num_classes=len(names))
    if given.learning_rate is not None:
        model.compile(optimizer=keras.optimizers.Adam(given.learning_rate))
    targets = np.array([names.index(label) for label in labels])
    begun = time.perf_counter()
    model.fit(texts, targets, batch_size=given.batch_size, epochs=given.epochs, verbose=0)
    train_seconds = time.perf_counter() - begun
    texts, labels = texts_and_labels(given.data / "validation.jsonl")
    model.predict(texts, batch_size=64, verbose=0)  # traces the graph
    begun = time.perf_counter()
    logits = model.predict(texts, batch_size=64, verbose=0)
    finish(
        trained_rows=len(targets) * given.epochs,
        train_seconds=train_seconds,
        predicted=[names[i] for i in logits.argmax(axis=1)],
        labels=labels,
        predict_seconds=time.perf_counter() - begun,
        note=f"every row padded to {model.preprocessor.sequence_length} tokens",
        versions=versions("keras-hub", "tensorflow", "keras"),
    )


if __name__ == "__main__":
    main()
