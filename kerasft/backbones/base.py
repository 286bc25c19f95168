"""What every backbone family offers: loading, its layers as parts, wiring them into a graph, framing token ids."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasft.backbones.sentence_modules import DenseModule, dense_arrays
from kerasft.config import Registry
from kerasft.errors import PresetError
from kerasft.weights import fingerprint

FAMILIES: Registry[Family] = Registry("backbone family", "kerasft.backbones")
UNTRAINED = "untrained"  # in a config: the weights are random


@dataclass
class Parts:
    """The layers of a backbone, by role. Tuning methods replace or freeze them before they are wired.

    Attributes:
        token_embedding: Ids -> vectors.
        position_embedding: Adds where a token stands.
        blocks: The Transformer blocks, first to last.
        segment_embedding: First or second text (BERT), or None.
        embeddings_norm: Normalisation after the embeddings (BERT), or None.
        embeddings_dropout: Dropout after the embeddings, or None.
        final_norm: Normalisation after the last block (GPT-2), or None.
        pooler: Dense layer on the first token (BERT), or None.
        lm_head: What BERT's pre-trained masked-LM head does before the tied embedding, or None; the task's to train.
        lm_bias: (vocabulary,) bias of that head, as loaded, or None.
        prompt: `layers.additions.SoftPrompt` before the text's vectors, or None.
        dense: Layers on the pooled vector that a checkpoint was trained with; see `sentence_modules`.
    """

    token_embedding: Any
    position_embedding: Any
    blocks: list[Any]
    segment_embedding: Any = None
    embeddings_norm: Any = None
    embeddings_dropout: Any = None
    final_norm: Any = None
    pooler: Any = None
    lm_head: Any = None
    lm_bias: Any = None
    prompt: Any = None
    dense: list[Any] = field(default_factory=list)

    def levels(self) -> list[list[Any]]:
        """The layers from the embeddings to the last block, in groups that stand at one height."""
        embeddings = (self.token_embedding, self.position_embedding, self.segment_embedding, self.embeddings_norm)
        return [[layer for layer in embeddings if layer is not None], *([block] for block in self.blocks)]

    def layers(self) -> Iterator[Any]:
        """Every layer, in the order data passes them."""
        first = (self.token_embedding, self.position_embedding, self.segment_embedding)
        rest = (self.embeddings_norm, self.embeddings_dropout, *self.blocks, self.final_norm, self.pooler, *self.dense)
        return (layer for layer in (*first, *rest) if layer is not None)


@dataclass(frozen=True)
class Encoder:
    """Parts wired into a functional graph; tasks put a head on it.

    Attributes:
        inputs: Keras inputs by name: `token_ids`, `padding_mask` (1 keeps) and, for BERT, `segment_ids`, each (B, L).
        sequence: (B, L, H) one vector a token.
        pooled: (B, H) one vector a text the family was pre-trained to give, or None.
        hidden_dim: H.
        parts: The tuned parts it is wired of.
        embedded: (B, L, H) token embeddings, before positions are added: where attributions are measured.
        numerics: `epsilon` and `approximate` (whether GELU is the tanh approximation) of its layers, for heads of its kind.
        pooling: Which vector stands for a text where nothing else is said: what the checkpoint was trained to give.
    """

    inputs: dict[str, Any]
    sequence: Any
    pooled: Any
    hidden_dim: int
    parts: Parts
    embedded: Any
    numerics: dict[str, Any] = field(default_factory=dict)
    pooling: str = "pooled"


@dataclass
class Backbone:
    """A loaded backbone with its tokenizer.

    Attributes:
        family: Which family it belongs to.
        model: The KerasHub backbone that owns the layers.
        tokenizer: KerasHub tokenizer.
        config: All that is needed to build `model` again without its weights.
        lm_head: Weights of the pre-trained masked-LM head by name, if the checkpoint has one; see `layers.language`.
        dense: Layers on the pooled vector that came with the checkpoint, with their weights; see `sentence_modules`.
        origin: The preset it was loaded from, or "".
    """

    family: Family
    model: Any
    tokenizer: Any
    config: dict[str, Any] = field(default_factory=dict)
    lm_head: dict[str, Any] = field(default_factory=dict)
    dense: tuple[DenseModule, ...] = ()
    origin: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights, as they are when it is first asked for: ask before anything learns."""
        return fingerprint(
            [*self.model.weights, *(self.lm_head[name] for name in sorted(self.lm_head)), *dense_arrays(self.dense)]
        )

    def copy(self) -> Backbone:
        """The same with weights of its own."""
        with tempfile.TemporaryDirectory(prefix="kerasft-tokenizer-") as folder:
            self.family.save_tokenizer(self, Path(folder))
            other = self.family.rebuild(self.config, Path(folder), dtype="float32")
        other.model.set_weights(self.model.get_weights())
        return replace(other, lm_head=self.lm_head, dense=self.dense, origin=self.origin)

    @property
    def pooling(self) -> str:
        """Which vector stands for a text: what the checkpoint was trained to give, else what its family does."""
        return str(self.config.get("pooling", self.family.default_pooling))

    @property
    def max_length(self) -> int:
        """Most tokens the position embedding has room for."""
        return int(self.model.max_sequence_length)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.model.count_params())

    @property
    def untrained(self) -> bool:
        """Whether its weights are random, as `create_preset` made them."""
        return bool(self.config.get(UNTRAINED))


