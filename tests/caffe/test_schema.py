"""The schema against the tables of BVLC's fields, against protoc, and beside other schemas."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.schema import FIRST_FORK_ID, PACKAGE, compiler, message
from tests.paths import FIXTURES

from .schemas import PROTO, SHARED, default_of, definition, every_message, label, type_of, written

if TYPE_CHECKING:
    from pathlib import Path

STRICT = ("-W", "error", "-W", "ignore:Type google:DeprecationWarning")  # of protobuf below 5.27 in Python 3.12
NV_RAW = {"raw_data_type": 10, "raw_diff_type": 11, "raw_data": 12, "raw_diff": 13}

needs_bvlc = pytest.mark.skipif(not (SHARED / "CAFFE_FIELDS.md").exists(), reason="no ../shared/CAFFE_FIELDS.md")


def bvlc_tables() -> tuple[dict[str, list[tuple[str, ...]]], dict[str, dict[str, int]]]:
    """(id, field, type, label, default) of every message; the values of every enum."""
    messages: dict[str, list[tuple[str, ...]]] = {}
    enums: dict[str, dict[str, int]] = {}
    rows: list[tuple[str, ...]] = []
    for line in (SHARED / "CAFFE_FIELDS.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rows = messages.setdefault(line[3:], [])
        elif found := re.match(r"enum ([\w.]+): (.*)", line):
            enums[found[1]] = {n: int(i) for n, i in (pair.split("=") for pair in found[2].split(", "))}
        elif re.match(r"\| \d", line):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
    return messages, enums


@needs_bvlc
def test_every_field_of_bvlc_is_exactly_as_in_the_table() -> None:
    messages, _ = bvlc_tables()
    assert sum(map(len, messages.values())) == 377
    for name, rows in messages.items():
        fields = message(name).DESCRIPTOR.fields_by_name
        for number, field_name, type_, label_, default in rows:
            field = fields[field_name]
            where = f"{name}.{field_name}"
            assert (field.number, type_of(field)) == (int(number), type_), where
            assert (label(field), field.GetOptions().packed) == (label_.split()[0], "packed" in label_), where
            if label(field) != "repeated":
                assert field.has_default_value == bool(default), where
            if default:
                assert default_of(field) == written(default, type_), where


@needs_bvlc
def test_what_bvlc_does_not_have_has_ids_of_ours() -> None:
    messages, _ = bvlc_tables()
    for descriptor in every_message():
        bvlc = {row[1] for row in messages.get(descriptor.full_name.removeprefix(f"{PACKAGE}."), [])}
        for field in descriptor.fields:
            raw = descriptor.name == "BlobProto" and NV_RAW.get(field.name)
            if raw:
                assert field.number == raw
            elif field.name not in bvlc:
                assert field.number >= FIRST_FORK_ID, field.full_name


@needs_bvlc
def test_the_enums_of_bvlc_are_as_in_the_table() -> None:
    _, enums = bvlc_tables()
    for name, values in enums.items():
        owner, _, inner = name.rpartition(".")
        enum = (
            message(owner).DESCRIPTOR.enum_types_by_name[inner]
            if owner
            else message("NetState").DESCRIPTOR.fields_by_name["phase"].enum_type
        )
        ours = {v.name: v.number for v in enum.values}
        assert {n: i for n, i in ours.items() if i < FIRST_FORK_ID} == values, name
        assert enum.values[0].name == next(iter(values)), name


@pytest.mark.skipif(find_spec("grpc_tools") is None, reason="protoc: pip install grpcio-tools")
def test_protoc_reads_the_file_as_we_do(tmp_path: Path) -> None:
    out = tmp_path / "set.bin"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}", f"--descriptor_set_out={out}", PROTO]
    subprocess.run(command, check=True, capture_output=True)
    theirs = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    ours = definition()
    for file in (theirs, ours):
        for inner in file.message_type:
            normalise(inner)
    assert theirs.message_type == ours.message_type
    assert theirs.enum_type == ours.enum_type


def normalise(proto: descriptor_pb2.DescriptorProto) -> None:
    for field in proto.field:
        field.ClearField("json_name")
        if field.type_name:  # protoc resolves names, we leave that to the pool
            field.ClearField("type")
            field.type_name = field.type_name.rpartition(".")[2]
        if field.type_name or not field.default_value:
            continue
        if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
            field.default_value = repr(float(field.default_value))
    for inner in proto.nested_type:
        normalise(inner)


OTHER_SCHEMA = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
file.message_type.add(name="NetParameter").field.add(name="name", number=1, label=1, type=9)
pool = descriptor_pool.Default()
pool.AddSerializedFile(file.SerializeToString())
theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))
"""
OURS = """
from caffe_bn_convert.caffe.schema import message
ours = message("NetParameter")
"""
CHECK = """
assert "layer" in ours.DESCRIPTOR.fields_by_name and "layer" not in theirs.DESCRIPTOR.fields_by_name
assert ours.FromString(theirs(name="net").SerializeToString()).name == "net"
"""


