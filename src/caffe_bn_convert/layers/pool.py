"""Pooling, and the pyramid that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.conv import sides
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.pool_axis import Axis
from caffe_bn_convert.layers.pool_fields import check_fields, is_same, pair, rounds_up
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.net.dim import Shape, fixed, is_fixed
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Pooling(Layer):
    """MAX or AVE pooling; a second top of MAX is the index of the largest value in its channel's plane."""

    TOPS = (1, 2)
    RESTRICTIONS = "4-D; no STOCHASTIC pooling (it is random); synopsys-caffe's AVE_EXC_PAD, AVE_TF and pad_type"

    method: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    is_global: bool = False
    ceil: bool = True
    mask: bool = False
    pad_end: tuple[int, int] | None = None
    exclude: bool = False
    same: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``pooling_param``."""
        refuse_in_place(source)
        p = source.pooling_param
        only(p, ("ceil_mode", "torch_pooling", "pad_l", "pad_r", "pad_t", "pad_b", "pad_type"))
        method = p.DESCRIPTOR.fields_by_name["pool"].enum_type.values_by_number[p.pool].name
        if method == "STOCHASTIC":
            raise UnsupportedError("STOCHASTIC pooling is random", hint="pool: AVE is what it stands for on average")
        exclude = method in ("AVE_EXC_PAD", "AVE_TF")
        method = "AVE" if exclude else method
        if method not in ("MAX", "AVE"):
            raise UnsupportedError(f"the pooling method {method}, of a fork, is not supported")
        require(source.tops == 1 or method == "MAX", "only MAX pooling has a second top")
        kernel, stride, pad = pair(p, "kernel"), pair(p, "stride"), pair(p, "pad")
        near, far = sides(p)
        if any((*near, *far)):
            require(pad == (0, 0), "pad and pad_l, pad_r, pad_t or pad_b are given together")
            require(all(f < k for f, k in zip(far, kernel, strict=True)), "pad must be smaller than the kernel")
            pad = near
        check_fields(p, kernel, stride, pad)
        end = far if near != far else None
        same = is_same(p, pad)
        return cls(method, kernel, stride, pad, p.global_pooling, rounds_up(p), source.tops == 2, end, exclude, same)

    def axes(self, x: Shape) -> tuple[Axis, Axis]:
        """How the window moves over a bottom of this shape."""
        if self.same:
            each = zip(self.kernel, self.stride, fixed(x[2:]), strict=True)
            h, w = (Axis.same(k, s, size) for k, s, size in each)
            return h, w
        ends = self.pad if self.pad_end is None else self.pad_end
        clip = any((*self.pad, *ends))
        kernel = fixed(x[2:]) if self.is_global else self.kernel
        pads = zip(kernel, self.stride, self.pad, ends, strict=True)
        h, w = (Axis(k, s, p, self.ceil, clip, end) for k, s, p, end in pads)
        return h, w

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with one cell for each window."""
        x = bottoms[0]
        require(len(x) == 4, f"pooling takes 4-D blobs, its bottom has {len(x)} axes")
        sizes: Shape = (
            (1, 1) if self.is_global else tuple(a.windows(n) for a, n in zip(self.axes(x), x[2:], strict=True))
        )
        for size in sizes:
            require(not isinstance(size, int) or size > 0, "the window does not fit the padded image")
        return ((*x[:2], *sizes),) * (2 if self.mask else 1)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """POOL001."""
        x = bottoms[0]
        if self.exclude:
            yield taken_for("synopsys-caffe's Pooling whose averages leave the padding out", "by its method")
        if self.same:
            yield taken_for("synopsys-caffe's Pooling with TensorFlow's padding SAME", "by pad_type: 1")
        if (
            not self.is_global
            and is_fixed(x[2:])
            and any((a.cells(int(n))[0] <= 0).any() for a, n in zip(self.axes(x), x[2:], strict=True))
        ):
            yield Finding(
                "POOL001", f"its last window lies outside the image of {x[2]}x{x[3]} (stride > kernel, no padding)"
            )

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """MaxPool or AveragePool with explicit end padding, never ``ceil_mode``."""
        if self.is_global and not self.mask:
            return [e.op("GlobalMaxPool" if self.method == "MAX" else "GlobalAveragePool", x[0].name)]
        axes = self.axes(x[0].shape)
        if self.method == "MAX":
            return self._max(e, x[0], axes)
        return [self._average(e, x[0], axes)]

    def _attributes(self, x: Tensor, axes: tuple[Axis, Axis]) -> dict[str, Any]:
        # A window that is wholly outside would need padding as wide as the kernel, which ONNX forbids: it is left off here.
        ends = [
            a.end(n) if not isinstance(n, int) or a.real(n) == a.windows(n) else 0
            for a, n in zip(axes, x.shape[2:], strict=True)
        ]
        return {
            "kernel_shape": [a.kernel for a in axes],
            "strides": [a.stride for a in axes],
            "pads": [a.pad for a in axes] + ends,
        }

    def _max(self, e: Emitter, x: Tensor, axes: tuple[Axis, Axis]) -> list[str]:
        attributes = self._attributes(x, axes)
        if not self.mask:
            return [self._outside(e, x, axes, e.op("MaxPool", x.name, **attributes), LOWEST)]
        y, indices = e.op("MaxPool", x.name, outputs=2, **attributes)
        # ONNX counts through the whole tensor, Caffe through the plane of one channel.
        h, w = fixed(x.shape[2:])
        mask = e.op("Cast", e.op("Mod", indices, e.constant(h * w, "plane", np.int64)), to=1)
        return [self._outside(e, x, axes, y, LOWEST), self._outside(e, x, axes, mask, -1.0)]

    def _average(self, e: Emitter, x: Tensor, axes: tuple[Axis, Axis]) -> str:
        attributes = self._attributes(x, axes)
        if not is_fixed(x.shape[2:]):
            return self._average_dynamic(e, x, axes, attributes)
        held, divisor = ([a.cells(int(n))[i] for a, n in zip(axes, x.shape[2:], strict=True)] for i in (0, 1))
        divisor = held if self.exclude else divisor
        real = [h > 0 for h in held]
        check_constant(len(held[0]) * len(held[1]), "the map of its divisors")
        ratio = np.outer(*((h[r] / d[r]) for h, d, r in zip(held, divisor, real, strict=True)))
        y = str(e.op("AveragePool", x.name, count_include_pad=0, **attributes))
        if not (ratio == 1).all():
            y = str(e.op("Mul", y, e.constant(ratio, "held_over_divisor")))
        area = np.multiply.outer(*divisor).astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._outside(e, x, axes, y, np.float32(0) / area)

    def _average_dynamic(self, e: Emitter, x: Tensor, axes: tuple[Axis, Axis], attributes: dict[str, Any]) -> str:
        # Without padding Caffe divides by the cells held; where no window sticks out beyond the padding, by the kernel.
        if self.exclude or all(a.pad == a.pad_end == 0 for a in axes):
            return str(e.op("AveragePool", x.name, count_include_pad=0, **attributes))
        if all(a.stride == 1 or not a.ceil for a in axes):
            return str(e.op("AveragePool", x.name, count_include_pad=1, **attributes))
        if any(a.pad != a.pad_end for a in axes):
            raise UnsupportedError(
                "the divisors of padding on one side depend on the size, which is dynamic",
                hint="give the input numbers for height and width with --shape",
            )
        # Else the divisors depend on the size: the same map as for fixed sizes, computed when the net runs.
        y = str(e.op("AveragePool", x.name, count_include_pad=0, **attributes))
        rows, columns = (window.ratio(e, x, y, axis) for axis, window in zip((2, 3), axes, strict=True))
        return str(e.op("Mul", y, e.op("Mul", e.op("Unsqueeze", rows, e.ints([1], "axis")), columns)))

    def _outside(self, e: Emitter, x: Tensor, axes: tuple[Axis, Axis], y: str, value: Any) -> str:
        """Add the windows that lie wholly outside the image, with Caffe's value for them."""
        if not is_fixed(x.shape[2:]):
            if any(isinstance(n, int) and a.real(n) != a.windows(n) for a, n in zip(axes, x.shape[2:], strict=True)):
                raise UnsupportedError(
                    "its last window lies outside the image on one axis while the other is dynamic",
                    hint="give the input numbers for height and width with --shape",
                )
            return y
        sizes = fixed(x.shape[2:])
        counts = tuple(int(a.windows(n)) for a, n in zip(axes, sizes, strict=True))
        real = tuple(a.real(n) for a, n in zip(axes, sizes, strict=True))
        if counts == real:
            return y
        check_constant(counts[0] * counts[1], "the map of windows outside the image")
        missing = [c - r for c, r in zip(counts, real, strict=True)]
        y = str(e.op("Pad", y, e.ints([0] * 6 + missing, "pads")))
        inside = np.zeros(counts, np.bool_)
        inside[: real[0], : real[1]] = True
        return str(
            e.op(
                "Where",
                e.constant(inside, "inside", np.bool_),
                y,
                e.constant(np.broadcast_to(np.float32(value), counts), "outside"),
            )
        )


LAYERS: dict[str, type[Layer]] = {"Pooling": Pooling}
