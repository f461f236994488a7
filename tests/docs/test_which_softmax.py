"""The table of softmax units says what the units do."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_table_is_current():
    """If this fails: python scripts/make_which_softmax.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_which_softmax.py"))
    page = (ROOT / "docs" / "which_softmax.md").read_text()
    assert script["page"](page, "table") == page
