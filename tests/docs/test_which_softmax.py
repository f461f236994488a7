"""The tables of softmax units say what the units do."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", ["table", "accuracy"])
def test_the_table_is_current(name):
    """If this fails: python scripts/make_which_softmax.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_which_softmax.py"))
    page = (ROOT / "docs" / "which_softmax.md").read_text()
    assert script["page"](page, name) == page
