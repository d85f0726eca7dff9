from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from caffe_bn_convert.inspect import Row, as_data, as_text, inspect_net, inspect_weights
from tests.nets import input_layer, layer, write_net
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = FIXTURES / "digits"


def row(text: str, folder: Path, type_: str) -> Row:
    prototxt, _ = write_net(folder, text)
    (found,) = (each for each in inspect_net(prototxt).rows if each.type == type_)
    return found


@pytest.mark.parametrize(
    ("type_", "rest", "shape", "macs", "count"),
    [
        # every value of the 4x3x5 top is a sum over 6/2 channels and a 5x5 kernel
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 5 group: 2 }", (2, 4, 3, 5),
         2 * 4 * 3 * 5 * 3 * 25, 4 * 3 * 25 + 4),
        # every value of the 6x7x9 bottom goes to 4/2 channels and a 5x5 kernel
        ("Deconvolution", "convolution_param { num_output: 4 kernel_size: 5 group: 2 bias_term: false }", (2, 4, 11, 13),
         2 * 6 * 7 * 9 * 2 * 25, 6 * 2 * 25),
        ("InnerProduct", "inner_product_param { num_output: 5 }", (2, 5), 2 * 5 * 6 * 63, 5 * 6 * 63 + 5),
        ("InnerProduct", "inner_product_param { num_output: 5 transpose: true axis: 2 }", (2, 6, 5), 2 * 6 * 5 * 63, 63 * 5 + 5),
        ("BatchNorm", "", (2, 6, 7, 9), 2 * 6 * 63, 13),
        ("ReLU", "", (2, 6, 7, 9), 0, 0),
    ],
)  # fmt: skip
def test_macs_and_parameters(
    type_: str, rest: str, shape: tuple[int, ...], macs: int, count: int, tmp_path: Path
) -> None:
    found = row(input_layer(2, 6, 7, 9) + layer(type_, "x", rest=rest), tmp_path, type_)
    assert found.tops[0].shape == shape
    assert (found.macs, found.count, found.bytes) == (macs, count, 4 * int(np.prod(shape)))


def test_lstm(tmp_path: Path) -> None:
    text = input_layer(3, 2, 5) + input_layer(3, 2, name="cont")
    found = row(text + layer("LSTM", "x", "data cont", rest="recurrent_param { num_output: 7 }"), tmp_path, "LSTM")
    assert found.macs == 3 * 2 * (28 * 5 + 28 * 7)


def test_in_place_needs_no_memory(tmp_path: Path) -> None:
    found = row(input_layer(2, 3) + layer("InnerProduct", "y", rest="inner_product_param { num_output: 5 }")
                + layer("ReLU", "x", "y", "y"), tmp_path, "ReLU")  # fmt: skip
    assert found.bytes == 0


def test_what_is_not_known_stays_open(tmp_path: Path) -> None:
    text = (
        input_layer(2, 3, 7, 9)
        + layer("Fancy", "f")
        + layer("Convolution", "c", "f", rest="convolution_param { num_output: 2 kernel_size: 1 }")
    )
    prototxt, weights = write_net(tmp_path, text, {"c": [np.ones((2, 3, 1, 1)), np.ones(2)]})
    assert weights is not None
    inspection = inspect_net(prototxt, [weights])
    fancy, conv = inspection.rows[1:]
    assert fancy.tops[0].shape is None
    assert (conv.macs, conv.count) == (None, 8)
    assert any('"Fancy" is not supported' in note for note in inspection.notes)
    assert "1 layers unknown" in as_text(inspection)


def test_statistics(tmp_path: Path) -> None:
    text = (
        input_layer(2, 4, 7, 9)
        + layer("BatchNorm", "bn")
        + layer("Scale", "s", "bn", rest="scale_param { bias_term: true }")
    )
    blobs = {
        "bn": [np.array([2, -4, 6, 8]), np.array([2, 0, 8, 4]), np.array([2])],
        "s": [np.array([1, 5, 0, -3]), np.array([0, 1, 2, 3])],
    }
    prototxt, weights = write_net(tmp_path, text, blobs)
    assert weights is not None
    (found,) = inspect_net(prototxt, [weights]).statistics
    assert (found.layer, found.channels, found.factor) == ("bn", 4, 2)
    assert (found.mean, found.variance, found.gamma, found.beta) == ((-2, 4), (0, 4), (-3, 5), (0, 3))
    assert found.dead == (1, 2)  # one never varies, the other is multiplied by 0


def test_statistics_without_a_scale_and_with_two_readers(tmp_path: Path) -> None:
    text = input_layer(2, 3, 7, 9) + layer("BatchNorm", "bn") + layer("Scale", "s", "bn") + layer("ReLU", "r", "bn")
    ones = np.ones(3)
    prototxt, weights = write_net(tmp_path, text, {"bn": [ones, ones, np.array([1])], "s": [ones]})
    assert weights is not None
    (found,) = inspect_net(prototxt, [weights]).statistics
    assert found.gamma is None


def test_digits() -> None:
    inspection = inspect_net(DIGITS / "deploy.prototxt", [DIGITS / "digits.caffemodel"])
    assert inspection.parameters == 20_000
    assert len(inspection.rows) == 29
    assert [value.name for value in inspection.outputs] == ["prob"]
    assert [each.layer for each in inspection.statistics][:2] == ["bn_conv1", "bn_res1a"]
    assert inspection.statistics[0].factor == pytest.approx(699.29, abs=0.01)
    assert as_data(inspection)["totals"]["macs"] == inspection.macs > 500_000
    text = as_text(inspection)
    assert "(in place)" in text
    assert "29 layers, 20,000 parameters" in text


def test_weights_alone_are_a_net() -> None:
    inspection = inspect_weights(DIGITS / "digits.caffemodel", {"data": (1, 1, 8, 8)})
    by_name = {each.name: each for each in inspection.rows}
    assert by_name["res2b"].tops[0].shape == (1, 32, 4, 4)
    assert inspection.notes[0] == "the prototxt is out of the binary: 29 of 29 layers are complete"
    assert len(inspection.statistics) == 6


def test_hdf5_has_blobs_only() -> None:
    pytest.importorskip("h5py")
    inspection = inspect_weights(DIGITS / "digits.caffemodel.h5")
    assert inspection.kind == "hdf5"
    assert inspection.parameters == 20_000
    assert "names and numbers" in inspection.notes[0]


def test_numbers_that_json_does_not_have(tmp_path: Path) -> None:
    text = input_layer(2, 1, 7, 9) + layer("BatchNorm", "bn")
    prototxt, weights = write_net(tmp_path, text, {"bn": [np.array([np.inf]), np.array([np.inf]), np.array([1])]})
    assert weights is not None
    data = as_data(inspect_net(prototxt, [weights]))
    assert data["statistics"][0]["mean"] == ["inf", "inf"]
    assert data["statistics"][0]["variance"] == ["inf", "inf"]
