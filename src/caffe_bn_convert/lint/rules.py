"""The rules, as data. One that stops a conversion does so unless ``--allow CODE`` takes what the rule offers."""

from __future__ import annotations

from caffe_bn_convert.lint.catalogue import batch_norm, departures, dialects, net, numbers, statistics, wiring
from caffe_bn_convert.lint.rule import Rule, Severity

__all__ = ["RULES", "Rule", "Severity"]

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in sorted(
        (
            *batch_norm.RULES,
            *departures.RULES,
            *dialects.RULES,
            *statistics.RULES,
            *net.RULES,
            *wiring.RULES,
            *numbers.RULES,
        ),
        key=lambda rule: rule.code,
    )
}
