"""Where FCN's Crop begins, beside the offsets that its authors and U-Net's published."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.cli import run as command
from caffe_bn_convert.net.crops import with_offsets
from caffe_bn_convert.verify import oracle
from caffe_bn_convert.verify.oracle.crops import placed
from tests.golden import LEVELS, assert_close, run, values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def conv(top, bottom, kernel=3, pad=1, stride=1, kind="CONVOLUTION"):
    return (
        f'layers {{ name: "{top}" type: {kind} bottom: "{bottom}" top: "{top}" convolution_param {{ num_output: 2 '
        f"kernel_size: {kernel} pad: {pad} stride: {stride} }} }}\n"
    )


def pool(top, bottom):
    two = "pooling_param { kernel_size: 2 stride: 2 }"
    return f'layers {{ name: "{top}" type: POOLING bottom: "{bottom}" top: "{top}" {two} }}\n'


def crop(top, first, second):
    return f'layers {{ name: "{top}" type: CROP bottom: "{first}" bottom: "{second}" top: "{top}" }}\n'


def fcn():
    """FCN-8s of 2015: VGG-16 with 100 pixels around the picture, five poolings, and a kernel of 7."""
    text, blob = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 64 input_dim: 64\n', "data"
    for stage, count in enumerate((2, 2, 3, 3, 3), 1):
        for i in range(count):
            top = f"conv{stage}_{i}"
            text += conv(top, blob, pad=100 if blob == "data" else 1)
            text += f'layers {{ name: "relu{stage}_{i}" type: RELU bottom: "{top}" top: "{top}" }}\n'
            blob = top
        text += pool(f"pool{stage}", blob)
        blob = f"pool{stage}"
    text += conv("fc6", "pool5", 7, 0) + conv("fc7", "fc6", 1, 0) + conv("score", "fc7", 1, 0)
    text += (
        conv("up2", "score", 4, 0, 2, "DECONVOLUTION") + conv("score4", "pool4", 1, 0) + crop("crop4", "score4", "up2")
    )
    text += 'layers { name: "fuse4" type: ELTWISE bottom: "up2" bottom: "crop4" top: "fuse4" }\n'
    text += (
        conv("up4", "fuse4", 4, 0, 2, "DECONVOLUTION") + conv("score3", "pool3", 1, 0) + crop("crop3", "score3", "up4")
    )
    text += 'layers { name: "fuse3" type: ELTWISE bottom: "up4" bottom: "crop3" top: "fuse3" }\n'
    text += conv("up32", "score", 64, 0, 32, "DECONVOLUTION") + crop("crop32", "up32", "data")
    return text + conv("up8", "fuse3", 16, 0, 8, "DECONVOLUTION") + crop("crop8", "up8", "data")


def u_net():
    """Ronneberger, Fischer and Brox, 2015: convolutions without padding, four poolings, deconvolutions of 2 × 2."""
    text, blob = 'input: "data" input_dim: 1 input_dim: 1 input_dim: 188 input_dim: 204\n', "data"
    for depth in range(5):
        text += conv(f"d{depth}b", blob, pad=0) + conv(f"d{depth}c", f"d{depth}b", pad=0)
        blob = f"d{depth}c"
        if depth < 4:
            text += pool(f"p{depth}", blob)
            blob = f"p{depth}"
    for depth in (3, 2, 1, 0):
        text += conv(f"u{depth}a", blob, 2, 0, 2, "DECONVOLUTION") + crop(f"cut{depth}", f"d{depth}c", f"u{depth}a")
        text += (
            f'layers {{ name: "join{depth}" type: CONCAT bottom: "u{depth}a" bottom: "cut{depth}" top: "u{depth}b" }}\n'
        )
        text += conv(f"u{depth}c", f"u{depth}b", pad=0) + conv(f"u{depth}d", f"u{depth}c", pad=0)
        blob = f"u{depth}d"
    return text


FCNS = {"crop4": 5, "crop3": 9, "crop8": 31, "crop32": 19}
"""``crop_param { axis: 2 offset: … }`` of the prototxts that FCN's authors published for BVLC's Caffe."""
U_NETS = {"cut3": 4, "cut2": 16, "cut1": 40, "cut0": 88}
"""What U-Net's figure leaves out at each level: (64 - 56) / 2, (136 - 104) / 2, (280 - 200) / 2, (568 - 392) / 2."""


