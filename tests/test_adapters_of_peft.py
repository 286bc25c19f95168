"""Folders of PEFT are refused by name: a base without its adapter would give other numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kerasft.errors import PresetError
from kerasft.presets import fetch, find_preset

ADAPTER = {"peft_type": "LORA", "base_model_name_or_path": "google-bert/bert-base-uncased", "r": 8}


def test_an_adapter_inside_a_model_folder_is_refused(presets: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(presets["bert"], folder)
    (folder / "adapter_config.json").write_text(json.dumps(ADAPTER))
    with pytest.raises(PresetError, match="PEFT adapter beside the model") as told:
        fetch(find_preset(str(folder)))
    assert "merge_and_unload" in str(told.value.hint)


@pytest.mark.parametrize(
    ("content", "what"), [(json.dumps(ADAPTER), "bert-base-uncased"), ("{", "adapter alone"), ("[]", "alone")]
)
def test_an_adapter_alone_names_what_is_missing(content: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(PresetError, match=what):
        find_preset(str(tmp_path))
