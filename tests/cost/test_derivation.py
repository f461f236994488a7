"""What is printed of a number is the computation that gave it."""

import pickle

import pytest

from pimsim.cost.derivation import SHOWN_TERMS, derivation, quantity
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, apply, exact, largest, setting, smallest, sqrt, total
from pimsim.records import Source
from pimsim.units import UNIT_SUFFIXES, UNIT_SYMBOLS

GUESS = Source("us", "guess", "assumed")


def formula(number, name="result"):
    found = derivation(number, name).result
    return found.formula, found.numbers


A, B, C = setting("a", 2.0), setting("b", 3.0), setting("c", 4.0)


@pytest.mark.parametrize(
    ("number", "names", "numbers"),
    [
        (A + B * C, "a + b · c", "2 + 3 · 4"),
        ((A + B) * C, "(a + b) · c", "(2 + 3) · 4"),
        (A - (B - C), "a − (b − c)", "2 − (3 − 4)"),
        (A - B - C, "a − b − c", "2 − 3 − 4"),
        (A / (B * C), "a / (b · c)", "2 / (3 · 4)"),
        (A / (B / C), "a / (b / c)", "2 / (3 / 4)"),
        (A / B / C, "a / b / c", "2 / 3 / 4"),
        (A * (B / C), "a · b / c", "2 · 3 / 4"),
        ((A * B) ** 2.0, "(a · b)^2", "(2 · 3)^2"),
        (2.0 * A, "2 · a", "2 · 2"),
        (1.0 / A, "1 / a", "1 / 2"),
        (1.0 - A, "1 − a", "1 − 2"),
        (1.0 + A, "1 + a", "1 + 2"),
        (sqrt(A * B), "sqrt(a · b)", "sqrt(2 · 3)"),
        (largest(A, B, 1.0), "max(a, b, 1)", "max(2, 3, 1)"),
        (smallest(A, B), "min(a, b)", "min(2, 3)"),
        (apply("f", lambda one, two: one + two, A, 5.0), "f(a, 5)", "f(2, 5)"),
    ],
)
def test_parentheses_stand_where_they_change_the_value(number, names, numbers):
    assert formula(number) == (names, numbers)


def test_a_factor_and_an_exponent_of_one_are_not_shown():
    assert formula(A * 1.0 * Sourced(1.0))[0] == "a"
    assert formula(B**1.0)[0] == "b"


def test_the_formula_in_numbers_gives_the_value():
    number = (A + B) * C / (B - A) + A**B
    text = formula(number)[1].replace("·", "*").replace("−", "-").replace("^", "**")
    assert eval(text) == number.value  # noqa: S307  # the text is ours


def test_named_numbers_become_steps_once_and_in_order():
    side = (A * B).named("side_um")
    found = derivation(side * side + side * C, "area_um2")
    assert [step.name for step in found.steps] == ["area_um2", "side_um"]
    assert found.result.formula == "side_um · side_um + side_um · c"
    assert found.result.numbers == "6 µm · 6 µm + 6 µm · 4"
    assert [leaf.name for leaf in found.inputs] == ["c", "a", "b"]


def test_a_number_that_its_model_has_named_keeps_the_name():
    found = derivation((A * B).named("energy_pj", note="paper, eq. 1"), "convert")
    assert (found.result.name, found.result.note) == ("energy_pj", "paper, eq. 1")
    assert derivation((A * B).named("x").named("x"), "y").result.formula == "a · b"


def test_two_numbers_of_one_name_are_told_apart():
    low, high = (A * 1e-3).named("ratio(1)"), (B * 1e-3).named("ratio(1)")
    found = derivation(low + high, "sum")
    assert found.result.formula == "ratio(1) + ratio(1) [2]"
    assert {step.name: step.value for step in found.steps}["ratio(1) [2]"] == high.value


def test_equal_terms_of_a_sum_are_shown_once():
    """An adder over rows adds the same term a thousand times."""
    assert formula(total([A * B] * 1000 + [C])) == ("1000 · a · b + c", "1000 · 2 · 3 + 4")


def test_of_very_many_different_terms_the_first_ones_are_shown_and_the_rest_summed_up():
    terms = [setting(f"t{index}", index + 1.0) for index in range(100)]
    names, numbers = formula(total(terms))
    assert names.startswith("t0 + t1 + ")
    assert names.endswith(f"+ ({100 - SHOWN_TERMS} more terms)")
    assert numbers.endswith(f"+ {sum(range(SHOWN_TERMS + 1, 101))}")


def test_sums_that_models_add_up_one_by_one_are_one_sum():
    number = Sourced(0.0)
    for term in (A, B, C):
        number = number + term
    assert formula(number)[0] == "a + b + c"


def test_inputs_tell_kind_place_and_source():
    found = derivation(constant("digital", "add_int32_energy_pj") * A * exact("rows", 8), "energy")
    one, two, three = found.inputs
    assert (one.name, one.value, one.unit, one.kind) == (
        "add_int32_energy_pj", 0.1, "pj", "published",
    )  # fmt: skip
    assert (one.place, one.sources[0].citation_key) == ("digital.csv", "horowitz2014")
    assert (two.kind, two.sources, three.kind) == ("setting", (), "exact")


def test_a_number_given_without_its_formula_is_an_input_with_its_sources():
    found = derivation(Sourced(2.0, (GUESS,)) * A, "x")
    assert found.inputs[0].sources == (GUESS,)
    assert found.inputs[0].kind == "assumed"


def test_a_derivation_survives_pickling():
    number = (constant("digital", "add_int32_energy_pj") * A).named("energy_pj")
    again = pickle.loads(pickle.dumps(number))  # noqa: S301  # our own bytes
    assert again == number
    assert derivation(again, "x") == derivation(number, "x")


def test_every_unit_has_a_symbol():
    assert set(UNIT_SYMBOLS) == UNIT_SUFFIXES


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.5, "pj", "0.5 pJ"), (1e-9, "mw", "1e-09 mW"), (3.0, "", "3"), (0.25, "ratio", "0.25")],
)
def test_a_quantity_is_written_with_its_symbol(value, unit, text):
    assert quantity(value, unit) == text
