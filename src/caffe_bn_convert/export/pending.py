"""Files on their way: written under a temporary name, and put in place by one rename or removed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import CannotWriteError, UsageError
from caffe_bn_convert.export.placing import in_file_order, place_external, place_in_source, place_inline
from caffe_bn_convert.export.writer import DIGEST, write_data, write_model
from caffe_bn_convert.placement import followed, fresh, keep_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from caffe_bn_convert.export.model import Model

MODES = ("embed", "external", "in-place")


@dataclass(frozen=True, slots=True)
class Pending:
    """Files that are written but not in place yet.

    Attributes:
        model: the temporary model file; it can be loaded from where it is.
        target: where it will go.
        data: the data file beside it, already under its final name; None if there is none.
        stale: data files of the model that is replaced.
    """

    model: Path
    target: Path
    data: Path | None = None
    stale: tuple[Path, ...] = ()

    def commit(self) -> None:
        """Put the model in place by one rename, then remove the data file of the model that it replaces.

        Raises:
            CannotWriteError: the rename fails, or another conversion to the same name removed the data file.
        """
        if self.data is not None and not self.data.exists():
            raise CannotWriteError(f"{self.data} is gone: was another conversion writing {self.target}?")
        keep_mode(self.model, self.target)
        try:
            self.model.replace(self.target)
        except OSError as error:
            raise CannotWriteError(f"cannot put {self.target} in place: {error.strerror}") from error
        for path in self.stale:
            if path != self.data:
                with suppress(OSError):
                    path.unlink()

    def keep_as(self, path: Path) -> None:
        """Put the model somewhere else, for people who want to look at a failure."""
        self.model.replace(path)


@contextmanager
def written(
    model: Model,
    target: Path,
    *,
    weights: str = "embed",
    metadata: Callable[[], Mapping[str, str]] = dict,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Pending]:
    """Write the model under a temporary name beside ``target``; whatever is not committed is removed at the end.

    Args:
        model: the model.
        target: where it is to go; a symbolic link is followed.
        weights: "embed" one file; "external" the numbers in ``<target>.<digest>.data``; "in-place" the numbers stay in
            the caffemodel.
        metadata: called when the numbers are written, so that digests can be computed meanwhile.
        progress: called with the number of bytes just written.

    Raises:
        CannotWriteError: the folder or the disk refuses.
        UsageError: "in-place" with a caffemodel that an ONNX file here cannot point to.
    """
    if weights not in MODES:
        raise UsageError(f'weights="{weights}" is not one of {", ".join(MODES)}')
    with _cannot_write(target):
        target = followed(target)
        if target.is_dir():
            raise CannotWriteError(f"{target} is a folder", hint="give -o a file name, such as out.onnx")
        if target.exists() and not target.is_file():
            raise CannotWriteError(f"{target} is no file but a device or pipe", hint="give -o the name of a file")
        stale = _data_files(target)
        temporary = fresh(target)
    data: Path | None = None
    existed, made = True, False
    try:
        with _cannot_write(target):
            if weights == "external":
                data, offsets, existed = write_data(model, target, progress)
                placed = [place_external(i, data.name, offsets) for i in in_file_order(model.initializers)]
            elif weights == "in-place":
                placed = [place_in_source(i, target.parent) for i in in_file_order(model.initializers)]
            else:
                placed = [place_inline(i) for i in in_file_order(model.initializers)]
            write_model(model, temporary, placed, metadata, progress)
            made = True
        yield Pending(temporary, target, data, stale)
    finally:
        committed = made and not temporary.exists()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if data is not None and not existed and not committed:
            with suppress(OSError):
                data.unlink(missing_ok=True)


@contextmanager
def _cannot_write(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWriteError(
            f"cannot write {target}: {error.strerror or error}", hint="nothing was changed there"
        ) from error


def _data_files(target: Path) -> tuple[Path, ...]:
    """Data files that belong to the model at ``target`` by their name."""
    prefix = target.name + "."
    return tuple(
        path
        for path in target.parent.glob("*.data")
        if path.name.startswith(prefix)
        and len(path.name) == len(prefix) + DIGEST + len(".data")
        and set(path.name[len(prefix) : -len(".data")]) <= set("0123456789abcdef")
    )
