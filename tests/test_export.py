"""A finished model used, exported, saved and loaded: what it answers, what it refuses, what is left behind."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kerasft as kft
from kerasft import export as exporting
from kerasft.artifact import FORMAT
from kerasft.export import TEXT_OPERATIONS, Replay, check_operations, operations, zip_export
from kerasft.model import FineTunedModel, load
from kerasft.recipe import RunConfig
from kerasft.run import start
from tests.conftest import BAD, GOOD, write_reviews

TEXTS = [*GOOD, *BAD, "", "élan 漢字 🙂 " * 30, "GOOD\tfilm\n"]
FAST = {"epochs": 1, "batch_size": 8, "tensorboard": False}


@pytest.fixture(scope="module")
def model(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> FineTunedModel:
    """One BERT, trained for an epoch."""
    root = tmp_path_factory.mktemp("model")
    data = kft.DataConfig(path=str(write_reviews(root / "reviews.csv")))
    return start(RunConfig(preset=presets["bert"], data=data, train=kft.TrainConfig(**FAST)), root / "reviews")


@pytest.fixture(scope="module")
def pairs(presets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> FineTunedModel:
    """One GPT-2 of pairs, hardly trained: what it answers does not matter."""
    rows = [{"premise": f"film {i}", "hypothesis": f"book {i % 3}", "label": "yn"[i % 2]} for i in range(8)]
    run = RunConfig(preset=presets["gpt2"], train=kft.TrainConfig(**FAST))
    return start(run, tmp_path_factory.mktemp("pairs") / "run", dataset=kft.load_data(rows, validation=0))


@pytest.fixture(scope="module")
def exported(model: FineTunedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.export(tmp_path_factory.mktemp("reviews") / "serving" / "1")


@pytest.fixture(scope="module")
def exported_pairs(pairs: FineTunedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pairs.export(tmp_path_factory.mktemp("pairs") / "serving" / "1")


# --- The SavedModel ---


def test_an_export_is_not_overwritten_unasked(exported: Path, model: FineTunedModel) -> None:
    before = (exported / "saved_model.pb").read_bytes()
    with pytest.raises(kft.RunExistsError, match="already holds an export") as error:
        model.export(exported)
    assert "overwrite=True" in str(error.value)
    assert (exported / "saved_model.pb").read_bytes() == before


def test_overwriting_replaces_the_whole_folder(model: FineTunedModel, tmp_path: Path) -> None:
    path = tmp_path / "1"
    path.mkdir()
    for name in ("old file", "saved_model.pb"):
        (path / name).write_text("x")
    assert model.export(path, overwrite=True) == path
    assert sorted(p.name for p in path.iterdir()) == [
        "SHA256SUMS",
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert path.stat().st_mode & 0o777 == 0o755  # another user, such as the server's, can read it
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_a_failed_export_leaves_no_folder_and_the_old_export(
    exported: Path, model: FineTunedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(module: Any, path: str, **_: Any) -> None:
        (Path(path) / "saved_model.pb").write_text("half of it")
        raise kft.ExportError("no")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    before = (exported / "saved_model.pb").read_bytes()
    with pytest.raises(kft.ExportError):
        model.export(exported, overwrite=True)
    with pytest.raises(kft.ExportError):
        model.export(exported.parent / "2")
    assert [path.name for path in exported.parent.iterdir()] == ["1"]
    assert (exported / "saved_model.pb").read_bytes() == before


def test_the_graph_holds_only_what_a_stock_server_has(exported: Path, exported_pairs: Path) -> None:
    core = {name.lower() for name in dir(tf.raw_ops)}
    found = {name for name in operations(exported) if name.lower() not in core}
    assert found == {"NormalizeUTF8", "RegexSplitWithOffsets", "FastWordpieceTokenizeWithOffsets"}
    assert found <= TEXT_OPERATIONS
    # GPT-2's byte pairs are merged with lookups alone; its words are cut by TF-Text.
    assert {name for name in operations(exported_pairs) if name.lower() not in core} == {"RegexSplitWithOffsets"}


def test_a_python_function_in_the_graph_is_found(tmp_path: Path) -> None:
    import tensorflow as tf

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32)])
        def __call__(self, x: Any) -> Any:
            return tf.map_fn(lambda one: tf.py_function(lambda value: value, [one], tf.float32), x)  # inside a loop's body

    module = Module()
    tf.saved_model.save(module, str(tmp_path), signatures=module.__call__)
    with pytest.raises(kft.ExportError, match="lacks the operations EagerPyFunc"):
        check_operations(tmp_path)


def test_an_operation_of_tf_text_off_the_list_is_found(tmp_path: Path) -> None:
    import tensorflow as tf
    import tensorflow_text as tf_text

    module = tf.Module()
    strings = [tf.TensorSpec((None,), tf.string)]
    signature = tf.function(lambda x: {"ids": tf_text.WhitespaceTokenizer().tokenize(x).values}, input_signature=strings)
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    with pytest.raises(kft.ExportError, match=r"lacks the operations TFText>WhitespaceTokenize"):
        check_operations(tmp_path)


def test_the_weights_are_stored_once_and_without_the_optimizer(exported: Path, model: FineTunedModel) -> None:
    import tensorflow as tf

    assert model.keras_model.optimizer.variables  # the model has one, three times the size of the weights
    stored = dict(tf.train.list_variables(str(exported / "variables" / "variables")))
    del stored["_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert sorted(map(tuple, stored.values())) == sorted(tuple(variable.shape) for variable in model.keras_model.weights)
    # And as variables only: a copy in the graph, as a constant, would be as large again.
    assert max(_constants(exported), default=0) < max(variable.numpy().nbytes for variable in model.keras_model.weights)


def _constants(path: Path) -> Iterator[int]:
    """Bytes of each constant in a SavedModel's functions."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        yield from (node.attr["value"].tensor.ByteSize() for node in function.node_def if node.op == "Const")


