"""From a model and its encoded rows to a compiled `Job`: plan, batches, validation, optimizer, loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasft.errors import ConfigError
from kerasft.events import Emit, Phase, Warned
from kerasft.frozen_part import halves
from kerasft.layers.losses import units_of
from kerasft.preprocessing.batching import (
    FEW_SHAPES,
    batch_positions,
    make_batches,
    padding_share,
    plan_epoch,
    predict_rows,
)
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.features import Features
from kerasft.preprocessing.sharing import Shares
from kerasft.training.devices import Devices, fitting, twin
from kerasft.training.imbalance import balanced_draw, weights_of_classes
from kerasft.training.optimizer import make_optimizer
from kerasft.training.options import TrainConfig
from kerasft.training.strategy import wrap_optimizer
from kerasft.training.trainer import Job


def make_job(
    model: Any,
    options: TrainConfig,
    encoded: Encoded,
    held_out: tuple[Encoded, Any] | None,
    emit: Emit,
    devices: Devices | None = None,
) -> Job:
    """Compile a `FineTunedModel` for training on encoded rows.

    Args:
        model: The model; its `keras_model` is compiled.
        options: How to train; nothing in it is left to be decided.
        encoded: The training rows with their targets.
        held_out: Encoded validation rows and their gold, or None.
        emit: Where warnings go.
        devices: Those in whose scope the model was made; one device when not given.
    """
    known = ("auto", "loss", *model.task.monitored(model.learned))
    if options.monitor not in known:
        told = f"'monitor' must be one of {', '.join(known)} for these data. Received: {options.monitor!r}."
        raise ConfigError(told, hint="The others have no value for them.")
    devices = devices or Devices()
    assert options.epochs is not None
    assert options.learning_rate is not None
    assert options.batch_size is not None
    batch_size: int = options.batch_size
    few_shapes = options.jit_compile or devices.compiles  # each shape is compiled: there were too many
    even = encoded.token_targets is not None and not few_shapes
    how: dict[str, Any] = {"group": options.group_by_length, "together": encoded.together, "even": even}
    targets = encoded.targets if encoded.token_targets is None else encoded.token_targets
    weights = weights_of_classes(options, targets, model.labels)
    multiple = FEW_SHAPES if few_shapes else None

    def plan(epoch: int, windows: np.ndarray | None = None) -> list[np.ndarray]:
        if options.sampling == "balanced":
            assert encoded.targets is not None
            among = np.arange(len(encoded)) if windows is None else windows
            windows = among[balanced_draw(encoded.targets[among], seed=options.seed, epoch=epoch)]
        if windows is None:
            return plan_epoch(encoded.lengths, batch_size, seed=options.seed, epoch=epoch, **how)
        batches = plan_epoch(encoded.lengths[windows], batch_size, seed=options.seed, epoch=epoch, **how)
        return [windows[batch] for batch in batches]

    def feed(epoch: int) -> Any:
        made = model.task.feed(encoded, model.framer, seed=options.seed, epoch=epoch)
        made.multiple = multiple
        return made

    keras_model, found = model.keras_model, model.found
    if model.tuning.caches_features and keras_model.trainable_variables:
        emit(Phase(phase="features", detail=f"{len(encoded) + (len(held_out[0]) if held_out else 0):,} rows, once"))
        keras_model, cached, found = _head_alone(model, encoded, held_out)
        cached.multiple = multiple

        def feed(epoch: int) -> Any:
            return cached

    def validate(progress: Callable[[float], None]) -> dict[str, float]:
        assert held_out is not None
        answers = found(held_out[0], batch_size=max(64, batch_size), progress=progress)
        figures: dict[str, float] = model.task.score(answers, held_out[1], model.learned)
        return figures

    for block in model.encoder.parts.blocks:
        block.recompute = options.gradient_checkpointing
    first, pace = plan(0), model.tuning.pace(model.encoder.parts)
    if 0 < (batches := len(first) * options.epochs) < options.accumulate:
        told = f"'accumulate' is {options.accumulate}, and the run has {batches} batches: no update would be made."
        raise ConfigError(told, hint="Lower accumulate or batch_size, or train for more epochs.")
    focus = {"focal": options.focal} if options.focal else {}  # tasks of other packages may not know it
    loss, shares = model.task.loss(label_smoothing=options.label_smoothing, **focus), None
    if devices.strategy is not None:
        units = {name: units_of(part) for name, part in loss.items()} if isinstance(loss, dict) else units_of(loss)
        shares = Shares(devices.replicas, devices.mine, units)
    compiled = _compiled(keras_model, options, pace, len(first), loss, devices)
    if options.jit_compile and not compiled.jit_compile:
        hint = "An earlier run in this process asked for results to the bit, which rules XLA out; use a new process."
        emit(Warned(code="no_xla", message="The step is not compiled with XLA.", hint=hint))
    return Job(
        model=compiled,
        weights=model.own_weights,
        plan=plan,
        positions=lambda rows: batch_positions(encoded, rows, multiple=multiple),
        batches=lambda rows, epoch: devices.spread(make_batches(feed(epoch), rows, weights=weights, shares=shares)),
        validate=validate if held_out is not None else None,
        monitor=model.task.main_metric(model.learned) if options.monitor == "auto" else options.monitor,
        epochs=options.epochs,
        padding=padding_share(encoded, first, multiple=multiple),
        fitting=lambda: fitting(devices),
        agreed=devices.agreed,
        halts=devices.workers == 1,
    )


def _compiled(keras_model: Any, options: TrainConfig, pace: Any, steps: int, loss: Any, devices: Devices) -> Any:
    """The model, compiled; where several devices share batches another on the same layers, so that answering stays as it is."""
    assert options.epochs is not None
    assert options.learning_rate is not None
    with devices.scope():
        if devices.strategy is not None:
            keras_model = twin(keras_model)
        optimizer = make_optimizer(
            learning_rate=options.learning_rate,
            total_updates=max(1, steps * options.epochs // options.accumulate),
            warmup=options.warmup,
            schedule=options.schedule,
            weight_decay=options.weight_decay,
            clip_norm=options.clip_norm,
            accumulate=options.accumulate,
            head_learning_rate=options.head_learning_rate,
            rate_scales=pace.scales,
            starts=pace.starts,
        )
        keras_model.compile(
            optimizer=wrap_optimizer(optimizer, options.precision),
            loss=loss,
            jit_compile=options.jit_compile,
            auto_scale_loss=False,
        )
        keras_model.optimizer.build(keras_model.trainable_variables)
    return keras_model


def _head_alone(model: Any, encoded: Encoded, held_out: tuple[Encoded, Any] | None) -> tuple[Any, Any, Any]:
    """The head as a model of its own, what gives it the frozen backbone's outputs, and what answers validation rows."""
    parts = halves(model.keras_model)
    rows = {id(part): Features(parts.features, part, with_mask=parts.with_mask) for part in (encoded, *(held_out or ())[:1])}

    def found(part: Encoded, *, batch_size: int, progress: Any = None) -> Any:
        return model.task.collect(predict_rows(parts.head, part, batch_size, feed=rows[id(part)], progress=progress), part)

    return parts.head, rows[id(encoded)], found
