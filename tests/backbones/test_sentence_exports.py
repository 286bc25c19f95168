"""Modules of sentence-transformers that do not fit together, and folders that are written for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kerasft.backbones.loading import load_backbone
from kerasft.errors import PresetError
from tests.backbones.model_folders import REMOVED, change_json, make_sentence_folder
from tests.backbones.test_sentence_modules import MAX, embedder, vectors
from tests.tiny import make_bert

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


@pytest.mark.parametrize(
    "kinds", [("Transformer", "Dense"), ("Pooling",), ("Transformer", "Transformer", "Pooling"), ("Transformer", "Normalize")]
)
def test_modules_that_give_no_pooled_vector_are_refused(kinds: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(PresetError):
        load_backbone(make_sentence_folder(tmp_path, kinds))


def test_a_module_of_another_package_is_refused(tmp_path: Path) -> None:
    folder = make_sentence_folder(tmp_path)
    text = (folder / "modules.json").read_text().replace("sentence_transformers.models.Dense", "own_package.Dense")
    (folder / "modules.json").write_text(text)
    with pytest.raises(PresetError, match="own_package"):
        load_backbone(folder)


def test_a_dense_module_without_an_activation_is_not_taken_for_linear(tmp_path: Path) -> None:
    """sentence-transformers takes Tanh where none is given to its layer, and cannot load such a folder."""
    folder = make_sentence_folder(tmp_path)
    change_json(folder / "2_Dense" / "config.json", activation_function=REMOVED)
    with pytest.raises(PresetError, match="activation"):
        load_backbone(folder)


def test_an_exported_folder_is_one_that_sentence_transformers_reads(tmp_path: Path) -> None:
    """Its Pooling needs word_embedding_dimension, and it reads no pooling without modules.json."""
    folder = make_sentence_folder(tmp_path / "base", ("Transformer", "Pooling", "Normalize"), pooling=MAX)
    written = embedder(folder).export_huggingface(tmp_path / "written")
    assert json.loads((written / "1_Pooling" / "config.json").read_text())["word_embedding_dimension"] == 16
    kinds = [module["type"].rpartition(".")[2] for module in json.loads((written / "modules.json").read_text())]
    assert kinds == ["Transformer", "Pooling", "Normalize"]


def test_vectors_of_length_one_stay_so_in_an_exported_folder(tmp_path: Path) -> None:
    written = embedder(make_sentence_folder(tmp_path / "base", pooling=MAX)).export_huggingface(tmp_path / "written")
    kinds = [module["type"].rpartition(".")[2] for module in json.loads((written / "modules.json").read_text())]
    assert kinds == ["Transformer", "Pooling", "Dense", "Normalize"]


@pytest.mark.parametrize("with_modules", [True, False])
def test_a_pooling_that_a_person_chose_is_exported(with_modules: bool, tmp_path: Path) -> None:
    base = tmp_path / "base"
    folder = make_sentence_folder(base) if with_modules else make_bert(base)
    model = embedder(folder, pooling="max")
    written = model.export_huggingface(tmp_path / "written")
    np.testing.assert_allclose(vectors(embedder(written)), vectors(model), atol=1e-5)
