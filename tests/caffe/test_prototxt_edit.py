from __future__ import annotations

import pytest

from caffe_bn_convert.caffe.prototxt import Field, parse
from caffe_bn_convert.caffe.prototxt.edit import Edits, span

TEXT = """\
a { b: 1  c: "x" 'y' # behind
  d { e: 1 f: 2 } # goes with d
  # stays
  g: [1, 2]

  h < i: -3 > j { k: 'a}' }}
"""


def fields(text: str = TEXT) -> list[Field]:
    return list(parse(text).fields[0].value.fields)  # type: ignore[union-attr]


def named(name: str, text: str = TEXT) -> Field:
    return next(field for field in fields(text) if field.name == name)


@pytest.mark.parametrize(
    ("name", "whole", "value"),
    [
        ("b", "b: 1", "1"),
        ("c", "c: \"x\" 'y'", "\"x\" 'y'"),
        ("d", "d { e: 1 f: 2 }", "{ e: 1 f: 2 }"),
        ("g", "g: [1, 2]", "[1, 2]"),
        ("h", "h < i: -3 >", "< i: -3 >"),
        ("j", "j { k: 'a}' }", "{ k: 'a}' }"),
    ],
)
def test_span(name: str, whole: str, value: str) -> None:
    place = span(TEXT, named(name))
    assert TEXT[place.start : place.end] == whole
    assert TEXT[place.value : place.end] == value


@pytest.mark.parametrize(
    ("name", "line", "changed"),
    [
        ("b", 0, "a { c: \"x\" 'y' # behind"),
        ("c", 0, "a { b: 1 # behind"),
        ("d", 1, "  # stays"),
        ("g", 3, ""),
        ("h", 5, "  j { k: 'a}' }}"),
        ("j", 5, "  h < i: -3 > }"),
    ],
)
def test_remove(name: str, line: int, changed: str) -> None:
    edits = Edits(TEXT)
    for field in fields():
        if field.name == name:
            edits.remove(field)
    assert edits.apply().split("\n")[line] == changed


def test_neighbours_on_one_line_take_the_line_with_them() -> None:
    text = "a {\n  b: 1, c: 2;\n  d: 3\n}\n"
    edits = Edits(text)
    edits.remove(named("b", text))
    edits.remove(named("c", text))
    assert edits.apply() == "a {\n  d: 3\n}\n"


def test_blank_lines_around_what_is_removed_become_one() -> None:
    edits = Edits("a: 1\n\nb: 2\n\nc: 3\n")
    edits.remove(parse("a: 1\n\nb: 2\n\nc: 3\n").fields[1])
    assert edits.apply() == "a: 1\n\nc: 3\n"


def test_add_goes_to_a_line_of_its_own_where_the_neighbour_has_one() -> None:
    text = "a {\n  b: 1  # one\n  c: 2\n}\n"
    edits = Edits(text)
    edits.add(named("b", text), "n { x: 1 }")
    edits.remove(named("c", text))
    assert edits.apply() == "a {\n  b: 1  # one\n  n { x: 1 }\n}\n"


def test_add_within_a_line() -> None:
    text = "a { b: 1 c: 2 }\n"
    edits = Edits(text)
    edits.add(named("b", text), "n: 3")
    edits.remove(named("c", text))
    assert edits.apply() == "a { b: 1 n: 3 }\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a { b: 1 }", "a { n: 2 b: 1 }"),
        ("a { }", "a { n: 2 }"),
        ("a {\n  b: 1\n}", "a {\n  n: 2\n  b: 1\n}"),
        ("a { # why\n    b: 1 }", "a { # why\n    n: 2\n    b: 1 }"),
    ],
)
def test_add_first(text: str, expected: str) -> None:
    edits = Edits(text)
    edits.add_first(parse(text).fields[0], "n: 2")
    assert edits.apply() == expected


def test_a_value_and_the_comment_that_became_untrue() -> None:
    text = "a: false  # never\nb: 1  # stays\n"
    edits = Edits(text)
    first, second = parse(text).fields
    edits.value(first, "true", drop_comment=True)
    edits.value(second, "2")
    assert edits.apply() == "a: true\nb: 2  # stays\n"


def test_replace_is_indented_like_what_stood_there_and_wins_over_changes_inside() -> None:
    text = "  a { b: 1 }\r\n  c: 2\r\n"
    edits = Edits(text)
    edits.remove(named("b", text))
    edits.replace(parse(text).fields[0], "n {\n  x: 1\n}")
    assert edits.apply() == "  n {\r\n    x: 1\r\n  }\r\n  c: 2\r\n"


def test_append() -> None:
    edits = Edits("a: 1")
    edits.append("b: 2")
    assert edits.apply() == "a: 1\nb: 2\n"


def test_nothing_to_do() -> None:
    assert Edits(TEXT).apply() == TEXT
