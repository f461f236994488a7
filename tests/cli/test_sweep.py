"""``pimsim sweep``: what it prints, keeps and refuses. The sweeps themselves: tests/dse."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from pimsim.dse import executors
from pimsim.dse.judging import knees
from pimsim.dse.sweeping import Explored
from tests.dse.conftest import TEXT, invented

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep file in the current folder, whose points are not simulated, nor its knee run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executors, "evaluate", invented)
    monkeypatch.setattr("pimsim.sweeps.keep_knees", _without_running)
    path = tmp_path / "example.yaml"
    path.write_text(TEXT)
    return path


def _without_running(explored: Explored) -> dict[str, str]:
    found = knees(explored.frame, explored.asked)
    return {name: "there is none" for name in explored.asked.file.workloads if name not in found}


def test_the_front_is_shown_and_the_frame_kept(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("sweep", "example.yaml")
    assert result.exit_code == 0
    assert result.stderr.startswith("sweep example: 12 points over macros.mram.adc.levels (3), ")
    assert "example: 12 of 12 points" in result.stdout
    assert "4 designs that none beats" in result.stdout
    kept = tmp_path / "pimsim-out" / "example-sweep"
    assert {"points.csv", "points.parquet", "sweep.yaml", "sweep.json"} <= {
        path.name for path in kept.iterdir()
    }


def test_json_is_the_frame(invoke: Invoke) -> None:
    result = invoke("sweep", "example.yaml", "--format", "json")
    rows = json.loads(result.stdout)
    assert [row["point"] for row in rows] == list(range(12))
    assert rows[0]["macros.mram.adc.levels"] == 5
    assert result.stderr == ""


def test_a_limit_and_then_the_rest(invoke: Invoke) -> None:
    assert "5 of 12 points" in invoke("sweep", "example.yaml", "--limit", "5").stdout
    again = invoke("sweep", "example.yaml")
    assert again.exit_code == 1
    assert "add --resume to go on with them" in again.stderr
    assert "12 of 12 points" in invoke("sweep", "example.yaml", "--resume").stdout


def test_failed_points_are_counted(invoke: Invoke, file: Path) -> None:
    file.write_text(TEXT.replace("[5, 9, 17]", "[5, 13]"))
    result = invoke("sweep", "example.yaml")
    assert result.exit_code == 0
    assert "4 points failed, see column 'error'; the first, point " in result.stdout
    assert "MappingError: thirteen is refused" in result.stdout


def test_without_a_front_no_knee_is_promised(invoke: Invoke, file: Path) -> None:
    file.write_text(TEXT.replace("[5, 9, 17]", "[13]"))
    result = invoke("sweep", "example.yaml")
    assert "running the knee" not in result.stderr
    assert "whole result of each knee" not in result.stdout
    assert "0 designs that none beats" in result.stdout
    assert result.exit_code == 1  # every point failed


def test_an_interrupt_says_how_to_go_on(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(task: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(executors, "evaluate", interrupted)
    result = invoke("sweep", "example.yaml")
    assert result.exit_code == 130
    assert "Go on with: pimsim sweep example.yaml --output" in result.stderr
    assert "--resume" in result.stderr


def test_a_mistake_in_the_file_is_told_with_its_line(invoke: Invoke, file: Path) -> None:
    file.write_text(TEXT.replace("adc.levels", "adc.lvels"))
    result = invoke("sweep", "example.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "example.yaml:6: axes" in result.stderr
    assert "did you mean 'macros.mram.adc.levels'?" in result.stderr
