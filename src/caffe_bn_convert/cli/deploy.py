"""``caffe-bn-convert deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffe_bn_convert.cli import options, say
from caffe_bn_convert.errors import UsageError


@click.command("deploy")
@options.PROTOTXT
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.  [default: the terminal]")
@click.option("--diff", is_flag=True, help="Print what changes, as a unified diff, instead of the whole text.")
@options.STATE
@options.SHAPES
@click.option("--until", multiple=True, metavar="BLOB", help="Keep only what this blob needs; repeatable.")
@click.option("--drop-dropout", is_flag=True, help="Take Dropout out; at test time it does nothing.")
@click.option(
    "--keep-learning-rates", is_flag=True, help="Leave lr_mult and decay_mult in, for a net that is trained on."
)
@options.VERBOSITY
def command(
    prototxt: str, output: Path | None, diff: bool, phase: str | None, stages: tuple[str, ...], quiet: bool,  # noqa: FBT001
    verbose: bool, **rest: Any,  # noqa: ARG001, FBT001  (click's way)
) -> None:  # fmt: skip
    """Make the prototxt of a training net one for deployment.

    \b
        caffe-bn-convert deploy train_val.prototxt -o deploy.prototxt
        caffe-bn-convert deploy train_val.prototxt --diff
        caffe-bn-convert deploy train_val.prototxt --shape data=1x1x28x28

    Data layers become Input. Losses and Accuracy go; of SoftmaxWithLoss the Softmax stays, as "prob". BatchNorm uses
    its stored statistics. Fillers, learning rates and rules go. Everything else stays as it was written.
    """
    from caffe_bn_convert.deploy import deploy
    from caffe_bn_convert.placement import put

    check_static(rest["batch"], rest["shapes"])
    deployed = deploy(prototxt, phase=phase or "TEST", stages=stages, **rest)
    if not quiet:
        for note in deployed.notes:
            say(f'note: layer "{note.layer}": {note.text}')
    if diff:
        click.echo(shown(deployed.diff(str(output or "deploy.prototxt"))), nl=False)
    if output is not None:
        put(output, deployed.text)
        if not quiet:
            say(f"wrote {output}")
    elif not diff:
        click.echo(shown(deployed.text), nl=False)


def check_static(batch: int | str | None, shapes: dict[str, tuple[int | str, ...]]) -> None:
    """A prototxt has numbers only."""
    if batch == "dynamic" or any(isinstance(dim, str) for shape in shapes.values() for dim in shape):
        raise UsageError("a prototxt has no dynamic axes", hint="give numbers; `convert` takes dynamic axes")


def shown(text: str) -> str:
    """Text for a terminal: bytes that were no UTF-8 cannot be shown."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
