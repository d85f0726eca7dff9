"""Tree to message, by the rules of protobuf's text format, except that unknown fields are kept and not refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from caffe_bn_convert.caffe.prototxt.convert import MismatchError, Value, converter, did_you_mean
from caffe_bn_convert.caffe.prototxt.source import printable
from caffe_bn_convert.caffe.prototxt.tree import Block, Field, Scalar
from caffe_bn_convert.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor

# Forks added values of their own to these enums: the types of V1, under numbers that collide, and the libraries that
# compute a layer, which do not change what it computes.
_OPEN_ENUMS = ("V1LayerParameter.LayerType", ".Engine")

_SHOWN = 60
"""Longest part of a value that a message shows, in characters."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that our schema does not know.

    Attributes:
        path: its name with those of the messages around it, such as ``"convolution_param.kernel_sise"``.
        field: the field itself.
        message: the type of the message that it stands in.
        known: the names that this message does have (of an enum: its values).
    """

    path: str
    field: Field
    message: str
    known: tuple[str, ...]

    @property
    def hint(self) -> str | None:
        """What was probably meant."""
        name = self.field.name
        if name in self.known and isinstance(self.field.value, Scalar):
            return None
        return did_you_mean(name, self.known)

    def problem(self) -> Problem:
        """The field as a problem, with its place and its line."""
        source, offset = self.field.source, self.field.offset
        what = f'{self.message} has no field "{self.field.name}"'
        return Problem(what, self.hint, source.where(offset), excerpt=source.excerpt(offset))


@dataclass(frozen=True, slots=True)
class _Slot:
    """How one field of a message type is filled; ``convert`` is None for messages."""

    repeated: bool
    convert: Callable[[Scalar], Value] | None
    open: bool


def bind(block: Block, message: Any, file: str | None = None) -> tuple[Unknown, ...]:  # noqa: ARG001
    """Fill an empty message from a block.

    Args:
        block: from ``parse``.
        message: any protobuf message of proto2 without groups and oneofs.
        file: not needed; the block knows its file.

    Returns:
        The fields that the message's type does not know, in order. Forks' words for the ``type`` of a
        ``V1LayerParameter`` and for an ``engine`` count as unknown fields; all other unknown words of enums are errors.

    Raises:
        ParseError: a value out of range or of another type, a field given twice that is not repeated, a required
            field missing.
    """
    unknown: list[Unknown] = []
    _bind(block, message, "", unknown)
    return tuple(unknown)


def _bind(block: Block, message: Any, path: str, unknown: list[Unknown]) -> None:
    slots, required = _plan(message.DESCRIPTOR)
    seen: set[str] = set()
    for field in block.fields:
        name = field.name
        slot = slots.get(name)
        if slot is None:
            unknown.append(Unknown(path + name, field, message.DESCRIPTOR.name, tuple(slots)))
            continue
        if not slot.repeated:
            if name in seen or field.listed:
                _refuse_repetition(field, message)
            seen.add(name)
        if slot.convert is None:
            _bind_block(field, message, slot, path, unknown)
        else:
            _bind_scalar(field, message, slot, path, unknown)
    _check_empty_lists(block, message, slots)
    if not required <= seen:
        _refuse_missing(block, message, required - seen)


def _bind_block(field: Field, message: Any, slot: _Slot, path: str, unknown: list[Unknown]) -> None:
    value, name = field.value, field.name
    if isinstance(value, Scalar):
        raise field.source.error(value.offset, f'"{name}" takes a block: {name} {{ ... }}')
    if slot.repeated:
        inner = getattr(message, name).add()
    else:
        inner = getattr(message, name)
        inner.SetInParent()
    _bind(value, inner, f"{path}{name}.", unknown)


def _bind_scalar(field: Field, message: Any, slot: _Slot, path: str, unknown: list[Unknown]) -> None:
    value, name = field.value, field.name
    if isinstance(value, Block):
        raise field.source.error(field.offset, f'"{name}" takes a value, not a block')
    assert slot.convert is not None
    try:
        converted = slot.convert(value)
    except MismatchError as mismatch:
        if slot.open and value.kind == "word":
            unknown.append(Unknown(path + name, field, message.DESCRIPTOR.name, (name,)))
            return
        what = f'"{name}" takes {mismatch.takes}, not {_shown(value)}'
        raise field.source.error(value.offset, what, mismatch.hint) from None
    if slot.repeated:
        getattr(message, name).append(converted)
    else:
        setattr(message, name, converted)


def _shown(value: Scalar) -> str:
    """A value as a message shows it."""
    text = printable(value.text if len(value.text) <= _SHOWN else value.text[:_SHOWN] + "…")
    return f'"{text}"' if value.kind == "string" else text


@cache
def _plan(descriptor: Descriptor) -> tuple[dict[str, _Slot], frozenset[str]]:
    """How to fill a message of this type: its fields by name, and the required ones."""
    slots = {field.name: _slot(field) for field in descriptor.fields}
    return slots, frozenset(field.name for field in descriptor.fields if _is(field, "required"))


def _slot(field: FieldDescriptor) -> _Slot:
    is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
    enum = field.enum_type.full_name if field.enum_type is not None else ""
    return _Slot(_is(field, "repeated"), None if is_message else converter(field), enum.endswith(_OPEN_ENUMS))


def _is(field: FieldDescriptor, label: str) -> bool:
    """Whether a field is ``required`` or ``repeated``; protobuf 6 renamed how to ask."""
    try:
        return bool(getattr(field, f"is_{label}"))
    except AttributeError:
        wanted = FieldDescriptor.LABEL_REQUIRED if label == "required" else FieldDescriptor.LABEL_REPEATED
        return bool(field.label == wanted)  # type: ignore[attr-defined,unused-ignore]


def _refuse_repetition(field: Field, message: Any) -> None:
    kind = message.DESCRIPTOR.name
    if field.listed:
        raise field.source.error(field.offset, f'"{field.name}" of {kind} takes one value, not a list')
    raise field.source.error(field.offset, f'"{field.name}" of {kind} is given twice', "keep one of them")


def _check_empty_lists(block: Block, message: Any, slots: dict[str, _Slot]) -> None:
    for name in block.empty:
        if name in slots and not slots[name].repeated:
            what = f'"{name}" of {message.DESCRIPTOR.name} takes one value, not a list'
            raise block.source.error(block.offset, what)


def _refuse_missing(block: Block, message: Any, missing: frozenset[str]) -> None:
    names = ", ".join(f'"{field.name}"' for field in message.DESCRIPTOR.fields if field.name in missing)
    raise block.source.error(block.offset, f"{message.DESCRIPTOR.name} needs {names}")
