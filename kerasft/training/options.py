"""`TrainConfig`: how to train. Knows no TensorFlow, so that the command line and the app can list it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kerasft.config import Options, option


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Options):
    """How to train. `None` means: decided by the tuning method and the size of the model."""

    epochs: int | None = option(
        None,
        "How often every training row is seen; 0 evaluates the model as it is. auto is what suits the method, and more where "
        "that would make too few updates.",
        low=0,
        high=1000,
    )
    learning_rate: float | None = option(None, "Peak learning rate.", low=1e-8, high=1.0, search="x5")
    batch_size: int | None = option(
        None,
        "Number of rows per step; auto is 32, and fewer where the run would make too few updates.",
        low=1,
        high=65536,
        search="16,32,64",
    )
    head_start: str = option(
        "auto",
        "Weights that the head begins with: solved, as those of frozen features are, so that training begins where logistic "
        "regression ends, or random. auto is solved below 1,000 training rows where the head is one dense layer.",
        choices=("auto", "solved", "random"),
        advanced=True,
    )
    head_learning_rate: float | None = option(
        None,
        "Peak rate of the head; auto is the rate of the rest, and a higher one where the head begins solved.",
        low=1e-8,
        high=1.0,
        advanced=True,
    )
    accumulate: int = option(
        1,
        "Steps whose gradients are averaged into one update: the effective batch is batch_size times this. Steps left over when "
        "the run ends make none.",
        low=1,
        high=4096,
        advanced=True,
    )
    schedule: str = option("linear", "How the rate falls after warm-up.", choices=("linear", "cosine", "constant"), advanced=True)
    warmup: float = option(0.1, "Share of all updates over which the rate rises from 0.", low=0, high=1, advanced=True)
    weight_decay: float = option(0.01, "AdamW's decay; biases and layer norms are excluded.", low=0, high=1, advanced=True)
    clip_norm: float | None = option(1.0, "Gradients are scaled down to this global norm.", low=1e-6, advanced=True, none="off")
    class_weights: str = option(
        "none", "'balanced' weighs each class by the inverse of its frequency.", choices=("none", "balanced")
    )
    label_weights: str | None = option(
        None,
        "Own weights of single labels in the loss, such as urgent=3,other=0.5; the others weigh 1.",
        none="all 1",
        advanced=True,
    )
    sampling: str = option(
        "none",
        "Rows of an epoch: none is each row once; balanced draws as many rows, every class as often, so that rare ones repeat.",
        choices=("none", "balanced"),
        advanced=True,
    )
    focal: float = option(
        0.0,
        "Gamma of the focal loss (Lin et al. 2017): rows that are already right count less; 2 is usual, 0 is cross-entropy.",
        low=0,
        high=10,
        advanced=True,
    )
    label_smoothing: float = option(0.0, "Share of the target spread evenly over all classes.", low=0, high=0.9, advanced=True)
    dropout: float | None = option(None, "Dropout rate of the backbone.", low=0, high=0.9, advanced=True, none="the preset's own")
    folds: int | None = option(
        None,
        "Number of parts for cross-validation: after training, the model is trained so many more times, each time without one "
        "part, which it then answers; the figures are of all these answers. auto is 5 where there are no validation rows and "
        "nobody set their share, 0 is none.",
        low=0,
        high=50,
        advanced=True,
    )
    validate_every: int | None = option(
        None, "Validate every so many steps as well as after each epoch.", low=1, advanced=True, none="off"
    )
    patience: int | None = option(None, "Stop after so many validations without a better figure.", low=1, none="off")
    monitor: str = option(
        "auto",
        "Figure on the validation rows that decides which weights are best, such as loss, accuracy or f1; auto is the task's "
        "main figure.",
        advanced=True,
    )
    restore_best: bool | None = option(
        None,
        "End with the weights of the best validation instead of the last; auto does so where there are at least 30 validation "
        "rows to judge by, or patience is given.",
        advanced=True,
    )
    precision: str = option(
        "float32",
        "Number format of the layers' work; weights stay float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        advanced=True,
    )
    group_by_length: bool = option(
        True,
        "Batches of similar length: far less padding, much faster. Where every token is learned from they hold about as many "
        "tokens as each other (not with XLA), and batch_size is their mean number of rows.",
        advanced=True,
    )
    jit_compile: bool = option(False, "Compile the step with XLA; pays on GPU, and on CPU for short texts.", advanced=True)
    gradient_checkpointing: bool = option(
        False,
        "Keep only what goes into each block and compute the rest again in the backward pass: less memory, a third more time.",
        advanced=True,
    )
    strategy: str = option(
        "auto",
        "Devices that share each batch, with the same result: auto takes the workers of TF_CONFIG, a TPU, or all GPUs; one and "
        "cpu take one device.",
        choices=("auto", "one", "cpu", "mirrored", "multi_worker", "tpu"),
        advanced=True,
    )
    checkpoint_minutes: float = option(
        10.0, "Save a checkpoint at least this often, besides after each epoch.", low=0, advanced=True
    )
    keep_checkpoints: int = option(2, "How many checkpoints stay on disk.", low=1, high=1000, advanced=True)
    score_test: bool = option(True, "Score the test rows when the run is done; a search leaves them alone.", advanced=True)
    tensorboard: bool = option(True, "Write TensorBoard logs into the run's folder.", advanced=True)
    seed: int = option(1, "Seed of head weights, shuffling and dropout; same seed, same run.", low=0, high=2**31 - 1)

    def cross_faults(self) -> Iterator[str]:
        if self.folds == 1:
            yield "'folds' must be 0 (none) or at least 2. Received: 1."
        if self.epochs == 0 and (self.folds or self.head_start == "solved"):
            yield "With 'epochs' 0 nothing is trained: 'folds' and a solved 'head_start' have no meaning. Take tuning frozen."
