"""Which devices share the work: `tf.distribute` strategies, chosen before the first variable is made."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import keras
import tensorflow as tf

from kerasft.errors import ConfigError
from kerasft.events import Emit, Phase, ignore
from kerasft.training.options import TrainConfig

_LIKE_THIS = 'Such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}.'
_GONE = re.compile("[Cc]ollective|connect|[Ss]ocket|peer|unavailable|heartbeat", re.ASCII)
_TRACE = re.compile("at node|File ")


@dataclass(frozen=True)
class Devices:
    """The devices of a run and this process's place among them.

    Attributes:
        strategy: Of `tf.distribute`; None is one device, without any.
        worker: Number of this process, from 0; 0 is the chief, which writes files and events.
        workers: How many processes there are.
        note: Why fewer devices are used than there are, or empty.
        compiles: Whether each shape of a batch is compiled anew, as on TPUs: then few shapes matter.
    """

    strategy: Any = None
    worker: int = 0
    workers: int = 1
    note: str = ""
    compiles: bool = False

    @property
    def replicas(self) -> int:
        """Devices that share each batch, those of all processes."""
        return 1 if self.strategy is None else int(self.strategy.num_replicas_in_sync)

    @property
    def chief(self) -> bool:
        """Whether this process writes files and events."""
        return self.worker == 0

    @property
    def mine(self) -> range:
        """The numbers of this process's replicas."""
        local = self.replicas // self.workers
        return range(self.worker * local, (self.worker + 1) * local)

    def scope(self) -> Any:
        """Context in which variables, models and optimizers are made."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def spread(self, shares: tf.data.Dataset) -> Any:
        """What `fit` reads, from a dataset of the shares of this process's replicas in their order."""
        return shares if self.strategy is None else self.strategy.distribute_datasets_from_function(lambda _: shares)

    def agreed(self, decision: int) -> int:
        """The chief's decision, in every process; all of them must ask at the same moment."""
        if self.workers == 1:
            return decision
        return int(self._total(tf.constant(decision if self.chief else 0, tf.int32)))

    @cached_property
    def _total(self) -> Any:
        """The sum over all processes of a number of each."""

        @tf.function(input_signature=[tf.TensorSpec((), tf.int32)])
        def total(mine: Any) -> Any:
            each = self.strategy.run(lambda: mine)
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None) // len(self.mine)

        return total


def choose_devices(train: TrainConfig, *, compares_rows: bool = False, emit: Emit = ignore) -> Devices:
    """The devices that `train.strategy` names.

    Args:
        train: How to train.
        compares_rows: Whether the loss compares the rows of a batch with each other, so that it cannot be shared.
        emit: Told before this process waits for others.

    Raises:
        ConfigError: There are no such devices, or the options do not fit them.
    """
    name = train.strategy
    hindered = "; ".join(_hindrances(train, compares_rows))
    cluster = _cluster()
    if name == "auto":
        name, note = _best(cluster, hindered)
        if note:
            return Devices(note=note)
    elif name in ("mirrored", "multi_worker", "tpu") and hindered:
        raise ConfigError(f"A batch cannot be shared among devices: {hindered}.", where="train.strategy", hint="Set it to one.")
    if name == "mirrored" and cluster is not None:
        hint = "Take auto or multi_worker, or start one process, without TF_CONFIG."
        raise ConfigError("TF_CONFIG names workers, and each would train by itself.", where="train.strategy", hint=hint)
    if name == "cpu":
        _hide_gpus()
    if name == "mirrored":
        strategy = _mirrored()
        alone = "There is one device, and nothing to share." if strategy.num_replicas_in_sync == 1 else ""
        return Devices(strategy, note=alone)
    if name == "multi_worker":
        if cluster is None:
            raise ConfigError("The environment variable TF_CONFIG names no workers.", where="train.strategy", hint=_LIKE_THIS)
        emit(Phase(phase="workers", detail=f"number {cluster[0]} of {cluster[1]}"))
        return _workers(*cluster)
    return _tpu() if name == "tpu" else Devices()


def _hindrances(train: TrainConfig, compares_rows: bool) -> Iterator[str]:
    if compares_rows:
        yield "the task's loss compares all rows of a batch with each other"
    if train.precision == "mixed_float16":
        yield "mixed_float16 is not shared; take mixed_bfloat16"
    if train.jit_compile:
        yield "jit_compile compiles the step for one device"


