"""Reports as JUnit XML: one test case for each output and each check, for continuous integration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from caffe_bn_convert.verify.report.text import MODES, headline, numbers, summary

if TYPE_CHECKING:
    from caffe_bn_convert.verify.report.model import Report

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def render(report: Report) -> str:
    """The report as an XML document. What proves nothing is skipped, so that it is seen."""
    cases = [_output_cases, _blob_case, _check_cases]
    suite = ET.Element("testsuite", name=_safe(f"caffe-bn-convert verify {report.net or report.model}"))
    for make in cases:
        suite.extend(make(report))
    failures, skipped = (len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "skipped"))
    counts = {"tests": len(suite), "failures": failures, "errors": 0, "skipped": skipped}
    suite.attrib.update({name: str(count) for name, count in counts.items()}, time=f"{report.seconds:.3f}")
    output = ET.SubElement(suite, "system-out")
    output.text = _safe(headline(report))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(group: str, name: str, status: str, told: str) -> ET.Element:
    case = ET.Element("testcase", classname=_safe(group), name=_safe(name))
    if status == "fail":
        ET.SubElement(case, "failure", message=_safe(told.splitlines()[0] if told else "")).text = _safe(told)
    elif status == "no proof":
        ET.SubElement(case, "skipped", message=_safe(told))
    return case


def _output_cases(report: Report) -> list[ET.Element]:
    cases = []
    for output in report.outputs:
        told = output.note if output.status == "no proof" else numbers(output.deviation)
        cases.append(_case("outputs", f"{output.name} {MODES[output.optimised]}", output.status, told))
    return cases


def _blob_case(report: Report) -> list[ET.Element]:
    if not report.blobs:
        return []
    wrong = any(blob.status == "fail" for blob in report.blobs)
    return [_case("inside", f"{len(report.blobs)} blobs inside the net", "fail" if wrong else "pass", summary(report))]


def _check_cases(report: Report) -> list[ET.Element]:
    return [_case("checks", check.name, check.status, check.what) for check in report.checks]


def _safe(text: str) -> str:
    return CONTROL.sub("\ufffd", text)
