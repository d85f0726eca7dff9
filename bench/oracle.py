"""The oracle's pass in float64 beside onnxruntime's forward, in one process, one of each in turn.

    python -m bench.oracle deploy.prototxt weights.caffemodel out.onnx

prints one line of JSON. Both use every core; memory is what the operating system says of the process: before and after the
oracle's first pass.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.machine import table
from bench.measure import environment, ratio
from bench.nets import ROOT
from bench.targets import Part, Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.nets import Net

NETS = ("digits", "open-nsfw", "VGG-16")
PAIRS = 7
MOST = 6


def measure(prototxt: str, caffemodel: str, model: str) -> dict[str, Any]:
    """Seconds of both for every pair, and MiB."""
    import numpy as np
    import onnxruntime as ort

    from caffe_bn_convert import convert
    from caffe_bn_convert.verify.oracle import run
    from caffe_bn_convert.verify.ours import caffe_of

    conversion = convert(prototxt, caffemodel, allow="all")
    caffe = caffe_of(conversion)
    random = np.random.default_rng(0)
    graph = conversion.graph
    feed = {name: random.standard_normal([int(d) for d in graph.shapes[name]], np.float32) for name in graph.inputs}
    sizes: dict[str, tuple[int, ...]] = {}

    def oracle() -> None:
        run(caffe.net, caffe.blobs, feed, np.float64, phase=caffe.phase, shapes=sizes, rules=caffe.rules)

    before = _peak()
    oracle()
    after = _peak()
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else its threads take the oracle's cores
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.run(None, feed)
    pairs = [(_seconds(oracle), _seconds(lambda: session.run(None, feed))) for _ in range(PAIRS)]
    parameters = [sum(blob.count for blob in blobs if blob is not None) for blobs in caffe.blobs]
    values = [int(np.prod(shape)) for shape in sizes.values()]
    return {
        "oracle": [a for a, _ in pairs],
        "forward": [b for _, b in pairs],
        "rise": after - before,
        "all": 8 * (sum(parameters) + sum(values)) / 2**20,
        "largest": 8 * max(parameters) / 2**20,
    }


def _seconds(once: Callable[[], object]) -> float:
    """Of one run; a fast one is repeated."""
    start, count = time.perf_counter(), 0
    while not count or time.perf_counter() - start < 0.05:
        once()
        count += 1
    return (time.perf_counter() - start) / count


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def section(nets: list[Net], files: dict[str, Path]) -> Part:
    """The table.

    Args:
        nets: of these the ones of ``NETS``.
        files: our ONNX file of every net.
    """
    rows, targets = [], []
    for net in (net for net in nets if net.name in NETS):
        print("oracle", net.name, file=sys.stderr)
        words = [sys.executable, "-m", "bench.oracle", str(net.prototxt), str(net.caffemodel), str(files[net.name])]
        done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT, env=environment())
        found = json.loads(done.stdout.splitlines()[-1])
        beside = ratio(found["oracle"], found["forward"])
        times = (f"{median(found[what]) * 1000:.1f}" for what in ("forward", "oracle"))
        rows.append((net.name, *times, beside.text(), *(f"{found[what]:.0f}" for what in ("rise", "largest", "all"))))
        if net.name != "digits":  # a pass of microseconds says nothing of arithmetic
            targets.append(Target(net.name, "the oracle's pass", "6 × onnxruntime's forward", MOST, beside.median, "×"))
    head = ("net", "onnxruntime's forward in float32, ms", "the oracle's pass in float64, ms", "oracle / forward",
            "memory that the pass takes, MiB", "the largest layer's weights in float64, MiB",
            "all weights and values in float64, MiB")  # fmt: skip
    text = "What the proof computes by, beside what it judges; both with every core, batch as in the prototxt."
    return Part(f"## Verification\n\n{text}\n\n{table(head, rows)}", targets)


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
