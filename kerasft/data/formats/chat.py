"""Conversations: `messages` of role and content (OpenAI), `conversations` of `from` and `value` (ShareGPT).

Each turn of the assistant is one row: the turns before it are the prompt, the turn itself is the completion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasft.data.formats.base import Rows, objects
from kerasft.data.table import Note, row_notes
from kerasft.errors import DataError, name_values

NAME = "conversations, a row for each turn of the assistant"
_KEYS = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat")
_ASSISTANT = frozenset({"assistant", "gpt", "bot", "model", "chatgpt", "bard", "ai"})
_METADATA = ("id", "source", "system", "lang", "language", "split", "category", "tools")  # columns that describe the conversation
_ROLE_NAMES = {"human": "user", "prompter": "user"}


def recognise(sample: Sequence[Any]) -> bool:
    """Whether the rows are of this format."""
    rows = objects(sample[:100])
    return bool(rows) and all(_key(row) is not None for row in rows)


def _key(row: Mapping[str, Any]) -> str | None:
    keys = (*_KEYS, "prompt", "chosen") if "chosen" in row and "rejected" in row else _KEYS
    return next((key for key in keys if isinstance(row.get(key), list) and _turns(row[key]) is not None), None)


def _turns(messages: list[Any]) -> list[tuple[str, str]] | None:
    """Role and text of each message; None if the items are not messages."""
    turns = []
    for message in messages:
        if not isinstance(message, Mapping):
            return None
        role = message.get("role", message.get("from"))
        text = message.get("content", message.get("value"))
        if isinstance(text, list):  # parts of a message
            text = "".join(str(part.get("text", part.get("value", ""))) for part in text if isinstance(part, Mapping))
        if not isinstance(role, str) or not (isinstance(text, str) or text is None):
            return None
        turns.append((_ROLE_NAMES.get(role.lower(), role.lower()), text or ""))
    return turns


def read(rows: Rows, source: str, notes: list[Note]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of plain columns; see `base.Format`."""
    unanswered: list[int] = []
    unwanted: list[int] = []
    unweighted: list[int] = []
    tool_calls: list[int] = []
    roles: set[str] = set()
    preferred = answers = False
    for number, row in rows:
        key = _key(row) if isinstance(row, Mapping) else None
        turns = _turns(row[key]) if key else None
        if turns is None:
            raise DataError("A row holds no list of messages with role and content.", where=f"{source}, row {number}")
        if row.get("label") is False:  # KTO: an unwanted answer
            unwanted.append(number)
            continue
        weights = [message.get("weight", 1) for message in row[key]]
        chosen = row.get("chosen")
        if "rejected" in row and chosen is not None:  # DPO: the better of two answers
            preferred = True
            if isinstance(chosen, Mapping):
                chosen = [{"role": "assistant", **chosen}]
            better = _turns(chosen) if isinstance(chosen, list) else [("assistant", str(chosen))]
            if better is None:
                raise DataError("The chosen answer is not a list of messages.", where=f"{source}, row {number}")
            # TRL writes the prompt by itself, or in both answers once more.
            turns = better if any(role == "user" for role, _ in better) else turns + better
        if any(isinstance(message.get("tool_calls"), list) for message in row[key]):
            tool_calls.append(number)
        roles |= {role for role, _ in turns}
        answered = False
        for position, (role, text) in enumerate(turns):
            if role in _ASSISTANT and text.strip():
                answered = True
                if position < len(weights) and weights[position] == 0:
                    unweighted.append(number)
                    continue
                answers = True
                rest = {name: row[name] for name in _METADATA if isinstance(row.get(name), str | int)}
                yield number, {"prompt": _prompt(turns[:position]), "completion": text, **rest}
        if not answered:
            unanswered.append(number)
    if not answers:
        if unweighted:
            hint = "Give the turns to be learned the weight 1, or leave out the weights."
            raise DataError("All turns of the assistant have weight 0.", where=source, hint=hint)
        hint = f"Turns to be learned have one of the roles {name_values(sorted(_ASSISTANT), most=10)}."
        raise DataError(f"No conversation holds a turn to be learned. The roles are {name_values(sorted(roles))}.",
                        where=source, hint=hint)  # fmt: skip
    if preferred:
        notes.append(Note("preferences", "Of each pair of answers only the chosen one is used, not the rejected one."))
    notes += row_notes(
        ("unwanted_answers", unwanted, "{count} rows with label false hold unwanted answers and are left out."),
        (
            "weight_zero",
            unweighted,
            "{count} turns of the assistant have weight 0: they are read as prompts, not learned ({rows}).",
        ),
        ("tool_calls", tool_calls, "{count} conversations call tools ({rows}); the calls are not part of the texts."),
        ("no_answer", unanswered, "{count} conversations hold no turn of the assistant ({rows}) and are left out."),
    )


def _prompt(earlier: Sequence[tuple[str, str]]) -> str:
    """The prompt made of the earlier turns: a single message unchanged, several with the role of each."""
    filled = [(role, text) for role, text in earlier if text.strip()]
    if len(filled) == 1 and filled[0][0] not in _ASSISTANT:
        return filled[0][1]
    return "\n".join(f"{'assistant' if role in _ASSISTANT else role}: {text}" for role, text in filled)
