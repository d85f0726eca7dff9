"""Arrays and images from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import ConversionError, UnreadableError, UsageError, Where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.verify.inputs import Slot
    from caffe_bn_convert.verify.inputs.kinds import Array

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


@dataclass(frozen=True, slots=True)
class Pixels:
    """From an image to numbers, as Caffe's data layers do it: ``(pixel - mean) * scale``.

    Attributes:
        mean: one number, or one a channel, in the order of the channels.
        scale: times this, after the mean.
        bgr: channels in the order blue, green, red, as Caffe has them.
    """

    mean: tuple[float, ...] = ()
    scale: float = 1.0
    bgr: bool = True

    @classmethod
    def of(cls, net: NetDefinition) -> Pixels:
        """What the net's data layer says in ``transform_param``, if it has one."""
        for layer in net.layers:
            if layer.parameter.HasField("transform_param"):
                transform = layer.parameter.transform_param
                return cls(tuple(transform.mean_value), transform.scale)
        return cls()

    def with_given(
        self,
        mean: tuple[float, ...] | None = None,
        scale: float | None = None,
        bgr: bool | None = None,  # noqa: FBT001
    ) -> Pixels:
        """The same, with what the user says."""
        return Pixels(
            self.mean if mean is None else mean,
            self.scale if scale is None else scale,
            self.bgr if bgr is None else bgr,
        )


def arrays(values: Sequence[tuple[str | None, Path]], slots: Sequence[Slot], pixels: Pixels) -> dict[str, Array]:
    """Read ``NAME=FILE`` pairs; the name may be missing where the net has one input, or for an ``.npz``.

    Raises:
        UnreadableError: a file cannot be read, or holds Python objects.
        UsageError: it is not clear which input a file is for.
    """
    found: dict[str, Array] = {}
    for name, path in values:
        if path.suffix.lower() == ".npz":
            content = archive(path)
            found.update({name: _only(content, path)} if name is not None else content)
            continue
        slot = _slot(name, path, slots)
        found[slot.name] = image(path, slot, pixels) if path.suffix.lower() in IMAGES else array(path)
    return found


def _slot(name: str | None, path: Path, slots: Sequence[Slot]) -> Slot:
    chosen = [slot for slot in slots if name in (None, slot.name)]
    names = ", ".join(slot.name for slot in slots)
    if name and not chosen:
        raise UsageError(f'the net has no input "{name}"; its inputs are {names}')
    if len(chosen) != 1:
        raise UsageError(f"which input is {path} for? The inputs are {names}", hint=f"write --input NAME={path}")
    return chosen[0]


def _only(content: Mapping[str, Array], path: Path) -> Array:
    if len(content) != 1:
        raise UsageError(
            f"{path} holds {len(content)} arrays, for one input", hint=f"write --input {path}, without a name"
        )
    return next(iter(content.values()))


def array(path: Path) -> Array:
    """The array of an ``.npy`` file; pickles are refused."""
    with _reading(path), path.open("rb") as stream:
        value = np.load(stream, allow_pickle=False)
    if not isinstance(value, np.ndarray):
        raise UnreadableError("is not an .npy file", where=Where(file=str(path)))
    return _numbers(value, path)


def archive(path: Path) -> dict[str, Array]:
    """The arrays of an ``.npz`` file by name; pickles are refused."""
    with _reading(path), path.open("rb") as stream:
        content = np.load(stream, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise UnreadableError("is not an .npz file", where=Where(file=str(path)))
        with content:
            return {name: _numbers(content[name], path) for name in content.files}


def _numbers(value: Array, path: Path) -> Array:
    if value.dtype.kind not in "biuf":
        raise UnreadableError(f"holds no real numbers, but {value.dtype}", where=Where(file=str(path)))
    return value


class _reading:  # noqa: N801  (a context, written like a function)
    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ConversionError):
            raise UnreadableError(f"cannot be read: {_why(error)}", where=Where(file=str(self.path))) from error


def _why(error: Exception) -> str:
    if "pickle" in str(error):  # NumPy takes every strange file for one, and recommends to load it
        return "it is neither .npy nor .npz, or holds Python objects instead of numbers"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def image(path: Path, slot: Slot, pixels: Pixels) -> Array:
    """An image file as the numbers of an input (1, channels, height, width), resized to it.

    Raises:
        UsageError: Pillow is missing, or the input is no image.
        UnreadableError: the file is no image.
    """
    try:
        from PIL import Image
    except ImportError:
        raise UsageError("images need Pillow", hint='pip install "caffe-bn-convert[images]"') from None
    channels, height, width = _plane(slot)
    try:
        with Image.open(path) as file:
            picture: Any = file.convert("L" if channels == 1 else "RGB").resize(
                (width, height), Image.Resampling.BILINEAR
            )
            value = np.asarray(picture, np.float32)
    except Exception as error:  # Pillow's decoders raise whatever they like
        raise UnreadableError(f"cannot be read as an image: {_why(error)}", where=Where(file=str(path))) from error
    value = value.reshape(height, width, channels).transpose(2, 0, 1)
    if pixels.bgr:
        value = value[::-1]
    mean = np.asarray(pixels.mean or 0.0, np.float32).reshape(-1, 1, 1)
    if mean.size not in (1, channels):
        raise UsageError(f"--mean has {mean.size} numbers, the input {channels} channels")
    return np.asarray((value - mean) * np.float32(pixels.scale), np.float32)[None]


def _plane(slot: Slot) -> tuple[int, int, int]:
    shape = [
        size if size is not None else (slot.usual[i] if i < len(slot.usual) else 0) for i, size in enumerate(slot.shape)
    ]
    if len(shape) != 4 or shape[1] not in (1, 3) or not shape[2] or not shape[3]:
        raise UsageError(f'input "{slot.name}" is no image', hint="give its numbers in an .npy file")
    return shape[1], shape[2], shape[3]


def named_file(text: str) -> tuple[str | None, Path]:
    """``NAME=FILE`` or ``FILE``."""
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return name, Path(path)
    return None, Path(text)
