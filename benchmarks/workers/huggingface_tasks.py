"""Hugging Face's Trainer on one task, with ordinary settings; prints its test figures as JSON. Runs without KerasFT.

    python huggingface_tasks.py TASK MODEL DATA LEARNING_RATE EPOCHS BATCH SEED

AdamW, linear schedule, warm-up of 10 %, weight decay 0.01, dynamic padding, rows grouped by length, the last epoch's weights.
Needs torch, transformers, datasets, accelerate, seqeval.
"""

from __future__ import annotations

import collections
import json
import os
import re
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers as hf
from datasets import Dataset

TASK, MODEL, DATA = sys.argv[1], sys.argv[2], Path(sys.argv[3])
RATE, EPOCHS, BATCH, SEED = float(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]), int(sys.argv[7])
TOKENIZER = hf.AutoTokenizer.from_pretrained(MODEL)


def rows(split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def sentences(split: str) -> list[tuple[list[str], list[str]]]:
    found: list[tuple[list[str], list[str]]] = []
    words: list[str] = []
    tags: list[str] = []
    for line in [*(DATA / f"{split}.conll").read_text(encoding="utf-8").splitlines(), ""]:
        if line.strip():
            word, tag = line.split("\t")
            words.append(word)
            tags.append(tag)
        elif words:
            found.append((words, tags))
            words, tags = [], []
    return found


def trainer(model: Any, train: Any, test: Any, collator: Any, metric: Callable[[Any], dict[str, float]] | None) -> Any:
    arguments = hf.TrainingArguments(
        tempfile.mkdtemp(), learning_rate=RATE, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=64, warmup_steps=0.1, weight_decay=0.01, lr_scheduler_type="linear",
        train_sampling_strategy="group_by_length", report_to=[], save_strategy="no", seed=SEED, disable_tqdm=True,
    )  # fmt: skip
    made = hf.Trainer(
        model, arguments, train_dataset=train, eval_dataset=test, data_collator=collator, compute_metrics=metric,
        processing_class=TOKENIZER,
    )  # fmt: skip
    made.train()
    return made


def classification() -> dict[str, float]:
    labels = sorted({row["label"] for row in rows("train")})

    def encoded(split: str) -> Any:
        return Dataset.from_list(
            [
                {**TOKENIZER(row["text"], truncation=True, max_length=256), "labels": labels.index(row["label"])}
                for row in rows(split)
            ]
        )

    hf.set_seed(SEED)
    model = hf.AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=len(labels))
    made = trainer(
        model, encoded("train"), encoded("test"), hf.DataCollatorWithPadding(TOKENIZER),
        lambda p: {"accuracy": float((p.predictions.argmax(1) == p.label_ids).mean())},
    )  # fmt: skip
    return {"accuracy": made.evaluate()["eval_accuracy"]}


def multi_label() -> dict[str, float]:
    from sklearn.metrics import f1_score

    labels = sorted({label for row in rows("train") for label in row["labels"]})

    def encoded(split: str) -> Any:
        return Dataset.from_list(
            [
                {
                    **TOKENIZER(row["text"], truncation=True, max_length=256),
                    "labels": [float(label in row["labels"]) for label in labels],
                }
                for row in rows(split)
            ]
        )

    def metric(p: Any) -> dict[str, float]:
        chosen = p.predictions > 0  # a probability above one half, the Trainer user's usual rule
        return {
            "micro_f1": float(f1_score(p.label_ids, chosen, average="micro", zero_division=0)),
            "macro_f1": float(f1_score(p.label_ids, chosen, average="macro", zero_division=0)),
        }

    hf.set_seed(SEED)
    model = hf.AutoModelForSequenceClassification.from_pretrained(
        MODEL, num_labels=len(labels), problem_type="multi_label_classification"
    )
    found = trainer(model, encoded("train"), encoded("test"), hf.DataCollatorWithPadding(TOKENIZER), metric).evaluate()
    return {name: found[f"eval_{name}"] for name in ("micro_f1", "macro_f1")}


