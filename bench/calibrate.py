"""How large are the errors of sound conversions, in units of the noise? `FACTOR` in verify/tolerance.py rests on this.

    python bench/calibrate.py ../shared/models --seeds 20
    python bench/calibrate.py ../shared/random --seeds 3

Every folder with a `deploy.prototxt` or `model.prototxt` is converted and proven with each seed. The table has for every
net the largest error of all values (outputs with and without onnxruntime's optimisations, and inner blobs), in units of
the noise. The last lines have the largest of all, and how many proofs failed at the present factor.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import caffe_bn_convert
from caffe_bn_convert.verify import Options, Report
from caffe_bn_convert.verify.tolerance import FACTOR


def nets(root: Path) -> list[Path]:
    """Folders of nets that Caffe takes."""
    metas = sorted(root.rglob("meta.json"))
    return [meta.parent for meta in metas if "caffe_refuses" not in json.loads(meta.read_text())]


def units(report: Report) -> tuple[float, str]:
    """The largest error in units of the noise, and where."""
    results = [(o.deviation.ratio, o.name) for o in report.outputs] + [
        (b.deviation.ratio, b.name) for b in report.blobs
    ]
    ratio, name = max(results, default=(0.0, ""))
    return ratio * FACTOR, name


def calibrate(folder: Path, seeds: int) -> tuple[list[tuple[float, str]], int]:
    """The largest error of every seed, and how many proofs failed."""
    prototxt = next(path for path in (folder / "deploy.prototxt", folder / "model.prototxt") if path.exists())
    weights = next(iter(sorted(folder.glob("weights.caffemodel*"))), None)
    phase = json.loads((folder / "meta.json").read_text()).get("phase", "TEST")
    conversion = caffe_bn_convert.convert(prototxt, weights, phase=phase, allow="all", keep_losses=True)
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "out.onnx"
        conversion.save(model, verify=False)
        reports = [conversion.verify(model, replace(Options(), seed=seed)) for seed in range(seeds)]
    return [units(report) for report in reports], sum(not report.passed for report in reports)


def main() -> int:
    """Print the table; 1 if any proof failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    largest, failed, proofs = (0.0, "", ""), 0, 0
    for folder in nets(options.root):
        name = str(folder.relative_to(options.root))
        if options.only and not any(text in name for text in options.only):
            continue
        try:
            found, wrong = calibrate(folder, options.seeds)
        except caffe_bn_convert.ConversionError as error:
            print(f"{name:40} not converted: {str(error).splitlines()[0][:90]}")
            continue
        worst, blob = max(found)
        failed, proofs = failed + wrong, proofs + len(found)
        largest = max(largest, (worst, name, blob))
        print(f"{name:40} {worst:7.2f}  {blob:32} {wrong} of {len(found)} failed", flush=True)
    print(f"largest error {largest[0]:.2f} times the noise ({largest[1]}, {largest[2]}); the factor is {FACTOR:g}")
    print(f"{failed} of {proofs} proofs failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
