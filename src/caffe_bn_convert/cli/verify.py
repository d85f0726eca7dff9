"""``caffe-bn-convert verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffe_bn_convert.cli import extensions, options, proving
from caffe_bn_convert.cli.waiting import Waiting


@click.command("verify")
@options.PROTOTXT
@click.argument("files", nargs=-1, required=True, metavar="[CAFFEMODEL] MODEL.onnx")
@options.STATE
@options.DIALECTS
@click.option("--keep-losses", is_flag=True, help="The file computes losses and Accuracy, too.")
@click.option("--mean", metavar="NUMBERS", help="Subtracted from images: 104,117,123, in the net's order of channels.")
@click.option("--scale", type=float, help="Images are multiplied by this after that.")
@click.option("--bgr/--rgb", default=None, help="Order of the net's channels.  [default: bgr]")
@extensions.PLUGIN
@proving.PROOF
@options.VERBOSITY
def command(
    prototxt: str, files: tuple[str, ...], keep_losses: bool, mean: str | None, scale: float | None, bgr: bool | None,  # noqa: FBT001
    plugins: tuple[Path, ...], quiet: bool, verbose: bool, **rest: Any,  # noqa: FBT001  (click's way)
) -> None:  # fmt: skip
    """Prove that an ONNX file computes what a Caffe net computes, whoever made it.

    \b
        caffe-bn-convert verify deploy.prototxt net.caffemodel model.onnx
        caffe-bn-convert verify deploy.prototxt net.caffemodel model.onnx \\
            --input data=cat.jpg --report proof.html

    Outputs are matched by name, else by position and shape. Exit code 1 says that the file is wrong, or that nothing
    was seen that could have told right from wrong.
    """
    from caffe_bn_convert.caffe.wrongfile import check_model
    from caffe_bn_convert.verify import failure, verify
    from caffe_bn_convert.verify.theirs import caffe_of

    if len(files) > 2:
        raise click.UsageError("give PROTOTXT, CAFFEMODEL and MODEL.onnx; the caffemodel may be missing")
    weights, model = files[0] if len(files) == 2 else None, Path(files[-1])
    check_model(model)
    taken = proving.take(rest)
    oracle = extensions.take(plugins).get("oracle")
    caffe = caffe_of(prototxt, weights, keep_losses=keep_losses, oracle=oracle, **rest)
    means = None if mean is None else _numbers(mean)
    pictures = {"mean": means, "scale": scale, "bgr": bgr}
    sources = [Path(prototxt), *([Path(weights)] if weights is not None else [])]
    with Waiting("verifying", shown=not quiet):
        report = verify(caffe, model, proving.proof_options(taken, caffe, sources, pictures))
    proving.teller(taken, quiet=quiet, verbose=verbose)(report)
    if report.verdict != "proven":
        raise failure(report)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f'"{text}" is not numbers such as 104,117,123', param_hint="--mean") from None
