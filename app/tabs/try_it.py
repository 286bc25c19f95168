"""Tab Try: an answer to one text, shown as the task has it, and why; a file of texts in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from kerasft.errors import ArtifactError, KerasFTError
from kerasft.sampling import Sampling
from kerasft_app.answers import (
    answer_html,
    entities_html,
    explanation_html,
    gaps_html,
    labels_html,
    number_html,
    text_html,
    vector_html,
)
from kerasft_app.charts import error_box, note_box
from kerasft_app.facts import ModelFacts
from kerasft_app.first_texts import Asked, first_texts, in_short, remembered
from kerasft_app.forms import Form
from kerasft_app.page import Page
from kerasft_app.tabs import bulk

_WAIT = note_box("The model is being loaded; the first answer takes some seconds.")
_NEIGHBOURS = 5
_OWN = "the answer itself"
_BUTTONS = {"text": "Generate", "answer": "Find the answer", "entities": "Tag", "vector": "Embed", "gaps": "Fill the gaps"}


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    said = gr.HTML(elem_id="try-said")
    with gr.Row(equal_height=False, elem_classes="stack"):
        with gr.Column(min_width=300):
            text = gr.Textbox(label="Text", lines=4, elem_id="try-text", placeholder="Write or paste a text")
            pair = gr.Textbox(label="Second text", lines=4, visible=False, elem_id="try-pair")
            with gr.Row():
                answer = gr.Button("Predict", variant="primary", elem_id="predict", min_width=120)
                halt = gr.Button("Stop", variant="stop", visible=False, elem_id="stop-text", min_width=120)
                why = gr.Button("Why?", elem_id="why", min_width=120)
            examples = gr.Dataset(components=[gr.Textbox(visible=False)], samples=[], type="index", visible=False,
                                  label="Texts of the rows it was evaluated on", elem_id="examples")  # fmt: skip
            target = gr.Dropdown([_OWN], value=_OWN, label="Explain", visible=False, elem_id="target")
            with gr.Accordion("How the text is generated", open=False, visible=False, elem_id="sampling") as how:
                form = Form(Sampling)
                form.render(advanced=False)
                form.render(advanced=True)
        with gr.Column(min_width=300):
            label = gr.Label(label="Answer", num_top_classes=10, elem_id="answer", visible=False)
            view = gr.HTML(visible=False, elem_id="answer-view")
            reasons = gr.HTML(elem_id="explanation")
            earlier = gr.Dataset(components=[gr.Textbox(visible=False), gr.Textbox(visible=False)], headers=["Text", "Answer"],
                                 samples=[], type="index", visible=False, label="Asked before", elem_id="history")  # fmt: skip
    texts, history = gr.State([]), gr.State([])
    shown = [said, label, view, reasons, target, history, earlier]

    def given(run: str | None, text: str | None, pair: str | None) -> tuple[Path, ModelFacts, dict[str, Any]]:
        folder, facts = page.model_folder(run), page.facts(run)
        assert facts is not None
        absent = [name for name, value in zip(facts.inputs, (text, pair), strict=True) if not (value or "").strip()]
        if absent and (absent[0] == facts.inputs[0] or facts.paired):
            raise ArtifactError(f"There is no {absent[0].lower()}.", hint="Write one above.")
        return folder, facts, {"text": text, **({"text_pair": pair} if facts.paired else {})}

    def predict(
        run: str | None, text: str, pair: str | None, wanted: Any, before: list[Asked], explain: bool, *values: Any
    ) -> Iterator[list[Any]]:
        kept = [gr.skip(), gr.skip()]
        no_label = gr.Label(value=None, visible=False)
        try:
            folder, facts, row = given(run, text, pair)
            yield [_WAIT, no_label, "", "", gr.skip(), *kept]  # an earlier answer must not be mistaken for this one
            if facts.shows == "text":
                sampling = form.read(values)
                if sampling.get("max_new_tokens") == facts.options["max_new_tokens"]:
                    del sampling["max_new_tokens"]  # the run's own, which a small model may bring down
                Sampling.from_dict(sampling)
                said = ""
                for so_far, html in written(folder, row, sampling):
                    said = so_far
                    yield ["", gr.skip(), html, "", gr.skip(), *kept]
                yield [*(gr.skip() for _ in range(5)), *asked_before(before, run, text, pair, facts, {"text": said})]
                return
            if explain:
                row |= {"explain": True, **({} if wanted in (None, _OWN) else {"target": wanted})}
            answered, note = asked(folder, row, facts)
        except (KerasFTError, OSError) as error:
            yield [error_box(error), no_label, "", "", gr.skip(), *kept]
            return
        reason = explanation_html(answered["explanation"]) if "explanation" in answered else ""
        choices = _targets(facts, answered)
        keep = wanted if wanted in [value for _, value in choices] else _OWN
        explained = gr.Dropdown(choices=choices, value=keep, visible=len(choices) > 1)
        share = answered["probabilities"] if facts.shows == "label" else None
        shares = gr.Label(value=share, visible=share is not None)
        listed = asked_before(before, run, text, pair, facts, answered)
        yield [_cut(answered), shares, _view(facts, answered, pair or "", note), reason, explained, *listed]

    def asked_before(
        before: list[Asked], run: Any, text: str, pair: Any, facts: ModelFacts, answered: dict[str, Any]
    ) -> list[Any]:
        """The history with this answer, and the list of it."""
        asked = Asked(text, (pair or "") if facts.paired else "", in_short(facts, answered), str(run))
        return [listed := remembered(before, asked), _list_of(listed)]

    def asked(folder: Path, row: dict[str, Any], facts: ModelFacts) -> tuple[dict[str, Any], str]:
        if facts.shows != "vector":
            return _sound(page.predictor.ask(folder, row)), ""
        found = page.predictor.ask(folder, {**row, "neighbours": _NEIGHBOURS})
        if "error" not in found:
            return found, ""
        note = f"The training data could not be searched: {found['error']}"
        return _sound(page.predictor.ask(folder, row)), note

    def written(folder: Path, row: dict[str, Any], sampling: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """The text as it grows, plain and as it is shown; when it was stopped, what there is."""
        so_far, ended = "", False
        for line in page.predictor.stream(folder, {**row, "sampling": sampling, "stream": True}):
            _sound(line)
            ended = "partial" not in line
            so_far = line["text"] if ended else line["partial"]
            cut = line.get("prompt_tokens_cut", 0)
            yield so_far, text_html(row["text"], so_far, line["finish_reason"] if ended else "", cut)
        if not ended:
            yield so_far, text_html(row["text"], so_far, "stopped")

    def suit(run: str | None) -> list[Any]:
        """Another run: its inputs, its button, and nothing of the run before."""
        facts = page.facts(run)
        shows = facts.shows if facts else "label"
        first, second = facts.inputs if facts else ("Text", "Second text")
        own = facts.options.get("max_new_tokens", 64) if facts else 64
        return [
            gr.Textbox(label=first, placeholder=f"Write or paste a {first.lower()}"),
            gr.Textbox(label=second, visible=bool(facts and facts.paired)),
            gr.Button(_BUTTONS.get(shows, "Predict")),
            gr.Button(visible=shows == "text"),
            gr.Button(visible=shows not in ("text", "vector", "gaps")),
            gr.Accordion(visible=shows == "text"),
            gr.Number(value=own),
            "",
            gr.Label(value=None, visible=False),
            gr.HTML("", visible=shows != "label"),
            "",
            gr.Dropdown(choices=_targets(facts, {}) if facts else [_OWN], value=_OWN, visible=False),
            gr.skip(),
            gr.skip(),
            *beginnings(run),
        ]

    def beginnings(run: str | None) -> list[Any]:
        """Texts to begin with, of the rows the run was evaluated on."""
        facts = page.facts(run)
        rows = first_texts(page.board.folder(str(run)), facts) if facts else []
        return [rows, gr.Dataset(samples=[[row.shown] for row in rows], visible=bool(rows))]

    def opened(run: str | None) -> list[Any]:
        """Begin to load the run's model, so that the first answer need not wait for it; its report may be there by now, too."""
        with suppress(KerasFTError):  # there is none yet; it is said when something is asked
            page.predictor.prepare(page.model_folder(run))
        return beginnings(run)

    def end(run: str | None) -> None:
        """Stop the text that the run's model is writing."""
        with suppress(KerasFTError):
            page.predictor.stop(page.model_folder(run))

    def take(rows: list[Asked], number: int) -> list[Any]:
        """A text of a list into the fields."""
        return [rows[number].text, rows[number].pair] if number < len(rows) else [gr.skip(), gr.skip()]

    inputs = [page.run, text, pair, target, history]
    asking = [
        trigger(predict, [*inputs, gr.State(explain), *form.components], shown, show_progress="hidden", concurrency_limit=4)
        for trigger, explain in ((answer.click, False), (text.submit, False), (why.click, True))
    ]
    halt.click(end, page.run, None, show_progress="hidden")
    examples.click(take, [texts, examples], [text, pair], show_progress="hidden")
    earlier.click(take, [history, earlier], [text, pair], show_progress="hidden")
    bulk.build(page)
    page.opening(opened, page.run, [texts, examples], show_progress="hidden")
    changed = [text, pair, answer, halt, why, how, form.widgets["max_new_tokens"], *shown, texts, examples]
    # A slow answer of the run before must not come up under the name of the next.
    page.run.change(suit, page.run, changed, show_progress="hidden", cancels=asking)


