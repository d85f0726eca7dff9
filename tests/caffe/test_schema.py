"""The schema against the tables of BVLC's fields and of the forks' fields, and beside other schemas."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.schema import FIRST_FORK_ID, PACKAGE, message

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
PROTO = ROOT / "src" / "caffe_bn_convert" / "caffe" / "schema" / "caffe.proto"
DOCS = ROOT / "docs" / "fork-fields.md"
SCALARS = {"double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes"}
NV_RAW = {"raw_data_type": 10, "raw_diff_type": 11, "raw_data": 12, "raw_diff": 13}

needs_bvlc = pytest.mark.skipif(not (SHARED / "CAFFE_FIELDS.md").exists(), reason="no ../shared/CAFFE_FIELDS.md")
needs_forks = pytest.mark.skipif(not (SHARED / "FORK_FIELDS.md").exists(), reason="no ../shared/FORK_FIELDS.md")


def definition() -> descriptor_pb2.FileDescriptorProto:
    return schema.parse(PROTO.read_text(encoding="utf-8"), "caffe.proto")


def label(field: FieldDescriptor) -> str:
    """From the descriptor as a message: its property for this has changed over the releases of protobuf."""
    proto = descriptor_pb2.DescriptorProto()
    field.containing_type.CopyToProto(proto)
    number = next(f.label for f in proto.field if f.name == field.name)
    return {1: "optional", 2: "required", 3: "repeated"}[number]


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


# BVLC


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
            assert (label(field), field.is_packed) == (label_.split()[0], "packed" in label_), where
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


# Forks


def every_message() -> list[Descriptor]:
    found: list[Descriptor] = []
    todo = [message(m.name).DESCRIPTOR for m in definition().message_type]
    while todo:
        found.append(todo.pop())
        todo.extend(found[-1].nested_types)
    return found


def test_ids_and_names_are_unique_and_legal() -> None:
    for descriptor in every_message():
        numbers = [f.number for f in descriptor.fields]
        assert len(set(numbers)) == len(numbers), descriptor.full_name
        assert len({f.name for f in descriptor.fields}) == len(numbers), descriptor.full_name
        assert not [n for n in numbers if 19000 <= n < 20000], descriptor.full_name  # reserved by protobuf


def test_the_fields_of_layers_from_forks_start_past_those_of_rfcn() -> None:
    numbers = {f.number for f in message("LayerParameter").DESCRIPTOR.fields}
    assert min(n for n in numbers if n > 1000) == 10100
    assert not numbers & {10000, 10001, 11902}


FORK_FIELD = re.compile(r" *(?:(required|repeated) )?([\w.]+) (\w+) = (\d+)(?: \[.*\])?")


def fork_fields() -> list[tuple[str, str, str, str, int]]:
    """(message, field, type, label, id) for every field in the details of every fork."""
    text = (SHARED / "FORK_FIELDS.md").read_text(encoding="utf-8").partition("# Per-fork details")[2]
    found: list[tuple[str, str, str, str, int]] = []
    layer = scope = "LayerParameter"
    for line in text.splitlines():
        if line.startswith("## "):
            layer = "LayerParameter"
        elif line.startswith("(pre-2014-12"):
            layer = "V1LayerParameter"
        elif line.startswith("LayerParameter fields new"):
            scope = layer
        elif start := re.match(r"message ([\w.]+) \{", line):
            scope = start[1]
        elif field := FORK_FIELD.fullmatch(line):
            found.append((scope, field[3], field[2], field[1] or "optional", int(field[4])))
    return found


def table(heading: str, columns: str) -> list[list[str]]:
    section = DOCS.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = section.partition(f"| {columns} |\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def merged() -> dict[str, str]:
    return {row[0]: row[1] for row in table("Types", "message | is part of")}


@needs_forks
def test_every_field_of_every_fork_is_there_with_its_type_or_the_one_in_the_docs() -> None:
    listed = {row[0] for heading in ("Types", "Enums without a list of values") for row in documented(heading)}
    ours = {d.full_name.removeprefix(f"{PACKAGE}."): d for d in every_message()}
    into = {k: v for k, v in merged().items() if k != "ReLUParameter"}
    seen = 0
    for name, field_name, type_, label_, _ in fork_fields():
        owner = into.get(name, name)
        if owner not in ours:
            continue  # no net contains it
        seen += 1
        field = ours[owner].fields_by_name[field_name]
        if f"{owner}.{field_name}" in listed or (owner, field_name) == ("NetParameter", "layers"):
            continue
        expected = re.sub(r"^LayerParameter\.", "V1LayerParameter.", into.get(type_, type_))
        found = type_of(field)
        narrow = found if field.number >= FIRST_FORK_ID else expected.replace("int64", "int32")
        assert (found, label(field)) in ((expected, label_), (narrow, label_)), field.full_name
    assert seen > 7000


@needs_forks
def test_our_ids_are_nobody_elses() -> None:
    ours = {d.full_name.removeprefix(f"{PACKAGE}."): {f.number for f in d.fields} for d in every_message()}
    for name, field, _, _, number in fork_fields():
        if number >= FIRST_FORK_ID:
            assert number not in ours.get(name, set()), f"{name}.{field}"


@needs_forks
def test_every_name_in_the_name_table_is_a_field_of_layers() -> None:
    text = (SHARED / "FORK_FIELDS.md").read_text(encoding="utf-8")
    section = text.partition("## NAME TABLE")[2].partition("\n## ")[0]
    names = re.findall(r"^\| (\w+) \| \d", section, re.MULTILINE)
    assert len(names) > 300
    assert not set(names) - set(message("LayerParameter").DESCRIPTOR.fields_by_name)


@needs_forks
def test_every_v1_type_and_field_of_a_fork_is_there() -> None:
    text = (SHARED / "FORK_FIELDS.md").read_text(encoding="utf-8")
    v1 = message("V1LayerParameter").DESCRIPTOR
    types = text.partition("## V1LayerParameter.LayerType")[2].partition("\n## ")[0]
    names = re.findall(r"(\w+) \((?=\d+ forks|[\w-]+/)", types)
    assert len(names) > 70
    assert not set(names) - set(v1.enum_types_by_name["LayerType"].values_by_name)
    fields = text.partition("## V1LayerParameter field ids")[2].partition("\n## ")[0]
    names = re.findall(r"(\w+) \([\w.]+\):", fields)
    assert len(names) > 80
    assert not set(names) - set(v1.fields_by_name)


def documented(heading: str) -> list[list[str]]:
    return table(heading, "field | types met | taken")


def field_at(path: str) -> FieldDescriptor:
    owner, _, name = path.rpartition(".")
    return message(owner).DESCRIPTOR.fields_by_name[name]


@pytest.mark.parametrize("heading", ["Types", "Enums without a list of values"])
def test_the_docs_say_the_types_that_the_schema_has(heading: str) -> None:
    rows = documented(heading)
    assert len(rows) > 40
    for path, _, taken in rows:
        field = field_at(path)
        ours = label(field).replace("optional", "")
        assert taken.strip("`") == f"{ours} {type_of(field)}".strip(), path


def test_the_docs_say_the_defaults_that_the_schema_has() -> None:
    rows = table("Defaults", "field | defaults met | taken")
    assert len(rows) > 40
    for path, _, taken in rows:
        field = field_at(path)
        assert field.has_default_value == (taken != "—"), path
        if taken != "—":
            assert default_of(field) == written(taken.strip('`"'), type_of(field)), path


def test_merged_messages_are_not_in_the_schema_but_for_bvlcs() -> None:
    names = {m.name for m in definition().message_type}
    assert set(merged().values()) <= names
    assert set(merged()) & names == {"ReLUParameter"}


# The loader


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
    subprocess.run([sys.executable, "-W", "error", "-c", imports + program + CHECK], check=True)


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
        schema.parse(line, "caffe.proto")


def test_the_real_ids_of_forks_are_unknown_fields() -> None:
    raw = bytes([0x0A, 1, ord("a")])  # name: "a"
    rfcn = bytes([0x82, 0xF1, 0x04, 2, 0x08, 1])  # field 10000, box_annotator_ohem_param
    layer = message("LayerParameter").FromString(raw + rfcn)
    assert layer.name == "a"
    assert [f.name for f, _ in layer.ListFields()] == ["name"]
