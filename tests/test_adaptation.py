"""Two stages in one recipe: what is made, what is compared, and that it goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kerasft as kft
from kerasft.adaptation import Adaptation
from kerasft.backbones.loading import load_backbone
from kerasft.cli import main
from kerasft.errors import ConfigError, KerasFTError
from kerasft.events import Event, Finished, Validated
from tests.conftest import BAD, GOOD

TRAIN = kft.TrainConfig(epochs=1, tensorboard=False)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "domain.txt"
    path.write_text("\n\n".join(f"{text} {i}. it was {text}" for i in range(4) for text in (*GOOD, *BAD)), encoding="utf-8")
    return path


def test_both_stages_and_the_task_without_the_first(presets: dict[str, str], texts: Path, reviews: Path, tmp_path: Path) -> None:
    first = kft.MaskedLM(max_length=32, masking="span", span_boundary_objective=True)
    events: list[Event] = []
    given = (presets["bert"], str(texts), str(reviews), kft.TextClassification())
    how = {"out": tmp_path / "out", "pretraining": first, "pretraining_train": TRAIN, "train": TRAIN, "seeds": (2,)}
    told = kft.adapt(*given, **how, on_event=events.append)  # type: ignore[arg-type]
    assert set(told.figures) == {"validation"}
    for side in ("adapted", "plain"):
        reports = [json.loads((tmp_path / "out" / f"{side}-2" / "report.json").read_text())]
        assert told.figures["validation"][side] == [report["validation"]["metrics"]["accuracy"] for report in reports]
    preset, adapted = (load_backbone(Path(folder)) for folder in (presets["bert"], tmp_path / "out" / "backbone"))
    assert preset.fingerprint != adapted.fingerprint
    recipes = [json.loads((tmp_path / "out" / f"{side}-2" / "run.json").read_text()) for side in ("adapted", "plain")]
    assert [recipe["preset"] for recipe in recipes] == [str(tmp_path / "out" / "backbone"), presets["bert"]]
    assert len([event for event in events if isinstance(event, Finished)]) == 3
    events.clear()
    assert kft.adapt(*given, **how, on_event=events.append).figures == told.figures  # type: ignore[arg-type]
    assert events == []  # nothing was done twice
    halved = tmp_path / "out" / "plain-2" / "run.json"  # as a run writes it whose batches did not fit into memory
    recipe = json.loads(halved.read_text())
    recipe["train"] |= {"batch_size": recipe["resolved"]["train"]["batch_size"] // 2, "accumulate": 2}
    halved.write_text(json.dumps(recipe))
    assert kft.adapt(*given, **how).figures == told.figures  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="another recipe"):
        kft.adapt(*given, **{**how, "train": kft.TrainConfig(epochs=2)})  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_stopped_stage_goes_on(presets: dict[str, str], texts: Path, reviews: Path, tmp_path: Path) -> None:
    first = kft.TrainConfig(epochs=2, batch_size=4, validate_every=1, tensorboard=False)
    out = tmp_path / "out"

    def stop(event: Event) -> None:
        if isinstance(event, Validated) and event.step == 2 and not (out / "backbone").exists():
            raise KeyboardInterrupt

    given = (presets["bert"], str(texts), str(reviews), kft.TextClassification())
    how = {"out": out, "pretraining": kft.MaskedLM(max_length=32), "pretraining_train": first, "train": TRAIN}
    with pytest.raises(KeyboardInterrupt):
        kft.adapt(*given, **how, on_event=stop)  # type: ignore[arg-type]

    def ask(event: Event) -> None:
        if isinstance(event, Validated) and event.step == 4 and not (out / "backbone").exists():
            (out / "pretraining" / "STOP").touch()

    told = kft.adapt(*given, **how, on_event=ask)  # type: ignore[arg-type]
    assert told.stopped
    assert "goes on" in str(told)
    assert not (out / "backbone").exists()  # nothing goes on from half-trained weights
    told = kft.adapt(*given, **how)  # type: ignore[arg-type]
    assert len(told.figures["validation"]["plain"]) == 1
    with pytest.raises(ConfigError, match="on other data"):
        kft.adapt(presets["bert"], [{"text": "another text"}] * 9, *given[2:], **how)  # type: ignore[arg-type]


def test_the_table_gives_means_spreads_and_the_paired_difference() -> None:
    told = Adaptation(Path("out"), "f1", {"test": {"adapted": [0.5, 0.7], "plain": [0.4, 0.5]}})
    assert "| test | 0.6000 ± 0.1414 | 0.4500 ± 0.0707 | +0.1500 |" in str(told)


@pytest.mark.slow
def test_the_command_line_adapts(
    presets: dict[str, str], texts: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kft.RunConfig(task=kft.MaskedLM(max_length=32), train=TRAIN).save(tmp_path / "first.json")
    base = ["adapt", "--preset", presets["bert"], "--texts", str(texts), "--data", str(reviews), "--out", str(tmp_path / "out")]
    more = ["--task", "text_classification", "--first", str(tmp_path / "first.json"), "--train.epochs", "1"]
    assert main([*base, *more]) == 0
    assert "with stage one" in capsys.readouterr().out
    assert main([*base, *more, "--seeds", "one"]) == 2


def test_mistakes_are_explained(presets: dict[str, str], texts: Path, reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a MaskedLM or a CausalLM"):
        kft.adapt(presets["bert"], str(texts), str(reviews), out=tmp_path / "out", pretraining=kft.TextClassification())
    with pytest.raises(ConfigError, match="at least one seed"):
        kft.adapt(presets["bert"], str(texts), str(reviews), out=tmp_path / "out", seeds=())
    with pytest.raises(KerasFTError):
        kft.adapt(presets["gpt2"], str(texts), str(reviews), out=tmp_path / "out")
