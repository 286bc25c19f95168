"""`Sampling`: how text is generated, as options for Python, the command line, the app and the served graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kerasft.config import Options, option


@dataclass(frozen=True, kw_only=True)
class Sampling(Options):
    """How the next token is chosen, and when to stop."""

    max_new_tokens: int = option(64, "Most tokens to add to the prompt.", low=1, high=8192)
    temperature: float = option(0.0, "0 takes the likeliest token; 1 draws as the model says; above is wilder.", low=0, high=10)
    top_k: int = option(0, "Draw only among the so many likeliest tokens; 0 among all.", low=0, high=1_000_000)
    top_p: float = option(
        1.0, "Draw only among the likeliest tokens that together have this probability (nucleus).", low=0.01, high=1
    )
    repetition_penalty: float = option(
        1.0, "Above 1, tokens that were there before become less likely (Keskar et al. 2019).", low=0.1, high=10, advanced=True
    )
    beams: int = option(1, "Above 1, keep so many likely texts side by side and give the best (beam search).", low=1, high=32,
                        advanced=True)  # fmt: skip
    length_penalty: float = option(
        1.0, "Beam search divides a text's log-probability by its length to this power.", low=0, high=5, advanced=True
    )
    stop: str | None = option(None, "End the text before this string.", none="off")
    seed: int = option(1, "Same seed, same text, when drawing.", low=0, high=2**31 - 1)

    def cross_faults(self) -> Iterator[str]:
        if self.beams > 1 and self.temperature > 0:
            yield f"Beam search ('beams' above 1) draws nothing, so 'temperature' must be 0. Received: {self.temperature}."
        if self.beams > 1 and self.repetition_penalty != 1:
            yield f"Beam search knows no 'repetition_penalty'. Received: {self.repetition_penalty}."
        if self.temperature == 0 and (self.top_k or self.top_p < 1):
            yield "'top_k' and 'top_p' have no meaning when nothing is drawn; set 'temperature' above 0."
        if self.stop == "":
            yield "'stop' must not be empty; leave it out for none."
