"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Any], Any]

PROTOTXT = click.argument("prototxt", type=click.Path(), metavar="PROTOTXT")
WEIGHTS = click.argument("caffemodel", type=click.Path(), metavar="[CAFFEMODEL]", required=False)


def _is_number(text: str) -> bool:
    """Whether the text is a whole number of a sane length; ``isdigit`` alone knows other scripts' digits, too."""
    return text.isascii() and text.isdigit() and len(text) < 20


def parse_shape(text: str) -> tuple[str, tuple[int | str, ...]]:
    """``data=1x3x224x224`` or ``data=Nx3xHxW``: a blob's name and its dims; letters name dynamic axes.

    Raises:
        click.BadParameter: it has another form.
    """
    name, equals, dims = text.rpartition("=")
    parts = dims.replace("×", "x").split("x") if equals and dims else []
    if not name or not parts or not all(_is_number(part) or part.isidentifier() for part in parts):
        raise click.BadParameter(
            f'"{text}" is not of the form NAME=1x3x224x224 (letters, as in NAME=Nx3xHxW, make dynamic axes)'
        )
    return name, tuple(int(part) if _is_number(part) else part for part in parts)


def read_shapes(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """The callback of --shape: shapes by blob name."""
    return dict(parse_shape(value) for value in values)


def _batch(_context: click.Context, _option: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "dynamic":
        return value
    if not _is_number(value) or int(value) < 1:
        raise click.BadParameter(f'"{value}" is neither a number above 0 nor "dynamic"')
    return int(value)


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


STATE = together(
    click.option(
        "--phase",
        type=click.Choice(["TEST", "TRAIN"], case_sensitive=False),
        help="Phase for include and exclude rules.  [default: the prototxt's, else TEST]",
    ),
    click.option("--level", type=int, default=0, help="Level for include and exclude rules."),
    click.option("--stage", "stages", multiple=True, help="Stage for include and exclude rules; repeatable."),
)
SHAPES = together(
    click.option("--batch", callback=_batch, metavar="N|dynamic", help="First dimension of every input."),
    click.option(
        "--shape",
        "shapes",
        multiple=True,
        callback=read_shapes,
        metavar="NAME=DIMS",
        help="Shape of an input, as in data=1x3x224x224; letters make dynamic axes: data=Nx3xHxW. Repeatable.",
    ),
)
PRECISION = together(
    click.option("--fp16", is_flag=True, help="Compute in float16; BatchNorm stays float32."),
    click.option("--fp16-weights", is_flag=True, help="Store the weights as float16, compute in float32."),
    click.option("--simplify", is_flag=True, help="Let onnxslim simplify the result, if it is installed."),
)


def take_precision(options: dict[str, Any]) -> str:
    """Take the flags of PRECISION out of ``options``; returns the precision.

    Raises:
        click.UsageError: both are given.
    """
    whole, weights = options.pop("fp16"), options.pop("fp16_weights")
    if whole and weights:
        raise click.UsageError("--fp16 and --fp16-weights exclude each other")
    return "float16" if whole else "float16-weights" if weights else "float32"


def _dialects(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.rpartition("=") for value in values]
    for name, equals, dialect in pairs:
        if not (name and equals and dialect):
            raise click.BadParameter(f'"{name or dialect}" is not of the form LAYER=NAME or TYPE=NAME')
    return {name: dialect for name, _, dialect in pairs}


DIALECTS = click.option(
    "--dialect",
    "dialects",
    multiple=True,
    callback=_dialects,
    metavar="LAYER|TYPE=NAME",
    help="Whose of several layers of one name is meant, as in BatchNorm=nvidia; docs/layers.md lists them, and so does a "
    "wrong NAME. Repeatable.",
)
ALLOW = click.option(
    "--allow",
    multiple=True,
    metavar="CODE",
    help='A rule, by code or name, that need not stop the work, or "all". Repeatable.',
)
VERBOSITY = together(
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Print more."),
)
