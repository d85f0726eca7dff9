"""Emitting ONNX: nodes, constants, names and the differences between opsets.

Layers call :meth:`Emitter.op` with ONNX operator names as of opset 13; where a later opset moved an attribute to an
input, a method here knows both forms, so that no layer looks at the opset.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT, FLOAT16
from caffe_bn_convert.net.dim import Shape, Symbol, is_fixed, show, volume
from caffe_bn_convert.net.limits import check_computed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caffe_bn_convert.caffe.blob import Blob


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value on the ONNX side: its name and its shape."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Initializer:
    """A constant of the model.

    Attributes:
        name: its name in the graph.
        shape: its shape.
        data: an array, or a blob whose numbers still lie in the weights file.
        half: the blob's numbers are to be written as float16.
    """

    name: str
    shape: tuple[int, ...]
    data: np.ndarray[Any, Any] | Blob
    half: bool = False

    @property
    def elem_type(self) -> int:
        """The ``TensorProto.DataType``; blobs are float32, or float16 if ``half``."""
        if isinstance(self.data, np.ndarray):
            return int(onnx.helper.np_dtype_to_tensor_dtype(self.data.dtype))
        return FLOAT16 if self.half else FLOAT

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in the ONNX file."""
        return int(self.data.nbytes) // (2 if self.half else 1)


class Names:
    """Unique names: the first to ask for a name gets it, later ones get ``name_2``, ``name_3``, …"""

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self._taken = set(reserved)
        self._next: dict[str, int] = {}

    def unique(self, wanted: str) -> str:
        """``wanted``, or with the first free number behind it."""
        name = wanted
        while name in self._taken:
            count = self._next.get(wanted, 1) + 1
            self._next[wanted] = count
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name


