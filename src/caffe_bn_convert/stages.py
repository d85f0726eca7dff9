"""How long each stage of a conversion takes, for whoever listens."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

_heard: ContextVar[dict[str, float] | None] = ContextVar("heard", default=None)


@contextmanager
def listen() -> Iterator[dict[str, float]]:
    """Seconds by stage, in the order in which the stages first began; filled while the block runs."""
    heard: dict[str, float] = {}
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def stage(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that is a stage, or a part of one; stages do not lie inside each other."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            heard = _heard.get()
            if heard is None:
                return function(*args, **kwargs)
            heard.setdefault(name, 0.0)
            start = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                heard[name] += perf_counter() - start

        return timed

    return decorate


__all__ = ["listen", "stage"]
