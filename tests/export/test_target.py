"""What may stand at -o, and what never happens to it."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import CannotWriteError, UsageError
from tests.nets import input_layer, layer, write_net

NET = input_layer(1, 3) + "".join(
    layer(
        "InnerProduct",
        f"ip{i}",
        f"ip{i - 1}" if i else "data",
        rest="inner_product_param { num_output: 3 bias_term: false }",
    )
    for i in range(2)
)


def weights(*names: str) -> dict[str, list[np.ndarray]]:
    return {name: [np.full((3, 3), 1 + int(name[-1]), np.float32)] for name in names}


@pytest.mark.parametrize("mode", ["embed", "external", "in-place"])
def test_the_sources_are_never_overwritten(tmp_path, mode):
    files = write_net(tmp_path, NET, weights("ip0", "ip1"))
    (tmp_path / "link").symlink_to(files[1])
    before = [path.read_bytes() for path in files]
    for target in (*files, tmp_path / "link", tmp_path / "." / files[1].name):
        with pytest.raises(UsageError, match="would be lost"):
            cbc.convert(*files).save(target, mode, verify=False)
    assert [path.read_bytes() for path in files] == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in folders")
def test_neither_a_pipe_nor_a_folder_is_replaced(tmp_path):
    files = write_net(tmp_path, NET, weights("ip0", "ip1"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(CannotWriteError):
            cbc.convert(*files).save(tmp_path / name, verify=False)
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 4


def test_names_of_the_sources_do_not_show_in_the_bytes(tmp_path):
    written = []
    for first, second in (("a", "b"), ("b", "a")):
        folder = tmp_path / first
        parts = []
        for part, layers in ((first, ("ip0",)), (second, ("ip1",))):
            (folder / part).mkdir(parents=True)
            prototxt, caffemodel = write_net(folder / part, NET, weights(*layers))
            parts.append(caffemodel)
        cbc.convert(prototxt, parts).save(folder / "out.onnx", verify=False)
        written.append((folder / "out.onnx").read_bytes())
    assert written[0] == written[1]
    assert len(onnx.ModelProto.FromString(written[0]).graph.initializer) == 2
