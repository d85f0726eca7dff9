"""Comments that silence rules."""

from __future__ import annotations

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.lint.check import lint
from caffe_bn_convert.lint.suppress import comments, read_suppressions
from tests.nets import input_layer

BN = (
    'layer {%s name: "bn" type: "BatchNorm" bottom: "data" top: "bn"%s\n  batch_norm_param {\n    eps: 1e-7%s\n  }\n}\n'
)


def codes(*marks: str, before: str = "") -> list[str]:
    filled = [f"  {mark}\n" if mark else "" for mark in (*marks, "", "", "")[:3]]
    text = input_layer(2, 3, 7, 9) + before + BN % tuple(filled)
    return sorted(finding.code for finding in lint(parse_net(text)).findings)


def test_without_comments() -> None:
    assert codes() == ["BN003", "BN008"]


def test_on_the_line_of_the_finding() -> None:
    assert codes("", "", "# lint: ignore[BN008]") == ["BN003"]


def test_on_the_line_of_the_layer() -> None:
    assert codes("# lint: ignore[BN008]") == ["BN003"]
    assert codes("# lint: ignore[BN003, BN008]") == []
    assert codes("# lint: ignore[BN]") == []
    assert codes("# lint: ignore[small-eps]") == ["BN003"]


def test_everything() -> None:
    assert codes("# lint: ignore") == []


def test_on_a_line_of_its_own() -> None:
    assert codes(before="# lint: ignore[BN003]\n\n# a word\n") == ["BN008"]


def test_for_the_whole_file() -> None:
    assert codes(before="# lint: ignore-file[BN003]\n") == ["BN008"]


def test_other_lines_are_not_silenced() -> None:
    other = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }  # lint: ignore[BN008]\n'
    other += 'layer { name: "prob" type: "Softmax" bottom: "relu" top: "prob" }\n'
    assert codes(before=other) == ["BN003", "BN008", "NET008"]  # BatchNorm is no output


def test_a_code_that_does_not_exist_silences_nothing() -> None:
    assert codes("# lint: ignore[BN999]") == ["BN003", "BN008"]


def test_silenced_findings_are_counted() -> None:
    text = input_layer(2, 3, 7, 9) + BN % ("  # lint: ignore\n", "", "")
    assert lint(parse_net(text)).silenced == 2


def test_strings_hold_no_comments() -> None:
    text = "name: \"a # lint: ignore\" # one\nname: 'b \\' # two' # three"
    assert [comment for _, comment in comments(text)] == ["# one", "# three"]


def test_a_comment_at_the_end_of_the_file() -> None:
    assert read_suppressions("name: 'a'\n# lint: ignore[BN001]").silence("BN001", 2)
