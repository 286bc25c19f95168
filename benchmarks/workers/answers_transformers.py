"""transformers' side of `answers.py`: python answers_transformers.py WORK FOLDER. Needs torch and transformers only."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from common import PROMPTS, tell_latency, tell_speed

FOLDER = Path(sys.argv[2])


def classifier() -> Any:
    return hf.pipeline("text-classification", str(FOLDER / "classifier_hf"), device="cpu")


def many() -> None:
    texts, answer = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8")), classifier()
    answer(texts[:64], batch_size=64)

    def work() -> list[Any]:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        told = answer([texts[i] for i in order], batch_size=64)
        answers: list[Any] = [None] * len(texts)
        for place, one in zip(order, told, strict=True):
            answers[place] = one
        return answers

    tell_speed("rows_per_second", len(texts), work)


def one() -> None:
    answer = classifier()
    tell_latency(json.loads((FOLDER / "texts.json").read_text(encoding="utf-8")), answer)


def writing() -> None:
    model = hf.AutoModelForCausalLM.from_pretrained(FOLDER / "writer_hf")
    tokenizer = hf.AutoTokenizer.from_pretrained(FOLDER / "writer_hf", padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    given = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    how = {"max_new_tokens": 64, "min_new_tokens": 64, "do_sample": False, "pad_token_id": tokenizer.pad_token_id}

    def write() -> Any:
        with torch.inference_mode():
            return model.generate(**given, **how)

    write()
    tell_speed("tokens_per_second", 64 * len(PROMPTS), write)


if __name__ == "__main__":
    {"many": many, "one": one, "writing": writing}[sys.argv[1]]()
