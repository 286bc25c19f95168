"""The login: where the password comes from, and that guessing is slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasft_app import login
from kerasft_app.__main__ import main
from kerasft_app.login import VARIABLE, Login, read_auth


def test_name_and_password_come_from_the_option_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_auth(None) is None
    assert read_auth("anna:a:b") == ("anna", "a:b")
    (tmp_path / "secret").write_text("berta:secret word\nmore\n")
    assert read_auth(f"@{tmp_path / 'secret'}") == ("berta", "secret word")
    monkeypatch.setenv(VARIABLE, "carla:x")
    assert read_auth(None) == ("carla", "x")
    assert read_auth("anna:y") == ("anna", "y")


@pytest.mark.parametrize("given", ["anna", "anna:", ":secret", ""])
def test_what_is_no_name_and_password_is_told(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="NAME:PASSWORD"):
        read_auth(given)
    with pytest.raises(SystemExit):
        main(["--auth", given])
    assert "NAME:PASSWORD" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_auth(f"@{tmp_path / 'none'}")


def test_guesses_get_slower_and_the_right_password_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(login.time, "sleep", waited.append)
    check = Login("anna", "gehéim")
    assert check("anna", "gehéim")
    assert not any(check("anna", guess) for guess in ("", "a", "gehéim ", "GEHÉIM", "\ud800", "b", "c"))
    assert not check("berta", "gehéim")
    assert waited == sorted(waited)
    assert waited[0] >= 0.5
    assert waited[-1] == 10
    assert check("anna", "gehéim")
    assert len(waited) == 8
