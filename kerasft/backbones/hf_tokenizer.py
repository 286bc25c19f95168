"""What a Hugging Face folder says of its tokenizer: the vocabulary, how texts are normalised, which tokens were added.

Files that are read: `vocab.txt`, `tokenizer.json` (its vocabulary, normaliser and added tokens), `tokenizer_config.json`
(`do_lower_case`, `strip_accents`, `tokenize_chinese_chars`, `added_tokens_decoder`, `additional_special_tokens`,
`tokenizer_class`), `special_tokens_map.json`, `added_tokens.json`.
What is another tokenizer is refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasft.config import read_json
from kerasft.errors import PresetError, name_values

# Classes of `transformers` that cut texts as BERT's tokenizer does.
_BERT_LIKE = frozenset(
    {
        "BertTokenizer",
        "BertTokenizerFast",
        "DistilBertTokenizer",
        "DistilBertTokenizerFast",
        "ElectraTokenizer",
        "ElectraTokenizerFast",
    }
    | {"PreTrainedTokenizerFast", "TokenizersBackend", "RetriBertTokenizer", "MobileBertTokenizer", "MobileBertTokenizerFast"}
)
_GPT2_LIKE = frozenset({"GPT2Tokenizer", "GPT2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"})
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_END = "<|endoftext|>"
_CUT_RIGHT: dict[str, tuple[Any, ...]] = {"truncation_side": ("right", None)}
_LARGEST = 1 << 26  # bytes of a vocabulary
_MOST_PIECES = 1_500_000


def read_bert_tokenizer(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """The pieces and the options of `wordpiece.BertText`.

    Raises:
        PresetError: A file is absent or damaged, or describes a tokenizer that cuts texts in another way.
    """
    given, described = _read(folder / "tokenizer_config.json"), _read(folder / "tokenizer.json")
    _check_class(given, _BERT_LIKE, folder)
    _check_options(given, {"do_basic_tokenize": (True, None), "never_split": (None, [])} | _CUT_RIGHT, folder)
    for role, token in zip(("pad", "unk", "cls", "sep", "mask"), _SPECIAL, strict=True):
        for named in (given, _read(folder / "special_tokens_map.json")):
            _check_options(named, {f"{role}_token": (token, None)}, folder)
    rust = described if isinstance(described.get("model"), Mapping) else {}
    _check_wordpiece(rust, folder)
    normaliser = rust.get("normalizer") or {}
    lowercase = bool(given.get("do_lower_case", normaliser.get("lowercase", True)))
    strip = given.get("strip_accents", normaliser.get("strip_accents"))
    chinese = bool(given.get("tokenize_chinese_chars", normaliser.get("handle_chinese_chars", True)))
    pieces, added = _with_added(_pieces(folder, rust), folder, given, rust)
    return pieces, {
        "lowercase": lowercase,
        "strip_accents": lowercase if strip is None else bool(strip),
        "split_chinese": chinese,
        "added": added,
    }


def read_gpt2_tokenizer(folder: Path) -> tuple[dict[str, int], list[str] | str, list[str]]:
    """GPT-2's byte-level BPE: the vocabulary with the added tokens, the merges (or their file), and the added tokens.

    The vocabulary stands in `vocab.json` and `merges.txt`, or in `tokenizer.json` alone, as transformers 5 saves it.

    Raises:
        PresetError: A file is absent or damaged, or describes a tokenizer that cuts texts in another way.
    """
    given, described = _read(folder / "tokenizer_config.json"), _read(folder / "tokenizer.json")
    _check_class(given, _GPT2_LIKE, folder)
    _check_options(given, {"add_prefix_space": (False, None), "add_bos_token": (False, None)} | _CUT_RIGHT, folder)
    for role in ("bos", "eos", "unk"):
        for named in (given, _read(folder / "special_tokens_map.json")):
            _check_options(named, {f"{role}_token": (_END, None)}, folder)
    rust = described if isinstance(described.get("model"), Mapping) else {}
    if rust:
        _check_byte_level(rust, folder)
    vocabulary, merges = _gpt2_vocabulary(folder, rust)
    if len(vocabulary) > _MOST_PIECES:
        raise PresetError(f"The vocabulary has {len(vocabulary):,} pieces, more than any model of this kind.", where=str(folder))
    pieces, added = _with_added(_in_order(vocabulary, folder), folder, given, rust, own=(_END,))
    stripped = [text for text, token in _declared(folder, given, rust).items() if token.get("lstrip") or token.get("rstrip")]
    if stripped:
        what = f"Added tokens that take the spaces beside them (lstrip, rstrip) are not supported: {name_values(stripped)}."
        raise PresetError(what, where=str(folder))
    return {piece: number for number, piece in enumerate(pieces)}, merges, [token["text"] for token in added]


def _gpt2_vocabulary(folder: Path, rust: Mapping[str, Any]) -> tuple[dict[str, int], list[str] | str]:
    """Vocabulary and merges without the added tokens; of merges in a file of their own, its path."""
    if (folder / "vocab.json").exists() or not rust:
        vocab_file, merges_file = (_vocabulary_file(folder, name) for name in ("vocab.json", "merges.txt"))
        return _read(vocab_file), str(merges_file)
    vocabulary, merges = rust["model"].get("vocab"), rust["model"].get("merges")
    where = str(folder / "tokenizer.json")
    if not isinstance(vocabulary, Mapping) or not isinstance(merges, list):
        raise PresetError("The tokenizer has no vocabulary or no merges.", where=where)
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    if not all(isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in pairs):
        raise PresetError("The merges of the tokenizer are not pairs of pieces.", where=where)
    return dict(vocabulary), [" ".join(pair) for pair in pairs]


def _vocabulary_file(folder: Path, name: str) -> Path:
    """The path of a Hugging Face folder's vocabulary file.

    Raises:
        PresetError: It is absent.
    """
    if (folder / name).exists() and not (folder / name).is_file():
        raise PresetError(f"{name} is no regular file.", where=str(folder))
    if not (folder / name).exists():
        hint = f"Copy {name} or tokenizer.json from where the model came from."
        raise PresetError(f"The folder holds no {name}.", where=str(folder), hint=hint)
    return folder / name


def _check_byte_level(rust: Mapping[str, Any], folder: Path) -> None:
    """Refuse a tokenizer of bytes that divides texts in another way than GPT-2's."""
    where = str(folder / "tokenizer.json")
    model, splitter = rust["model"], rust.get("pre_tokenizer")
    kind = str(model.get("type", "BPE"))
    if kind != "BPE" or not isinstance(splitter, Mapping) or splitter.get("type") != "ByteLevel":
        raise PresetError(f"The tokenizer is {kind} without GPT-2's division into bytes and words.", where=where)
    for name, usual in (("add_prefix_space", False), ("use_regex", True)):
        if splitter.get(name, usual) != usual:
            raise PresetError(
                f"The tokenizer's pre_tokenizer has {name}={splitter[name]!r}, which is not supported.", where=where
            )
    for name in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"):
        if model.get(name):
            raise PresetError(f"The tokenizer has {name}={model[name]!r}, which is not supported.", where=where)
    if rust.get("normalizer") is not None:
        raise PresetError("The tokenizer normalises texts, which GPT-2's does not.", where=where)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise PresetError(f"The file has {path.stat().st_size:,} bytes, more than any of its kind.", where=str(path))
    found = read_json(path)
    if not isinstance(found, dict):
        raise PresetError("The file holds no JSON object.", where=str(path))
    return found


