"""The table of observers says what they do."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_current():
    """If this fails: python scripts/make_layer_by_layer.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_layer_by_layer.py"))
    page = (ROOT / "docs" / "layer_by_layer.md").read_text()
    assert script["page"](page) == page
