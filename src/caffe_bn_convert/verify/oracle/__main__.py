"""Hold the oracle alone to what real Caffe computed, over folders of cases.

Example::

    python -m caffe_bn_convert.verify.oracle fixtures/golden --only Pooling/ --dtype float32

A case is a folder with ``model.prototxt`` or ``deploy.prototxt``, perhaps ``weights.caffemodel`` or its ``.h5``,
``input.npz`` (or shapes in ``meta.json``) and ``expected.npz``, Caffe's outputs; without them Caffe refuses the net.
This file is no part of the oracle: it reads the files.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.caffe import caffemodel, hdf5
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.net.weights import locate

from .run import run
from .values import outputs

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import NetDefinition

    from .layer import Array


def seeded(name: str, shape: list[int]) -> Array:
    """The input that a case without ``input.npz`` means: noise that the blob's name seeds, in pixels for images."""
    if "cont" in name.lower():
        x = np.ones(shape, np.float32)
        x[0] = 0
        return x
    x = np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, size=shape).astype(np.float32)
    image = len(shape) == 4 and shape[1] in (1, 3) and shape[2] >= 8
    return x * np.float32(100) if image else x


def inputs_of(case: Path) -> dict[str, Array]:
    """The case's inputs by blob name."""
    if (case / "input.npz").exists():
        with np.load(case / "input.npz") as file:
            return dict(file)
    return {name: seeded(name, shape) for name, shape in json.loads((case / "meta.json").read_text())["inputs"].items()}


def net_of(case: Path) -> NetDefinition:
    """The case's net in today's form and in its phase."""
    model = next(path for path in (case / "deploy.prototxt", case / "model.prototxt") if path.exists())
    return filter_state(upgrade(read_net(model)), phase=phase_of(case))


def phase_of(case: Path) -> Any:
    """``"TEST"`` or ``"TRAIN"``."""
    return json.loads((case / "meta.json").read_text()).get("phase", "TEST")


def weights_of(case: Path) -> list[list[Any]]:
    """What to load for each run of the case: nothing, or one file."""
    files = sorted(case.glob("weights.caffemodel*"))
    return [[hdf5.read(file) if file.suffix == ".h5" else caffemodel.read(file)] for file in files] or [[]]


def difference(y: Array, z: Array) -> str:
    """What differs between ours and Caffe's, in words; empty if it is within 1e-5 of the largest and 1e-4 of each."""
    if y.shape != z.shape:
        return f"shape {y.shape}, Caffe has {z.shape}"
    with np.errstate(over="ignore"):
        y, z = y.astype(np.float32).astype(np.float64), z.astype(np.float64)
    finite = np.isfinite(z)
    if not np.array_equal(y[~finite], z[~finite], equal_nan=True) or not np.isfinite(y[finite]).all():
        return "differs in NaN or infinity"
    off = np.abs(y[finite] - z[finite])
    bound = 1e-5 * max(1.0, np.abs(z[finite]).max(initial=0)) + 1e-4 * np.abs(z[finite])
    return "" if (off <= bound).all() else f"off by {off.max():.3g}, Caffe's largest is {np.abs(z[finite]).max():.3g}"


def compare(got: dict[str, Array], expected: dict[str, Array], inputs: dict[str, Array]) -> str:
    """What differs, in words. An input that Caffe overwrote is compared by its last value."""
    wrong = {}
    for name, value in expected.items():
        keys = [key for key in got if key.startswith(f"{name}/")] if name in inputs else [name]
        wrong[name] = difference(got[keys[-1]], value) if keys and keys[-1] in got else "missing"
    return "; ".join(f"{name}: {why}" for name, why in wrong.items() if why)


def check(case: Path, dtype: Any = np.float64) -> str:
    """Run one case; what is wrong, in words, empty if nothing is. Raises ConversionError as the oracle does."""
    net, inputs = net_of(case), inputs_of(case)
    with np.load(case / "expected.npz") as file:
        expected = dict(file)
    inner = _inner(case, net, inputs)
    for sources in weights_of(case):
        got = run(net, locate(net, sources).blobs, inputs, dtype, phase=phase_of(case), keep="all")
        ends = {key: got[key] for key in outputs(net)}
        if wrong := compare(ends, expected, inputs):
            return wrong
        if len(ends) != len(expected):
            return f"outputs {sorted(ends)}, Caffe has {sorted(expected)}"
        if wrong := compare(got, inner, inputs):
            return f"within the net: {wrong}"
    return ""


def _inner(case: Path, net: NetDefinition, inputs: dict[str, Array]) -> dict[str, Array]:
    """Caffe's values within the net, where the case has them; without inputs and without what Caffe's splits copy."""
    if not (case / "all_blobs.npz").exists():
        return {}
    tops = {top for layer in net.layers for top in layer.parameter.top} - set(inputs)
    with np.load(case / "all_blobs.npz") as file:
        return {name: value for name, value in file.items() if name in tops}


def judge(case: Path, dtype: Any = np.float64) -> tuple[str, str]:
    """One word about a case, and why: right, wrong, refused, lenient (Caffe refuses, we do not) or crashed."""
    refuses = not (case / "expected.npz").exists()
    try:
        if refuses:
            net = net_of(case)
            run(net, locate(net, weights_of(case)[0]).blobs, _invented(net), dtype, phase=phase_of(case))
            return "lenient", ""
        wrong = check(case, dtype)
    except ConversionError as error:
        return ("right" if refuses else "refused"), str(error)
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"
    return ("wrong" if wrong else "right"), wrong


def _invented(net: NetDefinition) -> dict[str, Array]:
    """Inputs of the declared shapes, for nets that Caffe refuses."""
    values = {}
    for layer in net.layers:
        shapes = [list(shape.dim) for shape in layer.parameter.input_param.shape]
        for i, top in enumerate(layer.parameter.top if shapes and layer.type == "Input" else ()):
            values[top] = seeded(top, shapes[min(i, len(shapes) - 1)])
    return values


def main(arguments: list[str] | None = None) -> int:
    """Judge all cases below a folder; 0 if all are right or lenient."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="cases whose path has one of these")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    options = parser.parse_args(arguments)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for meta in sorted(options.root.rglob("meta.json")):
        name = str(meta.parent.relative_to(options.root))
        if options.only and not any(text in name for text in options.only):
            continue
        started = time.perf_counter()
        status, why = judge(meta.parent, np.dtype(options.dtype))
        table[name.split("/")[0] if "/" in name else options.root.name][status] += 1
        if status != "right" or time.perf_counter() - started > 1:
            sys.stdout.write(f"{status:8} {name} {time.perf_counter() - started:.1f} s  {why}\n")
    for group, counts in sorted(table.items()):
        sys.stdout.write(f"{group:28} {'  '.join(f'{word} {count}' for word, count in sorted(counts.items()))}\n")
    return 0 if table and not any(set(counts) - {"right", "lenient"} for counts in table.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
