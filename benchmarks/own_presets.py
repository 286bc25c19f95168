"""How `kerasft_bert_mini_en` and `kerasft_gpt2_mini_en` were made: corpus, pre-training, packing.

    python benchmarks/own_presets.py corpus made                # made/texts, from shared/data/pretrain
    python benchmarks/own_presets.py train made bert            # begun again, it goes on where it stopped
    python benchmarks/own_presets.py pack made bert             # kerasft/pretrained/kerasft_bert_mini_en

A new masked language model learns little but the words' frequencies until its attention has found the neighbours; with windows
of 32 tokens that takes some hundred steps, with 128 some thousand. So BERT reads a third of the documents in short windows
first, then all of them in windows of 128. GPT-2 reads the other two thirds in windows of 128, in smaller batches.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from workers.common import DEFAULT_DATA

import kerasft as kft
from kerasft.backbones.loading import save_pooling
from kerasft.presets import find_preset
from kerasft.run import resume
from kerasft.runs import holds_run, run_state
from kerasft.weights import read_arrays, write_arrays

SOURCE = DEFAULT_DATA.parent / "pretrain"
TARGET = Path(kft.__file__).parent / "pretrained"
LENGTH = 128
SHAPE = {"vocabulary_size": 8000, "layers": 3, "width": 192, "heads": 3}
TRAIN = kft.TrainConfig(epochs=1, learning_rate=1.5e-3, warmup=0.05, batch_size=64, dropout=0.0, tensorboard=False)
DROPOUT = 0.1  # for those who fine-tune; pre-training itself had none
GAPS = kft.MaskedLM(masking="whole_word", rate=0.2, max_length=LENGTH)
RUNS = {"bert": ("bert_short", "bert_long", "bert_more"), "gpt2": ("gpt2_long",)}
POSITIONS = {"bert": ("max_position_embeddings", "position_embeddings.weight"), "gpt2": ("n_positions", "wpe.weight")}

SHOWN = {"bert": ("masked_accuracy", "perplexity"), "gpt2": ("perplexity", "accuracy")}
WHAT = {
    "bert": "A BERT of 3 blocks, 192 wide, with 3 heads and a vocabulary of 8,000 lower-cased pieces",
    "gpt2": "A GPT-2 of 3 blocks, 192 wide, with 3 heads and a vocabulary of 8,000 byte-level pieces",
}
WORTH = {  # as measured last; see RESULTS.md
    "bert": "Against the same architecture with random weights: WikiGold, entity F1 23.8 to 16.4; subjectivity, accuracy 92.3 to "
    "90.8; sentence polarity, accuracy 76.0 to 75.5, which is within the spread; three seeds each, `benchmarks/RESULTS.md`.",
    "gpt2": "A 4-gram model with Kneser-Ney smoothing that read all of the documents has a perplexity of 81.4 on the same tokens "
    "(`benchmarks/RESULTS.md`).",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("corpus", "train", "pack"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("family", nargs="?", choices=tuple(POSITIONS))
    given = parser.parse_args()
    if given.what == "corpus":
        corpus(given.folder)
    elif given.family is None:
        parser.error("say bert or gpt2")
    else:
        print({"train": train, "pack": pack}[given.what](given.folder, given.family))


def corpus(folder: Path) -> None:
    """`texts` with all training documents, `third` with every third, `rest` with the others; the same held-out ones in each."""
    files = sorted(path for path in SOURCE.rglob("*.txt.gz"))
    for split, wanted in (("train", False), ("validation", True)):
        chosen = [path for path in files if ("validation" in path.name) == wanted]
        whole = "\n\n".join(gzip.decompress(path.read_bytes()).decode("utf-8").strip() for path in chosen).split("\n\n")
        rest = [document for i, document in enumerate(whole) if i % 3]
        for name, part in (("texts", whole), ("third", whole if wanted else whole[::3]), ("rest", whole if wanted else rest)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / f"{split}.txt").write_text("\n\n".join(part) + "\n", encoding="utf-8")


def train(folder: Path, family: str) -> Path:
    """The run whose backbone is shipped."""
    new, texts = folder / f"{family}_new", str(folder / "texts")
    if not new.exists():
        kft.create_preset(texts, new, family=family, **SHAPE)
    if family == "gpt2":
        task = kft.CausalLM(max_length=LENGTH, pack=True, evaluate_generation=0)
        return finish(folder / "gpt2_long", new, str(folder / "rest"), task, {}, batch_size=32)
    short = finish(
        folder / "bert_short", new, str(folder / "third"), GAPS, {"max_length": 32}, batch_size=128, schedule="constant"
    )
    long = finish(folder / "bert_long", backbone(short, folder / "bert_stage"), texts, GAPS, {})
    return finish(folder / "bert_more", backbone(long, folder / "bert_stage2"), texts, GAPS, {}, epochs=2, warmup=0.03, seed=2)


def backbone(run: Path, target: Path) -> Path:
    """A run's backbone as the preset of the next one."""
    if not target.exists():
        kft.load(run).save_backbone(target)
    return target


