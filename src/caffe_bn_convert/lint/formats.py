"""Reports as text, JSON, SARIF, GitHub annotations and JUnit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from caffe_bn_convert._version import __version__
from caffe_bn_convert.lint.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffe_bn_convert.lint.check import Report
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.lint.rule import Rule

_SARIF_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_GITHUB_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def text(reports: Sequence[Report]) -> str:
    """For people: place, rule, the line with a caret, and what to do; a line of totals at the end."""
    return "\n".join([*_findings(reports, lambda rule: f"  {rule.hint}"), summary(reports)])


def explained(reports: Sequence[Report]) -> str:
    """The same, with why it matters."""
    return "\n".join([*_findings(reports, lambda rule: f"  {rule.why}\n  {rule.hint}"), summary(reports)])


def errors(reports: Sequence[Report]) -> str:
    """Errors only; nothing where there are none."""
    severe = [
        replace(report, findings=tuple(f for f in report.findings if RULES[f.code].severity == "error"))
        for report in reports
    ]
    return "\n".join(_findings(severe, lambda rule: f"  {rule.hint}"))


def _findings(reports: Sequence[Report], advice: Callable[[Rule], str]) -> list[str]:
    lines: list[str] = []
    for report in reports:
        findings = report.findings
        for i, finding in enumerate(findings):
            rule = RULES[finding.code]
            lines.append(f"{finding.where}: {rule.code} {rule.name} ({rule.severity}): {finding.what}")
            excerpt = report.excerpt(finding)
            if excerpt:
                lines.append(excerpt)
            if i + 1 == len(findings) or findings[i + 1].code != finding.code:  # say it once for several in a row
                lines.append(advice(rule))
    return lines


def summary(reports: Sequence[Report]) -> str:
    """How much was found."""
    totals = [sum(report.counts[severity] for report in reports) for severity in ("error", "warning", "info")]
    errors, warnings, infos = totals
    fixable = sum(bool(finding.edits) for report in reports for finding in report.findings)
    silenced = sum(report.silenced for report in reports)
    parts = [_count(errors, "error"), _count(warnings, "warning"), f"{infos} info"]
    said = ", ".join(parts) if any(totals) else "nothing found"
    said += f"; {fixable} can be mended with --fix" if fixable else ""
    return said + (f"; {silenced} silenced by comments" if silenced else "")


def as_json(reports: Sequence[Report]) -> str:
    """A JSON object with all findings."""
    findings = [_described(finding) for report in reports for finding in report.findings]
    failed = any(report.failed for report in reports)
    return json.dumps({"version": __version__, "failed": failed, "findings": findings}, indent=1)


def sarif(reports: Sequence[Report]) -> str:
    """SARIF 2.1.0, which GitHub's code scanning and editors read."""
    findings = [finding for report in reports for finding in report.findings]
    used = sorted({finding.code for finding in findings})
    driver = {
        "name": "caffe-bn-convert",
        "version": __version__,
        "rules": [_sarif_rule(RULES[code]) for code in used],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, used) for finding in findings],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1)


def github(reports: Sequence[Report]) -> str:
    """Workflow commands that GitHub Actions shows beside the lines."""
    return "\n".join(_command(finding) for report in reports for finding in report.findings)


def junit(reports: Sequence[Report]) -> str:
    """JUnit's XML: one test case a finding, failed where it is an error; one that passed for a net without findings."""
    suites = ET.Element("testsuites")
    for report in reports:
        failures = report.counts["error"]
        count = max(1, len(report.findings))
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=_printable(f"lint {report.file}"),
            tests=str(count),
            failures=str(failures),
            errors="0",
        )
        for finding in report.findings:
            _case(suite, finding, report)
        if not report.findings:
            ET.SubElement(suite, "testcase", classname=_printable(report.file), name="lint")
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode")


FORMATS: dict[str, Callable[[Sequence[Report]], str]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
    "junit": junit,
}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _described(finding: Finding) -> dict[str, Any]:
    rule, where = RULES[finding.code], finding.where
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "message": finding.what,
        "hint": rule.hint,
        "file": where.file,
        "line": where.line,
        "column": where.column,
        "layer": where.layer,
        "type": where.type,
        "fixable": bool(finding.edits),
        "stops": rule.stops,
    }


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.hint},
        "defaultConfiguration": {"level": _SARIF_LEVELS[rule.severity]},
    }


def _sarif_result(finding: Finding, used: Sequence[str]) -> dict[str, Any]:
    where = finding.where
    place: dict[str, Any] = {"artifactLocation": {"uri": (where.file or "").replace("\\", "/")}}
    place["region"] = {"startLine": where.line or 1, "startColumn": where.column or 1}
    location: dict[str, Any] = {"physicalLocation": place}
    if where.layer is not None:
        location["logicalLocations"] = [{"name": where.layer, "kind": "element"}]
    return {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": _SARIF_LEVELS[RULES[finding.code].severity],
        "message": {"text": _told(finding)},
        "locations": [location],
    }


def _told(finding: Finding) -> str:
    layer = f'layer "{finding.where.layer}": ' if finding.where.layer else ""
    return _printable(layer + finding.what)


def _command(finding: Finding) -> str:
    rule, where = RULES[finding.code], finding.where
    place = f"file={_property(where.file or '')},line={where.line or 1},col={where.column or 1}"
    title = _property(f"{rule.code} {rule.name}")
    return f"::{_GITHUB_LEVELS[rule.severity]} {place},title={title}::{_data(f'{_told(finding)}. {rule.hint}')}"


def _data(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")


def _case(suite: ET.Element, finding: Finding, report: Report) -> None:
    rule, where = RULES[finding.code], finding.where
    name = f"{rule.code} {rule.name} {where.line or 1}:{where.column or 1}"
    case = ET.SubElement(suite, "testcase", classname=_printable(report.file), name=name)
    words = f"{report.file}:{where.line or 1}: {_told(finding)}\n{rule.hint}"
    if rule.severity == "error":
        failure = ET.SubElement(case, "failure", message=_told(finding), type=rule.code)
        failure.text = _printable(words)
    else:
        ET.SubElement(case, "system-out").text = _printable(words)


def _printable(words: str) -> str:
    """The text without characters that XML forbids, and without lone surrogates."""
    return "".join(c if c in "\t\n" or c.isprintable() else "\ufffd" for c in words)
