"""What is said about layer types besides their code: who defined them, how they are proven, and what is missing.

The page docs/layers.md and the command ``layers`` are made of it. ``operators.json`` beside this file is measured: it has
what the examples in ``fixtures/`` become; ``make docs`` measures again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

BVLC = "BVLC"
"""Berkeley's own, and so everyone's."""

FORKS: dict[str, str] = {
    # BVLC's, which forks have changed
    "BatchNorm": "BVLC; NVIDIA; Intel; Xilinx; synopsys",
    "Crop": "BVLC; FCN and HED",
    "Pooling": "BVLC; NVIDIA; synopsys",
    "PReLU": "BVLC; Intel",
    "Reshape": "BVLC; Intel; synopsys",
    # of SSD and the detectors after it
    "AnnotatedData": "SSD",
    "VideoData": "SSD",
    "Normalize": "SSD",
    "Permute": "SSD",
    "PriorBox": "SSD; TextBoxes++; OpenCV; synopsys",
    "DetectionOutput": "SSD; RefineDet; TextBoxes++; caffe-yolov2; synopsys",
    "PriorBoxClustered": "OpenVINO",
    "DetectionOutputExtended": "OpenVINO",
    "RegionYolo": "OpenVINO",
    "GRN": "OpenVINO",
    "Reverse": "OpenVINO; CTPN",
    "ROIPooling": "Fast R-CNN; MS-CNN and Cascade R-CNN",
    "ROIAlign": "Cambricon; MS-CNN and Cascade R-CNN",
    "ROIWarping": "MNC",
    "PSROIPooling": "R-FCN",
    "Proposal": "Faster R-CNN; OpenVINO and others in C++; synopsys",
    "Python": "Faster R-CNN; MNC; SSH; CTPN",
    "BoxOutput": "MS-CNN",
    "BoxGroupOutput": "Cascade R-CNN",
    "DecodeBBox": "MS-CNN; Cascade R-CNN",
    "FrcnnOutput": "Cascade R-CNN",
    "ScaleRoute": "Cascade R-CNN",
    "MaskPooling": "MNC",
    "MaskResize": "MNC",
    "Reorg": "YOLO",
    "UpsampleDarknet": "YOLO; synopsys",
    "YoloDetectionOutput": "MobileNet-YOLO",
    "Yolov3DetectionOutput": "MobileNet-YOLO",
    # of segmentation
    "BN": "PSPNet and TSN; SegNet; CTPN",
    "Interp": "PSPNet; DeepLab",
    "Upsample": "SegNet; YOLO",
    "Padding": "DeepLab; sophgo",
    # of classification and others
    "Axpy": "SENet",
    "ConvolutionDepthwise": "MobileNet-SSD",
    "DepthwiseConvolution": "MobileNet",
    "ReLU6": "MobileNet-SSD; MobileNet-YOLO",
    "ShuffleChannel": "ShuffleNet",
    "Lstm": "caffe-lstm; CTPN",
    "ConvLSTM": "ConvLSTM-for-Caffe; DAVSOD",
    "Division": "JAANet",
    "Combination": "JAANet",
    "GroupNorm": "dongyf43",
    **dict.fromkeys(("SumPooling", "SignedSqrt", "L2Normalize"), "Hierarchical Bilinear Pooling"),
    "NdConvolution": "video-caffe",
    "NdPooling": "video-caffe",
    "Pooling3D": "C3D",
    "Transpose": "CTPN",
    "BilinearInterpolation": "ctensmeyer",
    "CropCenter": "waifu2x",
    "SpatialTransformer": "STN",
    "ImResize": "OpenPose",
    "Nms": "OpenPose",
    "Switch": "OpenPose",
    "Maximum": "synopsys; OpenPose",
    "Correlation": "FlowNet",
    "FlowWarp": "FlowNet",
    "Resample": "FlowNet",
    "Mish": "sophgo",
    "SeLu": "caffe_latte",
    "SeLuDropout": "caffe_latte",
    "ChannelScale": "caffe-windows",
    "Flip": "caffe-windows",
    "LabelSpecificAdd": "caffe-windows; OpenVINO",
    "Noise": "caffe-windows",
    "COLINEAR_CONVOLUTION": "exp_caffe",
    "Unpooling": "DeconvNet",
    **dict.fromkeys(
        (
            "Add",
            "BatchToSpaceND",
            "DepthToSpace",
            "Gather",
            "HardSwish",
            "Mul",
            "Pad",
            "ResizeBilinear",
            "SeLU",
            "SeLUDropout",
            "SpaceToDepth",
        ),
        "synopsys",
    ),
    **dict.fromkeys(("ICNetSubgraph", "ResizeNearestNeighbor", "SpaceToBatchND", "Squeeze"), "synopsys"),
}
"""Type → whose it is, for types that are not BVLC's."""

