"""Check that an adapter of PEFT holds every array that its config promises: a missing one would go unnoticed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kerasft.errors import PresetError, name_values

_IN_BLOCK = re.compile(r"(?:encoder\.layer|h)\.(\d+)\.")
_HEADS = {"classifier": ("weight", "bias"), "qa_outputs": ("weight", "bias"), "score": ("weight",)}
_POOLER = ("pooler.dense.weight", "pooler.dense.bias")


def bare(name: str) -> str:
    """Remove the prefix that the names of a model with a head have."""
    return re.sub(r"^(bert|transformer)\.", "", name)


def is_head(name: str) -> bool:
    """Whether an array belongs to the head of a fine-tuned model."""
    return name.partition(".")[0] in _HEADS


def check_complete(
    config: Mapping[str, Any], updated: Collection[str], replaced: Collection[str], base: Collection[str], where: str
) -> None:
    """Check the arrays of an adapter against its config.

    Args:
        config: As `peft_adapter.adapter_config` returns it.
        updated: Modules with a low-rank update.
        replaced: Arrays that are saved whole.
        base: Arrays of the base.
        where: The adapter's file, for messages.

    Raises:
        PresetError: An update, a head or another saved module is missing or incomplete; names it.
    """
    updated_modules, saved = {bare(name) for name in updated}, {bare(name) for name in replaced}
    modules = {bare(name).removesuffix(".weight") for name in base if name.endswith(".weight") and "LayerNorm" not in name}
    blocks = {module for module in modules if _IN_BLOCK.match(module) and ".ln_" not in module}
    expected = {module for module in blocks if _is_target(config, module)}
    missing = sorted(expected - updated_modules - {name.removesuffix(".weight") for name in saved})
    missing += sorted(_missing_saved(config, saved, {bare(name) for name in base}))
    if missing:
        message = f"The adapter's config names modules that its file does not hold: {name_values(missing)}."
        raise PresetError(message, where=where, hint="Is the download complete? Save the adapter again with save_pretrained.")


def _is_target(config: Mapping[str, Any], module: str) -> bool:
    layers = config.get("layers_to_transform")
    if layers is not None:
        match = _IN_BLOCK.match(module)
        if match is None or int(match.group(1)) not in (layers if isinstance(layers, list) else [layers]):
            return False
    targets = config.get("target_modules")
    return (targets == "all-linear" or _matches(targets, module)) and not _matches(config.get("exclude_modules"), module)


def _matches(patterns: Any, module: str) -> bool:
    """Whether a list of names or one regular expression means a module, as PEFT reads them."""
    names = (module, f"bert.{module}", f"transformer.{module}")
    if isinstance(patterns, str):
        try:
            return any(re.fullmatch(patterns, name) for name in names)
        except re.error:
            return False
    listed = [pattern for pattern in patterns if isinstance(pattern, str)] if isinstance(patterns, list) else []
    return any(name == pattern or name.endswith(f".{pattern}") for pattern in listed for name in names)


def _missing_saved(config: Mapping[str, Any], saved: Collection[str], base: Collection[str]) -> Iterator[str]:
    """Arrays of the head and of other modules that the adapter should hold whole."""
    entries = config.get("modules_to_save")
    listed = [str(entry) for entry in entries] if isinstance(entries, list) else []
    heads = {name.partition(".")[0] for name in saved if is_head(name)}
    if any(entry in _HEADS for entry in listed) and not heads:
        yield next(entry for entry in listed if entry in _HEADS)
    for head in heads:
        yield from (f"{head}.{part}" for part in _HEADS[head] if f"{head}.{part}" not in saved)
    if any(name in saved for name in _POOLER):
        yield from (name for name in _POOLER if name not in saved)
    reads_pooler = config.get("task_type") in (None, "SEQ_CLS")
    for entry in listed:
        if entry not in _HEADS:
            owned = [name for name in base if f".{entry}." in f".{name}" and (reads_pooler or not name.startswith("pooler."))]
            yield from (name for name in owned if name not in saved and not name.startswith("cls."))


def check_array_name(name: str, replaced: Collection[str], where: str) -> None:
    """Refuse an array of a head or pooler that the models of transformers do not have, and a second head.

    Raises:
        PresetError: It is so.
    """
    plain = bare(name)
    head, _, part = plain.partition(".")
    known = plain in _POOLER if head == "pooler" else part in _HEADS.get(head, ())
    others = {bare(other).partition(".")[0] for other in replaced if is_head(bare(other))} - {head}
    if not known or (head in _HEADS and others):
        raise PresetError(f"The adapter holds {name}, which no model that is read has.", where=where)
