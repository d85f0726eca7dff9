from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def python(module, kind, bottoms="data", text="", top="y"):
    told = f'param_str: "{text}"' if text else ""
    return layer("Python", top, bottoms, rest=f'python_param {{ module: "{module}" layer: "{kind}" {told} }}')


def eltwise(text, first=(2, 3, 4), second=(3, 4)):
    return input_layer(*first) + input_layer(*second, name="b") + python("eltwise", "Eltwise", "data b", text)


def test_shape(tmp_path):
    wanted = check_by_oracle(
        tmp_path, input_layer(2, 3, 5) + python("shape", "TensorShape"), {"data": values("data", 2, 3, 5)}
    )
    np.testing.assert_array_equal(wanted["y"], [2, 3, 5])


def test_shape_of_a_dynamic_batch(tmp_path):
    check_dynamic(tmp_path, input_layer(2, 3, 5) + python("shape", "TensorShape"), {"N": 4}, data=("N", 3, 5))


RESHAPE = python("shape", "TensorShape", "like", top="sizes") + python("reshape", "Reshape", "data sizes")


def test_reshape_by_the_shape_of_another_blob(tmp_path):
    """What nets that were made of TensorFlow's end in."""
    x, text = values("data", 2, 3, 7, 9), input_layer(2, 3, 7, 9) + input_layer(2, 21, 9, name="like") + RESHAPE
    wanted = check_by_oracle(tmp_path, text, {"data": x, "like": values("like", 2, 21, 9)})
    np.testing.assert_array_equal(wanted["y"], x.reshape(2, 21, 9))
    assert cbc.convert(write_net(tmp_path, text)[0]).verify().passed


def test_reshape_with_the_rest_on_the_last_axis(tmp_path):
    x, text = values("data", 2, 3, 7), input_layer(2, 3, 7) + input_layer(2, name="s")
    wanted = check_by_oracle(
        tmp_path, text + python("reshape", "Reshape", "data s"), {"data": x, "s": np.float32([6.0, -1.0])}
    )
    np.testing.assert_array_equal(wanted["y"], x.reshape(6, 7))


def test_reshape_takes_a_row_of_sizes(tmp_path):
    text = input_layer(2, 3, 7) + input_layer(1, 2, name="s") + python("reshape", "Reshape", "data s")
    with pytest.raises(cbc.InvalidNetError, match="the sizes are 1x2; they must have one axis"):
        cbc.convert(write_net(tmp_path, text)[0])


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("{'operation': 0, 'coeff': [1, 1]}", np.multiply),
        ("{'operation': 1, 'coeff': [1, -2]}", lambda a, b: a - 2 * b),
        ("{'operation': 1, 'coeff': [0.5, 1]}", lambda a, b: a / 2 + b),
        ("{'operation': 2}", np.maximum),
        ("{'operation': 3, 'coeff': [1, 1]}", np.divide),
        ("{'operation': 4, 'coeff': [1, 1]}", np.minimum),
    ],
)
@pytest.mark.parametrize(("first", "second"), [((2, 3, 4), (3, 4)), ((4,), (2, 3, 4)), ((2, 1, 4), (2, 3, 4))])
def test_eltwise(tmp_path, text, operation, first, second):
    a, b = values("a", *first), values("b", *second) + 3
    wanted = check_by_oracle(tmp_path, eltwise(text, first, second), {"data": a, "b": b})
    np.testing.assert_allclose(wanted["y"], operation(a, b), rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "{'operation': 5, 'coeff': [1, 1]}", "{'coeff': [1, 1]}", "[1]", "open('x')", "{'operation': 1, 'coeff': [1]}",
        "{'operation': 1, 'coeff': 3}", "{", "{'operation': [], 'coeff': [1, 1]}",
    ],
)  # fmt: skip
def test_no_other_parameters(tmp_path, text):
    with pytest.raises(cbc.InvalidNetError, match="must have operation"):
        cbc.convert(write_net(tmp_path, eltwise(text))[0])


def test_sizes_must_fit(tmp_path):
    with pytest.raises(cbc.InvalidNetError, match="do not fit"):
        cbc.convert(write_net(tmp_path, eltwise("{'operation': 0}", (2, 3), (4,)))[0])


def spatial(text):
    return input_layer(2, 3, 5) + python("spatial_dropout", "SpatialDropoutLayer", text=text)


def test_spatial_dropout_of_enet(tmp_path):
    x = values("data", 2, 3, 5)
    tests = check_by_oracle(tmp_path, spatial("{'phase': 'TEST', 'p': '0.2'}"), {"data": x})["y"]
    np.testing.assert_allclose(tests, x / np.float32(0.8), rtol=1e-6)
    trains = spatial("{'phase': 'TRAIN', 'p': '0.2'}")
    np.testing.assert_array_equal(check_by_oracle(tmp_path, trains, {"data": x})["y"], x)
    with pytest.raises(cbc.RefusedError, match="random at test time"):
        cbc.convert(write_net(tmp_path, trains)[0])