CAFFE, FORMULA, NOTHING = "real Caffe's outputs", "the fork's formula", "nothing to compute: an input"

_TRAINING = "it is for training; in the TEST phase a net does without it"
_MARGIN = "it widens margins by the labels, for training; --until the blob that it reads, the features"
NOT_SUPPORTED: dict[str, str] = {
    "AffinityLoss": _TRAINING,
    "AnchorEmbeddingExtractor": _TRAINING,
    "CROP": "FCN's Crop works its offset out from the layers between its bottoms, and one of these tells no places; write a "
    "Crop with axis and offset",
    "DetectNetTransformation": "it prepares pictures and labels for training; --as-deploy leaves it out",
    "DomainTransform": "its recursive filter is not rendered; --until the blob in front of it",
    "DenseCRF": "its filter in a permutohedral lattice has no rendering in standard operators; --until the blob in front",
    **dict.fromkeys(("LabelSpecificMargin", "LabelSpecificRescale", "LargeMarginInnerProduct"), _MARGIN),
    "MarginInnerProduct": _MARGIN,
    "MULTI_STAGE_MEANFIELD": "CRF-RNN's filter in a permutohedral lattice has no rendering in standard operators; --until "
    "the blob in front of it",
    "MultiStageMeanfield": "CRF-RNN's filter in a permutohedral lattice has no rendering in standard operators; --until the "
    "blob in front of it",
    "ScaleFilter": _TRAINING,
    "TRT": "it holds a TensorRT engine, not a layer; convert the net that the engine was made from",
}
"""Type → why it is not converted, and what to do instead: a sentence for the message and for docs/layers.md."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer type.

    Attributes:
        type: Caffe's name.
        fork: whose it is.
        restrictions: what of it is not converted, or must hold.
        operators: what it becomes, over all opsets.
        opset: the lowest one.
        verified: what holds our reading of it to Caffe's, besides the proof of every conversion.
    """

    type: str
    fork: str
    restrictions: str
    operators: tuple[str, ...]
    opset: int
    verified: str


@cache
def measured() -> dict[str, dict[str, Any]]:
    """What the examples became: by type ``operators``, ``opset`` and ``caffe``, whether Caffe computed one."""
    found: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("operators.json").read_text("utf-8"))
    return found


def entries() -> list[Entry]:
    """Every type that is converted, by name."""
    from caffe_bn_convert.layers import LAYERS

    return [_entry(name, LAYERS[name]) for name in sorted(LAYERS, key=str.lower)]


def _entry(name: str, cls: type[Layer]) -> Entry:
    from caffe_bn_convert.layers.inputs import DataSource

    known = measured().get(name, {})
    operators = tuple(known.get("operators", ()))
    verified = CAFFE if known.get("caffe") else FORMULA
    if not operators and issubclass(cls, DataSource):
        verified = NOTHING
    return Entry(name, FORKS.get(name, BVLC), cls.RESTRICTIONS, operators, known.get("opset", 13), verified)
