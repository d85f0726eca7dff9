"""Our parser against protobuf's own: real prototxts, random messages, random damage."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.prototxt import Unknown, bind, parse
from caffe_bn_convert.errors import ConversionError

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "prototxts"
FILES = sorted(path.name for path in REAL.glob("*.p*t*")) if REAL.is_dir() else []

CPP = FieldDescriptor
RANGES = {
    CPP.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    CPP.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    CPP.CPPTYPE_UINT32: (0, 2**32 - 1),
    CPP.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def ours(text: str) -> tuple[Any, tuple[Unknown, ...]] | None:
    message = schema.message("NetParameter")()
    try:
        return message, bind(parse(text), message)
    except ConversionError:
        return None


def theirs(text: str) -> Any:
    message = schema.message("NetParameter")()
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except text_format.ParseError:
        return None
    return message if message.IsInitialized() else None


def quoted_words(text: str) -> str:
    """The text with quotes around the bare words for which protobuf wants a string.

    Fields of forks that are enums there, of values that are on no record, are strings in our schema, and take words.
    """
    lines = text.split("\n")
    for _ in range(1000):
        try:
            text_format.Parse("\n".join(lines), schema.message("NetParameter")(), allow_unknown_field=True)
        except text_format.ParseError as error:
            if "Expected string" not in str(error):
                break
            line, column = error.GetLine() - 1, error.GetColumn() - 1
            start = re.compile(r"[A-Za-z_]\w*").match(lines[line], column)
            if start is None:
                break
            lines[line] = f'{lines[line][:column]}"{start.group()}"{lines[line][start.end() :]}'
        else:
            break
    return "\n".join(lines)


def compare(text: str) -> None:
    """Both refuse the text, or both read the same from it."""
    got, want = ours(text), theirs(text)
    if got is not None and want is None:
        want = theirs(quoted_words(text))
    if got is not None and want is None:
        # All else that we let pass: words of forks for types of V1 and for engines, kept as unknown fields.
        assert any(unknown.path.endswith((".type", "engine")) for unknown in got[1])
    else:
        assert (got[0] if got else None) == want


@pytest.mark.skipif(not FILES, reason="no ../shared/prototxts here")
@pytest.mark.parametrize("name", FILES)
def test_real_prototxts(name: str) -> None:
    text = (REAL / name).read_text(encoding="utf-8-sig")
    compare(text)


def is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


def random_value(field: FieldDescriptor, rng: random.Random) -> Any:
    if field.cpp_type in RANGES:
        low, high = RANGES[field.cpp_type]
        return rng.choice([low, high, 0, 1, rng.randint(low, high)])
    if field.cpp_type in (CPP.CPPTYPE_FLOAT, CPP.CPPTYPE_DOUBLE):
        return rng.choice([0.0, 1.0, -0.5, 1e-5, 3e38, float("inf"), float("-inf"), float(rng.randint(-9, 9)) / 8])
    if field.cpp_type == CPP.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.cpp_type == CPP.CPPTYPE_ENUM:
        return rng.choice(list(field.enum_type.values)).number
    text = "".join(rng.choice("ab/ \t\n\r\\\"'#{}<>é日😀\0\x7f07") for _ in range(rng.randint(0, 8)))
    return text.encode() if field.type == CPP.TYPE_BYTES else text


def fill(message: Any, rng: random.Random, depth: int = 0) -> Any:
    fields = list(message.DESCRIPTOR.fields)
    for field in rng.sample(fields, min(len(fields), rng.randint(0, 5))):
        for _ in range(rng.randint(1, 3) if is_repeated(field) else 1):
            if field.cpp_type == CPP.CPPTYPE_MESSAGE:
                if depth < 4:
                    inner = getattr(message, field.name)
                    fill(inner.add() if is_repeated(field) else inner, rng, depth + 1)
            elif is_repeated(field):
                getattr(message, field.name).append(random_value(field, rng))
            else:
                setattr(message, field.name, random_value(field, rng))
    return message


def random_net(rng: random.Random) -> Any:
    while True:
        net = fill(schema.message("NetParameter")(), rng)
        if net.IsInitialized():
            return net


class Printer:
    """Prints a message as nobody would: every freedom of the format, taken at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.unknown = 0

    def gap(self, least: str = "") -> str:
        extra = ["", " ", "\t", "\n", "\r\n", "# a { comment: 'x'\n", " \v\f"]
        return (least and self.rng.choice([" ", "\n", " # c\n"])) + self.rng.choice(extra)

    def message(self, message: Any) -> str:
        return "".join(self.field(field, value) for field, value in message.ListFields()) + self.stranger()

    def stranger(self) -> str:
        if self.rng.random() > 0.1:
            return ""
        self.unknown += 1
        return self.rng.choice(["\nzzz: 1 ", "\nzzz < zzz: [1, 'a', nan] > ", "\nzzz: 'a' 'b';", "\n[zzz.a/b] { } "])

    def field(self, field: FieldDescriptor, value: Any) -> str:
        if not is_repeated(field):
            return self.single(field, value)
        if self.rng.random() < 0.5:
            return "".join(self.single(field, one) for one in value)
        listed = f"{self.gap()},{self.gap()}".join(self.value(field, one) for one in value)
        return f"{self.gap(' ')}{field.name}{self.gap()}:{self.gap()}[{listed}{self.gap()}]{self.end()}"

    def single(self, field: FieldDescriptor, value: Any) -> str:
        optional = field.cpp_type == CPP.CPPTYPE_MESSAGE and self.rng.random() < 0.5
        colon = "" if optional else ":"
        return f"{self.gap(' ')}{field.name}{self.gap()}{colon}{self.gap()}{self.value(field, value)}{self.end()}"

    def end(self) -> str:
        return self.rng.choice([" ", " ,", ";", " ; "])

    def value(self, field: FieldDescriptor, value: Any) -> str:
        choose = self.rng.choice
        if field.cpp_type == CPP.CPPTYPE_MESSAGE:
            opening, closing = choose(["{}", "<>"])
            return f"{opening}{self.message(value)}{self.gap()}{closing}"
        if field.cpp_type == CPP.CPPTYPE_BOOL:
            return choose(["true", "True", "t", "1", "0x1", "01"] if value else ["false", "False", "f", "0", "00"])
        if field.cpp_type == CPP.CPPTYPE_ENUM:
            return choose([field.enum_type.values_by_number[value].name, str(value)])
        if field.cpp_type in RANGES:
            sign = "-" + choose(["", " "]) if value < 0 else ""
            return sign + choose([str, hex, lambda number: f"0{number:o}"])(abs(value))
        if isinstance(value, float):
            return repr(value) + ("" if "n" in repr(value) else choose(["", "f", "F"]))
        return self.string(value.encode() if isinstance(value, str) else value)

    def string(self, data: bytes) -> str:
        cut = self.rng.randint(0, len(data))
        parts = [data[:cut], data[cut:]] if self.rng.random() < 0.5 else [data]
        return self.gap().join(self.quoted(part) for part in parts)

    def quoted(self, data: bytes) -> str:
        quote = self.rng.choice("'\"")
        formats = ["\\{:03o}", "\\x{:02x}", "\\X{:02X}"]
        plain = re.compile(rb"[A-Za-z/ #{}<>]")
        return (
            quote
            + "".join(
                chr(byte) if plain.match(bytes([byte])) else self.rng.choice(formats).format(byte) for byte in data
            )
            + quote
        )


