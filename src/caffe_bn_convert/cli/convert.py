"""``caffe-bn-convert convert``, the default command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_bn_convert.cli import extensions, options, pictures, proving, say, timings
from caffe_bn_convert.cli.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.verify import Report


@click.command("convert")
@options.PROTOTXT
@options.WEIGHTS
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The ONNX file to write; a link is followed."
)
@options.STATE
@options.SHAPES
@click.option("--opset", type=int, default=17, show_default=True, help="Version of the ONNX operators, from 13 on.")
@click.option("--weights", "mode", type=click.Choice(["embed", "external", "in-place"]), default="embed", show_default=True,
              help="Numbers in the ONNX file, in a data file beside it, or left in the caffemodel.")  # fmt: skip
@click.option("--provenance", type=click.Choice(["sha256", "none"]), default="sha256", show_default=True,
              help="Record the digests of the sources in the metadata.")  # fmt: skip
@click.option("--until", multiple=True, metavar="BLOB", help="End the net at this blob; repeatable.")
@click.option("--expose", multiple=True, metavar="BLOB", help="Make this inner blob an output too; repeatable.")
@click.option("--cut-at-raw", is_flag=True,
              help="End detectors in front of the suppression of boxes, for runtimes without NonMaxSuppression.")  # fmt: skip
@options.DIALECTS
@click.option("--keep-losses", is_flag=True, help="Compute losses and Accuracy instead of leaving them out.")
@click.option("--as-deploy", is_flag=True, help="Convert what `deploy` makes of a training prototxt.")
@click.option("--no-fold", is_flag=True, help="Keep BatchNorm and Scale apart.")
@click.option(
    "--fold-into-conv", is_flag=True, help="Put BatchNorm and Scale into the weights of the layer before them."
)
@options.PRECISION
@extensions.EXTENSIONS
@pictures.PREPROCESSING
@proving.IN_CONVERT
@proving.PROOF
@options.ALLOW
@options.VERBOSITY
@timings.TIMINGS
def command(
    prototxt: str, caffemodel: str | None, output: Path, mode: str, provenance: str, stages: tuple[str, ...],
    plugins: tuple[Path, ...], no_fold: bool, fold_into_conv: bool, verify: bool, keep_failed: bool,  # noqa: FBT001
    quiet: bool, verbose: bool, **rest: Any,  # noqa: FBT001  (click's way)
) -> None:  # fmt: skip
    """Convert a Caffe net to ONNX, and prove that the result computes what Caffe computes.

    \b
        caffe-bn-convert deploy.prototxt net.caffemodel -o out.onnx
        caffe-bn-convert deploy.prototxt net.caffemodel --batch dynamic -o n.onnx
        caffe-bn-convert train_val.prototxt net.caffemodel -o out.onnx \\
            --as-deploy --shape data=1x3x224x224

    CAFFEMODEL may be a .caffemodel, a .caffemodel.h5, several of them separated by commas, or be left out for a net
    without parameters.
    """
    from caffe_bn_convert.front import convert

    taken = proving.take(rest) if verify else proving.leave(rest)
    state = {"phase": rest["phase"], "level": rest["level"], "stages": stages}
    preprocessing = pictures.take(rest, prototxt, state)
    with Waiting("reading", shown=not quiet):
        conversion = convert(
            prototxt,
            caffemodel,
            stages=stages,
            fold=not no_fold,
            fold_conv=fold_into_conv,
            preprocessing=preprocessing,
            precision=options.take_precision(rest),
            **extensions.take(plugins),
            **rest,
        )
    if not quiet:
        describe(conversion, verbose=verbose)
    tell = proving.teller(taken, quiet=quiet, verbose=verbose)
    proof = proving.of_conversion(taken, conversion) if verify else False
    _save(conversion, output, mode, tell, quiet=quiet, provenance=provenance, verify=proof, keep_failed=keep_failed)


def _save(
    conversion: Conversion, output: Path, mode: str, tell: Callable[[Report], None], *, quiet: bool, **how: Any
) -> None:
    """Write and prove, and say what was written."""

    def told(report: Report) -> None:
        waiting.stop()
        tell(report)

    total = sum(source.path.stat().st_size for source in conversion.sources)
    then = "verifying" if how["verify"] is not False else "finishing"
    with Waiting("converting", total=total, then=then, shown=not quiet) as waiting:
        data = conversion.save(output, mode, progress=waiting.written, tell=told, **how)
    if quiet:
        return
    if data is not None and mode == "embed":
        say("  note    an ONNX file holds less than 2 GiB: the weights are in a file of their own beside it")
    beside = f" and {data} ({data.stat().st_size:,} bytes)" if data is not None else ""
    say(f"wrote {output} ({output.stat().st_size:,} bytes){beside}")


def describe(conversion: Conversion, *, verbose: bool) -> None:
    """Say what was read, what was left out and what is remarkable."""
    from caffe_bn_convert.layers.norm import BatchNormalization
    from caffe_bn_convert.net.dim import show

    graph = conversion.graph
    left = {node.name for node in graph.nodes if not isinstance(node.layer, BatchNormalization)}
    folded = sum(layer.type in ("BatchNorm", "BN") and layer.name not in left for layer in conversion.net.layers)
    say(
        f"{graph.name or conversion.net.file}: {len(conversion.net.layers)} layers, {folded} BatchNorm folded, {conversion.phase}"
    )
    for name in graph.inputs:
        say(f"  input   {name}  {show(graph.shapes[name])}")
    for name in graph.outputs:
        say(f"  output  {name}  {show(graph.shapes[name])}")
    for loss in conversion.losses:
        say(f"  {conversion.precision}  {loss}")
    for note in conversion.notes:
        say(f'  note    layer "{note.layer}": {note.text}')
    for finding in conversion.findings:
        say(f"  {finding.code}  {finding.where}: {finding.what}")
    unused = conversion.located.unused
    if unused:
        some = ", ".join(unused if verbose else unused[:5]) + ("" if verbose or len(unused) <= 5 else ", …")
        say(f"  note    the weights have {len(unused)} layer{'s' * (len(unused) > 1)} that the net does not: {some}")
