"""Lint every prototxt of a folder and count the findings of each rule.

    python bench/lint_survey.py ../shared/prototxts [--errors]

Nets named in the folder's SHAPES.json were run by real Caffe; errors in those are listed one by one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.errors import UnreadableError
from caffe_bn_convert.lint.check import lint
from caffe_bn_convert.lint.rules import RULES


def main() -> None:
    """Lint, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--errors", action="store_true", help="list every finding at error level")
    options = parser.parse_args()
    run_by_caffe = set(json.loads((options.folder / "SHAPES.json").read_text()))
    counts: Counter[str] = Counter()
    nets: Counter[str] = Counter()
    proven: Counter[str] = Counter()
    began = time.perf_counter()
    paths = sorted(path for path in options.folder.iterdir() if path.suffix in (".prototxt", ".pt"))
    for path in paths:
        try:
            report = lint(read_net(path))
        except UnreadableError as error:
            counts["unreadable"] += 1
            print(f"unreadable: {error}")
            continue
        except Exception as error:
            counts["crashed"] += 1
            print(f"crashed: {path.name}: {error!r}")
            continue
        codes = [finding.code for finding in report.findings]
        counts.update(codes)
        nets.update(set(codes))
        if path.name in run_by_caffe:
            proven.update(set(codes))
        for finding in report.findings:
            error = RULES[finding.code].severity == "error"
            if error and (options.errors or path.name in run_by_caffe):
                ran = "run by Caffe: " if path.name in run_by_caffe else ""
                print(f"{ran}{path.name}:{finding.where.line}: {finding.code} {finding.where.layer}: {finding.what}")
    print(
        f"{len(paths)} nets in {time.perf_counter() - began:.1f} s, {len(run_by_caffe)} of them run by Caffe; "
        f"{counts['unreadable']} unreadable, {counts['crashed']} crashed"
    )
    print(f"{'rule':36}{'severity':10}{'findings':>9}{'nets':>6}{'of those run by Caffe':>23}")
    for code, rule in RULES.items():
        print(f"{code} {rule.name:28}{rule.severity:10}{counts[code]:9}{nets[code]:6}{proven[code]:23}")


if __name__ == "__main__":
    main()
