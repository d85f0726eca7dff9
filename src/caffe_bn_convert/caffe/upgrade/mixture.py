"""Nets that mix the forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.upgrade.form import is_v0, is_v1, refusal

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import NetDefinition


def refuse_mixture(net: NetDefinition) -> NetDefinition:
    """Refuse a net with both ``layer`` and ``layers``, or with both V0 and V1 in ``layers``.

    Caffe refuses the first, and drops what is not V0 in a V0 net.

    Raises:
        InvalidNetError: the net mixes forms.
    """
    old = [layer for layer in net.layers if is_v1(layer)]
    if old and len(old) < len(net.layers):
        what = 'the net has both "layer" and "layers"'
        raise refusal(net, old[0], what, 'write all of them as layer { type: "..." }')
    first = [layer for layer in old if is_v0(layer)]
    if first and len(first) < len(old):
        odd = next(layer for layer in old if not is_v0(layer))
        raise refusal(net, odd, "the net has layers with an inner layer { ... } (V0) and layers without (V1)")
    return net
