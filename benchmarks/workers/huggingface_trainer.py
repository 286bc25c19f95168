"""Hugging Face's Trainer with dynamic padding, grouped by length. Started by `throughput.py` with the peers' Python.

It does what a run of KerasFT does: validates after each epoch, keeps the weights of the best one and saves them.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import tempfile
import time

from common import finish, texts_and_labels, versions, worker_arguments
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

MAX_LENGTH = 256  # as KerasFT's default and as the other peer reads it from the model's folder


class EpochTimes(TrainerCallback):
    """Seconds of the epochs' steps, without the validation and saving after them."""

    seconds = 0.0

    def on_epoch_begin(self, *_: object, **__: object) -> None:
        self.begun = time.perf_counter()

    def on_epoch_end(self, *_: object, **__: object) -> None:
        self.seconds += time.perf_counter() - self.begun


def main() -> None:
    given = worker_arguments()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    texts, labels = texts_and_labels(given.data / "train.jsonl")
    names = sorted(set(labels))

    def encode(rows: list[str], targets: list[str]) -> Dataset:
        columns = dict(tokenizer(rows, truncation=True, max_length=MAX_LENGTH))
        return Dataset.from_dict({**columns, "labels": [names.index(target) for target in targets]})

    optional = {} if given.learning_rate is None else {"learning_rate": given.learning_rate}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=given.epochs,
            per_device_train_batch_size=given.batch_size,
            per_device_eval_batch_size=64,
            train_sampling_strategy="group_by_length",
            logging_strategy="no",
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            report_to=[],
            disable_tqdm=True,
            seed=given.seed,
            **optional,
        )
        epochs = EpochTimes()
        held_out = encode(*texts_and_labels(given.data / "validation.jsonl"))
        trainer = Trainer(
            AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=len(names)),
            arguments,
            train_dataset=encode(texts, labels),
            eval_dataset=held_out,
            callbacks=[epochs],
            data_collator=DataCollatorWithPadding(tokenizer),
            processing_class=tokenizer,
        )
        trainer.train()
        trainer.save_model(folder)
        trained_rows = len(texts) * given.epochs
        texts, labels = texts_and_labels(given.data / "validation.jsonl")
        trainer.predict(encode(texts, labels))
        begun = time.perf_counter()
        answered = trainer.predict(encode(texts, labels))
        predict_seconds = time.perf_counter() - begun
    finish(
        trained_rows=trained_rows,
        train_seconds=epochs.seconds,
        predicted=[names[i] for i in answered.predictions.argmax(axis=1)],
        labels=[names[i] for i in answered.label_ids],  # rows come back grouped by length, too
        predict_seconds=predict_seconds,
        note=f"grouped by length, at most {MAX_LENGTH} tokens",
        versions=versions("transformers", "torch", "datasets", "accelerate"),
    )


if __name__ == "__main__":
    main()
