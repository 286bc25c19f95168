"""SavedModel for TensorFlow Serving: strings in, answers out, tokenisation in the graph."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerasft import replay as replay_script
from kerasft.backbones.generation import Choice, as_choice
from kerasft.compact_weights import CompactWeights, Stored, note_format
from kerasft.errors import ExportError
from kerasft.file_sums import write_sums
from kerasft.files import free_to_write, temporary_beside, whole_folder
from kerasft.own_settings import own_settings
from kerasft.tasks.asking import Asking
from kerasft.tasks.base import Answering
from kerasft.warm_up import write_requests

# Operations of TF-Text that stock TensorFlow Serving images (TF-Text 2.12 and later) have.
TEXT_OPERATIONS = frozenset({"CaseFoldUTF8", "NormalizeUTF8", "RegexSplitWithOffsets", "FastWordpieceTokenizeWithOffsets"})
# Texts a server answers by itself after loading, and in how many rows.
_WARM_UP = (("A first request.", 1), ("A batch of somewhat longer texts, as many people may send them at once.", 8))
# Rows of tokens (texts, or windows of long ones) that a server computes at a time: what is asked at once cannot take all memory.
_AT_A_TIME = 64
# What a server in C++ cannot run at all.
_PYTHON_OPERATIONS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


@dataclass(frozen=True)
class Replay:
    """How an exported model compared with the one in memory.

    Attributes:
        rows: Rows replayed.
        equal_rows: Rows whose names and texts (labels, entities, answers) are the same.
        largest_difference: Largest difference of any number: of a probability, or of a value relative to its size.
    """

    rows: int
    equal_rows: int
    largest_difference: float

    @property
    def passed(self) -> bool:
        """All rows equal and no number off by more than 1e-5."""
        return self.equal_rows == self.rows and self.largest_difference <= 1e-5

    def __str__(self) -> str:
        return f"{self.equal_rows:,} of {self.rows:,} answers equal, largest difference of a number {self.largest_difference:.1e}"


def answering(asking: Asking, weights: Stored, *, paired: bool, flat: bool = False) -> Any:
    """The graph from `text` (and `text_pair`) to named tensors.

    Args:
        asking: Framing, Keras model, and what lies around them.
        weights: Where the graph reads them.
        paired: Whether there is a second text.
        flat: Answers are not filled up to the longest of a batch (`Asking.serve_flat`).
    """
    serve = asking.serve_flat if flat and asking.serve_flat else asking.serve
    names = ("text", "text_pair") if paired else ("text",)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=name) for name in names])
    def answer(*texts: tf.Tensor) -> dict[str, tf.Tensor]:
        framed = asking.framing(*texts)
        with weights.in_graph():
            return serve(_outputs(asking.model, asking.dense(framed)), framed, texts)

    return answer


def _outputs(model: Any, inputs: dict[str, tf.Tensor]) -> Any:
    """A Keras model's outputs for (rows, ...) inputs, computed some rows at a time in the graph."""
    outputs = tf.nest.flatten(model.output)
    parts = tf.maximum(1, -(-tf.shape(next(iter(inputs.values())))[0] // _AT_A_TIME))
    made = tuple(tf.TensorArray(out.dtype, size=parts, infer_shape=False, element_shape=out.shape) for out in outputs)

    def part(number: tf.Tensor, made: tuple[Any, ...]) -> tuple[tf.Tensor, tuple[Any, ...]]:
        start = number * _AT_A_TIME
        given = {name: values[start : start + _AT_A_TIME] for name, values in inputs.items()}
        found = tf.nest.flatten(model(given, training=False))
        return number + 1, tuple(array.write(number, out) for array, out in zip(made, found, strict=True))

    _, made = tf.while_loop(lambda number, _: number < parts, part, (0, made), parallel_iterations=1)
    return tf.nest.pack_sequence_as(model.output, [array.concat() for array in made])


def generating(generator: Any, weights: Stored, sampling: Any) -> Any:
    """The graph from `text`, the prompts, to what is written after them.

    Options are outputs' neighbours in the request: one value a prompt, as TensorFlow Serving's `instances` have it,
    so they come as (N,) tensors. The served graph draws or takes the likeliest token; it has no beams.

    Args:
        generator: `backbones.generation.Generator`.
        weights: Where the graph reads them.
        sampling: Its `max_new_tokens` is the most the second signature, `greedy`, adds.
    """
    kinds = {"max_new_tokens": tf.int32, "temperature": tf.float32, "top_k": tf.int32, "top_p": tf.float32,
             "repetition_penalty": tf.float32, "seed": tf.int32, "stop": tf.string}  # fmt: skip
    text = tf.TensorSpec((None,), tf.string, name="text")

    @tf.function(input_signature=[text])
    def greedy(text: tf.Tensor) -> dict[str, tf.Tensor]:
        with weights.in_graph():
            return generator.serve(text, as_choice(sampling, tf.size(text)), tf.fill(tf.shape(text), ""))

    @tf.function(input_signature=[text, *(tf.TensorSpec((None,), kind, name=name) for name, kind in kinds.items())])
    def sample(text: tf.Tensor, *options: tf.Tensor) -> dict[str, tf.Tensor]:
        with weights.in_graph():
            return generator.serve(text, Choice(*options[:-1]), options[-1])

    return {"serving_default": greedy, "sample": sample}


@own_settings()
def export_model(model: Any, path: Path, *, kind: str = "float32", overwrite: bool = False) -> None:
    """Write a SavedModel whose `serving_default` signature takes strings.

    Args:
        model: A `FineTunedModel`.
        path: The version folder, such as `.../serving/1`.
        kind: How weights are kept, one of `compact_weights.FORMATS`.
        overwrite: Replace a folder that is there.

    Raises:
        ConfigError: `kind` is none of the formats.
        RunExistsError: The folder is there and `overwrite` is False.
        ExportError: The graph would hold operations a stock server does not have.
    """
    path = free_to_write(path, overwrite=overwrite, what="an export", mark="saved_model.pb")
    answers = isinstance(model.task, Answering)
    weights = CompactWeights(model.asking.model if answers else model.scorer, kind).for_export()
    module = tf.Module()
    # Not the Keras model itself, which would bring the optimizer, twice the size of the weights.
    module.variables_, module.unpacked, module.tokenizer = weights.variables, weights.resources, model.framer.tokenizer
    if answers:
        signatures = {"serving_default": answering(model.asking, weights, paired=model.paired)}
        if model.asking.serve_flat:
            signatures["flat"] = answering(model.asking, weights, paired=model.paired, flat=True)
    else:
        signatures = generating(model.generator, weights, model.sampling(None, {}))
    names = ("text", "text_pair") if answers and model.paired else ("text",)
    with whole_folder(path) as temporary:
        tf.saved_model.save(module, str(temporary), signatures=signatures)
        check_operations(temporary)
        note_format(temporary, kind)
        write_requests(temporary, [{name: [model.task.plain(text)] * rows for name in names} for text, rows in _WARM_UP])
        write_sums(temporary)


def operations(path: Path) -> set[str]:
    """Names of all operations in a SavedModel's graphs."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    found = set()
    for graph in (meta.graph_def for meta in saved.meta_graphs):
        found |= {node.op for node in graph.node}
        found |= {node.op for function in graph.library.function for node in function.node_def}
    functions = {f.signature.name for meta in saved.meta_graphs for f in meta.graph_def.library.function}
    return found - functions


def check_operations(path: Path) -> None:
    """Refuse a SavedModel that a stock TensorFlow Serving image could not run.

    Raises:
        ExportError: It holds Python calls, or operations neither TensorFlow nor the allowed part of TF-Text has.
    """
    core = {name.lower() for name in dir(tf.raw_ops)}
    odd = sorted(
        name
        for name in operations(path)
        if name in _PYTHON_OPERATIONS or (name.removeprefix("TFText>") not in TEXT_OPERATIONS and name.lower() not in core)
    )
    if odd:
        hint = "Export with the KerasFT version and packages of constraints.txt, and report this."
        raise ExportError(f"A stock TensorFlow Serving image lacks the operations {', '.join(odd)}.", hint=hint)


def replay(path: Path, inputs: dict[str, list[str]], expected: Sequence[dict[str, Any]]) -> Replay:
    """Answer rows with the exported model in a fresh process and compare.

    Args:
        path: The version folder.
        inputs: Texts by input name, one a row.
        expected: What the outputs must be for each row, by output name.

    Raises:
        ExportError: The process failed; shows the end of its output.
    """
    if not (path / "saved_model.pb").exists():
        raise ExportError(
            "The folder holds no export.", where=str(path), hint="Write one: model.export(path), or kerasft export."
        )
    with tempfile.TemporaryDirectory(prefix="kerasft-replay-") as folder:
        rows, answers = Path(folder) / "rows.json", Path(folder) / "answers.json"
        rows.write_text(json.dumps(inputs), encoding="utf-8")
        script = str(Path(replay_script.__file__))
        # -P keeps the script's folder (this package) off the path: nothing of KerasFT can be imported by accident.
        command = [sys.executable, "-P", script, str(path), str(rows), str(answers)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            tail = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise ExportError(f"The exported model does not load in a fresh process:\n{tail}", where=str(path))
        answered = json.loads(answers.read_text(encoding="utf-8"))
    if answered["foreign_modules"]:
        modules = ", ".join(answered["foreign_modules"])
        raise ExportError(f"The fresh process had loaded {modules}, so it proves nothing.", where=str(path))
    outputs = answered["outputs"]
    equal, largest = 0, 0.0
    for i, row in enumerate(expected):
        differences = [difference(wanted, outputs[name][i]) for name, wanted in row.items()]
        if None not in differences:
            equal += 1
        largest = max([largest, *(found for found in differences if found is not None)])
    return Replay(len(expected), equal, largest)


def difference(wanted: Any, got: Any) -> float | None:
    """How far a served value is from the wanted one: 0 for equal names, None for different ones.

    A served list may be longer, filled up to the longest of its batch with "" or -1.
    """
    if isinstance(wanted, str | bool | int):
        return 0.0 if wanted == got else None
    if isinstance(wanted, float):
        return abs(wanted - float(got)) / max(1.0, abs(wanted))
    if len(got) < len(wanted) or not all(_is_filling(value) for value in got[len(wanted) :]):
        return None
    found = [difference(one, other) for one, other in zip(wanted, got, strict=False)]
    return None if None in found else max((value for value in found if value is not None), default=0.0)


def _is_filling(value: Any) -> bool:
    return all(map(_is_filling, value)) if isinstance(value, list) else value in ("", -1, 0)


def zip_export(path: Path) -> Path:
    """Pack a version folder as a zip beside it, with the version number as its top folder, for downloading."""
    return zip_folder(path, path.parent / f"{path.parent.parent.name}-serving-{path.name}.zip")


def zip_folder(path: Path, target: Path) -> Path:
    """Pack a folder, whole or not at all, with its name as the zip's top folder; `target` may lie in it."""
    with temporary_beside(path.parent / target.name, folder=True) as folder:  # not in the folder that is packed
        made = shutil.make_archive(str(folder / "model"), "zip", root_dir=path.parent, base_dir=path.name)
        os.replace(made, target)
    return target