def finish(out: Path, preset: Path, texts: str, task: Any, changes: dict[str, Any], **train: Any) -> Path:
    """Do a run, or go on with it."""
    if not holds_run(out):
        how = kft.TrainConfig.from_dict({**TRAIN.to_dict(), **train})
        kft.finetune(str(preset), texts, type(task).from_dict({**task.to_dict(), **changes}), train=how, out=out, on_event=print)
    elif run_state(out) != "finished":
        resume(out, on_event=print)
    return out


def pack(folder: Path, family: str) -> Path:
    """The preset as it is shipped: float16, and only the positions that were trained."""
    target = TARGET / f"kerasft_{family}_mini_en"
    option, name = POSITIONS[family]
    with tempfile.TemporaryDirectory() as made:
        full = kft.load(folder / RUNS[family][-1]).save_backbone(Path(made) / "full")
        config = json.loads((full / "config.json").read_text(encoding="utf-8")) | {option: LENGTH, "dtype": "float16"}
        config |= {key: DROPOUT for key in config if "drop" in key}
        arrays = {
            key: cut(array) if key.endswith(name) else array for key, array in read_arrays(full / "model.safetensors").items()
        }
        if family == "bert":
            save_pooling("mean", full)  # no objective has trained the pooler
        (full / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        halved = {key: np.asarray(array, dtype=np.float16) for key, array in arrays.items()}
        write_arrays(full / "model.safetensors", halved, {"format": "pt"})
        (full / "README.md").write_text(card(folder, family), encoding="utf-8")
        shutil.copytree(full, target, dirs_exist_ok=True)
    return target


def card(folder: Path, family: str) -> str:
    """The model card: how it was trained, how good it is, on what, and what it is not good for."""
    runs = [folder / name for name in RUNS[family]]
    told = [json.loads((run / "run.json").read_text(encoding="utf-8")) for run in runs]
    stages = []
    for run in told:
        steps, length = run["history"][-1]["step"], run["task"]["max_length"]
        tokens = steps * run["train"]["batch_size"] * length / 1e6
        stages.append(f"{steps:,} steps of {run['train']['batch_size']} windows of {length} tokens (about {tokens:.0f} M tokens)")
    figures = json.loads((runs[-1] / "report.json").read_text(encoding="utf-8"))["validation"]["metrics"]
    shown = ", ".join(f"{name.replace('_', ' ')} {figures[name]:.3g}" for name in SHOWN[family])
    versions = ", ".join(f"{name} {version}" for name, version in told[-1]["versions"].items())
    name = f"kerasft_{family}_mini_en"
    seeds = " and ".join(str(seed) for seed in sorted({run["train"]["seed"] for run in told}))
    facts = {
        "name": name,
        "seeds": f"seed{'s' * (len(seeds) > 1)} {seeds}",
        "weights": f"{find_preset(name).parameters / 1e6:.1f}",
        "what": WHAT[family],
        "stages": "; then ".join(stages),
        "hours": f"{sum(run['seconds'] for run in told) / 3600:.1f}",
        "versions": versions,
        "figures": shown,
        "worth": WORTH[family],
    }
    return (Path(__file__).parent / "own_presets_card.md").read_text(encoding="utf-8").format_map(facts)


def cut(positions: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(positions[:LENGTH])


if __name__ == "__main__":
    main()
