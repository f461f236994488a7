"""The page on bit sparsity says what was measured, and that can be measured again."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_bit_sparsity.py"))
ROWS = SCRIPT["read"]()


def test_the_page_is_current():
    """If this fails: python scripts/make_bit_sparsity.py."""
    page = (ROOT / "docs" / "bit_sparsity.md").read_text()
    assert SCRIPT["page"](page) == page


def test_every_product_of_the_demo_has_a_row():
    workload = SCRIPT["load"](SCRIPT["workload_path"]("vit_digits"), values=False)
    found = [row["product"] for row in ROWS if row["workload"] == "vit_digits"]
    assert found == list(SCRIPT["roles"](workload))


def test_operands_without_a_sign_have_one_coding():
    """Probabilities take as many reads under both."""
    for row in ROWS:
        if row["role"] == "context":
            assert row["zeros_twos_complement"] == row["zeros_sign_magnitude"]
            assert row["reads_twos_complement"] == row["reads_sign_magnitude"]


def test_the_default_coding_takes_fewer_reads_on_every_network():
    for own in SCRIPT["workloads"](ROWS).values():
        totals = {
            coding: sum(float(row[f"reads_{coding}"]) for row in own)
            for coding in SCRIPT["CODINGS"]
        }
        assert totals["sign_magnitude"] < totals["twos_complement"]


@pytest.mark.slow
def test_the_demo_comes_out_as_the_table_says():
    """If this fails, numbers have moved: python scripts/make_bit_sparsity.py vit_digits."""
    own = SCRIPT["workloads"](ROWS)["vit_digits"]
    assert SCRIPT["measure"]("vit_digits", int(own[0]["samples"])) == own