SEEDS = st.integers(min_value=0, max_value=2**32)
RELAXED = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(SEEDS)
@RELAXED
def test_random_messages_as_protobuf_prints_them(seed: int) -> None:
    rng = random.Random(seed)
    net = random_net(rng)
    options = {"as_one_line": rng.random() < 0.5, "use_short_repeated_primitives": rng.random() < 0.5}
    text = text_format.MessageToString(net, as_utf8=rng.random() < 0.5, **options)
    assert ours(text) == (net, ())


@given(SEEDS)
@RELAXED
def test_random_messages_in_every_freedom_of_the_format(seed: int) -> None:
    rng = random.Random(seed)
    net = random_net(rng)
    printer = Printer(rng)
    text = printer.message(net)
    message = schema.message("NetParameter")()
    unknown = bind(parse(text), message)
    assert message == net
    assert len(unknown) == printer.unknown


# Unlike C++'s parser by default, Python's takes this where it takes unknown fields.
NUMBER_AS_NAME = re.compile(r"(?:^|(?<!:) )-?[0-9][^ ]* [:{]")
TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[\w.+-]+|\S")


@given(SEEDS)
@RELAXED
def test_damaged_text_is_refused_where_protobuf_refuses_it(seed: int) -> None:
    rng = random.Random(seed)
    tokens = TOKEN.findall(text_format.MessageToString(random_net(rng)))
    if not tokens:
        return
    index = rng.randrange(len(tokens))
    tokens[index : index + 1] = rng.choice([[], [tokens[index]] * 2, [rng.choice(tokens)]])
    text = " ".join(tokens)
    assume(not NUMBER_AS_NAME.search(text))
    compare(text)


@given(st.text(alphabet="ab:{}<>[],;'\"#\\0x1.-\n nif", max_size=40))
@settings(max_examples=500, derandomize=True, deadline=None)
def test_any_text_parses_or_raises_our_error(text: str) -> None:
    ours(text)
