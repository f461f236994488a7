"""Writing operands into cells that wear out: time, energy and years, from the counts of a run."""

import re

import pytest

from pimsim.simulate import simulate

ALLOWED = (
    "macros.sram.crossbar.cell.model=reram",
    "macros.sram.write.allow_nonvolatile=true",
    "macros.sram.write.endurance_cycles=1000000",
    "macros.sram.write.cycle_time_ns=1000.0",
)


@pytest.fixture(scope="module")
def result():
    return simulate("rap", "vit_digits", samples=1, chips=1, compare=(), overrides=ALLOWED)


def test_a_run_says_how_long_the_cells_last(result):
    (note,) = [note for note in result.notes if note.startswith("operands are written")]
    found = re.fullmatch(
        r"operands are written into reram cells of macros.sram, (?P<us>\S+) µs and (?P<uj>\S+) µJ "
        r"per inference; a cell is written (?P<times>\S+) times per inference and survives 1e\+06 "
        r"writings: (?P<years>\S+) years of inferences without a pause",
        note,
    )
    assert found is not None, note
    assert float(found["times"]) == 1.0
    years = 1e6 * result.latency_us / 1e6 / (365.25 * 24 * 3600)
    assert float(found["years"]) == pytest.approx(years, rel=0.05)
    assert float(found["uj"]) == pytest.approx(result.energy_breakdown_uj["sram.write"], rel=1e-3)


def test_the_time_is_that_of_the_row_writes(result):
    (note,) = [note for note in result.notes if note.startswith("operands are written")]
    written_us = float(note.split("macros.sram, ")[1].split(" ")[0])
    line = result.timeline
    kinds = [line.resource_classes[index] == "write" for index in line.resource]
    assert written_us == pytest.approx((line.end_ps - line.start_ps)[kinds].sum() / 1e6, rel=1e-3)


def test_other_chips_get_no_such_note():
    result = simulate("isaac", "vit_digits", samples=1, chips=1, compare=())
    assert not any("written into" in note for note in result.notes)
