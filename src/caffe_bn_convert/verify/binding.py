"""Which input and output of an ONNX file is which blob of the Caffe net."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import VerificationError
from caffe_bn_convert.verify.inputs import Slot
from caffe_bn_convert.verify.oracle.values import is_input, plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.verify.runtime import Port
    from caffe_bn_convert.verify.tolerance import Array

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A port of the file and its blob.

    Attributes:
        port: the file's name.
        blob: the Caffe net's.
        how: "name" or "position".
        axes: where the file has its axes in another order: the place in Caffe's order of each of the file's axes.
    """

    port: str
    blob: str
    how: str = "name"
    axes: Axes | None = None

    def to_file(self, value: Array) -> Array:
        """Caffe's layout to the file's."""
        return value if self.axes is None else value.transpose(self.axes)

    def to_caffe(self, value: Array) -> Array:
        """The file's layout to Caffe's."""
        if self.axes is None or value.ndim != len(self.axes):
            return value
        return value.transpose([self.axes.index(axis) for axis in range(len(self.axes))])


def input_names(net: NetDefinition) -> list[str]:
    """The blobs that the net is fed with."""
    return [top for layer in net.layers if is_input(layer) for top in layer.parameter.top]


def usual_shapes(net: NetDefinition) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs as the prototxt has them; inputs that it does not tell are left out."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in net.layers:
        if is_input(layer):
            for index, top in enumerate(layer.parameter.top):
                shape = _declared(layer, index)
                if shape is not None:
                    shapes[top] = shape
    return shapes


def _declared(layer: LayerDefinition, index: int) -> tuple[int, ...] | None:
    field = {"Input": "input_param", "DummyData": "dummy_data_param"}.get(layer.type)
    shapes = getattr(layer.parameter, field).shape if field else ()
    if not shapes:
        return None
    return tuple(int(d) for d in shapes[index if index < len(shapes) else 0].dim)


def bind_inputs(net: NetDefinition, ports: Sequence[Port]) -> tuple[list[Bound], list[Slot]]:
    """Bind the file's inputs by name, else by position; and what to feed the net with.

    Raises:
        VerificationError: the file has inputs that the net has not.
    """
    usual = usual_shapes(net)
    names = input_names(net)
    left = [name for name in names if name not in {port.name for port in ports}]
    bound, slots = [], []
    for port in ports:
        name = port.name if port.name in names else left.pop(0) if left else None
        if name is None:
            raise VerificationError(
                f'the file has an input "{port.name}" that the net has not; the net has {", ".join(names)}'
            )
        axes = _layout(port.shape, usual.get(name))
        bound.append(Bound(port.name, name, "name" if name == port.name else "position", axes))
        shape = port.shape if axes is None else tuple(port.shape[axes.index(axis)] for axis in range(len(axes)))
        slots.append(Slot(name, shape, usual.get(name, ())))
    slots += [Slot(name, usual.get(name, (1,)), usual.get(name, ())) for name in left]
    return bound, slots


def _layout(shape: Sequence[int | None], usual: tuple[int, ...] | None) -> Axes | None:
    """The order of axes that makes ``usual`` fit ``shape``; None if it fits as it is, or no order does."""
    if usual is None or len(usual) != len(shape) or _fits(shape, usual):
        return None
    return next((axes for axes in permutations(range(len(usual))) if _fits(shape, [usual[a] for a in axes])), None)


def _fits(shape: Sequence[int | None], sizes: Sequence[int]) -> bool:
    # The batch may well be another one than the prototxt's.
    return all(want in (None, have) for want, have in zip(shape[1:], sizes[1:], strict=True))


def bind_outputs(net: NetDefinition, ports: Sequence[Port], shapes: Mapping[str, tuple[int, ...]]) -> list[Bound]:
    """Bind the file's outputs by name, else by position among outputs of the same shape, axes reordered if need be.

    Args:
        net: the net.
        ports: the file's outputs, with the shapes that they had in a run.
        shapes: shapes of all values of the net in that run.

    Raises:
        VerificationError: an output fits nothing.
    """
    steps = plan(net)
    taken = {port.name for port in ports if port.name in shapes}
    left = [name for name in steps.outputs if name not in taken]
    bound = []
    for port in ports:
        if port.name in shapes:
            bound.append(Bound(port.name, port.name, "name", _layout_of(port, shapes[port.name])))
            continue
        name = next((n for n in left if _same(port, shapes[n])), None) or next(
            (n for n in left if _layout_of(port, shapes[n]) is not None), None
        )
        if name is None and len(left) == 1 == len(ports):
            name = left[0]
        if name is None:
            outputs = ", ".join(f"{n} {'×'.join(map(str, shapes[n]))}" for n in steps.outputs)
            raise VerificationError(
                f'the file\'s output "{port.name}" {"×".join(map(str, port.shape))} fits no output of the net',
                hint=f"the net has {outputs}",
            )
        left.remove(name)
        bound.append(Bound(port.name, name, "position", _layout_of(port, shapes[name])))
    return bound


def _same(port: Port, shape: tuple[int, ...]) -> bool:
    return tuple(port.shape) == shape


def _layout_of(port: Port, shape: tuple[int, ...]) -> Axes | None:
    if len(port.shape) != len(shape) or _same(port, shape):
        return None
    return next(
        (axes for axes in permutations(range(len(shape))) if tuple(port.shape) == tuple(shape[a] for a in axes)), None
    )
