"""The recipes of docs/recipes.md, as they stand there, beside OpenCV 4's Caffe importer.

OpenCV 5 lives in an environment of its own: ``OPENCV5_PYTHON`` names that environment's python.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from caffe_bn_convert.cli import run as command
from tests.docs import blocks
from tests.paths import SHARED, needs_shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

cv2 = pytest.importorskip("cv2", reason="needs OpenCV 4, which has Caffe's importer")
if not hasattr(cv2.dnn, "readNetFromCaffe"):
    pytest.skip("needs OpenCV 4, which has Caffe's importer", allow_module_level=True)

PAGE = "recipes.md"
OPENCV5 = os.environ.get("OPENCV5_PYTHON")
needs_opencv5 = pytest.mark.skipif(OPENCV5 is None, reason="needs OPENCV5_PYTHON, a python that has OpenCV 5")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recipe:
    """A recipe: its folder of the shared models, the names that the page has for the files, what to feed OpenCV 4."""

    name: str
    model: str
    files: tuple[str, str]
    picture: str
    blob: Callable[[Array], Array]
    found: int


def _faces(photo: Array) -> Array:
    return cv2.dnn.blobFromImage(photo, 1.0, (300, 300), (104, 177, 123))


def _codes(photo: Array) -> Array:
    return cv2.dnn.blobFromImage(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), 1 / 255, (384, 384))


RECIPES = [
    Recipe("res10", "res10-ssd-face", ("deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel"), "people", _faces, 2),
    Recipe("wechat", "wechat-qr-detect", ("detect.prototxt", "detect.caffemodel"), "card", _codes, 1),
]  # fmt: skip


@pytest.fixture(params=["drawn", "blank"])
def picture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=RECIPES, ids=lambda recipe: recipe.name)
def recipe(request: pytest.FixtureRequest, picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe whose files lie in the current folder, converted by the page's command."""
    from tests import pictures

    found: Recipe = request.param
    source = SHARED / "models" / found.model
    if not source.is_dir():
        pytest.skip("needs the collection of real models beside the project")
    for here, there in zip(found.files, ("deploy.prototxt", "weights.caffemodel"), strict=True):
        shutil.copy(source / there, tmp_path / here)
    monkeypatch.chdir(tmp_path)
    photo = getattr(pictures, found.picture)() if picture == "drawn" else np.full((333, 444, 3), 127, np.uint8)
    cv2.imwrite("photo.png", photo)
    (line,) = blocks(PAGE, f"sh {found.name}")
    assert command(shlex.split(line)[1:]) == 0
    return found


def expected(recipe: Recipe) -> tuple[Array, Array]:
    """Rows above 0.5 and their boxes in pixels, by OpenCV 4's Caffe importer."""
    photo = cv2.imread("photo.png")
    net = cv2.dnn.readNetFromCaffe(*recipe.files)
    net.setInput(recipe.blob(photo))
    rows = net.forward().reshape(-1, 7)
    rows = rows[rows[:, 2] > 0.5]
    height, width = photo.shape[:2]
    return rows, rows[:, 3:] * np.array([width, height, width, height], np.float32)


def check(rows: Array, boxes: Array, recipe: Recipe, picture: str) -> None:
    wanted, places = expected(recipe)
    assert len(wanted) == (recipe.found if picture == "drawn" else 0)
    assert rows.shape == wanted.shape
    np.testing.assert_array_equal(rows[:, :2], wanted[:, :2])
    # float32 noise of a deep net: 1e-4 of the picture is a twentieth of a pixel
    np.testing.assert_allclose(rows[:, 2:], wanted[:, 2:], atol=1e-4)
    np.testing.assert_allclose(boxes, places, atol=0.06)


@needs_shared
def test_onnxruntime(recipe: Recipe, picture: str) -> None:
    scope: dict[str, Any] = {}
    exec(blocks(PAGE, f"python {recipe.name} onnxruntime")[0], scope)
    check(scope["rows"], scope["boxes"], recipe, picture)


@needs_shared
@needs_opencv5
def test_opencv_5(recipe: Recipe, picture: str) -> None:
    program = blocks(PAGE, f"python {recipe.name} opencv5")[0]
    program += "import json\nprint(json.dumps([cv2.__version__, rows.tolist(), boxes.tolist()]))\n"
    done = subprocess.run([str(OPENCV5), "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, rows, boxes = json.loads(done.stdout)
    assert version.startswith("5.")
    check(np.array(rows).reshape(-1, 7), np.array(boxes).reshape(-1, 4), recipe, picture)


@needs_opencv5
def test_the_error_that_is_quoted() -> None:
    program = "import cv2\ntry:\n    cv2.dnn.readNet('deploy.prototxt', 'weights.caffemodel')\n"
    program += "except cv2.error as error:\n    print(error)\ncv2.dnn.readNetFromCaffe"
    done = subprocess.run([str(OPENCV5), "-c", program], capture_output=True, text=True, check=False)
    assert blocks(PAGE, "text")[0].strip() in done.stdout
    assert "AttributeError: module 'cv2.dnn' has no attribute 'readNetFromCaffe'" in done.stderr
