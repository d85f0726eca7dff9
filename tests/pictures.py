"""Pictures for detectors, drawn: nobody's photograph, but shaded, blurred and noisy like one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

Picture = np.ndarray[Any, np.dtype[np.uint8]]


def people(height: int = 420, width: int = 560) -> Picture:
    """Two faces before a wall, blue-green-red."""
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    picture = np.stack([120 + 60 * down + 0 * across, 130 + 40 * across + 0 * down, 160 - 50 * down + 0 * across], 2)
    picture = np.ascontiguousarray(picture.astype(np.uint8))
    _person(picture, (170, 170), 90)
    _person(picture, (400, 210), 70)
    return _photographed(picture, 1.5)


def _person(picture: Picture, at: tuple[int, int], size: int) -> None:
    def ellipse(x: float, y: float, a: float, b: float, colour: tuple[int, int, int], *, arc: Any = None) -> None:
        centre = at[0] + int(x * size), at[1] + int(y * size)
        start, end = arc or (0, 360)
        thickness = max(1, int(0.055 * size)) if arc else -1
        cv2.ellipse(picture, centre, (int(a * size), int(b * size)), 0, start, end, colour, thickness)

    ellipse(0, 2.0, 1.5, 1.0, (90, 60, 40))
    ellipse(0, 1.0, 0.3, 0.4, (120, 150, 200))
    ellipse(0, -0.12, 0.85, 1.12, (30, 40, 60))
    ellipse(0, 0, 0.75, 1.0, (140, 170, 220))
    for side in (-1, 1):
        ellipse(side * 0.32, -0.18, 0.14, 0.08, (245, 245, 245))
        ellipse(side * 0.32, -0.18, 0.07, 0.07, (50, 40, 30))
        ellipse(side * 0.32, -0.36, 0.2, 0.06, (40, 50, 70), arc=(0, 180))
    ellipse(0, 0.22, 0.14, 0.07, (100, 125, 175), arc=(0, 180))
    ellipse(0, 0.45, 0.3, 0.12, (80, 80, 190))


def card(height: int = 480, width: int = 600) -> Picture:
    """A card with a QR code, held askew; grey."""
    code = cv2.QRCodeEncoder.create().encode("from Caffe to ONNX")
    code = np.pad(cv2.resize(code, (210, 210), interpolation=cv2.INTER_NEAREST), 20, constant_values=255)
    askew = np.array([[1, 0.12, 180], [-0.08, 1, 150]], np.float32)
    wall = np.broadcast_to(np.linspace(90, 170, width), (height, width)).astype(np.uint8)
    there = cv2.warpAffine(np.full_like(code, 255), askew, (width, height))
    return _photographed(np.where(there > 0, cv2.warpAffine(code, askew, (width, height)), wall), 1.2)


def _photographed(picture: Picture, blur: float) -> Picture:
    soft = cv2.GaussianBlur(picture, (0, 0), blur)
    noise = np.random.default_rng(3).normal(0, 4, picture.shape)
    return np.clip(soft + noise, 0, 255).astype(np.uint8)
