"""``caffe-bn-convert layers``."""

from __future__ import annotations

import json

import click


@click.command("layers")
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
def command(as_json: bool) -> None:  # noqa: FBT001  (click's way)
    """List the layer types that can be converted, with what is restricted.

    \b
        caffe-bn-convert layers
        caffe-bn-convert layers --json
    """
    from caffe_bn_convert.layers import LAYERS

    rows = [
        {"type": name, "restrictions": cls.RESTRICTIONS}
        for name, cls in sorted(LAYERS.items(), key=lambda item: item[0].lower())
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max(len(row["type"]) for row in rows)
    for row in rows:
        click.echo(f"{row['type']:{width}}  {row['restrictions']}".rstrip())
