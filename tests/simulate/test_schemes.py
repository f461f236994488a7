"""Every numerics scheme through all passes, and how right the answers are."""

import runpy
from pathlib import Path

import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.simulate import simulate
from pimsim.workload.files import load

ROOT = Path(__file__).resolve().parents[2]
TABLE = runpy.run_path(str(ROOT / "scripts" / "scheme_table.py"))
GROUPED = ("qrazor_w4a4", "qrazor_w4a8", "qrazor_w4a4kv4", "quartz_w4a4")


def run(scheme: str):
    architecture = load_architecture("rap_int8", overrides=[f"numerics.scheme={scheme}"])
    return simulate(architecture, "vit_digits", samples=1, chips=1, compare=())


@pytest.fixture(scope="module")
def eight_bits():
    return run("int8_dyadic")


@pytest.mark.parametrize("scheme", ["int4", *GROUPED])
def test_a_scheme_runs_through_every_pass_and_costs_less_than_eight_bits(scheme, eight_bits):
    """The run itself compares the reads of both passes and the bits moved of three."""
    result = run(scheme)
    assert result.scheme == scheme
    assert result.energy_uj < eight_bits.energy_uj
    assert result.cells_ratio < 0.6 * eight_bits.cells_ratio
    if scheme != "qrazor_w4a8":
        assert result.latency_us < 0.6 * eight_bits.latency_us
    widths = {width for op in result.counts for macro in op.macros for width in macro.shift_adds}
    assert (max(widths) > 20) == (scheme in GROUPED)


def test_groups_of_sixteen_beat_plain_four_bits():
    """On 120 of the 360 digits: at least 2 points more, and 3 dB less error in the logits."""
    rows = [("rap_int8", scheme, ()) for scheme in ("int8_dyadic", "int4", *GROUPED)]
    eight, four, *grouped = TABLE["scored"](load(workload_path("vit_digits")), rows, 120)
    assert eight.integer > eight.float32 - 0.01
    for result in grouped:
        assert result.integer > four.integer + 0.02
        assert result.logit_snr_db > four.logit_snr_db + 3.0


def test_eight_bits_lose_less_than_a_point():
    rows = [("conventional", scheme, ()) for scheme in ("float32", "int8_dqq")]
    reference, floating = TABLE["scored"](load(workload_path("vit_digits")), rows, 120)
    assert reference.integer == reference.float32
    assert reference.logit_snr_db > 100
    assert floating.integer > floating.float32 - 0.01


@pytest.mark.slow
def test_the_tables_of_the_page_are_those_of_the_code():
    """If this fails: python scripts/scheme_table.py --write."""
    page = (ROOT / "docs" / "schemes.md").read_text()
    tables = {"accuracy": TABLE["accuracy_table"](), "cost": TABLE["cost_table"]()}
    assert TABLE["with_tables"](page, tables) == page


def test_every_scheme_stands_on_the_page():
    from pimsim.registry import SCHEMES

    page = (ROOT / "docs" / "schemes.md").read_text()
    for name in SCHEMES:
        assert f"| `{name}` |" in page
