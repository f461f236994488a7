"""The script that scores schemes on any workload."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from pimsim.config import workload_path
from pimsim.workload.files import load

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        return runpy.run_path(str(SCRIPTS / "scheme_accuracy.py"))


def test_batches_cover_all_samples_once(script):
    workload = load(workload_path("vit_digits"))
    samples = workload.samples.evaluation["image"]
    parts = script["batches"](workload, [samples])
    assert np.array_equal(np.concatenate([samples[part] for part in parts]), samples)


def test_scores_are_those_of_the_bundled_table(script):
    scorer = script["Scorer"](load(workload_path("vit_digits")), 60)
    row = ("rap_int8", "qrazor_w4a4", ("numerics.group=16",))
    table = runpy.run_path(str(SCRIPTS / "scheme_table.py"))
    (expected,) = table["scored"](scorer.workload, [row], 60)
    assert scorer.score(row) == expected
    line = script["line"](row, expected)
    assert line.startswith("| `qrazor_w4a4` | group=16 | ")


def test_both_chips_get_the_units_that_decoders_need(script):
    rows = {row[0]: row for row in script["ROWS"]}
    assert set(rows) == {"conventional", "rap_int8"}
    for row in rows.values():
        units = script["chip"](row).units
        assert None not in (units.rms_norm, units.silu, units.rotary)
