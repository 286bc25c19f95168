"""The served graph of a language model, in a process without KerasFT: what `generate` writes, with options of each prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import kerasft as kft
from tests.conftest import BAD, GOOD
from tests.tasks.models import data_of, fit, model_of

PROMPTS = ["the", "", "a good film and a bad", "Élan 漢字 🙂", "it is not " * 6, "good bad " * 40, "\x00"]


@pytest.fixture(scope="module")
def model(presets: dict[str, str]) -> kft.FineTunedModel:
    """A tiny GPT-2 that has read eight lines."""
    data = data_of([{"text": text} for text in [*GOOD[:4], *BAD[:4]]])
    made = model_of(presets["gpt2"], kft.CausalLM(max_length=32, max_new_tokens=12), data, own_backbone=True)
    return fit(made, data, epochs=60, learning_rate=1e-2)


SERVES = """
import json, sys
import tensorflow as tf
import tensorflow_text

rows = json.load(open(sys.argv[2]))
served = tf.saved_model.load(sys.argv[1])
kinds = {"text": tf.string, "stop": tf.string, "temperature": tf.float32, "top_p": tf.float32, "repetition_penalty": tf.float32}
inputs = {name: tf.constant([row[name] for row in rows], kinds.get(name, tf.int32)) for name in rows[0]}
answers = {"sample": served.signatures["sample"](**inputs), "greedy": served.signatures["serving_default"](text=inputs["text"])}
empty = served.signatures["sample"](**{name: value[:0] for name, value in inputs.items()})
assert all(len(value) == 0 for value in empty.values())
wild = {**inputs, "top_p": tf.zeros_like(inputs["top_p"])}
try:
    served.signatures["sample"](**wild)
    error = ""
except Exception as failure:
    error = str(failure)[:500]
def said(value): return [v.decode() if isinstance(v, bytes) else int(v) for v in value.numpy()]
plain = {kind: {name: said(value) for name, value in found.items()} for kind, found in answers.items()}
foreign = [name for name in sys.modules if name.partition(".")[0] in ("kerasft", "keras_hub")]
print(json.dumps({**plain, "error": error, "foreign": foreign}))
"""


@pytest.fixture(scope="module")
def served(model: kft.FineTunedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Requests with options of their own, and what a process without KerasFT answers."""
    root = tmp_path_factory.mktemp("served")
    rows = []
    for i, prompt in enumerate([*PROMPTS, *PROMPTS]):
        row: dict[str, Any] = {"text": prompt, "max_new_tokens": 3 + i, "temperature": 0.0, "top_k": 0, "top_p": 1.0}
        row |= {"repetition_penalty": 1.0 + 0.1 * (i % 3), "seed": 100 + i, "stop": ["", "o", " g"][i % 3]}
        rows.append(row | ({"temperature": 0.5 + 0.2 * i, "top_k": 20 * (i % 2), "top_p": 1 - 0.05 * i} if i > 6 else {}))
    rows[8]["text"] = "film"  # TensorFlow makes a constant of the empty text too, but two of them prove no more
    (root / "rows.json").write_text(json.dumps(rows))
    path = model.export(root / "1")
    command = [sys.executable, "-P", "-c", SERVES, str(path), str(root / "rows.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    return rows, json.loads(done.stdout.splitlines()[-1])


def test_the_served_graph_draws_the_same_text_as_generate(model: kft.FineTunedModel, served: Any) -> None:
    rows, answers = served
    assert answers["foreign"] == []
    for i, row in enumerate(rows):
        options = {name: value for name, value in row.items() if name not in ("text", "stop")}
        made = model.generate(row["text"], stop=row["stop"] or None, **options)
        assert answers["sample"]["prompt_tokens_cut"][i] == made.prompt_tokens_cut
        assert (answers["sample"]["text"][i], answers["sample"]["finish_reason"][i]) == (made.text, made.finish_reason), row


def test_the_default_signature_is_greedy(model: kft.FineTunedModel, served: Any) -> None:
    rows, answers = served
    for i, made in enumerate(model.generate([row["text"] for row in rows])):
        assert (answers["greedy"]["text"][i], answers["greedy"]["finish_reason"][i]) == (made.text, made.finish_reason)


def test_an_option_out_of_range_does_not_fail_the_batch(served: Any) -> None:
    assert served[1]["error"] == ""