@pytest.mark.parametrize("tell", [with_offsets, placed], ids=["converter", "oracle"])
@pytest.mark.parametrize(("text", "published"), [(fcn(), FCNS), (u_net(), U_NETS)], ids=["FCN", "U-Net"])
def test_the_offsets_that_were_published(tmp_path, tell, text, published):
    prototxt, _ = write_net(tmp_path, text)
    net = tell(upgrade(read_net(prototxt)))
    found = {layer.name: list(layer.parameter.crop_param.offset) for layer in net.layers if layer.name in published}
    assert found == {name: [offset] * 2 for name, offset in published.items()}


def test_the_same_numbers_as_with_the_offset_written_down(tmp_path):
    x = values("data", 1, 3, 9, 11)
    head = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 11\n'
    weights = {"c": [values("w", 2, 3, 3, 3), values("b", 2)]}
    told = input_layer(1, 3, 9, 11) + layer(
        "Convolution", "c", rest="convolution_param { num_output: 2 kernel_size: 3 pad: 5 }"
    )
    told += layer("Crop", "y", "c data", rest="crop_param { axis: 2 offset: 4 }")
    wanted = check_by_oracle(tmp_path, told, {"data": x}, weights)["y"]
    prototxt, caffemodel = write_net(tmp_path, head + conv("c", "data", pad=5) + crop("y", "c", "data"), weights)
    conversion = cbc.convert(prototxt, caffemodel)
    for level in LEVELS:
        assert_close(run(conversion, {"data": x}, level)["y"], wanted, "y")
    by_oracle = oracle.run(placed(conversion.net), conversion.located.blobs, {"data": x}, np.float32)
    assert_close(by_oracle["y"], wanted, "y")
    assert conversion.verify().passed


def two_meanings(pad, rest=""):
    text = input_layer(1, 3, 9, 11)
    text += layer("Convolution", "c", rest=f"convolution_param {{ num_output: 2 kernel_size: 3 pad: {pad} }}")
    return text + layer("Crop", "y", "c data", rest=rest)


WEIGHTS = {"c": [values("w", 2, 3, 3, 3), values("b", 2)]}


@pytest.mark.parametrize(
    ("options", "begin"),
    [({"allow": "CROP001"}, 0), ({"dialects": {"Crop": "bvlc"}}, 0), ({"dialects": {"y": "fcn"}}, 4)],
)
def test_a_crop_of_two_meanings_stops_until_one_is_chosen(tmp_path, options, begin):
    files = write_net(tmp_path, two_meanings(5), WEIGHTS)
    with pytest.raises(cbc.RefusedError, match=r"model.prototxt:\d+.*\(Crop\): CROP001.*FCN's branch at 4, 4"):
        cbc.convert(*files)
    x = values("data", 1, 3, 9, 11)
    conversion = cbc.convert(*files, expose="c", **options)
    got = run(conversion, {"data": x}, LEVELS[0])
    np.testing.assert_array_equal(got["y"], got["c"][:, :, begin : begin + 9, begin : begin + 11])
    assert conversion.verify().passed


@pytest.mark.parametrize("text", [two_meanings(5, "crop_param { offset: 3 }"), two_meanings(1)])
def test_where_there_is_nothing_to_choose(tmp_path, text):
    assert cbc.convert(*write_net(tmp_path, text, WEIGHTS)).findings == ()


def test_a_layer_that_tells_no_places(tmp_path):
    text = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
    text += 'layers { name: "r" type: RESHAPE bottom: "data" top: "r" reshape_param { shape { dim: [1, 3, 8, 8] } } }\n'
    with pytest.raises(cbc.UnsupportedError, match=r"(?s)CROP.*tells no places"):
        cbc.convert(write_net(tmp_path, text + crop("y", "r", "data"))[0])


@pytest.mark.parametrize("made", ["bvlc", "fcn"])
def test_a_file_is_judged_by_the_dialect_that_verify_is_told(tmp_path, made):
    prototxt, caffemodel = write_net(tmp_path, two_meanings(5), WEIGHTS)
    file = tmp_path / "y.onnx"
    cbc.convert(prototxt, caffemodel, dialects={"Crop": made}).save(file, verify=False)
    for told in ("bvlc", "fcn"):
        arguments = [*map(str, (prototxt, caffemodel, file)), "--dialect", f"Crop={told}"]
        assert command(["verify", *arguments]) == (0 if told == made else 1)
