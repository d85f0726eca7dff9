"""``caffe-bn-convert layers``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command("layers")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table, with the ONNX operators of each type.")
def command(as_json: bool) -> None:  # noqa: FBT001  (click's way)
    """List the layer types that can be converted: whose they are, and what is restricted.

    \b
        caffe-bn-convert layers
        caffe-bn-convert layers --json
    """
    from caffe_bn_convert.layers.catalogue import NOT_SUPPORTED, entries

    found = entries()
    if as_json:
        click.echo(json.dumps({"layers": [asdict(entry) for entry in found], "not_supported": NOT_SUPPORTED}, indent=1))
        return
    rows = [("TYPE", "WHOSE", "RESTRICTIONS"), *((entry.type, entry.fork, entry.restrictions) for entry in found)]
    name = max(len(kind) for kind in [*(row[0] for row in rows), *NOT_SUPPORTED])
    whose = max(len(row[1]) for row in rows)
    for kind, fork, restrictions in rows:
        click.echo(f"{kind:{name}}  {fork:{whose}}  {restrictions}".rstrip())
    click.echo("\nNOT CONVERTED")
    for kind, reason in sorted(NOT_SUPPORTED.items(), key=lambda item: item[0].lower()):
        click.echo(f"{kind:{name}}  {reason}")
