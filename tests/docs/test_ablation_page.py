"""The page on the ablation says what its tables hold, and these come from the shipped sweeps."""

import csv
import itertools
import runpy
from pathlib import Path

import pytest

from pimsim.config import load_architecture
from pimsim.dse.metrics import metrics
from pimsim.dse.points import designs
from pimsim.dse.sweep_file import load_sweep
from pimsim.simulate import Simulator

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_ablation.py"))


def rows(name):
    with (ROOT / "docs" / "data" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_is_current():
    """If this fails: python scripts/make_ablation.py."""
    page = (ROOT / "docs" / "ablation.md").read_text()
    assert SCRIPT["page"](page) == page


@pytest.mark.parametrize(("name", "count"), [("rap_ablation", 24), ("rap_ablation_corners", 72)])
def test_every_design_of_the_sweeps_is_a_valid_chip(name, count):
    sweep = load_sweep(name)
    chosen = list(designs(sweep))
    assert len(chosen) == count
    for design in chosen:
        overrides = (*sweep.fixed, *design.overrides)
        load_architecture(sweep.architecture_path, overrides=overrides)


def test_the_tables_have_every_design_once():
    nominal = [tuple(row[axis] for axis in SCRIPT["AXES"]) for row in rows("ablation.csv")]
    labels = [[one.label for one in axis.settings] for axis in load_sweep("rap_ablation").axes]
    assert nominal == [*itertools.product(*labels), ("conventional",) * 4]
    corners = load_sweep("rap_ablation_corners").axes
    found = [tuple(row[axis.name] for axis in corners) for row in rows("ablation_corners.csv")]
    assert found == list(
        itertools.product(*([one.label for one in axis.settings] for axis in corners))
    )


def test_the_chip_with_every_technique_is_the_reference_chip():
    """No option of the first design changes a key; only the dataflow is that of all designs."""
    sweep = load_sweep("rap_ablation")
    assert next(iter(designs(sweep))).overrides == ()
    assert list(sweep.file.overrides) == ["mapping.dataflow"]


def test_the_sweeps_span_the_same_designs():
    assert load_sweep("rap_ablation").axes == load_sweep("rap_ablation_corners").axes[:-1]


@pytest.mark.slow
@pytest.mark.parametrize("cell", [("bitsift", "few", "emsb_q", "vdr"),
                                  ("dense", "few", "dqq", "ibert")])  # fmt: skip
def test_two_designs_come_out_as_the_table_says(cell):
    """If this fails, numbers have moved: python scripts/make_ablation.py FOLDER."""
    sweep = load_sweep("rap_ablation")
    design = next(
        one for one in designs(sweep) if tuple(part.label for part in one.settings) == cell
    )
    overrides = (*sweep.fixed, *design.overrides)
    architecture = load_architecture(sweep.architecture_path, overrides=overrides)
    simulator = Simulator("vit_digits", samples=sweep.file.samples, chips=sweep.file.chips)
    found = metrics(simulator.run(architecture, baselines=False))
    row = next(row for row in rows("ablation.csv") if tuple(row[a] for a in SCRIPT["AXES"]) == cell)
    for metric in SCRIPT["METRICS"]:
        assert found[metric] == pytest.approx(float(row[metric]), rel=1e-5)
