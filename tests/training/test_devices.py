"""Devices that share batches compute what one device computes: losses, weights, clipping, accumulation, uneven batches."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft import events
from kerasft.layers.losses import SmoothedCrossentropy, TokenCrossentropy, units_of
from kerasft.layers.spans import SpanCrossentropy
from kerasft.preprocessing.sharing import Shares
from kerasft.training import keras_mends
from kerasft.training.devices import choose_devices
from tests.conftest import write_reviews
from tests.shared_work import comparable

ROOT = Path(__file__).parents[2]
CASE = 'text_classification+{"accumulate": 2, "class_weights": "balanced"}'
MORE = [CASE, "token_classification", "question_answering", "masked_lm", "regression", "multi_label_classification",
        'token_classification+{"class_weights": "balanced"}', "text_classification"]  # fmt: skip


def begin(command: list[str], log: Path, *, inside: str = "", **variables: str) -> subprocess.Popen[bytes]:
    """Start a module of Python, perhaps inside a network namespace."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **variables}
    entered = ["ip", "netns", "exec", inside] if inside else []
    with log.open("wb") as file, log.with_suffix(".err").open("wb") as errors:
        words = [*entered, sys.executable, "-m", *command]
        return subprocess.Popen(words, stdout=file, stderr=errors, env=environment, cwd=ROOT)


def clusters(workers: int) -> list[str]:
    """TF_CONFIG of each of some workers on this machine."""
    held = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{server.getsockname()[1]}" for server in held]
    for server in held:
        server.close()
    return tf_configs(addresses)


def tf_configs(addresses: list[str]) -> list[str]:
    workers = len(addresses)
    return [json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}) for i in range(workers)]


