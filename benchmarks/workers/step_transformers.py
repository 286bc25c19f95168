"""Times a training step of transformers' BertForSequenceClassification. Started by `step.py`; needs torch and transformers only.

python step_transformers.py SIDE MODEL BATCH LENGTH
"""

from __future__ import annotations

import sys

import torch
import transformers as hf
from common import time_steps

MODEL, BATCH, LENGTH = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def main() -> None:
    torch.manual_seed(0)
    model = hf.AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=2)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    ids = torch.randint(1000, 20000, (BATCH, LENGTH))
    mask, labels = torch.ones_like(ids), torch.randint(0, 2, (BATCH,))

    def step() -> None:
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    time_steps(step)


if __name__ == "__main__":
    main()
