"""Generation against plain loops: without a cache, without a batch, with NumPy in place of the graph."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare

import kerasft as kft
from kerasft.backbones.beam_search import beam_search
from kerasft.backbones.generation import Choice, as_choice, pick
from kerasft.sampling import Sampling
from tests.conftest import BAD, GOOD
from tests.tasks.models import data_of, fit, model_of

TEXTS = [*GOOD[:4], *BAD[:4]]
CONTEXT = 64  # positions of the tiny model
# Of all lengths: none, short, as long as the context, longer; signs of several bytes.
PROMPTS = ["the", "", "a good film and a bad", "Élan 漢字 🙂", "it is not " * 6, "good bad " * 40, "\x00"]


@pytest.fixture(scope="module")
def model(presets: dict[str, str]) -> kft.FineTunedModel:
    """A tiny GPT-2 that has read eight lines often enough to end some texts and not others."""
    data = data_of([{"text": text} for text in TEXTS])
    made = model_of(presets["gpt2"], kft.CausalLM(max_length=32, max_new_tokens=12), data, own_backbone=True)
    return fit(made, data, epochs=120, learning_rate=1e-2)


def next_logits(model: kft.FineTunedModel, rows: list[list[int]]) -> np.ndarray:
    """(B, V) logits after up to eight rows of ids, from the whole texts, by the model that was trained."""
    ids, mask = np.zeros((8, CONTEXT), np.int32), np.zeros((8, CONTEXT), np.int32)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    logits = model.keras_model.predict_on_batch({"token_ids": ids, "padding_mask": mask})
    return np.stack([logits[i, len(row) - 1] for i, row in enumerate(rows)])


def prompt_ids(model: kft.FineTunedModel, prompt: str, new: int) -> list[int]:
    room = CONTEXT - new - 1
    ids = model.framer.tokenize([prompt.encode()]).to_list()[0]
    return [model.framer.end[0], *(ids[-room:] if room else [])]


def by_hand(model: kft.FineTunedModel, prompt: str, new: int, penalty: float = 1.0) -> list[int]:
    """Greedy ids of the new text, recomputing everything for every token (penalty: Keskar et al. 2019, section 4.1)."""
    ids = prompt_ids(model, prompt, new)
    begun = len(ids)
    while len(ids) < begun + new:
        logits = next_logits(model, [ids])[0]
        seen = np.unique(ids)
        logits[seen] = np.where(logits[seen] > 0, logits[seen] / penalty, logits[seen] * penalty)
        token = int(logits.argmax())
        if token == model.framer.end[0]:
            break
        ids.append(token)
    return ids[begun:]


def ids_of(model: kft.FineTunedModel, prompts: list[str], sampling: Sampling) -> list[list[int]]:
    """The ids the generator adds to each prompt."""
    choice = as_choice(sampling, len(prompts))
    state = model.generator.begin([prompt.encode() for prompt in prompts], choice)
    state = model.generator.advance(state, choice, tf.constant(CONTEXT))
    assert state.done.numpy().all()
    rows = zip(state.ids.numpy().tolist(), state.starts.numpy(), state.ends.numpy(), strict=True)
    return [ids[start:end] for ids, start, end in rows]


@pytest.mark.parametrize("new", [1, 10, CONTEXT - 1])
def test_the_cache_changes_nothing(model: kft.FineTunedModel, new: int) -> None:
    prompts = PROMPTS if new < CONTEXT - 1 else ["", "the good"]
    expected = [by_hand(model, prompt, new) for prompt in prompts]
    assert ids_of(model, prompts, Sampling(max_new_tokens=new)) == expected
    if new == 10:
        assert len({len(ids) for ids in expected}) > 1  # some ended by themselves


@pytest.mark.parametrize("penalty", [0.7, 1.3, 5.0])
def test_the_repetition_penalty_is_that_of_the_paper(model: kft.FineTunedModel, penalty: float) -> None:
    prompts = PROMPTS[:4]
    found = ids_of(model, prompts, Sampling(max_new_tokens=8, repetition_penalty=penalty))
    assert found == [by_hand(model, prompt, 8, penalty) for prompt in prompts]
    assert found != ids_of(model, prompts, Sampling(max_new_tokens=8))


DRAWN = {"temperature": 1.2, "seed": 5, "max_new_tokens": 9}


@pytest.mark.parametrize("options", [{"max_new_tokens": 9}, DRAWN], ids=["greedy", "drawn"])
def test_a_prompt_gets_the_same_text_alone_and_in_any_batch(model: kft.FineTunedModel, options: dict[str, Any]) -> None:
    together = model.generate(PROMPTS, **options)
    assert model.generate(PROMPTS[::-1], batch_size=3, **options) == together[::-1]
    assert [model.generate(prompt, **options) for prompt in PROMPTS[:4]] == together[:4]
    assert [made.prompt for made in together] == PROMPTS


def test_the_same_seed_draws_the_same_and_another_draws_another(model: kft.FineTunedModel) -> None:
    texts = [model.generate("the", **{**DRAWN, "seed": seed}).text for seed in (5, 5, 6, 7)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 0.01}], ids=str)
def test_drawing_among_one_is_greedy(model: kft.FineTunedModel, options: dict[str, Any]) -> None:
    drawn = Sampling(**{"temperature": 2.0, "seed": 9, "max_new_tokens": 9, **options})
    assert ids_of(model, PROMPTS, drawn) == ids_of(model, PROMPTS, Sampling(max_new_tokens=9))


def shares_of(logits: np.ndarray, temperature: float, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    """What is drawn from (Holtzman et al. 2020): the likeliest `top_k`, and of all the fewest that reach `top_p`."""
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    before = np.concatenate([[0], np.cumsum(shares[order])[:-1]])
    kept = order[(before < top_p) & (np.arange(len(order)) < (top_k or len(order)))]
    found = np.zeros_like(shares)
    found[kept] = shares[kept]
    return found / found.sum()


def draws(logits: np.ndarray, count: int, **options: Any) -> np.ndarray:
    """The token each of so many seeds picks."""
    choice = as_choice(Sampling(**options), count)._replace(seed=tf.range(count))
    rows = tf.tile(tf.constant(logits, tf.float32)[None], [count, 1])
    return pick(rows, tf.zeros(tf.shape(rows), tf.bool), choice, tf.constant(3)).numpy()


@pytest.mark.parametrize(
    "options",
    [{"temperature": 1.0}, {"temperature": 0.5}, {"temperature": 2.0, "top_k": 5}, {"temperature": 1.0, "top_p": 0.8}],
    ids=str,
)
def test_tokens_are_drawn_as_the_softmax_says(options: dict[str, Any]) -> None:
    logits = 1.5 * np.random.default_rng(0).normal(size=60).astype(np.float32)
    shares = shares_of(logits, **options)
    found = np.bincount(draws(logits, 4000, **options), minlength=len(logits))
    assert not found[shares == 0].any()
    common = shares * 4000 >= 5  # the others together: a chi-square wants five expected of each
    counts, expected = (np.append(x[common], x[~common].sum()) for x in (found, shares * 4000))
    if expected[-1] < 1e-6:
        counts, expected = counts[:-1], expected[:-1]
    assert len(counts) > 2
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


def test_draws_at_neighbouring_places_and_seeds_are_independent() -> None:
    choice = as_choice(Sampling(temperature=1.0), 2000)._replace(seed=tf.range(2000))
    rows, seen = tf.zeros((2000, 2)), tf.zeros((2000, 2), tf.bool)
    one, other = (pick(rows, seen, choice, tf.constant(place)).numpy() for place in (3, 4))
    for a, b in ((one, other), (one[:-1], one[1:]), (one[:-1], other[1:])):
        assert chisquare(np.bincount(2 * a + b, minlength=4)).pvalue > 1e-3


def test_rows_of_a_batch_have_options_of_their_own(model: kft.FineTunedModel) -> None:
    mixed = [
        Sampling(max_new_tokens=5),
        Sampling(max_new_tokens=9, temperature=1.5, seed=3),
        Sampling(max_new_tokens=2, repetition_penalty=3.0),
    ]
    choices = [as_choice(sampling, 1) for sampling in mixed]
    choice = Choice(*(tf.concat(values, axis=0) for values in zip(*choices, strict=True)))
    prompts = PROMPTS[:3]
    state = model.generator.advance(model.generator.begin([p.encode() for p in prompts], choice), choice, tf.constant(CONTEXT))
    rows = zip(state.ids.numpy().tolist(), state.starts.numpy(), state.ends.numpy(), strict=True)
    found = [ids[start:end] for ids, start, end in rows]
    assert found == [ids_of(model, [prompt], sampling)[0] for prompt, sampling in zip(prompts, mixed, strict=True)]


# --- Beam search ---


def log_softmax(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    return (
        values
        - values.max(axis=-1, keepdims=True)
        - np.log(np.exp(values - values.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True))
    )


class Table:
    """Stands in for a generator: what comes next depends on the last token only. Token 0 ends a text."""

    def __init__(self, shares: np.ndarray) -> None:
        self.shares, self._end = shares, 0
        self.searches: dict[Any, Any] = {}
        self._backbone = type("Sizes", (), {"max_length": 32})()

    @tf.autograph.experimental.do_not_convert
    def prompt_ids(self, prompts: tf.Tensor, room: tf.Tensor) -> tf.RaggedTensor:
        return tf.RaggedTensor.from_tensor(tf.zeros([tf.shape(prompts)[0], 1], tf.int32))

    @tf.autograph.experimental.do_not_convert
    def empty_cache(self, rows: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        return tf.zeros([1, 1, rows, 1])

    @tf.autograph.experimental.do_not_convert
    def logits(self, ids: tf.Tensor, cache: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(tf.constant(self.shares, tf.float32), ids), cache


def best_of_all(shares: np.ndarray, new: int, penalty: float) -> tuple[int, ...]:
    """The text of up to `new` tokens with the best log-probability over its length, with its end, to a power."""
    scores: dict[tuple[int, ...], float] = {}
    for long in range(new + 1):
        for text in itertools.product(range(1, len(shares)), repeat=long):
            tokens = (0, *text) if long == new else (0, *text, 0)  # a text that is full was not ended
            total = sum(shares[a, b] for a, b in itertools.pairwise(tokens))
            scores[text] = total / (len(tokens) - 1) ** penalty
    return max(scores, key=lambda text: scores[text])


def beamed(shares: np.ndarray | Table, **options: Any) -> tuple[int, ...]:
    table = shares if isinstance(shares, Table) else Table(shares)
    tf.config.run_functions_eagerly(True)  # for so little, tracing takes longer than searching
    try:
        ids, starts, ends = beam_search(table, tf.constant(["a"]), Sampling(**options))
    finally:
        tf.config.run_functions_eagerly(False)
    return tuple(ids.numpy()[0, starts.numpy()[0] : ends.numpy()[0]].tolist())


def tables() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [log_softmax(1.5 * rng.normal(size=(4, 4)) + np.asarray([1.0, 0, 0, 0])) for _ in range(5)]


@pytest.mark.parametrize("new", [2, 3])
def test_as_many_beams_as_texts_find_the_best_of_all(new: int) -> None:
    found = [beamed(shares, beams=32, length_penalty=0.0, max_new_tokens=new) for shares in tables()]
    assert found == [best_of_all(shares, new, 0.0) for shares in tables()]
    assert len({len(text) for text in found}) > 1


def test_a_full_text_is_divided_by_its_own_length() -> None:
    found = [beamed(shares, beams=32, length_penalty=1.0, max_new_tokens=2) for shares in tables()]
    assert found == [best_of_all(shares, 2, 1.0) for shares in tables()]


def test_few_traced_searches_are_kept() -> None:
    table = Table(tables()[0])
    first = beamed(table, beams=2, max_new_tokens=1)
    for new in range(2, 12):
        beamed(table, beams=2, max_new_tokens=new)
    assert len(table.searches) == 8
    assert beamed(table, beams=2, max_new_tokens=1) == first


def beams_by_hand(model: kft.FineTunedModel, prompt: str, new: int, beams: int) -> list[int]:
    """Beam search with lists, without a cache; the sums of log-probabilities are compared."""
    end = model.framer.end[0]
    begun = prompt_ids(model, prompt, new)
    kept: list[tuple[float, list[int], bool]] = [(0.0, begun, False)]
    for _ in range(new):
        candidates = [beam for beam in kept if beam[2]]
        running = [beam for beam in kept if not beam[2]]
        if running:
            shares = log_softmax(next_logits(model, [ids for _, ids, _ in running]))
            for (score, ids, _), row in zip(running, shares, strict=True):
                for token in np.argsort(-row)[: beams + 1].tolist():
                    ended = token == end
                    candidates.append((score + row[token], ids if ended else [*ids, token], ended))
        kept = sorted(candidates, key=lambda beam: -beam[0])[:beams]
    return kept[0][1][len(begun) :]


@pytest.fixture(scope="module")
def beamed_texts(model: kft.FineTunedModel) -> list[str]:
    """Tracing a beam search takes seconds, so one call serves several tests."""
    return [made.text for made in model.generate(PROMPTS[:4], beams=3, max_new_tokens=6, length_penalty=0.0)]


def test_beams_are_those_of_plain_lists(model: kft.FineTunedModel, beamed_texts: list[str]) -> None:
    for prompt, text in zip(PROMPTS, beamed_texts, strict=False):
        ids = beams_by_hand(model, prompt, 6, 3)
        raw = model.generator.text(tf.constant([ids], tf.int32, (1, len(ids))), tf.constant([0]), tf.constant([len(ids)]))
        assert raw.numpy()[0].decode() == text


def test_beams_search_alone_as_in_a_batch_and_end_before_a_stop_string(
    model: kft.FineTunedModel, beamed_texts: list[str]
) -> None:
    place = max(range(4), key=lambda i: len(beamed_texts[i]))
    text = beamed_texts[place]
    made = model.generate(PROMPTS[place], beams=3, max_new_tokens=6, length_penalty=0.0, stop=text[2:4])
    assert (made.text, made.finish_reason) == (text.partition(text[2:4])[0], "stop")


@pytest.mark.parametrize("beams", [2, 3, 4])
def test_beams_are_never_less_likely_than_the_greedy_text_of_two_tokens(beams: int) -> None:
    """Of two: in longer texts the greedy one may be lost on the way, however many beams there are."""
    for shares in tables():
        first = int(shares[0].argmax())
        greedy = shares[0, first] + (shares[first].max() if first else 0)
        found = (0, *beamed(shares, beams=beams, length_penalty=0.0, max_new_tokens=2), 0)[:3]
        assert sum(shares[a, b] for a, b in itertools.pairwise(found) if (a, b) != (0, 0) or len(found) == 2) >= greedy - 1e-6


def test_a_second_beam_search_of_the_same_options_is_not_traced_again(
    model: kft.FineTunedModel, beamed_texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def traced(*_: Any) -> Any:
        raise AssertionError("traced again")

    monkeypatch.setattr(model.generator, "logits", traced)
    made = model.generate(PROMPTS[:4], beams=3, max_new_tokens=6, length_penalty=0.0)
    assert [one.text for one in made] == beamed_texts


# --- Texts, their ends and their streams ---


def test_texts_end_for_the_reason_that_is_given(model: kft.FineTunedModel) -> None:
    reasons = {made.finish_reason for made in model.generate(PROMPTS, max_new_tokens=12)}
    assert reasons == {"end", "length"}
    full = model.generate("the", max_new_tokens=1)
    assert full.finish_reason == "length"


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0}], ids=str)
def test_a_text_ends_before_its_stop_string(model: kft.FineTunedModel, options: dict[str, Any]) -> None:
    options = {**options, "max_new_tokens": 40}
    whole = model.generate("the", **options)
    assert len(whole.text) > 3
    stop = whole.text[2:4]  # two tokens, perhaps
    cut = model.generate("the", stop=stop, **options)
    assert (cut.text, cut.finish_reason) == (whole.text.partition(stop)[0], "stop")
    assert model.generate("the", stop="never said", **options) == whole
    *_, last = model.stream("the", stop=stop, **options)
    assert last == cut


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "seed": 3}], ids=str)
@pytest.mark.parametrize("prompt", ["the", "", "good bad " * 40])
def test_a_stream_grows_to_the_text(model: kft.FineTunedModel, prompt: str, options: dict[str, Any]) -> None:
    told = list(model.stream(prompt, max_new_tokens=10, **options))
    assert told[-1] == model.generate(prompt, max_new_tokens=10, **options)
    assert all(not made.finish_reason for made in told[:-1])
    for before, after in itertools.pairwise(told):
        assert after.text.startswith(before.text.rstrip("\ufffd"))  # half a character may become a whole one
    assert len(told) > 1


def test_a_prompt_that_is_too_long_loses_its_beginning(model: kft.FineTunedModel) -> None:
    new = 10
    long = "a bad plot. " * 30 + "the good"
    ids = model.framer.tokenize([long.encode()]).to_list()[0]
    pieces = model.framer.family.piece_texts(model.framer.tokenizer)
    kept = b"".join(pieces[i] for i in ids[-(CONTEXT - new - 1) :]).decode()
    assert len(kept) < len(long)
    assert model.generate(long, max_new_tokens=new).text == model.generate(kept, max_new_tokens=new).text


@pytest.mark.parametrize("new", [CONTEXT, 8192])
def test_more_new_tokens_than_positions_are_refused(model: kft.FineTunedModel, new: int) -> None:
    with pytest.raises(kft.ConfigError, match=f"'max_new_tokens' can be at most {CONTEXT - 1}"):
        model.generate("the", max_new_tokens=new)
    with pytest.raises(kft.ConfigError, match="leaves no room for the prompt"):
        model.generate("the", max_new_tokens=CONTEXT - 1)
    assert model.generate("", max_new_tokens=CONTEXT - 1).finish_reason in ("end", "length")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"temperature": -1.0}, "'temperature' must be at least 0"),
        ({"top_p": 0.0, "temperature": 1.0}, "'top_p' must be at least 0.01"),
        ({"max_new_tokens": 0}, "'max_new_tokens' must be at least 1"),
        ({"beams": 2, "temperature": 1.0}, "draws nothing"),
        ({"beams": 2, "repetition_penalty": 2.0}, "knows no 'repetition_penalty'"),
        ({"top_k": 3}, "no meaning when nothing is drawn"),
        ({"stop": ""}, "'stop' must not be empty"),
        ({"tempreature": 1.0}, "did you mean 'temperature'"),
    ],
)
def test_impossible_options_are_refused(model: kft.FineTunedModel, options: dict[str, Any], what: str) -> None:
    with pytest.raises(kft.ConfigError, match=what):
        model.generate("the", **options)


def test_half_a_character_is_one_sign_and_the_rest_of_the_text_stays(model: kft.FineTunedModel) -> None:
    pieces = model.framer.family.piece_texts(model.framer.tokenizer)
    smile = "🙂".encode()
    ids = [pieces.index(bytes([byte])) for byte in (*b"a", *smile, *b"b", *smile[:3], *b"c", *smile[:2])]
    for end in range(len(ids) + 1):
        raw = b"".join(pieces[i] for i in ids[:end])
        text = model.generator.text(tf.constant([ids]), tf.constant([0]), tf.constant([end])).numpy()[0].decode()
        assert text.replace("\ufffd", "") == raw.decode(errors="ignore")
        assert ("\ufffd" in text) == (raw.decode(errors="replace") != raw.decode(errors="ignore"))


def test_the_end_token_is_never_part_of_a_text(model: kft.FineTunedModel) -> None:
    end = model.framer.end[0]
    for ids in ids_of(model, PROMPTS * 10, Sampling(temperature=3.0, max_new_tokens=20)):
        assert end not in ids
