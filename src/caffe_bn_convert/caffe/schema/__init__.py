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

__all__ = ["PACKAGE", "message"]

PACKAGE = "caffe_bn_convert"
"""The package of our messages; Caffe's own is ``caffe``."""

# The subset of proto2 that caffe.proto keeps to, one declaration a match. Options are `default` and `packed`.
_DECLARATION = re.compile(
    r"""\s*(?://[^\n]*\s*)*(?:
        (?P<label>optional|required|repeated)\s+(?P<type>[\w.]+)\s+(?P<field>\w+)\s*=\s*(?P<id>\d+)\s*
            (?:\[(?P<options>(?:"[^"]*"|[^\]"])*)\]\s*)?;
      | (?P<value>\w+)\s*=\s*(?P<number>-?\d+)\s*;
      | (?P<kind>message|enum)\s+(?P<name>\w+)\s*\{
      | (?P<close>\})
      | syntax\s*=\s*"proto2"\s*;
      | package\s+(?P<package>\w+)\s*;
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_OPTION = re.compile(r'(default|packed)\s*=\s*(?:"([^"]*)"|([^\s,\]]+))')

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
    """Parse a ``.proto`` file of the subset that ``caffe.proto`` keeps to.

    Raises:
        ValueError: the text leaves the subset, or its braces do not balance.
    """
    file = descriptor_pb2.FileDescriptorProto(name=name, package=PACKAGE)
    scopes: list[Any] = [file]
    end = 0
    for found in _DECLARATION.finditer(text):
        if found.start() != end or not scopes:
            break
        end = found.end()
        _add(scopes, found)
    if end != len(text) or scopes != [file]:
        line = text.count("\n", 0, end) + 1
        raise ValueError(f"{name}:{line}: not in the subset of proto2 that this file keeps to")
    return file


def _add(scopes: list[Any], found: re.Match[str]) -> None:
    scope = scopes[-1]
    if found["label"]:
        _add_field(scope, found)
    elif found["value"]:
        scope.value.add(name=found["value"], number=int(found["number"]))
    elif found["kind"] == "enum":
        scopes.append(scope.enum_type.add(name=found["name"]))
    elif found["kind"]:
        inner = scope.message_type if len(scopes) == 1 else scope.nested_type
        scopes.append(inner.add(name=found["name"]))
    elif found["close"]:
        scopes.pop()


def _add_field(scope: Any, found: re.Match[str]) -> None:
    field = scope.field.add(name=found["field"], number=int(found["id"]), label=_LABELS[found["label"]])
    scalar = _SCALARS.get(found["type"])
    if scalar is not None:
        field.type = scalar
    else:  # the pool finds out whether it is a message or an enum
        field.type_name = found["type"]
    if not found["field"].islower():  # UpsampleParameter has pad_out_w and pad_out_W, one name in JSON
        field.json_name = found["field"]
    for option, quoted, bare in _OPTION.findall(found["options"] or ""):
        if option == "packed":
            field.options.packed = bare == "true"
        else:
            field.default_value = quoted or bare
