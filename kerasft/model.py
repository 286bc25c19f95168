"""`FineTunedModel`: a task's model with its tokenizer and what it learned; predicts, evaluates, saves, exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kerasft import export as exporting
from kerasft.artifact import Artifact, own_weights, read_artifact, write_artifact
from kerasft.assembly import assemble, make_framer
from kerasft.backbones.generation import Generator
from kerasft.compact_weights import CompactWeights, format_of
from kerasft.data.given_rows import as_split
from kerasft.data.read_options import ReadOptions
from kerasft.data.split import Split
from kerasft.errors import ConfigError
from kerasft.evaluation.report import Report
from kerasft.explain import Cut, Explanation, cut, explain_text
from kerasft.file_answers import answer_split, rows_to_answer
from kerasft.interchange import huggingface, peft
from kerasft.preprocessing.batching import predict_rows
from kerasft.preprocessing.encoding import Encoded, encode
from kerasft.sampling import Sampling
from kerasft.scoring import evaluate
from kerasft.tasks.asking import Asking, rows_of_items
from kerasft.tasks.base import Answering, Generating
from kerasft.tasks.causal_lm import Generated
from kerasft.tuning.full import Full
from kerasft.weights import weights_by_path


@dataclass
class FineTunedModel(Artifact):
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

    folder: Path | None = None
    _side_by_side: dict[Path, FineTunedModel] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.framer = make_framer(self.backbone, self.task)
        self.framing = self.task.framing(self.framer, self.learned)

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

    @cached_property
    def asking(self) -> Asking:
        """How it is asked, which may be another way than it learned."""
        assert isinstance(self.task, Answering)
        return self.task.asking(self.keras_model, self.scorer, self.framer, self.learned)

    def found(self, encoded: Encoded, *, batch_size: int = 64, progress: Any = None) -> Any:
        """What the outputs say, one item a row, in the order of the rows; `progress` is called with the share that is done."""
        encoded = self.task.evaluated(encoded)
        feed = self.task.feed(encoded, self.framer, seed=0, epoch=None)
        return self.task.collect(predict_rows(self.scorer, encoded, batch_size, feed=feed, progress=progress), encoded)

    def answer(self, texts: Sequence[str], pairs: Sequence[str | None], batch_size: int = 64, progress: Any = None) -> list[Any]:
        """One answer a row, from columns of texts and second texts; `progress` is called with the share that is done."""
        if not isinstance(self.task, Answering):
            return list(self.generate(list(texts)))
        asking = self.asking
        encoded = encode(self.framer, [(texts, pairs)], paired=self.paired, framing=asking.framing)
        outputs = predict_rows(asking.model, encoded, batch_size, feed=asking.feed(encoded), progress=progress)
        return self.task.decode(asking.collect(outputs, encoded), self.learned, texts, pairs)

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
        items = [texts] if single else texts
        rows = rows_of_items(self.task, items, paired=self.paired, imported=bool(self.recipe.get("imported")))
        if not rows:
            return []
        answers = self.answer([text for text, _ in rows], [pair for _, pair in rows], batch_size=batch_size)
        return answers[0] if single else answers

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
        sampling = self.sampling(sampling, options)
        single = isinstance(prompts, str)
        texts = [prompt for prompt, _ in rows_of_items(self.task, [prompts] if single else prompts, paired=self.paired)]
        made: list[Generated] = []
        for start in range(0, len(texts), batch_size):
            part = texts[start : start + batch_size]
            lost = self.generator.cut(part, sampling)
            told = self.generator.generate(part, sampling)
            made += [Generated(text, prompt, why, cut) for prompt, (text, why), cut in zip(part, told, lost, strict=True)]
        return made[0] if single else made

    def stream(self, prompt: str, sampling: Sampling | None = None, **options: Any) -> Iterator[Generated]:
        """As `generate` for one prompt, giving the text so far after every token."""
        self.task.row(prompt, False, 0)
        chosen = self.sampling(sampling, options)
        [cut] = self.generator.cut([prompt], chosen)
        for [(text, reason)] in self.generator.stream([prompt], chosen):
            yield Generated(text, prompt, reason, cut)

    def sampling(self, sampling: Sampling | None, options: Mapping[str, Any]) -> Sampling:
        """How text is written: what is given, over the task's own.

        Raises:
            ConfigError: An option is impossible, or the text would be longer than the model reads.
        """
        most = self.generator.most_new_tokens
        # The task's own default gives way to a small model; what a person asks for is never changed.
        own = Sampling(max_new_tokens=min(self.task.max_new_tokens, (most + 1) // 2))  # type: ignore[attr-defined]
        chosen = Sampling.from_dict({**(sampling or own).to_dict(), **options})
        if chosen.max_new_tokens > most:
            raise ConfigError(f"'max_new_tokens' can be at most {most} for this model. Received: {chosen.max_new_tokens}.")
        return chosen

    def evaluate(self, rows: Any, *, by: str | None = None, batch_size: int = 64, **reading: Any) -> Report:
        """Score labelled rows: figures with intervals, per label, confusion matrix, worst mistakes.

        Args:
            rows: A split (`data["test"]`), or a file, DataFrame or list with the columns of the training data.
            by: Name of a column, such as a language or a source; each of its values also gets figures of its own.
            batch_size: Rows a call of the model.
            **reading: How a file is read: `delimiter`, `encoding`, `header`, `quote`, `escape`, `sheet`, `repair`.

        Raises:
            DataError: The rows lack a label column, or hold labels the model has never seen.
        """
        return evaluate(self, rows, by=by, batch_size=batch_size, how=ReadOptions(**reading))

    @cached_property
    def cut(self) -> Cut:
        """The model in two, for `explain`."""
        return cut(self.keras_model, self.encoder)

    def explain(self, text: Any, *, target: Any = None) -> Explanation:
        """Which words the answer to one text rests on, by integrated gradients.

        Args:
            text: One text; for a model of pairs `(text, second text)`.
            target: Name of the label, number of a tagger's word, or text to go on with; the answer's own when not given.

        Raises:
            ConfigError: The task has no single score, or there is no such target.
        """
        return explain_text(self, text, target)

    def predict_file(
        self,
        source: Any,
        out: str | Path,
        *,
        text: str | None = None,
        progress: Callable[[int], None] | None = None,
        **reading: Any,
    ) -> int:
        """Answer every record of a file; writes its columns plus those of the answers, in the same order.

        A record that cannot be answered (no text, too many cells, a blank line between others) gets the reason in `kerasft_note`.
        Written to a temporary name while in work, then renamed.

        Args:
            source: File with the columns of the training data; labels are not needed.
            out: File to write, UTF-8: `.csv`, `.jsonl` or `.parquet`.
            text: Name of the text column, if it is another than in training.
            progress: Called with the number of rows done.
            **reading: How the file is read: `delimiter`, `encoding`, `header`, `quote`, `escape`, `sheet`, `repair`.

        Returns:
            Number of rows.

        Raises:
            DataError: The file cannot be read, or lacks the column.
        """
        split = rows_to_answer(self, source, text=text, **reading)
        answer_split(self, split, Path(out), progress)
        return len(split)

    def _texts(self, split: Split) -> tuple[list[str], list[str | None]]:
        return [text or "" for text in split.cells("text")], split.cells("text_pair")

    @property
    def own_weights(self) -> dict[str, Any]:
        """The weights a saved model holds, by path; of a parameter-efficient one only those that learned."""
        return own_weights(self.keras_model, self.backbone, self.encoder, self.tuning)

    def save(self, folder: str | Path) -> Path:
        """Write `run.json`, `model.safetensors` and `tokenizer/`: what `load` needs; of a parameter-efficient method only what
        learned, with the name and the SHA-256 of its base.
        """
        self.folder = Path(folder)
        write_artifact(self.folder, self)
        return self.folder

    def use(self, other: str | Path) -> FineTunedModel:
        """The model of another run, over the same base weights in memory, where it was tuned from the same base.

        Switching is free: what was used before is kept, and `one.use("two").use("one")` is `one`. A run that changed the
        base's own weights (full, BitFit) is loaded with weights of its own.

        Args:
            other: The run's folder, or its name beside this one's folder.

        Raises:
            ArtifactError: There is no such model.
        """
        beside = Path(other).expanduser()
        if not beside.exists() and self.folder is not None:
            beside = self.folder.parent / other
        place = beside.resolve()
        if self.folder is not None:
            self._side_by_side.setdefault(self.folder.resolve(), self)
        if place not in self._side_by_side:
            found = load(beside, base=self if self.tuning.shares_base else None)
            found._side_by_side = self._side_by_side
            self._side_by_side[place] = found
        return self._side_by_side[place]

    def merge(self) -> FineTunedModel:
        """A plain model that answers the same: low-rank updates put into a copy of the weights. This one stays as it is.

        Raises:
            ConfigError: What was learned is something added to the backbone (adapters, prompts) and no change of it.
        """
        backbone = self.backbone.copy()
        self.tuning.merge(self.encoder.parts, backbone.family.parts(backbone))
        model, encoder = assemble(backbone, self.task, Full(), self.learned)
        mine = weights_by_path(self.keras_model)
        theirs = {id(weight) for weight in backbone.model.weights}
        for path, weight in weights_by_path(model).items():
            if id(weight) not in theirs:
                weight.assign(mine[path])
        recipe = {**self.recipe, "merged_from": self.tuning.to_dict(), "tuning": Full().to_dict()}
        return FineTunedModel(self.task, Full(), self.learned, self.columns, backbone, model, encoder, recipe)

    def save_backbone(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the tuned backbone as a preset for other runs, without the task's head (a masked language model's is kept,
        since later runs have a use for it); a LoRA is merged into it.

        Raises:
            ConfigError: What was learned is something added to the backbone and cannot be merged.
            RunExistsError: The folder is there and `overwrite` is False.
        """
        return huggingface.save_backbone(self.merge(), Path(folder), overwrite=overwrite)

    def export_huggingface(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder that `transformers` loads with equal logits; low-rank updates are merged into it.

        Raises:
            ConfigError: transformers has no model that computes the same.
            RunExistsError: The folder is there and `overwrite` is False.
        """
        return huggingface.export_huggingface(self.merge(), Path(folder), overwrite=overwrite)

    def export_peft(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a LoRA of a BERT, with its head, in the layout of Hugging Face's PEFT.

        Raises:
            ConfigError: It is no LoRA of a BERT.
            RunExistsError: The folder is there and `overwrite` is False.
        """
        return peft.export_peft(self, Path(folder), overwrite=overwrite)

    def export(self, path: str | Path, *, weights: str = "float32", overwrite: bool = False) -> Path:
        """Write a SavedModel for TensorFlow Serving: strings in, answers out.

        Args:
            path: The version folder, such as `saved_models/reviews/serving/1`.
            weights: How they are kept on disk: `float32`, `float16` (half the size) or `int8` (a quarter). They are unpacked when
                the model is loaded; `compacted` says what that costs.
            overwrite: Replace an export that is there.
        """
        exporting.export_model(self, Path(path), kind=weights, overwrite=overwrite)
        return Path(path)

    def compacted(self, weights: str) -> AbstractContextManager[None]:
        """While it lasts the model has the weights of an export with `weights`, so that `evaluate` says what they cost."""
        return CompactWeights(self.keras_model, weights).in_memory()

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
        with self.compacted(format_of(Path(path))):
            expected = [self.task.expect(answer) for answer in self.answer(texts, pairs)]
        inputs = {"text": texts, **({"text_pair": [pair or "" for pair in pairs]} if self.paired else {})}
        return exporting.replay(Path(path), inputs, expected)


def load(folder: str | Path, *, base: str | Path | FineTunedModel | None = None) -> FineTunedModel:
    """Load a model saved by `finetune` or `FineTunedModel.save`.

    A model of a parameter-efficient method (LoRA, adapters, prompts, biases, frozen features) holds only what learned and
    needs the base it was tuned from; others need no preset and no network.

    Args:
        folder: The run's folder.
        base: For such a model: the base's preset or folder if it is elsewhere now, or a loaded model whose base is shared.

    Raises:
        ArtifactError: The folder holds no finished model, is damaged, or is of a newer version; or its base is absent or
            is not the one it was tuned from.
    """
    folder = Path(folder).expanduser()
    if isinstance(base, FineTunedModel):  # BitFit and full tuning changed theirs: it is loaded again
        shared = base.backbone if base.tuning.shares_base else base.backbone.origin
        return FineTunedModel(**vars(read_artifact(folder, shared)), folder=folder)
    return FineTunedModel(**vars(read_artifact(folder, base)), folder=folder)


def import_huggingface(name: str, *, base: str | None = None, text_pair: bool | None = None, **options: Any) -> FineTunedModel:
    """Take over a model fine-tuned with transformers, head and labels included.

    Args:
        name: A folder with `config.json`, `model.safetensors` and the vocabulary, or `hf://owner/name`. A LoRA of PEFT beside
            the model is merged into it.
        base: For an adapter alone the model it was trained on (folder, preset or handle); by default the one that it names.
        text_pair: Whether it reads pairs of texts; by default its labels and config decide (NLI, cross-encoders).
        **options: Of the task that fits its architecture, such as `max_length`.

    Raises:
        PresetError: It cannot be had, or its architecture has no task here.
    """
    return FineTunedModel(**vars(huggingface.import_huggingface(name, base=base, text_pair=text_pair, **options)))
