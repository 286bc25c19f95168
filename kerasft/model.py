"""`FineTunedModel`: a task's model with its tokenizer and what it learned; predicts, evaluates, saves, exports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasft import export as exporting
from kerasft.assembly import assemble, make_framer
from kerasft.backbones.base import Backbone, Encoder, get_family
from kerasft.backbones.generation import Generator
from kerasft.bulk import answer_file
from kerasft.config import read_json
from kerasft.data.columns import Columns
from kerasft.data.dataset import Split, as_split
from kerasft.errors import ArtifactError, ConfigError, DataError, KerasFTError
from kerasft.evaluation.report import Report
from kerasft.explain import Cut, Explanation, cut, integrated_gradients, not_explained
from kerasft.preprocessing.batching import predict_rows
from kerasft.preprocessing.encoding import Encoded, encode
from kerasft.sampling import Sampling
from kerasft.tasks import Learned, Task, get_task
from kerasft.tasks.base import Answering, Generating, pick
from kerasft.tasks.causal_lm import Generated
from kerasft.tuning import Tuning, get_tuning
from kerasft.weights import load_weights, save_weights, write_text

FORMAT = 1  # of the folder; a newer one is refused rather than misread
_GROUPS = 200  # a column of more values is no grouping


@dataclass
class FineTunedModel:
    """A fine-tuned model, ready to answer.

    Attributes:
        task: What it answers.
        tuning: How it was tuned.
        learned: Label names and what else the task took from the rows.
        columns: Columns of the data it was trained on.
        backbone: Backbone and tokenizer.
        keras_model: The plain `keras.Model`; logits out.
        encoder: The wired backbone under the head, with its tuned parts.
        recipe: The run that made it, as JSON values.
        folder: Where it is saved, or None.
    """

    task: Task
    tuning: Tuning
    learned: Learned
    columns: Columns
    backbone: Backbone
    keras_model: Any
    encoder: Encoder
    recipe: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        self.framer = make_framer(self.backbone, self.task)
        self.framing = self.task.framing(self.framer)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names, in the order of the logits; empty for tasks without classes."""
        return self.learned.labels

    @property
    def paired(self) -> bool:
        """Whether it reads two texts at a time."""
        return self.task.paired(self.columns)

    @cached_property
    def scorer(self) -> Any:
        """The `keras.Model` whose outputs are evaluated; mostly `keras_model` itself."""
        return self.task.scorer(self.keras_model)

    def encode(self, split: Split, *, progress: Callable[[int], None] | None = None) -> Encoded:
        """The rows of a split as framed token ids."""
        rows, paired = self.task.reading(split)
        return encode(self.framer, rows, paired=paired, framing=self.framing, progress=progress)

    def found(self, encoded: Encoded, *, batch_size: int = 64) -> Any:
        """What the outputs say, one item a row, in the order of the rows."""
        return self.task.collect(predict_rows(self.scorer, encoded, batch_size), encoded)

    def answer(self, texts: Sequence[str], pairs: Sequence[str | None], *, batch_size: int = 64) -> list[Any]:
        """One answer a row, from columns of texts and second texts."""
        if not isinstance(self.task, Answering):
            return list(self.generate(list(texts)))
        encoded = encode(self.framer, [(texts, pairs)], paired=self.paired, framing=self.framing)
        return self.task.decode(self.found(encoded, batch_size=batch_size), self.learned, texts, pairs)

    def predict(self, texts: Any, *, batch_size: int = 64) -> Any:
        """Answer texts.

        Args:
            texts: One text; a list of texts; for a model of pairs, one `(text, second text)` or a list of them.
            batch_size: Rows a call of the model.

        Returns:
            One answer (`Prediction` of the task) for one text, else a list in the order of the texts.

        Raises:
            DataError: The input is no text, or not a pair where the model needs one.
        """
        one_pair = self.paired and isinstance(texts, tuple) and len(texts) == 2 and isinstance(texts[0], str)
        single = isinstance(texts, str) or one_pair
        rows = self._rows([texts] if single else texts)
        if not rows:
            return []
        answers = self.answer([text for text, _ in rows], [pair for _, pair in rows], batch_size=batch_size)
        return answers[0] if single else answers

    def _rows(self, items: Any) -> list[tuple[str, str | None]]:
        """Given texts or pairs as rows, each looked at."""
        # What could be gone through, but not text by text: a dictionary's keys, a table's column names, numbers of bytes.
        if isinstance(items, bytes | Mapping) or hasattr(items, "columns") or not isinstance(items, Iterable):
            what = "pairs" if self.paired else "texts"
            hint = "Give one or a list of them; predict_file answers the rows of a file."
            raise DataError(f"This model reads {what}. Received: {type(items).__name__}.", hint=hint)
        return [self.task.row(item, self.paired, i) for i, item in enumerate(items)]

    @cached_property
    def generator(self) -> Generator:
        """What writes text; only for causal language models.

        Raises:
            ConfigError: The task does not generate.
        """
        if not isinstance(self.task, Generating):
            hint = "Train one with the task causal_lm on a GPT-2 preset."
            raise ConfigError(f"A model of task '{self.task.name}' does not generate text.", hint=hint)
        return Generator(self.framer, self.backbone, self.encoder.parts, self.task.prompt_end(self.learned))

    def generate(self, prompts: Any, sampling: Sampling | None = None, *, batch_size: int = 16, **options: Any) -> Any:
        """Write text after prompts; a prompt that leaves no room loses its beginning.

        Args:
            prompts: One prompt, or a list of them.
            sampling: How; `options` override it.
            batch_size: Prompts at a time. A prompt gets the same text in any batch.
            **options: The options of `Sampling`: `max_new_tokens`, `temperature`, `top_p`, `beams`, `stop`, `seed`, ...

        Returns:
            One `Generated` for one prompt, else a list.

        Raises:
            ConfigError: The task does not generate, or an option is impossible.
            DataError: A prompt is no text.
        """
        sampling = self._sampling(sampling, options)
        single = isinstance(prompts, str)
        texts = [prompt for prompt, _ in self._rows([prompts] if single else prompts)]
        made: list[Generated] = []
        for start in range(0, len(texts), batch_size):
            part = texts[start : start + batch_size]
            told = self.generator.generate(part, sampling)
            made += [Generated(text, prompt, reason) for prompt, (text, reason) in zip(part, told, strict=True)]
        return made[0] if single else made

    def stream(self, prompt: str, sampling: Sampling | None = None, **options: Any) -> Iterator[Generated]:
        """As `generate` for one prompt, giving the text so far after every token."""
        self.task.row(prompt, False, 0)
        for [(text, reason)] in self.generator.stream([prompt], self._sampling(sampling, options)):
            yield Generated(text, prompt, reason)

    def _sampling(self, sampling: Sampling | None, options: dict[str, Any]) -> Sampling:
        most = self.generator.most_new_tokens
        # The task's own default gives way to a small model; what a person asks for is never changed.
        own = Sampling(max_new_tokens=min(self.task.max_new_tokens, (most + 1) // 2))  # type: ignore[attr-defined]
        chosen = Sampling.from_dict({**(sampling or own).to_dict(), **options})
        if chosen.max_new_tokens > most:
            raise ConfigError(f"'max_new_tokens' can be at most {most} for this model. Received: {chosen.max_new_tokens}.")
        return chosen

    def evaluate(self, rows: Any, *, by: str | None = None, batch_size: int = 64) -> Report:
        """Score labelled rows: figures with intervals, per label, confusion matrix, worst mistakes.

        Args:
            rows: A split (`data["test"]`), or a file, DataFrame or list with the columns of the training data.
            by: Name of a column, such as a language or a source; each of its values also gets figures of its own.
            batch_size: Rows a call of the model.

        Raises:
            DataError: The rows lack a label column, or hold labels the model has never seen.
        """
        labelled = self.columns.label is not None
        split = as_split(rows, self.columns, need_label=labelled, labels=self.labels)
        needed = self.task.needs(self.columns)
        usable, dropped = split.usable(need_label=needed)
        notes = [note.message for note in dropped]
        if not len(usable):
            what = "both a text and a label" if needed else "a text"
            raise DataError(f"No row has {what}.", where=split.table.source)
        gold = self.task.gold(usable, self.learned)
        unknown = self.task.unknown(gold)
        if unknown.any():
            notes.append(f"{int(unknown.sum()):,} rows with a label the model has never seen are left out.")
            usable, gold = usable.take(np.flatnonzero(~unknown)), pick(gold, np.flatnonzero(~unknown))
        if not len(usable):
            raise DataError("No row has a label the model knows.", where=split.table.source)
        notes += self.task.remarks(usable, self.learned)
        encoded = self.task.targets(self.encode(usable), gold, self.learned)
        if encoded.cut:
            notes.append(f"{encoded.cut:,} of {len(encoded):,} texts were cut at {self.framer.max_length} tokens.")
        found = self.found(encoded, batch_size=batch_size)
        report = self.task.report(found, gold, self.learned, usable, notes)
        report = self.task.enrich(report, usable, self.learned, lambda texts: self.answer(texts, [None] * len(texts)))
        return report if by is None else replace(report, groups=self._groups(usable, by, found, gold))

    def _groups(self, split: Split, by: str, found: Any, gold: Any) -> dict[str, dict[str, float]]:
        """Figures of the rows of each value of a column, most rows first."""
        if by not in split.table.names:
            hint = f"There are: {', '.join(split.table.names[:20])}."
            raise DataError(f"There is no column {by!r} to group by.", where=split.table.source, hint=hint)
        values = np.asarray([value or "(empty)" for value in split.table.columns[by].to_pylist()], dtype=object)
        names, counts = np.unique(values.astype(str), return_counts=True)
        if len(names) > _GROUPS:
            raise DataError(
                f"Column {by!r} has {len(names):,} different values; a grouping has up to {_GROUPS}.",
                where=split.table.source,
                hint="Name a column such as a language or a source.",
            )
        groups = {}
        for name in names[np.argsort(-counts, kind="stable")]:
            rows = np.flatnonzero(values == name)
            report = self.task.report(pick(found, rows), pick(gold, rows), self.learned, split.take(rows), [])
            groups[str(name)] = {"rows": float(len(rows)), **report.metrics}
        return groups

    @cached_property
    def _cut(self) -> Cut:
        return cut(self.keras_model, self.encoder)

    def explain(self, text: Any, *, target: Any = None) -> Explanation:
        """Which words the answer to one text rests on, by integrated gradients.

        Args:
            text: One text; for a model of pairs `(text, second text)`.
            target: Name of the label to explain, or number of the word of a tagger; the answer's own when not given.

        Raises:
            ConfigError: The task has no single score, or there is no such target.
        """
        first, second = self.task.row(text, self.paired, 0)
        if isinstance(self.task, Generating):
            first += self.task.prompt_end(self.learned)
        encoded = encode(self.framer, [([first], [second])], paired=self.paired, framing=self.framing)
        outputs = predict_rows(self.scorer, encoded)
        chosen = self.task.scalar(outputs, encoded, self.learned, target, self.keras_model)
        if chosen is None:
            raise not_explained(self.task)
        window, scalar, name = chosen
        return integrated_gradients(self._cut, self.framer, encoded, window, scalar, name)

    def predict_file(
        self, source: Any, out: Path, *, text: str | None = None, progress: Callable[[int], None] | None = None
    ) -> int:
        """Answer every row of a file; writes its columns plus those of the answers.

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
        columns = Columns(text or self.columns.text, self.columns.text_pair if self.paired else None)
        split = as_split(source, columns, need_label=False)
        answer_file(split, out, lambda part: self.answer(*self._texts(part)), self._cells, progress)
        return len(split)

    def _cells(self, answer: Any) -> dict[str, str]:
        return self.task.cells(answer, self.learned)

    def _texts(self, split: Split) -> tuple[list[str], list[str | None]]:
        return [text or "" for text in split.cells("text")], split.cells("text_pair")

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
            "facts": self.learned.facts,
            "columns": {role: getattr(self.columns, role) for role in ("text", "text_pair", "label")},
            "family": self.backbone.family.name,
            "backbone": self.backbone.config,
        }
        write_text(folder / "run.json", json.dumps({**self.recipe, "model": model}, indent=1, ensure_ascii=False))
        self.folder = folder
        return folder

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a SavedModel for TensorFlow Serving: strings in, answers out.

        Args:
            path: The version folder, such as `saved_models/reviews/serving/1`.
            overwrite: Replace an export that is there.
        """
        if isinstance(self.task, Answering):
            serve = partial(self.task.serve, learned=self.learned)
            function = exporting.answering(self.framer, self.framing, self.scorer, serve, paired=self.paired)
        else:
            function = exporting.generating(self.generator, self._sampling(None, {}))
        owners = {"layers": list(self.scorer.layers), "tokenizer": self.framer.tokenizer}
        exporting.export_saved_model(Path(path), function, owners, overwrite=overwrite)
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
        texts, pairs = self._texts(split)
        texts = [self.task.plain(text) for text in texts]
        expected = [self.task.expect(answer) for answer in self.answer(texts, pairs)]
        inputs = {"text": texts, **({"text_pair": [pair or "" for pair in pairs]} if self.paired else {})}
        return exporting.replay(Path(path), inputs, expected)


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
        learned = Learned(tuple(saved["labels"]), dict(saved["facts"]))
        columns = Columns(**saved["columns"])
        backbone = get_family(saved["family"]).rebuild(saved["backbone"], folder / "tokenizer", dtype="float32")
    except KerasFTError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"run.json lacks or misstates {error}.", where=str(folder / "run.json")) from None
    except (OSError, ValueError) as error:  # of KerasHub, at a tokenizer's file or a size no layer can have
        reason = str(error).strip().splitlines()[0][:300]
        raise ArtifactError(f"The saved model cannot be built again: {reason}", where=str(folder)) from error
    model, encoder = assemble(backbone, task, tuning, learned)
    load_weights(model, folder / "model.safetensors")
    return FineTunedModel(task, tuning, learned, columns, backbone, model, encoder, recipe, folder)
