"""The ONNX file on trial: how to feed it, what it answers, in Caffe's names and layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.verify.binding import Bound, bind_inputs, bind_outputs
from caffe_bn_convert.verify.oracle.values import plan
from caffe_bn_convert.verify.runtime import ExposedModel, Port, Session, made
from caffe_bn_convert.verify.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.pictures import Front
    from caffe_bn_convert.verify.runtime import Provider
    from caffe_bn_convert.verify.tolerance import Array
    from caffe_bn_convert.verify.walk import Caffe


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a session is opened."""

    optimised: bool
    names: tuple[str, ...] = ()
    exact: bool = True


AT_ONCE = 32
"""So many values are shown in one session, where all are looked at: onnxruntime holds all that it shows."""


class Defendant:
    """A model file, bound to the net that it claims to be.

    Only one session is open at a time: each holds all weights.

    Args:
        model: the file.
        provider: who runs it.
        caffe: the net.
        own: whether it is a file of ours, whose outputs have the names and the shapes of Caffe's.
        front: the preprocessing that the file has in front of an input.

    Attributes:
        inputs: the file's inputs.
        slots: what the net is to be fed with.
        outputs: the file's outputs; bound by the first run.

    Raises:
        VerificationError: it cannot be loaded, or has inputs that the net has not.
        ProviderError: the provider does not run it.
    """

    def __init__(
        self, model: Path, provider: Provider, caffe: Caffe, front: Front | None = None, *, own: bool = False
    ) -> None:
        self.model, self.provider, self.caffe, self.own = model, provider, caffe, own
        self._session: Session | None = Session(model, provider, optimised=False)
        self._opening = _Opening(optimised=False)
        self.ports = self._session.outputs
        self.inputs, self.slots = bind_inputs(caffe.net, self._session.inputs)
        if front is not None:
            shape = next(port.shape for port in self._session.inputs if port.name == front.name)
            self.slots = [front.slot(shape) if slot.name == front.name else slot for slot in self.slots]
        self.outputs: list[Bound] = []

    def answers(self, feeds: Sequence[Feed], *, optimised: bool, exact: bool = True) -> list[dict[str, Array]]:
        """What the file as it was written answers to every feed: outputs by Caffe's names, in Caffe's layout.

        Args:
            feeds: the inputs.
            optimised: whether onnxruntime may rewrite the graph.
            exact: whether the provider is held to full float32; otherwise it has its own defaults.
        """
        session = self._opened(_Opening(optimised, exact=exact))
        answers = []
        for feed in feeds:
            values = session.run(self._fed(feed))
            if not self.outputs:
                self.outputs = self._bound(values, feed)
            answers.append({bound.blob: bound.to_caffe(values[bound.port]) for bound in self.outputs})
        return answers

    def _bound(self, values: Mapping[str, Array], feed: Feed) -> list[Bound]:
        net = plan(self.caffe.net)
        keys = {key for step in net.steps for key in step.tops} | set(net.outputs)
        if self.own and all(port.name in keys for port in self.ports):
            return [Bound(port.name, port.name) for port in self.ports]
        ports = [Port(port.name, values[port.name].shape) for port in self.ports]
        return bind_outputs(self.caffe.net, ports, self.shapes(feed))

    def shapes(self, feed: Feed) -> dict[str, tuple[int, ...]]:
        """The shapes of all values of the net, by a pass of the oracle."""
        shapes: dict[str, tuple[int, ...]] = {}
        self.caffe.run(feed.arrays, "float32", shapes=shapes)
        return shapes | {name: shapes[read.like] for name, read in plan(self.caffe.net).outputs.items()}

    def values(self, wanted: Collection[str]) -> list[str]:
        """Which of these names are values inside the file."""
        return list(ExposedModel.of(self.model, wanted, ()).values)

    def shown(self, keys: Mapping[str, str], sizes: Mapping[str, int], feed: Feed, *, optimised: bool = False) -> Shown:
        """The values inside the file, for one feed.

        Args:
            keys: for every key of the net the value's name in the file.
            sizes: how many numbers each has.
            feed: the inputs.
            optimised: whether onnxruntime may rewrite the graph, as far as the shown values allow.
        """
        ports = {port.name for port in self.ports}

        def run(some: Sequence[str]) -> dict[str, Array]:
            # onnxruntime holds all values that could be asked for; as written, the CPU's do not hang on which these are.
            few = self.provider.is_cpu and not optimised
            names = tuple(name for name in (some if few else keys.values()) if name not in ports)
            return self._opened(_Opening(optimised, names)).run(self._fed(feed), some)

        return Shown(keys, sizes, run)

    def everything(self, feed: Feed) -> Iterator[tuple[str, Array]]:
        """Every value inside the file with its numbers, the last first; few at a time are held."""
        names, ports = made(self.model)[::-1], {port.name for port in self.ports}
        for start in range(0, len(names), AT_ONCE):
            part = names[start : start + AT_ONCE]
            session = self._opened(_Opening(optimised=False, names=tuple(name for name in part if name not in ports)))
            values = session.run(self._fed(feed), part)
            yield from ((name, values[name]) for name in part if values[name].dtype.kind in "fiu")

    def close(self) -> None:
        """Free the weights."""
        self._session = None

    def _fed(self, feed: Feed) -> dict[str, Array]:
        return {
            bound.port: feed.fed[bound.blob] if bound.blob in feed.fed else bound.to_file(feed.arrays[bound.blob])
            for bound in self.inputs
        }

    def _opened(self, opening: _Opening) -> Session:
        if self._session is None or opening != self._opening:
            self._session = None
            model = ExposedModel(self.model, opening.names) if opening.names else self.model
            provider = self.provider if opening.exact else self.provider.with_defaults()
            self._session, self._opening = Session(model, provider, optimised=opening.optimised), opening
        return self._session
