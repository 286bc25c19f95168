"""A model on disk: `run.json`, `tokenizer/` and the weights; of a parameter-efficient model only those that learned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kerasft.assembly import assemble
from kerasft.backbones.base import Backbone, Encoder, get_family
from kerasft.backbones.loading import load_backbone
from kerasft.config import read_json
from kerasft.data.columns import Columns
from kerasft.errors import ArtifactError, ConfigError, KerasFTError, PresetError
from kerasft.model_files import check_quickly, replace_model, settle
from kerasft.presets import fetch, find_preset
from kerasft.tasks import Learned, Task, get_task
from kerasft.tuning import Tuning, get_tuning
from kerasft.weights import load_weights, weights_by_path

FORMAT = 3  # of the folder; a newer one is refused rather than misread


@dataclass
class Artifact:
    """What a folder holds, put together; see `model.FineTunedModel`."""

    task: Task
    tuning: Tuning
    learned: Learned
    columns: Columns
    backbone: Backbone
    keras_model: Any
    encoder: Encoder
    recipe: dict[str, Any] = field(default_factory=dict)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Neither pickle nor copy: traced graphs are in it, which Keras would leave out or fail at.

        Raises:
            ConfigError: Always; says what to do.
        """
        hint = "Write it with model.save(folder), and kft.load(folder) where it is needed: in the other process, or for a copy."
        raise ConfigError("A model is neither pickled nor copied.", hint=hint)


