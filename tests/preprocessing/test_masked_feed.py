"""Corpora to batches: windows of documents, hidden tokens with what was there, pairs of neighbours and strangers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kerasft as kft
from kerasft.errors import DataError
from kerasft.model import FineTunedModel
from kerasft.preprocessing.batching import plan_epoch
from kerasft.preprocessing.encoding import Encoded
from kerasft.preprocessing.sentence_pairs import NEXT, NO_PAIR, STRANGER
from kerasft.tasks.masked_lm import MaskedLM
from tests.tasks.models import data_of, model_of

WORDS = ["good", "bad", "great", "awful", "film", "book", "plot", "dull", "fine"]


def corpus(documents: int, sentences: int, seed: int = 0) -> list[dict[str, Any]]:
    """Documents whose sentences name their document and their place, so that pairs can be told."""
    rng = np.random.default_rng(seed)
    made = []
    for d in range(documents):
        lines = [f"{d:02d} {s:02d} {' '.join(rng.choice(WORDS, rng.integers(1, 5)))}" for s in range(sentences)]
        made.append({"text": "\n".join(lines)})
    return made


def encoded_model(presets: dict[str, str], rows: list[dict[str, Any]], **options: Any) -> tuple[FineTunedModel, Encoded]:
    data = data_of(rows, text="text")
    model = model_of(presets["bert"], MaskedLM(**{"max_length": 32, **options}), data)
    split = data["train"]
    return model, model.task.targets(model.encode(split), model.task.gold(split, model.learned), model.learned)


def feed_of(model: FineTunedModel, encoded: Encoded, epoch: int | None = 0, seed: int = 1) -> Any:
    return model.task.feed(encoded, model.framer, seed=seed, epoch=epoch)


def test_every_token_of_a_corpus_is_in_one_window(presets: dict[str, str]) -> None:
    rows = [{"text": "good film " * 40}, {"text": "dull"}, {"text": "a fine book , not bad " * 9}]
    whole = [np.concatenate([*ids]) for ids in ([model_ids(presets, row["text"])] for row in rows)]
    for pack in (False, True):
        model, encoded = encoded_model(presets, rows, pack=pack)
        special = model.framer.special_ids
        assert encoded.lengths.max() <= 32
        ids = np.asarray(encoded.ids)
        np.testing.assert_array_equal(ids[~np.isin(ids, special)], np.concatenate(whole))
        for row in range(len(encoded)):
            window = ids[encoded.offsets[row] : encoded.offsets[row + 1]]
            assert window[0] == model.framer.start[0]
            assert window[-1] == model.framer.end[0]


def model_ids(presets: dict[str, str], text: str) -> np.ndarray:
    import tensorflow as tf

    model = model_of(presets["bert"], MaskedLM(max_length=32), data_of([{"text": "x"}], text="text"))
    return np.asarray(model.framer.tokenize(tf.constant([text])).values.numpy())


def test_packed_windows_are_fewer_and_no_longer_than_allowed(presets: dict[str, str]) -> None:
    rows = [{"text": f"good film {i}"} for i in range(40)]
    _, apart = encoded_model(presets, rows, pack=False)
    _, packed = encoded_model(presets, rows, pack=True)
    assert len(apart) == 40
    assert len(packed) < 10
    assert packed.lengths.max() <= 32
    assert packed.lengths.sum() == apart.lengths.sum()
    assert (np.diff(packed.owners) > 0).all()


@pytest.mark.parametrize("masking", ["token", "whole_word", "span"])
def test_what_is_hidden_is_what_was_there(presets: dict[str, str], masking: str) -> None:
    model, encoded = encoded_model(presets, corpus(12, 5), masking=masking, span_boundary_objective=True, rate=0.3)
    feed = feed_of(model, encoded)
    rows = np.arange(len(encoded))
    plain, _ = feed.plain(rows)
    inputs, targets = feed.batch(rows)
    there = targets["masked"] >= 0
    at = np.take_along_axis(plain["token_ids"], inputs["places"], axis=1)
    np.testing.assert_array_equal(targets["masked"][there], at[there])
    np.testing.assert_array_equal(targets["boundary"], targets["masked"])
    changed = plain["token_ids"] != inputs["token_ids"]
    hidden = np.zeros_like(changed)
    np.put_along_axis(hidden, inputs["places"], there, axis=1)
    hidden[:, 0] = False  # where there is none, the place is 0
    assert not (changed & ~hidden).any()
    assert (inputs["left"] < inputs["places"])[there].all()
    assert (inputs["right"] > inputs["places"])[there].all()
    drawn = feed.masks(rows, plain)
    for name, edge in (("left", -1), ("right", 0)):  # the boundary tokens are not of the span
        wanted = np.take_along_axis(drawn["starts" if name == "left" else "stops"], inputs["places"], axis=1) + edge
        np.testing.assert_array_equal(inputs[name][there], wanted[there])


def test_masks_belong_to_rows_and_epochs_not_to_batches(presets: dict[str, str]) -> None:
    model, encoded = encoded_model(presets, corpus(12, 5), rate=0.3)
    rows = np.arange(len(encoded))

    def masked(feed: Any, rows: np.ndarray) -> dict[int, list[int]]:
        ids, mask = (feed(rows)[name] for name in ("token_ids", "padding_mask"))
        return {int(row): ids[i][mask[i] > 0].tolist() for i, row in enumerate(rows)}

    first = masked(feed_of(model, encoded), rows)
    for part in plan_epoch(encoded.lengths, 3, seed=5, epoch=4):
        assert masked(feed_of(model, encoded), part) == {int(row): first[int(row)] for row in part}
    assert masked(feed_of(model, encoded, epoch=1), rows) != first
    assert masked(feed_of(model, encoded, seed=2), rows) != first
    evaluation = masked(feed_of(model, encoded, None, seed=0), rows)
    assert evaluation == masked(feed_of(model, encoded, None, seed=0), rows)


def test_an_evaluation_gives_the_targets_among_the_inputs(presets: dict[str, str]) -> None:
    model, encoded = encoded_model(presets, corpus(4, 4), next_sentence=True, span_boundary_objective=True)
    given = feed_of(model, encoded, None)(np.arange(2))
    assert set(given) == set(model.scorer.input)
    assert set(feed_of(model, encoded, 0)(np.arange(2))) == set(model.keras_model.input)


def test_half_of_the_pairs_follow_and_the_others_are_of_another_document(presets: dict[str, str]) -> None:
    model, encoded = encoded_model(presets, corpus(20, 30), next_sentence=True, max_length=48)
    rows = np.arange(len(encoded))
    pieces = model.framer.pieces
    kinds = []
    for epoch in range(30):
        inputs, targets = feed_of(model, encoded, epoch).plain(rows)
        kinds.append(targets)
        for i in range(0, len(rows), 7):
            ids = inputs["token_ids"][i][inputs["padding_mask"][i] > 0]
            segments = inputs["segment_ids"][i][inputs["padding_mask"][i] > 0]
            assert len(ids) <= 48
            text = [pieces[number] for number in ids]
            assert text[0] == "[CLS]"
            assert text[-1] == "[SEP]"
            first, second = (
                " ".join(token for token, kind in zip(text, segments, strict=True) if kind == part and token[0] != "[")
                for part in (0, 1)
            )
            documents = [part.replace(" ##", "")[:2] for part in (first, second)]
            if targets[i] == NEXT:
                assert documents[0] == documents[1]
                last, following = (sentence_numbers(part) for part in (first, second))
                assert following[0] == last[-1] + 1
            elif targets[i] == STRANGER:
                assert documents[0] != documents[1]
    drawn = np.concatenate(kinds)
    pairs = drawn[drawn != NO_PAIR]
    assert len(pairs) > 1000
    assert abs((pairs == NEXT).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(pairs))


def sentence_numbers(text: str) -> list[int]:
    """Sentences are written `document sentence words`, each number as two digits."""
    tokens = text.replace(" ##", "").split()
    return [int(tokens[i + 1]) for i in range(len(tokens) - 1) if tokens[i].isdigit() and tokens[i + 1].isdigit()]


@pytest.mark.parametrize(
    "rows", [[{"text": "one line only"}], [{"text": "good film. bad film.\nfine"}], [{"text": "good"}, {"text": "bad"}]]
)
def test_next_sentences_need_documents_of_several_sentences(presets: dict[str, str], rows: list[dict[str, Any]]) -> None:
    with pytest.raises(DataError, match="at least two documents, and some of several sentences"):
        encoded_model(presets, rows, next_sentence=True)


def test_a_sentence_longer_than_a_window_is_cut_not_dropped(presets: dict[str, str]) -> None:
    rows = [{"text": "good film " * 60 + ". Bad book."}, {"text": "Fine. Dull."}]
    _, encoded = encoded_model(presets, rows, next_sentence=True)
    assert encoded.lengths.max() <= 29
    assert encoded.lengths.sum() == len(encoded.ids)


def test_texts_of_another_script_are_refused_or_told_of(presets: dict[str, str], tmp_path: Any) -> None:
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    with pytest.raises(DataError, match="knows none of the"):
        kft.finetune(presets["bert"], kft.load_data([{"text": "漢字仮名 🙂"}] * 8), MaskedLM(), train=train, out=tmp_path / "a")
    told: list[Any] = []
    rows = [{"text": f"漢 字 good {i}"} for i in range(20)]
    kft.finetune(presets["bert"], kft.load_data(rows), MaskedLM(), train=train, out=tmp_path / "b", on_event=told.append)
    assert any("of the tokens are unknown" in getattr(event, "message", "") for event in told)


def test_a_text_without_a_gap_is_refused(presets: dict[str, str]) -> None:
    model, _ = encoded_model(presets, corpus(2, 2))
    with pytest.raises(DataError, match="has no gap"):
        model.predict(["a [MASK] film", "a film"])
    with pytest.raises(kft.ConfigError, match="no single score to explain"):
        model.explain("a [MASK] film")


def test_gaps_far_into_a_long_text_are_seen(presets: dict[str, str]) -> None:
    model, _ = encoded_model(presets, corpus(2, 2))
    text = "good film " * 50 + "[MASK]" + " bad book" * 50 + " [MASK]"
    filled = model.predict(text)
    assert [len(gap) for gap in filled.gaps] == [5, 5]
    assert str(filled).count("[MASK]") == 0
    assert all(token[0] != "[" for gap in filled.gaps for token, _ in gap)


def test_pairs_fit_where_positions_are_no_multiple_of_eight(presets: dict[str, str]) -> None:
    model, encoded = encoded_model(presets, corpus(6, 9), next_sentence=True, max_length=44)
    inputs, _ = feed_of(model, encoded).plain(np.arange(len(encoded)))
    assert inputs["token_ids"].shape[1] <= 44


def test_a_held_out_split_of_one_document_has_no_pairs_and_ends_no_run(presets: dict[str, str], tmp_path: Any) -> None:
    data = kft.load_data({"train": corpus(6, 4), "validation": corpus(1, 4, seed=5)}, validation=0, text="text")
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    model = kft.finetune(presets["bert"], data, MaskedLM(next_sentence=True, max_length=32), train=train, out=tmp_path / "run")
    assert "next_sentence_accuracy" not in model.recipe["history"][-1]  # there is nothing to tell
    assert model.recipe["history"][-1]["loss"] > 0


def test_figures_belong_to_the_rows_whose_tokens_were_hidden_packed_or_not(presets: dict[str, str]) -> None:
    rows = [{"text": "good film " * (1 + i % 5), "language": "xy"[i % 2]} for i in range(30)]
    data = data_of(rows, text="text")
    models = [model_of(presets["bert"], MaskedLM(max_length=32, pack=pack), data) for pack in (True, False)]
    reports = [model.evaluate(data["train"], by="language") for model in models]
    assert reports[0].groups == reports[1].groups
    assert reports[0].metrics == reports[1].metrics


def test_columns_of_a_usual_name_have_no_role(presets: dict[str, str], reviews: Any, tmp_path: Any) -> None:
    train = kft.TrainConfig(epochs=1, tensorboard=False)
    model = kft.finetune(presets["bert"], str(reviews), MaskedLM(max_length=32), train=train, out=tmp_path / "run")
    assert model.columns.label is None
    (tmp_path / "held.txt").write_text("a good film\n\nit is dull\n")
    assert model.evaluate(str(tmp_path / "held.txt")).examples == 2


def test_rows_without_a_gap_are_given_one_for_the_proof_of_an_export(presets: dict[str, str], tmp_path: Any) -> None:
    model, _ = encoded_model(presets, corpus(4, 2))
    path = model.export(tmp_path / "1")
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert serve(text=tf.constant(["no gap", "none"]))["tokens"].shape[:2] == (2, 0)
    told = model.replay(path, [{"text": "a good film"}, {"text": "it [MASK] dull [MASK]"}])
    assert told.passed
    assert told.rows == 2
    assert model.task.plain("a good film") == "a [MASK] film"
