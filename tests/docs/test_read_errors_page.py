"""The tables on how often a read errs say what the models do."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_tables_are_current():
    """If this fails: python scripts/make_read_errors.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_read_errors.py"))
    page = (ROOT / "docs" / "read_errors.md").read_text()
    assert script["page"](page) == page