def tagging() -> dict[str, float]:
    from seqeval.metrics import f1_score

    labels = sorted({tag for _, tags in sentences("train") for tag in tags})

    def encoded(split: str) -> Any:
        made = []
        for words, tags in sentences(split):
            found = TOKENIZER(words, is_split_into_words=True, truncation=True, max_length=192)
            before = None
            targets = []
            for word in found.word_ids():
                known = word is not None and word != before
                targets.append((labels.index(tags[word]) if tags[word] in labels else 0) if known else -100)
                before = word
            made.append({**found, "labels": targets})
        return Dataset.from_list(made)

    def metric(p: Any) -> dict[str, float]:
        best = p.predictions.argmax(-1)
        gold = [[labels[y] for y in row if y != -100] for row in p.label_ids]
        given = [[labels[x] for x, y in zip(a, b, strict=True) if y != -100] for a, b in zip(best, p.label_ids, strict=True)]
        right = [x == y for a, b in zip(gold, given, strict=True) for x, y in zip(a, b, strict=True)]
        return {"accuracy": float(np.mean(right)), "f1": float(f1_score(gold, given)) if "O" in labels else 0.0}

    hf.set_seed(SEED)
    model = hf.AutoModelForTokenClassification.from_pretrained(MODEL, num_labels=len(labels))
    found = trainer(model, encoded("train"), encoded("test"), hf.DataCollatorForTokenClassification(TOKENIZER), metric).evaluate()
    return {name: found[f"eval_{name}"] for name in ("accuracy", "f1")}


def answering() -> dict[str, float]:
    """Truncated to one window of 256 tokens in training, 384 in the test, as the simplest ordinary set-up has it."""

    def gold(row: dict[str, Any]) -> tuple[str, int]:
        found = row.get("answer") or row["answers"]
        return (found, row["answer_start"]) if isinstance(found, str) else (found["text"][0], found["answer_start"][0])

    made = []
    for row in rows("train"):
        answer, begin = gold(row)
        found = TOKENIZER(row["question"], row["context"], truncation="only_second", max_length=256, return_offsets_mapping=True)
        kinds, offsets = found.sequence_ids(), found.pop("offset_mapping")
        first = last = 0
        for i, (kind, (b, e)) in enumerate(zip(kinds, offsets, strict=True)):
            if kind == 1:
                first = i if b <= begin < e else first
                last = i if b < begin + len(answer) <= e else last
        made.append({**found, "start_positions": first, "end_positions": last})
    hf.set_seed(SEED)
    model = hf.AutoModelForQuestionAnswering.from_pretrained(MODEL)
    trainer(model, Dataset.from_list(made), None, hf.DataCollatorWithPadding(TOKENIZER), None)
    model.eval()
    exact, overlap = [], []
    for row in rows("test"):
        given = best_answer(model, row["question"], row["context"])
        wanted = gold(row)[0]
        exact.append(float(normal(given) == normal(wanted)))
        overlap.append(common(normal(given).split(), normal(wanted).split()))
    return {"exact_match": float(np.mean(exact)), "f1": float(np.mean(overlap))}


def best_answer(model: Any, question: str, context: str) -> str:
    found = TOKENIZER(
        question, context, truncation="only_second", max_length=384, return_offsets_mapping=True, return_tensors="pt"
    )
    inside = [i for i, kind in enumerate(found.sequence_ids(0)) if kind == 1]
    offsets = found.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        outputs = model(**found)
    start, end = outputs.start_logits[0].numpy(), outputs.end_logits[0].numpy()
    _, i, j = max((start[i] + end[j], i, j) for i in inside for j in range(i, min(i + 30, inside[-1] + 1)))
    return context[offsets[i][0] : offsets[j][1]]


def normal(text: str) -> str:
    """The official SQuAD script's normalisation."""
    plain = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())


def common(given: list[str], wanted: list[str]) -> float:
    same = sum((collections.Counter(given) & collections.Counter(wanted)).values())
    return 2 * same / (len(given) + len(wanted)) if same else 0.0


if __name__ == "__main__":
    tasks = {
        "text_classification": classification,
        "multi_label_classification": multi_label,
        "token_classification": tagging,
        "question_answering": answering,
    }
    print(json.dumps(tasks[TASK]()), flush=True)
