"""COLINEAR_CONVOLUTION of exp_caffe: a quadratic form of each patch beside the convolution (colineconv_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.conv import Window
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import fixed, show
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Shape

_FIELDS = (
    "num_output", "quadratic_term", "linear_term", "bias_term", "pad", "kernel_size", "group", "stride",
    "quadratic_weight_filler", "linear_weight_filler", "bias_filler",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColinearConvolution(Layer):
    """``vᵀ Q v + W v + b`` of every patch ``v``, which is laid out as im2col does.

    Attributes:
        num_output: how many forms, and channels of the top.
        window: how the patch moves.
        group: groups of ``W``; ``Q`` has none.
        quadratic, linear, bias: which of the three terms there are. Each has a blob anyway.
        fillers: of the bias, of ``W`` and of ``Q``.
    """

    RESTRICTIONS = "4 axes; symmetric, mask and factor are refused"

    num_output: int
    window: Window
    group: int
    quadratic: bool
    linear: bool
    bias: bool
    fillers: tuple[Filler, Filler, Filler]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``colinear_convolution_param``."""
        refuse_in_place(source)
        p = source.colinear_convolution_param
        only(p, _FIELDS)
        require(p.num_output > 0, "colinear_convolution_param needs num_output")
        require(
            p.group > 0 and p.num_output % p.group == 0, f"num_output {p.num_output} is no multiple of group {p.group}"
        )
        require(p.quadratic_term or p.linear_term, "it has neither a quadratic nor a linear term")
        window = Window((p.kernel_size,), (p.stride,), (p.pad,), (1,)).spread(2)
        fillers = tuple(Filler.read(p, f"{name}_filler") for name in ("bias", "linear_weight", "quadratic_weight"))
        return cls(p.num_output, window, p.group, p.quadratic_term, p.linear_term, p.bias_term, fillers)  # type: ignore[arg-type]

    def _rows(self, bottoms: Shapes) -> int:
        """Values of a patch."""
        return fixed(bottoms[0][1:2])[0] * self.window.kernel[0] ** 2

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """Bias, linear and quadratic weights; a term that is off has a blob of ``num_output`` unused values."""
        require(len(bottoms[0]) == 4, f"it takes blobs of 4 axes, not {show(bottoms[0])}")
        channels, rows, size = fixed(bottoms[0][1:2])[0], self._rows(bottoms), self.window.kernel
        require(channels % self.group == 0, f"{channels} channels are no multiple of group {self.group}")
        shapes = {
            "bias": (1, 1, 1, self.num_output),
            "linear": (self.num_output, channels // self.group, *size),
            "quadratic": (1, self.num_output, rows, rows),
        }
        used = zip(shapes, (self.bias, self.linear, self.quadratic), self.fillers, strict=True)
        return tuple(
            Parameter(name, shapes[name], filler) if on else Parameter(name, shapes["bias"])
            for name, on, filler in used
        )

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A convolution's."""
        require(len(bottoms[0]) == 4, f"it takes blobs of 4 axes, not {show(bottoms[0])}")
        sizes = tuple(self.window.out(i, size) for i, size in enumerate(bottoms[0][2:]))
        require(all(not isinstance(size, int) or size > 0 for size in sizes), "the kernel does not fit the bottom")
        return ((bottoms[0][0], self.num_output, *sizes),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Conv for ``v`` and ``Q v``, Mul and ReduceSum; Conv and Add for the rest."""
        top = self.shapes((x[0].shape,))[0]
        terms = []
        if self.quadratic:
            terms.append(self._forms(e, x[0], w[2], top))
        if self.linear:
            weight = e.weight(w[1], "linear")
            terms.append(e.op("Conv", x[0].name, weight, group=self.group, **self._attributes(x[0])))
        if self.bias:
            terms.append(e.weight(w[0], "bias", (1, self.num_output, 1, 1)))
        value = terms[0]
        for term in terms[1:]:
            value = e.op("Add", value, term)
        return [value]

    def _attributes(self, x: Tensor) -> dict[str, Any]:
        return self.window.attributes(self.window.missing(x.shape[2:]))

    def _forms(self, e: Emitter, x: Tensor, quadratic: Blob, top: Shape) -> str:
        rows, channels = self._rows((x.shape,)), fixed(x.shape[1:2])[0]
        check_constant(rows * rows, "the kernel that takes patches apart")
        patch = (channels, *self.window.kernel)
        attributes = self._attributes(x)
        taken = e.constant(np.eye(rows, dtype=np.float32).reshape(rows, *patch), "patch")
        values = e.op("Conv", x.name, taken, **attributes)
        weight = e.weight(quadratic, "quadratic", (self.num_output * rows, *patch))
        products = e.op("Conv", x.name, weight, **attributes)
        n, _, *plane = top
        deep = (n, self.num_output, rows, *plane)
        products = e.reshape(products, (n, self.num_output * rows, *plane), deep)
        values = e.reshape(values, (n, rows, *plane), (n, 1, rows, *plane))
        return str(e.reduce("Sum", e.op("Mul", products, values), [2], keepdims=False))


LAYERS: dict[str, type[Layer]] = {"COLINEAR_CONVOLUTION": ColinearConvolution}