def _check_class(given: Mapping[str, Any], known: frozenset[str], folder: Path) -> None:
    name = given.get("tokenizer_class")
    if name is not None and name not in known:
        hint = f"Read are: {', '.join(sorted(known))}."
        where = str(folder / "tokenizer_config.json")
        raise PresetError(f"The model needs the tokenizer {name}, which cuts texts in another way.", where=where, hint=hint)


def _check_options(given: Mapping[str, Any], allowed: Mapping[str, tuple[Any, ...]], folder: Path) -> None:
    """Refuse an option of the tokenizer that changes ids."""
    for name, values in allowed.items():
        value = given.get(name, values[0])
        value = value.get("content") if isinstance(value, Mapping) else value
        if value not in values:
            where = str(folder / "tokenizer_config.json")
            raise PresetError(f"The tokenizer has {name}={value!r}, which is not supported.", where=where)


def _check_wordpiece(rust: Mapping[str, Any], folder: Path) -> None:
    """Refuse what the Rust tokenizer's file says that BERT's tokenizer does not do."""
    if not rust:
        return
    model, where = rust["model"], str(folder / "tokenizer.json")
    kind = model.get("type", "WordPiece" if "continuing_subword_prefix" in model else None)
    if kind not in ("WordPiece", None):
        raise PresetError(f"The tokenizer is {kind}, not the WordPiece of BERT.", where=where)
    if model.get("continuing_subword_prefix", "##") != "##":
        raise PresetError(f"Pieces within a word begin with {model['continuing_subword_prefix']!r}, not with '##'.", where=where)
    for name, usual in (("max_input_chars_per_word", 100), ("unk_token", "[UNK]")):
        if model.get(name, usual) != usual:
            raise PresetError(f"The tokenizer has {name}={model[name]!r}, which is not supported.", where=where)
    parts = (("normalizer", ("BertNormalizer",)), ("pre_tokenizer", ("BertPreTokenizer",)))
    for name, known in (*parts, ("post_processor", ("TemplateProcessing", "BertProcessing"))):
        part = rust.get(name)
        kind = part.get("type") if isinstance(part, Mapping) else part
        if kind not in known:
            raise PresetError(f"The tokenizer's {name} is {kind!r}, and BERT's is {known[0]}.", where=where)
    if not rust["normalizer"].get("clean_text", True):
        raise PresetError("The tokenizer's normalizer has clean_text=false, which is not supported.", where=where)


