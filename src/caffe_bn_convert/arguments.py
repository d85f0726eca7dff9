"""Reading the arguments of the library's calls: files, names, shapes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.net.build import InputShapes
from caffe_bn_convert.net.dim import Symbol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caffe_bn_convert.net.dim import Dim, Shape

    PathLike = str | os.PathLike[str]


def names(value: str | Iterable[str], what: str) -> tuple[str, ...]:
    """Several names; one alone need not be in a list.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, str):
        return (value,)
    try:
        given = tuple(value)
    except TypeError:
        given = (None,)  # type: ignore[assignment]
    if not all(isinstance(name, str) for name in given):
        raise UsageError(f"{what} takes names, not {value!r}")
    return given


def allowed(value: str | Iterable[str]) -> tuple[str, ...]:
    """Codes or names of rules, or "all".

    Raises:
        UsageError: there is no such rule.
    """
    given = names(value, "allow")
    if set(given) <= {"all"}:
        return given
    from caffe_bn_convert.lint.rules import RULES

    known = {"all", *RULES, *(rule.name for rule in RULES.values())}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`caffe-bn-convert lint --rules` lists them"
            raise UsageError(f'there is no rule "{name}" to allow', hint=hint)
    return given


def weight_files(weights: PathLike | Sequence[PathLike] | None) -> list[Path]:
    """The weight files of the argument; a string may list several, separated by commas.

    Raises:
        UsageError: one has no name.
    """
    if weights is None:
        return []
    given = [weights] if isinstance(weights, (str, os.PathLike)) else list(weights)
    if isinstance(weights, str) and not Path(weights).exists():
        given = list(weights.split(","))
    if not given or not all(os.fspath(part) for part in given):
        raise UsageError(f"{weights!r} does not name a weights file", hint="leave it out for a net without parameters")
    return [Path(part) for part in given]


def input_shapes(batch: int | str | None, shapes: Mapping[str, Sequence[int | str]] | None) -> InputShapes:
    """The user's shapes with strings as symbols."""
    given: dict[str, Shape] = {}
    for name, dims in (shapes or {}).items():
        if not isinstance(dims, Sequence) or isinstance(dims, str):
            raise UsageError(f'the shape of "{name}" is a list of sizes, not {dims!r}')
        given[name] = tuple(_dim(dim) for dim in dims)
    return InputShapes(given, Symbol.named("N") if batch == "dynamic" else None if batch is None else _dim(batch))


def _dim(value: Any) -> Dim:
    if isinstance(value, str):
        if value.isidentifier():
            return Symbol.named(value)
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise UsageError(f'"{value}" is neither a size nor a name for a dynamic axis')
        value = int(value)
    if not hasattr(value, "__index__") or value < 1:
        raise UsageError(f"{value} is no size for an axis")
    return int(value)
