"""Tensors that are made from the dimensions alone."""

import math
from typing import Any

import numpy as np
import pytest

from pimsim.workload.graph import SOURCE_KINDS, Op
from pimsim.workload.reference import execute
from pimsim.workload.reference.sources import SOURCES


def op(kind: str, **attributes: Any) -> Op:
    return Op("layer", kind, (), ("y",), attributes)


def test_every_source_has_its_function() -> None:
    assert SOURCES.keys() == SOURCE_KINDS


@pytest.mark.parametrize(
    ("start", "stop", "step", "expected"),
    [
        (0, "seq", 1, [0, 1, 2, 3, 4]),
        ("seq - 1", "seq", 1, [4]),
        ("0 - seq", 0, 2, [-5, -3, -1]),
        (3, "0 - 1", -1, [3, 2, 1, 0]),
    ],
)
def test_arange_counts_in_integers(start: Any, stop: Any, step: Any, expected: list[int]) -> None:
    y = execute(op("arange", start=start, stop=stop, step=step), [], {"seq": 5})
    assert y.dtype == np.int64
    assert y.tolist() == expected


def test_arange_is_rounded_once() -> None:
    """Each value is formed in double precision: steps of 0.1 do not add their errors up."""
    y = execute(op("arange", start=0.0, stop=100.0, step=0.1), [], {})
    assert y.dtype == np.float32
    assert len(y) == 1000
    assert y[-1] == np.float32(99.9)
    assert execute(op("arange", start=0, stop=3, step=1), [], {}, "float32").dtype == np.float32


def test_full_repeats_one_value_without_storing_it_repeatedly() -> None:
    y = execute(op("full", shape=("seq", 1000, 1000), value=-math.inf), [], {"seq": 1000})
    assert y.shape == (1000, 1000, 1000)
    assert y.dtype == np.float32
    assert y[7, 8, 9] == -math.inf
    assert y.strides == (0, 0, 0)


@pytest.mark.parametrize(
    ("value", "dtype"), [(True, np.bool_), (2, np.int64), ("seq - 5", np.int64), (0.5, np.float32)]
)
def test_the_value_decides_the_type_unless_one_is_declared(value: Any, dtype: Any) -> None:
    assert execute(op("full", shape=(), value=value), [], {"seq": 5}).dtype == dtype
    assert execute(op("full", shape=(2,), value=value), [], {"seq": 5}, "float32").dtype == (
        np.float32
    )
