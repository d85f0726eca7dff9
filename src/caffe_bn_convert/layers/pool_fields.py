"""What a ``PoolingParameter`` may say (pooling_layer.cpp, LayerSetUp), in the spellings of forks too."""

from __future__ import annotations

from typing import Any

from caffe_bn_convert.layers.base import require
from caffe_bn_convert.net.limits import INT_MAX


def pair(p: Any, name: str) -> tuple[int, int]:
    """``kernel``, ``stride`` or ``pad``, down and across: by ``_h`` and ``_w`` as soon as one of them is there."""
    if p.HasField(f"{name}_h") or p.HasField(f"{name}_w"):
        return getattr(p, f"{name}_h"), getattr(p, f"{name}_w")
    plain = p.kernel_size if name == "kernel" else getattr(p, name)
    return plain, plain


def check_fields(p: Any, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]) -> None:
    """Refuse what Caffe refuses of a ``PoolingParameter``."""
    require(all(n <= INT_MAX for n in (*kernel, *stride, *pad)), f"kernel, stride or pad is more than {INT_MAX}")
    for plain in ("pad", "stride"):
        h, w = p.HasField(f"{plain}_h"), p.HasField(f"{plain}_w")
        require(
            (not h and not w) or (h and w and not p.HasField(plain)),
            f"pooling takes either {plain}, or both {plain}_h and {plain}_w",
        )
    if p.global_pooling:
        require(
            not (p.HasField("kernel_size") or p.HasField("kernel_h") or p.HasField("kernel_w")),
            "global_pooling and a kernel size are given together",
        )
        require(pad == (0, 0) and stride == (1, 1), "global_pooling allows no pad and no stride")
        return
    require(
        not (p.HasField("kernel_size") and (p.HasField("kernel_h") or p.HasField("kernel_w"))),
        "kernel_size and kernel_h/kernel_w are given together; Caffe takes either",
    )
    require(all(kernel), "the kernel must be given in both directions and not be 0")
    require(all(stride), "the stride must not be 0")
    require(all(a < k for a, k in zip(pad, kernel, strict=True)), "pad must be smaller than the kernel")


def rounds_up(p: Any) -> bool:
    """Whether the number of windows is rounded up: Caffe's default; forks spell the other in several ways."""
    if p.HasField("round_mode"):
        return bool(p.round_mode == 0)
    if p.HasField("ceil_mode"):
        return bool(p.ceil_mode)
    return not p.torch_pooling


def is_same(p: Any, pad: tuple[int, int]) -> bool:
    """Whether synopsys' ``pad_type: 1`` asks for as many windows as TensorFlow's SAME has."""
    require(p.pad_type in (0, 1), f"pad_type {p.pad_type} is not known, only 0 and 1 are")
    given = any(p.HasField(f"pad{side}") for side in ("", "_h", "_w")) or any(pad)
    require(not (p.HasField("pad_type") and given), "pad_type and pad are given together; synopsys-caffe takes either")
    require(not (p.pad_type and p.global_pooling), "pad_type and global_pooling are given together")
    return bool(p.pad_type)
