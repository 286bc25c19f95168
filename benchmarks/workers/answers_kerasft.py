"""KerasFT's side of `answers.py`: python answers_kerasft.py WORK FOLDER."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `import kerasft` does

import json
import sys
from pathlib import Path
from typing import Any

from common import PROMPTS, tell_latency, tell_speed

FOLDER = Path(sys.argv[2])


def many() -> None:
    import kerasft as kft

    texts, model = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8")), kft.load(FOLDER / "classifier")
    model.predict(texts[:500])
    tell_speed("rows_per_second", len(texts), lambda: model.predict(texts))


def one() -> None:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (its operations are in the graph)

    serve = tf.saved_model.load(str(FOLDER / "serving" / "1")).signatures["serving_default"]

    def answer(text: str) -> Any:
        return {name: value.numpy() for name, value in serve(text=tf.constant([text])).items()}

    tell_latency(json.loads((FOLDER / "texts.json").read_text(encoding="utf-8")), answer)


def writing() -> None:
    import kerasft as kft

    model = kft.load(FOLDER / "writer")

    def write() -> Any:
        return model.generate(PROMPTS, max_new_tokens=64, temperature=0.0)

    assert all(made.finish_reason == "length" for made in write())  # else fewer tokens were written than are counted
    tell_speed("tokens_per_second", 64 * len(PROMPTS), write)


if __name__ == "__main__":
    {"many": many, "one": one, "writing": writing}[sys.argv[1]]()
