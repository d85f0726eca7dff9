"""A prototxt as a net: every layer a message beside its block, nothing upgraded yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
from caffe_bn_convert.caffe.prototxt.bind import bind
from caffe_bn_convert.caffe.prototxt.parser import parse
from caffe_bn_convert.caffe.prototxt.tree import Block, Field
from caffe_bn_convert.caffe.wrongfile import check_prototxt
from caffe_bn_convert.collector import collector_off
from caffe_bn_convert.errors import ParseError, ResourceLimitError, UnreadableError, Where
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import BinaryIO

MAX_BYTES = 16 << 20
"""Largest prototxt that is read. The largest of 600 real ones has 0.4 MB; a tree takes 8 times its text, at worst 60."""

_LAYERS = {"layer": "LayerParameter", "layers": "V1LayerParameter"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@stage("parse")
def read_net(path: str | os.PathLike[str]) -> NetDefinition:
    """Read a prototxt from a file.

    Bytes that are no UTF-8 are let pass in comments only, as in Caffe.

    Raises:
        UnreadableError: there is no such file, or it cannot be read.
        WrongFileError: a file of another kind.
        ParseError: text that is not the prototxt of a net.
        ResourceLimitError: more than ``MAX_BYTES``, or too deep.
    """
    file = str(path)
    check_prototxt(Path(path))
    data = _read(Path(path), file)
    if data.startswith(_UTF16):
        raise ParseError("this text is in UTF-16", hint="save it as UTF-8", where=Where(file, 1))
    return parse_net(data.decode("utf-8", "surrogateescape"), file)


def parse_net(text: str, file: str = "<prototxt>") -> NetDefinition:
    """Read a prototxt from its text: the layers as they stand, ``layer`` and ``layers`` in the order of the file.

    Raises:
        ParseError: text that is not the prototxt of a net.
        ResourceLimitError: too deep.
    """
    with collector_off():
        return _net(parse(text, file), file)


def _net(tree: Block, file: str) -> NetDefinition:
    rest = tuple(field for field in tree.fields if field.name not in _LAYERS)
    parameter = schema.message("NetParameter")()
    unknown = bind(replace(tree, fields=rest), parameter)
    layers = tuple(_layer(field) for field in tree.fields if field.name in _LAYERS)
    return NetDefinition(parameter, layers, file, tree, unknown)


def _layer(field: Field) -> LayerDefinition:
    if not isinstance(field.value, Block):
        raise field.source.error(field.value.offset, f'"{field.name}" takes a block: {field.name} {{ ... }}')
    parameter = schema.message(_LAYERS[field.name])()
    unknown = bind(field.value, parameter)
    return LayerDefinition(parameter, field.value, unknown)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """No more than is needed to see that it is too much; ``read(n)`` would take memory for all n at once."""
    left = MAX_BYTES + 1
    while left > 0 and (chunk := stream.read(min(left, 1 << 16))):
        left -= len(chunk)
        yield chunk


def _read(path: Path, file: str) -> bytes:
    try:
        with path.open("rb") as stream:
            data = b"".join(_chunks(stream))
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", where=Where(file)) from error
    if len(data) > MAX_BYTES:
        hint = "a prototxt holds a net without its weights; those belong in a caffemodel"
        raise ResourceLimitError(f"larger than {MAX_BYTES >> 20} MiB", hint=hint, where=Where(file))
    return data
