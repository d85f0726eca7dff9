from __future__ import annotations

import os

import pytest

from caffe_bn_convert import CannotWriteError, convert
from caffe_bn_convert.placement import followed, put
from tests.nets import input_layer, layer, write_net

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")


def linked(folder):
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real/file")
    return folder / "link", folder / "real" / "file"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(tmp_path, there):
    link, file = linked(tmp_path)
    if there:
        file.write_text("before")
        file.chmod(0o640)
    put(link, "after")
    assert link.is_symlink()
    assert file.read_text() == "after"
    assert [path.name for path in file.parent.iterdir()] == ["file"]
    if there:
        assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("weights", ["embed", "external"])
def test_a_model_goes_where_the_link_leads(tmp_path, weights):
    link, file = linked(tmp_path)
    text = input_layer(1, 300) + layer("Scale", "s", rest="scale_param { filler { type: 'constant' value: 2 } }")
    data = convert(*write_net(tmp_path, text, {})).save(link, weights, verify=True)
    assert link.is_symlink()
    assert file.is_file()
    assert data is None or data.parent == file.parent
    assert not list(tmp_path.glob("*.data"))


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(CannotWriteError, match="circle"):
        followed(tmp_path / "a")


def test_a_failure_leaves_what_stood_there(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("before")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        put(tmp_path / "file", "after")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "before")]


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    put(tmp_path / "pipe", "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
