"""Python layers that propose regions, with the settings for testing of their configurations.

Nothing is imported: what py-faster-rcnn's lib/rpn/proposal_layer.py and lib/fast_rcnn/config.py, MNC's lib/pylayer and
mnc_config.py, and SSH's SSH/layers/proposal_layer.py and SSH/configs/default_config.yml say is written down here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.detect.anchored import Anchored, rows
from caffe_bn_convert.layers.detect.anchors import anchors
from caffe_bn_convert.layers.detect.proposal import Proposal
from caffe_bn_convert.net.dim import volume
from caffe_bn_convert.net.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

RATIOS, SCALES = [0.5, 1.0, 2.0], [8.0, 16.0, 32.0]
_KEY = r"(?<!\w){}['\"]?\s*:\s*"
SETTINGS = "ProposalLayer with the settings for testing of its configuration"


@dataclass(frozen=True, slots=True)
class PythonProposal(Proposal):
    """py-faster-rcnn's and R-FCN's: small boxes are dropped, the scores are (regions, 1)."""

    TOLD: ClassVar[str] = Anchored.TOLD
    WHOSE: ClassVar[str] = "py-faster-rcnn's"
    MOST_TOPS: ClassVar[int] = 2

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``param_str``.

        Raises:
            UnsupportedError: the net is for training.
        """
        text = for_testing(source, cls.MOST_TOPS)
        return cls(
            whose=f"{cls.WHOSE} {SETTINGS}", anchors=rows(cls.cell(text)), stride=whole_number(text, "feat_stride"),
            tops=source.tops, name=source.definition.name, smallest=16, before=6000, after=300, threshold=0.7, drops=True,
        )  # fmt: skip

    @classmethod
    def cell(cls, text: str) -> Any:
        """The anchors of a cell: ``ratios`` is PVANet's option, ``scales`` R-FCN's."""
        return anchors(16, numbers(text, "ratios", RATIOS), numbers(text, "scales", SCALES), python=True)


@dataclass(frozen=True, slots=True)
class MaskProposal(PythonProposal):
    """MNC's: the anchors are fixed, whatever ``param_str`` says, and there are no scores to give."""

    WHOSE: ClassVar[str] = "MNC's"
    MOST_TOPS: ClassVar[int] = 1

    @classmethod
    def cell(cls, text: str) -> Any:  # noqa: ARG003
        """The anchors of a cell."""
        return anchors(16, RATIOS, SCALES, python=True)


@dataclass(frozen=True, slots=True)
class FaceProposal(Anchored):
    """SSH's: the best 1000 boxes of a module, however small and however much they overlap.

    At test time it neither drops nor suppresses any; that is done behind the net, for the boxes of all modules at once.
    """

    MOST: ClassVar[int] = 1000

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``param_str``.

        Raises:
            UnsupportedError: the net is for training.
        """
        text = for_testing(source, 2)
        base = whole_number(text, "base_size", 16)
        cell = anchors(base, numbers(text, "ratios", RATIOS), numbers(text, "scales", SCALES), python=True)
        return cls(f"SSH's {SETTINGS}", rows(cell), whole_number(text, "feat_stride"), source.tops)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, 5) and (regions, 1), as many as there are, but at most 1000."""
        regions = min(self.MOST, self.places(bottoms))
        return ((regions, 5), (regions, 1))[: self.tops]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes from deltas, TopK."""
        boxes = self.boxes(e, x[1], e.reshape(x[2].name, x[2].shape, (volume(x[2].shape),)))
        count = self.places(tuple(t.shape for t in x))
        most = e.ints([min(self.MOST, count)], "most")
        score, order = e.op("TopK", self.foreground(e, x[0], count), most, outputs=2, axis=0)
        score = e.op("Unsqueeze", score, e.ints([1], "axes"))
        return [e.op("Concat", e.op("Sub", score, score), e.op("Gather", boxes, order, axis=0), axis=1), score][
            : self.tops
        ]

    def sides(self, e: Emitter, growth: str, size: str) -> str:
        """As of Faster R-CNN, unless one of all overflows: then the growth of every box that is above 50 becomes 5."""
        plain = Anchored.sides(self, e, growth, size)
        overflown = e.op("IsInf", e.reduce("Max", plain, [0, 1], keepdims=False))
        monstrous = e.op("And", overflown, e.op("Greater", growth, e.constant(50.0, "fifty")))
        return Anchored.sides(self, e, e.op("Where", monstrous, e.constant(5.0, "five"), growth), size)


def for_testing(source: Source, most_tops: int) -> str:
    """``param_str`` of a layer of three bottoms in a net for testing.

    Raises:
        InvalidNetError: it has other bottoms and tops.
        UnsupportedError: the net is for training, where the configuration has other settings.
    """
    if source.phase != "TEST":
        raise UnsupportedError("ProposalLayer is known with its settings for testing only")
    fits = source.bottoms == 3 and 1 <= source.tops <= most_tops
    require(fits, f"it takes 3 bottoms and makes up to {most_tops} tops")
    return str(source.python_param.param_str)


def whole_number(text: str, name: str, default: int | None = None) -> int:
    """The whole number above 0 that ``param_str`` has under this name; its YAML is only searched.

    Raises:
        InvalidNetError: there is none, and no default, or it is another thing.
    """
    if default is not None and not _has(text, name):
        return default
    found = re.search(_KEY.format(name) + r"([1-9]\d*)(?![\d.\w])", text)
    fits = found is not None and int(found.group(1)) <= INT_MAX
    require(fits, f"param_str of ProposalLayer must have {name}, above 0 and at most {INT_MAX}")
    return int(found.group(1)) if found else 0


def numbers(text: str, name: str, default: list[float]) -> list[float]:
    """The list of numbers above 0 that ``param_str`` has under this name, whole ones as integers.

    Raises:
        InvalidNetError: it is another thing.
    """
    if not _has(text, name):
        return default
    found = re.search(_KEY.format(name) + r"(?:!!python/tuple\s*)?\[([\d\s.,]+)\]", text)
    read = [number.strip() for number in found.group(1).split(",")] if found else []
    # A comma may follow the last one.
    read = read[:-1] if read[1:] and not read[-1] else read
    whole = all(re.fullmatch(r"[1-9]\d*|\d+\.\d*|\.\d+", number) for number in read)
    given = [float(number) if "." in number else int(number) for number in read] if whole else []
    require(bool(given) and min(given) > 0, f"{name} in param_str of ProposalLayer must be a list of numbers above 0")
    return given


def _has(text: str, name: str) -> bool:
    """Whether the key is there, and not as the end of another one."""
    return re.search(rf"(?<!\w){name}(?!\w)", text) is not None
