"""The validation page says what the descriptions give."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_is_current():
    """If this fails: python scripts/make_validation.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_validation.py"))
    assert (ROOT / "docs" / "validation.md").read_text(encoding="utf-8") == script["page"]()
