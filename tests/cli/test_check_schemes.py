"""``pimsim check`` on numerics: schemes that a chip runs, and settings that they do not take."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from pimsim.config.bundled import architecture_path

Invoke = Callable[..., Result]


def checked(invoke: Invoke, folder: Path, numerics: str) -> Result:
    text = (
        architecture_path("rap_int8")
        .read_text(encoding="utf-8")
        .replace("name: rap_int8\n", "name: rap\n")
    )
    changed = text.replace("numerics: {scheme: int8_dyadic}", f"numerics: {{{numerics}}}")
    assert changed != text
    (folder / "chip.yaml").write_text(changed, encoding="utf-8")
    return invoke("check", "chip.yaml")


@pytest.mark.parametrize(
    "numerics",
    [
        "scheme: int4",
        "scheme: qrazor_w4a4, group: 32, basis_bits: 8",
        "scheme: qrazor_w4a8",
        "scheme: qrazor_w4a4kv4",
        "scheme: quartz_w4a4, group: 8",
    ],
)
def test_a_scheme_that_the_chip_runs_is_ok(invoke: Invoke, tmp_path: Path, numerics: str) -> None:
    result = checked(invoke, tmp_path, numerics)
    assert (result.exit_code, result.stdout) == (0, "chip.yaml: ok, architecture rap\n")


def test_a_key_that_the_scheme_does_not_take_is_a_problem(invoke: Invoke, tmp_path: Path) -> None:
    result = checked(invoke, tmp_path, "scheme: int4, group: 16")
    assert result.exit_code == 1
    assert result.stdout == (
        "chip.yaml: numerics.group means nothing to scheme 'int4'; remove it, or choose one of "
        "qrazor_w4a4, qrazor_w4a4kv4, qrazor_w4a8, quartz_w4a4\n"
    )


def test_the_reference_scheme_is_a_problem(invoke: Invoke, tmp_path: Path) -> None:
    result = checked(invoke, tmp_path, "scheme: float32")
    assert result.exit_code == 1
    assert result.stdout == (
        "chip.yaml: numerics.scheme 'float32' serves comparisons only: crossbars multiply "
        "integers; choose an integer scheme\n"
    )


def test_settings_are_checked_like_the_rest_of_the_file(invoke: Invoke, tmp_path: Path) -> None:
    result = checked(invoke, tmp_path, "scheme: qrazor_w4a4, group: 0, basis_bits: 12, groups: 8")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 3
    assert "unknown key 'groups'; did you mean 'group'?" in result.stdout
