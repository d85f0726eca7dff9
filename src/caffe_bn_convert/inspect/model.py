"""What an inspection finds: plain data, ready for a table or for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Parameter:
    """A learned blob.

    Attributes:
        role: what it is for ("weight", "mean"); its number where that is not known.
        shape: its dims; symbols as text.
        count: how many numbers; 0 with dynamic axes.
        stored: whether the weights have it.
    """

    role: str
    shape: tuple[int | str, ...]
    count: int
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A blob between layers; its shape is None where nothing tells it."""

    name: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of one BatchNorm, those of the Scale behind it included.

    Attributes:
        layer: its name.
        channels: how many.
        factor: the moving-average factor that Caffe's sums are divided by; None in dialects without one.
        mean, variance: least and greatest, after the division.
        gamma, beta: least and greatest of the Scale that reads it; None without one.
        dead: channels that put out a constant: the standard deviation behind gamma is below 1e-6.
        eps: what is added to the variance.
    """

    layer: str
    channels: int
    factor: float | None
    mean: tuple[float, float]
    variance: tuple[float, float]
    gamma: tuple[float, float] | None
    beta: tuple[float, float] | None
    dead: tuple[int, ...]
    eps: float


@dataclass(frozen=True, slots=True)
class Row:
    """One layer.

    Attributes:
        name, type: as in the file.
        bottoms: blobs that it reads.
        tops: blobs that it makes.
        parameters: its learned blobs.
        macs: multiply-accumulates for one run; None where shapes are unknown or dynamic.
        bytes: of its tops as float32; None likewise. A layer that works in place needs none.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[Value, ...]
    parameters: tuple[Parameter, ...] = ()
    macs: int | None = None
    bytes: int | None = None

    @property
    def count(self) -> int:
        """How many learned numbers it has."""
        return sum(parameter.count for parameter in self.parameters)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A net, its weights, or an ONNX file.

    Attributes:
        file: what was inspected.
        kind: "prototxt", "caffemodel", "hdf5" or "onnx".
        name: the net's name.
        rows: the layers.
        inputs, outputs: blobs that are fed, and that nobody reads.
        statistics: of the BatchNorm layers; empty without weights.
        notes: what could not be told, and why.
    """

    file: str
    kind: str
    name: str
    rows: tuple[Row, ...]
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    statistics: tuple[Statistics, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def parameters(self) -> int:
        """Learned numbers of all layers."""
        return sum(row.count for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers whose shapes are known."""
        return sum(row.macs or 0 for row in self.rows)

    @property
    def bytes(self) -> int:
        """Bytes of all blobs between layers, as if none were reused."""
        return sum(row.bytes or 0 for row in self.rows)
