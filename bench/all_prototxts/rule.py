"""What counts as an inference net, decided by rule before anything is converted."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.all_prototxts.shapes import shape_choices
from bench.deploy_survey import ASKED as UNTOLD
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.deploy import deploy
from caffe_bn_convert.errors import ConversionError, InvalidNetError
from caffe_bn_convert.net.losses import leave_out_losses

if TYPE_CHECKING:
    from bench.all_prototxts.shapes import Shape
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


def counts(path: Path) -> str:
    """ "" for an inference net, else why the prototxt does not count."""
    try:
        net = in_test(path)
    except ConversionError as error:
        return f"Caffe does not read it: {first_line(error)}"
    if is_whole(net):
        return after_losses(net)
    with tempfile.TemporaryDirectory() as folder:
        try:
            net = in_test(deployed(path, Path(folder)))
        except ConversionError as error:
            return f"no inputs in the TEST phase, and no deployable form: {first_line(error)}"
        return after_losses(net) if is_whole(net) else "no inputs in the TEST phase"


def in_test(path: Path) -> NetDefinition:
    """The net of the TEST phase in today's form."""
    return filter_state(upgrade(read_net(path)), "TEST", 0, ())


def is_whole(net: NetDefinition) -> bool:
    """Whether every blob that is read is made, losses left out."""
    made: set[str] = set()
    for layer in leave_out_losses(net)[0].layers:
        if not made.issuperset(layer.parameter.bottom):
            return False
        made.update(layer.parameter.top)
    return True


def deployed(path: Path, folder: Path) -> Path:
    """What ``deploy`` makes of a training prototxt; the first shape is given where it asks for one.

    Raises:
        ConversionError: nothing.
    """
    shapes: dict[str, Shape] = {}
    while True:
        try:
            text = deploy(path, shapes=shapes).text
        except InvalidNetError as error:
            asked = UNTOLD.search(str(error))
            if asked is None or asked[1] in shapes:
                raise
            shapes[asked[1]] = next(shape_choices(asked[1]))
        else:
            out = folder / "deploy.prototxt"
            out.write_text(text, encoding="utf-8", errors="surrogateescape")
            return out


def after_losses(net: NetDefinition) -> str:
    """ "" where something is computed when losses are left out, else what is in the way."""
    net, _ = leave_out_losses(net)
    for layer in net.layers:
        if any(layer.parameter.loss_weight) or ("Loss" in layer.type and layer.parameter.top):
            return f"only training: {layer.type} {layer.name!r} stays"
    labels = {top for layer in net.layers if not layer.parameter.bottom for top in layer.parameter.top[1:]}
    for layer in net.layers:
        if layer.type == "Python" and labels & set(layer.parameter.bottom) and not proposes(layer):
            return f"only training: {layer.parameter.python_param.layer} learns from labels"
    if not any(layer.parameter.bottom and layer.parameter.top for layer in net.layers):
        return "nothing is computed in the TEST phase"
    return ""


def proposes(layer: LayerDefinition) -> bool:
    """Whether a Python layer is one that is for testing too; it reads the size of the picture, which is no label."""
    return str(layer.parameter.python_param.layer) == "ProposalLayer"


def first_line(error: BaseException) -> str:
    """What is wrong, without the file's name."""
    text = str(error).splitlines()[0] if str(error) else repr(error)
    return re.sub(r"^\S*/[^:]*:(\d+:)*\s*", "", text)
