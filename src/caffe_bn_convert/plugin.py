"""Layer types of the user's own, from a Python file that the user names.

A plug-in is a module in the form of our own families: it ends in ``LAYERS``, a dict from Caffe's type to a class that
derives from :class:`~caffe_bn_convert.layers.base.Layer`, and may have ``ORACLE``, a dict from type to a NumPy rule, by
which the types are verified. It is code, and runs because somebody typed its name: nothing in a model file leads here.
docs/custom-layers.md walks through one.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UsageError, Where, at
from caffe_bn_convert.layers.base import Layer

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import ModuleType

    from caffe_bn_convert.verify.oracle.layer import Rule

EXAMPLE = "docs/custom-layers.md walks through a plug-in"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What plug-ins bring.

    Attributes:
        layers: for the conversion, by Caffe's type; put them after ours: ``LAYERS | plugin.layers``.
        oracle: for the verification, by Caffe's type.
    """

    layers: dict[str, type[Layer]]
    oracle: dict[str, Rule]


def load(paths: Iterable[str | os.PathLike[str]]) -> Plugin:
    """Import the files and join what they have; of two that know a type the later one wins.

    Raises:
        UsageError: a file is not there, does not run, or has not the form of a plug-in.
    """
    layers: dict[str, type[Layer]] = {}
    oracle: dict[str, Rule] = {}
    for path in paths:
        with at(Where(file=str(path))):
            module = _imported(Path(path))
            layers |= _table(module, "LAYERS", _layer_fault)
            if hasattr(module, "ORACLE"):
                oracle |= _table(module, "ORACLE", _rule_fault)
    return Plugin(layers, oracle)


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError("there is no such plug-in file", hint="--plugin takes the path of a Python file")
    # A module of its own name per file; dataclasses look their module up in sys.modules.
    name = f"caffe_bn_convert_plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    loader = SourceFileLoader(name, str(path))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _does_not_run(path, error) from error
    return module


def _does_not_run(path: Path, error: Exception) -> UsageError:
    """The error with the line of the plug-in that it comes from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    what = f"the plug-in does not run: {type(error).__name__}: {error}"
    return UsageError(what, hint="mend it, or leave --plugin out", where=Where(line=line))


def _table(module: ModuleType, name: str, fault: Any) -> dict[str, Any]:
    table = getattr(module, name, None)
    if not isinstance(table, dict):
        raise UsageError(f'a plug-in ends in {name} = {{"Type": …}}, this one has no such dict', hint=EXAMPLE)
    for key, value in table.items():
        wrong = "the key is no string" if not isinstance(key, str) else fault(value)
        if wrong:
            raise UsageError(f"{name}[{key!r}]: {wrong}", hint=EXAMPLE)
    return table


def _layer_fault(value: object) -> str | None:
    if not (isinstance(value, type) and issubclass(value, Layer)):
        return f"{value!r} is no class that derives from caffe_bn_convert.layers.base.Layer"
    if value.emit is Layer.emit:
        return f"{value.__name__} does not say how to `emit` it"
    return None


def _rule_fault(value: object) -> str | None:
    return None if callable(value) else f"{value!r} is no function (layer, bottoms, blobs) -> tops"
