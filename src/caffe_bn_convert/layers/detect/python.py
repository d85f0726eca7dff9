"""``Python``: a layer that is a class of a module; the known ones are written down here, and none is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Source
from caffe_bn_convert.layers.detect.ctpn import TextProposal
from caffe_bn_convert.layers.detect.mnc import Mask, StageBridge
from caffe_bn_convert.layers.detect.proposers import FaceProposal, MaskProposal, PythonProposal
from caffe_bn_convert.layers.python_classes import CLASSES

OF_DETECTORS: dict[tuple[str, str], type[Layer]] = {
    ("rpn.proposal_layer", "ProposalLayer"): PythonProposal,
    ("pylayer.proposal_layer", "ProposalLayer"): MaskProposal,
    ("SSH.layers.proposal_layer", "ProposalLayer"): FaceProposal,
    ("layers.text_proposal_layer", "ProposalLayer"): TextProposal,
    ("pylayer.mask_layer", "MaskLayer"): Mask,
    ("pylayer.stage_bridge_layer", "StageBridgeLayer"): StageBridge,
}
"""By module and class."""


@dataclass(frozen=True, slots=True)
class Python(Layer):
    """What ``python_param`` names; it is only looked up."""

    BOTTOMS = (0, None)
    TOPS = (0, None)
    RESTRICTIONS = (
        "rpn.proposal_layer of py-faster-rcnn and R-FCN, pylayer.proposal_layer, mask_layer and stage_bridge_layer of MNC and "
        "SSH.layers.proposal_layer of SSH, with the settings for testing of their configuration; "
        "layers.text_proposal_layer of CTPN; synopsys-caffe's shape.TensorShape, eltwise.Eltwise, reshape.Reshape, "
        "yolov2.darknet_reorg and pad.PadTensor; "
        "ENet's spatial_dropout.SpatialDropoutLayer; without bottoms an input"
    )

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``python_param``: a known class, or an input where it has no bottoms.

        Raises:
            UnsupportedError: any other class.
        """
        p = source.python_param
        if not source.bottoms:
            from caffe_bn_convert.layers.inputs import DataSource

            return DataSource((None,) * source.tops)
        known = CLASSES.get((p.module, p.layer)) or OF_DETECTORS.get((p.module, p.layer))
        if known is None:
            raise UnsupportedError(
                f'it runs the Python class "{p.layer}" of the module "{p.module}", and nothing that a model file names is run',
                hint="--until a blob in front of it, or write a plug-in for it (docs/custom-layers.md)",
            )
        return known.read(source)
