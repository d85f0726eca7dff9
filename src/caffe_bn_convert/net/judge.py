"""What is to be done about findings: some stop the work unless they are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import Problem, RefusedError, Where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.weights import Located


def require_weights(net: NetDefinition, located: Located, findings: Iterable[Finding], allow: Iterable[str]) -> None:
    """One word where the weights are missing altogether, instead of one for each blob.

    Raises:
        RefusedError: no layer has weights, some need them, and nobody allows that.
    """
    needy = [finding for finding in findings if finding.code == "NET001"]
    if any(located.blobs) or not needy or {"all", "NET001", "missing-weights"} & set(allow):
        return
    names = dict.fromkeys(f'"{finding.where.layer}"' for finding in needy)
    some = ", ".join(list(names)[:3]) + (", …" if len(names) > 3 else "")
    have = "no weights were given"
    if located.unused:
        have = f'the weights have none of these layers, but "{located.unused[0]}"' + " and others" * (
            len(located.unused) > 1
        )
    raise RefusedError(
        f"{'1 layer needs' if len(names) == 1 else f'{len(names)} layers need'} weights ({some}), and {have}",
        hint="give the .caffemodel of this net behind the prototxt; --allow NET001 takes Caffe's defaults, mostly 0",
        where=Where(file=net.file),
        code="NET001 missing-weights:",
    )


def judge(findings: Iterable[Finding], allow: Iterable[str]) -> list[Finding]:
    """Stop at findings of rules that stop, except those that are allowed; returns the others.

    Args:
        allow: codes or names of rules, or ``"all"``.

    Raises:
        RefusedError: every finding that is not allowed.
    """
    findings = list(findings)
    if not findings:
        return []
    from caffe_bn_convert.lint.rules import RULES

    allowed = set(allow)
    words: list[Finding] = []
    problems: list[Problem] = []
    for finding in findings:
        rule = RULES[finding.code]
        if rule.stops and not allowed & {"all", rule.code, rule.name}:
            problems.append(Problem(finding.what, rule.hint, finding.where, code=f"{rule.code} {rule.name}:"))
        else:
            words.append(finding)
    if problems:
        missing = {problem.where for problem in problems if problem.code == "NET001 missing-weights:"}
        raise RefusedError(
            problems=[p for p in problems if p.code != "BN001 zero-scale-factor:" or p.where not in missing]
        )
    return words
