"""``pimsim compare`` prints one line for each chip, also for one that cannot run the workload."""

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

Invoke = Callable[..., Result]


def test_one_table_and_one_figure(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(
        "compare", "puma", "jia2020", "--samples", 1, "--chips", 1, "--output", "out", "--quiet"
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "vit_digits: 1 sample, 1 chip of each design, seed 0"
    assert any(line.split()[:3] == ["puma", "32", "nm"] for line in lines)
    assert any("jia2020" in line and "cannot run" in line for line in lines)
    assert any(line.startswith("jia2020: op 'patch_embedding' needs 2") for line in lines)
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 10_000
    assert len(json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]) >= 2


def test_if_no_chip_can_run_the_workload_the_end_says_so(invoke: Invoke) -> None:
    result = invoke("compare", "jia2020", "--samples", 1, "--chips", 1, "--quiet")
    assert result.exit_code == 1
    assert "cannot run" in result.stdout
    assert "no chip can run 'vit_digits'" in result.stderr


def test_a_folder_with_something_else_is_refused_before_the_work(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    result = invoke("compare", "puma", "--output", "mine")
    assert result.exit_code == 1
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_misspelt_chip_is_named_before_the_work(invoke: Invoke) -> None:
    result = invoke("compare", "isaac", "pumma", "--format", "json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "did you mean 'puma'" in result.stderr
