"""The command, run in the same process and as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pimsim.cli.main import app

ROOT = Path(__file__).resolve().parents[2]

Invoke = Callable[..., Result]
RunProcess = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run ``pimsim`` in this process, in an empty folder, as if piped on an 80-column screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIMSIM_PATH", raising=False)
    monkeypatch.setenv("PIMSIM_CACHE", str(tmp_path / "no cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: CliRunner().invoke(app, [str(word) for word in arguments])


@pytest.fixture
def process(tmp_path: Path) -> RunProcess:
    """Run Python in a process of its own, in an empty folder: ``process("-m", "pimsim", ...)``."""

    def run(
        *arguments: str, environment: Mapping[str, str] | None = None, **options: object
    ) -> "subprocess.CompletedProcess[str]":
        inherited = {name: text for name, text in os.environ.items() if name != "PIMSIM_PATH"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={
                **inherited,
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "80",
                "PIMSIM_CACHE": str(tmp_path / "no cache"),
                **(environment or {}),
            },
            text=True,
            check=False,
            timeout=120,
            **{"capture_output": True, **options},
        )

    return run
