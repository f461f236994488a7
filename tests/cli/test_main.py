"""Help, version and exit codes: 0 done, 1 the user's mistake without traceback, 2 usage."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import pimsim
from pimsim.config.bundled import bundled_architectures

Invoke = Callable[..., Result]
RunProcess = Callable[..., "subprocess.CompletedProcess[str]"]

GOLDEN = Path(__file__).parent / "golden"
VERBS = (
    "report",
    "sweep",
    "run",
    "trace",
    "quantize",
    "map",
    "list",
    "show",
    "check",
    "describe",
    "explain",
    "cite",
    "recost",
)
HEAVY = ("torch", "matplotlib", "numba", "pandas", "scipy", "pyarrow", "simpy")


def words(help_text: str) -> str:
    """Drop what differs between versions of typer: line breaks, defaults, ranges, choices."""
    return " ".join(re.sub(r"\[[^\]]*\]|<[^>]*>", "", help_text).split())


def test_the_version_is_printed(invoke: Invoke) -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"pimsim {pimsim.__version__}\n")


def test_no_verb_prints_the_help(invoke: Invoke) -> None:
    result = invoke()
    assert result.exit_code == 0
    assert result.stdout.strip() == invoke("--help").stdout.strip()


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_the_help_reads_as_the_stored_one(invoke: Invoke, verb: str) -> None:
    """After a wanted change: ``COLUMNS=80 pimsim VERB --help > tests/cli/golden/help_VERB.txt``."""
    result = invoke(*filter(None, [verb]), "--help")
    assert result.exit_code == 0
    golden = GOLDEN / f"help_{verb or 'pimsim'}.txt"
    assert words(result.stdout) == words(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_one_screen_of_a_terminal(invoke: Invoke, verb: str) -> None:
    lines = invoke(verb, "--help").stdout.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate",),
        ("run", "--sample", "3"),
        ("run", "--samples", "0"),
        ("run", "--samples", "some"),
        ("run", "--chips", "0"),
        ("run", "--seed", "-1"),
        ("run", "--threads", "0"),
        ("run", "--batch", "0"),
        ("run", "--seq", "0"),
        ("run", "--format", "xml"),
        ("run", "--quiet", "--verbose"),
        ("run", "rap"),
        ("run", "--phase", "train"),
        ("run", "--context", "0"),
        ("run", "--requests", "0"),
        ("run", "--token-group", "0"),
        ("trace",),
        ("trace", "models:bert"),
        ("trace", "m:f", "--output", "o", "--samples", "m:s", "--no-weights"),
        ("quantize",),
        ("quantize", "vit_digits", "--samples", "0"),
        ("show",),
        ("check",),
        ("describe",),
        ("describe", "rap", "--density", "much"),
        ("explain",),
        ("explain", "rap", "noc", "--format", "table"),
        ("cite",),
        ("cite", "here", "--format", "json"),
        ("recost",),
        ("run", "--adc-models", "some"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_why_on_stderr(
    invoke: Invoke, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("show", "rapp"),
            "error: no architecture is called 'rapp'; did you mean 'rap'?\n",
        ),
        (
            ("run", "--workload", "vit_digit"),
            "error: no workload is called 'vit_digit'; did you mean 'vit_digits'?\n",
        ),
        (
            ("run", "--arch", "chips/mine.yaml"),
            (
                "error: chips/mine.yaml: no such architecture; known: "
                f"{', '.join(bundled_architectures())}\n"
            ),
        ),
        (
            ("run", "--set", "macros.mram.adc.levles=9"),
            (
                "error: --set macros.mram.adc.levles=9: macros.mram.adc.levles: unknown key "
                "'levles'; did you mean 'macros.mram.adc.levels'?\n"
            ),
        ),
    ],
    ids=["show", "workload", "arch", "set"],
)
def test_a_mistake_exits_with_1_and_one_message(
    invoke: Invoke, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("run", "--arch", "nowhere"), 1),
        (("list",), 0),
        (("show", "rap"), 0),
        (("check", "rap", "nowhere"), 1),
        (("--version",), 0),
        (("bogus",), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_verb_as_a_process_ends_without_traceback(
    process: RunProcess, arguments: tuple[str, ...], status: int
) -> None:
    result = process("-m", "pimsim", *arguments)
    assert result.returncode == status
    assert "Traceback" not in result.stderr
    assert bool(result.stderr) == (status != 0)


def test_a_closed_pipe_ends_the_command_quietly(process: RunProcess) -> None:
    """As ``pimsim list | true``."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        result = process(
            "-m", "pimsim", "list", capture_output=False, stdout=write_end, stderr=subprocess.PIPE
        )
    finally:
        os.close(write_end)
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_was_never_open_is_no_fault(process: RunProcess, closed: int) -> None:
    """As ``pimsim show rap >&-``."""
    script = (
        "import os, sys\n"
        f"os.close({closed})\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'pimsim', 'show', 'rap'])\n"
    )
    result = process("-c", script)
    assert (result.returncode, result.stderr) == (0, "")
    assert bool(result.stdout) == (closed == 2)


def test_a_full_disk_below_stdout_is_told(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``pimsim show rap > /full/disk/rap.yaml``."""

    def full(path: Path) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pimsim.config.yaml_loader.read_text", full)
    monkeypatch.setattr("pimsim.cli.main._abandon_stdout", lambda: None)
    result = invoke("show", "rap")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: the output cannot be written (No space left on device)\n"


def test_an_interrupt_says_so_and_exits_with_130(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pimsim.config.bundled.architecture_path", interrupted)
    result = invoke("show", "rap")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import pimsim", HEAVY),
        ("import pimsim; pimsim.load_architecture('rap')", HEAVY),
        ("from pimsim.cli.main import app; app(['--help'])", (*HEAVY, "numpy", "pydantic", "yaml")),
        (
            "from pimsim.cli.main import app; app(['--version'])",
            (*HEAVY, "numpy", "pydantic", "yaml"),
        ),
        ("from pimsim.cli.main import app; app(['list'])", HEAVY),
    ],
)
def test_light_uses_load_no_heavy_package(
    process: RunProcess, code: str, forbidden: tuple[str, ...]
) -> None:
    script = (
        "import sys\n"
        f"try:\n    exec({code!r})\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({forbidden!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    result = process("-c", script)
    assert (result.returncode, result.stderr.strip()) == (0, "[]")


def test_the_public_names_are_the_documented_ones() -> None:
    assert sys.modules["pimsim"].__all__ == [
        "Architecture",
        "PimsimError",
        "Result",
        "Workload",
        "__version__",
        "load_architecture",
        "load_result",
        "load_workload",
        "report",
        "simulate",
        "sweep",
    ]
