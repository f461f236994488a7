"""The page about GPUs says what the rows say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "gpu_baselines.md").read_text(encoding="utf-8")


def test_the_tables_are_current():
    """If this fails: python scripts/make_gpu_baselines.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_gpu_baselines.py"))
    assert script["page"](TEXT) == TEXT


def test_the_page_names_the_traps_and_both_scopes():
    traps = ("MLPerf drops padding", "Batch 1", "Design power is not power", "Sparsity is off")
    for words in (*traps, "What is counted", "left out", "Power is assumed"):
        assert words in TEXT
