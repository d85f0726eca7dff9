from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.cli import run
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
shape = "data=1x1x8x8"

[deploy]
prototxt = "train_val.prototxt"
drop-dropout = true
keep_learning_rates = true
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(FIXTURES / "digits" / "train_val.prototxt", tmp_path)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "caffe-bn-convert.toml").write_text(text)


def test_one_short_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, FILE)
    assert run(["deploy"]) == 0
    assert "lr_mult" in capsys.readouterr().out


def test_what_is_typed_wins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, FILE)
    assert run(["deploy", "--shape", "data=4x1x8x8"]) == 0
    assert "dim: 4 dim: 1" in capsys.readouterr().out


def test_a_list_of_values(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, FILE.replace('"data=1x1x8x8"', '["data=3x1x8x8"]'))
    assert run(["deploy"]) == 0
    assert "dim: 3 dim: 1" in capsys.readouterr().out


def test_pyproject(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = FILE.replace("[deploy]", "[tool.caffe-bn-convert.deploy]")
    (folder / "pyproject.toml").write_text(f"[tool.caffe-bn-convert]\n{text}")
    assert run(["deploy", "-q"]) == 0
    assert "lr_mult" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "to", "said"),
    [
        ("drop-dropout", "drop-dropuot", 'did you mean "drop_dropout"?'),
        ("shape =", "shpae =", 'did you mean "shape"?'),
        ("[deploy]", "[deplyo]", 'did you mean "deploy"?'),
    ],
)
def test_what_nobody_knows(changed: str, to: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, FILE.replace(changed, to))
    assert run(["deploy", "../train_val.prototxt"]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "caffe-bn-convert.toml" in printed


def test_an_option_of_other_commands_is_no_mistake(folder: Path) -> None:
    write(folder, 'allow = ["BN001"]\n')
    assert run(["layers"]) == 0


def test_config_and_no_config(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, FILE)
    assert run(["--no-config", "deploy", "../train_val.prototxt"]) == 4
    (folder / "caffe-bn-convert.toml").rename(folder / "mine.toml")
    assert run(["--config", "../mine.toml", "deploy", "-q"]) == 0
    assert "lr_mult" in capsys.readouterr().out


def test_files_behind_config_are_converted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--no-config", "missing.prototxt", "-o", "x.onnx"]) == 3
    assert "missing.prototxt" in capsys.readouterr().err


def test_a_file_that_was_merely_found_runs_no_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    write(folder, '[convert]\nplugin = ["evil.py"]\n')
    code = run(["convert", "../train_val.prototxt", "-o", "x.onnx"])
    assert code == 2
    assert "it ran" not in capsys.readouterr().err


def test_lint_takes_its_net_from_the_file_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, '[lint]\nprototxt = "train_val.prototxt"\nselect = "BN004"\nformat = "json"\n')
    assert run(["lint"]) == 0
    assert capsys.readouterr().out.lstrip().startswith(("{", "["))
