"""Layers that read their bottom at other places: a new size, a flow, a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flow import correlation, flow_warp, resample
from .interp import bilinear_interpolation, interp
from .mask import mask_resize
from .resize import resize_bilinear, resize_nearest_neighbor
from .subgraph import icnet_subgraph
from .transformer import spatial_transformer
from .upsample import reorg, unpooling, upsample, upsample_darknet

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Rule

__all__ = ["DISCONTINUOUS", "LAYERS"]

LAYERS: dict[str, Rule] = {
    "BilinearInterpolation": bilinear_interpolation,
    "Correlation": correlation,
    "FlowWarp": flow_warp,
    "ICNetSubgraph": icnet_subgraph,
    "Interp": interp,
    "MaskResize": mask_resize,
    "Reorg": reorg,
    "Resample": resample,
    "ResizeBilinear": resize_bilinear,
    "ResizeNearestNeighbor": resize_nearest_neighbor,
    "SpatialTransformer": spatial_transformer,
    "Unpooling": unpooling,
    "Upsample": upsample,
    "UpsampleDarknet": upsample_darknet,
}
DISCONTINUOUS: frozenset[str] = frozenset({"FlowWarp"})