class Family(ABC):
    """All that is special about one kind of backbone."""

    name: ClassVar[str]
    title: ClassVar[str]
    causal: ClassVar[bool]  # each token sees only those before it
    hf_types: ClassVar[tuple[str, ...]]  # `model_type` in a Hugging Face config.json
    kerashub_class: ClassVar[str]  # class name of the KerasHub backbone
    has_segments: ClassVar[bool]
    default_pooling: ClassVar[str]
    smallest_vocabulary: ClassVar[int]  # pieces there are without any text
    new_config: ClassVar[dict[str, Any]]  # what `rebuild` is told of a new model, besides its sizes

    @abstractmethod
    def load(self, folder: Path, *, dtype: str, dropout: float | None) -> Backbone:
        """Read a KerasHub preset folder or a Hugging Face folder."""

    @abstractmethod
    def load_tokenizer(self, folder: Path) -> Any:
        """The KerasHub tokenizer of such a folder."""

    @abstractmethod
    def rebuild(self, config: dict[str, Any], tokenizer_folder: Path, *, dtype: str) -> Backbone:
        """Build from `Backbone.config`, with random weights, and a saved tokenizer."""

    @abstractmethod
    def train_vocabulary(self, texts: Iterable[str], folder: Path, options: Any) -> int:
        """Make a vocabulary from texts and write the files `rebuild` reads.

        Args:
            texts: Gone through once.
            folder: Where the files go.
            options: `architectures.Architecture`.

        Returns:
            How many pieces it has.
        """

    @abstractmethod
    def save_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        """Write the vocabulary files `rebuild` reads."""

    @abstractmethod
    def to_huggingface(self, backbone: Backbone) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The config and the weights as Hugging Face's `transformers` names them, without the task's prefix."""

    @abstractmethod
    def save_huggingface_tokenizer(self, backbone: Backbone, folder: Path) -> None:
        """Write the tokenizer files `transformers` reads."""

    @abstractmethod
    def parts(self, backbone: Backbone) -> Parts:
        """The backbone's own layers by role."""

    @abstractmethod
    def wire(self, parts: Parts, backbone: Backbone, *, separate: bool = False) -> Encoder:
        """Put parts together as the family's paper does.

        Args:
            parts: Tuned or as they were; the blocks become `layers.transformer_block.TransformerBlock`s.
            backbone: What they are of.
            separate: The padding mask numbers documents that share a row (1, 2, ...), and none sees another.
        """

    @abstractmethod
    def special_ids(self, tokenizer: Any) -> tuple[list[int], list[int], int]:
        """Ids that begin a text, ids that end each segment, and the padding id."""

    @abstractmethod
    def unknown_id(self, tokenizer: Any) -> int:
        """Id of a word that has no sub-word, such as an empty one."""

    def mask_id(self, tokenizer: Any) -> int | None:
        """Id of the gap of a masked language model, or None."""
        return None

    @abstractmethod
    def piece_lengths(self, tokenizer: Any) -> list[int]:
        """How long the text of each id is: in characters of the normalised text, or in bytes for a byte-level
        vocabulary; 0 for special ids.
        """

    @abstractmethod
    def show_piece(self, tokenizer: Any, number: int) -> tuple[bytes, bool]:
        """The text of an id, which may be a part of a character, and whether it begins a word."""

    @abstractmethod
    def readable_piece(self, tokenizer: Any, number: int) -> str:
        """An id's piece as people read it, with what tells whether it begins a word."""

    def step(self, parts: Parts, token_ids: Any, cache: Any, place: Any) -> tuple[Any, Any]:
        """Logits (B, S, V) of ids (B, S) that stand at `place`, with a key-value cache (blocks, 2, B, heads, T, head
        size); only of families that read from left to right.
        """
        raise NotImplementedError(f"{self.title} does not generate text")

    def piece_texts(self, tokenizer: Any) -> list[bytes]:
        """The bytes each id stands for; only of families that generate."""
        raise NotImplementedError(f"{self.title} does not generate text")


def get_family(name: str) -> Family:
    """The family of that name."""
    return FAMILIES.get(name)()


def family_of(config: dict[str, Any], where: str) -> Family:
    """The family a preset's config.json belongs to.

    Raises:
        PresetError: No family of ours reads it.
    """
    hf_type = config.get("model_type")
    registered = str(config.get("registered_name", "")).rpartition(">")[2] or str(config.get("class_name", ""))
    for cls in FAMILIES.all().values():
        if hf_type in cls.hf_types or registered == cls.kerashub_class:
            return cls()
    known = ", ".join(f"{cls.title}" for cls in FAMILIES.all().values())
    what = hf_type or registered or "unknown"
    raise PresetError(f"Models of type {what!r} are not supported.", where=where, hint=f"Supported families: {known}.")