def test_the_signature_of_a_single_text(exported: Path, model: FineTunedModel) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported))  # its signatures live as long as it does
    serve = loaded.signatures["serving_default"]
    inputs = serve.structured_input_signature[1]
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in inputs.items()} == {"text": ([None], tf.string)}
    outputs = serve(text=tf.constant(TEXTS))
    assert set(outputs) == {"label", "score", "labels", "probabilities"}
    assert [label.decode() for label in outputs["labels"][0].numpy()] == ["bad", "good"]
    np.testing.assert_allclose(outputs["probabilities"].numpy().max(axis=1), outputs["score"].numpy())
    assert outputs["probabilities"].shape == (len(TEXTS), 2)


def test_many_texts_at_once_are_computed_in_parts(exported: Path, model: FineTunedModel) -> None:
    texts = (TEXTS * 20)[:150]
    told = exporting.replay(exported, {"text": texts}, [model.task.expect(answer) for answer in model.predict(texts)])
    assert told.passed, told
    served = tf.saved_model.load(exported).signatures["serving_default"]
    loops = [f for f in served.graph.as_graph_def().library.function if any(n.op == "BatchMatMulV2" for n in f.node_def)]
    assert loops  # the blocks stand inside the loop's body


def test_the_signature_of_pairs(pairs: FineTunedModel, exported_pairs: Path) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported_pairs))
    serve = loaded.signatures["serving_default"]
    assert set(serve.structured_input_signature[1]) == {"text", "text_pair"}
    firsts, seconds = ["film 1", "", "good " * 60], ["book", "a", "bad " * 50]
    outputs = serve(text=tf.constant(firsts), text_pair=tf.constant(seconds))
    answers = pairs.predict(list(zip(firsts, seconds, strict=True)))
    expected = [list(answer.probabilities.values()) for answer in answers]
    np.testing.assert_allclose(outputs["probabilities"].numpy(), expected, atol=1e-5)


