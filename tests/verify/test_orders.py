"""Which layers get more noise, as other orders of the same sums give."""

from __future__ import annotations

import pytest

from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.verify.orders import of_batch
from tests.nets import input_layer, layer, write_net


@pytest.mark.parametrize(
    ("kind", "rest", "blobs", "phase", "told"),
    [
        ("BatchNorm", "", 3, "TEST", False),
        ("BatchNorm", "", 3, "TRAIN", True),
        ("BatchNorm", "batch_norm_param { use_global_stats: false }", 3, "TEST", True),
        ("BatchNorm", "batch_norm_param { use_global_stats: true }", 3, "TRAIN", False),
        ("BN", "", 2, "TEST", True),
        ("BN", "bn_param { bn_mode: INFERENCE }", 2, "TEST", False),
        ("BN", "", 4, "TEST", False),
        ("Scale", "", 2, "TEST", False),
    ],
)
def test_statistics_of_the_batch(tmp_path, kind, rest, blobs, phase, told):
    """SegNet's BN has two blobs and takes them from the batch unless in mode INFERENCE, PSPNet's has four and stores them."""
    text = input_layer(2, 3, 4, 4) + layer(kind, "y", rest=rest)
    assert of_batch(read_net(write_net(tmp_path, text)[0]).layers[-1], [None] * blobs, phase) is told
