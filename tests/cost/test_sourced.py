import pytest

from pimsim.cost.sourced import KINDS_FROM_BEST, Sourced, total, weakest
from pimsim.records import Source

MEASURED = Source("chip", "Fig. 1", "measured")
ASSUMED = Source("us", "guess", "assumed")


def test_a_product_is_known_as_badly_as_its_worst_factor():
    product = Sourced(2.0, (MEASURED,)) * Sourced(3.0, (ASSUMED,))
    assert product.value == 6.0
    assert product.kind == "assumed"
    assert product.sources == (MEASURED, ASSUMED)


def test_sources_are_kept_once():
    square = Sourced(2.0, (MEASURED,)) * Sourced(2.0, (MEASURED,))
    assert square.sources == (MEASURED,)


def test_a_term_of_zero_brings_no_sources():
    kept = Sourced(1.0, (MEASURED,)) + Sourced(0.0, (ASSUMED,))
    assert kept.kind == "measured"
    assert (Sourced(0.0, (ASSUMED,)) + Sourced(1.0, (MEASURED,))).kind == "measured"


def test_division_and_scaling_by_numbers_keep_sources():
    half = Sourced(3.0, (MEASURED,)) / 2.0
    assert (half.value, half.sources) == (1.5, (MEASURED,))
    assert (Sourced(3.0, (MEASURED,)) / Sourced(2.0, (ASSUMED,))).kind == "assumed"


@pytest.mark.parametrize("kind", KINDS_FROM_BEST)
def test_weakest_of_one_is_itself(kind):
    assert weakest([Source("a", "b", kind)]) == kind


def test_nothing_known_is_an_assumption():
    assert weakest([]) == "assumed"
    assert total([]) == Sourced(0.0)
