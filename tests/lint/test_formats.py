"""Reports in every format."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.lint.check import Report, lint
from caffe_bn_convert.lint.formats import FORMATS
from tests.nets import input_layer

BN = 'layer { name: "a, \\"b\\" 100%" type: "BatchNorm" bottom: "data" top: "bn"\n'
BN += "  batch_norm_param { use_global_stats: false } }\n"


@pytest.fixture
def report() -> Report:
    return lint(parse_net(input_layer(2, 3, 7, 9) + BN, "a,b:c.prototxt"))


def test_text(report: Report) -> None:
    text = FORMATS["text"]([report])
    assert 'a,b:c.prototxt:3:22: layer "a, "b" 100%" (BatchNorm): BN004 batch-statistics (error): ' in text
    assert "      batch_norm_param { use_global_stats: false } }\n" + " " * 25 + "^" in text
    assert text.endswith("1 error, 2 warnings, 0 info; 1 can be mended with --fix")


def test_text_of_nothing() -> None:
    assert FORMATS["text"]([lint(parse_net(""))]) == "nothing found"


def test_json(report: Report) -> None:
    found = json.loads(FORMATS["json"]([report]))
    assert found["failed"] is True
    (finding,) = (f for f in found["findings"] if f["code"] == "BN004")
    assert (finding["line"], finding["column"], finding["severity"], finding["fixable"]) == (3, 22, "error", True)
    assert finding["layer"] == 'a, "b" 100%'


def test_sarif(report: Report) -> None:
    found = json.loads(FORMATS["sarif"]([report]))
    assert found["version"] == "2.1.0"
    (run,) = found["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
    region = next(r for r in run["results"] if r["ruleId"] == "BN004")["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 22}


def test_github(report: Report) -> None:
    lines = FORMATS["github"]([report]).split("\n")
    assert len(lines) == len(report.findings)
    (line,) = (line for line in lines if "BN004" in line)
    assert line.startswith(
        '::error file=a%2Cb%3Ac.prototxt,line=3,col=22,title=BN004 batch-statistics::layer "a, "b" 100%25": '
    )


def test_github_of_nothing() -> None:
    assert FORMATS["github"]([lint(parse_net(""))]) == ""


def test_junit(report: Report) -> None:
    root = ET.fromstring(FORMATS["junit"]([report]))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert len(suite.findall("testcase")) == 3
    (failure,) = suite.findall("testcase/failure")
    assert failure.get("type") == "BN004"


def test_junit_of_nothing() -> None:
    (suite,) = ET.fromstring(FORMATS["junit"]([lint(parse_net(""))]))
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("1", "0", 1)


def test_junit_of_names_that_xml_cannot_hold() -> None:
    report = lint(parse_net('layer { name: "\\001" type: "ReLU" bottom: "a" top: "b" }', "a\x01.prototxt"))
    assert ET.fromstring(FORMATS["junit"]([report])) is not None
