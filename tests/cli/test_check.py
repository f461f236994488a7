"""``pimsim check`` accepts what a run accepts, and prints every problem of what it would refuse."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from pimsim.config.bundled import architecture_path, workload_path

Invoke = Callable[..., Result]


def test_names_files_and_folders_are_checked(invoke: Invoke) -> None:
    file, folder = architecture_path("rap"), workload_path("vit_digits")
    result = invoke("check", "rap", file, "vit_digits", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "rap: ok, architecture rap",
        f"{file}: ok, architecture rap",
        "vit_digits: ok, workload vit_digits",
        f"{folder}: ok, workload vit_digits",
    ]


def test_every_problem_of_every_file_is_printed(invoke: Invoke, tmp_path: Path) -> None:
    text = (
        architecture_path("rap_int8")
        .read_text(encoding="utf-8")
        .replace("name: rap_int8\n", "name: rap\n")
    )
    bad = text.replace("  tiles: 16", "  tiles: 0").replace("node_nm: 28.0", "node_nm: 3.0")
    (tmp_path / "bad.yaml").write_text(bad, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    result = invoke("check", "bad.yaml", "rap", "empty", "vit_digit")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].endswith("node_nm: must be at least 7 (found 3.0)")
    assert lines[1].endswith("chip.tiles: must be at least 1 (found 0)")
    assert lines[2] == "rap: ok, architecture rap"
    assert lines[3] == "empty: has no graph.json, so it is not a workload folder"
    assert lines[4] == ("vit_digit: no such file, folder or name; did you mean 'vit_digits'?")
    assert result.stderr == "error: 3 of 4 checked have problems\n"


def test_a_part_outside_the_range_of_its_cost_model_is_a_problem(
    invoke: Invoke, tmp_path: Path
) -> None:
    text = (
        architecture_path("rap_int8")
        .read_text(encoding="utf-8")
        .replace("name: rap_int8\n", "name: rap\n")
    )
    (tmp_path / "chip.yaml").write_text(
        text.replace("modelled: {}", "modelled: {flash_adc: survey_regression}"), encoding="utf-8"
    )
    result = invoke("check", "chip.yaml")
    assert result.exit_code == 1
    assert result.stdout == (
        "chip.yaml: macros.mram.adc: cost.variants.modelled.flash_adc names 'survey_regression': "
        "the survey regression holds for 4 to 14 effective bits, got 3.17; name "
        "'flash_comparators', or 'survey_regression_4bit' for an upper bound\n"
    )


def test_a_scheme_that_needs_other_units_is_a_problem(invoke: Invoke, tmp_path: Path) -> None:
    text = (
        architecture_path("rap_int8")
        .read_text(encoding="utf-8")
        .replace("name: rap_int8\n", "name: rap\n")
    )
    (tmp_path / "mixed.yaml").write_text(text.replace("int8_dyadic}", "int8_dqq}"))
    result = invoke("check", str(tmp_path / "mixed.yaml"))
    assert result.exit_code == 1
    assert "numerics.scheme 'int8_dqq'" in result.stdout + result.stderr
    assert "units.layer_norm.model is 'ibert_layer_norm'" in result.stdout + result.stderr
