"""From a conversion to a file: digests, the way of storing weights, and the promise that sources do not change."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.export.model import array_of
from caffe_bn_convert.export.pending import Pending
from caffe_bn_convert.export.pending import written as write
from caffe_bn_convert.export.writer import fits_in_one_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.export.digests import Digests


@contextmanager
def written(
    conversion: Conversion, target: Path, weights: str, provenance: str, progress: Callable[[int], None]
) -> Iterator[Pending]:
    """The model in a temporary file beside ``target``; see :func:`caffe_bn_convert.export.pending.written`."""
    _keep_sources(conversion, target)
    digests = _digests(conversion) if provenance == "sha256" else None  # begun first: it works beside all the rest
    model = conversion.model
    if weights == "embed" and not fits_in_one_file(model):
        weights = "external"
    told = conversion.metadata

    def metadata() -> dict[str, str]:
        for source in conversion.sources:
            source.check_unchanged()
        return {**told, **(digests.result() if digests is not None else {})}

    with write(model, target, weights=weights, metadata=metadata, progress=progress) as pending:
        yield pending


def _keep_sources(conversion: Conversion, target: Path) -> None:
    """Refuse to write over what is being converted."""
    for source in _sources(conversion).values():
        with suppress(OSError):
            if target.samefile(source):
                raise UsageError(
                    f"{target} is what is being converted; it would be lost",
                    hint="give -o another name, such as out.onnx",
                )


def _sources(conversion: Conversion) -> dict[str, Path]:
    files = {"caffe.prototxt.sha256": Path(conversion.net.file)}
    for i, source in enumerate(conversion.sources):
        files[f"caffe.caffemodel{i or ''}.sha256"] = source.path
    return files


def _digests(conversion: Conversion) -> Digests:
    from caffe_bn_convert.export.digests import Digests

    return Digests(_sources(conversion))


def in_memory(conversion: Conversion) -> onnx.ModelProto:
    """The whole model as a message."""
    model = conversion.model
    if not fits_in_one_file(model):
        raise ValueError("the model is 2 GiB or more: save() it with weights='external'")
    whole = model.shell({**conversion.metadata, **_digests(conversion).result()})
    whole.graph.CopyFrom(model.graph)
    for initializer in model.initializers:
        whole.graph.initializer.append(onnx.numpy_helper.from_array(array_of(initializer), initializer.name))
    return whole
