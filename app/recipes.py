"""A run's recipe as the command line and the Python lines that do the same, and the lines that serve its export."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kerasft.data.columns import Columns
from kerasft.data.data_config import DataConfig
from kerasft.errors import ConfigError
from kerasft.tasks import TASKS, get_task
from kerasft.training.options import TrainConfig
from kerasft.tuning import TUNINGS, get_tuning
from kerasft_app.facts import ModelFacts


def checked(recipe: dict[str, Any], columns: Columns, family: str) -> dict[str, Any]:
    """A recipe with every option checked now, so that a fault shows on the page and not in a failed run.

    `RunConfig` would check the options too, but it loads TensorFlow, which the app's process never does.

    Args:
        recipe: `preset`, `task`, `tuning` and `train`.
        columns: The data's columns.
        family: The preset's family.

    Raises:
        ConfigError: An option is impossible, or the parts do not go together.
    """
    task, tuning = dict(recipe["task"]), dict(recipe["tuning"])
    parts: dict[str, Any] = {
        "task": get_task(task.pop("name"), **task),
        "tuning": get_tuning(tuning.pop("name"), **tuning),
        "train": TrainConfig.from_dict(recipe["train"]),
    }
    found = list(parts["task"].faults(columns, family, SimpleNamespace(**parts)))
    if found:
        raise ConfigError(" ".join(found))
    made = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"preset": recipe["preset"], **{name: part.to_dict() for name, part in parts.items()}, "made": made}


def _changed(values: dict[str, Any], cls: Any) -> dict[str, Any]:
    """Options that differ from their default."""
    # JSON has lists where an option is a tuple.
    defaults = {spec.name: list(spec.default) if spec.kind is tuple else spec.default for spec in cls.specs()}
    return {k: v for k, v in values.items() if k in defaults and v != defaults[k]}


def _parts(recipe: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    task, tuning = recipe.get("task", {}), recipe.get("tuning", {})
    return {
        "data": {k: v for k, v in _changed(recipe.get("data", {}), DataConfig).items() if k != "path"},
        "task": _changed(task, TASKS.get(task["name"])) if "name" in task else {},
        "tuning": _changed(tuning, TUNINGS.get(tuning["name"])) if "name" in tuning else {},
        "train": _changed(recipe.get("train", {}), TrainConfig),
    }


def command_line(recipe: Mapping[str, Any], out: Path) -> str:
    """The `kerasft train` call of a recipe, into a folder."""
    words = ["kerasft", "train", "--preset", recipe["preset"], "--data", str(recipe["data"].get("path"))]
    words += ["--task", recipe["task"]["name"], "--tuning", recipe["tuning"]["name"]]
    for part, values in _parts(recipe).items():
        for name, value in values.items():
            words += [f"--{part}.{name}", ",".join(value) if isinstance(value, list | tuple) else str(value)]
    words += ["--out", str(out)]
    pairs = []
    for word in words[2:]:
        if word.startswith("--"):
            pairs.append(word)
        else:
            pairs[-1] += " " + shlex.quote(word)
    return "kerasft train \\\n  " + " \\\n  ".join(pairs)


def python_snippet(recipe: Mapping[str, Any], out: Path) -> str:
    """The Python lines that do what a recipe says, into a folder."""
    parts = _parts(recipe)

    def call(cls: Any, values: dict[str, Any]) -> str:
        return f"kft.{cls.__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    data = "".join(f", {name}={value!r}" for name, value in parts["data"].items())
    lines = [
        "import pathlib",
        "",
        "import kerasft as kft",
        "",
        f"data = kft.load_data({recipe['data'].get('path')!r}{data})",
        "model = kft.finetune(",
        f"    {recipe['preset']!r},",
        "    data,",
        f"    {call(TASKS.get(recipe['task']['name']), parts['task'])},",
        f"    tuning={call(TUNINGS.get(recipe['tuning']['name']), parts['tuning'])},",
        f"    train={call(TrainConfig, parts['train'])},",
        f"    out={str(out)!r},",
        ")",
        f"print(pathlib.Path({str(out)!r}, 'report.md').read_text())",
    ]
    return "\n".join(lines)


_SERVED = {
    "label": "`label`, its `score`, and all `labels` with their `probabilities`",
    "labels": "`chosen` (the labels above their thresholds), and all `labels` with their `probabilities`",
    "number": "`value`, a number in the label's own unit",
    "entities": "`word_texts`, `word_types` and `entity_texts`, `entity_types`, each with scores, starts and ends in characters; "
    'filled up with "" and -1 to the longest of the request',
    "answer": '`answer`, its `score`, and `start` and `end` in the context; "" and -1 when there is none',
    "gaps": '`tokens` and `scores` of the candidates of each `[MASK]`, likeliest first; filled up with "" and 0 to the most gaps',
    "text": "`text` and `finish_reason`; the signature `sample` also takes the sampling options of each prompt",
    "vector": "`vector`, the numbers of the text",
}


def served(facts: ModelFacts) -> str:
    """What the exported graph of a model takes and answers, in Markdown."""
    takes = "`text` and `text_pair`" if facts.paired else "`text`"
    if facts.inputs != ("Text", "Second text"):
        takes += f" ({' and '.join(name.lower() for name in facts.inputs if name)})"
    return f"**{facts.title}**: {takes} in, {_SERVED.get(facts.shows, 'answers')} out."


def loading_lines(form: str, folder: Path, facts: ModelFacts) -> str:
    """Python lines that load and ask a model that was written for others.

    Args:
        form: `savedmodel` or `huggingface`.
        folder: Where it is.
        facts: Of the run.
    """
    pair = '"another text"' if facts.paired else ""
    if form == "savedmodel":
        second = f", text_pair=tf.constant([{pair}])" if pair else ""
        return "\n".join(
            [
                "import tensorflow as tf",
                "import tensorflow_text  # registers the tokenizer's operations: without it the model does not load",
                f"model = tf.saved_model.load({str(folder)!r})",
                f'print(model.signatures["serving_default"](text=tf.constant(["some text"]){second}))',
            ]
        )
    text = f'["some text", {pair}]' if pair else '"some text"'
    if (folder / "modules.json").exists():
        lines = [
            "from sentence_transformers import SentenceTransformer",
            f"model = SentenceTransformer({str(folder)!r})",
            f"print(model.encode([{text}]))",
        ]
        if facts.labels:
            lines.append(f"# The logits of {', '.join(facts.labels[:10])}{', ...' if len(facts.labels) > 10 else ''}")
        return "\n".join(lines)
    pipelines = {"label": "text-classification", "labels": "text-classification", "number": "text-classification",
                 "entities": "token-classification", "answer": "question-answering", "text": "text-generation",
                 "gaps": "fill-mask"}  # fmt: skip
    if facts.shows == "vector":
        auto = f"tokenizer, model = AutoTokenizer.from_pretrained({str(folder)!r}), AutoModel.from_pretrained({str(folder)!r})"
        ask = 'print(model(**tokenizer("some text", return_tensors="pt")).last_hidden_state)'
        return "\n".join(["from transformers import AutoModel, AutoTokenizer", auto, ask])
    asked = f'{{"text": "some text", "text_pair": {pair}}}' if pair else '"some text"'
    if facts.shows == "answer":
        asked = 'question="Who came?", context="On Monday Ada came."'
    extra = {"labels": ", top_k=None", "number": ', function_to_apply="none"'}.get(facts.shows, "")
    asked = '"some [MASK]"' if facts.shows == "gaps" else asked
    return "\n".join(
        [
            "from transformers import pipeline",
            f'ask = pipeline("{pipelines[facts.shows]}", model={str(folder)!r}{extra})',
            f"print(ask({asked}))",
        ]
    )


def serving_commands(run: str, facts: ModelFacts) -> str:
    """Shell lines that unpack, serve and ask an exported model."""
    row = {"text": "some text", "text_pair": "another"} if facts.paired else {"text": "some text"}
    if facts.task == "question_answering":
        row = {"text": "Who came?", "text_pair": "On Monday Ada came."}
    name = run.lower().replace(".", "-")
    lines = [
        f"unzip {run}-serving-1.zip -d {name}",
        f'docker run --rm -p 8501:8501 -v "$PWD/{name}:/models/{name}" -e MODEL_NAME={name} tensorflow/serving',
    ]
    requests: list[dict[str, Any]] = [{"instances": [row]}]
    if facts.shows == "text":
        requests = [{"instances": [{"text": "Once upon"}]}]
        drawn = {"max_new_tokens": 40, "temperature": 0.8, "top_k": 0, "top_p": 0.9, "repetition_penalty": 1.0, "seed": 1}
        sampled = {"text": "Once upon", **drawn, "stop": ""}
        requests.append({"signature_name": "sample", "instances": [sampled]})
    lines += [f"curl -s localhost:8501/v1/models/{name}:predict -d {shlex.quote(json.dumps(body))}" for body in requests]
    return "\n".join(lines)
