"""A command that is asked to end leaves nothing behind; one in a folder that is gone works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.nets import input_layer, layer, write_net

COMMAND = (sys.executable, "-m", "caffe_bn_convert")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and removed folders of POSIX")


def interruptible() -> None:
    """In the child: what runs in the background of a shell has SIGINT ignored, and so have its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["embed", "external"])
def test_nothing_is_left(tmp_path, number, mode):
    text = input_layer(1, 1000) + layer(
        "InnerProduct", "ip", rest="inner_product_param { num_output: 1000 bias_term: false }"
    )
    files = write_net(tmp_path, text, {"ip": [np.ones((1000, 1000), np.float32)]})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "out.onnx").write_bytes(b"what stood there")
    args = [*COMMAND, *map(str, files), "-q", "-o", str(tmp_path / "out" / "out.onnx"), "--weights", mode]
    process = subprocess.Popen(args, stderr=subprocess.PIPE, preexec_fn=interruptible)
    deadline = time.monotonic() + 20
    while len(list((tmp_path / "out").iterdir())) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(number)
    words = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 130, words
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["out.onnx"]
    assert (tmp_path / "out" / "out.onnx").read_bytes() == b"what stood there"


def test_no_interrupt_in_the_middle_of_an_import(tmp_path):
    """Modules in C make an ImportError of it, or crash."""
    (tmp_path / "slow.py").write_text(
        "import time\nprint('begun', flush=True)\ntime.sleep(0.3)\nprint('whole', flush=True)\n"
    )
    code = "from caffe_bn_convert.cli import signals\nsignals.install()\nimport slow\nimport time\ntime.sleep(20)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    out, words = process.communicate(timeout=20)
    assert out == "whole\n"
    assert words.endswith("KeyboardInterrupt\n")


def test_a_current_folder_that_is_gone(tmp_path):
    prototxt, _ = write_net(tmp_path, input_layer(1, 3) + layer("ReLU", "relu"))
    gone = tmp_path / "gone"
    gone.mkdir()
    command = (
        f"cd {gone} && rmdir {gone} && exec {sys.executable} -m caffe_bn_convert {prototxt} -o {tmp_path}/out.onnx"
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.onnx").is_file()


def test_names_cannot_command_the_terminal(tmp_path):
    prototxt, _ = write_net(tmp_path, input_layer(1, 3) + layer("Nope", "\\033]0;owned\\007\\033[2J", tops="top"))
    done = subprocess.run([*COMMAND, str(prototxt), "-o", str(tmp_path / "out.onnx")], capture_output=True, check=False)
    assert done.returncode == 4
    assert b"\033" not in done.stderr
    assert b"\007" not in done.stderr
