"""Make the pages in reports/ with the commands that a user types, and the index of them.

python scripts/make_gallery.py                   all pages, and the README's figure
python scripts/make_gallery.py adc_and_rows      one page
python scripts/make_gallery.py --index           reports/README.md alone, such as for a new notebook
python scripts/make_gallery.py --work DIR        keep runs and sweeps there; sweeps go on from there
python scripts/make_gallery.py --check           in a temporary folder, with few points and samples

All pages take some minutes on two cores. ``--check`` writes nothing in the repository: it proves
that every page can still be made, with the sections and figures that the page in reports/ has.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
REPORTS: Final = ROOT / "reports"
SWEEPS: Final = ROOT / "arch_configs" / "sweeps"
README_FIGURE: Final = ROOT / "docs" / "images" / "energy.svg"

FEW_VALUES: Final = 3
"""Values of an axis that ``--check`` keeps."""
FEW: Final = {"samples": 2, "chips": 1}
"""Samples and chips of ``--check``."""

HEAD: Final = """# Reports

Pages to open in a browser, to print and to send: one file each, which fetches nothing. Every number
on them is computed from what this repository holds; `python scripts/make_gallery.py` makes them
again.

"""
NOTEBOOKS: Final = """
Notebooks in `notebooks/`, run by `python scripts/run_notebooks.py`:

"""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the gallery: a run, a sweep, or several runs side by side."""

    name: str
    about: str
    runs: tuple[tuple[str, ...], ...] = ()
    """Arguments of each ``pimsim run``."""
    sweep: str | None = None
    """A shipped sweep."""


DEMO: Final = Page(
    "vit_digits-rap", "What `pimsim run` writes: the demo on RAP.", runs=(("--arch", "rap"),)
)
PAGES: Final = (
    DEMO,
    Page(
        "designs",
        "RAP, its arrays with plain INT8, and a conventional chip side by side.",
        runs=(("--arch", "rap"), ("--arch", "rap_int8"), ("--arch", "conventional")),
    ),
    Page(
        "adc_and_rows",
        "How low can RAP's converters go, and how many rows may a read drive?",
        sweep="adc_and_rows",
    ),
    Page(
        "conventional_converters",
        "How many bits do the converters of a conventional chip need?",
        sweep="conventional_converters",
    ),
)


class GalleryError(Exception):
    """A page cannot be made, or lacks something."""


def index() -> str:
    """Return the text of reports/README.md: a line for every page and notebook."""
    pages = [f"- [{page.name}.html]({page.name}.html): {page.about}\n" for page in PAGES]
    notebooks = [
        f"- [{path.name}](notebooks/{path.name}): {_title(path)}\n"
        for path in sorted((REPORTS / "notebooks").glob("*.py"))
    ]
    return HEAD + "".join(pages) + (NOTEBOOKS + "".join(notebooks) if notebooks else "")


