"""``--timings``: where the time went, on stderr, when the command is done."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import click

from caffe_bn_convert.cli import say

if TYPE_CHECKING:
    from collections.abc import Mapping


def _start(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001  (click's way)
    if value:
        from caffe_bn_convert.stages import listen

        start = perf_counter()
        seconds = context.with_resource(listen())
        context.call_on_close(lambda: _print(seconds, perf_counter() - start))


def _print(seconds: Mapping[str, float], total: float) -> None:
    rest = total - sum(seconds.values())
    for name, value in {**seconds, "the rest": rest, "total": total}.items():
        say(f"  {name:10} {value * 1000:10.1f} ms")


TIMINGS = click.option("--timings", is_flag=True, is_eager=True, expose_value=False, callback=_start,
                       help="Print what each stage took.")  # fmt: skip
