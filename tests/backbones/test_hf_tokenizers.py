"""Tokenizers of Hugging Face folders against the Rust `tokenizers`, which transformers uses: options, added tokens, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from tokenizers.implementations import BertWordPieceTokenizer

import kerasft as kft
from kerasft.backbones import get_family
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.backbones.tokenization import Framer
from tests.backbones.model_folders import change_json, copy_fixture

LETTERS = "abcdefghijklmnopqrstuvwxyzéöABCDE"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
PIECES += ["漢", "字", "##字", "漢字", ".", "!", "[", "]", "<", ">", "good", "film", "cafe", "café", "menage"]
TEXTS = [
    "good film",
    "Café CAFÉ café cafe\u0301",
    "漢字 good漢字film",
    "[MASK] good [CLS]",
    "[mask] [Mask]",
    "good[SEP]film",
    "[UNK] [[MASK]] good [MASK].",
    "a" * 100,
    "a" * 101,
    "ö" * 100,
    "ö" * 101,
    "é" * 100 + " good",
    "e\u0301" * 60,
    "a" * 99 + "é",
    "good" * 25 + " " + "good" * 26,
]
FIXTURE = "hf_bert_gelu"
_DEFAULTS = {"lstrip": False, "rstrip": False, "single_word": False}


def make_pair(
    folder: Path,
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    chinese: bool = True,
    added: tuple[AddedToken, ...] = (),
) -> BertWordPieceTokenizer:
    """A folder of these options in `tokenizer_config.json`, and the Rust tokenizer of the same options."""
    copy_fixture(FIXTURE, folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    change_json(folder / "config.json", vocab_size=len(PIECES) + len(added))
    options = {"lowercase": lowercase, "strip_accents": strip_accents, "handle_chinese_chars": chinese}
    rust = BertWordPieceTokenizer(str(folder / "vocab.txt"), **options)
    for token in added:
        (rust.add_special_tokens if token.special else rust.add_tokens)([token])
    decoder = {
        str(rust.token_to_id(token.content)): {
            **_DEFAULTS,
            "content": token.content,
            "special": token.special,
            "normalized": token.normalized,
        }
        for token in added
    }
    given = {"do_lower_case": lowercase, "strip_accents": strip_accents, "tokenize_chinese_chars": chinese}
    change_json(folder / "tokenizer_config.json", **given, added_tokens_decoder=decoder)
    return rust


def ids_of(folder: Path, texts: list[str]) -> list[list[int]]:
    """Ids without `load_framer`'s limit: the fixture's model takes 64 tokens."""
    framed = Framer(get_family("bert"), load_framer(folder, 64).tokenizer, 512)
    ids, lengths, *_ = framed.frame([text.encode() for text in texts], None)
    ends = lengths.cumsum()
    return [ids[end - length : end].tolist() for end, length in zip(ends, lengths, strict=True)]


def check_ids(folder: Path, rust: BertWordPieceTokenizer, texts: list[str]) -> None:
    for text, ids in zip(texts, ids_of(folder, texts), strict=True):
        encoded = rust.encode(text)
        assert ids == encoded.ids, (text[:40], encoded.tokens[:20])


@pytest.mark.parametrize("chinese", [True, False], ids=["chinese words", "no chinese words"])
@pytest.mark.parametrize("strip_accents", [None, True, False], ids=["accents auto", "accents stripped", "accents kept"])
@pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
def test_options_cut_texts_as_the_rust_tokenizer_does(
    lowercase: bool, strip_accents: bool | None, chinese: bool, tmp_path: Path
) -> None:
    rust = make_pair(tmp_path, lowercase=lowercase, strip_accents=strip_accents, chinese=chinese)
    check_ids(tmp_path, rust, TEXTS)


def test_the_limit_of_a_word_is_counted_in_letters_and_not_in_bytes(tmp_path: Path) -> None:
    make_pair(tmp_path, lowercase=False)
    short, long = ids_of(tmp_path, ["ö" * 100, "ö" * 101])  # 200 and 202 bytes
    assert len(short) == 2 + 100
    assert long == [2, PIECES.index("[UNK]"), 3]


ADDED = [
    AddedToken("[E1]", normalized=False, special=True),
    AddedToken("<X>", normalized=False),
    AddedToken("New York", normalized=True),
    AddedToken("c++", normalized=True),
    AddedToken("#tag", normalized=False),
    AddedToken("#tagged", normalized=False),
]
ADDED_TEXTS = [
    "[E1]good[E1]",
    "[e1] E1",
    "good<X>film <x>",
    "new york New York NEW YORK",
    "c++ C++c++",
    "#tag #tagged",
    *TEXTS[:6],
]


@pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
@pytest.mark.parametrize("place", ["tokenizer_config.json", "tokenizer.json", "tokenizer.json alone"])
def test_added_tokens_are_never_cut(place: str, lowercase: bool, tmp_path: Path) -> None:
    rust = make_pair(tmp_path, lowercase=lowercase, added=tuple(ADDED))
    if place != "tokenizer_config.json":
        rust.save(str(tmp_path / "tokenizer.json"))
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizerFast", "do_lower_case": lowercase})
        )
    if place.endswith("alone"):
        (tmp_path / "vocab.txt").unlink()
        (tmp_path / "tokenizer_config.json").unlink()
    check_ids(tmp_path, rust, ADDED_TEXTS)


def test_added_tokens_may_be_in_a_file_of_their_own(tmp_path: Path) -> None:
    rust = make_pair(tmp_path, added=(AddedToken("New York", normalized=True),))
    change_json(tmp_path / "tokenizer_config.json", added_tokens_decoder={})
    change_json(tmp_path / "added_tokens.json", **{"New York": len(PIECES)})
    check_ids(tmp_path, rust, ADDED_TEXTS)


@pytest.mark.parametrize("saved_as", ["run", "preset"])
def test_a_saved_tokenizer_keeps_its_options_and_added_tokens(saved_as: str, tmp_path: Path) -> None:
    from tests.tiny import make_bert

    folder = make_bert(tmp_path / "bert")
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split()
    change_json(folder / "config.json", vocab_size=len(pieces))
    vocabulary = pieces[:-2]  # the last two become added tokens of the same numbers
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    decoder = {
        str(len(vocabulary) + i): {**_DEFAULTS, "content": token, "special": not i, "normalized": bool(i)}
        for i, token in enumerate(["[NEW]", "New York"])
    }
    given = {"strip_accents": False, "tokenize_chinese_chars": False, "added_tokens_decoder": decoder}
    change_json(folder / "tokenizer_config.json", do_lower_case=True, **given)
    backbone = load_backbone(folder)
    (tmp_path / "saved").mkdir()
    if saved_as == "run":
        backbone.family.save_tokenizer(backbone, tmp_path / "saved")
        tokenizer = backbone.family.rebuild(backbone.config, tmp_path / "saved", dtype="float32").tokenizer
    else:
        backbone.family.save_huggingface_tokenizer(backbone, tmp_path / "saved")
        change_json(tmp_path / "saved" / "config.json", model_type="bert")
        tokenizer = backbone.family.load_tokenizer(tmp_path / "saved")
    assert tokenizer.options() == backbone.tokenizer.options()
    texts = [text.encode() for text in ["[NEW]good new york [new]", "漢字é", "[MASK] film"]]
    first, second = (Framer(backbone.family, one, 64).frame(texts, None)[0] for one in (backbone.tokenizer, tokenizer))
    assert first.tolist() == second.tolist()
    assert {len(vocabulary), len(vocabulary) + 1} <= set(first.tolist())


# --- Refused by name. ---


@pytest.mark.parametrize(
    ("name", "tokenizer_class"),
    [
        (FIXTURE, "BertJapaneseTokenizer"),
        (FIXTURE, "XLMRobertaTokenizer"),
        (FIXTURE, "GPT2Tokenizer"),
        (FIXTURE, "OwnTokenizer"),
        ("hf_gpt2", "BertTokenizer"),
        ("hf_gpt2", "LlamaTokenizerFast"),
    ],
)
def test_another_tokenizer_is_refused(name: str, tokenizer_class: str, tmp_path: Path) -> None:
    folder = copy_fixture(name, tmp_path)
    change_json(folder / "tokenizer_config.json", tokenizer_class=tokenizer_class)
    with pytest.raises(kft.PresetError, match=tokenizer_class):
        load_backbone(folder)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("model.type", "Unigram", "Unigram"),
        ("model.type", "BPE", "BPE"),
        ("model.continuing_subword_prefix", "@@", "@@"),
        ("normalizer", {"type": "Sequence", "normalizers": []}, "Sequence"),
        ("normalizer", {"type": "NFKC"}, "NFKC"),
        ("pre_tokenizer", {"type": "Metaspace"}, "Metaspace"),
    ],
)
def test_a_rust_tokenizer_of_another_kind_is_refused(path: str, value: Any, named: str, tmp_path: Path) -> None:
    make_pair(tmp_path).save(str(tmp_path / "tokenizer.json"))
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    outer, _, inner = path.partition(".")
    content[outer] = {**content[outer], inner: value} if inner else value
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(kft.PresetError, match=named):
        load_framer(tmp_path, 64)


def test_added_tokens_with_gaps_or_only_for_whole_words_are_refused(tmp_path: Path) -> None:
    make_pair(tmp_path)
    change_json(tmp_path / "added_tokens.json", **{"[NEW]": len(PIECES) + 5})
    with pytest.raises(kft.PresetError, match=r"\[NEW\]"):
        load_framer(tmp_path, 64)
    (tmp_path / "added_tokens.json").unlink()
    token = {**_DEFAULTS, "content": "good", "single_word": True, "normalized": True}
    change_json(tmp_path / "tokenizer_config.json", added_tokens_decoder={str(PIECES.index("good")): token})
    with pytest.raises(kft.PresetError, match="good"):
        load_framer(tmp_path, 64)


@pytest.mark.parametrize("name", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
def test_a_vocabulary_without_a_special_token_is_refused(name: str, tmp_path: Path) -> None:
    folder = copy_fixture(FIXTURE, tmp_path)
    text = (folder / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text(text.replace(f"{name}\n", "zzz\n"), encoding="utf-8")
    with pytest.raises(kft.PresetError, match=name.strip("[]")):
        load_framer(folder, 64)
