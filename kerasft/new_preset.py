"""`create_preset`: a model with random weights and a vocabulary made from a person's own texts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasft.architectures import Architecture
from kerasft.backbones.base import UNTRAINED, get_family
from kerasft.config import read_json
from kerasft.data.dataset import Dataset, load_data
from kerasft.errors import DataError
from kerasft.events import Emit, Phase, Warned, ignore
from kerasft.files import free_to_write, write_text
from kerasft.interchange.huggingface import write_backbone
from kerasft.own_settings import own_settings
from kerasft.training.strategy import prepare

_KERASHUB_SPREAD = 0.02  # standard deviation of its new kernels


@dataclass(frozen=True)
class NewPreset:
    """A preset that was made.

    Attributes:
        folder: Where it is; the name for `finetune`.
        parameters: Number of weights.
        vocabulary_size: Pieces the texts gave, at most as many as were asked for.
    """

    folder: Path
    parameters: int
    vocabulary_size: int

    def __str__(self) -> str:
        return f"{self.folder}: {self.parameters:,} random weights, {self.vocabulary_size:,} pieces"


@own_settings()
def create_preset(
    data: Any,
    folder: str | Path,
    architecture: Architecture | None = None,
    *,
    overwrite: bool = False,
    on_event: Emit | None = None,
    **options: Any,
) -> NewPreset:
    """Make a model to be trained from scratch: a vocabulary from texts (WordPiece or byte-level BPE), random weights.

    Only the training rows make the vocabulary.

    Args:
        data: A `Dataset`, or anything `load_data` reads; of a table the text column counts.
        folder: Where the preset is written, as a Hugging Face folder.
        architecture: What it is made of.
        overwrite: Replace what is in the folder.
        on_event: Called with what is going on.
        **options: Options of `Architecture`, in place of it.

    Raises:
        ConfigError: An option is impossible.
        DataError: The texts hold nothing to make a vocabulary of.
        RunExistsError: The folder is there and `overwrite` is False.
    """
    chosen = Architecture.from_dict({**(architecture or Architecture()).to_dict(), **options})
    emit = on_event or ignore
    free_to_write(folder, overwrite=overwrite, what="a model", mark="config.json")
    dataset = data if isinstance(data, Dataset) else load_data(data)
    split = dataset["train"]
    emit(Phase(phase="vocabulary", detail=f"{len(split):,} rows"))
    layers, width, heads = chosen.shape
    family = get_family(chosen.family)
    sizes = {"num_layers": layers, "num_heads": heads, "hidden_dim": width, "intermediate_dim": 4 * width}
    rest = {"dropout": chosen.dropout, "max_sequence_length": chosen.positions}
    with tempfile.TemporaryDirectory(prefix="kerasft-tokenizer-") as name:
        size = family.train_vocabulary(_texts(split), Path(name), chosen)
        if size <= family.smallest_vocabulary:
            raise DataError("The texts give no vocabulary.", where=split.table.source, hint="Give more text.")
        if size < chosen.vocabulary_size:
            message = f"The texts give {size:,} pieces, not {chosen.vocabulary_size:,}; the model is made for those."
            emit(Warned(code="small_vocabulary", message=message))
        dtype = prepare(seed=chosen.seed, precision="float32")
        config = {"vocabulary_size": size, **sizes, **rest, **family.new_config}
        backbone = family.rebuild(config, Path(name), dtype=dtype)
        widen_kernels(family.parts(backbone).blocks, chosen.spread)
        emit(Phase(phase="model", detail=f"{backbone.parameters:,} weights"))
        made = write_backbone(backbone, Path(folder), overwrite=overwrite)
        written = read_json(made / "config.json")
        write_text(made / "config.json", json.dumps({**written, UNTRAINED: True}, indent=1))
    return NewPreset(made, backbone.parameters, size)


def widen_kernels(blocks: Iterable[Any], spread: float) -> None:
    """Give the new kernels of blocks another standard deviation than KerasHub's; see `Architecture.spread`."""
    for block in blocks:
        for weight in block.trainable_weights:
            if weight.name == "kernel":
                weight.assign(weight * (spread / _KERASHUB_SPREAD))


def _texts(split: Any) -> Iterator[str]:
    for texts, _, _ in split.batches():
        yield from (text for text in texts if text)
