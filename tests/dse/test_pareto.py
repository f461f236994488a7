"""Which designs nothing beats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pimsim.dse.pareto import front, knee

VALUES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(0, 30), st.integers(1, 4)),
    elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan]),
)


def by_definition(values: np.ndarray, directions: tuple[str, ...]) -> list[bool]:
    """Every design against every other, word for word."""

    def better(a: float, b: float, direction: str) -> bool:
        return a < b if direction == "minimize" else a > b

    def dominates(a: np.ndarray, b: np.ndarray) -> bool:
        pairs = list(zip(a, b, directions, strict=True))
        return not any(better(y, x, d) for x, y, d in pairs) and any(
            better(x, y, d) for x, y, d in pairs
        )

    whole = [not np.isnan(row).any() for row in values]
    return [
        whole[i]
        and not any(whole[j] and dominates(values[j], values[i]) for j in range(len(values)))
        for i in range(len(values))
    ]


@given(VALUES, st.integers(0, 15))
def test_the_front_is_the_definition(values, mask):
    directions = tuple("maximize" if mask >> i & 1 else "minimize" for i in range(values.shape[1]))
    assert front(values, directions).tolist() == by_definition(values, directions)


@given(VALUES)
def test_the_knee_is_on_the_front_and_nearest_to_the_best_of_all(values):
    directions = ("minimize",) * values.shape[1]
    on_front, found = front(values, directions), knee(values, directions)
    if found is None:
        assert not on_front.any()
        return
    assert on_front[found]
    best = values[on_front]
    span = best.max(axis=0) - best.min(axis=0)
    span[span == 0] = 1.0
    distance = (((values - best.min(axis=0)) / span) ** 2).sum(axis=1)
    assert distance[found] == distance[on_front].min()


def test_equal_designs_share_the_front_and_a_missing_value_keeps_one_off():
    values = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, np.nan]])
    assert front(values, ("minimize", "minimize")).tolist() == [True, True, False]
    assert knee(values[2:], ("minimize", "minimize")) is None


def test_directions_must_fit_the_columns():
    with pytest.raises(ValueError, match="one direction for each column, got 1"):
        front(np.zeros((2, 2)), ("minimize",))


def test_an_infinite_objective_is_the_best_or_the_worst_and_leaves_the_others_their_scale():
    """A signal-to-noise ratio is infinite where nothing deviates."""
    values = np.array([[np.inf, 9.0], [40.0, 2.0], [30.0, 1.0]])
    assert knee(values, ("maximize", "minimize")) == 1
    assert knee(np.array([[np.inf], [np.inf]]), ("maximize",)) == 0
    assert knee(np.array([[-np.inf, 1.0], [5.0, 0.0]]), ("maximize", "minimize")) == 1
