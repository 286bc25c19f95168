"""AdamW (Loshchilov & Hutter 2019) with a warm-up schedule, decay exclusions and a rate per weight."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

# Devlin et al. 2018 decay everything but biases and layer norms; these are their variables' names in Keras.
NO_DECAY = ("bias", "beta", "gamma")


@keras.saving.register_keras_serializable("kerasft")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise over `warmup_steps`, then `linear` or `cosine` fall to 0 at `total_steps`, or `constant`.

    With peak p, warm-up w, total t, update s (from 0): `p * (s + 1) / (w + 1)` for s < w, then
    `p * (t - s) / (t - w)` (linear) or `p * (1 + cos(pi * (s - w) / (t - w))) / 2` (cosine).

    Args:
        peak: Highest rate.
        warmup_steps: Updates until the peak.
        total_steps: Updates in all.
        kind: `linear`, `cosine` or `constant`.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, kind: str = "linear") -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.total_steps, self.kind = peak, warmup_steps, total_steps, kind

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rising = (step + 1) / (self.warmup_steps + 1)
        span = max(1, self.total_steps - self.warmup_steps)
        progress = ops.clip((step - self.warmup_steps) / span, 0.0, 1.0)
        if self.kind == "linear":
            falling = 1 - progress
        elif self.kind == "cosine":
            falling = (1 + ops.cos(math.pi * progress)) / 2
        else:
            falling = ops.ones_like(progress)
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        names = ("peak", "warmup_steps", "total_steps", "kind")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("kerasft")
class ScaledAdamW(keras.optimizers.AdamW):
    """AdamW in which some weights learn at a multiple of the rate (a new head, lower layers), or later than others.

    The update is that of `keras.optimizers.AdamW`, done by TensorFlow's fused operation: one pass over a weight, not ten.
    A weight that is still waiting gathers its moments but does not move, and is not decayed.

    Args:
        rate_scales: Beginning of a variable's path -> factor on its rate and decay; the longest beginning that fits counts,
            others have factor 1.
        starts: Beginning of a variable's path -> the update, from 0, with which it begins to move; found alike.
        **kwargs: Of `keras.optimizers.AdamW`.
    """

    def __init__(
        self, *args: Any, rate_scales: dict[str, float] | None = None, starts: dict[str, int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.rate_scales = dict(rate_scales or {})
        self.starts = dict(starts or {})

    def build(self, variables: Any) -> None:
        super().build(variables)
        self._factors = [_fitting(self.rate_scales, variable.path, 1.0) for variable in variables]
        self._begins = [_fitting(self.starts, variable.path, 0) for variable in variables]
        self._decays = [bool(self.weight_decay) and self._use_weight_decay(variable) for variable in variables]

    @property
    def _shares_batches(self) -> bool:
        return bool(self._distribution_strategy.num_replicas_in_sync > 1)

    def _backend_apply_gradients(self, grads: list[Any], trainable_variables: list[Any]) -> None:
        """As Keras's, but that the replicas' gradients are summed before anything is done with them: clipping and accumulating
        then mean the whole batch, on any number of devices.
        """
        if not self._shares_batches:
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        replica = tf.distribute.get_replica_context()
        grads = replica.all_reduce(tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(each) for each in grads])
        if steps := self.gradient_accumulation_steps:
            # Replicas cannot update within a branch: every step updates, but with a rate of 0 until the last of these steps.
            due = ops.cast(self._update_is_due, "float32")
            kept = [self._accumulated_gradients[self._get_variable_index(variable)] for variable in trainable_variables]
            sums = [gradient + before for gradient, before in zip(grads, kept, strict=True)]
            for before, total in zip(kept, sums, strict=True):
                before.assign(total * (1 - due))
            grads = [total / steps for total in sums]
        self._backend_update_step(self._clip_gradients(grads), trainable_variables, self.learning_rate)

    @property
    def _update_is_due(self) -> Any:
        return ops.equal((self._iterations + 1) % self.gradient_accumulation_steps, 0)

    def _all_reduce_sum_gradients(self, grads_and_vars: list[Any]) -> list[Any]:
        return grads_and_vars  # `_backend_apply_gradients` has done it

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # On TensorFlow Keras hands over the raw variable, which has lost its path.
        place = self._get_variable_index(variable)
        rate = learning_rate * self._factors[place]
        if self._begins[place]:
            rate = rate * ops.cast(self.iterations >= self._begins[place], rate.dtype)
        beta_1, beta_2 = self.beta_1, self.beta_2
        if self.gradient_accumulation_steps and self._shares_batches:
            due = ops.cast(self._update_is_due, variable.dtype)
            rate, beta_1, beta_2 = rate * due, 1 - (1 - beta_1) * due, 1 - (1 - beta_2) * due
        if self._decays[place]:
            self.assign_sub(variable, ops.cast(rate, variable.dtype) * self.weight_decay * variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.cast(self.beta_1, variable.dtype) ** step,
            beta2_power=tf.cast(self.beta_2, variable.dtype) ** step,
            lr=tf.cast(rate, variable.dtype),
            beta1=tf.cast(beta_1, variable.dtype),
            beta2=tf.cast(beta_2, variable.dtype),
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), variable.dtype),
        )

    def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
        if not self.global_clipnorm:
            return list(super()._clip_gradients(gradients))
        # Keras's own takes a word that is looked up twice for two weights; here its gradients are summed first.
        return list(tf.clip_by_global_norm([tf.convert_to_tensor(each) for each in gradients], self.global_clipnorm)[0])

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing: `update_step` decays each weight at its own rate."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate_scales": self.rate_scales, "starts": self.starts}


def _fitting(values: dict[str, Any], path: str, otherwise: Any) -> Any:
    """The value of the longest key that `path` begins with."""
    fitting = [start for start in values if path.startswith(start)]
    return values[max(fitting, key=len)] if fitting else otherwise


def make_optimizer(
    *,
    learning_rate: float,
    total_updates: int,
    warmup: float,
    schedule: str,
    weight_decay: float,
    clip_norm: float | None,
    accumulate: int,
    head_learning_rate: float | None,
    rate_scales: dict[str, float] | None = None,
    starts: dict[str, float] | None = None,
    head_prefix: str = "head",
) -> ScaledAdamW:
    """The optimizer of a run.

    Args:
        learning_rate: Peak rate.
        total_updates: Weight updates in all (steps divided by `accumulate`).
        warmup: Share of the updates over which the rate rises.
        schedule: `linear`, `cosine` or `constant`.
        weight_decay: Not applied to biases and layer norms.
        clip_norm: Global norm; None is off.
        accumulate: Steps whose gradients are averaged into one update.
        head_learning_rate: Peak rate of the head; None as the rest.
        rate_scales: Of `ScaledAdamW`.
        starts: Beginning of a variable's path -> share of all updates before which it does not move.
        head_prefix: Beginning of the head's variable paths.
    """
    optimizer = ScaledAdamW(
        WarmupSchedule(learning_rate, round(warmup * total_updates), max(1, total_updates), schedule),
        weight_decay=weight_decay,
        beta_2=0.999,
        epsilon=1e-8,
        global_clipnorm=clip_norm,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        rate_scales={**(rate_scales or {}), **({head_prefix: head_learning_rate / learning_rate} if head_learning_rate else {})},
        starts={path: round(share * total_updates) for path, share in (starts or {}).items()},
    )
    optimizer.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return optimizer