def _pieces(folder: Path, rust: Mapping[str, Any]) -> list[str]:
    path = folder / "vocab.txt"
    if path.exists():
        if not path.is_file():
            raise PresetError("The vocabulary is no regular file.", where=str(path))
        if path.stat().st_size > _LARGEST:
            raise PresetError(f"The vocabulary has {path.stat().st_size:,} bytes; BERT's has under a million.", where=str(path))
        try:
            pieces = [line.rstrip("\r\n").rstrip() for line in path.read_text(encoding="utf-8").split("\n")]
        except UnicodeDecodeError:
            raise PresetError("The vocabulary is not a text file in UTF-8.", where=str(path)) from None
        while pieces and not pieces[-1]:
            pieces.pop()
        other = rust["model"].get("vocab") if rust else None
        numbers = other if isinstance(other, Mapping) else {}
        if different := [piece for number, piece in enumerate(pieces) if numbers.get(piece, number) != number]:
            what = f"they differ in {name_values(different)}"
            raise PresetError(f"vocab.txt and tokenizer.json number their pieces differently: {what}.", where=str(folder))
    else:
        held = rust["model"].get("vocab") if rust else None
        if not isinstance(held, Mapping):
            hint = "Copy vocab.txt or tokenizer.json from where the model came from."
            raise PresetError("The folder holds no vocabulary (vocab.txt or tokenizer.json).", where=str(folder), hint=hint)
        pieces = _in_order({str(piece): number for piece, number in held.items()}, folder / "tokenizer.json")
    if len(pieces) > _MOST_PIECES:
        raise PresetError(f"The vocabulary has {len(pieces):,} pieces, more than any model of this kind.", where=str(path))
    return pieces


def _in_order(numbered: Mapping[str, Any], path: Path) -> list[str]:
    """Pieces by their numbers, which are 0, 1, 2, ..."""
    if sorted(numbered.values(), key=str) and not all(type(number) is int for number in numbered.values()):
        raise PresetError("The vocabulary numbers its pieces with something else than whole numbers.", where=str(path))
    ordered = sorted(numbered, key=lambda piece: numbered[piece])
    if [numbered[piece] for piece in ordered] != list(range(len(ordered))):
        raise PresetError("The numbers of the vocabulary's pieces have gaps.", where=str(path))
    return ordered


def _declared(folder: Path, given: Mapping[str, Any], rust: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Added tokens by text, with what the files say of them: `id`, `special`, `normalized`, `single_word`."""
    found: dict[str, dict[str, Any]] = {}
    for text, number in _read(folder / "added_tokens.json").items():
        found[str(text)] = {"id": number, "normalized": True}
    decoder = given.get("added_tokens_decoder")
    for number, token in decoder.items() if isinstance(decoder, Mapping) else ():
        if isinstance(token, Mapping) and str(number).isdigit():
            found[str(token.get("content"))] = {**token, "id": int(number)}
    tokens = rust.get("added_tokens") if rust else None
    for token in tokens if isinstance(tokens, list) else ():
        if isinstance(token, Mapping):
            found[str(token.get("content"))] = dict(token)
    return found


def _further_special(folder: Path, given: Mapping[str, Any]) -> list[str]:
    """The special tokens that a tokenizer has besides its usual ones."""
    tokens: list[str] = []
    for source in (given, _read(folder / "special_tokens_map.json")):
        for key in ("additional_special_tokens", "extra_special_tokens"):
            listed = source.get(key) or []
            for token in listed.values() if isinstance(listed, Mapping) else listed if isinstance(listed, list) else ():
                tokens.append(str(token.get("content") if isinstance(token, Mapping) else token))
    return list(dict.fromkeys(tokens))


def _with_added(
    pieces: list[str], folder: Path, given: Mapping[str, Any], rust: Mapping[str, Any], own: Sequence[str] = _SPECIAL
) -> tuple[list[str], list[dict[str, Any]]]:
    """The pieces with those that were added after them, and the added tokens that are never cut, besides its `own`."""
    places = {piece: number for number, piece in enumerate(pieces)}
    declared = _declared(folder, given, rust)
    numbered = [token["id"] for token in declared.values() if type(token["id"]) is int]
    following = max([len(pieces) - 1, *numbered]) + 1  # transformers adds those without a number behind all others
    for text in _further_special(folder, given):
        if text not in declared and text not in own:
            declared[text] = {"id": places.get(text, following), "special": True, "normalized": False}
            following += text not in places
    further = {text: token["id"] for text, token in declared.items() if text not in places}
    for text, number in sorted(further.items(), key=lambda item: str(item[1])):
        if type(number) is not int:
            raise PresetError(f"The added token {text!r} has no whole number.", where=str(folder))
    for text, number in sorted(further.items(), key=lambda item: item[1]):
        if number != len(pieces):
            hint = "Save the tokenizer again with save_pretrained."
            raise PresetError(
                f"The added token {text!r} has the number {number}; the next free one is {len(pieces)}.",
                where=str(folder),
                hint=hint,
            )
        pieces = [*pieces, text]
    whole = [text for text, token in declared.items() if token.get("single_word") and text not in own]
    if whole:
        raise PresetError(
            f"Added tokens that are read only as whole words are not supported: {name_values(whole)}.", where=str(folder)
        )
    added = [
        {"text": text, "normalised": bool(token.get("normalized", not token.get("special", False)))}
        for text, token in declared.items()
        if text not in own and text
    ]
    return pieces, added