def _list_of(history: list[Asked]) -> Any:
    """The list of what was asked before; with the run's name where there are several."""
    several = len({asked.run for asked in history}) > 1
    rows = [[asked.shown, f"{asked.answer}  ·  {asked.run}" if several else asked.answer] for asked in history]
    return gr.Dataset(samples=rows, visible=bool(rows))


def _sound(answered: dict[str, Any]) -> dict[str, Any]:
    """The answer, if it is one.

    Raises:
        ArtifactError: The model said what is wrong with the text.
    """
    if "error" in answered:
        raise ArtifactError(str(answered["error"]))
    return answered


def _cut(answered: dict[str, Any]) -> str:
    """That only the beginning of a text was read, if so."""
    if "cut" not in answered:
        return ""
    told = f"The text is too long: it has {answered['cut']['tokens']:,} tokens, and the model reads {answered['cut']['read']:,}."
    return f'<div class="kft-status"><div class="warn">{told} What follows them has no part in the answer.</div></div>'


def _targets(facts: ModelFacts, answered: dict[str, Any]) -> list[tuple[str, Any]]:
    """What can be explained: the answer itself, or any label, or any word's tag."""
    own: list[tuple[str, Any]] = [(_OWN, _OWN)]
    if facts.shows in ("label", "labels"):
        return own + [(label, label) for label in facts.labels]
    if facts.shows == "entities":
        words = answered.get("words", ())[:200]
        return own + [(f"{i + 1}. {word['text']} ({word['tag']})", i) for i, word in enumerate(words)]
    return own


def _view(facts: ModelFacts, answered: dict[str, Any], context: str, note: str) -> str:
    """The answer as the task shows it; empty for a single label, which has a widget of its own."""
    thresholds = dict(zip(facts.labels, facts.learned.get("thresholds", ()), strict=False))
    makers: dict[str, Callable[[], Any]] = {
        "labels": lambda: labels_html(answered, thresholds),
        "number": lambda: number_html(answered, facts.learned),
        "entities": lambda: entities_html(answered, facts.labels),
        "answer": lambda: answer_html(answered, context),
        "vector": lambda: vector_html(answered, note),
        "gaps": lambda: gaps_html(answered),
    }
    return str(makers[facts.shows]()) if facts.shows in makers else ""
