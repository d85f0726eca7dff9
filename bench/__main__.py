"""Everything that is measured, in one run: ``python -m bench`` (``make bench``) writes bench/RESULTS.md.

    python -m bench --help

Nets, copies and environments of peers lie in build/bench; weights are made on the spot.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import conversions, depth, machine, rivals, speed
from bench.nets import ROOT, nets


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "build/bench", help="where nets and environments go")
    parser.add_argument("--output", type=Path, default=ROOT / "bench/RESULTS.md")
    parser.add_argument("--runs", type=int, default=11, help="runs of every command, in turn with the others")
    parser.add_argument("--no-peers", action="store_true", help="leave other converters out")
    parser.add_argument("--no-large", action="store_true", help="leave out the net of 4.2 GB")
    parser.add_argument("--only", nargs="+", metavar="NET", help="these nets, by the names in the report")
    options = parser.parse_args()
    found = nets(options.work.resolve(), large=not options.no_large)
    found = [net for net in found if options.only is None or net.name in options.only]
    parts = [machine.section()]
    parts.append(conversions.section(found, options.work.resolve(), options.runs))
    parts.append(depth.section(options.work.resolve()))
    peers = {} if options.no_peers else rivals.installed(options.work.resolve())
    parts.append(rivals.section(found, peers, options.work.resolve()))
    parts.append(speed.section(found, options.work.resolve(), rivals=not options.no_peers))
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"wrote {options.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
