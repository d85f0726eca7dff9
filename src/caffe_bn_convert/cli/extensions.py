"""Options for layer types of the user's own, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_bn_convert.cli.options import together

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGIN = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="Layer types of your own; runs the file. See docs/custom-layers.md. Repeatable.",
)
EXTENSIONS = together(
    PLUGIN,
    click.option(
        "--custom-domain",
        metavar="NAME",
        help="Write layers of unknown types as nodes of this domain; --shape TOP=DIMS tells what they make.",
    ),
)


def take(plugins: tuple[Path, ...]) -> Mapping[str, Any]:
    """``layers`` and ``oracle`` for ``convert()``; nothing where there are no plug-ins.

    Raises:
        UsageError: a file is no plug-in.
    """
    if not plugins:
        return {}
    from caffe_bn_convert.layers import LAYERS
    from caffe_bn_convert.plugin import load

    plugin = load(plugins)
    return {"layers": LAYERS | plugin.layers, "oracle": plugin.oracle}
