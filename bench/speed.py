"""How fast our files run, and what is in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import peers
from bench.conversions import command
from bench.latency import latencies
from bench.machine import table
from bench.measure import environment, ratio
from bench.nets import ROOT
from bench.rivals import folder
from bench.targets import Part, Target

if TYPE_CHECKING:
    from bench.nets import Net

MOST = 600  # megabytes
PEERS_FILES = frozenset(peer.name for peer in peers.PEERS if peer.writes_onnx)
SHAPES = (
    "import sys, caffe_bn_convert as c; g = c.shapes(sys.argv[1]); print('x'.join(map(str, g.shapes[g.inputs[0]])))"
)
LAYERS = "import sys, caffe_bn_convert as c; print(len(c.convert(sys.argv[1], sys.argv[2], allow='all').net.layers))"


def converted(nets: list[Net], work: Path) -> dict[str, Path]:
    """Our ONNX file of every net that fits into one, made now."""
    nets = [net for net in nets if net.megabytes < MOST]
    for net in nets:
        subprocess.run(command(net, folder(work, net, "ours"), "--no-verify"), check=True, env=environment())
    return {net.name: folder(work, net, "ours") / "ours.onnx" for net in nets}


def section(nets: list[Net], work: Path, *, rivals: bool) -> Part:
    """Both tables, of our files that :func:`converted` made and of what peers made."""
    nets = [net for net in nets if net.megabytes < MOST]
    (contents, clean), (latency, fast) = _contents(nets, work), _latencies(nets, work, rivals)
    return Part("\n\n".join([*contents, *latency]), [*clean, *fast])


def _contents(nets: list[Net], work: Path) -> tuple[list[str], list[Target]]:
    rows, targets = [], []
    for net in nets:
        layers = _said("-c", LAYERS, str(net.prototxt), str(net.caffemodel))
        for name, path in _files(net, work).items():
            try:
                has = json.loads(_said("-m", "bench.graphs", str(path)))
            except subprocess.CalledProcessError:
                rows.append((net.name, name, layers, "onnxruntime does not load it", "", "", "", ""))
                continue
            rows.append((net.name, name, layers, *(str(has[key]) for key in has)))
            if name == "ours":
                targets += [
                    Target(net.name, "nodes", "Caffe's layers", int(layers), has["nodes"], "", 0),
                    Target(net.name, "initializers that are there twice", "none", 0, has["twice"], "", 0),
                    Target(net.name, "BatchNormalization left behind a Conv", "none", 0, has["unfused"], "", 0),
                ]
    head = ("net", "file", "Caffe layers", "nodes", "of them moves", "initializers twice", "after onnxruntime's optimiser",
            "BatchNormalization left behind a Conv")  # fmt: skip
    text = "Moves are Reshape, Transpose, Flatten, Squeeze, Unsqueeze, Identity."
    return ["## What the files hold", text, table(head, rows)], targets


def _said(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, text=True, cwd=ROOT, env=environment()
    )
    return done.stdout.strip().splitlines()[-1]


def _files(net: Net, work: Path) -> dict[str, Path]:
    found = {"ours": folder(work, net, "ours") / "ours.onnx"}
    for peer in peers.PEERS:
        path = folder(work, net, peer.name) / peer.writes_onnx
        if peer.writes_onnx and path.is_file():
            found[peer.name] = path
    return found


def _latencies(nets: list[Net], work: Path, others: bool) -> tuple[list[str], list[Target]]:  # noqa: FBT001  (handed on)
    rows, targets = [], []
    for net in nets:
        print("latency", net.name, file=sys.stderr)
        contenders = {name: (sys.executable, "onnxruntime", str(path)) for name, path in _files(net, work).items()}
        contenders |= _runtimes(net, work) if others else {}
        found = latencies(contenders, _said("-c", SHAPES, str(net.prototxt)))
        for name, seconds in found.items():
            beside = ratio(found["ours"], seconds)
            rows.append((net.name, name, f"{median(seconds) * 1000:.2f}", beside.text(3)))
            if name in PEERS_FILES:
                bound = "below 1.05, with 95 %"
                targets.append(
                    Target(net.name, f"latency / that of {name}'s file", bound, 1.05, beside.greatest, "", 3)
                )
        rows += [(net.name, name, "does not load or run", "") for name in contenders if name not in found]
    head = ("net", "file in runtime", "one pass, CPU ms", "ours in onnxruntime / this")
    text = "CPU time of one pass with one thread, passes in turn; below 1 ours is faster. A peer's ONNX runs in onnxruntime."
    return ["## How fast they run", text, table(head, rows)], targets


def _runtimes(net: Net, work: Path) -> dict[str, tuple[str, ...]]:
    ours = str(folder(work, net, "ours") / "ours.onnx")
    found: dict[str, tuple[str, ...]] = {}
    cv4 = next(peer for peer in peers.PEERS if peer.name.startswith("OpenCV 4"))
    binaries = peers.environment_of(cv4.name, cv4.requirements, work)
    if isinstance(binaries, Path):
        found["OpenCV 4, the Caffe net"] = (
            str(binaries / "python"),
            "opencv-caffe",
            str(net.prototxt),
            str(net.caffemodel),
        )
    for name, requirements in peers.RUNTIMES.items():
        binaries = peers.environment_of(name, (requirements,), work)
        if isinstance(binaries, Path):
            kind = "openvino" if name == "OpenVINO" else "opencv-onnx"
            found[f"{name}, our file"] = (str(binaries / "python"), kind, ours)
    return found
