"""`bake_off`: each way to learn is a run of its own on the same rows; the table and the advice say which to take."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import kerasft as kft
from kerasft.bake_off_report import BakeOff, Result
from kerasft.cli import main
from kerasft.contenders import contender, count_blocks
from kerasft.method_comparison import bake_off
from kerasft.recipe import RunConfig
from kerasft.runs import STOP_FILE, run_state
from kerasft.word_counts import STRENGTHS, word_counts
from tests.conftest import write_reviews


def recipe(preset: str, path: Path | None, **train: Any) -> RunConfig:
    data = kft.DataConfig(path=None if path is None else str(path), validation=0.3, test=0.2)
    return RunConfig(preset=preset, data=data, train=kft.TrainConfig(epochs=1, batch_size=8, tensorboard=False, **train))


def in_memory(folder: Path) -> pd.DataFrame:
    return pd.read_csv(write_reviews(folder / "r.csv"))


@pytest.fixture(scope="module")
def found(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> BakeOff:
    """A bake-off on rows from memory that came to its end."""
    root = tmp_path_factory.mktemp("bake-off")
    data = kft.load_data(in_memory(root), validation=0.3, test=0.2)
    run = recipe(presets["bert"], None)
    return bake_off(run, out=root / "out", contenders=("word_counts", "last_layers", "lora"), data=data)


def test_every_contender_is_in_the_table_with_what_it_cost(found: BakeOff) -> None:
    by_name = {result.name: result for result in found.results}
    assert [by_name[name].state for name in ("word_counts", "lora", "majority")] == ["done"] * 3
    lora = by_name["lora"]
    assert run_state(found.folder / "lora") == "finished"
    recipe = json.loads((found.folder / "lora" / "run.json").read_text())
    assert (lora.trainable, lora.parameters) == (recipe["trainable_parameters"], recipe["parameters"])
    assert lora.artifact_bytes == (found.folder / "lora" / "model.safetensors").stat().st_size
    assert lora.seconds > 1
    assert lora.peak_bytes > 2e8  # TensorFlow alone
    report = json.loads((found.folder / "lora" / "report.json").read_text())
    assert lora.value == report["validation"]["metrics"]["accuracy"]
    assert list(report) == ["validation"]  # the test rows are not looked at
    assert by_name["majority"].value == report["validation"]["baseline"]["accuracy"]
    assert all(name in str(found) for name in by_name)


def test_what_does_not_fit_is_left_out_and_says_why(found: BakeOff) -> None:
    by_name = {result.name: result for result in found.results}
    assert by_name["last_layers"].state == "left out"
    assert "no more than 2 blocks" in by_name["last_layers"].note


def test_done_once_is_done(found: BakeOff, presets: dict[str, str], tmp_path: Path) -> None:
    data = kft.load_data(in_memory(tmp_path), validation=0.3, test=0.2)
    before = (found.folder / "lora" / "model.safetensors").stat().st_mtime_ns
    again = bake_off(recipe(presets["bert"], None), out=found.folder, contenders=("word_counts", "lora"), data=data)
    assert (found.folder / "lora" / "model.safetensors").stat().st_mtime_ns == before
    assert {r.name: r.value for r in again.results}["lora"] == {r.name: r.value for r in found.results}["lora"]
    assert BakeOff.read(found.folder) == again
    with pytest.raises(kft.ConfigError, match=r"another bake-off.*train.seed: 1 -> 2"):
        bake_off(recipe(presets["bert"], None, seed=2), out=found.folder, contenders=("lora",), data=data)


def test_word_counts_are_those_of_scikit_learn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["good", "bad", "film", "plot", "the", "dull", "fine"])
    texts = [" ".join(rng.choice(words, 6)) for _ in range(120)]
    labels = ["yes" if text.count("good") + rng.random() > text.count("bad") else "no" for text in texts]
    data = kft.load_data([{"text": t, "label": y} for t, y in zip(texts, labels, strict=True)], validation=0.3)
    report, coefficients = word_counts(kft.TextClassification(), data)
    train, held_out = ((data[name].cells("text"), data[name].cells("label")) for name in ("train", "validation"))
    counter = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features, asked = counter.fit_transform(train[0]), counter.transform(held_out[0])
    fits = [LogisticRegression(C=strength, max_iter=1000).fit(features, train[1]) for strength in STRENGTHS]
    assert report.metrics["accuracy"] == max(fit.score(asked, held_out[1]) for fit in fits)
    assert coefficients == 2 * (features.shape[1] + 1)


@pytest.mark.parametrize(
    ("task", "labels", "metric"),
    [(kft.Regression(), ["1.5", "4", "2.5"], "r2"), (kft.MultiLabelClassification(), ["a;b", "b", "a"], "micro_f1")],
    ids=["numbers", "several labels"],
)
def test_word_counts_of_other_tasks(task: Any, labels: list[str], metric: str) -> None:
    texts = ["good film", "bad plot", "good plot"]
    rows = [{"text": f"{texts[i % 3]} {i % 5}", "label": labels[i % 3]} for i in range(90)]
    report, _ = word_counts(task, kft.load_data(rows, label="label", validation=0.3))
    assert report.metrics[metric] > 0.95  # the words say all


def test_the_advice() -> None:
    def told(*results: Result) -> BakeOff:
        return BakeOff(Path("x"), "accuracy", results)

    full = Result("full", "done", 0.90, (0.87, 0.93), seconds=100)
    near, far = Result("lora", "done", 0.88, (0.85, 0.91), seconds=60), Result("frozen", "done", 0.80, (0.7, 0.86), seconds=9)
    guess, words = Result("majority", "done", 0.5), Result("word_counts", "done", 0.89, (0.86, 0.92), seconds=2)
    assert told(guess, far, near, full).recommended == near
    assert "Take lora: full has the best figure" in told(guess, far, near, full).advice
    assert "trained in 60% of its time" in told(guess, far, near, full).advice
    assert told(guess, far, full).advice.startswith("Take full: it has the best figure")
    assert "whether you need a Transformer" in told(guess, words, full).advice
    assert told(Result("majority", "done", 0.95), full).recommended is None
    assert "No contender beats" in told(Result("majority", "done", 0.95), full).advice
    assert told(Result("full", "waiting")).advice == ""


def test_contenders(presets: dict[str, str], tmp_path: Path) -> None:
    run = recipe(presets["bert"], tmp_path / "r.csv")
    assert count_blocks(presets["bert"]) == 2
    assert count_blocks("all_minilm_l6_v2_") is None
    zero = contender("zero_shot", run, None)
    assert isinstance(zero, RunConfig)
    assert (zero.task.name, zero.train.epochs, zero.train.score_test) == ("cloze_classification", 0, False)
    rank = RunConfig(preset=presets["bert"], data=run.data, tuning=kft.LoRA(rank=3))
    assert contender("lora", rank, None).tuning == kft.LoRA(rank=3)  # type: ignore[union-attr]
    with pytest.raises(kft.ConfigError, match="no contender 'laura'"):
        contender("laura", run, None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--contenders", "laura"], "There is no contender 'laura'"),
        (["--data.validation", "0"], "needs validation rows"),
        (["--words", "a=b", "--template", "{text}"], "'template' needs one gap"),
    ],
    ids=["unknown", "no validation", "template"],
)
def test_faults_are_told_before_anything_is_trained(
    options: list[str], told: str, presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_reviews(tmp_path / "r.csv"))
    fixed = ["--data", data, "--preset", presets["bert"], "--task", "text_classification", "--out", str(tmp_path / "out")]
    assert main(["bake-off", *fixed, *options]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out" / "full").exists()


def test_one_process_at_a_time_and_no_workers(presets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recipe(presets["bert"], write_reviews(tmp_path / "r.csv"))
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(kft.RunError, match="Another process"):
            bake_off(run, out=tmp_path / "out", contenders=("full",))
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    with pytest.raises(kft.ConfigError, match="done by one process"):
        bake_off(run, out=tmp_path / "out", contenders=("full",))
    with pytest.raises(kft.ConfigError, match="done by one process"):
        kft.search(run, out=tmp_path / "out")


def test_a_run_that_finished_unseen_is_not_done_again(found: BakeOff, presets: dict[str, str], tmp_path: Path) -> None:
    """The driver was killed, the contender's process was not."""
    shutil.copytree(found.folder, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "bake-off.json").read_text())
    told["results"] = [{**r, "state": "running", "value": None, "interval": None} if r["name"] == "lora" else r
                       for r in told["results"]]  # fmt: skip
    (tmp_path / "out" / "bake-off.json").write_text(json.dumps(told))
    plan = (tmp_path / "out" / "plan.json").read_text().replace(str(found.folder), str(tmp_path / "out"))
    (tmp_path / "out" / "plan.json").write_text(plan)
    before = (tmp_path / "out" / "lora" / "model.safetensors").stat().st_mtime_ns
    data = kft.load_data(in_memory(tmp_path), validation=0.3, test=0.2)
    again = bake_off(recipe(presets["bert"], None), out=tmp_path / "out", contenders=("lora",), data=data)
    assert (tmp_path / "out" / "lora" / "model.safetensors").stat().st_mtime_ns == before
    mine = {r.name: r for r in again.results}["lora"]
    assert mine == {r.name: r for r in found.results}["lora"]  # its cost, too, was noted


