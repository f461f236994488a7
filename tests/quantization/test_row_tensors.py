"""Numbers of rows follow their rows through views and permutations."""

import numpy as np
import pytest

from pimsim.errors import QuantizationError
from pimsim.quantization.row_tensors import RowTensor
from pimsim.workload.graph import Op

DIMS = {"batch": 2, "seq": 3}


def movement(kind, **attributes):
    return Op(kind, kind, ("x",), ("y",), attributes)


SPLIT = movement("view", shape=("batch", "seq", 2, 4))
TURN = movement("permute", axes=(0, 2, 1, 3))


def test_splitting_into_heads_repeats_a_tokens_number():
    rows = RowTensor("t", ("batch", "seq", 8))
    numbers = np.arange(6).reshape(2, 3, 1)
    assert rows.aligned(numbers, DIMS) is numbers
    heads = rows.moved(SPLIT, DIMS).moved(TURN, DIMS)
    aligned = heads.aligned(numbers, DIMS)
    assert aligned.shape == (2, 2, 3, 1)
    for head in range(2):
        assert np.array_equal(aligned[:, head], numbers)


def test_it_works_at_any_length():
    heads = RowTensor("t", ("batch", "seq", 8)).moved(SPLIT, DIMS).moved(TURN, DIMS)
    numbers = np.arange(5 * 7).reshape(5, 7, 1)
    assert heads.aligned(numbers, {"batch": 5, "seq": 7}).shape == (5, 2, 7, 1)


@pytest.mark.parametrize(
    "op",
    [movement("permute", axes=(0, 2, 1)), movement("view", shape=("batch", 4, 6))],
    ids=lambda op: op.kind,
)
def test_movement_that_mixes_tokens_is_refused(op):
    with pytest.raises(QuantizationError, match=f"movement '{op.kind}' mixes rows"):
        RowTensor("t", ("batch", "seq", 8)).moved(op, DIMS)


def test_picking_a_token_keeps_its_number():
    first = RowTensor("t", ("batch", "seq", 8)).moved(movement("select", axis=1, index=0), DIMS)
    numbers = np.arange(6).reshape(2, 3, 1)
    assert first.aligned(numbers, DIMS).tolist() == [[0], [3]]


def test_picking_by_computed_indices_is_refused():
    gather = Op("pick", "gather", ("x", "which"), ("y",), {"axis": 1})
    with pytest.raises(QuantizationError, match="movement 'pick' picks by computed indices"):
        RowTensor("t", ("batch", "seq", 8)).moved(gather, DIMS)
