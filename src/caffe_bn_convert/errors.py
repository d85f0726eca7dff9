"""Everything that this package raises on purpose.

    ConversionError                     the base; never raised itself
    ├── UsageError              2       the call or the options make no sense together
    ├── UnreadableError         3       an input file cannot be read for what it should be
    │   ├── ParseError                  text that is not a prototxt: has line, column and a caret
    │   └── WrongFileError              a file of another kind (an LFS pointer, an ONNX file, …)
    ├── UnsupportedError        4       layers or parameters with no rendering in ONNX, all of them at once
    ├── InvalidNetError         4       a net that Caffe itself would refuse to set up
    ├── RefusedError            5       legal but suspicious: a numbered rule that ``--allow`` can lift
    ├── VerificationError       1       the ONNX file does not compute what Caffe computes
    ├── ProviderError           6       the execution provider that was asked for did not run
    ├── CannotWriteError        7       the output could not be put in place
    └── ResourceLimitError      8       a file asks for more memory or time than is sane

The number is the exit code of the command. 0 is success, 70 an internal error (anything that is not a
``ConversionError`` is a bug of ours and keeps its traceback), 130 an interrupt.

Code that finds a fault says *what* is wrong and what to do; the boundary that knows the place adds *where*, with :func:`at`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from caffe_bn_convert.verify.report.model import Report


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's files. Lines and columns count from 1; whatever is unknown is None.

    Attributes:
        file: the name as the user wrote it.
        line: line in ``file``.
        column: column in ``line``.
        layer: name of the Caffe layer.
        type: type of the Caffe layer.
    """

    file: str | None = None
    line: int | None = None
    column: int | None = None
    layer: str | None = None
    type: str | None = None

    def filled(self, outer: Where) -> Where:
        """This place, with what it lacks taken from ``outer``."""
        return Where(
            self.file if self.file is not None else outer.file,
            self.line if self.line is not None else outer.line,
            self.column if self.column is not None else outer.column,
            self.layer if self.layer is not None else outer.layer,
            self.type if self.type is not None else outer.type,
        )

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        layer = f'layer "{self.layer}"' if self.layer is not None else ""
        if layer and self.type:
            layer += f" ({self.type})"
        return ": ".join(part for part in (place, layer) if part)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, what to do about it, and where."""

    what: str
    hint: str | None = None
    where: Where = Where()
    code: str | None = None
    excerpt: str | None = None

    def __str__(self) -> str:
        place = str(self.where)
        code = f"{self.code} " if self.code else ""
        text = f"{place}: {code}{self.what}" if place else f"{code}{self.what}"
        if self.excerpt:
            text += "\n" + self.excerpt
        if self.hint:
            text += f"\n  {self.hint}"
        return text


class ConversionError(Exception):
    """Base of all errors that users cause or can do something about.

    Args:
        what: what is wrong, in one sentence.
        hint: what to do about it.
        where: the place, as far as the raiser knows it.
        problems: instead of the above, several problems at once.
    """

    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        what: str = "",
        *,
        hint: str | None = None,
        where: Where | None = None,
        code: str | None = None,
        excerpt: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems) or (Problem(what, hint, where or Where(), code, excerpt),)
        super().__init__(what)

    def __str__(self) -> str:
        """All problems; a hint that the next problem repeats is left to that one."""
        following: tuple[Problem | None, ...] = (*self.problems[1:], None)
        lines = []
        for problem, after in zip(self.problems, following, strict=True):
            repeated = after is not None and after.hint == problem.hint
            lines.append(str(replace(problem, hint=None) if repeated else problem))
        return "\n".join(lines)

    def locate(self, outer: Where) -> None:
        """Fill in what the problems do not know of their place."""
        self.problems = tuple(replace(problem, where=problem.where.filled(outer)) for problem in self.problems)


class UsageError(ConversionError):
    """The call or the options make no sense together."""

    exit_code = 2


class UnreadableError(ConversionError):
    """An input file cannot be read for what it should be."""

    exit_code = 3


class ParseError(UnreadableError):
    """Text that is not a prototxt."""


class WrongFileError(UnreadableError):
    """A file of another kind than the one that is needed."""


class UnsupportedError(ConversionError):
    """Layers or parameters that have no rendering in ONNX; lists all of them."""

    exit_code = 4


class InvalidNetError(ConversionError):
    """A net that Caffe itself would refuse to set up, or weights that do not fit it."""

    exit_code = 4


class RefusedError(ConversionError):
    """Legal but suspicious; ``allow=CODE`` takes Caffe's own meaning, or what the rule names."""

    exit_code = 5


class VerificationError(ConversionError):
    """The ONNX file does not compute what Caffe computes.

    Attributes:
        report: the whole proof, where there is one.
    """

    exit_code = 1
    report: Report | None = None


class ProviderError(ConversionError):
    """The execution provider that was asked for did not run."""

    exit_code = 6


class CannotWriteError(ConversionError):
    """The output could not be put in place."""

    exit_code = 7


class ResourceLimitError(ConversionError):
    """A file asks for more memory or time than is sane."""

    exit_code = 8


class at:  # noqa: N801  (it is read as a word)
    """Tell errors that leave this block where they happened.

    Args:
        where: the place, or what tells it; that is asked only if something is wrong.

    Example::

        with at(Where(layer="conv1", type="Convolution")):
            layer = Convolution.read(parameters)
    """

    __slots__ = ("_where",)

    def __init__(self, where: Where | Callable[[], Where]) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ConversionError):
            error.locate(self._where if isinstance(self._where, Where) else self._where())
