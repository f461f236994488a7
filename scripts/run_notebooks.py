"""Run the notebooks of reports/notebooks, as continuous integration does.

python scripts/run_notebooks.py                      all of them, without Jupyter
python scripts/run_notebooks.py 02 06 --jobs 2       those whose names begin so, two at a time
python scripts/run_notebooks.py --figures DIR        and write every figure that they show, as PNG
python scripts/run_notebooks.py --html DIR           as Jupyter runs them, rendered for reading
python scripts/run_notebooks.py --ipynb DIR          the same, as notebooks with their outputs

A notebook is a Python file whose cells begin with ``# %%`` (jupytext's percent format). Each runs
in its own process and temporary folder. Without Jupyter, warnings are errors, and what a cell ends
with is drawn as Jupyter would draw it and then dropped. Exit status 1: one failed.
"""

import argparse
import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final

from pimsim.errors import InputError, MissingExtraError, NotFoundError, PimsimError

ROOT: Final = Path(__file__).resolve().parent.parent
NOTEBOOKS: Final = ROOT / "reports" / "notebooks"

TIMEOUT_S: Final = 900
"""A notebook that takes longer is stuck."""
_TAIL_LINES: Final = 40
"""Most lines of a failed notebook's output that are shown."""
_MARK: Final = re.compile(r"# %%(?P<title>.*)")
_DRAWN_AS: Final = ("_repr_svg_", "_repr_png_", "_repr_html_")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of code."""

    number: int
    """Counted from 1, text cells included, as Jupyter shows them from top to bottom."""
    line: int
    """Of the file, of the cell's first line of code."""
    tree: ast.Module
    """Its code, with the file's line numbers."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a notebook ended."""

    name: str
    seconds: float
    error: str | None
    """What to tell of a failure; ``None``: it ran through."""


def cells(source: str, name: str) -> tuple[Cell, ...]:
    """Cut a percent-format notebook into its cells of code.

    What stands above the first mark is a cell if there is any code.

    Raises
    ------
    SyntaxError
        If the file ``name``, or one of its cells alone, is no Python.
    """
    ast.parse(source, name)
    found: list[Cell] = []
    number, first, is_code = 0, 1, True
    lines = source.splitlines()
    for line, text in enumerate([*lines, "# %%"], start=1):
        mark = _MARK.match(text)
        if mark is None:
            continue
        if is_code:
            body = "\n".join(lines[first - 1 : line - 1])
            tree = ast.parse("\n" * (first - 1) + body, name)
            if tree.body:
                found.append(Cell(max(number, 1), tree.body[0].lineno, tree))
        number, first, is_code = number + 1, line + 1, "[markdown]" not in mark["title"]
    return tuple(found)


def run_cells(path: Path, figures: Path | None = None) -> None:
    """Run a notebook's cells in this process; an error passes through, with the notebook's lines.

    Parameters
    ----------
    path
        The notebook.
    figures
        Folder that gets each figure a cell ends with, as ``<notebook>-<cell>.png``.
    """
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    for cell in cells(path.read_text(encoding="utf-8"), str(path)):
        *_, last = cell.tree.body
        shown = cell.tree.body.pop() if isinstance(last, ast.Expr) else None
        exec(compile(cell.tree, str(path), "exec"), names)  # noqa: S102  (what a notebook is for)
        if isinstance(shown, ast.Expr):
            code = compile(ast.Expression(shown.value), str(path), "eval")
            picture = figures and figures / f"{path.stem}-{cell.number:02d}.png"
            _show(eval(code, names), cell, picture)  # noqa: S307


def _show(value: object, cell: Cell, picture: Path | None) -> None:
    """Draw what a cell ends with, as Jupyter would."""
    from matplotlib.figure import Figure

    from pimsim.report import style

    if isinstance(value, Figure):
        if not isinstance(value, style.NotebookFigure):
            raise InputError(
                f"cell {cell.number}, line {cell.line}, ends with a figure that Jupyter would not "
                "draw; make it with pimsim.report.style.new_figure"
            )
        if picture is not None:
            style.save_png(value, picture)
    for name in _DRAWN_AS:
        if not isinstance(value, type) and hasattr(value, name):
            getattr(value, name)()


