"""Everything on the page "Trace your own model" is run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "trace_your_own_model.md"

RUNNER = """
import pathlib, re, shlex, sys, warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="torch|transformers")
sys.path.insert(0, ".")
from typer.testing import CliRunner
from pimsim.cli.main import app

for language, text in re.findall(r"^```(\\w+)\\n(.*?)^```", pathlib.Path(sys.argv[1]).read_text(),
                                 flags=re.DOTALL | re.MULTILINE):
    named = re.match(r"# (\\w+\\.py)\\n", text)
    if language == "python" and named:
        pathlib.Path(named[1]).write_text(text)
    elif language == "python":
        exec(compile(text, "the page", "exec"), {})
    elif language == "sh":
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "pimsim", line
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, (line, result.stderr, result.exception)
            print(line)
"""


@pytest.mark.torch
def test_every_block_of_the_page_runs(tmp_path: Path) -> None:
    """In a process of its own: the page registers a lowering."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(PAGE)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    commands = re.findall(
        r"^pimsim (?:trace|run) .*", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert done.stdout.splitlines() == commands
    assert len(commands) == 7


def test_the_page_is_linked_and_names_every_option() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "docs/trace_your_own_model.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    for option in ("--inputs", "--samples", "--dynamic", "--no-weights", "--name", "--phase"):
        assert option in text