def test_a_fresh_process_answers_alike_and_needs_nothing_of_ours(
    exported: Path, model: FineTunedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[dict[str, Any]] = []
    run = subprocess.run

    def watched(command: list[str], **options: Any) -> Any:
        done = run(command, **options)
        written.append(json.loads(Path(command[-1]).read_text(encoding="utf-8")))
        return done

    monkeypatch.setattr(exporting.subprocess, "run", watched)
    rows = [{"text": text} for text in TEXTS * 5]
    outcome = model.replay(exported, rows, most=40)
    assert outcome.passed
    assert outcome.rows == outcome.equal_rows == 40  # more than the process answers at once
    assert written[0]["foreign_modules"] == []


def test_a_replay_notices_a_model_that_is_not_the_exported_one(exported: Path, model: FineTunedModel) -> None:
    bias = next(v for v in model.keras_model.weights if v.path.endswith("logits/bias"))
    before = bias.numpy()
    try:
        bias.assign(before + np.array([0.01, 0.0], np.float32))
        outcome = model.replay(exported, [{"text": text} for text in TEXTS])
    finally:
        bias.assign(before)
    assert not outcome.passed
    assert outcome.largest_difference == pytest.approx(0.01 / 4, rel=0.3)  # softmax of two near-equal logits


def test_a_replay_passes_only_when_labels_and_probabilities_agree() -> None:
    assert Replay(10, 10, 1e-6).passed
    assert not Replay(10, 9, 0.0).passed
    assert not Replay(10, 10, 1e-4).passed
    assert str(Replay(1000, 999, 0.25)) == "999 of 1,000 answers equal, largest difference of a number 2.5e-01"


def test_a_folder_that_does_not_load_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "not_loadable.py").write_text("import sys\nsys.exit('line one\\nno such model')\n")
    monkeypatch.setattr(exporting.replay_script, "__file__", str(tmp_path / "not_loadable.py"))
    with pytest.raises(kft.ExportError, match="holds no export"):
        exporting.replay(tmp_path / "1", {"text": ["a"]}, [{"label": "x"}])
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    with pytest.raises(kft.ExportError, match="does not load in a fresh process:\nline one\nno such model") as error:
        exporting.replay(tmp_path / "1", {"text": ["a"]}, [{"label": "x"}])
    assert str(tmp_path / "1") in str(error.value)


def test_the_zip_unpacks_to_the_version_number(exported: Path) -> None:
    packed = zip_export(exported)
    assert packed == exported.parent / f"{exported.parent.parent.name}-serving-1.zip"
    names = zipfile.ZipFile(packed).namelist()
    assert {name.split("/")[0] for name in names} == {"1"}
    assert {"1/saved_model.pb", "1/variables/variables.index"} <= set(names)
    assert zip_export(exported) == packed  # again, over the first
    assert sorted(path.name for path in exported.parent.iterdir()) == ["1", packed.name]
    packed.unlink()


# --- Saving and loading ---


@pytest.fixture
def saved(model: FineTunedModel, tmp_path: Path) -> Path:
    """A copy of the run's folder, to spoil."""
    assert model.folder is not None
    copy = tmp_path / "copy"
    shutil.copytree(model.folder, copy)
    return copy


def test_saved_and_loaded_it_answers_the_same(model: FineTunedModel, tmp_path: Path) -> None:
    kept = model.folder
    try:
        folder = model.save(tmp_path / "a" / "b")
    finally:
        model.folder = kept
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "run.json", "tokenizer"]
    loaded = load(str(folder))
    assert loaded.folder == folder
    assert (loaded.learned, loaded.columns) == (model.learned, model.columns)
    one, other = loaded.predict(TEXTS), model.predict(TEXTS)
    assert [answer.label for answer in one] == [answer.label for answer in other]
    np.testing.assert_allclose([answer.score for answer in one], [answer.score for answer in other], rtol=1e-6)