def chosen(names: Sequence[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks whose names begin with one of ``names``, or all of them, in order.

    Raises
    ------
    NotFoundError
        If there is none of a name.
    """
    paths = sorted(folder.glob("[0-9]*.py"))
    wanted = [Path(name).stem for name in names]
    for name in wanted:
        if not any(path.stem.startswith(name) for path in paths):
            known = ", ".join(path.stem for path in paths) or "none"
            raise NotFoundError(f"no notebook {name!r} in {folder} (there: {known})")
    return [path for path in paths if not wanted or path.stem.startswith(tuple(wanted))]


def run_plain(path: Path, figures: Path | None = None) -> Outcome:
    """Run a notebook in a process of its own, without Jupyter."""
    command = [sys.executable, str(Path(__file__).resolve()), "--here", str(path)]
    if figures is not None:
        command += ["--figures", str(figures)]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="pimsim-notebook-") as folder:
        try:
            done = subprocess.run(
                command, cwd=folder, env={**os.environ, "MPLBACKEND": "Agg"}, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                timeout=TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Outcome(path.stem, time.perf_counter() - started, _stuck())
    error = None
    if done.returncode:
        said = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
        error = said or f"its process ended with status {done.returncode} and said nothing"
    return Outcome(path.stem, time.perf_counter() - started, error)


def _stuck() -> str:
    return f"did not end within {TIMEOUT_S} s"


def run_here(path: Path, figures: Path | None) -> int:
    """Be the process of :func:`run_plain`: run the cells, tell of an error and where it was."""
    warnings.simplefilter("error")
    try:
        run_cells(path, figures)
    except Exception as error:  # whatever a notebook raises is its failure
        traceback.print_exception(error.with_traceback(_from(path, error.__traceback__)))
        line = next((at for at in _lines_of(path, error)), None)
        print(_place(path, line, error), file=sys.stderr)
        return 1
    return 0


def _from(path: Path, trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what called the notebook."""
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    return trace


def _lines_of(path: Path, error: Exception) -> Iterator[int]:
    """Lines of the notebook that an error passed through, the outermost first."""
    frames: Iterator[tuple[FrameType, int]] = traceback.walk_tb(error.__traceback__)
    yield from (line for frame, line in frames if frame.f_code.co_filename == str(path))
    if isinstance(error, SyntaxError) and error.lineno:
        yield error.lineno


def _place(path: Path, line: int | None, error: Exception) -> str:
    """One line that says where a notebook failed."""
    what = f"{type(error).__name__}: {str(error).strip() or 'no message'}".splitlines()[0]
    if line is None:
        return f"{path.name}: {what}"
    source = path.read_text(encoding="utf-8").splitlines()
    number = sum(1 for text in source[:line] if _MARK.match(text))
    return f"{path.name}:{line}, in cell {number}: {what}"


def run_jupyter(path: Path, folder: Path, suffix: str) -> Outcome:
    """Run a notebook in a Jupyter kernel and write it with its outputs, as ``.ipynb`` or ``.html``.

    Raises
    ------
    MissingExtraError
        If the packages of the extra ``notebooks`` are not installed.
    """
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    started = time.perf_counter()
    notebook = jupytext.read(path, fmt="py:percent")
    error = None
    with tempfile.TemporaryDirectory(prefix="pimsim-notebook-") as temporary:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": temporary}},
        )
        try:
            client.execute()
        except CellExecutionError as failed:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", str(failed))
            error = "\n".join(plain.strip().splitlines()[-_TAIL_LINES:])
        except CellTimeoutError:
            error = _stuck()
    text = nbformat.writes(notebook) if suffix == "ipynb" else _html(notebook, path.stem)
    (folder / f"{path.stem}.{suffix}").write_text(text, encoding="utf-8")
    return Outcome(path.stem, time.perf_counter() - started, error)


def _html(notebook: Any, title: str) -> str:
    from nbconvert import HTMLExporter

    notebook.metadata["title"] = title
    text: str = HTMLExporter().from_notebook_node(notebook)[0]
    return text


def check_jupyter(suffix: str) -> None:
    """See that what ``run_jupyter`` needs is installed.

    Raises
    ------
    MissingExtraError
        If something is missing.
    """
    needed = ["jupytext", "nbclient", "ipykernel", *(["nbconvert"] if suffix == "html" else [])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"--{suffix} needs {', '.join(missing)}: pip install 'pimsim[notebooks]'"
        )


def run_all(paths: Sequence[Path], run: Callable[[Path], Outcome], jobs: int) -> Iterator[Outcome]:
    """Run notebooks, ``jobs`` at a time, and yield how each ended, in order."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(run, paths)


def report(outcomes: Iterator[Outcome]) -> int:
    """Print one line for each notebook and what failed; return how many failed."""
    failed = 0
    for outcome in outcomes:
        verdict = "ok" if outcome.error is None else "FAILED"
        print(f"{outcome.name:<42} {outcome.seconds:7.1f} s  {verdict}", flush=True)
        if outcome.error is not None:
            failed += 1
            print("\n".join(f"    {line}" for line in outcome.error.splitlines()), flush=True)
    return failed


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror})") from None
    return path.resolve()


def _jobs(text: str) -> int:
    jobs = int(text)
    if jobs < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return jobs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="or how a name begins; default: all"
    )
    parser.add_argument("--jobs", type=_jobs, default=1, help="notebooks at a time")
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="folder that holds them")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--figures", type=Path, metavar="DIR", help="write the figures that cells show"
    )
    how.add_argument("--html", type=Path, metavar="DIR", help="run in Jupyter, write pages")
    how.add_argument("--ipynb", type=Path, metavar="DIR", help="run in Jupyter, write notebooks")
    return parser


def _runner(arguments: argparse.Namespace) -> Callable[[Path], Outcome]:
    """How to run one notebook."""
    for suffix in ("html", "ipynb"):
        if getattr(arguments, suffix) is not None:
            check_jupyter(suffix)
            folder = _folder(getattr(arguments, suffix))
            return lambda path: run_jupyter(path, folder, suffix)
    figures = None if arguments.figures is None else _folder(arguments.figures)
    return lambda path: run_plain(path, figures)


def main(given: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    arguments = _parser().parse_args(given)
    if arguments.here is not None:
        return run_here(arguments.here, arguments.figures)
    try:
        paths = chosen(arguments.names, arguments.notebooks)
        failed = report(run_all(paths, _runner(arguments), arguments.jobs))
    except PimsimError as error:
        print(error, file=sys.stderr)
        return 1
    if failed:
        print(f"{failed} of {len(paths)} notebooks failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
