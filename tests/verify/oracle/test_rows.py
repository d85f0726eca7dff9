"""Blobs without rows, as a Filter makes them that selects nothing."""

from __future__ import annotations

import numpy as np
import pytest

W = np.ones((6, 3, 1, 1), np.float32)
CONV = "convolution_param { num_output: 6 kernel_size: %d bias_term: false }"


@pytest.mark.parametrize(
    ("type_", "text", "shape", "blobs", "top"),
    [
        ("ArgMax", "", (0, 3, 7, 9), (), (0, 1, 1, 1)),
        ("Convolution", CONV % 1, (0, 3, 7, 9), [W], (0, 6, 7, 9)),
        ("Convolution", CONV % 2, (0, 3, 7, 9), [np.ones((6, 3, 2, 2))], (0, 6, 6, 8)),
        ("Deconvolution", CONV % 2, (0, 3, 7, 9), [np.ones((3, 6, 2, 2))], (0, 6, 8, 10)),
        (
            "InnerProduct",
            "inner_product_param { num_output: 5 bias_term: false }",
            (0, 3, 7),
            [np.ones((5, 21))],
            (0, 5),
        ),
        ("Interp", "interp_param { height: 4 width: 5 }", (0, 3, 7, 9), (), (0, 3, 4, 5)),
        ("LRN", "", (0, 3, 7, 9), (), (0, 3, 7, 9)),
        ("MVN", "", (0, 3, 7, 9), (), (0, 3, 7, 9)),
        ("MVN", "mvn_param { across_channels: true }", (0, 3, 7, 9), (), (0, 3, 7, 9)),
        ("Pooling", "pooling_param { kernel_size: 2 pool: AVE }", (0, 3, 7, 9), (), (0, 3, 6, 8)),
        ("SPP", "spp_param { pyramid_height: 2 }", (0, 3, 7, 9), (), (0, 15)),
        ("ShuffleChannel", "shuffle_channel_param { group: 3 }", (0, 6, 7, 9), (), (0, 6, 7, 9)),
        ("Softmax", "", (0, 3, 7, 9), (), (0, 3, 7, 9)),
    ],
)
def test_no_rows_make_no_rows(apply, type_, text, shape, blobs, top):
    (y,) = apply(type_, text, np.zeros(shape), blobs=blobs)
    assert y.shape == top


@pytest.mark.parametrize("type_", ["EuclideanLoss", "HingeLoss", "MultinomialLogisticLoss"])
def test_the_mean_loss_of_no_rows_is_no_number(apply, type_):
    target = np.zeros((0, 3) if type_ == "EuclideanLoss" else (0,))
    with np.errstate(invalid="ignore"):  # as the oracle runs
        assert np.isnan(apply(type_, "", np.zeros((0, 3)), target)[0])
