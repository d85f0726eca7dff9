"""The messages of Caffe's files, described by ``caffe.proto`` beside this module.

There is no generated code: ``caffe.binpb``, the same as descriptors (``make schema``), is read on the first call of
``message`` and lives in a descriptor pool of its own, under a package name of its own. So it gets along with every other
``caffe_pb2`` in the process (pycaffe's, OpenCV's, coremltools') and with every release of protobuf from 4.25 on.
"""

from __future__ import annotations

from functools import cache
from pkgutil import get_data
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool, message_factory

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["COMPILED", "FIRST_FORK_ID", "PACKAGE", "SOURCE", "message"]

PACKAGE = "caffe_bn_convert"
"""The package of our messages; Caffe's own is ``caffe``."""

SOURCE, COMPILED = "caffe.proto", "caffe.binpb"

FIRST_FORK_ID = 10000
"""Fields and enum values from here on are those of Caffe's forks, under ids of ours.

In the text of a prototxt, such a string field takes any scalar as it is written, quoted or not: it may be an enum
in the fork that it comes from (docs/fork-fields.md).
"""


@cache
def message(name: str) -> type[Message]:
    """Return the class of a message, such as ``message("LayerParameter")`` or ``message("NetParameter")``.

    Raises:
        KeyError: ``caffe.proto`` has no message of this name.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    compiled = get_data(__name__, COMPILED)
    if compiled is None:
        raise FileNotFoundError(COMPILED)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(compiled)
    return pool
