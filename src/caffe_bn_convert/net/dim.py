"""Dimensions: integers, or symbols where the user asked for a dynamic axis.

A symbol is a polynomial with integer coefficients over named atoms, kept in one canonical form, so that two ways of
computing the same size compare equal and print the same. What the form cannot divide exactly becomes an atom of its
own: ``floor((H + 1)/2)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import ResourceLimitError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NoReturn


Monomial = tuple[str, ...]

MAX_TERMS = 1000
MAX_LENGTH = 2000
"""Terms and characters of a symbolic size. Twenty nested poolings take 300 characters; made to, sizes grow without end."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A size that is known only at run time.

    Attributes:
        terms: (sorted atoms, coefficient) pairs in sorted order; the constant has no atoms.
    """

    terms: tuple[tuple[Monomial, int], ...]

    @classmethod
    def named(cls, name: str) -> Symbol:
        """The symbol ``name``."""
        return cls((((name,), 1),))

    def __add__(self, other: Dim) -> Dim:
        terms = dict(self.terms)
        for monomial, coefficient in _terms(other):
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return _canonical(terms)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + other * -1

    def __rsub__(self, other: Dim) -> Dim:
        return self * -1 + other

    def __mul__(self, other: Dim) -> Dim:
        others = _terms(other)
        if len(self.terms) * len(others) > MAX_TERMS:
            _too_long()
        terms: dict[Monomial, int] = {}
        for a, m in self.terms:
            for b, n in others:
                key = tuple(sorted(a + b))
                terms[key] = terms.get(key, 0) + m * n
        return _canonical(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        quotient = divide(self, other)
        if quotient is not None:
            return quotient
        if len(str(self)) + len(str(other)) > MAX_LENGTH:
            _too_long()
        return Symbol.named(f"floor({_grouped(self)}/{_grouped(other)})")

    def __rfloordiv__(self, other: int) -> Dim:
        return Symbol.named(f"floor({other}/{_grouped(self)})")

    def __lt__(self, other: Dim) -> NoReturn:
        _needs_number(self)

    __gt__ = __le__ = __ge__ = __lt__

    def __int__(self) -> int:
        _needs_number(self)

    __index__ = __int__

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in sorted(self.terms, key=lambda term: (not term[0], term)):
            factors = [str(abs(coefficient))] if abs(coefficient) != 1 or not monomial else []
            sign = "-" if coefficient < 0 else "+"
            part = "*".join([*factors, *monomial])
            text += f" {sign} {part}" if text else ("-" + part if sign == "-" else part)
        return text


Dim = int | Symbol
Shape = tuple[Dim, ...]


def ceil_div(numerator: Dim, denominator: int) -> Dim:
    """``ceil(numerator / denominator)``."""
    return (numerator + (denominator - 1)) // denominator


def volume(dims: Iterable[Dim]) -> Dim:
    """The product of dimensions; 1 for none."""
    return prod(dims, start=1)


def divide(numerator: Dim, denominator: Dim) -> Dim | None:
    """``numerator / denominator`` where it is exact, else None."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator // denominator if denominator and numerator % denominator == 0 else None
    if numerator == denominator:
        return 1
    divisor = _terms(denominator)
    if len(divisor) != 1:
        return None
    atoms, by = divisor[0]
    terms: dict[Monomial, int] = {}
    for monomial, coefficient in _terms(numerator):
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if by == 0 or coefficient % by:
            return None
        terms[tuple(rest)] = coefficient // by
    return _canonical(terms)


def evaluate(dim: Dim, values: Mapping[str, int]) -> int | None:
    """The number that ``dim`` is for these values of its symbols; None where it is a rounded quotient of symbols."""
    total = 0
    for monomial, coefficient in _terms(dim):
        if any(atom not in values for atom in monomial):
            return None
        total += coefficient * prod(values[atom] for atom in monomial)
    return total


def fixed(shape: Shape) -> tuple[int, ...]:
    """``shape`` as plain integers.

    Raises:
        UnsupportedError: an axis is dynamic.
    """
    return tuple(dim if isinstance(dim, int) else int(dim) for dim in shape)


def is_fixed(shape: Iterable[Dim]) -> bool:
    """Whether every dimension is a number."""
    return all(isinstance(dim, int) for dim in shape)


def show(shape: Iterable[Dim]) -> str:
    """``2x3xH``, for messages."""
    return (
        "x".join(f"({dim})" if isinstance(dim, Symbol) and len(dim.terms) > 1 else str(dim) for dim in shape)
        or "scalar"
    )


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    return dim.terms if isinstance(dim, Symbol) else ((((), int(dim)),) if dim else ())


def _canonical(terms: dict[Monomial, int]) -> Dim:
    kept = tuple(sorted((monomial, coefficient) for monomial, coefficient in terms.items() if coefficient))
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    if len(kept) > MAX_TERMS or any(abs(coefficient) >= 1 << 63 for _, coefficient in kept):
        _too_long()
    return Symbol(kept)


def _grouped(dim: Dim) -> str:
    text = str(dim)
    return f"({text})" if " " in text else text


def _too_long() -> NoReturn:
    raise ResourceLimitError(
        "the formula of a dynamic size becomes too long",
        hint="give the input numbers for more of its axes with --shape",
    )


def _needs_number(symbol: Symbol) -> NoReturn:
    raise UnsupportedError(
        f"this layer needs a fixed size here, but the size is dynamic: {symbol}",
        hint="give the input a number for this axis with --shape",
    )