@dataclass(slots=True)
class Emitter:
    """Collects the nodes and initializers of one model.

    Attributes:
        opset: version of the default ONNX domain.
        names: the values' names; all Caffe blob names are reserved from the start.
    """

    opset: int
    names: Names
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[Initializer] = field(default_factory=list)
    _layer: str = ""
    _node_names: Names = field(default_factory=Names)
    _equal: dict[Any, str] = field(default_factory=dict)
    _computed: int = 0  # how many numbers the constants hold

    @contextmanager
    def layer(self, name: str) -> Iterator[list[onnx.NodeProto]]:
        """Nodes that are emitted inside belong to this layer; yields the list that they are added to."""
        group: list[onnx.NodeProto] = []
        outer, self._layer, self.nodes = self.nodes, name, group
        try:
            yield group
        finally:
            self.nodes = outer
            self._name_nodes(name, group)
            self.nodes.extend(group)

    def _name_nodes(self, layer: str, group: list[onnx.NodeProto]) -> None:
        for node in group:
            node.name = self._node_names.unique(layer if len(group) == 1 else f"{layer}/{node.op_type}")

    def op(self, op_type: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """Add a node; returns the name of its output, or a list of names for several ``outputs``.

        Attributes that are None are left out; an input that is ``""`` is absent.
        """
        names = [self.names.unique(f"{self._layer}/{op_type}") for _ in range(outputs)]
        node = onnx.NodeProto(op_type=op_type, input=inputs, output=names, domain=domain)
        for key, value in attributes.items():
            if value is not None:
                node.attribute.append(attribute(key, value))
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, hint: str = "constant", dtype: Any = np.float32) -> str:
        """The name of an initializer with this value; equal ones are shared."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, hashlib.sha256(array.data).digest())
        if key not in self._equal:
            self._computed += array.size
            check_computed(self._computed)
        return self._shared(key, hint, array.shape, array)

    def ints(self, values: Sequence[int], hint: str = "ints") -> str:
        """The name of an int64 vector."""
        return self.constant(list(values), hint, np.int64)

    def weight(self, blob: Blob, role: str, shape: Sequence[int] | None = None) -> str:
        """The name of an initializer whose numbers are the blob's, in their order, under another shape if given."""
        dims = tuple(blob.shape if shape is None else shape)
        return self._shared((blob, dims), role, dims, blob)

    def _shared(self, key: Any, role: str, shape: tuple[int, ...], data: np.ndarray[Any, Any] | Blob) -> str:
        if key not in self._equal:
            name = self.names.unique(f"{self._layer}/{role}")
            self.initializers.append(Initializer(name, shape, data))
            self._equal[key] = name
        return self._equal[key]

    # What differs between opsets, or takes more than one node.

    @property
    def max_roi_pool_runs(self) -> bool:
        """Whether runtimes have MaxRoiPool: onnxruntime's CPU has no kernel for that of opset 22."""
        return self.opset < 22

    def reduce(self, kind: str, x: str, axes: Sequence[int], *, keepdims: bool) -> str:
        """``Reduce<kind>``: axes became an input at opset 13 for Sum and at 18 for the others."""
        if not axes:
            return x
        if kind == "Sum" or self.opset >= 18:
            return str(self.op(f"Reduce{kind}", x, self.ints(axes, "axes"), keepdims=int(keepdims)))
        return str(self.op(f"Reduce{kind}", x, axes=list(axes), keepdims=int(keepdims)))

    def reshape(self, x: str, old: Shape, new: Shape) -> str:
        """``Reshape`` from one known shape to another of the same volume; dynamic axes stay dynamic."""
        if old == new:
            return x
        if is_fixed(new):
            return str(self.op("Reshape", x, self.ints([int(d) for d in new], "shape")))
        kept = [i for i, d in enumerate(new) if isinstance(d, Symbol) and i < len(old) and old[i] == d]
        dims = [0 if i in kept else d for i, d in enumerate(new)]
        dynamic = [i for i, d in enumerate(dims) if isinstance(d, Symbol)]
        if len(dynamic) <= 1 and 0 not in [d for i, d in enumerate(new) if i not in kept]:
            target = [-1 if isinstance(d, Symbol) else int(d) for d in dims]
            return str(self.op("Reshape", x, self.ints(target, "shape")))
        return str(self.op("Reshape", x, self._runtime_shape(x, old, new)))

    def _runtime_shape(self, x: str, old: Shape, new: Shape) -> str:
        sizes = self.op("Shape", x)
        parts = []
        for dim in new:
            if isinstance(dim, int):
                parts.append(self.ints([dim], "dim"))
            elif dim in old:
                parts.append(self.op("Gather", sizes, self.ints([old.index(dim)], "index"), axis=0))
            elif len([d for d in new if isinstance(d, Symbol) and d not in old]) == 1:
                parts.append(self.ints([-1], "rest"))
            else:
                raise UnsupportedError(f"a reshape to {show(new)} with several dynamic axes is not possible")
        return str(self.op("Concat", *parts, axis=0))

    def size(self, x: Tensor, axis: int) -> str:
        """The size of one axis as a vector of one int64; a constant where it is known."""
        dim = x.shape[axis]
        if isinstance(dim, int):
            return self.ints([dim], "size")
        return str(self.op("Gather", self.op("Shape", x.name), self.ints([axis], "axis"), axis=0))

    def slice(self, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> str:
        """``Slice`` with step 1."""
        return str(self.op("Slice", x, self.ints(starts, "starts"), self.ints(ends, "ends"), self.ints(axes, "axes")))

    def split(self, x: str, sizes: Sequence[int], axis: int) -> list[str]:
        """``Split`` into parts of these sizes; a single part is the value itself."""
        if len(sizes) == 1:
            return [x]
        return list(self.op("Split", x, self.ints(sizes, "split"), axis=axis, outputs=len(sizes)))

    def split_equally(self, x: str, parts: int, axis: int) -> list[str]:
        """``Split`` into equal parts of a size known at run time; a single part is the value itself.

        Since opset 18 their number is an attribute.
        """
        if parts == 1:
            return [x]
        number = parts if self.opset >= 18 else None
        return list(self.op("Split", x, axis=axis, num_outputs=number, outputs=parts))

    def flatten_to(self, x: Tensor, axis: int) -> str:
        """The matrix ``(volume before axis) x (volume from axis on)``."""
        new = (volume(x.shape[:axis]), volume(x.shape[axis:]))
        if len(x.shape) == 2 and axis == 1:
            return x.name
        if is_fixed(new):
            return self.reshape(x.name, x.shape, new)
        return str(self.op("Flatten", x.name, axis=axis))


def as_half(numbers: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """``numbers`` rounded to the nearest float16.

    Raises:
        UnsupportedError: one is too large; ``name`` is the constant's.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        half = numbers.astype(np.float16)
    if np.isinf(half).any() and not np.isinf(numbers).any():
        worst = float(np.abs(numbers[np.isinf(half)]).max())
        raise UnsupportedError(
            f'the weights "{name}" hold {worst:g}, and float16 ends at 65504',
            hint="leave out --fp16: the net needs float32",
        )
    return half


def attribute(name: str, value: Any) -> onnx.AttributeProto:
    """An attribute of the type that ``value`` has: int, float, str, array, or a list of ints, floats or strs."""
    proto = onnx.AttributeProto(name=name)
    if isinstance(value, (bool, int, np.integer)):
        proto.type, proto.i = onnx.AttributeProto.INT, int(value)
    elif isinstance(value, float):
        proto.type, proto.f = onnx.AttributeProto.FLOAT, value
    elif isinstance(value, str):
        proto.type, proto.s = onnx.AttributeProto.STRING, value.encode()
    elif isinstance(value, onnx.GraphProto):
        proto.type = onnx.AttributeProto.GRAPH
        proto.g.CopyFrom(value)
    elif isinstance(value, np.ndarray):
        proto.type = onnx.AttributeProto.TENSOR
        proto.t.CopyFrom(onnx.numpy_helper.from_array(value))
    elif value and all(isinstance(item, float) for item in value):
        proto.type = onnx.AttributeProto.FLOATS
        proto.floats.extend(value)
    elif value and all(isinstance(item, str) for item in value):
        proto.type = onnx.AttributeProto.STRINGS
        proto.strings.extend(item.encode() for item in value)
    else:
        proto.type = onnx.AttributeProto.INTS
        proto.ints.extend(int(item) for item in value)
    return proto
