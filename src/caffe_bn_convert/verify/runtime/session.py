"""One session of onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from caffe_bn_convert.errors import ProviderError, VerificationError
from caffe_bn_convert.verify.openable import openable
from caffe_bn_convert.verify.runtime.exposed import ExposedModel
from caffe_bn_convert.verify.runtime.kernels import lack
from caffe_bn_convert.verify.runtime.providers import CPU, Provider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

LEVELS = {False: ort.GraphOptimizationLevel.ORT_DISABLE_ALL, True: ort.GraphOptimizationLevel.ORT_ENABLE_ALL}
ERRORS_ONLY = 3
FOLDER = "session.model_external_initializers_file_folder_path"
NO_FALLBACK = "session.disable_cpu_ep_fallback"
RECORD = "session.record_ep_graph_assignment_info"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model: its name, and its shape with None for dynamic axes."""

    name: str
    shape: tuple[int | None, ...]
    type: str = "tensor(float)"


class Session:
    """A model in onnxruntime, on one provider and no other.

    Args:
        model: a file, or one with inner values shown.
        provider: who runs it.
        optimised: whether onnxruntime may rewrite the graph.

    Raises:
        ProviderError: the provider does not run every node, or onnxruntime is too old for the file.
        VerificationError: onnxruntime cannot load the file.
    """

    def __init__(self, model: Path | ExposedModel, provider: Provider, *, optimised: bool) -> None:
        self.provider = provider
        options = _options(optimised)
        if not provider.is_cpu:
            options.add_session_config_entry(NO_FALLBACK, "1")
            options.use_deterministic_compute = provider.exact
        try:
            self._session = _open(model, options, provider)
        except Exception as error:
            raise _refusal(error, model, provider, optimised=optimised) from error
        _check_provider(self._session, provider)
        self.inputs = tuple(_port(node) for node in self._session.get_inputs())
        self.outputs = tuple(_port(node) for node in self._session.get_outputs())

    def run(self, arrays: Mapping[str, Array], names: Sequence[str] | None = None) -> dict[str, Array]:
        """The outputs by name, all of them or those of ``names``.

        Raises:
            VerificationError: onnxruntime fails on these inputs.
        """
        wanted = [port.name for port in self.outputs] if names is None else list(names)
        fed = {port.name: _typed(arrays[port.name], port) for port in self.inputs}
        try:
            values = self._session.run(wanted, fed)
        except Exception as error:
            raise VerificationError(f"onnxruntime fails to run the file: {_first_line(error)}") from error
        return {name: np.asarray(value) for name, value in zip(wanted, values, strict=True)}

    def assignment(self) -> dict[str, list[str]]:
        """For every provider the nodes that it runs, as far as this onnxruntime tells."""
        try:
            found: dict[str, list[str]] = {}
            for part in self._session.get_provider_graph_assignment_info():
                found.setdefault(part.ep_name, []).extend(f"{n.name} ({n.op_type})" for n in part.get_nodes())
        except (AttributeError, RuntimeError):
            return {}
        return found


def _options(optimised: bool) -> ort.SessionOptions:  # noqa: FBT001
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = LEVELS[optimised]
    options.add_session_config_entry(RECORD, "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _open(model: Path | ExposedModel, options: ort.SessionOptions, provider: Provider) -> ort.InferenceSession:
    with openable(model.path if isinstance(model, ExposedModel) else model) as file:
        source: Any = str(file)
        if isinstance(model, ExposedModel):
            options.add_session_config_entry(FOLDER, str(file.parent))
            source = model.bytes()
        if provider.devices:
            options.add_provider_for_devices(list(provider.devices), dict(provider.options))
            return ort.InferenceSession(source, options)
        return ort.InferenceSession(source, options, providers=[(provider.title, dict(provider.options))])


def _check_provider(session: ort.InferenceSession, provider: Provider) -> None:
    """A provider that onnxruntime silently dropped, or that left nodes to the CPU, did not run the model."""
    if provider.title not in session.get_providers():
        raise ProviderError(
            f"onnxruntime could not start {provider.title} and fell back to {', '.join(session.get_providers())}",
            hint="its libraries are missing or do not fit; onnxruntime's own message above says which",
        )


def _refusal(
    error: Exception, model: Path | ExposedModel, provider: Provider, *, optimised: bool
) -> ProviderError | VerificationError:
    lacking = lack(error)
    if lacking is not None:
        return lacking
    if provider.is_cpu:
        return VerificationError(f"onnxruntime cannot load the file: {_first_line(error)}")
    left = _left_to_cpu(model, provider, optimised=optimised)
    if left:
        some = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
        return ProviderError(f"{provider.title} does not run {len(left)} nodes of the model: {some}")
    return ProviderError(f"{provider.title} cannot run the model: {_first_line(error)}")


def _left_to_cpu(model: Path | ExposedModel, provider: Provider, *, optimised: bool) -> list[str]:
    """The nodes that the CPU would have to run, found by allowing it to."""
    try:
        session = _open(model, _options(optimised), provider)
        parts = session.get_provider_graph_assignment_info()
    except Exception:  # the first error tells more
        return []
    return [f"{n.name} ({n.op_type})" for part in parts if part.ep_name == CPU for n in part.get_nodes()]


def _port(node: Any) -> Port:
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in node.shape)
    return Port(node.name, shape, node.type)


def _typed(array: Array, port: Port) -> Array:
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
             "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8}  # fmt: skip
    return np.ascontiguousarray(array.astype(kinds.get(port.type, np.float32), copy=False))


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
