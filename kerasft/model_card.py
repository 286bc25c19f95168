"""The README of a run's folder: what was trained, on what, how good it is, how to use it."""

from __future__ import annotations

from typing import Any

from kerasft.evaluation.report import Report, as_text
from kerasft.runs import CARD_MARK
from kerasft.tuning import TUNINGS

_USES = {
    "question_answering": ('predict(("a question", "its context"))', 'predict THIS_FOLDER "a question ||| its context"'),
    "causal_lm": ('generate("a prompt", max_new_tokens=60)', 'generate THIS_FOLDER "a prompt"'),
}


def model_card(recipe: dict[str, Any], labels: tuple[str, ...], reports: dict[str, Report]) -> str:
    """Markdown for `README.md`.

    Args:
        recipe: The run as JSON values, with versions and row counts.
        labels: Label names.
        reports: Evaluations by split.
    """
    train = recipe["resolved"]["train"]
    shown = ", ".join(map(as_text, labels[:20])) + (f" and {len(labels) - 20} more" if len(labels) > 20 else "")
    rows = ", ".join(f"{count:,} {name}" for name, count in recipe["rows"].items())
    share = recipe["trainable_parameters"] / recipe["parameters"]
    facts = [
        f"- base model: {as_text(recipe['preset'])} ({recipe['parameters']:,} parameters, {share:.1%} trained)",
        f"- task: {recipe['task']['name']}; tuning: {recipe['tuning']['name']}",
        *(
            ["- this folder holds only the weights that learned; to be loaded it needs the base model"]
            if TUNINGS.get(recipe["tuning"]["name"]).sparse
            else []
        ),
        *([f"- labels: {shown}"] if shown else []),
        f"- data: {as_text(recipe['data']['path'] or 'rows from memory')}; rows: {rows}; SHA-256 {recipe['data_sha256'][:16]}…",
        f"- training: {_training(recipe)}, seed {train['seed']}, {recipe['seconds']:,.0f} s",
        f"- versions: {', '.join(f'{name} {version}' for name, version in recipe['versions'].items())}",
    ]
    call, command = _USES.get(recipe["task"]["name"], ('predict("some text")', 'predict THIS_FOLDER "some text"'))
    use = (
        "```python\nimport kerasft as kft\n\n"
        f'model = kft.load("THIS FOLDER")\nmodel.{call}\n```\n\n'
        f"Or, on the command line: `kerasft {command}`."
    )
    limits = (
        f"{CARD_MARK}; texts of another kind, language or time can do "
        "worse. The model repeats the biases of its base model and of the labels."
    )
    tables = "\n".join(report.to_markdown().replace("\n## ", "\n### ") for report in reports.values())
    title = f"# {recipe['task']['name'].replace('_', ' ').capitalize()} with {as_text(recipe['preset'])}"
    return "\n".join([title, "", *facts, "", "## Use", "", use, "", "## Limits", "", limits, "", tables])


def _training(recipe: dict[str, Any]) -> str:
    """How the weights came about, in words."""
    train, head = recipe["resolved"]["train"], recipe["resolved"].get("head")
    if head:
        return f"the head solved to convergence on frozen features, regularisation C = {head['strength']:g}"
    batch = train["batch_size"] * train["accumulate"]
    return f"{train['epochs']} epochs, learning rate {train['learning_rate']:g}, batch {batch}"
