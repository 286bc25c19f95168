"""How tests look at data that were read, or refused."""

from __future__ import annotations

from typing import Any

import kerasft as kft
from kerasft.data.quality import check_data
from kerasft.data.recognise import suggest_task
from kerasft.errors import KerasFTError

PLAIN = [(f"plain row number {i} here", "ab"[i % 2]) for i in range(8)]


def load(source: Any, **options: Any) -> Any:
    return kft.load_data(source, validation=0, **options)


def attempt(source: Any, **options: Any) -> Any:
    """The data; None where they are refused, which is always right. Any other exception fails the test."""
    try:
        return load(source, **options)
    except KerasFTError:
        return None


def told(data: Any) -> dict[str, tuple[int, ...]]:
    return {finding.code: finding.rows for finding in check_data(data).findings}


def words(data: Any) -> str:
    said = suggest_task(data)
    return " ".join([*(finding.message for finding in check_data(data).findings), said.question, *said.unclear])


def cells(data: Any) -> list[tuple[str | None, str | None]]:
    return list(zip(data["train"].cells("text"), data["train"].cells("label"), strict=True))


def table(texts: list[str]) -> str:
    return "text,label\n" + "".join(f'"{text}",{"pn"[i % 2]}\n' for i, text in enumerate(texts))
