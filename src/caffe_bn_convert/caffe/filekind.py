"""What a file is, from its first bytes."""

from __future__ import annotations

import re
from typing import NamedTuple

from caffe_bn_convert.caffe.messagehead import Head, looks_like_text


class Kind(NamedTuple):
    """A kind of file: what to call it, and what somebody who has one of these should do."""

    name: str
    hint: str


PROTOTXT = Kind("a prototxt", "Give it as the net.")
CAFFEMODEL = Kind("a .caffemodel", "Give it as the weights.")
HDF5 = Kind("an HDF5 file", "Give it as the weights.")

_UNPACK = "Unpack it and give the file inside."
_CONVERTED = "It has been converted already; this converts Caffe's own .caffemodel."
_OTHER = "This converts nets of Caffe only."
_PAGE = "Open the file's page, press 'Raw' or 'Download', and save that."

LFS = Kind("a Git LFS pointer", "Run 'git lfs pull' in its repository, or download the file.")
HTML = Kind("a web page", _PAGE)
_PYTORCH = Kind("a PyTorch file", _OTHER)
_PICKLE = Kind("a Python pickle", "It is never loaded: that would run code from it. " + _OTHER)
_UTF16 = Kind("text in UTF-16", "Save it as UTF-8.")
_NCNN_PARAM = Kind("an ncnn .param", _CONVERTED)
_NCNN_BIN = Kind("an ncnn .bin", _CONVERTED)
_SOLVERSTATE = Kind("a .solverstate (the state of training, without weights)", "Give the .caffemodel saved beside it.")
_MEAN = Kind("a mean image (.binaryproto)", "Give the net's .caffemodel; a mean is subtracted from the input.")
_ONNX = Kind("an ONNX file", _CONVERTED)
_TENSORFLOW = Kind("a frozen TensorFlow graph", _OTHER)
_BUNDLE = Kind("a TensorFlow SavedModel or a Core ML model", _OTHER)
TEXT = Kind("a text file of another kind", _OTHER)

# (offset, bytes, kind)
_MAGIC = (
    (0, b"version https://git-lfs.github.com/spec/", LFS),
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"\x1f\x8b", Kind("compressed with gzip", _UNPACK)),
    (0, b"BZh", Kind("compressed with bzip2", _UNPACK)),
    (0, b"\xfd7zXZ\0", Kind("compressed with xz", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Kind("compressed with zstd", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (257, b"ustar", Kind("a tar archive", _UNPACK)),
    (0, b"\x93NUMPY", Kind("a NumPy array", _OTHER)),
    (0, b"\x12\x01\0\0\0\0\0\0", Kind("an MXNet .params file", _OTHER)),
    (0, b"7767517\n", _NCNN_PARAM),
    (0, b"7767517\r\n", _NCNN_PARAM),
    (0, b"\xdd\x85\x76\0", Kind("an ncnn .param.bin", _CONVERTED)),
    (0, b"\x47\x6b\x30\x01", _NCNN_BIN),
    (0, b"\x38\x4b\x0d\0", _NCNN_BIN),
    (0, b"\0\0\0\0\1\0\0\0", Kind("a Darknet .weights file", _OTHER)),
    (0, b"\0\0\0\0\2\0\0\0", Kind("a Darknet .weights file", _OTHER)),
    (0, b"\0\0\0\0", _NCNN_BIN),
    (0, b"\x89PNG", Kind("an image", _OTHER)),
    (0, b"\xff\xd8\xff", Kind("an image", _OTHER)),
)

_HTML_START = re.compile(rb"\s*(<!doctype html|<html|<head|<!--)", re.IGNORECASE)
_NET_TEXT = re.compile(rb"^\s*(name|layers?|input|input_dim|input_shape|state|force_backward)\s*[:{]", re.MULTILINE)
_SOLVER_TEXT = re.compile(rb"^\s*(net|base_lr|train_net|solver_mode|lr_policy)\s*:", re.MULTILINE)


def kind_of(head: bytes) -> Kind | None:
    """What a file that begins with ``head`` is; None when nothing is known about it."""
    if not head.strip(b"\0"):
        return Kind("nothing but zeros", "Its download or copy has failed: get it again.")
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    if head.startswith(b"TFL3", 4) and head[1:4] == bytes(3):
        return Kind("a TensorFlow Lite file", _OTHER)
    if head.startswith(b'{"', 8) and head[4:8] == bytes(4):
        return Kind("a safetensors file", _OTHER)
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(head)
    if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return _PYTORCH if b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." in head[:32] else _PICKLE
    if _is_utf16(head):
        return _UTF16
    if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")):
        return HTML
    return _text_kind(head) if looks_like_text(head) else _message_kind(head)


def _zip_kind(head: bytes) -> Kind:
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if first.endswith((b"/data.pkl", b"/byteorder", b"/.format_version", b"/version")):
        return _PYTORCH
    if first.endswith(b".npy"):
        return Kind("a NumPy .npz file", _OTHER)
    return Kind("a zip archive", _UNPACK)


def _is_utf16(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    start = head[:64]
    even, odd = start[::2], start[1::2]
    return len(start) > 15 and any(
        zeros.count(0) == len(zeros) and looks_like_text(text) for zeros, text in ((even, odd), (odd, even))
    )


def _text_kind(head: bytes) -> Kind:
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _NET_TEXT.search(text) or _SOLVER_TEXT.search(text):
        return PROTOTXT
    start = text.lstrip()
    if start.startswith(b"<"):
        return Kind("an XML file", _OTHER)
    if start.startswith(b"{"):
        return Kind("a JSON file", _OTHER)
    if start.startswith((b"[net]", b"[convolutional]")):
        return Kind("a Darknet .cfg", _OTHER)
    return TEXT


def _message_kind(head: bytes) -> Kind | None:
    message = Head(head)
    if message.starts_with(1, "varint"):
        if message.has(7, "bytes"):
            return _ONNX
        if message.has(2, "varint"):
            return _MEAN
        if message.text(2):
            return _SOLVERSTATE
        return _BUNDLE if message.has(2, "bytes") else None
    if message.starts_with(5, "bytes") or message.starts_with(7, "bytes"):
        return _MEAN
    if message.starts_with(1, "bytes") and _is_node(message):
        return _TENSORFLOW
    if message.has(100, "bytes") or message.has(2, "bytes"):
        return CAFFEMODEL
    return None


def _is_node(message: Head) -> bool:
    """Whether the first field is no name but a message of two texts: TensorFlow's NodeDef has a name and an op."""
    node = message.inner(1)
    return node is not None and node.starts_with(1, "bytes") and bool(node.text(1)) and bool(node.text(2))
