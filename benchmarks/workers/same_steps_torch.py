"""PyTorch's side of `same_steps.py`: prints the loss before every step. Runs without KerasFT.

    python same_steps_torch.py MODEL SHARED RATE UPDATES WARMUP DECAY CLIP

Needs torch and transformers.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
import transformers as hf


def main() -> None:
    model_folder, shared = sys.argv[1], np.load(sys.argv[2])
    rate, updates, warmup, decay, clip = map(float, sys.argv[3:])
    kernel, bias = (torch.tensor(shared[f"head_logits_{name}"]) for name in ("kernel", "bias"))
    nothing = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = hf.AutoModelForTokenClassification.from_pretrained(model_folder, num_labels=len(bias), **nothing)
    with torch.no_grad():
        model.classifier.weight.copy_(kernel.T)
        model.classifier.bias.copy_(bias)
    plain = [p for name, p in model.named_parameters() if "bias" in name or "LayerNorm" in name]
    decayed = [p for name, p in model.named_parameters() if not ("bias" in name or "LayerNorm" in name)]
    groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, eps=1e-8)
    rising = round(warmup * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / (rising + 1) if s < rising else (updates - s) / (updates - rising)
    )
    model.train()
    for i in range(sum(name.startswith("ids_") for name in shared.files)):
        ids, mask, targets = (torch.tensor(shared[f"{name}_{i}"]).long() for name in ("ids", "mask", "targets"))
        targets[targets < 0] = -100
        loss = model(input_ids=ids, attention_mask=mask, labels=targets).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        schedule.step()
        print(loss.item(), flush=True)


if __name__ == "__main__":
    main()
