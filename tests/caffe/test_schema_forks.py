"""The schema's fields from forks against the survey of the forks and against the docs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.caffe.schema import FIRST_FORK_ID, PACKAGE, message

from .schemas import ROOT, SHARED, default_of, definition, every_message, label, type_of, written

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

DOCS = ROOT / "docs" / "fork-fields.md"

needs_forks = pytest.mark.skipif(not (SHARED / "FORK_FIELDS.md").exists(), reason="no ../shared/FORK_FIELDS.md")


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


FORK_FIELD = re.compile(r" *(?:(required|repeated) )?([\w.]+) (\w+) = (\d+)(?: \[(?:default=(.*)|packed)\])?")


def fork_fields() -> list[tuple[str, str, str, str, int, str | None]]:
    """(message, field, type, label, id, default) for every field in the details of every fork."""
    text = (SHARED / "FORK_FIELDS.md").read_text(encoding="utf-8").partition("# Per-fork details")[2]
    found: list[tuple[str, str, str, str, int, str | None]] = []
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
            found.append((scope, field[3], field[2], field[1] or "optional", int(field[4]), field[5]))
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
    for name, field_name, type_, label_, _, _ in fork_fields():
        owner = into.get(name, name)
        if owner not in ours:
            continue  # no net contains it
        seen += 1
        field = ours[owner].fields_by_name[field_name]
        if f"{owner}.{field_name}" in listed or (owner, field_name) == ("NetParameter", "layers"):
            continue
        expected = re.sub(r"^LayerParameter\.", "V1LayerParameter.", into.get(type_, type_))
        if field.number < FIRST_FORK_ID:  # BVLC's opencl branch has 64 bits for all of its 32
            expected = expected.replace("int64", "int32")
        if field.number >= FIRST_FORK_ID:  # a net of another fork must not fail for want of it
            label_ = label_.replace("required", "optional")
        assert (type_of(field), label(field)) == (expected, label_), field.full_name
    assert seen > 7000


@needs_forks
def test_every_default_of_a_fork_is_ours_or_in_the_docs() -> None:
    listed = {row[0] for row in table("Defaults", "field | defaults met | taken")}
    ours = {d.full_name.removeprefix(f"{PACKAGE}."): d for d in every_message()}
    into = {k: v for k, v in merged().items() if k != "ReLUParameter"}
    for name, field_name, _, label_, _, default in fork_fields():
        owner = into.get(name, name)
        if owner not in ours or f"{owner}.{field_name}" in listed:
            continue
        field = ours[owner].fields_by_name[field_name]
        if "repeated" in (label_, label(field)):
            continue
        assert field.has_default_value == (default is not None), field.full_name
        if default is not None:
            assert default_of(field) == written(default, type_of(field)), field.full_name


@needs_forks
def test_every_value_of_an_enum_of_a_fork_is_there() -> None:
    text = (SHARED / "FORK_FIELDS.md").read_text(encoding="utf-8").partition("# Per-fork details")[2]
    ours = {e.full_name.removeprefix(f"{PACKAGE}."): e for d in every_message() for e in d.enum_types}
    seen = 0
    for name, values in re.findall(r"^ *enum (\w+\.\w+)(?: adds)? \{ (.*) \}$", text, re.MULTILINE):
        enum = ours.get(name)
        if enum is not None:
            seen += 1
            assert {v.split("=")[0] for v in values.split(", ")} <= set(enum.values_by_name), name
    assert seen > 300


@needs_forks
def test_our_ids_are_nobody_elses() -> None:
    ours = {d.full_name.removeprefix(f"{PACKAGE}."): {f.number for f in d.fields} for d in every_message()}
    for name, field, _, _, number, _ in fork_fields():
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
