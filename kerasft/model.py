"""`FineTunedModel`: a task's model with its tokenizer and label names; predicts, evaluates, saves, exports."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from kerasft import export as exporting
from kerasft.backbones.base import Backbone, get_family
from kerasft.backbones.tokenization import Framer
from kerasft.config import read_json
from kerasft.data.columns import Columns
from kerasft.data.dataset import Split, as_split
from kerasft.data.table import unique_names
from kerasft.errors import ArtifactError, DataError, KerasFTError
from kerasft.evaluation.report import Report
from kerasft.preprocessing.batching import predict_rows
from kerasft.preprocessing.encoding import Encoded, encode
from kerasft.tasks import Task, get_task
from kerasft.tuning import Tuning, get_tuning
from kerasft.weights import load_weights, save_weights, write_text

FORMAT = 1  # of the folder; a newer one is refused rather than misread
_STREAM = 5_000  # rows predicted between two writes


@dataclass
class FineTunedModel:
    """A fine-tuned model, ready to answer.

    Attributes:
        task: What it answers.
        tuning: How it was tuned.
        labels: Label names, in the order of the logits.
        columns: Columns of the data it was trained on.
        backbone: Backbone and tokenizer.
        keras_model: The plain `keras.Model`; logits out.
        majority: Number of the most frequent training label, for the baseline.
        recipe: The run that made it, as JSON values.
        folder: Where it is saved, or None.
    """

    task: Task
    tuning: Tuning
    labels: tuple[str, ...]
    columns: Columns
    backbone: Backbone
    keras_model: Any
    majority: int = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        limit = min(self.task.max_length, self.backbone.max_length)  # type: ignore[attr-defined]
        self.framer = Framer(self.backbone.family, self.backbone.tokenizer, limit)

    @property
    def paired(self) -> bool:
        """Whether it reads two texts at a time."""
        return self.columns.text_pair is not None

    def encode(
        self, split: Split, *, targets: np.ndarray | None = None, progress: Callable[[int], None] | None = None
    ) -> Encoded:
        """The rows of a split as framed token ids."""
        rows = ((texts, pairs) for texts, pairs, _ in split.batches())
        return encode(self.framer, rows, paired=self.paired, targets=targets, progress=progress)

    def logits(self, encoded: Encoded, *, batch_size: int = 64) -> np.ndarray:
        """(rows, classes) float32 logits, in the order of the rows."""
        return predict_rows(self.keras_model, encoded, batch_size)

    def predict(self, texts: Any, *, batch_size: int = 64) -> Any:
        """Answer texts.

        Args:
            texts: One text; a list of texts; for a model of pairs, one `(text, second text)` or a list of them.
            batch_size: Rows a call of the model.

        Returns:
            One `Prediction` for one text, else a list in the order of the texts.

        Raises:
            DataError: The input is no text, or not a pair where the model needs one.
        """
        one_pair = self.paired and isinstance(texts, tuple) and len(texts) == 2 and isinstance(texts[0], str)
        single = isinstance(texts, str) or one_pair
        # What could be gone through, but not text by text: a dictionary's keys, a table's column names, numbers of bytes.
        if isinstance(texts, bytes | Mapping) or hasattr(texts, "columns") or not isinstance(texts, Iterable):
            what = "pairs" if self.paired else "texts"
            hint = "Give one or a list of them; predict_file answers the rows of a file."
            raise DataError(f"This model reads {what}. Received: {type(texts).__name__}.", hint=hint)
        rows = [texts] if single else list(texts)
        if not rows:
            return []
        firsts, seconds = self._unpack(rows)
        encoded = encode(self.framer, [(firsts, seconds)], paired=self.paired)
        answers = self.task.decode(self.logits(encoded, batch_size=batch_size), self.labels)
        return answers[0] if single else answers

    def _unpack(self, rows: Sequence[Any]) -> tuple[list[str | None], list[str | None]]:
        for i, row in enumerate(rows):
            if self.paired and not (isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(t, str) for t in row)):
                hint = "For example model.predict([('A dog barks.', 'An animal makes a sound.')])."
                raise DataError(f"This model reads pairs. Item {i} is {str(row)[:60]!r}.", hint=hint)
            if not self.paired and not isinstance(row, str):
                hint = "Give a text or a list of texts."
                raise DataError(
                    f"This model reads texts. Item {i} is of type {type(row).__name__}: {str(row)[:60]!r}.", hint=hint
                )
        if self.paired:
            return [row[0] for row in rows], [row[1] for row in rows]
        return list(rows), [None] * len(rows)

    def evaluate(self, rows: Any, *, batch_size: int = 64) -> Report:
        """Score labelled rows: figures with intervals, per label, confusion matrix, worst mistakes.

        Args:
            rows: A split (`data["test"]`), or a file, DataFrame or list with the columns of the training data.
            batch_size: Rows a call of the model.

        Raises:
            DataError: The rows lack a label column, or hold labels the model has never seen.
        """
        split = as_split(rows, self.columns, need_label=True)
        usable, notes = split.usable()
        sentences = [note.message for note in notes]
        if not len(usable):
            raise DataError("No row has both a text and a label.", where=split.table.source)
        targets = self.task.targets(usable, self.labels)
        if (targets < 0).any():
            sentences.append(f"{int((targets < 0).sum()):,} rows with a label the model has never seen are left out.")
            usable, targets = usable.take(np.flatnonzero(targets >= 0)), targets[targets >= 0]
        if not len(usable):
            raise DataError("No row has a label the model knows.", where=split.table.source)
        encoded = self.encode(usable)
        if encoded.cut:
            sentences.append(f"{encoded.cut:,} of {len(encoded):,} texts were cut at {self.framer.max_length} tokens.")
        logits = self.logits(encoded, batch_size=batch_size)
        return self.task.report(logits, targets, self.labels, usable, majority=self.majority, notes=sentences)

    def predict_file(
        self, source: Any, out: Path, *, text: str | None = None, progress: Callable[[int], None] | None = None
    ) -> int:
        """Answer every row of a file; writes its columns plus `predicted_label`, `score` and one probability a label.

        Rows without a text get empty answers, so that the output has the rows of the input. Written to a temporary
        name while in work, then renamed.

        Args:
            source: File with the columns of the training data; labels are not needed.
            out: CSV file to write, UTF-8.
            text: Name of the text column, if it is another than in training.
            progress: Called with the number of rows done.

        Returns:
            Number of rows.

        Raises:
            DataError: The file cannot be read, or lacks the column.
        """
        columns = Columns(text or self.columns.text, self.columns.text_pair)
        split = as_split(source, columns, need_label=False)
        temporary = out.with_name(out.name + ".part")
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                self._write_answers(split, file, progress)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, out)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return len(split)

    def _write_answers(self, split: Split, file: TextIO, progress: Callable[[int], None] | None) -> None:
        writer = csv.writer(file)
        added = ["predicted_label", "score", *(f"probability_{label}" for label in self.labels)]
        writer.writerow(unique_names([*split.table.names, *added]))
        for start in range(0, len(split), _STREAM):
            part = split.take(np.arange(start, min(start + _STREAM, len(split))))
            rows = zip(*(part.table.columns[name].to_pylist() for name in part.table.names), strict=True)
            for row, answer in zip(rows, self._answers(part), strict=True):
                writer.writerow([*("" if cell is None else cell for cell in row), *answer])
            if progress:
                progress(start + len(part))

    def _answers(self, part: Split) -> Iterator[list[Any]]:
        blank = ["", "", *([""] * len(self.labels))]
        filled = [bool((text or "").strip()) for text in part.cells("text")]
        answers = iter(self.task.decode(self.logits(self.encode(part)), self.labels))
        for has_text in filled:
            answer = next(answers)
            shares = (f"{share:.6f}" for share in answer.probabilities.values())
            yield [answer.label, f"{answer.score:.6f}", *shares] if has_text else blank

    def save(self, folder: str | Path) -> Path:
        """Write `run.json`, `model.safetensors` and `tokenizer/`; what `load` needs and nothing else."""
        folder = Path(folder)
        (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
        self.backbone.family.save_tokenizer(self.backbone, folder / "tokenizer")
        save_weights(self.keras_model, folder / "model.safetensors", {"format": "kerasft"})
        model = {
            "format": FORMAT,
            "task": self.task.to_dict(),
            "tuning": self.tuning.to_dict(),
            "labels": list(self.labels),
            "columns": {role: getattr(self.columns, role) for role in ("text", "text_pair", "label")},
            "family": self.backbone.family.name,
            "backbone": self.backbone.config,
            "majority": self.majority,
        }
        write_text(folder / "run.json", json.dumps({**self.recipe, "model": model}, indent=1, ensure_ascii=False))
        self.folder = folder
        return folder

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a SavedModel for TensorFlow Serving: strings in, label names and probabilities out.

        Args:
            path: The version folder, such as `saved_models/reviews/serving/1`.
            overwrite: Replace an export that is there.
        """
        exporting.export_saved_model(
            Path(path),
            framer=self.framer,
            model=self.keras_model,
            serve=lambda logits: self.task.serve(logits, self.labels),
            paired=self.paired,
            overwrite=overwrite,
        )
        return Path(path)

    def replay(self, path: str | Path, rows: Any, *, most: int = 500) -> exporting.Replay:
        """Answer rows with an exported model in a fresh process and compare with this one.

        Args:
            path: The version folder.
            rows: A split, file, DataFrame or list, as for `evaluate`; labels are not needed.
            most: Use only so many rows, from the beginning.
        """
        split = as_split(rows, self.columns, need_label=False)
        split = split.take(np.arange(min(most, len(split))))
        texts = [text or "" for text in split.cells("text")]
        pairs = [text or "" for text in split.cells("text_pair")] if self.paired else None
        answers = self.task.decode(self.logits(self.encode(split)), self.labels)
        probabilities = np.asarray([list(answer.probabilities.values()) for answer in answers])
        return exporting.replay(Path(path), texts, pairs, [answer.label for answer in answers], probabilities)


