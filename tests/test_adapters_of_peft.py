"""Adapters of PEFT: merged as PEFT merges them (fixtures with its arrays and logits), or refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.backbones.checkpoint import Checkpoint
from kerasft.backbones.loading import load_backbone
from kerasft.backbones.peft_adapter import merged_note
from kerasft.cli import main
from kerasft.errors import PresetError
from kerasft.events import Event, Warned
from kerasft.model import import_huggingface
from kerasft.presets import fetch, find_preset
from kerasft.weights import read_arrays, write_arrays
from tests.tasks.models import tuned_model

FIXTURES = Path(__file__).parent / "fixtures"
ADAPTERS = {path.name: path for path in sorted((FIXTURES / "adapters").iterdir())}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def config_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
    return found


def base_of(name: str) -> Path:
    return FIXTURES / config_of(ADAPTERS[name])["base_model_name_or_path"]


def copied(name: str, folder: Path, **config: Any) -> Path:
    """A copy of a fixture with other values in its config."""
    shutil.copytree(ADAPTERS[name], folder)
    (folder / "adapter_config.json").write_text(json.dumps({**config_of(folder), **config}))
    return folder


def joined(name: str, folder: Path, **config: Any) -> Path:
    """The base's folder with the adapter in it."""
    shutil.copytree(base_of(name), folder)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(ADAPTERS[name] / file, folder)
    (folder / "adapter_config.json").write_text(json.dumps({**config_of(folder), **config}))
    return folder


