"""One run, step by step: from a recipe, a folder and perhaps rows in memory to a model that is trained, saved and scored."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasft.assembly import assemble
from kerasft.backbones.base import family_of
from kerasft.backbones.loading import folder_notes, load_backbone
from kerasft.config import read_json
from kerasft.cross_validation import SolvedFolds, StepFolds, as_estimate, cross_validate
from kerasft.data.dataset import Dataset, load_data
from kerasft.data.split import Split
from kerasft.errors import ArtifactError, ConfigError, DataError, RunError
from kerasft.evaluation.report import save_reports
from kerasft.events import Emit, Finished, JsonLog, Phase, Started, Stopped, Warned, fan_out
from kerasft.failures import telling_failure
from kerasft.files import write_text
from kerasft.job import make_job
from kerasft.kept_rows import keep_rows, kept_rows
from kerasft.memory import is_out_of_memory
from kerasft.model import FineTunedModel
from kerasft.model_card import model_card
from kerasft.own_settings import own_settings
from kerasft.preprocessing.encoding import Encoded
from kerasft.presets import fetch, find_preset
from kerasft.processor import onednn_warning
from kerasft.recipe import RunConfig
from kerasft.resolution import as_begun, begun_earlier, cautions_at_start, for_rows, resolved, rows_for
from kerasft.run_record import run_record
from kerasft.runs import STOP_FILE, card_path, remove_checkpoints
from kerasft.scoring import evaluate
from kerasft.solved_head import head_problem, solve, start_head
from kerasft.tasks import Learned
from kerasft.tasks.pooling import UNIT_LENGTH
from kerasft.training.checkpoint import Checkpoints, TrainingState
from kerasft.training.devices import Devices, lost_worker, twin
from kerasft.training.options import TrainConfig
from kerasft.training.stopping import StopRequest
from kerasft.training.strategy import prepare
from kerasft.training.trainer import Job, Outcome, train
from kerasft.usable_rows import encoded_rows, known_rows, tell_shared_texts, usable_rows, without_unlabelled_test


def execute(
    config: RunConfig,
    folder: Path,
    dataset: Dataset | None,
    on_event: Emit | None,
    *,
    devices: Devices,
    resuming: bool,
    told: str = "",
) -> FineTunedModel:
    """Do a run, or go on with it.

    Args:
        config: What to do.
        folder: The run's folder; it is there.
        dataset: Rows from memory, or None: those the recipe names.
        on_event: Called with every event, besides the log.
        devices: Those that share the work. Of several processes only the chief writes into the folder; the others read
            checkpoints there.
        resuming: Go on from the newest whole checkpoint.
        told: Which options differ from those it was stopped with, in words.

    Returns:
        The model with the best weights, or as far as it was when it was stopped.
    """
    if not devices.chief:
        emit, ours = fan_out(on_event), StopRequest(None)
        # Whoever stops all processes at once stops the chief; the others wait for its word.
        with (
            telling_failure(emit, folder, ours),
            ours.listening(gentle=False),
            tempfile.TemporaryDirectory(prefix="kerasft-") as home,
        ):
            return _Run(config, folder, emit, ours, resuming, devices, Path(home)).execute(dataset)
    log = JsonLog(folder / "events.jsonl")
    emit = fan_out(log, on_event)
    try:
        stop = StopRequest(folder)
        if told:
            emit(Warned(code="changed_options", message=f"Options were changed while the run was stopped. {told}."))
        with telling_failure(emit, folder, stop), stop.listening(gentle=False):
            return _Run(config, folder, emit, stop, resuming, devices, folder).execute(dataset)
    finally:
        (folder / STOP_FILE).unlink(missing_ok=True)
        log.close()


class _Run:
    """The steps of one run, in order; each method is one step."""

    def __init__(
        self, config: RunConfig, folder: Path, emit: Emit, stop: StopRequest, resuming: bool, devices: Devices, home: Path
    ) -> None:
        self.config = replace(config, tuning=config.tuning.settle(config.task.linear_head, config.train))
        self.folder, self.emit, self.stop, self.resuming = folder, emit, stop, resuming
        self.devices = devices
        self.home = home  # where this process writes: the folder, or of a chief's helper a place of its own
        self.begun = time.monotonic()
        self.unused_rows: Path | None = None
        self.learner: StepFolds | SolvedFolds | None = None  # for cross-validation, once training has begun
        self.compared = ""

    @own_settings()
    def execute(self, dataset: Dataset | None) -> FineTunedModel:
        try:
            return self._steps(dataset)
        except BaseException:
            if self.unused_rows:  # it has not begun: what the next attempt would take for its own rows goes
                shutil.rmtree(self.unused_rows, ignore_errors=True)
            raise

    def _steps(self, dataset: Dataset | None) -> FineTunedModel:
        data, task, tell = self._load_data(dataset), self.config.task, self.emit
        if message := onednn_warning():
            tell(Warned(code="no_onednn", message=message, hint="Import kerasft first, or set TF_ENABLE_ONEDNN_OPTS=1."))
        self._check_fit(data)
        train_rows = usable_rows(task, data["train"], tell)
        learned = task.learn(train_rows)
        train_part = known_rows(task, train_rows, learned, tell)
        data = without_unlabelled_test(task, data, tell)
        held_back = {name: usable_rows(task, data[name], tell) for name in ("validation", "test") if name in data}
        # A faulty test split is told now, not after hours.
        known = {name: known_rows(task, split, learned, tell) for name, split in held_back.items()}
        tell_shared_texts(train_part[0], [split for split, _ in known.values()], tell)
        validation = known.get("validation")
        plan = as_begun(self.config, self.folder) if self.resuming else self.config
        judged = bool(validation and len(validation[0]))
        plan = for_rows(plan, train_part[0], held_out=judged, labels=learned.labels)
        model = self._build(data, learned, plan)
        encoded = encoded_rows(model, *train_part, self.emit)
        held_out = (encoded_rows(model, *validation, self.emit), validation[1]) if validation and len(validation[0]) else None
        sizes = {"rows": len(train_part[0]), "validation_rows": len(validation[0]) if validation else 0}
        options = self._resolve(plan, model, len(encoded), sizes["validation_rows"])
        while (outcome := self._train(model, options, encoded, held_out, sizes)) is None:
            model = self._build(data, learned, plan)  # as it was: a step that fails has used up random numbers
            options = replace(options, batch_size=self.config.train.batch_size, accumulate=self.config.train.accumulate)
        found = outcome.found
        if held_out:
            found = model.found(held_out[0]) if found is None else found
            model.learned = model.task.calibrate(found, held_out[1], model.learned)
        if options.folds and not outcome.stopped:
            outcome, found = self._cross_validate(model, options, train_part, outcome)
        model.recipe = {**self.config.to_dict(), "data_sha256": self.hash, **run_record(data, model, options, outcome)}
        self._finish(model, data, outcome, found, replace(train_part[0], name="validation") if options.folds else None)
        return model

    def _check_fit(self, data: Dataset) -> None:
        """Refuse what does not fit together before anything large is loaded."""
        path = fetch(find_preset(self.config.preset), self.emit)
        family = family_of(read_json(path / "config.json"), str(path)).name
        task = self.config.task
        faults = list(task.faults(data.columns, family, self.config))
        if data["train"].has_tokens and not task.reads_tokens:
            faults.append(f"Column {data.columns.text!r} holds lists of words, and task '{task.name}' reads plain texts.")
        if faults:
            hint = "See `kerasft list tasks` and `kerasft list presets`."
            raise ConfigError(" ".join(faults), where=data["train"].table.source, hint=hint)

    def _load_data(self, dataset: Dataset | None) -> Dataset:
        self.emit(Phase(phase="data", detail=self.config.data.path or "rows in memory"))
        if self.config.train.folds and self.config.data.validation is None:
            self.config = replace(self.config, data=replace(self.config.data, validation=0.0))
        rows = dataset or kept_rows(self.folder, self.config.data) or load_data(None, self.config.data)
        if self.config.train.folds and "validation" in rows:
            hint = "Leave out folds, or the validation rows: their share, their file or the split column."
            raise ConfigError("'folds' stands for validation rows, and there are some.", where=str(rows.config.path), hint=hint)
        data = rows_for(self.config, rows)
        if "train" not in data:
            raise DataError("There is no training split.", hint=f"There are: {', '.join(data.splits)}.")
        for note in data.notes:
            self.emit(Warned(code=note.code, message=note.message))
        self.hash = data.fingerprint()
        before = read_json(self.folder / "run.json").get("data_sha256") if self.resuming else None
        if before and before != self.hash:
            hint = "Put the data back as they were, or start a new run."
            raise DataError(
                "The data have changed since the run was stopped, so it cannot go on exactly.",
                where=str(data.config.path),
                hint=hint,
            )
        self.config = replace(self.config, data=data.config)
        self.columns = asdict(data.columns)
        if data.config.path is None and not self.resuming and self.devices.chief:
            self.unused_rows = keep_rows(data, self.folder)  # before the recipe, by which a `data` is known as the run's
        self._keep_recipe()
        return data

    def _keep_recipe(self, options: TrainConfig | None = None) -> None:
        recipe = {**self.config.to_dict(), "columns": self.columns, "data_sha256": self.hash}
        if options:
            recipe["resolved"] = {"train": options.to_dict()}
        path = self.home / "run.json"
        before = read_json(path) if self.resuming and path.exists() else {}
        recipe = {**before, **recipe}  # the model that it has, and what describes it, stay until there is a newer one
        if before != recipe:
            write_text(path, json.dumps(recipe, indent=1, ensure_ascii=False))

    def _build(self, data: Dataset, learned: Learned, plan: RunConfig) -> FineTunedModel:
        preset = find_preset(self.config.preset)
        path = fetch(preset, self.emit)
        self.emit(Phase(phase="model", detail=preset.name))
        for note in folder_notes(path):
            self.emit(Warned(code="model_folder", message=note))
        train = self.config.train
        dtype = prepare(seed=train.seed, precision=train.precision, xla=train.jit_compile)
        task, tuning = self.config.task, self.config.tuning
        with self.devices.scope():
            backbone = load_backbone(path, dtype=dtype, dropout=train.dropout, origin=self.config.preset)
            if tuning.solves_head:
                learned = task.for_solver(learned)
            elif plan.train.head_start == "solved":
                learned = task.for_start(learned, backbone)
            if tuning.sparse:
                _ = backbone.fingerprint  # of the base as it is now: BitFit changes it
            keras_model, encoder = assemble(backbone, task, tuning, learned, seed=train.seed)
        if self.devices.strategy is not None:  # outside the scope, so that each process answers for itself
            keras_model = twin(keras_model)
        model = FineTunedModel(task, tuning, learned, data.columns, backbone, keras_model, encoder, folder=self.folder)
        specs = {spec.name: spec for spec in type(task).specs()}
        asked, most = task.max_length, backbone.max_length  # type: ignore[attr-defined]
        if asked > most and asked != specs["max_length"].default:
            message = f"'max_length' is {asked}, but the model takes {most} tokens: {most} are used."
            self.emit(Warned(code="max_length", message=message, hint="A preset with more positions takes longer texts."))
        for caution in task.cautions(encoder, model.framer):
            self.emit(Warned(code="caution", message=caution))
        return model

    def _resolve(self, plan: RunConfig, model: FineTunedModel, rows: int, validation_rows: int) -> TrainConfig:
        """Decide what the recipe leaves open, once: a run that goes on finds in its folder what it began with."""
        options, reason = resolved(
            plan,
            model.backbone,
            rows=rows,
            validation_rows=validation_rows,
            earlier=self.resuming and begun_earlier(self.folder),
            unit_length=bool(model.learned.facts.get(UNIT_LENGTH)),
        )
        if reason and not self.config.tuning.solves_head:
            self.emit(Warned(code="few_updates", message=reason, hint="--train.epochs or --train.batch_size says otherwise."))
        if not model.keras_model.trainable_variables:
            options = replace(options, epochs=0)  # features as they are: nothing is left to learn
        self._keep_recipe(options)
        return options

    def _cross_validate(
        self, model: FineTunedModel, options: TrainConfig, part: tuple[Split, Any], outcome: Outcome
    ) -> tuple[Outcome, Any]:
        """Answers of models that have not seen these rows; a run that is stopped meanwhile has a model and no figures."""
        assert self.learner is not None
        with self.stop.gently():
            judged = cross_validate(model, self.learner, *part, count=options.folds or 0, seed=options.seed, emit=self.emit)
        self.learner = None
        if judged is None:
            return replace(outcome, stopped=self.stop.reason or "another process"), None
        found, self.compared = judged
        model.learned = model.task.calibrate(found, part[1], model.learned)
        return outcome, found

    def _train(
        self, model: FineTunedModel, options: TrainConfig, encoded: Encoded, held_out: Any, sizes: dict[str, int]
    ) -> Outcome | None:
        """Train; None when not even the first step found enough memory, and the recipe now has smaller batches."""
        if model.tuning.solves_head:
            self._tell_start(model, None, folds=options.folds, **sizes)
            problem = head_problem(model, encoded, options, stop=self.stop, emit=self.emit)
            self.learner = SolvedFolds(model, problem, self.stop) if options.folds else None
            return solve(model, problem, held_out, stop=self.stop, emit=self.emit)
        first = None
        if options.head_start == "solved" and options.epochs:
            first = head_problem(model, encoded, options, stop=self.stop, emit=self.emit)
            start_head(first, emit=self.emit)
        job = make_job(model, options, encoded, held_out, self.emit, self.devices)
        self.learner = StepFolds(job, options, encoded, first, self.stop) if options.folds else None
        base = model.backbone.fingerprint if model.tuning.sparse else None
        made_with = {"recipe": self.config.to_dict(), "base": base}
        checkpoints = Checkpoints(
            self.folder / "checkpoints", keep=options.keep_checkpoints, made_with=made_with, writes=self.devices.chief
        )
        state = self._restore(job, checkpoints, base) if self.resuming else TrainingState()
        self._tell_start(model, job, first_step=state.step, folds=options.folds, **sizes)
        try:
            with self.stop.gently():
                return train(job, options, checkpoints=checkpoints, state=state, stop=self.stop, emit=self._sinks(options))
        except Exception as error:
            if self.devices.workers > 1 and (what := lost_worker(error)):
                if state.step:  # weights and position are those of the last step all workers have done
                    checkpoints.save(job.model, job.weights, state)
                hint = f"Go on with it on the workers there are, the same number or not: kerasft resume {self.folder}."
                raise RunError(f"A worker was lost after step {state.step}.", where=what, hint=hint) from error
            if self.devices.workers > 1 or state.step or (options.batch_size or 2) < 2 or not is_out_of_memory(error):
                raise
        self._halve_batches(options)
        return None

    def _halve_batches(self, options: TrainConfig) -> None:
        """Batches of half the size and twice as many an update, kept in the recipe, so that resuming does the same."""
        size, steps = options.batch_size or 2, options.accumulate
        half, twice = size // 2, 2 * steps
        self.config = replace(
            self.config, train=replace(self.config.train, batch_size=half, accumulate=twice, epochs=options.epochs)
        )
        self._keep_recipe(replace(options, batch_size=half, accumulate=twice))
        message = (
            f"Batches of {size:,} rows do not fit into memory. The run begins again with batch_size {half:,} and accumulate "
            f"{twice:,}: {half * twice:,} rows an update, {size * steps:,} before."
        )
        self.emit(Warned(code="out_of_memory", message=message, hint="Shorter texts (max_length) need less memory, too."))

    def _restore(self, job: Job, checkpoints: Checkpoints, base: str | None) -> TrainingState:
        if checkpoints.made_with.get("base", base) != base:
            hint = "Put the base back as it was, or start a new run."
            raise ArtifactError("The base's weights have changed since the run was stopped.", where=self.config.preset, hint=hint)
        state, damaged = checkpoints.restore(job.model, job.weights)
        for sentence in damaged:
            self.emit(Warned(code="damaged_checkpoint", message=sentence))
        if state is None:
            message = "There is no whole checkpoint yet; the run starts from its beginning."
            hint = (
                "If the system ended it for want of memory: --train.batch_size half, --train.accumulate double, --allow-changes."
            )
            self.emit(Warned(code="no_checkpoint", message=message, hint=hint))
            return TrainingState()
        return state

    def _tell_start(
        self, model: FineTunedModel, job: Job | None, first_step: int = 0, *, rows: int, validation_rows: int, folds: int | None
    ) -> None:
        """Say what begins; without a job it is one step that solves the head."""
        keras_model = model.keras_model
        self.unused_rows = None
        self.emit(
            Started(
                run=str(self.folder),
                total_steps=len(job.plan(0)) * job.epochs if job else 1,
                first_step=first_step,
                epochs=job.epochs if job else 1,
                train_examples=rows,
                validation_examples=validation_rows,
                trainable_parameters=int(sum(np.prod(v.shape) for v in keras_model.trainable_variables)),
                parameters=int(sum(np.prod(v.shape) for v in keras_model.weights)),
                optimizer_bytes=int(sum(np.prod(v.shape) for v in job.model.optimizer.variables)) * 4 if job else 0,
                padding=job.padding if job else 0.0,
                devices=self.devices.replicas,
            )
        )
        for warning in cautions_at_start(
            self.config, self.devices, rows, validation_rows, steps=job is not None, folds=bool(folds)
        ):
            self.emit(warning)

    def _sinks(self, options: TrainConfig) -> Emit:
        if not options.tensorboard:
            return self.emit
        from kerasft.training.callbacks import TensorBoardLog

        return fan_out(self.emit, TensorBoardLog(self.home / "logs"))

    def _finish(self, model: FineTunedModel, data: Dataset, outcome: Outcome, found: Any, judged: Split | None) -> None:
        """Save, and score the splits; of validation rows, or of all rows in folds (`judged`), the answers are known."""
        state, stopped = outcome.state, outcome.stopped
        if not self.devices.chief:
            seconds = time.monotonic() - self.begun
            self.emit(
                Stopped(step=state.step, reason=stopped) if stopped else Finished(step=state.step, seconds=seconds, metrics={})
            )
            return
        scored = [name for name in ("validation", *(["test"] if self.config.train.score_test else [])) if name in data]
        estimated = judged is not None and not stopped
        self.emit(Phase(phase="evaluate", detail=", ".join([*(["cross-validation"] if estimated else []), *scored])))
        model.save(self.folder)
        reports = {name: evaluate(model, data[name], found=found if name == "validation" else None) for name in scored}
        if judged is not None and estimated:
            folds = model.recipe["resolved"]["train"]["folds"]
            reports = {"validation": as_estimate(evaluate(model, judged, found=found), folds, self.compared), **reports}
        save_reports(reports, self.folder)
        write_text(card_path(self.folder), model_card(model.recipe, model.labels, reports))
        if stopped:
            self.emit(Stopped(step=state.step, reason=stopped))
            return
        main = reports["validation"].metrics if "validation" in reports else {}
        self.emit(Finished(step=state.step, seconds=time.monotonic() - self.begun, metrics=main))
        remove_checkpoints(self.folder)  # only now: a run whose log does not say that it is finished is gone on with from them
