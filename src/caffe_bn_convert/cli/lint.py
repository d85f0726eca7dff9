"""``caffe-bn-convert lint``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_bn_convert.cli import extensions, options, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.lint.check import Report
    from caffe_bn_convert.lint.context import Request
    from caffe_bn_convert.lint.selection import Selection

FOUND_ERRORS = 5


def _codes(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code.strip() for value in values for code in value.split(",") if code.strip())


RULES = options.together(
    click.option("--select", multiple=True, callback=_codes, metavar="CODES",
                 help="Only these rules: BN001,POOL or names; repeatable.  [default: ALL]"),
    click.option("--ignore", multiple=True, callback=_codes, metavar="CODES",
                 help="Not these rules; the more exact of --select and --ignore wins."),
    click.option("--rules", is_flag=True, help="List the rules."),
    click.option("--explain", metavar="CODE", help="Say what a rule is about."),
)  # fmt: skip
OUTPUT = options.together(
    click.option("--format", "form", type=click.Choice(["text", "json", "sarif", "github", "junit"]),
                 help="How to print what is found.  [default: text]"),
    click.option("-o", "--output", type=click.Path(path_type=Path), help="Write what is found to a file instead."),
    click.option("--fix", is_flag=True, help="Mend what can be mended safely, in the prototxt itself."),
    click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing."),
)  # fmt: skip
NET = options.together(
    click.option("--train", type=click.Path(), metavar="TRAIN_VAL", help="The training net, to compare with."),
    options.STATE,
    click.option("--shape", "shapes", multiple=True, callback=options.read_shapes, metavar="NAME=DIMS",
                 help="Shape of an input, as in data=1x3x224x224. Repeatable."),
)  # fmt: skip


@click.command("lint")
@click.argument("prototxt", type=click.Path(), required=False)
@options.WEIGHTS
@RULES
@OUTPUT
@NET
@extensions.PLUGIN
@options.VERBOSITY
@click.pass_context
def command(
    ctx: click.Context, /, prototxt: str | None, caffemodel: str | None, output: Path | None,
    rules: bool, explain: str | None, fix: bool, diff: bool, quiet: bool, verbose: bool, **given: Any,  # noqa: FBT001
) -> None:  # fmt: skip
    """Look for mistakes in a net, without converting it.

    \b
        caffe-bn-convert lint deploy.prototxt
        caffe-bn-convert lint deploy.prototxt net.caffemodel
        caffe-bn-convert lint deploy.prototxt --train train_val.prototxt
        caffe-bn-convert lint deploy.prototxt --select BN --format github
        caffe-bn-convert lint deploy.prototxt --fix
        caffe-bn-convert lint --explain BN004

    Exits with 5 if anything is found at error level. Options may stand in caffe-bn-convert.toml or in the
    [tool.caffe-bn-convert.lint] table of pyproject.toml; a comment `# lint: ignore[BN004]` silences a rule.
    """
    if rules or explain is not None:
        click.echo(_listed() if explain is None else _explained(explain))
        return
    if prototxt is None:
        raise click.UsageError("Missing argument 'PROTOTXT'.", ctx)
    from caffe_bn_convert.caffe.prototxt import read_net
    from caffe_bn_convert.lint.check import lint

    form, selection, request = _asked(caffemodel, given)
    net = read_net(prototxt)
    report = (
        _mended(net, request, selection, write=not diff, quiet=quiet) if fix or diff else lint(net, request, selection)
    )
    _print(report, _form(form, quiet=quiet, verbose=verbose), output)
    if report.failed:
        ctx.exit(FOUND_ERRORS)


def _asked(caffemodel: str | None, given: dict[str, Any]) -> tuple[str, Selection, Request]:
    """The options; those that were not typed have come from the configuration file already."""
    from caffe_bn_convert.arguments import input_shapes, weight_files
    from caffe_bn_convert.caffe import caffemodel as weights
    from caffe_bn_convert.layers import LAYERS
    from caffe_bn_convert.lint.context import Request
    from caffe_bn_convert.lint.selection import Selection

    selection = Selection(given["select"] or ("ALL",), given["ignore"])
    request = Request(
        tuple(weights.read(path) for path in weight_files(caffemodel)),
        given["phase"],
        given["level"],
        given["stages"],
        input_shapes(None, given["shapes"]).given,
        given["train"],
        extensions.take(given["plugins"]).get("layers", LAYERS),
    )
    return given["form"] or "text", selection, request


def _mended(net: NetDefinition, request: Request, selection: Selection, *, write: bool, quiet: bool) -> Report:
    from caffe_bn_convert.lint.fix import difference, mend, rewrite

    old = net.text.source.text if net.text is not None else ""
    text, report, count = mend(net, request, selection)
    if not write:
        click.echo(difference(old, text, net.file), nl=False)
        from caffe_bn_convert.lint.check import lint

        return lint(net, request, selection)
    if text != old:
        rewrite(Path(net.file), text)
        if not quiet:
            say(f"{net.file}: {count} {'finding' if count == 1 else 'findings'} mended")
    return report


def _form(name: str, *, quiet: bool, verbose: bool) -> Callable[[Sequence[Report]], str]:
    """How to print; -q and -v are about text for people."""
    from caffe_bn_convert.errors import UsageError
    from caffe_bn_convert.lint.formats import FORMATS, errors, explained

    if name not in FORMATS:
        raise UsageError(f'there is no format "{name}"', hint=f"there are {', '.join(FORMATS)}")
    if name != "text":
        return FORMATS[name]
    return errors if quiet else explained if verbose else FORMATS[name]


def _print(report: Report, form: Callable[[Sequence[Report]], str], output: Path | None) -> None:
    from caffe_bn_convert.placement import put

    words = form([report])
    if output is None:
        if words:
            click.echo(_sayable(words))
        return
    put(output, words + "\n")


def _sayable(words: str) -> str:
    """ASCII where the terminal knows nothing else."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return words.encode(encoding, "backslashreplace").decode(encoding)


def _listed() -> str:
    from caffe_bn_convert.lint.rules import RULES

    return "\n".join(f"{rule.code:9} {rule.severity:8} {rule.name:32} {rule.what}" for rule in RULES.values())


def _explained(code: str) -> str:
    from caffe_bn_convert.lint.page import explain
    from caffe_bn_convert.lint.rules import RULES
    from caffe_bn_convert.lint.selection import Selection

    Selection((code,))
    wanted = (
        code.upper()
        if code.upper() in RULES
        else next((r.code for r in RULES.values() if r.name == code.lower()), None)
    )
    chosen = [RULES[wanted]] if wanted else [rule for rule in RULES.values() if rule.code.startswith(code.upper())]
    return "\n\n".join(explain(rule) for rule in chosen)
