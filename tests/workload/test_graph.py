"""A workload's own small questions."""

from dataclasses import replace

import pytest

from pimsim.errors import WorkloadError
from pimsim.workload.graph import MOVEMENT_KINDS, OP_KINDS, PRODUCT_KINDS, Workload


def test_movements_and_products_are_disjoint_parts_of_the_kinds() -> None:
    assert MOVEMENT_KINDS.isdisjoint(PRODUCT_KINDS)
    assert MOVEMENT_KINDS | PRODUCT_KINDS < OP_KINDS


def test_dimensions_take_what_is_asked_or_their_smallest_value(tiny: Workload) -> None:
    assert tiny.bind() == {"batch": 1}
    assert tiny.bind(batch=64) == {"batch": 64}
    with pytest.raises(WorkloadError, match="'tiny' has no dimension 'bach'; did you mean 'batch'"):
        tiny.bind(bach=2)
    with pytest.raises(WorkloadError, match="batch = 65 is outside 1 to 64, what the trace allows"):
        tiny.bind(batch=65)


def test_a_workload_is_shape_only_when_a_stored_value_is_missing(tiny: Workload) -> None:
    assert tiny.stored == ("fc.weight", "fc.bias")
    assert not tiny.shape_only
    assert replace(tiny, weights={}).shape_only
    assert replace(tiny, weights={"fc.bias": tiny.weights["fc.bias"]}).shape_only


def test_the_count_of_samples_is_that_of_the_evaluation_inputs(tiny: Workload) -> None:
    assert tiny.samples is not None
    assert tiny.samples.count == 5
    assert replace(tiny.samples, evaluation={}).count == 0
