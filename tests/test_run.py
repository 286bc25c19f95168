"""`finetune` and `resume`: what a person meets when data, options or the machine are not as they should be."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kerasft as kft
from kerasft import events
from kerasft.memory import is_out_of_memory
from kerasft.processor import format_fault
from kerasft.recipe import RunConfig
from kerasft.run import resume, start
from kerasft.runs import run_state
from kerasft.training.checkpoint import Checkpoints
from kerasft.weights import weights_by_path
from tests.conftest import write_reviews
from tests.tiny import POSITIONS

FAST = {"tensorboard": False, "batch_size": 8}


def config(presets: dict[str, str], data: Path | None, family: str = "bert", **train: object) -> RunConfig:
    return RunConfig(
        preset=presets[family],
        data=kft.DataConfig(path=str(data) if data else None),
        train=kft.TrainConfig(**{"epochs": 1, **FAST, **train}),
    )


@pytest.fixture(scope="module")
def finished(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run in a folder of its own."""
    root = tmp_path_factory.mktemp("finished")
    start(config(presets, write_reviews(root / "reviews.csv")), root / "run")
    return root / "run"


def test_a_finished_run_holds_all_that_is_promised_and_no_pickle(finished: Path) -> None:
    there = {path.name for path in finished.iterdir()}
    assert {"run.json", "model.safetensors", "tokenizer", "events.jsonl", "report.json", "report.md", "README.md"} <= there
    assert not [path for path in finished.rglob("*") if path.suffix in (".pkl", ".bin", ".pt", ".part")]
    recipe = json.loads((finished / "run.json").read_text())
    assert recipe["model"]["labels"] == ["bad", "good"]
    assert recipe["resolved"]["train"]["learning_rate"] == 3e-4  # what full tuning advises for a model this small
    assert RunConfig.load(finished / "run.json").train.learning_rate is None  # the recipe says what was asked


def test_a_run_is_never_overwritten_unasked(finished: Path, presets: dict[str, str], reviews: Path) -> None:
    before = (finished / "model.safetensors").read_bytes()
    with pytest.raises(kft.RunExistsError, match="already holds a run"):
        start(config(presets, reviews), finished)
    assert (finished / "model.safetensors").read_bytes() == before


def test_resuming_a_finished_run_gives_its_model(finished: Path) -> None:
    assert kft.resume(finished).predict("a good film").label in ("good", "bad")


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    runs = [start(config(presets, reviews, seed=seed), tmp_path / str(i)) for i, seed in enumerate((5, 5, 6))]
    one, same, other = ([v.numpy() for v in weights_by_path(run.keras_model).values()] for run in runs)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("step", [1, 4, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 3, 5))])
def test_a_run_stopped_at_any_step_ends_as_if_it_had_not_been(
    step: int, presets: dict[str, str], reviews: Path, tmp_path: Path, whole_run: dict[str, np.ndarray]
) -> None:
    plan = config(presets, reviews, epochs=2, batch_size=9, validate_every=1, accumulate=2, seed=3)

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Validated) and event.step == step:
            (tmp_path / "run" / "STOP").touch()

    told: list[events.Event] = []
    stopped = start(plan, tmp_path / "run", on_event=lambda event: (stop(event), told.append(event)))
    assert isinstance(told[-1], events.Stopped)
    assert told[-1].step == step
    assert stopped.predict("a good film").label in ("good", "bad")  # usable as it is
    resumed = kft.resume(tmp_path / "run")
    for path, variable in weights_by_path(resumed.keras_model).items():
        np.testing.assert_array_equal(variable.numpy(), whole_run[path], err_msg=path)