@pytest.mark.parametrize("program", [OTHER_SCHEMA + OURS, OURS + OTHER_SCHEMA], ids=["after", "before"])
@pytest.mark.parametrize("imports", ["", "import cv2, onnx\n"], ids=["alone", "cv2-onnx"])
def test_it_lives_beside_another_caffe_proto(program: str, imports: str) -> None:
    if imports and find_spec("cv2") is None:
        pytest.skip("no cv2")
    subprocess.run([sys.executable, *STRICT, "-c", imports + program + CHECK], check=True)


GENERATED = """
syntax = "proto2";
package caffe;
message NetParameter { optional string name = 1; repeated LayerParameter layer = 100; }
message LayerParameter { optional string name = 1; optional string type = 2; }
"""
PROVEN = """
import sys
from caffe_bn_convert.cli import run
assert run(sys.argv[1:]) == 0
import caffe_pb2
assert [field.name for field in caffe_pb2.NetParameter.DESCRIPTOR.fields] == ["name", "layer"]
"""


@pytest.mark.skipif(find_spec("grpc_tools") is None, reason="protoc: pip install grpcio-tools")
@pytest.mark.parametrize("reverse", [False, True])
def test_a_proof_beside_a_generated_caffe_pb2(tmp_path: Path, reverse: bool) -> None:
    modules = ["caffe_pb2", *(["cv2"] if find_spec("cv2") else []), "onnx", "caffe_bn_convert.front"]
    imports = "".join(f"import {name}\n" for name in (reversed(modules) if reverse else modules))
    (tmp_path / "caffe.proto").write_text(GENERATED)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"--python_out={tmp_path}", "caffe.proto"]
    subprocess.run(command, check=True)
    digits = [
        f"{FIXTURES}/digits/deploy.prototxt",
        f"{FIXTURES}/digits/digits.caffemodel",
        "-o",
        f"{tmp_path}/out.onnx",
    ]
    path = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
    subprocess.run([sys.executable, *STRICT, "-c", path + imports + PROVEN, *digits], check=True)
    assert (tmp_path / "out.onnx").exists()


def test_a_message_is_one_class() -> None:
    assert message("LayerParameter") is message("LayerParameter")
    assert message("NetParameter")().layer.add().__class__ is message("LayerParameter")


def test_an_unknown_message_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="NoSuchParameter"):
        message("NoSuchParameter")


@pytest.mark.parametrize(
    "line",
    [
        "message A",
        "}",
        "message A {",
        "optional int32 a = 1;",
        "message A {\n  optional int32 a = 1\n}",
        "message A {\n  optional int32 a = x;\n}",
        "message A {\n  optional int32 a = 1 [deprecated = true];\n}",
        "message A {\n  int32 a = 1;\n}",
        'import "b.proto";',
        "enum E {\n  A = 0\n}",
        "package caffe;",
    ],
)
def test_what_leaves_the_subset_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"caffe\.proto:\d+: not of the subset"):
        compiler.parse(line, "caffe.proto")


def test_the_descriptors_are_those_of_the_text() -> None:
    stored = PROTO.with_name(schema.COMPILED).read_bytes()
    now = descriptor_pb2.FileDescriptorProto.FromString(compiler.compiled())
    assert descriptor_pb2.FileDescriptorProto.FromString(stored) == now, "caffe.proto was changed: run `make schema`"


def test_the_real_ids_of_forks_are_unknown_fields() -> None:
    raw = bytes([0x0A, 1, ord("a")])  # name: "a"
    rfcn = bytes([0x82, 0xF1, 0x04, 2, 0x08, 1])  # field 10000, box_annotator_ohem_param
    layer = message("LayerParameter").FromString(raw + rfcn)
    assert layer.name == "a"
    assert [f.name for f, _ in layer.ListFields()] == ["name"]
