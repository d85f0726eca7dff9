"""Every rule has a bad fixture that it finds, a good one that it passes, and a section of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.lint.check import Report, lint
from caffe_bn_convert.lint.context import Request
from caffe_bn_convert.lint.page import explain, page, section
from caffe_bn_convert.lint.rules import RULES
from tests.lint.weights import BAD, sound, spoiled
from tests.nets import write_net
from tests.paths import FIXTURES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.lint.rule import Rule

LINT = FIXTURES / "lint"


def examine(rule: Rule, which: str, folder: Path) -> Report:
    prototxt = LINT / rule.code / f"{which}.prototxt"
    sources = ()
    if rule.needs == "weights":
        weights = spoiled(rule.code) if which == "bad" else sound()
        if rule.code == "NET002":
            weights = {name: blobs[:1] if name == "scale" else blobs for name, blobs in weights.items()}
        path = write_net(folder, "", weights)[1]
        assert path is not None
        sources = (caffemodel.read(path),)
    train = LINT / rule.code / "train.prototxt" if rule.needs == "train" else None
    return lint(read_net(prototxt), Request(sources, train=train))


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
class TestRule:
    def test_finds_the_bad_fixture(self, rule: Rule, tmp_path: Path) -> None:
        assert rule.code in codes(examine(rule, "bad", tmp_path))

    def test_passes_the_good_fixture(self, rule: Rule, tmp_path: Path) -> None:
        assert rule.code not in codes(examine(rule, "good", tmp_path))

    def test_good_fixtures_have_no_errors(self, rule: Rule, tmp_path: Path) -> None:
        assert not examine(rule, "good", tmp_path).failed

    def test_findings_have_a_place(self, rule: Rule, tmp_path: Path) -> None:
        report = examine(rule, "bad", tmp_path)
        for finding in report.findings:
            assert finding.where.file
            assert finding.where.line
            assert finding.where.column
            assert report.excerpt(finding)

    def test_fixable_means_that_there_are_edits(self, rule: Rule, tmp_path: Path) -> None:
        findings = [finding for finding in examine(rule, "bad", tmp_path).findings if finding.code == rule.code]
        if not rule.fixable:
            assert not any(finding.edits for finding in findings)

    def test_examples_are_those_of_the_fixtures(self, rule: Rule) -> None:
        if rule.needs != "weights":
            assert rule.bad in (LINT / rule.code / "bad.prototxt").read_text()
            assert rule.good in (LINT / rule.code / "good.prototxt").read_text()

    def test_texts(self, rule: Rule) -> None:
        assert rule.what.endswith(".")
        assert rule.why.endswith(".")
        assert not rule.hint.endswith(".")
        assert rule.name == rule.name.lower().replace(" ", "-")
        assert rule.hint in explain(rule)
        assert rule.stops <= (rule.severity == "error"), "what stops a conversion is an error"


def test_docs_are_those_of_the_rules() -> None:
    written = (ROOT / "docs" / "rules.md").read_text("utf-8")
    assert written == page(), "python -m caffe_bn_convert.lint.page > docs/rules.md"
    assert all(section(rule) in written for rule in RULES.values())


def test_every_fixture_belongs_to_a_rule() -> None:
    assert {path.name for path in LINT.iterdir()} == {*RULES, "seed"}


def test_every_rule_about_numbers_is_spoiled() -> None:
    assert set(BAD) == {rule.code for rule in RULES.values() if rule.needs == "weights"}


def test_codes_are_unique_and_sorted() -> None:
    assert list(RULES) == sorted(RULES)
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("number", range(1, 17))
def test_the_sixteen_rules_that_users_would_have_needed(number: int) -> None:
    assert f"BN{number:03}" in RULES


class TestTutorial:
    """The two prototxts of the tutorial that everybody copies."""

    def test_the_first_is_told_that_it_is_for_training(self) -> None:
        report = lint(read_net(LINT / "seed" / "training.prototxt"))
        assert codes(report) == {"TRAIN001", "BN004", "NET014"}
        (finding,) = (finding for finding in report.findings if finding.code == "TRAIN001")
        assert "for training" in finding.what

    def test_the_second_lacks_nothing_but_an_input(self) -> None:
        assert codes(lint(read_net(LINT / "seed" / "deployment.prototxt"))) == {"NET014"}

    def test_the_second_with_its_input_is_clean(self) -> None:
        from caffe_bn_convert.caffe.prototxt import parse_net
        from tests.nets import input_layer

        text = (LINT / "seed" / "deployment.prototxt").read_text()
        report = lint(parse_net(input_layer(2, 3, 7, 9, name="features") + text))
        assert report.findings == ()
