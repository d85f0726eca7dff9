"""Work counted instead of timed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python in our package run: the same on every machine, idle or busy."""
    found = 0

    def trace(frame: Any, event: str, _argument: object) -> Any:
        nonlocal found
        if "caffe_bn_convert" not in frame.f_code.co_filename:
            return None
        found += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return found


def assert_linear(work: Callable[[int], Callable[[], object]]) -> None:
    """A hundred more of something cost the same, however many there are; ``work(n)`` prepares the work on n of them."""
    work(1)()  # what is cached is not counted
    few, some, many = (steps(work(count)) for count in (100, 200, 300))
    assert many - some <= 1.02 * (some - few)
