"""Deploy every training net of a folder of prototxts, and say which of the results build.

    python bench/deploy_survey.py ../shared/prototxts [--verbose]

A net counts as one for training if it has a loss, an Accuracy or a data layer. Where its data layer does not tell the
shape of an input, common shapes are tried, as a user would give --shape; the table says how often.
"""

from __future__ import annotations

import argparse
import itertools
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.deploy import deploy
from caffe_bn_convert.deploy.selection import is_source
from caffe_bn_convert.errors import ConversionError, InvalidNetError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = [224, 227, 256, 321, 300, 32, 28, 64, 40, 48, 24, 12, 60, 112, 128, 512, 640]
SHAPES: list[tuple[int, ...]] = [
    *((1, channels, size, size) for channels in (3, 1) for size in SIZES), (1, 3, 16, 112, 112), (1, 3, 12, 12),
    (1, 3, 36, 36), (48, 3, 227, 227), (1, 30, 224, 224), (1, 9, 224, 224), (1, 10), (1, 3, 360, 480), (1, 4), (1, 2), (1, 1),
]  # fmt: skip
SPECIAL: dict[str, tuple[int, ...]] = {
    "rois": (2, 5), "im_info": (1, 3), "gt_boxes": (1, 5),
    "Python1": (250, 7), "Python3": (10, 25),
    "clip_markers": (48,), "indicator": (19, 1),
}  # fmt: skip
"""Blobs that are no pictures, by name."""

ASKED = re.compile(r'nothing tells the shape of "([^"]*)"')
STAGE = re.compile(r"add --stage (\S+)")
TRIES = 60


@dataclass(frozen=True)
class Result:
    """How one prototxt fared: a verdict for the table, the reason, and the shapes that had to be given."""

    verdict: str
    why: str = ""
    given: tuple[str, ...] = ()


def is_training(path: Path) -> bool:
    """Whether the net has something that deployment has not."""
    net = upgrade(read_net(path))
    return any(
        re.search("Loss|Accuracy", layer.type) or (is_source(layer) and layer.type not in ("Input", "DummyData"))
        for layer in net.layers
    )


def survey(path: Path, folder: Path) -> Result:
    """Deploy one net and build what comes out."""
    shapes: dict[str, tuple[int, ...]] = {}
    asked: list[str] = []
    stages: list[str] = []
    while True:
        try:
            deploy(path, shapes=shapes, stages=stages)
            break
        except InvalidNetError as error:
            stage, match = STAGE.search(str(error)), ASKED.search(str(error))
            if stage is not None and not stages:
                stages.append(stage[1])
                continue
            if match is None:
                return Result("no deployable form", first_line(error))
            asked.append(match[1])
            shapes[match[1]] = SHAPES[0]
    return tried(path, folder, asked, stages)


def tried(path: Path, folder: Path, asked: list[str], stages: list[str]) -> Result:
    """Build with the shapes of the net itself, or with common ones for those that it does not tell."""
    out = folder / "deploy.prototxt"
    reasons: Counter[str] = Counter()
    for shapes in itertools.islice(_choices(asked), TRIES):
        out.write_text(deploy(path, shapes=shapes, stages=stages).text, encoding="utf-8", errors="surrogateescape")
        try:
            cbc.shapes(out, keep_losses=False)
        except UnsupportedError as error:
            return Result("layers that no BVLC Caffe has", first_line(error), tuple(asked))
        except ConversionError as error:
            reasons[first_line(error)] += 1
        except Exception as error:  # a bug of ours has to be seen, not to stop the survey
            return Result("internal error", repr(error), tuple(asked))
        else:
            return Result("builds", "with --shape" if asked else "", tuple(asked))
    return Result("does not build", reasons.most_common(1)[0][0], tuple(asked))


def _choices(asked: list[str]) -> Iterator[dict[str, tuple[int, ...]]]:
    for shape in SHAPES if asked else SHAPES[:1]:
        yield {name: SPECIAL.get(name, shape) for name in asked}


def first_line(error: ConversionError) -> str:
    """What is wrong, without the temporary file's name."""
    return re.sub(r"^\S*\.p\w+:(\d+:)*\s*", "", str(error).splitlines()[0])


def main() -> None:
    """Print the table, and every net that does not build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verbose", action="store_true", help="list the nets that need --shape too")
    arguments = parser.parse_args()
    verdicts: Counter[str] = Counter()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(arguments.folder.glob("*.p*t*")):
            if path.suffix == ".json":
                continue
            try:
                result = survey(path, Path(folder)) if is_training(path) else Result("not a training net")
            except ConversionError as error:
                result = Result("Caffe refuses the file", first_line(error))
            verdicts[f"{result.verdict}{', ' + result.why if result.verdict == 'builds' and result.why else ''}"] += 1
            if result.verdict not in ("builds", "not a training net") or (arguments.verbose and result.given):
                lines.append(f"{result.verdict:32}{path.name}\n    {result.why} {' '.join(result.given)}")
    print("\n".join(sorted(lines)))
    report(verdicts)


def report(verdicts: Counter[str]) -> None:
    """The table and the rate."""
    print()
    for verdict, count in verdicts.most_common():
        print(f"{count:5}  {verdict}")
    builds = sum(count for verdict, count in verdicts.items() if verdict.startswith("builds"))
    rest = sum(verdicts[verdict] for verdict in ("no deployable form", "does not build"))
    print(f"\n{builds} of {builds + rest} ({builds / max(1, builds + rest):.1%}) of what Caffe's rules allow build")


if __name__ == "__main__":
    main()
