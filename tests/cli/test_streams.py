"""Streams that are closed, full, or read by nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import FIXTURES

DIGITS = FIXTURES / "digits"
COMMAND = f"{sys.executable} -m caffe_bn_convert"
INSPECT = f"{COMMAND} inspect {DIGITS}/deploy.prototxt {DIGITS}/digits.caffemodel"
pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full and the shell of Linux")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("what", [INSPECT, f"{COMMAND} --help"])
def test_a_reader_that_has_seen_enough(what):
    done = shell(f"{what} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("what", [INSPECT, f"{COMMAND} --help"])
def test_a_full_disk(what):
    done = shell(f"{what} > /dev/full")
    assert done.returncode == 7
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "2> >(true)", ">&- 2>&- <&-"])
def test_words_that_nobody_can_read_do_not_stop_the_work(where, tmp_path):
    done = shell(f"{COMMAND} {DIGITS}/deploy.prototxt {DIGITS}/digits.caffemodel -o {tmp_path}/out.onnx {where}")
    assert done.returncode == 0
    assert (tmp_path / "out.onnx").is_file()
