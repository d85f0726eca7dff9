"""Everything that is measured, in one run: ``python -m bench`` (``make bench``) writes bench/RESULTS.md.

    python -m bench --part speed --only open-nsfw VGG-16

measures a part, or some nets, and prints it. Nets, copies and environments of peers lie in build/bench; weights are made on
the spot. On two quiet cores all of it takes a quarter of an hour, and some minutes more at first, to make the nets and
to install the peers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import conversions, depth, machine, oracle, rivals, speed
from bench.nets import ROOT, nets
from bench.targets import summary

if TYPE_CHECKING:
    from bench.nets import Net
    from bench.targets import Part

PARTS = ("conversions", "depth", "rivals", "speed", "oracle")
RESULTS = ROOT / "bench/RESULTS.md"


def main() -> None:
    """Measure; write the report, or print a part of it."""
    options = _options()
    chosen = options.part or PARTS
    head = machine.section()
    found = nets(options.work.resolve(), large=not options.no_large)
    found = [net for net in found if options.only is None or net.name in options.only]
    parts = measured(chosen, found, options)
    targets = [summary(parts)] if any(part.targets for part in parts) else []
    report = "\n\n".join([head, *targets, *(part.text for part in parts)]) + "\n"
    output = options.output or (None if options.part or options.only else RESULTS)
    if output is None:
        print(report)
        return
    output.write_text(report, encoding="utf-8")
    print(f"wrote {output}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=ROOT / "build/bench", help="where nets and environments go")
    parser.add_argument("--output", type=Path, help="the report  [default: bench/RESULTS.md; for a part the terminal]")
    parser.add_argument("--part", nargs="+", choices=PARTS, help="these parts only")
    parser.add_argument("--only", nargs="+", metavar="NET", help="these nets only, by the names in the report")
    parser.add_argument("--runs", type=int, default=11, help="runs of every command, in turn with the others")
    parser.add_argument("--no-peers", action="store_true", help="leave other converters and runtimes out")
    parser.add_argument("--all-peers", action="store_true", help="every peer on every net; takes an hour")
    parser.add_argument("--no-large", action="store_true", help="leave out the net of 4.2 GB")
    return parser.parse_args()


def measured(chosen: tuple[str, ...], found: list[Net], options: argparse.Namespace) -> list[Part]:
    """The parts in their order."""
    work = options.work.resolve()
    parts: list[Part] = []
    if "conversions" in chosen:
        parts.append(conversions.section(found, work, options.runs))
    if "depth" in chosen:
        parts.append(depth.section(work))
    if "rivals" in chosen:
        peers = {} if options.no_peers else rivals.installed(work)
        parts.append(rivals.section(found, peers, work, everywhere=options.all_peers))
    files = speed.converted(found, work) if {"speed", "oracle"} & set(chosen) else {}
    if "speed" in chosen:
        parts.append(speed.section(found, work, rivals=not options.no_peers))
    if "oracle" in chosen:
        parts.append(oracle.section(found, files))
    return parts


if __name__ == "__main__":
    main()
