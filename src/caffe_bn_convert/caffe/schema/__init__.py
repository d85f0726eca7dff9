"""The messages of Caffe's files, built from ``caffe.proto`` beside this module.

There is no generated code: the file is read on the first call of ``message`` and lives in a descriptor pool of its
own, under a package name of its own. So it gets along with every other ``caffe_pb2`` in the process (pycaffe's,
OpenCV's, coremltools') and with every release of protobuf from 4.25 on.
"""

from __future__ import annotations

import re
from functools import cache
from pkgutil import get_data
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["FIRST_FORK_ID", "PACKAGE", "message"]

PACKAGE = "caffe_bn_convert"
"""The package of our messages; Caffe's own is ``caffe``."""

FIRST_FORK_ID = 10000
"""Fields and enum values from here on are those of Caffe's forks, under ids of ours.

In the text of a prototxt, such a string field takes any scalar as it is written, quoted or not: it may be an enum
in the fork that it comes from (docs/fork-fields.md).
"""

_Field = descriptor_pb2.FieldDescriptorProto
_LABELS = {"optional": _Field.LABEL_OPTIONAL, "required": _Field.LABEL_REQUIRED, "repeated": _Field.LABEL_REPEATED}
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_FIELD = re.compile(
    r" *(optional|required|repeated) (\S+) (\w+) = (\d+)"
    r"(?: \[(?:default = (?:\"([^\"]*)\"|([^\s\",\]]+))(?:, )?)?(packed = true)?\])?; *"
)


@cache
def message(name: str) -> type[Message]:
    """Return the class of a message, such as ``message("LayerParameter")`` or ``message("NetParameter")``.

    Raises:
        KeyError: ``caffe.proto`` has no message of this name.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    source = get_data(__name__, "caffe.proto")
    if source is None:
        raise FileNotFoundError("caffe.proto")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(parse(source.decode(), "caffe_bn_convert/caffe.proto").SerializeToString())
    return pool


def parse(text: str, name: str) -> descriptor_pb2.FileDescriptorProto:
    """Parse a ``.proto`` file that keeps to the subset of proto2 of ``caffe.proto``, one declaration a line.

    One match a field takes a third of the time of a tokenizer; the file is read in every run of the program.

    Raises:
        ValueError: a line is not of the subset, or the braces do not balance.
    """
    file = descriptor_pb2.FileDescriptorProto(name=name, package=PACKAGE)
    scopes: list[Any] = [file]
    number = 0
    try:
        for number, line in enumerate(text.splitlines(), 1):  # noqa: B007
            field = _FIELD.fullmatch(line)
            if field is not None:
                _add_field(scopes[-1], *field.groups())
            else:
                _declare(scopes, line.split())
        (_,) = scopes
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise ValueError(f"{name}:{number}: not of the subset of proto2 that this file keeps to") from None
    return file


def _declare(scopes: list[Any], words: list[str]) -> None:
    """Anything but a field."""
    scope = scopes[-1]
    match words:
        case [] | ["//", *_] | ["syntax", "=", '"proto2";'] | ["package", "caffe_bn_convert;"]:
            pass
        case [name, "=", number] if number.endswith(";"):
            scope.value.add(name=name, number=int(number[:-1]))
        case ["enum", name, "{"]:
            scopes.append(scope.enum_type.add(name=name))
        case ["message", name, "{"]:
            scopes.append((scope.message_type if len(scopes) == 1 else scope.nested_type).add(name=name))
        case ["}"]:
            scopes.pop()
        case _:
            raise ValueError(words)


def _add_field(
    scope: Any, label: str, type_: str, name: str, number: str, quoted: str | None, bare: str | None, packed: str | None
) -> None:
    field = scope.field.add(name=name, number=int(number), label=_LABELS[label])
    scalar = _SCALARS.get(type_)
    if scalar is not None:
        field.type = scalar
    else:  # the pool finds out whether it is a message or an enum
        field.type_name = type_
    if not name.islower():  # UpsampleParameter has pad_out_w and pad_out_W, one name in JSON
        field.json_name = name
    if quoted is not None or bare is not None:
        field.default_value = bare if quoted is None else quoted
    if packed:
        field.options.packed = True
