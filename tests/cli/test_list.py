"""``pimsim list`` names everything that a run or a YAML file can name, one line each."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from pimsim.config import load_architecture
from pimsim.config.bundled import bundled_architectures, bundled_workloads, known_sweeps
from pimsim.registry import REGISTRIES

Invoke = Callable[..., Result]


def test_every_name_is_listed_once_on_a_line_of_its_own(invoke: Invoke) -> None:
    result = invoke("list")
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")]
    models = [name for registry in REGISTRIES for name in registry]
    assert listed == [
        *bundled_architectures(), *bundled_workloads(), *known_sweeps(), *models,
    ]  # fmt: skip


def test_what_a_chip_is_stands_beside_its_name(invoke: Invoke) -> None:
    lines = {line.split()[0]: line for line in invoke("list").stdout.splitlines() if line.strip()}
    for mechanism in ("BitSift", "eMSB-Q", "VDR-Softmax"):
        assert mechanism in lines["rap"]
    assert any("reconstructed" in note for note in load_architecture("rap").notes)


def test_every_sweep_says_what_it_is_for(invoke: Invoke) -> None:
    document = json.loads(invoke("list", "--format", "json").stdout)
    assert {row["name"] for row in document["sweeps"]} == set(known_sweeps())
    assert all(row["valid"] and len(row["description"]) > 10 for row in document["sweeps"])


def test_json_holds_the_same_names(invoke: Invoke) -> None:
    result = invoke("list", "--format", "json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert list(document) == ["architectures", "workloads", "sweeps", "models"]
    names = {key: [entry["name"] for entry in entries] for key, entries in document.items()}
    assert names["architectures"] == list(bundled_architectures())
    assert names["workloads"] == list(bundled_workloads())
    rap = next(entry for entry in document["architectures"] if entry["name"] == "rap")
    assert tuple(rap["notes"]) == load_architecture("rap").notes
    assert rap["valid"] is True
    demo = next(entry for entry in document["workloads"] if entry["name"] == "vit_digits")
    assert demo["task"] == "image-classification"
    assert 150_000 < demo["parameters"] < 250_000


def test_a_broken_file_is_listed_with_the_way_to_its_problems(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.yaml").write_text("schema_version: 1\nname: x\n")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "graph.json").write_text('{"format_version": 1, "na')
    monkeypatch.setenv("PIMSIM_PATH", str(tmp_path))
    result = invoke("list")
    assert result.exit_code == 0
    assert f"  broken        (has problems: pimsim check {tmp_path / 'broken.yaml'})" in (
        result.stdout
    )
    assert f"(has problems: pimsim check {tmp_path / 'torn'})" in result.stdout