def told(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    assert process.wait(300) == 0, log.with_suffix(".err").read_text()[-3000:]
    found: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for case, mine in one.items():
        assert "error" not in mine, mine
        assert len(mine["losses"]) > 3
        np.testing.assert_allclose(mine["losses"], other[case]["losses"], atol=tolerance, err_msg=case)
        # Biases that change no loss, such as one that shifts both ends' scores alike, have gradients of rounding errors.
        np.testing.assert_allclose(mine["weights"], other[case]["weights"], rtol=tolerance, atol=1e-3, err_msg=case)


def work(tmp_path: Path, preset: str, cases: list[str], replicas: int, workers: int) -> list[dict[str, Any]]:
    """What one device tells, some devices of one process, and each of some workers; all at the same time."""
    plans = [(1, "one", ""), (replicas, "mirrored", ""), *((1, "auto", config) for config in clusters(workers))]
    begun = []
    for i, (count, strategy, config) in enumerate(plans):
        out = tmp_path / ("workers" if config else strategy)
        command = ["tests.shared_work", str(count), strategy, preset, str(out), *cases]
        begun.append((begin(command, tmp_path / f"{i}.json", TF_CONFIG=config), tmp_path / f"{i}.json"))
    return [told(process, log) for process, log in begun]


def test_two_devices_and_two_workers_learn_what_one_device_learns(presets: dict[str, str], tmp_path: Path) -> None:
    alone, mirrored, *workers = work(tmp_path, presets["bert"], [CASE], 2, 2)
    assert_same(alone, mirrored, 1e-5)
    for worker in workers:
        assert_same(alone, worker, 1e-5)
    assert workers[0] == workers[1]  # to the bit
    kept = tmp_path / "workers" / "case-0"
    assert len(list(events.read_events(kept / "events.jsonl"))) > 3  # the chief alone writes
    started = next(e for e in events.read_events(kept / "events.jsonl") if isinstance(e, events.Started))
    assert started.devices == 2
    assert kft.load(kept).predict(["a good film"])


@pytest.mark.slow
def test_three_devices_and_three_workers_at_every_task(presets: dict[str, str], tmp_path: Path) -> None:
    alone, mirrored, *workers = work(tmp_path, presets["bert"], MORE, 3, 3)
    assert_same(alone, mirrored, 1e-4)
    for worker in workers:
        assert_same(alone, worker, 1e-4)
        assert worker == workers[0]


@pytest.mark.slow
@pytest.mark.parametrize("left", [1, 2], ids=["goes on alone", "goes on with two"])
def test_a_worker_that_dies_leaves_a_checkpoint_to_go_on_from(left: int, presets: dict[str, str], tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "r.csv", repeat=8)
    out = tmp_path / "run"
    options = ["--train.epochs", "60", "--train.batch_size", "8", "--train.dropout", "0", "--task.head_dropout", "0",
               "--train.patience", "60"]  # fmt: skip
    train = ["kerasft", "train", "--data", str(data), "--data.validation", "0.2", "--task", "text_classification",
             "--preset", presets["bert"], *options]  # fmt: skip
    whole = begin([*train, "--out", str(tmp_path / "whole")], tmp_path / "whole.log", TF_CONFIG="")
    workers = [begin([*train, "--out", str(out)], tmp_path / f"{i}.log", TF_CONFIG=config)
               for i, config in enumerate(clusters(3))]  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(isinstance(e, events.EpochEnd) for e in events.read_events(out / "events.jsonl")):
        assert time.monotonic() < deadline, (tmp_path / "0.err").read_text()[-3000:]
        time.sleep(0.05)
    workers[2].send_signal(signal.SIGKILL)
    assert [worker.wait(120) for worker in workers] == [2, 2, -signal.SIGKILL]
    failed = list(events.read_events(out / "events.jsonl"))[-1]
    assert isinstance(failed, events.Failed)
    assert "A worker was lost after step" in failed.message
    assert list((out / "checkpoints").glob("step-*"))
    configs = clusters(2) if left == 2 else [""]
    again = [begin(["kerasft", "resume", str(out)], tmp_path / f"again-{i}.log", TF_CONFIG=config)
             for i, config in enumerate(configs)]  # fmt: skip
    assert [process.wait(200) for process in [*again, whole]] == [0] * (left + 1), (tmp_path / "again-0.err").read_text()[-2000:]
    one, other = (comparable(kft.load(folder).keras_model) for folder in (out, tmp_path / "whole"))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.fixture
def machines() -> Iterator[list[tuple[str, str]]]:
    """Two network namespaces joined by a cable, which pose as two machines: the name and the address of each."""
    found = [(f"kerasft{os.getpid()}-{i}", f"10.99.0.{i + 1}") for i in range(2)]
    (one, _), (other, _) = found
    steps = [f"netns add {one}", f"netns add {other}", f"link add cable netns {one} type veth peer name cable netns {other}"]
    for name, address in found:
        steps += [f"-n {name} addr add {address}/24 dev cable", f"-n {name} link set lo up", f"-n {name} link set cable up"]
    try:
        for step in steps:
            subprocess.run(["ip", *step.split()], check=True, capture_output=True)
        yield found
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    finally:
        for name, _ in found:
            with suppress(OSError):
                subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.slow
def test_two_machines_and_the_cable_between_them(
    presets: dict[str, str], tmp_path: Path, machines: list[tuple[str, str]]
) -> None:
    configs = tf_configs([f"{address}:2222" for _, address in machines])
    command = ["tests.shared_work", "1", "auto", presets["bert"], str(tmp_path / "shared"), CASE]
    begun = [begin(command, tmp_path / f"{i}.json", inside=name, TF_CONFIG=config)
             for i, ((name, _), config) in enumerate(zip(machines, configs, strict=True))]  # fmt: skip
    alone = begin([*command[:2], "one", *command[3:4], str(tmp_path / "alone"), CASE], tmp_path / "alone.json", TF_CONFIG="")
    one, *both = (
        told(process, tmp_path / f"{name}.json") for process, name in zip([alone, *begun], ["alone", 0, 1], strict=True)
    )
    for worker in both:
        assert_same(one, worker, 1e-5)

    out = tmp_path / "run"
    train = ["kerasft", "train", "--data", str(write_reviews(tmp_path / "r.csv", repeat=30)), "--preset", presets["bert"],
             "--train.epochs", "500", "--train.batch_size", "8", "--train.tensorboard", "false", "--out", str(out)]  # fmt: skip
    cut = [begin(train, tmp_path / f"cut-{i}.log", inside=name, TF_CONFIG=config)
           for i, ((name, _), config) in enumerate(zip(machines, configs, strict=True))]  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(isinstance(e, events.EpochEnd) for e in events.read_events(out / "events.jsonl")):
        assert time.monotonic() < deadline, (tmp_path / "cut-0.err").read_text()[-3000:]
        time.sleep(0.05)
    subprocess.run(["ip", "-n", machines[0][0], "link", "set", "cable", "down"], check=True)
    assert [worker.wait(120) for worker in cut] == [2, 2]
    failed = list(events.read_events(out / "events.jsonl"))[-1]
    assert isinstance(failed, events.Failed)
    assert "A worker was lost after step" in failed.message
    assert list((out / "checkpoints").glob("step-*"))


@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 4, 7])
def test_the_mean_over_the_shares_is_the_loss_of_the_batch(replicas: int, rows: int) -> None:
    rng = np.random.default_rng(rows)
    logits = rng.normal(size=(rows, 5, 3)).astype(np.float32)
    tokens = rng.integers(-1, 3, (rows, 5)).astype(np.int32)
    tokens[0, 0] = 1  # at least one has a target
    spans = np.sort(rng.integers(0, 5, (rows, 2)), axis=1).astype(np.int32)
    spans[1:2] = -1
    classes = rng.integers(0, 3, rows).astype(np.int32)
    cases = [(SmoothedCrossentropy(), classes, logits[:, 0]), (TokenCrossentropy(), tokens, logits),
             (SpanCrossentropy(0), spans, logits)]  # fmt: skip
    for loss, targets, outputs in cases:
        shares = Shares(replicas, range(replicas), units_of(loss)).of({"x": outputs}, targets, None)
        assert len({len(part[1]) for part in shares}) == 1  # every replica has as many rows
        parts = [float(loss(told, given["x"], sample_weight=weights)) for given, told, weights in shares]
        np.testing.assert_allclose(np.mean(parts), float(loss(targets, outputs)), rtol=1e-5, err_msg=type(loss).__name__)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "TF_CONFIG is not what TensorFlow reads"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG is not what TensorFlow reads"),
        ("[]", "TF_CONFIG is not what TensorFlow reads"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "lists no HOST:PORT"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', "a task the cluster does not have"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "ps", "index": 0}}', "another kind than chief and worker"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}', "names no workers"),
        ("", "names no workers"),
    ],
    ids=["no JSON", "no task", "a list", "no list", "no such worker", "parameter server", "one worker", "nothing"],
)
def test_a_tf_config_that_does_not_fit(text: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(kft.ConfigError, match=words):
        choose_devices(kft.TrainConfig(strategy="multi_worker"))


@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker", "tpu"])
def test_what_cannot_be_shared(strategy: str) -> None:
    with pytest.raises(kft.ConfigError, match=r"mixed_float16 is not shared; take mixed_bfloat16; jit_compile"):
        choose_devices(kft.TrainConfig(strategy=strategy, precision="mixed_float16", jit_compile=True))
    with pytest.raises(kft.ConfigError, match="compares all rows"):
        choose_devices(kft.TrainConfig(strategy=strategy), compares_rows=kft.TextEmbedding.compares_rows)


def test_one_device_needs_no_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for strategy in ("auto", "one", "cpu"):
        devices = choose_devices(kft.TrainConfig(strategy=strategy))
        assert (devices.strategy, devices.replicas, devices.chief, list(devices.mine)) == (None, 1, True, [0])


@pytest.mark.slow  # TensorFlow asks the network for half a minute
def test_without_a_tpu_it_is_said() -> None:
    with pytest.raises(kft.ConfigError, match="no TPU"):
        choose_devices(kft.TrainConfig(strategy="tpu"))


def test_keras_s_fit_still_needs_the_mends() -> None:
    """When this fails, Keras has mended issue 20585: `keras_mends` can go."""
    assert keras_mends.needed() == (True, True)
    from keras.src.backend.tensorflow import trainer

    before = trainer.reduce_per_replica
    with keras_mends.mended():
        assert trainer.reduce_per_replica is not before
    assert trainer.reduce_per_replica is before