@pytest.mark.slow
def test_what_failed_can_be_tried_with_other_options(presets: dict[str, str], tmp_path: Path) -> None:
    path = write_reviews(tmp_path / "r.csv")
    words = kft.ClozeClassification(words="good=good; bad=bad")
    first = bake_off(recipe(presets["bert"], path), out=tmp_path / "out", contenders=("zero_shot",),
                     cloze=kft.ClozeClassification(words="good=wonderfulness; bad=bad"))  # fmt: skip
    assert first.results[0].state == "left out"
    assert "is not one piece of the vocabulary" in first.results[0].note
    second = bake_off(recipe(presets["bert"], path), out=tmp_path / "out", contenders=("zero_shot",), cloze=words)
    assert {result.name: result.state for result in second.results}["zero_shot"] == "done"


@pytest.mark.slow
def test_stopped_it_goes_on(presets: dict[str, str], tmp_path: Path) -> None:
    run = recipe(presets["bert"], write_reviews(tmp_path / "r.csv"))
    out = tmp_path / "out"

    def press(so_far: BakeOff) -> None:
        if any(result.state == "running" and result.name == "lora" for result in so_far.results):
            (out / STOP_FILE).touch()

    first = bake_off(run, out=out, contenders=("lora", "bias_only"), on_result=press)
    assert first.stopped
    assert [(r.name, r.state) for r in first.results if r.name != "majority"] == [("lora", "stopped"), ("bias_only", "waiting")]
    second = bake_off(run, out=out, contenders=("lora", "bias_only"))
    assert not second.stopped
    assert {result.state for result in second.results} == {"done"}
