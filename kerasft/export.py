"""SavedModel for TensorFlow Serving: strings in, answers out, tokenisation in the graph."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerasft import replay as replay_script
from kerasft.errors import ExportError, RunExistsError

# Operations of TF-Text that stock TensorFlow Serving images (TF-Text 2.12 and later) have.
TEXT_OPERATIONS = frozenset({"CaseFoldUTF8", "NormalizeUTF8", "RegexSplitWithOffsets", "FastWordpieceTokenizeWithOffsets"})
# What a server in C++ cannot run at all.
_PYTHON_OPERATIONS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


@dataclass(frozen=True)
class Replay:
    """How an exported model compared with the one in memory.

    Attributes:
        rows: Rows replayed.
        equal_labels: Rows with the same label.
        largest_difference: Largest difference of any probability.
    """

    rows: int
    equal_labels: int
    largest_difference: float

    @property
    def passed(self) -> bool:
        """All labels equal and no probability off by more than 1e-5."""
        return self.equal_labels == self.rows and self.largest_difference <= 1e-5

    def __str__(self) -> str:
        return (
            f"{self.equal_labels:,} of {self.rows:,} labels equal, "
            f"largest difference of a probability {self.largest_difference:.1e}"
        )


def export_saved_model(
    path: Path,
    *,
    framer: Any,
    model: Any,
    serve: Callable[[Any], dict[str, Any]],
    paired: bool,
    overwrite: bool = False,
) -> None:
    """Write a SavedModel whose `serving_default` signature takes strings.

    Args:
        path: The version folder, such as `.../serving/1`.
        framer: `backbones.tokenization.Framer`.
        model: Keras model.
        serve: From the model's output to named tensors, in the graph.
        paired: Whether the signature has a second text, `text_pair`.
        overwrite: Replace a folder that is there.

    Raises:
        RunExistsError: The folder is there and `overwrite` is False.
        ExportError: The graph would hold operations a stock server does not have.
    """
    if path.is_file():
        raise ExportError("There is a file where the export's folder should be.", where=str(path), hint="Choose another path.")
    if path.exists() and any(path.iterdir()) and not overwrite:
        hint = "Choose the next version number, or pass overwrite=True (--overwrite)."
        raise RunExistsError("The folder already holds an export.", where=str(path), hint=hint)
    module = tf.Module()
    module.layers = list(model.layers)  # not the model: it would bring the optimizer, twice the size of the weights
    module.tokenizer = framer.tokenizer
    names = ("text", "text_pair") if paired else ("text",)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=name) for name in names])
    def answer(*texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, first_lengths, _ = framer(*texts)
        return serve(model(framer.dense(ids, first_lengths), training=False))

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        tf.saved_model.save(module, str(temporary), signatures={"serving_default": answer})
        check_operations(temporary)
        shutil.rmtree(path, ignore_errors=True)
        temporary.chmod(0o755)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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


def replay(
    path: Path, texts: Sequence[str], pairs: Sequence[str] | None, labels: Sequence[str], probabilities: np.ndarray
) -> Replay:
    """Answer rows with the exported model in a fresh process and compare.

    Args:
        path: The version folder.
        texts: (N,) texts.
        pairs: (N,) second texts, or None.
        labels: (N,) labels the model in memory gave.
        probabilities: (N, C) probabilities it gave.

    Raises:
        ExportError: The process failed; shows the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="kerasft-replay-") as folder:
        rows, answers = Path(folder) / "rows.json", Path(folder) / "answers.json"
        inputs = {"text": list(texts), **({} if pairs is None else {"text_pair": list(pairs)})}
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
    equal = sum(a == b for a, b in zip(outputs["label"], labels, strict=True))
    difference = np.abs(np.asarray(outputs["probabilities"]) - probabilities).max(initial=0.0)
    return Replay(len(labels), equal, float(difference))
