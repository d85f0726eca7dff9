"""``caffe-bn-convert lint``: options, exit codes, configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.cli import run
from caffe_bn_convert.lint.rules import RULES
from tests.lint.weights import spoiled
from tests.nets import input_layer, write_net
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

LINT = FIXTURES / "lint"
DIGITS = FIXTURES / "digits"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "caffe-bn-convert.toml").write_text("")  # so that no configuration further up counts
    monkeypatch.chdir(tmp_path)


def lint(*args: object) -> int:
    return run(["lint", *map(str, args)])


def test_a_clean_net(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(DIGITS / "deploy.prototxt", DIGITS / "digits.caffemodel", "--ignore", "BN014") == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_quiet_and_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(DIGITS / "deploy.prototxt", "-q") == 0
    assert capsys.readouterr().out == ""
    assert lint(LINT / "BN004" / "bad.prototxt", "-q") == 5
    quiet = capsys.readouterr().out
    assert "BN004 batch-statistics (error)" in quiet
    assert not any(word in quiet for word in ("(warning)", "(info)", "1 error"))
    assert lint(LINT / "BN004" / "bad.prototxt", "-v") == 5
    assert RULES["BN004"].why in capsys.readouterr().out


def test_errors_exit_with_5(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(LINT / "BN004" / "bad.prototxt") == 5
    assert "BN004 batch-statistics (error)" in capsys.readouterr().out


def test_warnings_exit_with_0() -> None:
    assert lint(LINT / "BN003" / "bad.prototxt") == 0


@pytest.mark.parametrize(
    ("text", "code"), [("layer {", 3), ("layer { name: 'a' type: 'ReLU' bottom: 'x' top: 'y' }", 5), ("", 3)]
)
def test_what_cannot_be_read_exits_with_3(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "net.prototxt").write_text(text)
    assert lint("net.prototxt") == code


def test_no_such_file() -> None:
    assert lint("nothing.prototxt") == 3
    assert lint(DIGITS / "deploy.prototxt", "nothing.caffemodel") == 3
    assert lint(DIGITS / "deploy.prototxt", "--train", "nothing.prototxt") == 3


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint() == 2
    assert lint(DIGITS / "deploy.prototxt", "--select", "XYZ") == 2
    assert 'no rule "XYZ"' in capsys.readouterr().err


def test_select_and_ignore() -> None:
    bad = LINT / "BN004" / "bad.prototxt"
    assert lint(bad, "--select", "NET,POOL") == 0
    assert lint(bad, "--ignore", "batch-statistics") == 0
    assert lint(bad, "--ignore", "BN", "--select", "BN004") == 5


def test_weights(tmp_path: Path) -> None:
    weights = write_net(tmp_path, "", spoiled("BN001"))[1]
    assert lint(LINT / "BN001" / "bad.prototxt", weights) == 5


def test_the_training_net(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(LINT / "BN015" / "bad.prototxt", "--train", LINT / "BN015" / "train.prototxt", "--select", "BN015") == 0
    assert "eps is 1e-05, but 0.0001 in the training net" in capsys.readouterr().out


def test_a_training_net_is_fine_in_its_own_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(DIGITS / "train_val.prototxt", "--phase", "TRAIN") == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_output_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(LINT / "BN004" / "bad.prototxt", "--format", "json", "-o", "found.json") == 5
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "found.json").read_text())["failed"] is True
    assert lint(LINT / "BN004" / "bad.prototxt", "-o", "nowhere/found.txt") == 7


def test_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.prototxt"
    old = (LINT / "BN004" / "bad.prototxt").read_text()
    path.write_text(old)
    assert lint(path, "--diff") == 5
    out = capsys.readouterr().out
    assert "\n+layer" in out
    assert "\n-layer" in out
    assert path.read_text() == old
    assert lint(path, "--fix") == 0
    assert "1 finding mended" in capsys.readouterr().err
    assert path.read_text() == old.replace("false", "true")
    assert lint(path, "--fix") == 0
    assert capsys.readouterr().err == ""


def test_fix_with_a_shape(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n')
    assert lint(path, "--fix") == 5
    assert lint(path, "--fix", "--shape", "data=2x3x7x9") == 0
    assert lint(path) == 0


def test_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = LINT / "BN004" / "bad.prototxt"
    (tmp_path / "caffe-bn-convert.toml").unlink()
    (tmp_path / "pyproject.toml").write_text('[tool.caffe-bn-convert.lint]\nignore = ["BN"]\nformat = "json"\n')
    assert lint(bad) == 0
    assert json.loads(capsys.readouterr().out)["failed"] is False
    assert lint(bad, "--ignore", "POOL", "--format", "text") == 5
    assert capsys.readouterr().out.startswith(str(bad))


def test_configuration_of_the_training_net_is_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "train.prototxt").write_text(input_layer(2, 3, 7, 9))
    (tmp_path / "caffe-bn-convert.toml").write_text('[lint]\ntrain = "train.prototxt"\n')
    monkeypatch.chdir(inner)
    assert lint(DIGITS / "deploy.prototxt") == 0


def test_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "caffe-bn-convert.toml").write_text('[lint]\nformat = "yaml"\n')
    assert lint(DIGITS / "deploy.prototxt") == 2
    (tmp_path / "caffe-bn-convert.toml").write_text("[lint]\nformats = 1\n")
    assert lint(DIGITS / "deploy.prototxt") == 2
    assert 'did you mean "format"?' in capsys.readouterr().err


def test_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint("--rules") == 0
    assert "BN004     error    batch-statistics" in capsys.readouterr().out
    assert lint("--explain", "batch-statistics") == 0
    assert "What to do: " in capsys.readouterr().out
    assert lint("--explain", "nothing") == 2