def with_arrays(folder: Path, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Path:
    path = folder / "adapter_model.safetensors"
    write_arrays(path, change(read_arrays(path)), {"format": "pt"})
    return folder


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_merged_arrays_are_those_of_peft(name: str, tmp_path: Path) -> None:
    checkpoint = Checkpoint.of(joined(name, tmp_path / "model"))
    assert checkpoint is not None
    expected = {
        key.removeprefix("merged/"): value for key, value in np.load(ADAPTERS[name] / "expected.npz").items() if "/" in key
    }
    bare = {key.removeprefix("bert.").removeprefix("transformer."): key for key in checkpoint.names}
    compared = 0
    for key, value in expected.items():
        if "decoder" in key or key == "lm_head.weight":
            continue  # the embeddings once more
        np.testing.assert_allclose(
            checkpoint.array(bare[key.removeprefix("bert.").removeprefix("transformer.")]), value, atol=1e-6
        )
        compared += 1
    assert compared >= len([key for key in read_arrays(ADAPTERS[name] / "adapter_model.safetensors") if "lora_A" in key])


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_alone_gives_the_logits_of_peft(name: str) -> None:
    model = import_huggingface(str(ADAPTERS[name]), base=str(base_of(name)))
    inputs = {key: value for key, value in np.load(ADAPTERS[name] / "expected.npz").items() if "/" not in key}
    expected = inputs.pop("logits")
    if model.task.name == "masked_lm":  # which scores the places it is asked for, here all
        inputs["places"] = np.tile(np.arange(expected.shape[1], dtype=np.int32), (len(expected), 1))
    kept = inputs["padding_mask"].astype(bool) if expected.ndim == 3 else slice(None)
    found = model.keras_model.predict_on_batch(inputs)
    logits = np.asarray(found["masked"] if model.task.name == "masked_lm" else found)
    np.testing.assert_allclose(logits[kept], expected[kept], atol=2e-5)


def test_the_base_is_the_one_that_the_adapter_names(tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter", base_model_name_or_path=str(base_of("bert_patterns")))
    named, given = import_huggingface(str(folder)), import_huggingface(str(folder), base=str(base_of("bert_patterns")))
    assert named.predict("a good film") == given.predict("a good film")
    assert named.labels == ("label 0", "label 1", "label 2")


def test_labels_that_the_base_does_not_name_are_numbered() -> None:
    assert import_huggingface(str(ADAPTERS["bert_dora"]), base=str(base_of("bert_dora"))).labels == (
        "LABEL_0",
        "LABEL_1",
        "LABEL_2",
    )


def test_an_adapter_beside_a_model_is_merged_into_a_preset_and_named(tmp_path: Path) -> None:
    """Trained on it, the run says so; read again later, the base is the same."""
    folder = joined("bert_spans", tmp_path / "model", task_type=None, modules_to_save=None)
    with_arrays(folder, lambda arrays: {key: value for key, value in arrays.items() if "qa_outputs" not in key})
    plain, merged = load_backbone(base_of("bert_spans")), load_backbone(fetch(find_preset(str(folder))))
    assert merged.fingerprint != plain.fingerprint
    data = kft.load_data(list(zip(["good film", "bad film", "fine", "awful"] * 3, ["yes", "no"] * 6, strict=True)))
    train, out = kft.TrainConfig(epochs=1, batch_size=8, tensorboard=False), tmp_path / "run"
    tuning, events = kft.LoRA(rank=2), list[Event]()
    model = kft.finetune(str(folder), data, kft.TextClassification(), tuning=tuning, train=train, out=out, on_event=events.append)
    remarks = [event.message for event in events if isinstance(event, Warned) and event.code == "model_folder"]
    assert remarks == [merged_note(folder)]
    again = kft.load(tmp_path / "run")
    assert again.predict("good film") == model.predict("good film")


def test_our_own_export_comes_back(presets: dict[str, str], tmp_path: Path) -> None:
    model = tuned_model(presets["bert"], "text_classification", kft.LoRA(rank=2), shake=0.5)
    folder = model.export_peft(tmp_path / "peft")
    again = import_huggingface(str(folder), base=presets["bert"])
    for one, other in zip(model.predict(["a good film", "bad"]), again.predict(["a good film", "bad"]), strict=True):
        np.testing.assert_allclose(list(one.probabilities.values()), list(other.probabilities.values()), atol=1e-5)


def test_the_command_line_takes_a_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapter, base = str(ADAPTERS["bert_patterns"]), str(base_of("bert_patterns"))
    assert main(["import-huggingface", adapter, str(tmp_path / "run"), "--base", base]) == 0
    assert "merged" in capsys.readouterr().out
    assert kft.load(tmp_path / "run").labels == ("label 0", "label 1", "label 2")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_adapters_of_half_precision_are_read(dtype: str, tmp_path: Path) -> None:
    import ml_dtypes

    folder = joined("bert_patterns", tmp_path / "model")
    kind = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[dtype]
    with_arrays(folder, lambda arrays: {key: value.astype(kind) for key, value in arrays.items()})
    halved = load_backbone(folder).model.weights
    whole = load_backbone(joined("bert_patterns", tmp_path / "whole")).model.weights
    for one, other in zip(halved, whole, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=0.05)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another kind": ({"peft_type": "IA3"}, "'IA3'"),
    "no kind": ({"peft_type": None}, "None"),
    "biases": ({"bias": "lora_only"}, "bias='lora_only'"),
    "all biases": ({"bias": "all"}, "bias='all'"),
    "bias of the update": ({"lora_bias": True}, "lora_bias"),
    "PiSSA": ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
    "OLoRA": ({"init_lora_weights": "olora"}, "olora"),
    "LoftQ": ({"init_lora_weights": "loftq"}, "loftq"),
    "trained tokens": ({"trainable_token_indices": [3]}, "trainable_token_indices"),
    "copied layers": ({"layer_replication": [[0, 2]]}, "layer_replication"),
    "parameters": ({"target_parameters": ["x"]}, "target_parameters"),
    "a key of the future": ({"use_newra": True}, "use_newra"),
    "no rank": ({"r": None}, "rank"),
    "another rank": ({"r": 7, "rank_pattern": {}}, "rank 4"),
    "a pattern that is none": ({"rank_pattern": {"(": 2}}, "regular expression"),
    "patterns of another shape": ({"alpha_pattern": [1]}, "alpha_pattern"),
    "alpha is a word": ({"lora_alpha": "16"}, "alpha"),
    "layers without arrays": ({"target_modules": ["query", "key"]}, "self.key"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_change_the_numbers_is_refused_by_name(what: str, tmp_path: Path) -> None:
    config, message = REFUSED[what]
    folder = joined("bert_patterns", tmp_path / "model", **config)
    with pytest.raises(PresetError) as raised:
        load_backbone(folder)
    assert message in str(raised.value)


def _without_b(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    first = next(key for key in arrays if "lora_B" in key)
    return {key: value for key, value in arrays.items() if key != first}


def _not_a_number(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    first = next(key for key in arrays if "lora_A" in key)
    return {**arrays, first: arrays[first] * np.nan}


def _of_a_wider_model(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([value, value], axis=1) if "query.lora_A" in key else value for key, value in arrays.items()}


def _of_a_deeper_model(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.replace("layer.1.", "layer.9."): value for key, value in arrays.items()}


WORD = "base_model.model.bert.embeddings.word_embeddings"
DAMAGED: dict[str, tuple[Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], str]] = {
    "half an update": (_without_b, "lora_A"),
    "not a number": (_not_a_number, "finite"),
    "a wider model": (_of_a_wider_model, "another base"),
    "a deeper model": (_of_a_deeper_model, "lack"),
    "whole numbers": (lambda arrays: {key: value.astype(np.int8) for key, value in arrays.items()}, "int8"),
    "no updates": (lambda arrays: {"base_model.model.classifier.bias": np.zeros(3, np.float32)}, "no update"),
    "updates of embeddings": (lambda arrays: {**arrays, f"{WORD}.lora_embedding_A": np.zeros((2, 196), np.float32)}, "not read"),
    "more tokens": (lambda arrays: {**arrays, f"{WORD}.weight": np.zeros((200, 16), np.float32)}, "vocabulary"),
    "an unknown array": (lambda arrays: {**arrays, "base_model.model.extra.weight": np.zeros(3, np.float32)}, "extra.weight"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_arrays_that_do_not_fit_are_refused_by_name(what: str, tmp_path: Path) -> None:
    change, message = DAMAGED[what]
    with pytest.raises(PresetError) as raised:
        load_backbone(with_arrays(joined("bert_patterns", tmp_path / "model"), change))
    assert message in f"{raised.value} {raised.value.hint}"


def test_a_head_of_a_language_model_is_not_replaced(tmp_path: Path) -> None:
    folder = joined("gpt2_lm", tmp_path / "model")
    embeddings = read_arrays(folder / "model.safetensors")["wte.weight"]
    with_arrays(folder, lambda arrays: {**arrays, "base_model.model.transformer.wte.weight": embeddings})
    with pytest.raises(PresetError, match="read as one"):
        load_backbone(folder)


@pytest.mark.parametrize("weights", [None, "adapter_model.bin"])
def test_an_adapter_without_readable_weights_is_refused(weights: str | None, tmp_path: Path) -> None:
    folder = joined("bert_patterns", tmp_path / "model")
    (folder / "adapter_model.safetensors").unlink()
    if weights:
        (folder / weights).write_bytes(b"pickle")
    with pytest.raises(PresetError, match="pickle" if weights else r"no adapter_model\.safetensors"):
        load_backbone(folder)


@pytest.mark.parametrize("content", ["{", "[]", "null", "[" * 3000])
def test_a_damaged_config_is_refused(content: str, tmp_path: Path) -> None:
    folder = joined("bert_patterns", tmp_path / "model")
    (folder / "adapter_config.json").write_text(content)
    with pytest.raises(PresetError):
        load_backbone(folder)
    (folder / "config.json").unlink()
    with pytest.raises(PresetError, match="adapter of PEFT alone"):
        find_preset(str(folder))


def test_an_adapter_alone_is_no_preset_and_says_how_to_take_it_over(tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter", base_model_name_or_path="google-bert/bert-base-uncased")
    with pytest.raises(PresetError, match="google-bert/bert-base-uncased") as raised:
        find_preset(str(folder))
    assert "--base" in str(raised.value.hint)


@pytest.mark.parametrize("named", [None, "no/such-model-of-anybody", "/nowhere/at/all", "../gone"])
def test_a_base_that_cannot_be_had_is_asked_for(named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(handle: str) -> str:
        raise OSError("no network")

    monkeypatch.setattr("kerasft.presets._SOURCES", {"huggingface": ("the Hugging Face hub", offline)})
    folder = copied("bert_patterns", tmp_path / "adapter", base_model_name_or_path=named)
    with pytest.raises(PresetError) as raised:
        import_huggingface(str(folder))
    assert "--base" in str(raised.value.hint)
    assert named is None or named in str(raised.value)


def test_a_base_is_for_an_adapter_alone(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="holds no adapter_config"):
        import_huggingface(str(base_of("bert_patterns")), base=str(base_of("bert_patterns")))


def test_an_adapter_of_an_adapter_or_with_other_tokens_is_refused(tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter")
    with pytest.raises(PresetError, match="adapter of its own"):
        import_huggingface(str(folder), base=str(joined("bert_patterns", tmp_path / "model")))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    with pytest.raises(PresetError, match="do_lower_case"):
        import_huggingface(str(folder), base=str(base_of("bert_patterns")))
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    with pytest.raises(PresetError, match="differ in"):
        import_huggingface(str(folder), base=str(base_of("bert_patterns")))


def test_errors_name_the_folder_that_was_given(tmp_path: Path) -> None:
    folder = with_arrays(copied("bert_patterns", tmp_path / "adapter"), _not_a_number)
    with pytest.raises(PresetError) as raised:
        import_huggingface(str(folder), base=str(base_of("bert_patterns")))
    assert str(folder) in str(raised.value.where)


def test_a_classifier_without_the_pooler_that_it_reads_is_refused(tmp_path: Path) -> None:
    folder = copied("bert_own_pooler", tmp_path / "adapter")
    with_arrays(folder, lambda arrays: {key: value for key, value in arrays.items() if "pooler" not in key})
    with pytest.raises(PresetError, match="lack the pooler"):
        import_huggingface(str(folder), base=str(base_of("bert_own_pooler")))


def test_an_adapter_without_a_head_is_used_as_a_preset(tmp_path: Path) -> None:
    folder = copied("bert_rslora_tags", tmp_path / "adapter", task_type="FEATURE_EXTRACTION")
    with pytest.raises(PresetError) as raised:
        import_huggingface(str(folder), base=str(base_of("bert_rslora_tags")))
    assert "preset" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("lost", "named"),
    [("layer.1.", "encoder.layer.1"), ("classifier", "classifier"), ("classifier.bias", "classifier.bias")],
)
def test_arrays_that_the_config_promises_are_missed(lost: str, named: str, tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter")
    with_arrays(folder, lambda arrays: {key: value for key, value in arrays.items() if lost not in key})
    with pytest.raises(PresetError) as raised:
        import_huggingface(str(folder), base=str(base_of("bert_patterns")))
    assert named in str(raised.value)


def test_a_saved_module_that_is_absent_is_missed(tmp_path: Path) -> None:
    folder = copied("bert_cloze", tmp_path / "adapter")
    with_arrays(folder, lambda arrays: {key: value for key, value in arrays.items() if "layer.0.output.LayerNorm" not in key})
    with pytest.raises(PresetError, match=r"encoder\.layer\.0\.output\.LayerNorm"):
        import_huggingface(str(folder), base=str(base_of("bert_cloze")))


@pytest.mark.parametrize("name", ["classifier.dense.weight", "score.weight", "bert.pooler.extra.weight"])
def test_arrays_of_heads_that_are_not_read_are_refused(name: str, tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter")
    with_arrays(folder, lambda arrays: {**arrays, f"base_model.model.{name}": np.zeros((3, 16), np.float32)})
    with pytest.raises(PresetError, match=name):
        import_huggingface(str(folder), base=str(base_of("bert_patterns")))


def test_names_that_the_base_does_not_have_are_passed_over(tmp_path: Path) -> None:
    """PEFT takes lists of names for several families."""
    targets = [*config_of(ADAPTERS["bert_patterns"])["target_modules"], "q_proj", "v_proj"]
    folder = copied("bert_patterns", tmp_path / "adapter", target_modules=targets)
    assert import_huggingface(str(folder), base=str(base_of("bert_patterns"))).labels


def test_without_a_task_the_class_is_that_of_auto_mapping(tmp_path: Path) -> None:
    mapping = {"base_model_class": "BertForTokenClassification", "parent_library": "transformers.models.bert.modeling_bert"}
    folder = copied("bert_rslora_tags", tmp_path / "adapter", task_type=None, auto_mapping=mapping)
    assert import_huggingface(str(folder), base=str(base_of("bert_rslora_tags"))).task.name == "token_classification"


def test_tokenizers_are_compared_whatever_their_files(tmp_path: Path) -> None:
    base = base_of("bert_patterns")
    pieces = (base / "vocab.txt").read_text().split("\n")
    vocabulary = {piece: number for number, piece in enumerate(pieces) if piece}
    folder = copied("bert_patterns", tmp_path / "adapter")
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}))
    assert import_huggingface(str(folder), base=str(base)).labels
    cased = {"model": {"vocab": vocabulary}, "normalizer": {"type": "BertNormalizer", "lowercase": False}}
    (folder / "tokenizer.json").write_text(json.dumps(cased))
    with pytest.raises(PresetError, match="do_lower_case False"):
        import_huggingface(str(folder), base=str(base))
    added = [{"content": "<ent>", "id": len(vocabulary)}]
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": added}))
    with pytest.raises(PresetError, match="<ent>"):
        import_huggingface(str(folder), base=str(base))


def test_a_config_beside_an_adapter_makes_no_model(tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter")
    shutil.copy(base_of("bert_patterns") / "config.json", folder)
    assert import_huggingface(str(folder), base=str(base_of("bert_patterns"))).labels


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    folder = copied("bert_patterns", tmp_path / "adapter")
    (folder / "adapter_model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n")
    with pytest.raises(PresetError, match="Git LFS"):
        import_huggingface(str(folder), base=str(base_of("bert_patterns")))


def test_a_head_of_classes_says_how_it_was_read() -> None:
    model = import_huggingface(str(ADAPTERS["bert_dora"]), base=str(base_of("bert_dora")))
    assert any("one label per text" in note for note in model.recipe["notes"])
