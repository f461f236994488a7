"""``pimsim show`` prints a file as it is, so that a copy of it runs."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from pimsim.config import load_architecture
from pimsim.config.bundled import architecture_path

Invoke = Callable[..., Result]


def test_a_shown_file_is_the_file(invoke: Invoke) -> None:
    result = invoke("show", "rap")
    assert result.exit_code == 0
    assert result.stdout == architecture_path("rap").read_text(encoding="utf-8")


def test_a_copy_of_a_shown_file_loads(invoke: Invoke, tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_text(invoke("show", "conventional").stdout, encoding="utf-8")
    assert load_architecture(copy) == load_architecture("conventional")


def test_a_workload_is_not_shown_but_located(invoke: Invoke) -> None:
    result = invoke("show", "vit_digits")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: 'vit_digits' is a workload, a folder at ")
