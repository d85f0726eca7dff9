"""The layer types that we convert: one dict, joined from one module a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers import (
    activation,
    channels,
    conv,
    data,
    dense,
    detect,
    join,
    loss,
    norm,
    norm_forks,
    pool,
    power,
    pyramid,
    recurrent,
    reduce,
    resample,
    roi,
    shape,
    statistics,
)

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {
    **data.LAYERS,
    **conv.LAYERS,
    **pool.LAYERS,
    **norm.LAYERS,
    **activation.LAYERS,
    **power.LAYERS,
    **dense.LAYERS,
    **join.LAYERS,
    **shape.LAYERS,
    **channels.LAYERS,
    **reduce.LAYERS,
    **statistics.LAYERS,
    **pyramid.LAYERS,
    **detect.LAYERS,
    **recurrent.LAYERS,
    **loss.LAYERS,
    **resample.LAYERS,
    **roi.LAYERS,
    **norm_forks.LAYERS,
}
