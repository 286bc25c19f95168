"""KerasFT: `finetune` with its defaults. Started by `throughput.py`."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
import time
from pathlib import Path

from common import finish, texts_and_labels, versions, worker_arguments

import kerasft as kft
from kerasft.events import EpochEnd, Event


def main() -> None:
    given = worker_arguments()
    epochs: list[EpochEnd] = []

    def watch(event: Event) -> None:
        if isinstance(event, EpochEnd):
            epochs.append(event)

    data = kft.load_data({name: given.data / f"{name}.jsonl" for name in ("train", "validation")})
    train = kft.TrainConfig(epochs=given.epochs, batch_size=given.batch_size, learning_rate=given.learning_rate, seed=given.seed)
    with tempfile.TemporaryDirectory() as folder:
        model = kft.finetune(str(given.model), data, train=train, out=Path(folder) / "run", on_event=watch)
    texts, labels = texts_and_labels(given.data / "validation.jsonl")
    model.predict(texts)  # traces the graph, as the second call of a server would find it
    begun = time.perf_counter()
    answers = model.predict(texts)
    finish(
        trained_rows=len(data["train"]) * len(epochs),
        # Of each epoch only its steps, without the validation and the checkpoint after it.
        train_seconds=sum(event.seconds for event in epochs),
        predicted=[answer.label for answer in answers],
        labels=labels,
        predict_seconds=time.perf_counter() - begun,
        note=f"grouped by length, at most {model.framer.max_length} tokens",
        versions=versions("kerasft", "tensorflow", "keras"),
    )


if __name__ == "__main__":
    main()
