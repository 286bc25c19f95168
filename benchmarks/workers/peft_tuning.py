"""PEFT (Hugging Face), or for bottleneck adapters the library `adapters` (AdapterHub), on sequence classification with the
options of one of our runs. Runs without KerasFT.

    python peft_tuning.py MODEL DATA SETTINGS_JSON OUT

Needs torch, transformers, peft, adapters. Batches of similar length, padded to the longest; AdamW, warm-up 10 %,
linear; last epoch.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf

MODEL, DATA, SETTINGS, OUT = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4])
MODULES = {
    "query": ["query"],
    "key": ["key"],
    "value": ["value"],
    "output": ["attention.output.dense"],
    "feed_forward": ["intermediate.dense", "[0-9].output.dense"],
}


def rows(split: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def tuned(base: Any, tuning: dict[str, Any]) -> Any:
    """The model with what learns in it; everything else but the classifier is frozen."""
    if SETTINGS["method"] == "adapters":
        import adapters

        adapters.init(base)
        kinds = {"houlsby": adapters.DoubleSeqBnConfig, "pfeiffer": adapters.SeqBnConfig}
        factor = base.config.hidden_size / tuning["size"]
        config = kinds[tuning["placement"]](reduction_factor=factor, non_linearity=tuning["activation"])
        base.add_adapter("tuned", config=config)
        base.train_adapter("tuned")
        base.set_active_adapters("tuned")
        return base
    import peft

    kind = peft.TaskType.SEQ_CLS
    if SETTINGS["method"] == "lora":
        names = [name for target in tuning["targets"] for name in MODULES[target]]
        pattern = rf".*({'|'.join(name.replace('.', chr(92) + '.') for name in names)})".replace(r"[0-9]\.", r"\.[0-9]+\.")
        lora = peft.LoraConfig(task_type=kind, r=tuning["rank"], lora_alpha=tuning["alpha"],
                               lora_dropout=tuning["dropout"], target_modules=pattern)  # fmt: skip
        return peft.get_peft_model(base, lora)
    prompts = {"prompt_tuning": peft.PromptTuningConfig, "prefix_tuning": peft.PrefixTuningConfig}
    return peft.get_peft_model(base, prompts[SETTINGS["method"]](task_type=kind, num_virtual_tokens=tuning["length"]))


def main() -> None:
    train, tuning = SETTINGS["train"], SETTINGS["tuning"]
    torch.manual_seed(SETTINGS["seed"])
    rng = np.random.default_rng(SETTINGS["seed"])
    tokenizer = hf.AutoTokenizer.from_pretrained(MODEL)
    labels = sorted({row["label"] for row in rows("train")})
    base = hf.AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=len(labels))
    model = tuned(base, tuning)

    def encoded(split: str) -> tuple[list[list[int]], list[int]]:
        read = rows(split)
        ids = tokenizer([row["text"] for row in read], truncation=True, max_length=256)["input_ids"]
        return ids, [labels.index(row["label"]) for row in read]

    def batch(ids: list[list[int]], numbers: np.ndarray) -> dict[str, torch.Tensor]:
        longest = max(len(ids[i]) for i in numbers)
        padded = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in numbers])
        mask = torch.tensor([[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in numbers])
        return {"input_ids": padded, "attention_mask": mask}

    def accuracy(split: str) -> float:
        ids, gold = encoded(split)
        order = np.argsort([len(row) for row in ids], kind="stable")
        model.eval()
        right = 0
        with torch.no_grad():
            for start in range(0, len(order), 64):
                part = order[start : start + 64]
                found = model(**batch(ids, part)).logits.argmax(-1).numpy()
                right += int((found == np.asarray(gold)[part]).sum())
        return right / len(gold)

    ids, gold = encoded("train")
    size, epochs = train["batch_size"], train["epochs"]
    steps = -(-len(ids) // size) * epochs
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=train["learning_rate"], weight_decay=train["weight_decay"])
    schedule = hf.get_linear_schedule_with_warmup(optimizer, round(train["warmup"] * steps), steps)
    for _ in range(epochs):
        model.train()
        order = rng.permutation(len(ids))
        order = order[np.argsort([len(ids[i]) for i in order], kind="stable")]
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        for number in rng.permutation(len(batches)):
            part = batches[number]
            loss = model(**batch(ids, part), labels=torch.tensor(np.asarray(gold)[part])).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimizer.step()
            schedule.step()
    with tempfile.TemporaryDirectory() as folder:
        if SETTINGS["method"] == "adapters":
            model.save_all_adapters(folder, with_head=True)
        else:
            model.save_pretrained(folder)
        size_of = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.suffix in (".safetensors", ".bin"))
    everything = sum(parameter.numel() for parameter in model.parameters())
    figures = {
        "validation": accuracy("validation"),
        "test": accuracy("test"),
        "learns": sum(parameter.numel() for parameter in learning) / everything,
        "artifact": size_of,
    }
    OUT.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
