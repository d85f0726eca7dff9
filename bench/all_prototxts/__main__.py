"""Convert and prove every inference net of a folder of prototxts, with weights made on the spot.

    python -m bench.all_prototxts ../shared/prototxts --count
    python -m bench.all_prototxts ../shared/prototxts --results results.jsonl --jobs 2 [--only NAME] [--seconds 600]
    python -m bench.all_prototxts ../shared/prototxts --results results.jsonl --table
    python -m bench.all_prototxts ../shared/prototxts --results results.jsonl --write bench/PROTOTXTS.md

The results file is continued where it was left.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.all_prototxts.jobs import Result, survey
from bench.all_prototxts.page import page, table
from bench.all_prototxts.rule import counts

if TYPE_CHECKING:
    from collections.abc import Mapping


def main() -> None:
    """See above."""
    given = _arguments()
    paths = sorted(path for path in given.folder.iterdir() if path.suffix != ".json")
    out = {path.name: counts(path) for path in paths}
    if given.count:
        _print_count(out)
        return
    done = _read(given.results, given.again)
    counted = [path for path in paths if not out[path.name]]
    # In an order that has nothing to do with the names: what is tried first is a fair sample.
    order = sorted(counted, key=lambda path: zlib.crc32(path.name.encode()))
    todo = [path for path in order if path.name not in done and given.only in path.name]
    for result in survey(todo, given.jobs, given.seconds, runs_only=given.runs) if not given.table else ():
        done[result.name] = result
        print(f"{result.verdict:14} {result.seconds:6.1f} s  {result.name}  {result.why}", flush=True)
        with given.results.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
    results = [done[path.name] for path in counted if path.name in done]
    print(table(results, len(counted), len(paths)))
    if given.write is not None:
        given.write.write_text(page(results, out) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", action="store_true", help="only the rule: what counts, and what does not")
    parser.add_argument("--table", action="store_true", help="only the table of the results so far")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page, when all are done")
    parser.add_argument("--results", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--only", default="", help="nets with this in their name")
    parser.add_argument("--again", default="", help="try those again whose verdict has this in it")
    parser.add_argument("--runs", action="store_true", help="without the proof: finite outputs that are not constant")
    parser.add_argument("--seconds", type=float, default=600, help="that a net may take")
    parser.add_argument("--jobs", type=int, default=1, help="nets at a time")
    return parser.parse_args()


def _print_count(out: Mapping[str, str]) -> None:
    for name, why in out.items():
        if why:
            print(f"{name}\n    {why}")
    print(f"\n{sum(not why for why in out.values())} of {len(out)} are inference nets")


def _read(path: Path, again: str) -> dict[str, Result]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    results = {row["name"]: Result(**row) for row in rows}
    return {name: r for name, r in results.items() if not again or again not in r.verdict}


if __name__ == "__main__":
    main()
