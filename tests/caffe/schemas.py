"""The schema's descriptors in the words of the tables that it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2

from caffe_bn_convert.caffe.schema import PACKAGE, compiler, message

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
PROTO = ROOT / "src" / "caffe_bn_convert" / "caffe" / "schema" / "caffe.proto"
SCALARS = {"double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes"}


def definition() -> descriptor_pb2.FileDescriptorProto:
    return compiler.parse(PROTO.read_text(encoding="utf-8"), "caffe.proto")


def label(field: FieldDescriptor) -> str:
    """The releases of protobuf that have the properties warn of the number, which older ones have."""
    if hasattr(field, "is_repeated"):
        return "repeated" if field.is_repeated else "required" if field.is_required else "optional"
    return {1: "optional", 2: "required", 3: "repeated"}[field.label]


def type_of(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    if named is not None:
        return str(named.full_name.removeprefix(f"{PACKAGE}."))
    proto = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)
    return str(proto.removeprefix("TYPE_").lower())


def default_of(field: FieldDescriptor) -> object:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return field.default_value


def written(text: str, type_: str) -> object:
    """A default as the tables write it."""
    if type_ in ("float", "double"):
        return pytest.approx(float(text), rel=1e-7)
    if type_ == "bool":
        return text == "true"
    return int(text) if type_ in SCALARS - {"string", "bytes"} else text


def every_message() -> list[Descriptor]:
    found: list[Descriptor] = []
    todo = [message(m.name).DESCRIPTOR for m in definition().message_type]
    while todo:
        found.append(todo.pop())
        todo.extend(found[-1].nested_types)
    return found