def _best(cluster: tuple[int, int] | None, hindered: str) -> tuple[str, str]:
    """The strategy `auto` stands for, or why there is none although there are devices."""
    if cluster is not None:
        if hindered:
            raise ConfigError(
                f"A batch cannot be shared among workers: {hindered}.", hint="Start one process, without TF_CONFIG."
            )
        return "multi_worker", ""
    gpus = len(tf.config.list_logical_devices("GPU"))
    if os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"):
        return "tpu", ""
    if gpus > 1 and hindered:
        return "one", f"One of {gpus} GPUs is used: {hindered}."
    return ("mirrored" if gpus > 1 else "one"), ""


def _cluster() -> tuple[int, int] | None:
    """This process's number and how many there are, from TF_CONFIG; None where it names no more than one.

    Raises:
        ConfigError: TF_CONFIG cannot be read.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        os.environ.pop("TF_CONFIG", None)  # MirroredStrategy fails at an empty one
        return None
    try:
        told = json.loads(text)
        cluster, kind, index = dict(told["cluster"]), str(told["task"]["type"]), int(told["task"]["index"])
        lists = all(isinstance(hosts, list) and all(isinstance(host, str) for host in hosts) for hosts in cluster.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"TF_CONFIG is not what TensorFlow reads. Received: {text[:200]!r}.", hint=_LIKE_THIS) from None
    chiefs, workers = len(cluster.get("chief", [])), len(cluster.get("worker", []))
    number = index + (chiefs if kind == "worker" else 0)
    if not lists:
        raise ConfigError(f"TF_CONFIG lists no HOST:PORT. Received: {text[:200]!r}.", hint=_LIKE_THIS)
    if kind not in ("chief", "worker"):
        raise ConfigError(f"TF_CONFIG names a task of another kind than chief and worker. Received: {kind!r}.", hint=_LIKE_THIS)
    if number >= chiefs + workers:
        raise ConfigError(f"TF_CONFIG names a task the cluster does not have. Received: {kind} {index} of {cluster}.")
    return (number, chiefs + workers) if chiefs + workers > 1 else None


# One for all runs of a process: a second one numbers its messages anew, and they are taken for the first one's (TensorFlow 2.21).
@cache
def _mirrored() -> Any:
    local = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in local])


@cache
def _joined() -> Any:
    return tf.distribute.MultiWorkerMirroredStrategy()


def one_process(what: str) -> None:
    """Refuse to be one of several workers.

    Raises:
        ConfigError: TF_CONFIG names several.
    """
    if _cluster() is not None:
        raise ConfigError(f"A {what} is done by one process, and TF_CONFIG names several.", hint="Start it without TF_CONFIG.")


def _workers(worker: int, workers: int) -> Devices:
    try:
        return Devices(_joined(), worker, workers)
    except (RuntimeError, tf.errors.OpError) as error:
        hint = "Start each worker as a fresh process (kerasft train ...), at about the same time, with ports that are free."
        raise ConfigError(f"The workers cannot be joined: {str(error).splitlines()[0]}", hint=hint) from error


def _tpu() -> Devices:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=os.environ.get("TPU_NAME", "local"))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return Devices(tf.distribute.TPUStrategy(resolver), compiles=True)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        hint = "TPU_NAME names the TPU; on a TPU VM it can be left out."
        raise ConfigError(f"There is no TPU that can be used: {str(error).splitlines()[0]}", hint=hint) from error


def twin(model: Any) -> Any:
    """Another model of the same layers: it runs on the devices in whose scope it is made."""
    return keras.Model(model.input, model.output, name=model.name)


def lost_worker(error: BaseException) -> str | None:
    """What an error of a training step says about another process that is gone; None when it is about something else."""
    kinds = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
    lines = [line.strip() for line in str(error).splitlines() if _GONE.search(line) and not _TRACE.search(line)]
    if isinstance(error, kinds) or (isinstance(error, tf.errors.InternalError) and lines):
        return (lines or [type(error).__name__])[0][:300]
    return None


def _hide_gpus() -> None:
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        hint = "Start a new process."
        raise ConfigError("This process has used its GPUs already, so it cannot do without them.", hint=hint) from error


def fitting(devices: Devices) -> Any:
    """The context in which Keras's `fit` runs on these devices; see `keras_mends`."""
    from kerasft.training.keras_mends import mended

    return mended() if devices.workers > 1 else nullcontext()