def own_weights(keras_model: Any, backbone: Backbone, encoder: Encoder, tuning: Tuning) -> dict[str, Any]:
    """The weights an artifact holds, by path: all of them, or for a sparse method those its base does not have as they are.

    All are also those of the backbone that the task has no use for, such as the pooler under a tagger: `save_backbone` and later
    runs do.
    """
    found = weights_by_path(keras_model)
    if not tuning.sparse:
        return found | weights_by_path(backbone.model)
    head = encoder.parts.lm_head
    learning = {id(weight) for weight in keras_model.trainable_weights}
    base = {id(weight) for weight in (*backbone.model.weights, *(head.weights if head is not None else ()))}
    return {path: weight for path, weight in found.items() if id(weight) in learning or id(weight) not in base}


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Write `run.json`, `model.safetensors` and `tokenizer/`; a model that is there stays whole until this one is."""
    backbone, tuning = artifact.backbone, artifact.tuning
    weights = own_weights(artifact.keras_model, backbone, artifact.encoder, tuning)
    model = {
        "format": FORMAT,
        "task": artifact.task.to_dict(),
        "tuning": tuning.to_dict(),
        "labels": list(artifact.learned.labels),
        "facts": artifact.learned.facts,
        "columns": {role: getattr(artifact.columns, role) for role in ("text", "text_pair", "label")},
        "family": backbone.family.name,
        "backbone": backbone.config,
        **({"base": {"preset": backbone.origin, "sha256": backbone.fingerprint}} if tuning.sparse else {}),
    }
    replace_model(folder, artifact.recipe, model, weights, lambda place: backbone.family.save_tokenizer(backbone, place))


def read_artifact(folder: Path, base: str | Path | Backbone | None = None) -> Artifact:
    """Put together again what `write_artifact` wrote.

    Args:
        folder: The run's folder.
        base: For a model that holds only what learned: the preset it was tuned from, if it is elsewhere now, or a
            backbone that is loaded already and may be shared.

    Raises:
        ArtifactError: The folder holds no finished model, is damaged, or is of a newer version; or its base is absent or
            is not the one it was tuned from.
    """
    if not (folder / "run.json").exists():
        raise ArtifactError("This folder holds no KerasFT run.", where=str(folder), hint="Give the folder that holds run.json.")
    recipe = read_json(folder / "run.json")
    if not isinstance(recipe, dict) or not isinstance(recipe.get("model") or {}, dict):
        raise ArtifactError("run.json holds no run.", where=str(folder / "run.json"))
    saved = recipe.pop("model", None)
    files = (saved or {}).get("files") or {}
    if not isinstance(files, dict) or not all(isinstance(recorded, dict) for recorded in files.values()):
        raise ArtifactError("run.json misstates the files of the model.", where=str(folder / "run.json"))
    weights = settle(folder, files)
    if saved is None or not weights.exists():
        hint = f"It was stopped before its end? Go on with: kerasft resume {folder}"
        raise ArtifactError("This run has no model yet.", where=str(folder), hint=hint)
    written = saved.get("format", 0)
    if not isinstance(written, int) or written > FORMAT:
        raise ArtifactError(
            f"The model is of format {written}; this version reads up to {FORMAT}.",
            where=str(folder),
            hint="Upgrade KerasFT.",
        )
    check_quickly(folder, files, weights)
    try:
        task = get_task(saved["task"]["name"], **{k: v for k, v in saved["task"].items() if k != "name"})
        tuning = get_tuning(saved["tuning"]["name"], **{k: v for k, v in saved["tuning"].items() if k != "name"})
        learned = Learned(tuple(saved["labels"]), dict(saved["facts"]))
        columns = Columns(**saved["columns"])
        if saved.get("base"):
            backbone = _pooled_as(_base(folder, saved["base"], base, tuning), saved["backbone"])
        else:
            _check_sizes(saved, folder, weights)
            backbone = get_family(saved["family"]).rebuild(saved["backbone"], folder / "tokenizer", dtype="float32")
    except PresetError as error:
        what = f"The saved model cannot be built again: {error.message}"
        raise ArtifactError(what, where=error.where or str(folder), hint=error.hint) from None
    except KerasFTError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"run.json lacks or misstates {error}.", where=str(folder / "run.json")) from None
    except (OSError, ValueError) as error:  # of KerasHub, at a tokenizer's file or a size no layer can have
        reason = str(error).strip().splitlines()[0][:300]
        raise ArtifactError(f"The saved model cannot be built again: {reason}", where=str(folder)) from error
    try:
        model, encoder = assemble(backbone, task, tuning, learned)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # of Keras, at a layer that no file of ours describes
        raise ArtifactError(f"run.json lacks or misstates {error}.", where=str(folder / "run.json")) from None
    # Up to format 2 only the weights the task uses were kept.
    wanted = own_weights(model, backbone, encoder, tuning) if written > 2 or tuning.sparse else weights_by_path(model)
    load_weights(wanted, weights)
    return Artifact(task, tuning, learned, columns, backbone, model, encoder, recipe)


def _check_sizes(saved: dict[str, Any], folder: Path, weights: Path) -> None:
    """Refuse sizes in run.json that the weights cannot have, before anything of them is built.

    Raises:
        ArtifactError: A size is no whole number from 1 on, or the weights beside it are too few for it.
    """
    sizes = saved["backbone"]
    names = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim", "max_sequence_length")
    given = {name: sizes[name] for name in names} | ({"num_segments": sizes["num_segments"]} if "num_segments" in sizes else {})
    where = str(folder / "run.json")
    if odd := [name for name, value in given.items() if type(value) is not int or value < 1]:
        raise ArtifactError(f"The size {odd[0]} is no whole number from 1 on: {given[odd[0]]!r}.", where=where)
    width = given["hidden_dim"]
    dense = sum(int(one["inputs"]) * int(one["units"]) for one in sizes.get("dense", []))
    rows = given["vocabulary_size"] + given["max_sequence_length"] + given.get("num_segments", 0) + len(saved["labels"])
    least = rows * width + given["num_layers"] * (4 * width**2 + 2 * width * given["intermediate_dim"]) + dense
    stored = weights.stat().st_size
    if (stored and least > stored) or width % given["num_heads"]:  # a byte each would be the least
        told = f"model.safetensors has {stored:,} bytes, and a model of these sizes {least:,} weights"
        raise ArtifactError(f"The sizes in run.json are not those of the weights: {told}.", where=where)


def _pooled_as(backbone: Backbone, saved: dict[str, Any]) -> Backbone:
    """The backbone with the pooling its model was trained with, which may not be what is read from its folder today."""
    names = ("pooling", "dense")
    then = {name: saved[name] for name in names if saved.get(name)}
    if then == {name: backbone.config[name] for name in names if backbone.config.get(name)}:
        return backbone
    rest = {name: value for name, value in backbone.config.items() if name not in names}
    return replace(backbone, config={**rest, **then}, dense=backbone.dense if "dense" in then else ())


def _base(folder: Path, saved: dict[str, Any], given: str | Path | Backbone | None, tuning: Tuning) -> Backbone:
    """The backbone a sparse model was tuned from: the given one if it may be shared, else loaded from its preset."""
    if isinstance(given, Backbone):
        if tuning.shares_base and given.fingerprint == saved["sha256"]:
            return given
        given = None
    name = str(given or saved["preset"])
    try:
        path = fetch(find_preset(name))
    except PresetError as error:
        raise ArtifactError(
            f"This model holds only what was tuned ({tuning.title}); its base '{name}' is not to be had: {error.message}",
            where=str(folder),
            hint="Give the base's folder: kft.load(folder, base='path') (--base path). Its weights' SHA-256 is "
            f"{saved['sha256'][:16]}...",
        ) from None
    backbone = load_backbone(path, origin=name)
    if backbone.fingerprint != saved["sha256"]:
        raise ArtifactError(
            f"The base '{name}' is not the one this model was tuned from: the SHA-256 of its weights is "
            f"{backbone.fingerprint[:16]}..., that of the other {saved['sha256'][:16]}...",
            where=str(folder),
            hint="Give the folder of the right one: kft.load(folder, base='path') (--base path).",
        )
    return backbone
