"""Execution providers of onnxruntime: the one that was asked for is the one that runs, or nobody does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from caffe_bn_convert.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU = "CPUExecutionProvider"

TITLES = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
}

INSTALL = {
    "cuda": "pip uninstall onnxruntime, then pip install onnxruntime-gpu: the two packages overwrite each other. "
    "The CUDA and cuDNN libraries come with `onnxruntime-gpu[cuda,cudnn]`",
    "tensorrt": "pip uninstall onnxruntime, then pip install onnxruntime-gpu tensorrt",
    "openvino": "pip install onnxruntime-ep-openvino, a plug-in that lives beside onnxruntime and wants a device of Intel's; "
    "elsewhere onnxruntime-openvino instead of onnxruntime",
    "directml": "pip uninstall onnxruntime, then pip install onnxruntime-directml",
    "coreml": "onnxruntime has it on macOS",
    "rocm": "pip uninstall onnxruntime, then pip install onnxruntime-rocm",
    "migraphx": "pip uninstall onnxruntime, then pip install onnxruntime-migraphx",
}

PLUGINS = {"openvino": "onnxruntime_ep_openvino"}
"""Packages with ``get_library_path()`` and ``get_ep_name()``, which onnxruntime loads when it is told to."""

EXACT: dict[str, dict[str, str]] = {
    "cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"},
    "tensorrt": {"trt_fp16_enable": "0", "trt_int8_enable": "0"},
    "openvino": {},
}
"""Options that make a provider compute in full float32; without ``use_tf32=0`` convolutions are off by 1e-3."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that is there.

    Attributes:
        name: as the user calls it, ``"cpu"`` or ``"cuda"``.
        title: as onnxruntime calls it, ``"CUDAExecutionProvider"``.
        device: which of several devices.
        options: the provider's options for a proof.
        devices: of a plug-in, onnxruntime's handles.
        exact: whether it is held to full float32 and deterministic kernels, as for a proof.
    """

    name: str = "cpu"
    title: str = CPU
    device: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Any, ...] = ()
    exact: bool = True

    @property
    def is_cpu(self) -> bool:
        """Whether it is onnxruntime's own CPU provider."""
        return self.title == CPU

    def with_defaults(self) -> Provider:
        """The same provider with its own defaults, as most programs use it: CUDA's allow TF32."""
        return replace(self, options=_device_option(self.name, self.device), exact=False)


def resolve(name: str = "cpu", device: int = 0) -> Provider:
    """The provider called ``name``: a short name of ``TITLES``, or onnxruntime's own.

    Raises:
        ProviderError: onnxruntime here does not have it; says what to install.
    """
    short = next((key for key, title in TITLES.items() if name in (title, key)), name.lower())
    title = TITLES.get(short, name)
    if title == CPU:
        return Provider()
    options = EXACT.get(short, {}) | _device_option(short, device)
    if title in ort.get_available_providers():
        return Provider(short, title, device, options)
    handles = _plugin(short)
    if handles:
        return Provider(short, title, device, dict(EXACT.get(short, {})), (handles[min(device, len(handles) - 1)],))
    if handles is not None:
        raise ProviderError(
            f'the plug-in for "{short}" finds no device of its own on this machine',
            hint="OpenVINO's wants one of Intel's",
        )
    raise ProviderError(
        f'onnxruntime {ort.__version__} has no provider "{name}"; it has {", ".join(ort.get_available_providers())}',
        hint=INSTALL.get(short, "install the build of onnxruntime, or the plug-in, that has it"),
    )


def _device_option(short: str, device: int) -> dict[str, str]:
    return {"device_id": str(device)} if short in ("cuda", "tensorrt", "directml", "rocm", "migraphx") else {}


def _plugin(short: str) -> list[Any] | None:
    """The devices of a plug-in; None if it is not installed."""
    if short not in PLUGINS or not hasattr(ort, "register_execution_provider_library"):
        return None
    try:
        package = import_module(PLUGINS[short])
    except ImportError:
        return None
    title = package.get_ep_name()
    _register(title, package.get_library_path())
    return [device for device in ort.get_ep_devices() if device.ep_name == title]


@cache
def _register(title: str, library: str) -> None:
    """Once a process: onnxruntime refuses a second time."""
    try:
        ort.register_execution_provider_library(title, library)
    except Exception as error:
        raise ProviderError(f"the plug-in {library} cannot be loaded: {error}") from error
