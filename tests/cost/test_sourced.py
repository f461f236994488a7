import pytest

from pimsim.cost.sourced import (
    KINDS_FROM_BEST,
    Sourced,
    ceil,
    exp,
    largest,
    log,
    log2,
    setting,
    smallest,
    sqrt,
    total,
    unit_of,
    weakest,
)
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


def test_how_a_number_was_computed_is_not_compared():
    one, other = Sourced(6.0), setting("a", 2.0) * setting("b", 3.0)
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)


def test_numbers_may_stand_on_either_side():
    x = Sourced(4.0, (MEASURED,))
    for result, value in (
        (2.0 * x, 8.0), (x * 2.0, 8.0), (2.0 / x, 0.5), (x / 2.0, 2.0), (1.0 - x, -3.0),
        (x - 1.0, 3.0), (1.0 + x, 5.0), (x + 1.0, 5.0), (x**0.5, 2.0), (sum([x, x]), 8.0),
    ):  # fmt: skip
        assert (result.value, result.sources) == (value, (MEASURED,))


def test_functions_unite_the_sources_of_their_arguments():
    found = largest(Sourced(1.0, (MEASURED,)), Sourced(2.0, (ASSUMED,)), 0.5)
    assert (found.value, found.sources) == (2.0, (MEASURED, ASSUMED))
    assert [f(Sourced(4.0)).value for f in (sqrt, log2)] == [2.0, 2.0]
    assert exp(log(Sourced(3.0))).value == pytest.approx(3.0)
    assert ceil(Sourced(2.25)).value == 3.0
    assert smallest(Sourced(2.0), 1.0).value == 1.0


def test_a_long_sum_is_what_adding_one_by_one_gives():
    terms = [Sourced(0.1 * index, (MEASURED if index % 2 else ASSUMED,)) for index in range(50)]
    one_by_one = Sourced(0.0)
    for term in terms:
        one_by_one = one_by_one + term
    assert total(terms) == one_by_one


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("energy_pj", "pj"),
        ("macros.mram.read_time_ns", "ns"),
        ("tops_per_mm2", "tops_per_mm2"),
        ("energy_ratio(45 nm at 0.9 V, 28 nm)", "ratio"),
        ("rows", ""),
        ("cell.bits", "bits"),
    ],
)
def test_the_unit_is_the_end_of_the_name(name, unit):
    assert unit_of(name) == unit
    assert Sourced(1.0).named(name).origin.unit == unit
    assert setting(name, 1.0).origin.unit == unit
