"""The oracle shares nothing with what it judges."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from caffe_bn_convert.verify import oracle

PACKAGE = Path(oracle.__file__).parent
HERE = "caffe_bn_convert.verify.oracle"
ALLOWED = {"numpy", "caffe_bn_convert.errors"}

# __main__ reads cases from files and hands them to the oracle.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


def imported(node, module):
    """Full names of what one import statement brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    inside = ".".join(module[: len(module) - node.level + 1]) if node.level else ""
    return [".".join(part for part in (inside, node.module) if part)]


def is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def runtime_imports(path):
    package = (*HERE.split("."), *path.relative_to(PACKAGE).parent.parts)
    pending = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imported(node, package)
        pending.extend(child for child in ast.iter_child_nodes(node) if not is_type_checking(child))
        if is_type_checking(node):
            pending.extend(node.orelse)


def is_allowed(name):
    return name in ALLOWED or name.split(".")[0] in sys.stdlib_module_names or f"{name}.".startswith(f"{HERE}.")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path):
    strangers = [name for name in runtime_imports(path) if not is_allowed(name)]
    assert strangers == [], "the oracle imports NumPy, the standard library and our errors only"
    assert not {"importlib", "subprocess", "ctypes"} & set(runtime_imports(path))


def test_the_walk_sees_imports(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    module = inner / "one.py"
    module.write_text(
        "import onnx\nif TYPE_CHECKING:\n    import torch\ndef f():\n    from ....net import build\n    from ..layer import x\n"
    )
    assert sorted(runtime_imports(module)) == ["caffe_bn_convert.net", f"{HERE}.layer", "onnx"]
    assert not is_allowed("caffe_bn_convert.net")
    assert not is_allowed("caffe_bn_convert.verify.oracle_helpers")