def assemble(backbone: Backbone, task: Task, tuning: Tuning, labels: tuple[str, ...], *, seed: int = 1) -> Any:
    """The plain `keras.Model`: parts, tuned, wired, with the task's head."""
    family = backbone.family
    encoder = family.wire(tuning.apply(family.parts(backbone)), backbone)
    return task.build(encoder, family, labels, seed=seed)


def load(folder: str | Path) -> FineTunedModel:
    """Load a model saved by `finetune` or `FineTunedModel.save`; needs no preset and no network.

    Args:
        folder: The run's folder.

    Raises:
        ArtifactError: The folder holds no finished model, is damaged, or is of a newer version.
    """
    folder = Path(folder).expanduser()
    if not (folder / "run.json").exists():
        raise ArtifactError("This folder holds no KerasFT run.", where=str(folder), hint="Give the folder that holds run.json.")
    recipe = read_json(folder / "run.json")
    if not isinstance(recipe, dict) or not isinstance(recipe.get("model") or {}, dict):
        raise ArtifactError("run.json holds no run.", where=str(folder / "run.json"))
    saved = recipe.pop("model", None)
    if saved is None or not (folder / "model.safetensors").exists():
        hint = f"It was stopped before its end? Go on with: kerasft resume {folder}"
        raise ArtifactError("This run has no model yet.", where=str(folder), hint=hint)
    written = saved.get("format", 0)
    if not isinstance(written, int) or written > FORMAT:
        raise ArtifactError(
            f"The model is of format {written}; this version reads up to {FORMAT}.",
            where=str(folder),
            hint="Upgrade KerasFT.",
        )
    try:
        task = get_task(saved["task"]["name"], **{k: v for k, v in saved["task"].items() if k != "name"})
        tuning = get_tuning(saved["tuning"]["name"], **{k: v for k, v in saved["tuning"].items() if k != "name"})
        labels = tuple(saved["labels"])
        columns = Columns(**saved["columns"])
        backbone = get_family(saved["family"]).rebuild(saved["backbone"], folder / "tokenizer", dtype="float32")
    except KerasFTError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"run.json lacks or misstates {error}.", where=str(folder / "run.json")) from None
    except (OSError, ValueError) as error:  # of KerasHub, at a tokenizer's file or a size no layer can have
        reason = str(error).strip().splitlines()[0][:300]
        raise ArtifactError(f"The saved model cannot be built again: {reason}", where=str(folder)) from error
    model = assemble(backbone, task, tuning, labels)
    load_weights(model, folder / "model.safetensors")
    return FineTunedModel(task, tuning, labels, columns, backbone, model, saved.get("majority", 0), recipe, folder)


def zip_export(path: Path) -> Path:
    """Pack a version folder as `NAME.zip` beside it, with the version number as its top folder, for downloading."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = shutil.make_archive(str(Path(folder) / "model"), "zip", root_dir=path.parent, base_dir=path.name)
        target = path.parent / f"{path.parent.parent.name}-serving-{path.name}.zip"
        os.replace(made, target)
    return target
