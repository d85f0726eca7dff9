from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from caffe_bn_convert import CannotWriteError, UsageError
from caffe_bn_convert.verify import Options, Report
from caffe_bn_convert.verify.report import html, junit, markdown, text, write
from caffe_bn_convert.verify.report import json as as_json
from caffe_bn_convert.verify.report.model import Check
from tests.paths import ROOT
from tests.verify.damage import change, converted, damaged, node


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, Report]:
    folder = tmp_path_factory.mktemp("reports")
    conversion, path = converted(folder)
    options = Options(statistics=True)
    wrong = damaged(path, lambda m: change(node(m, "BatchNormalization").input[2], lambda v: v + 1)(m))
    proven, failed = conversion.verify(path, options), conversion.verify(wrong, options)
    nan = damaged(path, lambda m: change(node(m, "Gemm").input[2], lambda v: v * np.nan)(m))
    return {"proven": proven, "failed": failed, "nan": conversion.verify(nan, options)}


def test_text(reports):
    assert text.table(reports["proven"]).startswith("proven: 1 output and 6 inner blobs on 18 inputs")
    table = text.table(reports["failed"])
    assert 'first wrong blob: "conv/scale" of layer "scale" (Scale)' in table
    assert "channel          scale       expected" in table
    assert len(text.table(reports["proven"], verbose=True).splitlines()) > len(
        text.table(reports["proven"]).splitlines()
    )


def test_json_is_what_the_docs_say(reports):
    page = (ROOT / "docs/verification.md").read_text(encoding="utf-8")
    for report in reports.values():
        value = json.loads(as_json.render(report))
        assert value["schema"] == 1
        for key in (*value, *value["outputs"][0], *value["blobs"][0], *value["outputs"][0]["deviation"]):
            assert f"`{key}`" in page, key
    failed = json.loads(as_json.render(reports["failed"]))
    assert failed["verdict"] == "failed"
    assert failed["divergence"]["where"]["line"] == 9
    assert failed["divergence"]["channels"][0]["shift"] == pytest.approx(
        failed["divergence"]["channels"][0]["expected_shift"] + 1
    )
    assert json.loads(as_json.render(reports["nan"]))["outputs"][0]["deviation"]["actual"] == "nan"


def test_junit(reports):
    suite = ET.fromstring(junit.render(reports["proven"])).find("testsuite")
    assert suite is not None
    assert suite.attrib["failures"] == "0"
    assert [case.attrib["name"] for case in suite.findall("testcase")] == [
        "prob as written", "prob optimised", "6 blobs inside the net",
    ]  # fmt: skip
    failed = ET.fromstring(junit.render(reports["failed"])).find("testsuite")
    assert failed is not None
    assert int(failed.attrib["failures"]) == len(failed.findall("testcase/failure")) == 3


def test_markdown(reports):
    page = markdown.render(reports["failed"])
    assert page.startswith("## ❌ failed")
    assert "| ❌ | `prob` | as written |" in page
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (8, 8)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href")]


def test_html_needs_nothing_else(reports):
    for report in reports.values():
        page = Page()
        page.feed(html.render(report))
        assert page.outside == []
        assert page.tags.count("script") == page.tags.count("style") == 1
        assert page.tags.count("circle") == 1 + len(report.blobs)
        assert page.tags.count("figure") == 1
        assert "prefers-color-scheme: dark" in html.render(report)


def test_names_of_the_user_are_no_markup(reports):
    hostile = '<script>alert("1")</script>|`*\x07'
    report = replace(
        reports["failed"],
        net=hostile,
        outputs=tuple(replace(o, name=hostile) for o in reports["failed"].outputs),
        checks=(Check(hostile, "pass", hostile),),
    )
    assert "<script>alert" not in html.render(report)
    assert "<script>" not in markdown.render(report).replace("\\<script", "").replace("`<script>", "")
    ET.fromstring(junit.render(report))


def test_the_ending_tells_the_format(reports, tmp_path):
    for ending in (".json", ".xml", ".html", ".md"):
        write(reports["proven"], tmp_path / f"report{ending}")
        assert (tmp_path / f"report{ending}").stat().st_size > 200
    with pytest.raises(UsageError, match="of what kind"):
        write(reports["proven"], tmp_path / "report.pdf")
    with pytest.raises(CannotWriteError):
        write(reports["proven"], tmp_path / "missing" / "report.json")
