""":func:`deploy`: the calls, one a line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.caffe.upgrade.form import is_v0
from caffe_bn_convert.deploy.rewrite import Options, rewrite
from caffe_bn_convert.deploy.selection import select
from caffe_bn_convert.deploy.write import net_text
from caffe_bn_convert.errors import ConversionError, InvalidNetError
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.net.build import build
from caffe_bn_convert.net.weights import Located

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.net.losses import Note


@dataclass(frozen=True, slots=True)
class Deployed:
    """A prototxt for deployment.

    Attributes:
        text: the new prototxt.
        original: the text that it was made from.
        file: the name of the original.
        notes: what was left out or deserves a word, by layer.
    """

    text: str
    original: str
    file: str
    notes: tuple[Note, ...]

    def __str__(self) -> str:
        return self.text

    def diff(self, name: str = "deploy.prototxt") -> str:
        """A unified diff from the original to the new text."""
        old, new = self.original.splitlines(keepends=True), self.text.splitlines(keepends=True)
        lines = difflib.unified_diff(old, new, self.file, name)
        return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


def deploy(
    prototxt: str | os.PathLike[str],
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    until: Sequence[str] = (),
    drop_dropout: bool = False,
    keep_learning_rates: bool = False,
) -> Deployed:
    """Make the prototxt of a training net one for deployment.

    Data layers become Input; losses, Accuracy and layers of other states go, SoftmaxWithLoss and
    SigmoidCrossEntropyLoss leave their activation as "prob"; fillers, learning rates, loss weights and rules go;
    BatchNorm gets ``use_global_stats: true``.

    Args:
        prototxt: the file.
        shapes: shapes of inputs by blob name; needed where the data layer does not tell.
        batch: first dimension of the inputs that ``shapes`` does not name. By default 1, or that of the data layer
            where the net itself asks for it (a Reshape to a fixed batch).
        phase, level, stages: the state whose layers stay.
        until: the blobs that are wanted; by default everything stays that does not serve training only.
        drop_dropout: take Dropout out, which does nothing at test time.
        keep_learning_rates: leave ``lr_mult`` and ``decay_mult`` in.

    Raises:
        UnreadableError: the file cannot be read as a prototxt.
        InvalidNetError: the shape of an input cannot be told, or what stays reads what only training has.
    """
    return deploy_net(
        read_net(prototxt), shapes=shapes, batch=batch, phase=phase, level=level, stages=stages, until=until,
        drop_dropout=drop_dropout, keep_learning_rates=keep_learning_rates,
    )  # fmt: skip


def deploy_net(
    net: NetDefinition,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    until: Sequence[str] = (),
    drop_dropout: bool = False,
    keep_learning_rates: bool = False,
) -> Deployed:
    """As :func:`deploy`, for a net that was read already and not upgraded."""
    original = _text(net)
    if any(is_v0(layer) for layer in net.layers):
        net = parse_net(net_text(upgrade(net)), net.file)  # V0 has no words for what we write; its comments are lost
    today = upgrade(net)
    selection = select(today, phase, level, stages, until)
    rewritten: list[tuple[str, list[Note]]] = []
    for size in (batch,) if batch is not None else (1, None):
        text, notes = rewrite(today, selection, Options(shapes or {}, size, drop_dropout, keep_learning_rates))
        deployed = upgrade(parse_net(text, net.file))
        _check_wiring(deployed, today)
        rewritten.append((text, notes))
        if batch is not None or builds(deployed):
            break
    else:
        text, notes = rewritten[0]  # neither builds, so the batch is not what is wrong
    return Deployed(text, original, net.file, (*selection.notes, *notes))


def as_deployed(
    net: NetDefinition, phase: str | None, level: int, stages: Sequence[str], batch: int | str | None,
    shapes: Mapping[str, Sequence[int | str]] | None,
) -> tuple[NetDefinition, tuple[Note, ...]]:  # fmt: skip
    """A net that was read from a training prototxt, as :func:`deploy` would write it; dynamic axes count as 1 here."""
    fixed = {name: [1 if isinstance(dim, str) else dim for dim in dims] for name, dims in (shapes or {}).items()}
    size = None if batch is None or batch == "dynamic" else int(batch)
    deployed = deploy_net(net, shapes=fixed, batch=size, phase=phase or "TEST", level=level, stages=stages)
    return parse_net(deployed.text, net.file), deployed.notes


def builds(net: NetDefinition) -> bool:
    """Whether the shapes of a net agree; True too for a net with layers that we do not know."""
    try:
        build(net, Located(((),) * len(net.layers)), LAYERS, phase="TEST", weights_needed=False)
    except InvalidNetError:
        return False
    except ConversionError:
        return True
    return True


def _text(net: NetDefinition) -> str:
    assert net.text is not None
    return net.text.source.text


def _check_wiring(net: NetDefinition, whole: NetDefinition) -> None:
    """Every bottom that is left has to come from somewhere."""
    made: set[str] = set()
    for layer in net.layers:
        for bottom in layer.parameter.bottom:
            if bottom not in made:
                what, hint = _missing(bottom, whole)
                raise InvalidNetError(what, hint=hint, where=replace(layer.where(), file=net.file))
        made.update(layer.parameter.top)


def _missing(blob: str, whole: NetDefinition) -> tuple[str, str]:
    """Why nothing makes a blob any more."""
    makers = [layer.parameter for layer in whole.layers if blob in layer.parameter.top]
    stages = sorted({stage for maker in makers for rule in maker.include for stage in rule.stage})
    if stages:
        some = " or ".join(f"--stage {stage}" for stage in stages)
        return f'it reads "{blob}", which is made in another stage only', f"add {some}"
    if not makers:
        return f'it reads "{blob}", which no layer makes', "Caffe refuses this net as well"
    hint = "this net has no form for deployment that could be made by rule; cut it by hand"
    return f'it reads "{blob}", which only training makes', hint