def change_recipe(folder: Path, **values: Any) -> None:
    recipe = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    recipe["model"] = {**recipe["model"], **values}
    (folder / "run.json").write_text(json.dumps(recipe), encoding="utf-8")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run.json": (lambda f: (f / "run.json").unlink(), "holds no KerasFT run"),
    "no folder": (shutil.rmtree, "holds no KerasFT run"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no model yet"),
    "only prepared": (lambda f: (f / "run.json").write_text('{"preset": "x"}'), "has no model yet"),
    "newer format": (
        lambda f: change_recipe(f, format=FORMAT + 1),
        f"is of format {FORMAT + 1}; this version reads up to {FORMAT}",
    ),
    "cut weights": (lambda f: cut(f / "model.safetensors"), "is damaged"),
    "no weights in the file": (lambda f: (f / "model.safetensors").write_bytes(b""), "is damaged"),
    "empty run.json": (lambda f: (f / "run.json").write_text(""), "is not valid JSON"),
    "cut run.json": (lambda f: (f / "run.json").write_text('{"model": {"for'), "is not valid JSON"),
    "run.json not text": (lambda f: (f / "run.json").write_bytes(b"\xff\xfe"), "cannot be read as JSON"),
    "run.json a list": (lambda f: (f / "run.json").write_text("[1, 2]"), "holds no run"),
    "model not an object": (lambda f: (f / "run.json").write_text('{"model": 3}'), "holds no run"),
    "no labels": (lambda f: change_recipe(f, labels=None), "lacks or misstates"),
    "other labels": (lambda f: change_recipe(f, labels=["a", "b", "c"]), "weights are not those of this model"),
    "odd columns": (lambda f: change_recipe(f, columns={"words": "text"}), "lacks or misstates"),
    "task not an object": (lambda f: change_recipe(f, task="x"), "lacks or misstates"),
    "unknown task": (lambda f: change_recipe(f, task={"name": "mind_reading"}), "no task named 'mind_reading'"),
    "unknown option": (lambda f: change_recipe(f, tuning={"name": "full", "depth": 3}), "no option 'depth'"),
    "unknown family": (lambda f: change_recipe(f, family="bart"), "no backbone family named 'bart'"),
    "odd backbone": (lambda f: change_recipe(f, backbone={"layers": 2}), "lacks or misstates"),
    "other sizes": (lambda f: change_backbone(f, intermediate_dim=64), "weights are not those of this model"),
    "impossible sizes": (lambda f: change_backbone(f, hidden_dim=-16), "no whole number from 1 on"),
    "backbone not an object": (lambda f: change_recipe(f, backbone=[1]), "lacks or misstates"),
    "format not a number": (lambda f: change_recipe(f, format="2"), "is of format 2"),
    "no tokenizer": (lambda f: shutil.rmtree(f / "tokenizer"), "tokenizer"),
    "no vocabulary": (lambda f: (f / "tokenizer" / "vocabulary.txt").unlink(), "vocabulary.txt"),
    "other vocabulary": (lambda f: (f / "tokenizer" / "vocabulary.txt").write_text("a\nb\n"), "cannot be built again"),
    "damaged tokenizer": (lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{"), "is not valid JSON"),
    "odd tokenizer": (lambda f: (f / "tokenizer" / "tokenizer.json").write_text('{"upper": 1}'), "lacks or misstates"),
}


def change_backbone(folder: Path, **values: Any) -> None:
    recipe = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    change_recipe(folder, backbone={**recipe["model"]["backbone"], **values})


# What is said instead where run.json has the size and the SHA-256 of the files.
RECORDED = {
    "cut weights": "model.safetensors has .* bytes, and .* were written",
    "no weights in the file": "model.safetensors has 0 bytes, and .* were written",
    "other vocabulary": "vocabulary.txt has 4 bytes, and .* were written",
    "damaged tokenizer": "tokenizer.json has 1 bytes, and .* were written",
    "odd tokenizer": "tokenizer.json has 12 bytes, and .* were written",
}


@pytest.mark.parametrize("recorded", [True, False], ids=["files recorded", "of an earlier version"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_one_clear_error(saved: Path, damage: str, recorded: bool) -> None:
    spoil, said = DAMAGE[damage]
    if recorded:
        said = RECORDED.get(damage, said)
    else:
        change_recipe(saved, files={})
    spoil(saved)
    with pytest.raises((kft.ArtifactError, kft.ConfigError), match=said) as error:
        load(saved)
    assert error.type in (kft.ArtifactError, kft.ConfigError)


def test_a_missing_vocabulary_of_gpt2_is_told(pairs: FineTunedModel, tmp_path: Path) -> None:
    assert pairs.folder is not None
    shutil.copytree(pairs.folder, tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(kft.ArtifactError, match=r"merges\.txt"):
        load(tmp_path / "copy")


# --- Predicting ---


def test_one_text_gives_one_answer_and_a_list_a_list(model: FineTunedModel) -> None:
    one = model.predict(TEXTS[0])
    assert one.label in ("bad", "good")
    assert one.score == max(one.probabilities.values())
    assert list(one.probabilities) == ["bad", "good"]
    assert sum(one.probabilities.values()) == pytest.approx(1)
    many = model.predict(TEXTS)
    assert len(many) == len(TEXTS)
    assert many[0].score == pytest.approx(one.score, abs=1e-6)
    assert model.predict([]) == []
    again = model.predict(text for text in reversed(TEXTS))  # another order, other batches, a generator
    np.testing.assert_allclose([a.score for a in reversed(again)], [a.score for a in many], atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([3], "Item 0 is of type int: '3'"),
        (["a", None], "Item 1 is of type NoneType"),
        (["a", b"b"], "Item 1 is of type bytes"),
        ([("a", "b")], "Item 0 is of type tuple"),
        ([["a"]], "Item 0 is of type list"),
        (7, "reads texts. Received: int"),
        (None, "reads texts. Received: NoneType"),
        (b"good film", "reads texts. Received: bytes"),
        ({"text": "good film"}, "reads texts. Received: dict"),
    ],
)
def test_what_is_no_text_is_refused(model: FineTunedModel, texts: Any, said: str) -> None:
    with pytest.raises(kft.DataError, match=said):
        model.predict(texts)


def test_pairs_are_answered_alone_and_in_lists(pairs: FineTunedModel) -> None:
    one = pairs.predict(("film 1", "book 2"))
    assert one.label in ("n", "y")
    many = pairs.predict([("film 1", "book 2"), ["film 1", "book 2"]])
    np.testing.assert_allclose([answer.score for answer in many], one.score, atol=1e-6)
    other = pairs.predict([("film 1", "awful")])[0]
    assert abs(other.score - one.score) > 1e-6  # the second text is read


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("film", "reads pairs. Item 0 is 'film'"),
        (["film", "book"], "reads pairs. Item 0 is 'film'"),
        ([("a", "b"), "film"], "Item 1 is 'film'"),
        ([("a",)], "Item 0"),
        ([("a", "b", "c")], "Item 0"),
        ([("a", None)], "Item 0"),
        (("a", None), "reads pairs"),
        ((), None),
        (5, "reads pairs. Received: int"),
    ],
)
def test_what_is_no_pair_is_refused(pairs: FineTunedModel, texts: Any, said: str | None) -> None:
    if said is None:
        assert pairs.predict(texts) == []
        return
    with pytest.raises(kft.DataError, match=said):
        pairs.predict(texts)


# --- Files ---


def write_csv(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or []), rows


def test_a_files_rows_are_answered_beside_their_own_columns(
    model: FineTunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a good film", "", "awful, dull\nbook", "   ", '"quoted" 漢字']
    source = write_csv(tmp_path / "in.csv", ["id", "text", "note"], *([str(i), t, f"n{i}, x"] for i, t in enumerate(texts)))
    monkeypatch.setattr("kerasft.bulk._STREAM", 2)
    told: list[int] = []
    out = tmp_path / "out.csv"
    assert model.predict_file(source, out, progress=told.append) == 5
    assert told == [2, 4, 5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    names, rows = read_csv(out)
    assert names == ["id", "text", "note", "predicted_label", "score", "probability_bad", "probability_good", "kerasft_note"]
    assert [row["id"] for row in rows] == list("01234")
    assert [row["note"] for row in rows] == [f"n{i}, x" for i in range(5)]
    assert [rows[i]["text"] for i in (0, 2, 4)] == [texts[i] for i in (0, 2, 4)]
    for text, row in zip(texts, rows, strict=True):
        if not text.strip():
            assert [row[name] for name in names[3:-1]] == [""] * 4
            assert row["kerasft_note"] == "no text"
            continue
        answer = model.predict(text)
        assert row["predicted_label"] == answer.label
        assert float(row["score"]) == pytest.approx(answer.score, abs=2e-6)
        assert float(row["probability_good"]) == pytest.approx(answer.probabilities["good"], abs=2e-6)


def test_a_file_whose_text_has_another_name_is_answered(model: FineTunedModel, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ["words", "text", "label"], ["a good film", "not this one", "?"])
    model.predict_file(source, tmp_path / "out.csv", text="words")
    _, rows = read_csv(tmp_path / "out.csv")
    assert float(rows[0]["score"]) == pytest.approx(model.predict("a good film").score, abs=2e-6)
    assert rows[0]["label"] == "?"  # a label there is neither needed nor looked at
    with pytest.raises(kft.DataError, match=r"'review' \(text\)"):
        model.predict_file(source, tmp_path / "out2.csv", text="review")
    assert not (tmp_path / "out2.csv").exists()


def test_predicting_a_file_of_pairs(pairs: FineTunedModel, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ["hypothesis", "premise"], ["book 2", "film 1"], ["", "film 1"])
    assert pairs.predict_file(source, tmp_path / "out.csv") == 2
    _, rows = read_csv(tmp_path / "out.csv")
    expected = [pairs.predict(("film 1", "book 2")).score, pairs.predict(("film 1", "")).score]
    assert [float(row["score"]) for row in rows] == pytest.approx(expected, abs=2e-6)
    single = write_csv(tmp_path / "single.csv", ["premise"], ["film 1"])
    with pytest.raises(kft.DataError, match=r"'hypothesis' \(text_pair\)"):
        pairs.predict_file(single, tmp_path / "out.csv")


def test_a_failure_in_the_middle_leaves_the_old_output(model: FineTunedModel, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ["text"], ["a good film"], ["a bad film"])
    out = tmp_path / "out.csv"
    out.write_text("before")

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.predict_file(source, out, progress=fail)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_evaluating_a_file_counts_its_rows(model: FineTunedModel, tmp_path: Path) -> None:
    rows = [[text, label] for text, label in [*((t, "good") for t in GOOD), *((t, "bad") for t in BAD)]]
    source = write_csv(tmp_path / "test.csv", ["text", "label"], *rows, ["", "good"], ["no label", ""])
    report = model.evaluate(source)
    assert report.examples == 12
    right = [model.predict(text).label == label for text, label in rows]
    assert report.metrics["accuracy"] == pytest.approx(np.mean(right))
    assert report.baseline["accuracy"] == pytest.approx(0.5)
    assert len(report.notes) == 2
    for mistake in report.worst:
        assert [mistake.text, mistake.label] == rows[mistake.row - 2]  # row 1 is the header


def test_labels_the_model_has_never_seen_are_told_with_their_rows(model: FineTunedModel, tmp_path: Path) -> None:
    source = write_csv(
        tmp_path / "test.csv", ["text", "label"], ["a film", "good"], ["b film", "gud"], ["c film", "bad"], ["d film", "Bad"]
    )
    with pytest.raises(kft.DataError, match=r"2 values the model has never seen: 'gud', 'Bad'") as error:
        model.evaluate(source)
    assert "test.csv" in str(error.value)
    assert "rows 3, 5" in str(error.value)


def test_when_no_row_has_a_known_label_there_is_nothing_to_evaluate(model: FineTunedModel, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "test.csv", ["text", "label"], ["a film", "x"], ["b film", "y"])
    kept = model.task
    model.task = kft.TextClassification(drop_unknown=True)
    try:
        with pytest.raises(kft.DataError, match="No row has a label the model knows"):
            model.evaluate(source)
    finally:
        model.task = kept
    with pytest.raises(kft.DataError, match="No row has both a text and a label"):
        model.evaluate(write_csv(tmp_path / "empty.csv", ["text", "label"], ["a film", ""], ["", "good"]))


def test_rows_without_a_label_column_cannot_be_evaluated(model: FineTunedModel, tmp_path: Path) -> None:
    with pytest.raises(kft.DataError, match="label"):
        model.evaluate(write_csv(tmp_path / "in.csv", ["text"], ["a good film"], ["another film"]))


def test_an_empty_batch_is_served(model: FineTunedModel, tmp_path: Path) -> None:
    import tensorflow as tf

    serve = tf.saved_model.load(str(model.export(tmp_path / "1"))).signatures["serving_default"]
    assert serve(text=tf.constant([], tf.string))["probabilities"].shape == (0, 2)
