"""Loads a SavedModel as a server would and answers rows: run as a script in a process of its own.

Needs `tensorflow` and `tensorflow_text` and nothing of KerasFT, which is the point: what answers here answers in
TensorFlow Serving. Usage: `python replay.py SAVED_MODEL ROWS.json ANSWERS.json`.
"""

import json
import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as in the process whose answers these are compared with


def main(model: str, rows: str, answers: str) -> None:
    """Answer the texts in `rows` (`{"text": [...], "text_pair": [...]}`) and write the outputs as JSON lists."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the operations of the tokenizer)

    serve = tf.saved_model.load(model).signatures["serving_default"]
    with open(rows, encoding="utf-8") as file:
        inputs = json.load(file)
    collected: dict[str, list[object]] = {}
    for start in range(0, len(inputs["text"]), 32):
        batch = {name: tf.constant(values[start : start + 32]) for name, values in inputs.items()}
        for name, value in serve(**batch).items():
            plain = value.numpy().tolist()
            decoded = json.loads(json.dumps(plain, default=lambda item: item.decode("utf-8")))
            collected.setdefault(name, []).extend(decoded)
    foreign = sorted(name for name in sys.modules if name.partition(".")[0] in ("kerasft", "keras_hub"))
    with open(answers, "w", encoding="utf-8") as file:
        json.dump({"outputs": collected, "foreign_modules": foreign}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
