"""Who reads a tensor in the end, and which tensors share codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.quantization.encodings import (
    code,
    connected_by_movement,
    consumers,
    feeds_only_products,
    final_readers,
)
from pimsim.quantization.quantized import Encoding
from tests.quantization.traced import Traced


def test_readers_are_found_behind_movement_and_factors():
    traced = Traced()
    x = traced.input("x", 2, 3)
    half = traced.op("half", "mul", traced.op("turn", "permute", x, axes=(0, 2, 1)), scalar=0.5)
    third = traced.op("third", "mul", half, scalar=1 / 3)
    outputs = [traced.linear("line", half, 4), traced.op("soft", "softmax", third, axis=-1)]
    workload = traced.build(*outputs, third)
    found = final_readers(workload, consumers(workload), "x")
    readers = {None if op is None else op.name: factor for op, factor in found}
    assert readers == {"line": 0.5, "soft": pytest.approx(1 / 6), None: pytest.approx(1 / 6)}
    assert not feeds_only_products(found)
    assert feeds_only_products([one for one in found if one[0] and one[0].name == "line"])
    assert not feeds_only_products([])


def test_movement_connects_both_ways_and_stored_tensors_connect_nothing():
    traced = Traced()
    a, b, token = traced.input("a", 2, 3), traced.input("b", 2, 3), traced.random("t", 1, 1, 3)
    rows = [traced.op(f"{n}.token", "expand", token, shape=("batch", 1, 3)) for n in "ab"]
    joined = traced.op("join", "cat", rows[0], a, axis=1)
    other = traced.op("other", "cat", rows[1], b, axis=1)
    part = traced.op("part", "slice", a, axis=1, start=0, stop=1, step=1)
    half = traced.op("half", "mul", a, scalar=0.5)
    groups = connected_by_movement(traced.build(joined, other, part, half))
    assert groups["a"] == ("a", "a.token:out", "join:out", "part:out")
    assert groups["part:out"] == groups["join:out"] == groups["a"]
    assert groups["b"] == ("b", "b.token:out", "other:out")
    assert groups["half:out"] == ("half:out",)
    assert "t" not in groups


@given(st.integers(2, 32), st.floats(1e-6, 1e3), st.integers(0, 2**32 - 1))
def test_codes_round_and_saturate_symmetrically(bits, scale, seed):
    limit = 2 ** (bits - 1) - 1
    real = np.random.default_rng(seed).uniform(-1.5, 1.5, 50) * limit * scale
    codes = code(real, Encoding(bits, "integer", scale))
    assert codes.dtype == {True: np.int8}.get(bits <= 8, np.int16 if bits <= 16 else np.int32)
    inside = np.abs(real) <= limit * scale
    assert np.all(np.abs(codes[inside] * scale - real[inside]) <= scale / 2 * (1 + 1e-9))
    assert np.array_equal(codes[~inside], np.sign(real[~inside]) * limit)


def test_floating_point_is_not_coded():
    assert code(np.array([1.5]), Encoding(32, "float", None)).dtype == np.float32
