"""AdamW (Loshchilov & Hutter 2019) with a warm-up schedule, decay exclusions and a rate per weight."""

from __future__ import annotations

import math
from typing import Any

import keras
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
    """AdamW in which some weights learn at a multiple of the rate (a new head, lower layers).

    Args:
        rate_scales: Beginning of a variable's path -> factor on its rate; the longest beginning that fits counts,
            others have factor 1. Weight decay follows the unscaled rate.
        **kwargs: Of `keras.optimizers.AdamW`.
    """

    def __init__(self, *args: Any, rate_scales: dict[str, float] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rate_scales = dict(rate_scales or {})

    def _scale(self, path: str) -> float:
        fitting = [start for start in self.rate_scales if path.startswith(start)]
        return self.rate_scales[max(fitting, key=len)] if fitting else 1.0

    def build(self, variables: Any) -> None:
        super().build(variables)
        self._factors = [self._scale(variable.path) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # On TensorFlow Keras hands over the raw variable, which has lost its path.
        factor = self._factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate_scales": self.rate_scales}


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
        head_prefix: Beginning of the head's variable paths.
    """
    optimizer = ScaledAdamW(
        WarmupSchedule(learning_rate, round(warmup * total_updates), max(1, total_updates), schedule),
        weight_decay=weight_decay,
        beta_2=0.999,
        epsilon=1e-8,
        global_clipnorm=clip_norm,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        rate_scales={head_prefix: head_learning_rate / learning_rate} if head_learning_rate else {},
    )
    optimizer.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return optimizer
