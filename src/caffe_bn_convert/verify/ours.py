"""What a conversion tells the proof. Nothing of it is judged by: names and sizes only."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.save import written
from caffe_bn_convert.net.wiring import wire
from caffe_bn_convert.verify import failure, verify
from caffe_bn_convert.verify.oracle import LAYERS
from caffe_bn_convert.verify.oracle.crops import placed
from caffe_bn_convert.verify.oracle.values import is_input, plan
from caffe_bn_convert.verify.pictures import Front
from caffe_bn_convert.verify.walk import Caffe

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.export.pending import Pending
    from caffe_bn_convert.net.dim import Shape
    from caffe_bn_convert.verify.proof import Options
    from caffe_bn_convert.verify.report.model import Report

DYNAMIC = 64
"""Stands for a dynamic axis where sizes are estimated."""


def caffe_of(conversion: Conversion) -> Caffe:
    """The parts of a conversion that stand before everything that is on trial."""
    rules = {**LAYERS, **conversion.oracle}
    return Caffe(placed(conversion.net), conversion.located.blobs, conversion.phase, rules)


def ours(conversion: Conversion, options: Options) -> Options:
    """The options for the conversion's own file."""
    sizes = {name: _size(shape) for name, shape in conversion.graph.shapes.items()}
    return replace(options, own=True, names=_names(conversion), sizes=sizes, front=_front(conversion))


def _front(conversion: Conversion) -> Front | None:
    """What the file does to pictures before the net, if anything."""
    graph, wanted = conversion.graph, conversion.preprocessing
    if wanted is None or wanted.input is None:
        return None
    made = next(
        (n.tops[0] for n in graph.nodes if n.type == "Preprocess" and n.bottoms == (wanted.input,)), wanted.input
    )
    height, width = (size if isinstance(size, int) else None for size in graph.shapes[made][2:])
    return Front(wanted.input, wanted, (height, width))


def _size(shape: Shape) -> int:
    return prod(dim if isinstance(dim, int) else DYNAMIC for dim in shape)


def _names(conversion: Conversion) -> dict[str, str]:
    """The few values that the oracle and the converter call by different names (two layers of one name)."""
    layers = conversion.net.layers
    wires = wire(layers, [is_input(layer) for layer in layers])
    names = {}
    for step, tops in zip(plan(conversion.net).steps, wires.tops, strict=True):
        names.update({key: top for key, top in zip(step.tops, tops, strict=True) if key != top})
    return names


def _proof(conversion: Conversion, pending: Pending, options: Options | None) -> Report:
    """Of the file; with nodes of a custom domain, of what is around them.

    Of a float16 form its float32 form is proven; how far it is from that, :attr:`Conversion.losses` tells.
    """
    part = conversion.provable
    if part is conversion:
        return verify(conversion, pending.model, options, name=str(pending.target))
    if not part.graph.outputs:
        raise UnsupportedError(
            "nothing around the nodes of custom domains can be verified: they work in place, or are all there is",
            hint="add --no-verify if you can check the model yourself",
        )
    with written(part, pending.target, "embed", "none", lambda _: None) as rest:
        what = "in float32" if conversion.precision != "float32" else "without the nodes of custom domains"
        return verify(part, rest.model, options, name=f"{pending.target} {what}")


def prove_pending(
    conversion: Conversion,
    pending: Pending,
    options: Options | None,
    *,
    keep_failed: bool,
    tell: Callable[[Report], object],
) -> None:
    """Prove a file that is written but not in place yet.

    Raises:
        ProviderError: the provider does not run the file, or the installed onnxruntime not at this opset.
        VerificationError: it is wrong; with ``keep_failed`` it stays as ``<target>.failed``.
    """
    report = _proof(conversion, pending, options)
    tell(report)
    if not report.passed:
        if keep_failed:
            pending.keep_as(pending.target.with_name(pending.target.name + ".failed"))
        raise failure(report)
