"""Float32 renderings of layers in other orders of operations than the oracle's: legal too, and noisier.

They only widen what counts as rounding noise. What a layer should give is the oracle's float64 number alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.tolerance import ROUNDOFF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.definition import LayerDefinition
    from caffe_bn_convert.verify.tolerance import Array

    Order = Callable[[LayerDefinition, Array, Sequence[Blob | None], str], "Array | None"]


def running_sums(layer: LayerDefinition, x: Array, _blobs: Sequence[Blob | None], _phase: str) -> Array | None:
    """LRN across channels as Caffe and onnxruntime sum it (lrn_layer.cpp, CrossChannelForward_cpu).

    From one channel to the next a square is added and another taken away. Rounding errors of large squares stay behind
    in the sum of small ones, by luck little of them here and much there; so what such errors usually add up to is added.
    """
    p = layer.parameter.lrn_param
    if p.norm_region != p.DESCRIPTOR.enum_values_by_name["ACROSS_CHANNELS"].number or x.ndim < 2:
        return None
    around = (p.local_size - 1) // 2
    squares = np.zeros((x.shape[0], x.shape[1] + 2 * around, *x.shape[2:]), np.float32)
    squares[:, around : around + x.shape[1]] = np.float32(p.alpha / p.local_size) * x * x
    scale = np.empty(x.shape, np.float32)
    running = np.full((x.shape[0], *x.shape[2:]), p.k, np.float32)
    for channel in range(p.local_size - 1):
        running += squares[:, channel]
    roundings = np.zeros(running.shape, np.float64)
    for channel in range(x.shape[1]):
        running += squares[:, channel + p.local_size - 1]
        roundings += np.square(running, dtype=np.float64)
        straight = p.k + squares[:, channel : channel + p.local_size].sum(1)
        scale[:, channel] = running + np.where(running < straight, -ROUNDOFF, ROUNDOFF) * np.sqrt(roundings)
        running -= squares[:, channel]
    return np.asarray(x * scale ** np.float32(-p.beta))


def one_by_one(layer: LayerDefinition, x: Array, _blobs: Sequence[Blob | None], _phase: str) -> Array | None:
    """Reduction as a plain loop adds, while NumPy adds by pairs."""
    p = layer.parameter.reduction_param
    axis = p.axis % x.ndim if x.ndim else 0
    rows = x.reshape(*x.shape[:axis], -1)
    kinds = p.DESCRIPTOR.fields_by_name["operation"].enum_type.values_by_number
    terms = {"ASUM": np.abs(rows), "SUMSQ": rows * rows}.get(kinds[p.operation].name, rows)
    coefficient = p.coeff / max(rows.shape[-1], 1) if kinds[p.operation].name == "MEAN" else p.coeff
    if not terms.size:
        return None
    return np.asarray(np.add.accumulate(terms, axis=-1)[..., -1] * np.float32(coefficient))


def group_by_group(layer: LayerDefinition, x: Array, _blobs: Sequence[Blob | None], _phase: str) -> Array | None:
    """GroupNorm with mean and variance as a plain loop adds them: a group of a film has millions of numbers."""
    p = layer.parameter.group_norm_param
    groups = p.group_num
    if x.ndim < 2 or not x.size or groups < 1 or x.shape[1] % groups:
        return None
    rows = x.reshape(x.shape[0] * groups, -1)
    count = np.float32(rows.shape[1])
    rows = rows - np.add.accumulate(rows, axis=1)[:, -1:] / count
    variance = np.add.accumulate(rows * rows, axis=1)[:, -1:] / count
    return np.asarray((rows / np.sqrt(variance + np.float32(p.eps))).reshape(x.shape))


def of_batch(layer: LayerDefinition, blobs: Sequence[Blob | None], phase: str) -> bool:
    """Whether a layer takes its statistics from the batch: BatchNorm (batch_norm_layer.cpp, LayerSetUp) or SegNet's BN."""
    if layer.type == "BN":
        return len(blobs) == 2 and layer.parameter.bn_param.bn_mode == 0
    if layer.type != "BatchNorm":
        return False
    p = layer.parameter.batch_norm_param
    own = ("TRAIN", "TEST")[layer.parameter.phase] if layer.parameter.HasField("phase") else phase
    return not (p.use_global_stats if p.HasField("use_global_stats") else own == "TEST")


def multiplied_and_added(layer: LayerDefinition, x: Array, blobs: Sequence[Blob | None], phase: str) -> Array | None:
    """BatchNorm as ``x * scale + shift``, what runtimes make of it: a mean that is large beside the deviation cancels.

    Only of stored statistics; those of the batch are no constants.
    """
    p = layer.parameter.batch_norm_param
    if of_batch(layer, blobs, phase):
        return None
    stored = [blob.read64() for blob in blobs if blob is not None]
    if len(stored) != 3 or x.ndim < 2 or stored[0].size != x.shape[1] or not stored[2].size:
        return None
    times = 1 / stored[2][0] if stored[2][0] else 0.0
    scale = 1 / np.sqrt(stored[1] * times + p.eps)
    shift = -stored[0] * times * scale
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return np.asarray(x * scale.astype(np.float32).reshape(shape) + shift.astype(np.float32).reshape(shape))


ORDERS: dict[str, Order] = {
    "BatchNorm": multiplied_and_added,
    "GroupNorm": group_by_group,
    "LRN": running_sums,
    "Reduction": one_by_one,
}


def other_order(
    layer: LayerDefinition, bottoms: Sequence[Array], blobs: Sequence[Blob | None], phase: str
) -> Array | None:
    """The layer's only top in another order, in float32; None where there is none, or the layer is not as it should be.

    Args:
        layer: the layer.
        bottoms: its bottoms.
        blobs: its blobs.
        phase: of the net.
    """
    order = ORDERS.get(layer.type)
    if order is None or len(bottoms) != 1:
        return None
    with np.errstate(all="ignore"):
        return order(layer, np.asarray(bottoms[0], np.float32), blobs, phase)