def _title(notebook: Path) -> str:
    found = re.search(r"^# # (.+)$", notebook.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if found is None:
        raise GalleryError(f"{notebook} has no title: a line '# # ...' in its first cell")
    return found[1]


def make(page: Page, folder: Path, work: Path, *, jobs: int, few: bool) -> Path:
    """Make a page.

    Parameters
    ----------
    page
        Which one.
    folder
        Where it goes.
    work
        Where its runs or its sweep are, or are to be.
    jobs
        Processes of a sweep.
    few
        With few points and samples.

    Returns
    -------
    Path
        Its file.
    """
    target = folder / f"{page.name}.html"
    if page.sweep is not None:
        results = [_sweep(page.sweep, work, jobs=jobs, few=few)]
    else:
        results = [_run(arguments, work, few=few) for arguments in page.runs]
    if len(results) == 1 and page.sweep is None:
        shutil.copyfile(results[0] / "report.html", target)
    else:
        shown = [str(result.relative_to(work)) for result in results]
        _pimsim("report", *shown, "--output", str(target), folder=work)
    return target


@cache
def _run(arguments: tuple[str, ...], work: Path, *, few: bool) -> Path:
    """Run the demo's network, once for all pages, and return the folder of the result."""
    counts = [f"--{name}={count}" for name, count in FEW.items()] if few else []
    folder = work / "pimsim-out" / f"vit_digits-{arguments[arguments.index('--arch') + 1]}"
    _pimsim("run", *arguments, *counts, "--output", str(folder.relative_to(work)), folder=work)
    return folder


def _sweep(name: str, work: Path, *, jobs: int, few: bool) -> Path:
    """Run a shipped sweep, or go on with it, and return its folder."""
    folder = work / "pimsim-out" / f"{name}-sweep"
    file = name
    if few:
        file = f"{name}.yaml"
        shorter = _shorter(yaml.safe_load((SWEEPS / file).read_text(encoding="utf-8")))
        (work / file).write_text(yaml.safe_dump(shorter, sort_keys=False), encoding="utf-8")
    resume = ["--resume"] if folder.exists() else []
    _pimsim("sweep", file, "--jobs", str(jobs), *resume, folder=work)
    return folder


def _shorter(sweep: dict[str, Any]) -> dict[str, Any]:
    """Keep the ends and the middle of every list of values, and few samples."""
    axes = {
        name: _spread(values) if isinstance(values, list) else values
        for name, values in sweep["axes"].items()
    }
    return {**sweep, **FEW, "axes": axes}


def _spread(values: list[Any]) -> list[Any]:
    if len(values) <= FEW_VALUES:
        return values
    last = len(values) - 1
    return [values[round(place * last / (FEW_VALUES - 1))] for place in range(FEW_VALUES)]


def _pimsim(*arguments: str, folder: Path) -> None:
    """Call the command beside this interpreter, as a user would, in ``folder``."""
    program = Path(sys.executable).with_name("pimsim")
    if not program.exists():
        raise GalleryError(f"{program} is missing; install pimsim here: pip install -e .")
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GalleryError(f"pimsim {' '.join(arguments)} failed:\n{done.stderr.strip()}")


def parts(text: str) -> list[str]:
    """List the sections and figures of a page.

    Which pairs of objectives a sweep's front is drawn over depends on its numbers, so that all of
    these figures count as one.
    """
    found = re.findall(r'<(?:section|figure) id="([^"]+)"', text)
    return list(dict.fromkeys(re.sub(r"(figure-front)-.*", r"\1", name) for name in found))


def compare(made: Path, kept: Path) -> None:
    """Check that a page has the sections and figures that the one in reports/ has.

    Raises
    ------
    GalleryError
        If it lacks some or has others.
    """
    if not kept.exists():
        raise GalleryError(f"{kept} is missing; make it: python scripts/make_gallery.py")
    found, expected = (parts(path.read_text(encoding="utf-8")) for path in (made, kept))
    if found != expected:
        lost = [part for part in expected if part not in found]
        new = [part for part in found if part not in expected]
        raise GalleryError(
            f"{kept.name}: made again, it lacks {lost or 'nothing'} and also has {new or 'nothing'}"
            "; if that is wanted: python scripts/make_gallery.py"
        )


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Use a folder that is kept, or a temporary one."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = [page.name for page in PAGES]
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(names)}")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep runs and sweeps there")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes of a sweep")
    parser.add_argument("--check", action="store_true", help="only prove that they can be made")
    parser.add_argument("--index", action="store_true", help="only reports/README.md")
    found = parser.parse_args(words)
    unknown = sorted(set(found.pages) - set(names))
    if unknown:
        parser.error(f"no page {', '.join(unknown)}; there are {', '.join(names)}")
    if found.check and found.work:
        parser.error("--check works in a temporary folder; leave --work out")
    if found.index and (found.check or found.pages):
        parser.error("--index makes no page; leave the rest out")
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Make or check what was asked for."""
    asked = _arguments(words)
    wanted = [page for page in PAGES if page.name in asked.pages or not asked.pages]
    if not asked.check:
        (REPORTS / "README.md").write_text(index(), encoding="utf-8")
    if asked.index:
        return 0
    with _folder(asked.work) as work:
        for page in wanted:
            began = time.monotonic()
            try:
                made = make(page, work if asked.check else REPORTS, work, jobs=asked.jobs,
                            few=asked.check)  # fmt: skip
                if asked.check:
                    compare(made, REPORTS / made.name)
            except GalleryError as error:
                print(f"error: {error}", file=sys.stderr)
                return 1
            if page is DEMO and not asked.check:
                energy = work / "pimsim-out" / DEMO.name / "figures" / "energy.svg"
                shutil.copyfile(energy, README_FIGURE)
            size = made.stat().st_size // 1024
            print(f"{page.name}: {size} KiB, {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
