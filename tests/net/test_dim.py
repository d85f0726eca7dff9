"""Symbols must compute like the numbers that they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.net.dim import Symbol, ceil_div, divide, evaluate, fixed, show, volume

H, W = Symbol.named("H"), Symbol.named("W")
NUMBERS = st.integers(-9, 9)


@given(a=NUMBERS, b=NUMBERS, c=NUMBERS, h=st.integers(1, 50), w=st.integers(1, 50))
def test_polynomials_evaluate_like_numbers(a, b, c, h, w):
    symbolic = (H * a + b) * (W + c) - H * W
    assert evaluate(symbolic, {"H": h, "W": w}) == (h * a + b) * (w + c) - h * w


@given(a=st.integers(1, 9), b=NUMBERS, h=st.integers(1, 50))
def test_exact_division_undoes_multiplication(a, b, h):
    product = (H + b) * a
    assert divide(product, a) == H + b
    assert evaluate(product // a, {"H": h}) == h + b


def test_equal_sizes_are_equal_however_they_were_computed():
    assert H + 1 + H == 2 * H + 1
    assert H - H == 0
    assert (H * W) // H == W
    assert str(ceil_div(H, 2)) == "floor((H + 1)/2)"
    assert ceil_div(7, 2) == 4
    assert hash(H + W) == hash(W + H)


def test_a_symbol_is_no_number():
    for use in (lambda: H < 3, lambda: H <= 3, lambda: int(H), lambda: [0][H], lambda: fixed((2, H))):
        with pytest.raises(UnsupportedError, match="dynamic: H"):
            use()


def test_shapes_in_words():
    assert show((2, H + 1, 7)) == "2x(H + 1)x7"
    assert show(()) == "scalar"
    assert volume((2, H, 3)) == 6 * H
