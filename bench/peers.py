"""Other converters, each installed from the package index into an environment of its own.

A peer that does not install, or does not run, is left out and named with the reason.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.measure import environment

if TYPE_CHECKING:
    from pathlib import Path

    from bench.nets import Net


@dataclass(frozen=True)
class Peer:
    """A program beside ours.

    Attributes:
        name: as in the tables; its environment is called so, too.
        requirements: what pip installs, one list a call; a call that begins with ``--no-deps`` ignores pins that no
            present Python can satisfy.
        command: its words; ``{python}``, ``{bin}``, ``{prototxt}``, ``{caffemodel}``, ``{out}`` are filled in.
        writes_onnx: the file that it makes in the folder ``{out}``; "" if it makes none.
    """

    name: str
    requirements: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    writes_onnx: str = ""


LOAD = "import cv2, sys; cv2.dnn.readNetFromCaffe(sys.argv[1], sys.argv[2])"

PEERS = (
    Peer(
        "caffe2onnx",
        (("onnx==1.15.0", "protobuf==3.20.3", "numpy==1.23.5"), ("--no-deps", "caffe2onnx==2.0.1")),
        ("{python}", "-m", "caffe2onnx.convert", "--prototxt", "{prototxt}", "--caffemodel", "{caffemodel}",
         "--onnx", "{out}/peer.onnx"),
        "peer.onnx",
    ),
    Peer(
        "caffe-onnx",
        (("caffe-onnx==0.1.2", "numpy==1.23.5"),),
        ("{bin}/caffe2onnx", "{prototxt}", "{caffemodel}", "peer", "{out}"),
        "peer.onnx",
    ),
    Peer(
        "x2paddle",
        (("x2paddle==1.6.0", "paddlepaddle", "six", "requests", "pandas", "protobuf==3.20.3", "setuptools<70"),),
        ("{bin}/x2paddle", "--framework=caffe", "--prototxt={prototxt}", "--weight={caffemodel}", "--save_dir={out}"),
    ),
    Peer(
        "OpenVINO 2023.3 mo",
        (("openvino-dev[caffe]==2023.3.0", "setuptools<70"),),
        ("{bin}/mo", "--framework", "caffe", "--input_proto", "{prototxt}", "--input_model", "{caffemodel}",
         "--compress_to_fp16=False", "--output_dir", "{out}"),
    ),
    Peer("OpenCV 4 (loads)", (("opencv-python-headless<5",),), ("{python}", "-c", LOAD, "{prototxt}", "{caffemodel}")),
)  # fmt: skip

RUNTIMES = {
    "OpenCV 5": ("opencv-python-headless>=5",),
    "OpenVINO": ("openvino", "numpy"),
}
"""What runs our file beside onnxruntime."""

NOT_HERE = {
    "ncnn": "its package on the index has no caffe2ncnn",
    "MNN": "left out: its command installs and posts telemetry",
}


def environment_of(name: str, requirements: tuple[tuple[str, ...], ...], work: Path) -> Path | str:
    """The ``bin`` folder of the environment ``name``, made where it is missing; or why there is none."""
    folder = work / "peers" / "".join(c if c.isalnum() or c in ".-" else "-" for c in name)
    python = folder / "bin/python"
    if not (folder / ".ready").is_file():
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
            for words in requirements:
                install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
                subprocess.run(install, check=True, timeout=400, env=environment(), capture_output=True)
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            return f"does not install: {lines[-1] if lines else error}"
        except subprocess.TimeoutExpired:
            return "does not install in time"
        (folder / ".ready").touch()
    return folder / "bin"


def words(peer: Peer, binaries: Path, net: Net, out: Path) -> list[str]:
    """The command of ``peer`` for ``net``."""
    places = {"python": binaries / "python", "bin": binaries, "prototxt": net.prototxt, "caffemodel": net.caffemodel}
    return [word.format(**places, out=out) if word != LOAD else word for word in peer.command]
