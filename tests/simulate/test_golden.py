"""A default result moves only on purpose: then ``python -m tests.simulate.make_golden``."""

import json

import pytest

from tests.simulate.make_golden import GOLDEN, metrics

VALUE_DEPENDENT = ("saturations", "conducting_cells")


def test_an_integer_chip_gives_equal_counts_on_every_machine():
    """Integers exactly, energies and areas to 1e-9; a change needs a line in CHANGELOG.md."""
    stored, found = json.loads(GOLDEN.read_text())["rap"], metrics("rap")
    for name in ("counts", "latency_ps", "integer_ratio", "analog_ratio"):
        assert found[name] == stored[name]
    for name in ("energy_uj", "area_mm2"):
        assert found[name] == pytest.approx(stored[name], rel=1e-9)


def test_a_chip_with_floating_units_gives_nearly_equal_counts():
    """Single-precision functions may round otherwise elsewhere, and a few codes with them."""
    stored, found = json.loads(GOLDEN.read_text())["conventional"], metrics("conventional")
    for op, counts in stored["counts"].items():
        for name, count in counts.items():
            tolerance = 1e-2 * count + 20 if name in VALUE_DEPENDENT else 0
            assert abs(found["counts"][op][name] - count) <= tolerance
    assert found["latency_ps"] == stored["latency_ps"]
    assert found["energy_uj"] == pytest.approx(stored["energy_uj"], rel=1e-3)
    assert found["area_mm2"] == pytest.approx(stored["area_mm2"], rel=1e-9)