@pytest.mark.parametrize(
    "text", ["", "{'phase': 'TEST'}", "{'phase': 'TEST', 'p': '1'}", "[]", "{'phase': 'TEST', 'p': 'x'}"]
)
def test_spatial_dropout_needs_a_share(tmp_path, text):
    with pytest.raises(cbc.InvalidNetError, match="p between 0 and 1"):
        cbc.convert(write_net(tmp_path, spatial(text))[0])


def test_reorg_by_darknets_loops(tmp_path):
    x = values("data", 2, 8, 4, 6)
    wanted, view = np.zeros(x.size), x.ravel()
    for b, k, row, column in np.ndindex(2, 8, 4, 6):
        # darknet's reorg_cpu: indices into the flat memory of both.
        depth, offset = k % 2, k // 2
        there = column * 2 + offset % 2 + 12 * (row * 2 + offset // 2 + 8 * (depth + 2 * b))
        wanted[column + 6 * (row + 4 * (k + 8 * b))] = view[there]
    text = input_layer(2, 8, 4, 6) + python("yolov2", "darknet_reorg")
    got = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_array_equal(got, wanted.astype(np.float32).reshape(2, 32, 2, 3))
    native = input_layer(2, 8, 4, 6) + layer("Reorg", "y", rest="reorg_param { stride: 2 }")
    np.testing.assert_array_equal(got, check_by_oracle(tmp_path, native, {"data": x})["y"])


def pad(mode, sides=(1, 0, 2, 3)):
    t, b, l, r = sides  # noqa: E741
    text = f"{{'pad_t': {t}, 'pad_b': {b}, 'pad_l': '{l}', 'pad_r': {r}, 'pad_mode': '{mode}'}}"
    return input_layer(2, 3, 5, 4) + python("pad", "PadTensor", text=text)


def test_pad(tmp_path):
    x = values("data", 2, 3, 5, 4)
    got = {mode: check_by_oracle(tmp_path, pad(mode), {"data": x})["y"] for mode in ("constant", "edge", "reflect")}
    for value in got.values():
        assert value.shape == (2, 3, 6, 9)
        np.testing.assert_array_equal(value[:, :, 1:, 2:6], x)
    assert not got["constant"][:, :, 0].any()
    assert not got["constant"][..., 6:].any()
    np.testing.assert_array_equal(got["edge"][:, :, 1:, [0, 1, 6, 7, 8]], x[..., [0, 0, 3, 3, 3]])
    np.testing.assert_array_equal(got["reflect"][:, :, 1:, [0, 1, 6, 7, 8]], x[..., [2, 1, 2, 1, 0]])
    np.testing.assert_array_equal(got["reflect"][:, :, 0, 2:6], x[:, :, 1])
    np.testing.assert_array_equal(check_by_oracle(tmp_path, pad("edge", (0, 0, 0, 0)), {"data": x})["y"], x)


def test_pad_of_a_dynamic_picture(tmp_path):
    check_dynamic(tmp_path, pad("constant"), {"N": 4, "H": 7}, data=("N", 3, "H", 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (pad("constant", (0, -1, 0, 0)), "from 0 on"),
        (pad("wrap"), 'pad_mode "wrap"'),
        (pad("reflect", (5, 0, 0, 0)), "smaller than the picture, 5x4"),
        (pad("edge").replace("'pad_t'", "'pad'"), "must have pad_t"),
        (pad("edge").replace("'edge'", "open('x')"), "must have pad_t"),
        (pad("edge").replace('top: "y"', 'top: "data"'), "in place"),
        (pad("edge").replace("dim: 5 dim: 4", "dim: 5"), "4-D"),
        (input_layer(2, 6, 4, 6) + python("yolov2", "darknet_reorg"), "does not divide by stride 2"),
        (input_layer(2, 6) + python("ssd", "subgraph_g1"), "computes nothing"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])


def test_whose_is_told(tmp_path):
    findings = cbc.convert(write_net(tmp_path, pad("edge"))[0]).findings
    assert [f.what for f in findings] == [
        "taken for synopsys-caffe's Python layer pad.PadTensor, by its module and class"
    ]


def test_other_classes_are_refused(tmp_path):
    with pytest.raises(cbc.UnsupportedError, match="nothing that a model file names is run"):
        cbc.convert(write_net(tmp_path, input_layer(2, 3) + python("os", "System"))[0])
