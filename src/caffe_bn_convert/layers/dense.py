"""InnerProduct and Embed: layers whose weights are a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Dim, Shape, Symbol, fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class InnerProduct(Layer):
    """A matrix times everything from ``axis`` on (inner_product_layer.cpp).

    Attributes:
        num_output: how many numbers replace the axes from ``axis`` on.
        bias: whether a learned bias is added.
        axis: the first axis that is multiplied away; 0 leaves no batch, so that the top has one axis.
        transpose: whether the weights lie as (in, out) instead of (out, in).
    """

    num_output: int
    bias: bool = True
    axis: int = 1
    transpose: bool = False
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, 3)
    RESTRICTIONS = "with bottoms for weights and bias, as in training_toolbox_caffe, without transpose"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``inner_product_param``: an :class:`InnerProduct`, or a :class:`Product` where weights are a bottom."""
        p = source.inner_product_param
        only(p, {"weight_fixed"})
        refuse_in_place(source)
        if source.bottoms > 1:
            return Product.read(source)
        require(p.num_output > 0, "inner_product_param needs num_output")
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        return cls(p.num_output, p.bias_term, p.axis, p.transpose, *fillers)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The matrix, and the bias."""
        axis = canonical_axis(self.axis, len(bottoms[0]))
        inputs = volume(fixed(bottoms[0][axis:]))
        shape: Shape = (inputs, self.num_output) if self.transpose else (self.num_output, inputs)
        weight = Parameter("weight", shape, self.weight_filler)
        return (weight, Parameter("bias", (self.num_output,), self.bias_filler)) if self.bias else (weight,)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The axes before ``axis``, and ``num_output``."""
        axis = canonical_axis(self.axis, len(bottoms[0]))
        return ((*bottoms[0][:axis], self.num_output),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Gemm, which takes the weights either way, so that they pass through."""
        axis = canonical_axis(self.axis, len(x[0].shape))
        biases = [e.weight(w[1], "bias")] if self.bias else []
        y = e.op("Gemm", e.flatten_to(x[0], axis), e.weight(w[0], "weight"), *biases, transB=int(not self.transpose))
        batch = x[0].shape[:axis]
        if sum(isinstance(dim, Symbol) for dim in batch) > 1:
            sizes = e.slice(e.op("Shape", x[0].name), [0], [axis], [0])
            return [e.op("Reshape", y, e.op("Concat", sizes, e.ints([self.num_output], "num_output"), axis=0))]
        rows: Dim = volume(batch)
        return [e.reshape(y, (rows, self.num_output), (*batch, self.num_output))]


@dataclass(frozen=True, slots=True)
class Product(Layer):
    """training_toolbox_caffe's InnerProduct: the second bottom's rows are the weights, a third is the bias.

    Attributes:
        axis: the first axis that is multiplied away.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (2, 3)

    axis: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``inner_product_param``.

        Raises:
            UnsupportedError: with ``transpose``, where the fork reads past what the shapes say.
        """
        p = source.inner_product_param
        if p.transpose:
            raise UnsupportedError("InnerProduct with a bottom for its weights is not known with transpose")
        require(
            p.bias_term == (source.bottoms == 3), "with weights from a bottom, bias_term needs a third bottom, the bias"
        )
        return cls(p.axis)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The axes before ``axis``, and as many numbers as the weights have rows."""
        x, w, *biases = bottoms
        axis = canonical_axis(self.axis, len(x))
        require(
            volume(fixed(x[axis:])) == volume(fixed(w[1:])), f"weights of {show(w)} do not fit a bottom of {show(x)}"
        )
        require(
            all(volume(fixed(bias)) == w[0] for bias in biases),
            "the bias must have a number for each row of the weights",
        )
        return ((*x[:axis], w[0]),)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("training_toolbox_caffe's InnerProduct", "by its second bottom, the weights")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gemm."""
        axis = canonical_axis(self.axis, len(x[0].shape))
        batch, rows = x[0].shape[:axis], fixed(x[1].shape[:1])
        weights = e.reshape(x[1].name, x[1].shape, (*rows, volume(fixed(x[1].shape[1:]))))
        biases = [e.reshape(bias.name, bias.shape, rows) for bias in x[2:]]
        y = e.op("Gemm", e.flatten_to(x[0], axis), weights, *biases, transB=1)
        return [e.reshape(y, (volume(batch), *rows), (*batch, *rows))]


@dataclass(frozen=True, slots=True)
class Embed(Layer):
    """A row of the weights for every number of the bottom (embed_layer.cpp)."""

    num_output: int
    input_dim: int
    bias: bool = True
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``embed_param``."""
        p = source.embed_param
        only(p, ())
        refuse_in_place(source)
        require(p.num_output > 0 and p.input_dim > 0, "embed_param needs num_output and input_dim")
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        return cls(p.num_output, p.input_dim, p.bias_term, *fillers)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:  # noqa: ARG002
        """The rows, and the bias."""
        weight = Parameter("weight", (self.input_dim, self.num_output), self.weight_filler)
        return (weight, Parameter("bias", (self.num_output,), self.bias_filler)) if self.bias else (weight,)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """One more axis than the bottom."""
        return ((*bottoms[0], self.num_output),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Gather, after a Cast: Caffe's indices are floats, and it cuts off what stands behind the point."""
        y = e.op("Gather", e.weight(w[0], "weight"), e.op("Cast", x[0].name, to=7), axis=0)
        return [e.op("Add", y, e.weight(w[1], "bias")) if self.bias else y]


LAYERS: dict[str, type[Layer]] = {"InnerProduct": InnerProduct, "Embed": Embed}
