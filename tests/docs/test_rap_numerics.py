"""The page about RAP's numbers says what the units and the scheme do."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return runpy.run_path(str(ROOT / "scripts" / "rap_numerics.py"))
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def test_the_tables_of_the_units_are_current(script):
    """If this fails: python scripts/rap_numerics.py --write."""
    page = (ROOT / "docs" / "rap_numerics.md").read_text()
    tables = {"errors": script["error_table"](), "cost": script["cost_table"]()}
    assert script["with_tables"](page, tables) == page


def test_the_figure_is_drawn_from_the_units(script):
    """One line for each entry that it names; its bytes depend on the version of matplotlib."""
    drawn, stored = script["draw"](), (ROOT / "docs" / "images" / "vdr_softmax.svg").read_text()
    assert drawn.startswith("<")
    for entry in (1, 4, 6, 8, 10):
        assert f"entry {entry}, step" in drawn
        assert f"entry {entry}, step" in stored


@pytest.mark.slow
def test_the_table_of_the_digits_is_current(script):
    """If this fails: python scripts/rap_numerics.py vit_digits --write."""
    page = (ROOT / "docs" / "rap_numerics.md").read_text()
    lines = "\n".join(script["answers"]("vit_digits", None))
    assert script["with_tables"](page, {"vit_digits": lines}) == page


def test_every_setting_of_the_scheme_stands_on_the_page():
    from pimsim.quantization.forms import RAP_KEYS

    page = (ROOT / "docs" / "rap_numerics.md").read_text()
    for key in RAP_KEYS:
        assert f"| `{key}` |" in page, key
