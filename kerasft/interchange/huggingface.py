"""Hugging Face folders: tuned models written so that `transformers` has equal logits, and read, head included."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.artifact import Artifact
from kerasft.assembly import assemble
from kerasft.backbones.base import Backbone
from kerasft.backbones.checkpoint import Checkpoint
from kerasft.backbones.loading import folder_notes, load_backbone, reading
from kerasft.backbones.peft_adapter import has_adapter
from kerasft.backbones.sentence_modules import DenseModule, dense_layers, save_modules
from kerasft.config import read_json
from kerasft.data.columns import Columns
from kerasft.errors import ConfigError, PresetError, name_values
from kerasft.evaluation.tag_spelling import is_bio, label_parts
from kerasft.file_sums import write_sums
from kerasft.files import free_to_write, whole_folder, write_text
from kerasft.interchange import language_head
from kerasft.interchange.peft_import import model_folder
from kerasft.tasks import Learned, Task, get_task
from kerasft.tasks.pooling import UNIT_LENGTH
from kerasft.tuning.full import Full
from kerasft.weights import as_array, weights_by_path, write_arrays


@dataclass(frozen=True)
class _Kind:
    """How transformers calls a task's model: the end of its class name, and its head's layer ("" for none)."""

    architecture: str
    head: str


@dataclass(frozen=True)
class _Vectors:
    """What stands on a backbone in a folder of sentence-transformers: pooling, dense layers of Keras, and where it normalises."""

    pooling: str | None
    dense: Sequence[Any] = ()
    normalise: str = ""


_PREFIX = {"bert": "bert.", "gpt2": "transformer."}
_CLASS = {"bert": "Bert", "gpt2": "GPT2"}
_SEQUENCE = {"bert": _Kind("ForSequenceClassification", "classifier"), "gpt2": _Kind("ForSequenceClassification", "score")}
_TOKENS = _Kind("ForTokenClassification", "classifier")
_SPANS = _Kind("ForQuestionAnswering", "qa_outputs")
_KINDS = {
    "text_classification": _SEQUENCE,
    "multi_label_classification": _SEQUENCE,
    "regression": _SEQUENCE,
    "token_classification": {"bert": _TOKENS, "gpt2": _TOKENS},
    "question_answering": {"bert": _SPANS, "gpt2": _SPANS},
    "causal_lm": {"gpt2": _Kind("LMHeadModel", "")},
    "masked_lm": {"bert": _Kind("ForMaskedLM", "")},
    "text_embedding": {"bert": _Kind("Model", ""), "gpt2": _Kind("Model", "")},
}
# Labels of natural language inference, paraphrases and next sentences, without case and marks.
_PAIR_LABELS = {
    "entailment",
    "contradiction",
    "notentailment",
    "notduplicate",
    "notparaphrase",
    "notequivalent",
    "isnext",
    "notnext",
}
_PROBLEMS = {
    "text_classification": "single_label_classification",
    "multi_label_classification": "multi_label_classification",
    "regression": "regression",
}


def export_huggingface(artifact: Artifact, folder: Path, *, overwrite: bool = False) -> Path:
    """Write `config.json`, `model.safetensors` and the tokenizer's files.

    A classifier or regressor with a pooling that no classifier of transformers has, such as the mean of all tokens, is written as
    a model of sentence-transformers: the backbone, its pooling and the head as a dense module, whose `encode` gives the logits
    (a regressor's number). A GPT-2 classifier of transformers has no bias; ours is folded into the last layer norm, which gives
    equal logits. A regressor gives numbers in the label's own units.

    Raises:
        ConfigError: Neither has such a model: a span head, or a task without a counterpart.
        RunExistsError: The folder is there and `overwrite` is False.
    """
    task, backbone = artifact.task, artifact.backbone
    family = backbone.family.name
    kind = _KINDS.get(task.name, {}).get(family)
    if kind is None:
        raise _no_such_model(artifact)
    config, arrays = backbone.family.to_huggingface(backbone)
    if _pooled_otherwise(artifact) and _pooling(task, backbone) != "pooled":  # which no module of sentence-transformers gives
        config |= {"architectures": [f"{_CLASS[family]}Model"], **_labels(artifact)}
        return _write(folder, backbone, config, arrays, overwrite=overwrite, vectors=_head_on_pooling(artifact))
    check_same_head(artifact)
    prefix = "" if kind.architecture == "Model" else _PREFIX[family]
    weights = {f"{prefix}{name}": array for name, array in arrays.items()}
    if task.name == "masked_lm":
        # The pooler stays also where transformers has no use for it: the folder is a preset for the next run.
        kind = _Kind(language_head.architecture(task), "")
        weights |= language_head.head_weights(artifact)
    if task.name in ("token_classification", "question_answering"):
        weights = {name: array for name, array in weights.items() if ".pooler." not in name}
    head = head_of(artifact)
    if head is not None:
        _, kernel, bias = head
        weights[f"{kind.head}.weight"] = kernel.T
        if kind.head == "score":
            weights[f"{prefix}ln_f.bias"] = weights[f"{prefix}ln_f.bias"] + np.linalg.pinv(kernel.T) @ bias
        else:
            weights[f"{kind.head}.bias"] = bias
    config["architectures"] = [_CLASS[family] + kind.architecture]
    config |= _labels(artifact)
    vectors = _vectors(artifact) if task.name == "text_embedding" else None
    return _write(folder, backbone, config, weights, overwrite=overwrite, vectors=vectors)


def save_backbone(artifact: Artifact, folder: Path, *, overwrite: bool = False) -> Path:
    """Write a model's backbone as a preset, a Hugging Face folder, which every part of KerasFT reads; of what stands on it
    only pre-training heads are kept.
    """
    if artifact.task.name == "masked_lm":
        return export_huggingface(artifact, folder, overwrite=overwrite)
    return write_backbone(artifact.backbone, folder, overwrite=overwrite)


def write_backbone(backbone: Backbone, folder: Path, *, overwrite: bool = False) -> Path:
    """Write a backbone without a head as a preset."""
    config, arrays = backbone.family.to_huggingface(backbone)
    config["architectures"] = [_CLASS[backbone.family.name] + "Model"]
    return _write(folder, backbone, config, arrays, overwrite=overwrite)


def import_huggingface(name: str, *, base: str | None = None, text_pair: bool | None = None, **options: Any) -> Artifact:
    """A fine-tuned model of transformers, with its head: a folder, or `hf://owner/name`. An adapter of PEFT is merged.

    Args:
        name: The folder or handle; `config.json` must name an architecture we have a task for.
        base: For a folder with an adapter of PEFT alone, the model it was trained on; None for the one that it names.
        text_pair: Whether it reads pairs of texts; None for what its labels and config say (NLI, cross-encoders).
        **options: Of the task, such as `max_length`.

    Raises:
        PresetError: It cannot be had, or is no fine-tuned model of ours to read.
    """
    with model_folder(name, base) as path, reading(path):
        return _imported(name, path, text_pair, options)


def _imported(name: str, path: Path, text_pair: bool | None, options: dict[str, Any]) -> Artifact:
    config = read_json(path / "config.json")
    backbone = load_backbone(path, origin=name)
    family = backbone.family.name
    architecture = str((config.get("architectures") or ["none"])[0]).removeprefix(_CLASS[family])
    pairs = architecture == "ForPreTraining"
    if pairs:
        architecture, options = "ForMaskedLM", {"next_sentence": True, **options}
    found = [task for task, kinds in _KINDS.items() if family in kinds and kinds[family].architecture == architecture]
    if not found or architecture == "Model":
        known = sorted({_CLASS[f] + kind.architecture for kinds in _KINDS.values() for f, kind in kinds.items()})
        raise PresetError(
            f"The folder holds no fine-tuned model that can be read: {config.get('architectures')}.",
            where=str(path),
            hint=f"Known: {', '.join(known)}. A bare backbone is used as a preset.",
        )
    problem = config.get("problem_type") or ("regression" if architecture.startswith("ForSeq") and _count(config) == 1 else None)
    name_of_task = next((task for task in found if _PROBLEMS.get(task) == problem), found[0])
    if name_of_task in _PROBLEMS:  # whatever vector the checkpoint was made to give: its classifier reads this one
        options = {"pooling": backbone.family.default_pooling, **options}
    task = get_task(name_of_task, **options)
    learned = _learned(task.name, config)
    model, encoder = assemble(backbone, task, Full(), learned)
    head = _KINDS[task.name][family].head
    checkpoint = Checkpoint.of(path)
    if getattr(task, "pooling", None) == "pooled" and checkpoint is not None:
        _check_pooler(checkpoint)
    if pairs and checkpoint is not None:
        language_head.read_next_sentence(model, checkpoint)
    if head:
        _read_head(model.get_layer("head"), head, checkpoint, path)
    columns = _columns(task.name, config, backbone, text_pair)
    recipe = {"preset": name, "data": {}, "task": task.to_dict(), "tuning": Full().to_dict(), "train": {}, "imported": True}
    notes = folder_notes(path)
    if task.name == "text_classification" and has_adapter(path) and not config.get("problem_type"):
        notes.append("The adapter does not say whether several labels may apply to a text; read as one label per text.")
    if notes:
        recipe["notes"] = notes
    return Artifact(task, Full(), learned, columns, backbone, model, encoder, recipe)


def _check_pooler(checkpoint: Checkpoint) -> None:
    """Refuse a classifier without the layer that it reads: a drawn one would answer at random."""
    if not any(name.endswith("pooler.dense.weight") for name in checkpoint.names):
        raise PresetError(
            "The weights lack the pooler (pooler.dense.weight), which the head reads.", where=str(checkpoint.folder)
        )


def _read_head(layer: Any, head: str, checkpoint: Checkpoint | None, folder: Path) -> None:
    """Put a head's weights into our layer.

    Raises:
        PresetError: They are absent, or their shapes do not fit the labels that the config names.
    """
    names = checkpoint.names if checkpoint is not None else frozenset()
    if checkpoint is None or f"{head}.weight" not in names:
        raise PresetError(f"The weights of the head ({head}.weight) are missing.", where=str(folder))
    weight = checkpoint.array(f"{head}.weight")
    bias = checkpoint.array(f"{head}.bias") if f"{head}.bias" in names else np.zeros(len(weight), np.float32)
    expected = tuple(layer.weights[0].shape)
    if weight.T.shape != expected or bias.shape != expected[1:]:
        what = f"{head}.weight has shape {weight.shape}, and the config names {expected[1]} labels"
        raise PresetError(f"The head's weights do not fit the config: {what}.", where=str(folder))
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise PresetError(
            f"The head's weights ({head}) hold values that are no finite numbers (NaN or infinite).", where=str(folder)
        )
    layer.set_weights([weight.T, bias])


def check_same_head(artifact: Artifact) -> None:
    """Refuse a model whose head is not computed as transformers computes it.

    Raises:
        ConfigError: It has another pooling, or a span head.
    """
    if _pooled_otherwise(artifact) or getattr(artifact.task, "span_head", "boundaries") == "span":
        raise _no_such_model(artifact)


def _pooled_otherwise(artifact: Artifact) -> bool:
    """Whether a head reads another vector of the text than transformers' classifiers do."""
    task, backbone = artifact.task, artifact.backbone
    if task.name not in _PROBLEMS:
        return False
    return _reads_directions(artifact) or _pooling(task, backbone) != backbone.family.default_pooling


def _reads_directions(artifact: Artifact) -> bool:
    """Whether the head divides each vector by its length first."""
    return bool(artifact.learned.facts.get(UNIT_LENGTH))


def _vectors(artifact: Artifact) -> _Vectors:
    """What an embedding model's vectors are."""
    task: Any = artifact.task
    pooling = task.pooling_of(artifact.backbone.pooling, causal=artifact.backbone.family.causal)
    dense = artifact.encoder.parts.dense if task.pooling == "auto" else []
    return _Vectors(pooling, dense, "after" if task.normalise else "")


def _head_on_pooling(artifact: Artifact) -> _Vectors:
    """A classifier's pooling and its head, as the vectors of sentence-transformers."""
    head = head_of(artifact)
    assert head is not None
    _, kernel, bias = head
    module = DenseModule(kernel.shape[1], "linear", kernel, bias)
    dense = dense_layers([module.to_dict()], [module])
    return _Vectors(_pooling(artifact.task, artifact.backbone), dense, "before" if _reads_directions(artifact) else "")


def _no_such_model(artifact: Artifact) -> ConfigError:
    task, backbone = artifact.task, artifact.backbone
    other = "solver=steps" if _reads_directions(artifact) else f"pooling={backbone.family.default_pooling}"
    hint = f"Export a SavedModel, save_backbone and go on from there, or train with {other}."
    described = _described(task, backbone) + (", solver=exact" if _reads_directions(artifact) else "")
    return ConfigError(f"transformers has no model that computes what this one does ({described}).", hint=hint)


def _pooling(task: Task, backbone: Backbone) -> str:
    chosen: str = getattr(task, "pooling", "auto")
    return backbone.pooling if chosen == "auto" else chosen


def _described(task: Task, backbone: Backbone) -> str:
    given = {"pooling": _pooling(task, backbone)} if hasattr(task, "pooling") else {}
    given |= {"span_head": task.span_head} if hasattr(task, "span_head") else {}
    return ", ".join([task.name, *(f"{name}={value}" for name, value in given.items())])


def head_of(artifact: Artifact) -> tuple[str, np.ndarray, np.ndarray] | None:
    """The head's layer as transformers calls it, its kernel (H, outputs) and bias; None for a task without a head."""
    kind = _KINDS[artifact.task.name][artifact.backbone.family.name]
    if not kind.head:
        return None
    weights = weights_by_path(artifact.keras_model)
    kernel, bias = (as_array(weights[f"head/logits/{name}"]) for name in ("kernel", "bias"))
    if artifact.task.name == "regression":
        facts = artifact.learned.facts
        kernel, bias = kernel * facts["deviation"], bias * facts["deviation"] + facts["mean"]
    return kind.head, kernel.astype(np.float32), bias.astype(np.float32)


def _labels(artifact: Artifact) -> dict[str, Any]:
    labels, name = artifact.learned.labels, artifact.task.name
    problem = {"problem_type": _PROBLEMS[name]} if name in _PROBLEMS else {}
    if name == "regression":
        labels = ("value",)
    if not labels:
        return problem
    names = {str(i): label for i, label in enumerate(labels)}
    return {**problem, "id2label": names, "label2id": {label: int(i) for i, label in names.items()}}


def _columns(task: str, config: dict[str, Any], backbone: Backbone, text_pair: bool | None) -> Columns:
    """What the model reads.

    Raises:
        ConfigError: Pairs are asked of a model that cannot read them as transformers does.
    """
    if task == "question_answering":
        return Columns("text", "context")
    if task not in _PROBLEMS or not backbone.family.has_segments:
        if text_pair:
            raise ConfigError(
                f"transformers' {backbone.family.title} models of the task {task} read no pairs.", hint="Leave out text_pair."
            )
        return Columns("text")
    pairs = _reads_pairs(config) if text_pair is None else text_pair
    return Columns("text", "text_pair") if pairs else Columns("text")


def _reads_pairs(config: dict[str, Any]) -> bool:
    """Whether a classifier's labels are those of pairs, or sentence-transformers saved it as a cross-encoder."""
    named = {re.sub(r"[\W_]+", "", str(label).lower()) for label in (config.get("id2label") or {}).values()}
    cross = any("sbert_ce" in key for key in config) or "activation_fn" in (config.get("sentence_transformers") or {})
    return cross or bool(named & _PAIR_LABELS)


def _count(config: dict[str, Any]) -> int:
    return int(config.get("num_labels", len(config.get("id2label") or {0: "", 1: ""})))


def _learned(task: str, config: dict[str, Any]) -> Learned:
    """What the task would have taken from the rows, as far as the config says."""
    named = config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(_count(config))}
    labels = tuple(str(named[key]) for key in sorted(named, key=int))
    if twice := [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        hint = "Give each its own name in id2label."
        raise PresetError(f"Two labels of config.json have one name: {name_values(twice)}.", hint=hint)
    if task == "regression":
        return Learned((), {"mean": 0.0, "deviation": 1.0})
    if task == "question_answering":
        return Learned((), {"no_answer": False, "threshold": 0.0})
    if task == "masked_lm":
        return Learned()
    if task == "causal_lm":
        return Learned((), {"completions": False})
    if task == "multi_label_classification":
        return Learned(labels, {"separator": ";", "thresholds": [0.5] * len(labels), "frequent": []})
    if task == "token_classification":
        plain = label_parts(labels).is_plain
        outside = next((label for label in labels if label in ("O", "o")), labels[0])
        scheme = "plain" if plain else "BIO" if is_bio(labels) else "taken over"
        return Learned(labels, {"scheme": scheme, "majority": outside})
    return Learned(labels, {"majority": 0})


def _write(
    folder: Path,
    backbone: Backbone,
    config: dict[str, Any],
    weights: dict[str, np.ndarray],
    *,
    overwrite: bool,
    vectors: _Vectors | None = None,
) -> Path:
    folder = free_to_write(folder, overwrite=overwrite, what="a model", mark="config.json")
    with whole_folder(folder) as temporary:
        write_text(temporary / "config.json", json.dumps(config, indent=1, ensure_ascii=False))
        contiguous = {name: np.ascontiguousarray(array) for name, array in weights.items()}
        write_arrays(temporary / "model.safetensors", contiguous, {"format": "pt"})
        backbone.family.save_huggingface_tokenizer(backbone, temporary)
        if vectors is None and not config["architectures"][0].endswith(("Classification", "PreTraining")):
            vectors = _Vectors(backbone.config.get("pooling"))
        if vectors is not None and vectors.pooling not in (None, "pooled"):
            width = int(backbone.model.hidden_dim)
            save_modules(vectors.pooling, temporary, width, vectors.dense, normalise=vectors.normalise)
        write_sums(temporary)
    return folder
