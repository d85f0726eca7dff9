"""Text to tree.

The grammar is that of protobuf's C++ ``TextFormat``: separators ``,`` and ``;`` after a field are optional,
``:`` before a block too, blocks stand in ``{}`` or ``<>``, lists in ``[]``, ``#`` starts a comment, strings stand in
either quote and adjacent ones are one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NoReturn

from caffe_bn_convert.caffe.prototxt.literals import EscapeError, is_float, is_integer, rejoin, unescape
from caffe_bn_convert.caffe.prototxt.source import Source
from caffe_bn_convert.caffe.prototxt.tree import Block, Field, Kind, Scalar
from caffe_bn_convert.errors import ResourceLimitError

MAX_DEPTH = 100
"""Deepest nesting of blocks that is read."""

_MAX_NUMBER = 1000
"""Longest number that is read, in characters."""

_TOKEN = re.compile(
    r"""[ \t\n\r\v\f]*(?:\#[^\n]*[ \t\n\r\v\f]*)*   # blanks and comments
    (?: ([A-Za-z_][A-Za-z0-9_]*)                     # 1: a name or a bare word
      | (-?(?:0|[1-9][0-9]{0,30})(?![0-9A-Za-z_.]))  # 2: a plain whole number
      | ("[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"            # 3: a string
        |'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*')
      | (-?\.?[0-9](?:[eE][+-][0-9]|[0-9A-Za-z_.])*) # 4: whatever else begins like a number
      | ([{}<>\[\]:,;./-])                           # 5: punctuation
      | (\Z)                                         # 6: the end
      | ([\s\S])                                     # 7: what the format has no use for
    )""",
    re.VERBOSE,
)
_WORD, _INTEGER, _STRING, _NUMBER, _MARK, _END, _STRAY = range(1, 8)
_NEXT_LAYER = re.compile(r"\n[ \t]*layers?(?=[ \t]*:?[ \t]*\{)")
_CLOSING = {"{": "}", "<": ">"}


def parse(text: str, file: str = "<prototxt>") -> Block:
    """The tree of a prototxt's text.

    Raises:
        ParseError: text that is not protobuf's text format, with line, column and the line itself.
        ResourceLimitError: more than ``MAX_DEPTH`` blocks inside each other.
    """
    return _Parser(Source(text.removeprefix("\ufeff"), file)).whole()


class _Parser:
    """One pass over the tokens; ``kind`` and ``text`` are those of the token that comes next."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = _TOKEN.finditer(source.text)
        self.depth = 0
        self.advance()

    def advance(self) -> None:
        match = next(self.tokens)
        kind = match.lastindex or _STRAY
        self.kind = kind
        self.text = match[kind]
        self.offset = match.start(kind)

    def whole(self) -> Block:
        fields, empty = self.fields("")
        return Block(self.source, 0, fields, empty)

    def fields(self, closing: str) -> tuple[tuple[Field, ...], tuple[str, ...]]:
        """The fields up to the closing brace (up to the end for ``""``), which comes next afterwards."""
        found: list[Field] = []
        empty: list[str] = []
        while self.text != closing:
            offset = self.offset
            if self.kind == _WORD:
                name = self.text
                self.advance()
            else:
                name = self.extension(closing)
            if not self.field(name, offset, found):
                empty.append(name)
            if self.text == "," or self.text == ";":
                self.advance()
        return tuple(found), tuple(empty)

    def field(self, name: str, offset: int, found: list[Field]) -> bool:
        """Add what follows a name; False if that is an empty list."""
        colon = self.text == ":"
        if colon:
            self.advance()
        if self.text == "{" or self.text == "<":
            found.append(Field(self.source, offset, name, self.block(offset)))
        elif self.text == "[":
            return self.values(name, found, colon=colon)
        elif colon:
            found.append(Field(self.source, offset, name, self.scalar()))
        else:
            self.fail(f'expected ":" or "{{" after "{name}", found {self.found()}')
        return True

    def extension(self, closing: str) -> str:
        """The name of an extension, ``[package.name]``; our messages know none, but the format has them."""
        if self.text != "[":
            self.not_a_name(closing)
        parts: list[str] = []
        while self.text != "]" or len(parts) == 1:
            parts.append(self.text)
            self.advance()
            if self.kind != _WORD and self.text not in (".", "/", "]"):
                self.fail(f"expected the name of an extension, found {self.found()}")
        self.advance()
        return "".join([*parts, "]"])

    def block(self, offset: int) -> Block:
        """A block; ``offset`` is what messages call its place."""
        opener, brace = self.offset, self.text
        self.depth += 1
        if self.depth > MAX_DEPTH:
            what = f"more than {MAX_DEPTH} blocks inside each other"
            raise ResourceLimitError(what, where=self.source.where(opener))
        self.advance()
        fields, empty = self.closed(opener, _CLOSING[brace])
        self.depth -= 1
        return Block(self.source, offset, fields, empty)

    def closed(self, opener: int, closing: str) -> tuple[tuple[Field, ...], tuple[str, ...]]:
        """The fields of a block and its closing brace."""
        try:
            inside = self.fields(closing)
        except _UnclosedError as unclosed:
            line = self.source.position(opener)[0]
            if unclosed.found is None:
                what = f'this "{self.source.text[opener]}" is never closed'
                raise self.source.error(opener, what, self.next_layer(opener)) from None
            what = f'expected "{closing}" for the "{self.source.text[opener]}" of line {line}, found "{unclosed.found}"'
            raise self.source.error(self.offset, what) from None
        self.advance()
        return inside

    def next_layer(self, opener: int) -> str | None:
        """A hint where a block that is never closed probably should have ended."""
        following = _NEXT_LAYER.search(self.source.text, opener)
        if following is None:
            return None
        return f"line {self.source.position(following.end())[0]} already begins the next layer"

    def values(self, name: str, found: list[Field], *, colon: bool) -> bool:
        """A list; each value becomes a field of its own. False if there are none."""
        self.advance()
        if self.text == "]":
            self.advance()
            return False
        while True:
            offset = self.offset
            if self.text in _CLOSING:
                value: Scalar | Block = self.block(offset)
            elif colon:
                value = self.scalar()
            else:
                self.fail(f'expected ":" after "{name}"')
            found.append(Field(self.source, offset, name, value, listed=True))
            if self.text == "]":
                self.advance()
                return True
            if self.text != ",":
                self.fail(f'expected "," or "]" in the list of "{name}", found {self.found()}')
            self.advance()

    def scalar(self) -> Scalar:
        offset, text = self.offset, self.text
        if self.kind == _STRING:
            return Scalar(self.source, offset, self.string(), "string")
        kind: Kind = "word"
        if self.kind == _INTEGER:
            kind = "integer"
        elif self.kind != _WORD:
            text, kind = self.number()
        self.advance()
        return Scalar(self.source, offset, text, kind)

    def string(self) -> str:
        """A string and those that follow it."""
        parts = []
        while self.kind == _STRING:
            try:
                parts.append(unescape(self.text[1:-1]))
            except EscapeError as error:
                escape, at = error.args
                raise self.source.error(self.offset + 1 + at, f"a string has no escape {escape}") from None
            self.advance()
        return parts[0] if len(parts) == 1 else rejoin(parts)

    def number(self) -> tuple[str, Kind]:
        """The number that comes next; ``- 1`` and ``-inf`` are two tokens."""
        sign = ""
        if self.text == "-":
            sign = "-"
            self.advance()
            if self.kind == _WORD and self.text.lower() in ("inf", "infinity", "nan"):
                return sign + self.text, "word"
        text = sign + self.text
        if self.kind not in (_INTEGER, _NUMBER) or text.startswith("--"):
            self.fail(f"expected a value, found {self.found()}")
        if len(text) > _MAX_NUMBER:
            self.fail(f"a number of {len(text)} characters")
        if is_integer(text):
            return text, "integer"
        if not is_float(text):
            self.fail(f"{text} is not a number", _number_hint(text))
        return text, "float"

    def not_a_name(self, closing: str) -> NoReturn:
        """Say what stands where a field or the closing brace should."""
        if self.kind == _END and closing:
            raise _UnclosedError(None)
        if self.text in ("}", ">"):
            if closing:
                raise _UnclosedError(self.text)
            self.fail(f'this "{self.text}" closes nothing')
        if self.kind == _STRING:
            self.fail("expected a field name, found a string", "names of fields stand without quotes")
        self.fail(f"expected a field name, found {self.found()}")

    def found(self) -> str:
        """What comes next, for messages."""
        if self.kind == _END:
            return "the end of the file"
        if self.kind != _STRAY or self.text.isprintable():
            return f'"{self.text}"' if self.kind != _STRING else self.text
        return f"the character {_character(self.text)}"

    def fail(self, what: str, hint: str | None = None) -> NoReturn:
        if self.kind == _STRAY and self.text in "\"'":
            raise self.source.error(self.offset, "this string is not closed on its line")
        if self.kind == _STRAY and hint is None:
            hint = _stray_hint(self.text)
        raise self.source.error(self.offset, what, hint)


class _UnclosedError(Exception):
    """A block ended without its brace; ``found`` is another brace, or None at the end of the file."""

    def __init__(self, found: str | None) -> None:
        super().__init__(found)
        self.found = found


def _number_hint(text: str) -> str | None:
    digits = text.removeprefix("-")
    if re.fullmatch("0[0-9.]+", digits):
        return "a number that begins with 0 is octal"
    if re.match(r"[0-9.]+[A-Za-z_]", digits) and not digits.startswith(("0x", "0X")):
        return "a number and the next name need a blank between them"
    return None


def _character(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"0x{code - 0xDC00:02X}"
    name = unicodedata.name(character, "").lower()
    return f"U+{code:04X} ({name})" if name else f"U+{code:04X}"


def _stray_hint(character: str) -> str | None:
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return "the file is not UTF-8 here"
    if character in "“”„‘’":
        return "these are typographic quotes; write \" or '"
    if character.isspace():
        return "this looks like a blank but is not one; replace it by a blank"
    if character == "\0":
        return "this is not a text file, or one in UTF-16; save it as UTF-8"
    if character in "：，；｛｝":
        return "this is a full-width character; write the ASCII one"
    return None