@pytest.fixture(scope="module")
def whole_run(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Weights of the same run, not stopped: two epochs of three steps, gradients of two steps added up."""
    root = tmp_path_factory.mktemp("whole")
    plan = config(presets, write_reviews(root / "reviews.csv"), epochs=2, batch_size=9, validate_every=1, accumulate=2, seed=3)
    model = start(plan, root / "run")
    assert len(model.recipe["history"]) == 6
    return {path: variable.numpy() for path, variable in weights_by_path(model.keras_model).items()}


def test_data_changed_since_the_stop_are_noticed(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    def stop(event: events.Event) -> None:
        if isinstance(event, events.Started):
            (tmp_path / "run" / "STOP").touch()

    start(config(presets, reviews), tmp_path / "run", on_event=stop)
    with reviews.open("a", encoding="utf-8") as file:
        file.write("one more,good\n")
    with pytest.raises(kft.DataError, match="data have changed"):
        kft.resume(tmp_path / "run")


def test_a_loss_that_is_no_number_ends_the_run_with_advice(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    told: list[events.Event] = []
    wild = {"learning_rate": 1.0, "clip_norm": None, "warmup": 0.0, "schedule": "constant", "weight_decay": 0.0}
    wild |= {"epochs": 60, "precision": "mixed_float16"}
    with pytest.raises(kft.RunError, match="loss became") as error:
        start(config(presets, reviews, **wild), tmp_path / "run", on_event=told.append)
    assert "Lower the learning rate" in str(error.value)
    assert isinstance(told[-1], events.Failed)


def test_a_full_disk_ends_the_run_with_advice_and_it_goes_on_later(
    presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "step-000003")

    data = kft.DataConfig(path=str(reviews))
    run = RunConfig(preset=presets["bert"], data=data, train=kft.TrainConfig(epochs=2, batch_size=8, tensorboard=False))
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", full)
        with pytest.raises(kft.RunError, match=r"The disk is full\.") as error:
            start(run, tmp_path / "run", on_event=lambda event: None)
    assert f"kerasft resume {tmp_path / 'run'}" in str(error.value)
    assert isinstance(list(events.read_events(tmp_path / "run" / "events.jsonl"))[-1], events.Failed)
    assert not is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "x.data; No space left on device"))
    resume(tmp_path / "run", on_event=lambda event: None)
    assert run_state(tmp_path / "run") == "finished"


def test_one_class_for_everything_is_said(presets: dict[str, str], tmp_path: Path) -> None:
    rows = [{"text": f"film {i}", "label": "a" if i % 8 else "b"} for i in range(48)]
    told: list[events.Event] = []
    start(
        RunConfig(preset=presets["bert"], train=kft.TrainConfig(epochs=1, learning_rate=1e-8, **FAST)),
        tmp_path / "run", dataset=kft.load_data(rows, validation=0.3), on_event=told.append,
    )  # fmt: skip
    assert "one_class" in [event.code for event in told if isinstance(event, events.Warned)]


def test_what_is_left_out_is_counted(presets: dict[str, str], tmp_path: Path) -> None:
    rows = [{"text": t, "label": lab} for t, lab in [("good film", "a"), ("bad film", "b"), ("", "a"), ("lost", "")] * 4]
    told: list[events.Event] = []
    start(
        RunConfig(preset=presets["bert"], task=kft.TextClassification(max_length=8), train=kft.TrainConfig(epochs=1, **FAST)),
        tmp_path / "run", dataset=kft.load_data({"train": [*rows, {"text": "x " * 50, "label": "b"}]}, validation=0),
        on_event=told.append,
    )  # fmt: skip
    warned = {event.code: event.message for event in told if isinstance(event, events.Warned)}
    assert warned["empty_text"].startswith("4 rows of train")
    assert warned["missing_label"].startswith("4 rows of train")
    assert warned["cut"].startswith("1 rows of train")
    assert "no_validation" in warned


def test_texts_that_are_also_learned_from_and_a_length_the_model_has_not_are_told(
    presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    data = kft.DataConfig(path=str(reviews), validation_path=str(reviews))
    task, told = kft.TextClassification(max_length=500), []
    run = RunConfig(preset=presets["bert"], data=data, task=task, train=kft.TrainConfig(epochs=0, tensorboard=False))
    start(run, tmp_path / "run", on_event=told.append)
    warned = {event.code: event.message for event in told if isinstance(event, events.Warned)}
    assert "24 of the 24 texts of validation are also in train" in warned["leaked_texts"]
    assert f"'max_length' is 500, but the model takes {POSITIONS} tokens" in warned["max_length"]


def test_a_label_only_in_validation_is_told_before_training(presets: dict[str, str], tmp_path: Path) -> None:
    train = [{"text": f"film {i}", "label": "ab"[i % 2]} for i in range(8)]
    data = {"train": train, "validation": [{"text": "new", "label": "c"}, *train]}
    run = RunConfig(preset=presets["bert"], train=kft.TrainConfig(epochs=1, **FAST))
    with pytest.raises(kft.DataError, match=r"1 value the model has never seen: 'c'") as error:
        start(run, tmp_path / "one", dataset=kft.load_data(data))
    assert "row 1" in str(error.value)
    lenient = RunConfig(preset=presets["bert"], task=kft.TextClassification(drop_unknown=True), train=run.train)
    assert start(lenient, tmp_path / "two", dataset=kft.load_data(data)).labels == ("a", "b")


def test_early_stopping_ends_after_patience_and_keeps_the_best(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    model = start(config(presets, reviews, epochs=30, learning_rate=1e-8, patience=2), tmp_path / "run")
    history = model.recipe["history"]
    assert len(history) < 30
    best = max(history, key=lambda entry: (entry["accuracy"], -entry["loss"]))
    # Patience counts from the first time that the figure was reached; the loss only says which of equal ones is kept.
    first = next(i for i, entry in enumerate(history) if entry["accuracy"] == best["accuracy"])
    assert len(history) - first - 1 == 2
    report = json.loads((tmp_path / "run" / "report.json").read_text())["validation"]["metrics"]
    assert report["loss"] == pytest.approx(best["loss"], rel=1e-5)


@pytest.mark.skipif(bool(format_fault("mixed_bfloat16")), reason=format_fault("mixed_bfloat16"))
def test_balanced_weights_and_smoothing_and_a_rate_for_the_head_train(
    presets: dict[str, str], reviews: Path, tmp_path: Path
) -> None:
    options = {"class_weights": "balanced", "label_smoothing": 0.1, "head_learning_rate": 1e-2, "schedule": "cosine"}
    model = start(config(presets, reviews, "gpt2", precision="mixed_bfloat16", dropout=0.0, **options), tmp_path / "run")
    assert model.recipe["resolved"]["train"]["label_smoothing"] == 0.1


FAMILIES = ("bert", pytest.param("gpt2", marks=pytest.mark.slow))


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_go_the_whole_road(family: str, presets: dict[str, str], tmp_path: Path) -> None:
    rows = [{"premise": f"film {i}", "hypothesis": f"book {i % 3}", "label": "yn"[i % 2]} for i in range(24)]
    run = RunConfig(preset=presets[family], train=kft.TrainConfig(epochs=1, **FAST))
    model = start(run, tmp_path / "run", dataset=kft.load_data(rows))
    assert model.paired
    path = model.export(tmp_path / "run" / "serving" / "1")
    assert model.replay(path, rows[:10]).passed
    assert kft.load(tmp_path / "run").predict(("film 1", "book 2")).label in ("y", "n")


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_that_do_not_fit_into_memory_are_halved_and_the_result_is_that_of_the_smaller_ones(
    family: str, presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasft.training.callbacks import StepWatch

    smaller = start(config(presets, reviews, family, batch_size=2, accumulate=4), tmp_path / "smaller")
    sizes: list[int] = []
    tell = StepWatch.on_train_batch_begin

    def short_of_memory(watch: StepWatch, batch: int, logs: object = None) -> None:
        tell(watch, batch)
        sizes.append(watch._batch_rows[0])
        if sizes[-1] > 2:
            for variable in watch.model.variables:
                if variable.path.endswith("seed_generator_state"):
                    variable.assign(variable + 1)  # the step had drawn its random numbers when memory was out
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8,512]")

    monkeypatch.setattr(StepWatch, "on_train_batch_begin", short_of_memory)
    told: list[events.Event] = []
    halved = start(config(presets, reviews, family, batch_size=8), tmp_path / "halved", on_event=told.append)
    assert sizes[:3] == [8, 4, 2]
    warnings = [event.message for event in told if isinstance(event, events.Warned) and event.code == "out_of_memory"]
    assert "Batches of 8 rows" in warnings[0]
    assert "batch_size 2 and accumulate 4: 8 rows an update" in warnings[1]
    recipe = RunConfig.load(tmp_path / "halved" / "run.json")
    assert (recipe.train.batch_size, recipe.train.accumulate) == (2, 4)
    assert halved.recipe["resolved"]["train"]["batch_size"] == 2
    expected = weights_by_path(smaller.keras_model)
    for path, variable in weights_by_path(halved.keras_model).items():
        np.testing.assert_array_equal(variable.numpy(), expected[path].numpy(), err_msg=path)


def test_memory_that_is_short_for_one_row_ends_the_run_with_advice(
    presets: dict[str, str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_memory(*_: object, **__: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr("kerasft.training.callbacks.StepWatch.on_train_batch_begin", short_of_memory)
    with pytest.raises(kft.RunError, match="ran out of memory") as told:
        start(config(presets, reviews, batch_size=2), tmp_path / "run")
    assert "max_length" in told.value.hint


def test_after_two_steps_a_run_tells_how_long_it_will_take_and_what_memory_it_needs(finished: Path) -> None:
    estimated = [event for event in events.read_events(finished / "events.jsonl") if isinstance(event, events.Estimated)]
    assert len(estimated) == 1
    assert 0 < estimated[0].seconds < 600
    assert estimated[0].peak_bytes is None or estimated[0].peak_bytes > 10**7


def test_rows_from_memory_can_be_resumed(presets: dict[str, str], tmp_path: Path) -> None:
    rows = [{"text": f"film {i}", "label": "ab"[i % 2]} for i in range(16)]

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Started):
            (tmp_path / "run" / "STOP").touch()

    run = RunConfig(preset=presets["bert"], train=kft.TrainConfig(epochs=1, **FAST))
    start(run, tmp_path / "run", dataset=kft.load_data(rows), on_event=stop)
    assert kft.resume(tmp_path / "run").folder == tmp_path / "run"


def test_too_many_frozen_layers_are_refused(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    run = RunConfig(preset=presets["bert"], data=kft.DataConfig(path=str(reviews)), tuning=kft.FreezeLayers(layers=9))
    with pytest.raises(kft.ConfigError, match="has 2 blocks"):
        start(run, tmp_path / "run")


def test_a_plain_keras_model_saves_and_loads_as_keras_files_do(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    import keras

    data = kft.load_data(str(reviews))
    task = kft.TextClassification()
    for family in ("bert", "gpt2"):
        model = kft.build(presets[family], task, learned=task.learn(data["train"]))
        train = kft.batches(data["train"], presets[family], task, learned=task.learn(data["train"]), batch_size=8)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        history = model.fit(train, epochs=2, verbose=0, shuffle=False)
        assert len(history.history["loss"]) == 2
        model.save(tmp_path / f"{family}.keras")
        again = keras.models.load_model(tmp_path / f"{family}.keras")
        inputs = next(iter(train))[0]
        np.testing.assert_allclose(again.predict_on_batch(inputs), model.predict_on_batch(inputs), atol=1e-6)


def test_wrong_parts_and_a_file_in_place_of_the_folder_are_explained(presets: dict[str, str], reviews: Path) -> None:
    with pytest.raises(kft.ConfigError, match="'task' must be a Task"):
        kft.finetune(presets["bert"], str(reviews), "text_classification", out=reviews.parent / "run")  # type: ignore[arg-type]
    with pytest.raises(kft.RunError, match="folder cannot be made"):
        start(config(presets, reviews), reviews)


def test_xla_that_cannot_be_had_is_said(presets: dict[str, str], reviews: Path, tmp_path: Path) -> None:
    """In a process that has promised results to the bit, Keras does not compile."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    told: list[events.Event] = []
    with pytest.warns(UserWarning, match="jit_compile"):
        start(config(presets, reviews, jit_compile=True), tmp_path / "run", on_event=told.append)
    assert "no_xla" in [event.code for event in told if isinstance(event, events.Warned)]


@pytest.mark.parametrize("drop_unknown", [False, True])
def test_what_is_learned_by_hand_passes_over_rows_that_are_not_whole(drop_unknown: bool) -> None:
    task = kft.TextClassification(drop_unknown=drop_unknown)
    texts = (("a", "x"), ("b", "y"), ("c", None), (" ", "z"))
    data = kft.load_data([{"text": text, "label": label} for text, label in texts], validation=0)
    assert task.learn(data["train"]).labels == ("x", "y")
    with pytest.raises(kft.DataError, match="has what the task"):
        task.learn(data["train"].take(np.array([2, 3])))


def test_after_a_refused_attempt_only_what_it_wrote_is_gone(presets: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "project"
    (out / "serving").mkdir(parents=True)
    for name in ("README.md", "serving/mine.txt"):
        (out / name).write_text("a person's own")
    plan = config(presets, None)
    with pytest.raises(kft.DataError, match="at least two different labels"):
        start(plan, out, dataset=kft.load_data([{"text": f"a {i}", "label": "x"} for i in range(8)], validation=0))
    assert not (out / "data").exists()
    rows = kft.load_data([{"text": f"a {i}", "label": "xy"[i % 2]} for i in range(8)], validation=0)

    def look(event: events.Event) -> None:
        if isinstance(event, events.Started):
            assert (out / "README.md").read_text() == (out / "serving" / "mine.txt").read_text() == "a person's own"

    start(plan, out, dataset=rows, on_event=look)
    assert len(kft.load_data(out / "data" / "train.parquet", validation=0)["train"]) == 8
    assert (out / "serving" / "mine.txt").exists()
