"""``pimsim report``: one page from folders, and one message for what cannot be one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.report import sweeps

Invoke = Callable[..., Result]


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    return sweeps.run(tmp_path / "example")


def test_the_page_is_written_and_named(invoke: Invoke, swept: Path) -> None:
    result = invoke("report", swept)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.strip().endswith("report.html")
    page = (swept / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Sweep example" in page
    assert "http" not in page
    assert invoke("report", swept).exit_code == 0  # a page of ours is replaced


def test_another_file_is_not_replaced(invoke: Invoke, swept: Path, tmp_path: Path) -> None:
    target = tmp_path / "thesis.html"
    target.write_text("chapter 1", encoding="utf-8")
    result = invoke("report", swept, "--output", target)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "thesis.html: it is there and is no page of pimsim's" in result.stderr
    assert target.read_text(encoding="utf-8") == "chapter 1"


def test_a_page_is_called_what_it_is(invoke: Invoke, swept: Path, tmp_path: Path) -> None:
    result = invoke("report", swept, "--output", tmp_path / "page.pdf")
    assert result.exit_code == 1
    assert "page.pdf: the page is HTML; end its name in .html" in result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "absent: there is no such folder; name what 'pimsim sweep'"),
        (".", "holds neither a sweep (sweep.json) nor a result (result.json)"),
        ("example.yaml", "is a file; name the folder that 'pimsim sweep'"),
    ],
)
def test_what_is_neither_a_sweep_nor_a_result(
    invoke: Invoke, swept: Path, name: str, message: str
) -> None:
    result = invoke("report", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_page_needs_a_folder(invoke: Invoke) -> None:
    assert invoke("report").exit_code == 2
