"""Hugging Face's `run_mlm` in short: BertForMaskedLM, its collator, its Trainer; prints tokens a second as JSON.

python huggingface_mlm.py MODEL TEXTS STEPS SKIP BATCH LENGTH RATE
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import transformers as hf
from datasets import Dataset

MODEL, TEXTS = sys.argv[1], Path(sys.argv[2])
STEPS, SKIP, BATCH, LENGTH, RATE = int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7])


class Clock(hf.TrainerCallback):  # type: ignore[misc]
    """When step `SKIP` and the last step ended."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.at[state.global_step] = time.perf_counter()


def main() -> None:
    tokenizer = hf.AutoTokenizer.from_pretrained(MODEL)
    ids = [number for text in TEXTS.read_text(encoding="utf-8").split("\n\n") for number in tokenizer(text)["input_ids"]]
    blocks = [ids[i : i + LENGTH] for i in range(0, len(ids) - LENGTH, LENGTH)]
    hf.set_seed(1)
    model = hf.BertForMaskedLM(hf.AutoConfig.from_pretrained(MODEL))
    arguments = hf.TrainingArguments(
        tempfile.mkdtemp(), max_steps=STEPS, per_device_train_batch_size=BATCH, learning_rate=1e-3, report_to=[],
        save_strategy="no", logging_strategy="no", disable_tqdm=True, warmup_steps=0.05, weight_decay=0.01,
    )  # fmt: skip
    clock = Clock()
    collator = hf.DataCollatorForLanguageModeling(tokenizer, mlm_probability=RATE)
    data = Dataset.from_dict({"input_ids": blocks})
    made = hf.Trainer(model, arguments, train_dataset=data, data_collator=collator, callbacks=[clock])
    made.train()
    seconds = clock.at[STEPS] - clock.at[SKIP]
    print(json.dumps({"tokens_per_second": (STEPS - SKIP) * BATCH * LENGTH / seconds}))


if __name__ == "__main__":
    main()
