from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert import UnreadableError, UsageError
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.verify.inputs import KINDS, Slot, feeds, given
from caffe_bn_convert.verify.inputs.files import Pixels, archive, array, arrays, image, named_file
from tests.nets import input_layer, layer, write_net

IMAGE = Slot("data", (1, 3, 7, 9))


@pytest.fixture
def plain(tmp_path):
    return net_of(tmp_path, layer("ReLU", "relu"))


def net_of(folder, *layers, dims=(1, 3, 7, 9)):
    prototxt, _ = write_net(folder, input_layer(*dims) + "".join(layers))
    return upgrade(read_net(prototxt))


def test_one_run_for_each_kind_where_the_batch_is_one(plain):
    made = feeds(plain, [IMAGE], 0)
    assert [feed.what for feed in made] == list(KINDS)
    assert all(feed.arrays["data"].dtype == np.float32 for feed in made)
    assert made[2].arrays["data"].max() > 200


def test_all_kinds_in_one_batch_and_no_two_rows_alike(plain):
    (feed,) = feeds(plain, [Slot("data", (10, 3, 7, 9))], 0)
    rows = feed.arrays["data"]
    assert len({row.tobytes() for row in rows}) == 10
    assert rows[2].max() > 200
    assert rows[0].max() < 10


def test_kinds_come_again_with_other_numbers(plain):
    made = feeds(plain, [IMAGE], 0, kinds=len(KINDS) + 2)
    assert made[-2].what == made[0].what
    assert made[-2].arrays["data"].tobytes() != made[0].arrays["data"].tobytes()


def test_seeds(plain):
    def numbers(seed):
        return feeds(plain, [IMAGE], seed)[0].arrays["data"].tobytes()

    assert numbers(3) == numbers(3) != numbers(4)


def test_a_dynamic_batch_comes_in_three_sizes(plain):
    made = feeds(plain, [Slot("data", (None, 3, None, None), (1, 3, 64, 96))], 0)
    assert [feed.arrays["data"].shape for feed in made] == [(3, 3, 64, 96), (2, 3, 96, 160), (1, 3, 64, 96)]


def test_few_kinds_for_large_nets(plain):
    assert [feed.what for feed in feeds(plain, [IMAGE], 0, kinds=2)] == ["unit normal", "smooth"]


@pytest.mark.parametrize(
    ("reader", "shape", "check"),
    [
        (layer("LSTM", "r", "x data", rest="recurrent_param { num_output: 2 }"), (5, 2),
         lambda v: set(v.flat) <= {0, 1} and not v[0].any()),
        (layer("Embed", "e", rest="embed_param { input_dim: 6 num_output: 2 }"), (4, 3),
         lambda v: set(v.flat) <= set(range(6))),
        (layer("Log", "l"), (2, 3), lambda v: (v > 0).all()),
        (layer("SoftmaxWithLoss", "s", "x data", "s"), (7,), lambda v: set(v.flat) <= {0, 1}),
        (layer("ROIPooling", "p", "x data", rest="roi_pooling_param { pooled_w: 2 pooled_h: 2 spatial_scale: 0.0625 }"), (6, 5),
         lambda v: (v[:, 0] == 0).all() and (v[:, 3] >= v[:, 1]).all() and v.max() > 16),
        (layer("Flatten", "f", "data", "f") + layer("BatchReindex", "b", "x f", "b"), (4,), lambda v: set(v.flat) <= {0, 1}),
        (layer("DetectionOutput", "d", "x y data", "d"), (1, 2, 40), lambda v: (v[0, 0, 2::4] > v[0, 0, 0::4]).all()),
    ],
)  # fmt: skip
def test_inputs_that_mean_something(tmp_path, reader, shape, check):
    net = net_of(tmp_path, input_layer(2, 3, name="x"), input_layer(2, 3, name="y"), reader, dims=shape)
    value = feeds(net, [Slot("data", shape)], 0)[0].arrays["data"]
    assert value.shape == shape
    assert check(value.astype(np.float64))


def test_arrays_of_the_user():
    fixed = Slot("data", (4, 3, 7, 9))
    feed = given([fixed], {"data": np.ones((3, 7, 9))})
    assert feed.arrays["data"].shape == (4, 3, 7, 9)
    with pytest.raises(UsageError, match='input "data" needs 4×3×7×9, the file has 2×3×7×9'):
        given([fixed], {"data": np.ones((2, 3, 7, 9))})
    with pytest.raises(UsageError, match="no numbers for data"):
        given([fixed], {})
    with pytest.raises(UsageError, match="has no input other"):
        given([fixed], {"data": np.ones((4, 3, 7, 9)), "other": np.ones(1)})


def test_arrays_from_files(tmp_path):
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "x.npy", value)
    np.savez(tmp_path / "x.npz", data=value, other=value + 1)
    np.testing.assert_array_equal(array(tmp_path / "x.npy"), value)
    np.testing.assert_array_equal(archive(tmp_path / "x.npz")["other"], value + 1)
    slots = [Slot("data", (2, 3)), Slot("other", (2, 3))]
    assert set(arrays([(None, tmp_path / "x.npz")], slots, Pixels())) == {"data", "other"}
    assert set(arrays([("other", tmp_path / "x.npy")], slots, Pixels())) == {"other"}
    with pytest.raises(UsageError, match="which input is"):
        arrays([(None, tmp_path / "x.npy")], slots, Pixels())
    with pytest.raises(UsageError, match="holds 2 arrays"):
        arrays([("data", tmp_path / "x.npz")], slots, Pixels())


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    for read, name in ((array, "x.npy"), (archive, "x.npz"), (array, "missing.npy")):
        with pytest.raises(UnreadableError, match="cannot be read"):
            read(tmp_path / name)


def test_an_image_becomes_what_a_data_layer_would_make_of_it(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.zeros((7, 9, 3), np.uint8)
    pixels[..., 0] = 200  # red
    pillow.fromarray(pixels).save(tmp_path / "red.png")
    value = image(tmp_path / "red.png", IMAGE, Pixels((104, 117, 123), 0.5))
    assert value.shape == (1, 3, 7, 9)
    np.testing.assert_allclose(value[0, :, 3, 4], [-52, -58.5, (200 - 123) / 2])
    np.testing.assert_allclose(image(tmp_path / "red.png", IMAGE, Pixels(bgr=False))[0, :, 0, 0], [200, 0, 0])
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(UnreadableError, match="as an image"):
        image(tmp_path / "no.png", IMAGE, Pixels())
    with pytest.raises(UsageError, match="is no image"):
        image(tmp_path / "red.png", Slot("data", (1, 10)), Pixels())


def test_preprocessing_of_the_net_itself(tmp_path):
    means = "mean_value: 104 mean_value: 117 mean_value: 123"
    text = f'layer {{ name: "data" type: "Data" top: "data" transform_param {{ scale: 0.5 {means} }} }}'
    prototxt, _ = write_net(tmp_path, text)
    pixels = Pixels.of(upgrade(read_net(prototxt)))
    assert pixels == Pixels((104, 117, 123), 0.5)
    assert pixels.with_given(scale=1.0, bgr=False) == Pixels((104, 117, 123), 1.0, bgr=False)


def test_names_of_files(tmp_path):
    assert [str(part) for part in named_file("data=x.npy")] == ["data", "x.npy"]
    assert named_file("x.npy")[0] is None
    (tmp_path / "a=b.npy").touch()
    assert named_file(str(tmp_path / "a=b.npy"))[0] is None
