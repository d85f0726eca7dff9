"""``make schema``: ``caffe.proto`` as descriptors, so that no run of the program has to parse its text.

Run it after every change of ``caffe.proto``; a test fails where it was forgotten.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2

from caffe_bn_convert.caffe.schema import COMPILED, PACKAGE, SOURCE

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


def compiled() -> bytes:
    """What ``caffe.binpb`` should hold.

    Raises:
        ValueError: ``caffe.proto`` is not of the subset of proto2.
    """
    text = Path(__file__).with_name(SOURCE).read_text(encoding="utf-8")
    return parse(text, f"{PACKAGE}/{SOURCE}").SerializeToString(deterministic=True)


def parse(text: str, name: str) -> descriptor_pb2.FileDescriptorProto:
    """Parse a ``.proto`` file that keeps to the subset of proto2 of ``caffe.proto``, one declaration a line.

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


if __name__ == "__main__":
    Path(__file__).with_name(COMPILED).write_bytes(compiled())
