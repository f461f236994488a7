"""How often cells are programmed, and how long they last."""

import pytest

from pimsim.mapping import endurance_years, map_workload, programmings_per_inference
from tests.mapping.graphs import MEMORY, REPROGRAM, chip
from tests.mapping.test_capacity import layers

YEAR_S = 31_557_600


def mapped_in_rounds(count: int, macros: int, **reprogram: int):
    found = {**REPROGRAM, **reprogram}
    architecture = chip(
        macros={"mram": macros}, memory=MEMORY, reprogram=found, time_multiplex=True
    )
    return map_workload(layers(count), architecture, {})


def test_the_busiest_macro_counts():
    """3 matrices of 4 macros on 5 macros: one a round, always on the first four."""
    mapped = mapped_in_rounds(3, 5)
    assert mapped.rounds == 3
    assert programmings_per_inference(mapped) == {"mram": 3}
    assert endurance_years(mapped, 2.0) == {"mram": 333 / 2.0 / YEAR_S}
    (note,) = mapped.notes
    assert note == (
        "'mram' macros are programmed up to 3 times per inference; their cells last for 333 "
        "inferences"
    )


def test_resident_weights_wear_nothing():
    mapped = mapped_in_rounds(1, 8)
    assert programmings_per_inference(mapped) == {}
    assert endurance_years(mapped, 1.0) == {}


def test_unlimited_endurance_has_no_end():
    mapped = mapped_in_rounds(2, 4, endurance_cycles=None)
    assert endurance_years(mapped, 1.0) == {}
    assert "sets no limit to that" in mapped.notes[0]


def test_a_rate_must_be_positive():
    with pytest.raises(ValueError, match="inferences_per_s must be positive, got 0"):
        endurance_years(mapped_in_rounds(2, 4), 0.0)
