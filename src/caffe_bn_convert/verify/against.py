"""Other programs that read Caffe files, as further witnesses. Optional: none of them is installed with us."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnreadableError, UsageError
from caffe_bn_convert.verify.openable import openable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from caffe_bn_convert.verify.tolerance import Array


def ask(witness: str, sources: Sequence[Path], arrays: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
    """The outputs that another program computes.

    Args:
        witness: "opencv" or "pycaffe".
        sources: prototxt and caffemodel.
        arrays: the inputs.
        outputs: the blobs to give.

    Raises:
        UsageError: it is not installed, or there are no files for it.
        UnreadableError: it cannot read the net.
    """
    if len(sources) != 2:
        raise UsageError(f"--against {witness} needs one prototxt and one caffemodel")
    with openable(sources[0]) as prototxt, openable(sources[1]) as caffemodel:
        return WITNESSES[witness](prototxt, caffemodel, arrays, outputs)


def opencv(prototxt: Path, caffemodel: Path, arrays: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
    """OpenCV's dnn module; releases from 5 on do not read Caffe."""
    cv2 = _imported("cv2", 'pip install "caffe-bn-convert[opencv]"')
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        raise UsageError(f"OpenCV {cv2.__version__} does not read Caffe", hint='pip install "opencv-python-headless<5"')
    if caffemodel.suffix == ".h5":
        raise UsageError("OpenCV reads no weights in HDF5", hint="leave out --against opencv")
    try:
        net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
        for name, value in arrays.items():
            net.setInput(np.ascontiguousarray(value, np.float32), name)
        values = net.forward(list(outputs))
    except cv2.error as error:
        raise UnreadableError(f"OpenCV cannot run the net: {str(error).strip().splitlines()[-1]}") from error
    return {name: np.asarray(value) for name, value in zip(outputs, values, strict=True)}


def pycaffe(prototxt: Path, caffemodel: Path, arrays: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
    """Caffe itself, if its Python module is there."""
    caffe = _imported("caffe", "pycaffe is built together with Caffe; put its folder on PYTHONPATH")
    net = caffe.Net(str(prototxt), str(caffemodel), caffe.TEST)
    for name, value in arrays.items():
        net.blobs[name].reshape(*value.shape)
        net.blobs[name].data[...] = value
    net.forward()
    return {name: np.array(net.blobs[name].data) for name in outputs}


def _imported(module: str, hint: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(f'the module "{module}" is not installed', hint=hint) from error


WITNESSES: dict[str, Callable[[Path, Path, Mapping[str, Array], Sequence[str]], dict[str, Array]]] = {
    "opencv": opencv,
    "pycaffe": pycaffe,
}
