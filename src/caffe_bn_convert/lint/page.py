"""The documentation of the rules, made of the rules themselves.

python -m caffe_bn_convert.lint.page > docs/rules.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.lint.rules import RULES

if TYPE_CHECKING:
    from caffe_bn_convert.lint.rule import Rule

_HEAD = """# Rules

`caffe-bn-convert lint PROTOTXT [CAFFEMODEL]` looks for these. An *error* means that Caffe refuses the net, or that its
numbers are not what was meant; the command then exits with 5. A *warning* is probably a mistake, an *info* good to know.
Rules marked *stops* also stop `caffe-bn-convert convert`, unless `--allow CODE` takes what the rule offers.

Choose rules by code, by the beginning of a code, or by name:

    caffe-bn-convert lint deploy.prototxt net.caffemodel --select BN,POOL --ignore BN007

or in `pyproject.toml` (or, without the `tool.caffe-bn-convert`, in `caffe-bn-convert.toml`):

```toml
[tool.caffe-bn-convert.lint]
ignore = ["BN007", "scale-axis"]
```

or by a comment in the prototxt: behind text it is about that line, or about the whole layer that begins there; on a line
of its own, about the next.

```
layer {  # lint: ignore[BN003]
# lint: ignore
# lint: ignore-file[TRAIN001]
```

This page is made of the rules themselves: `python -m caffe_bn_convert.lint.page > docs/rules.md`.
"""
_NEEDS = {"prototxt": "", "weights": "needs the weights", "train": "needs `--train train_val.prototxt`"}


def page() -> str:
    """All rules as Markdown: a table, then a section each."""
    rows = [
        f"| [{rule.code}](#{_anchor(rule)}) | {rule.name} | {rule.severity} | {_marks(rule)} |"
        for rule in RULES.values()
    ]
    table = "\n".join(["| code | name | severity | |", "|---|---|---|---|", *rows])
    return "\n".join([_HEAD, table, "", *(section(rule) for rule in RULES.values())])


def section(rule: Rule) -> str:
    """One rule as Markdown."""
    language = "python" if rule.needs == "weights" and not rule.bad.startswith("layer") else "protobuf"
    marks = _marks(rule)
    return (
        f"## {rule.code} {rule.name}\n\n*{rule.severity}*{', ' + marks if marks else ''}\n\n{rule.what}\n\n{rule.why}\n\n"
        f"Bad:\n\n```{language}\n{rule.bad}```\n\nGood:\n\n```{language}\n{rule.good}```\n\n"
        f"What to do: {_sentence(rule.hint)}\n"
    )


def explain(rule: Rule) -> str:
    """One rule as plain text, for a terminal."""
    marks = _marks(rule)
    bad, good = (
        "\n".join("    " + line for line in example.rstrip("\n").split("\n")) for example in (rule.bad, rule.good)
    )
    head = f"{rule.code} {rule.name} ({rule.severity}{', ' + marks if marks else ''})"
    return f"{head}\n\n{rule.what}\n{rule.why}\n\nBad:\n{bad}\n\nGood:\n{good}\n\nWhat to do: {_sentence(rule.hint)}"


def _sentence(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."


def _marks(rule: Rule) -> str:
    marks = [_NEEDS[rule.needs], "stops" if rule.stops else "", "`--fix`" if rule.fixable else ""]
    return ", ".join(mark for mark in marks if mark)


def _anchor(rule: Rule) -> str:
    return f"{rule.code.lower()}-{rule.name}"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
