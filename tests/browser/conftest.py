"""One Chromium for all tests of a worker, and the pages that they open."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import pimsim
from pimsim import report, simulate
from tests.browser.devtools import Browser, Page, launched

REPORTS = Path(__file__).resolve().parents[2] / "reports"
COMMITTED = sorted(path.name for path in REPORTS.glob("*.html"))
MADE = ("run", "run_of_shapes", "sweep", "designs")
SWEEP = """
schema_version: 1
name: small
architecture: rap
workloads: [vit_digits]
axes:
  macros.mram.adc.levels: [5, 9]
  macros.mram.crossbar.active_rows: [4, 8]
objectives: {accuracy: maximize, energy_uj: minimize}
samples: 4
chips: 1
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with values."""
    folder = tmp_path_factory.mktemp("run") / "result"
    return report.write(simulate("rap", "vit_digits", samples=4, chips=2), folder)


@pytest.fixture(scope="session")
def run_of_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of a large model that has shapes only."""
    folder = tmp_path_factory.mktemp("shapes") / "result"
    return report.write(simulate("rap", "bert_base"), folder)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep, with its page."""
    folder = tmp_path_factory.mktemp("sweep")
    file = folder / "small.yaml"
    file.write_text(SWEEP, encoding="utf-8")
    pimsim.sweep(file, output=folder / "kept")
    report.write_page([folder / "kept"])
    return folder / "kept"


@pytest.fixture(scope="session")
def designs(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """A folder with a page that sets two chips against each other."""
    folder = tmp_path_factory.mktemp("designs")
    other = report.write(simulate("conventional", "vit_digits", samples=4, chips=2), folder / "b")
    report.write_page([run, other], folder / "report.html")
    return folder


@pytest.fixture(params=[*MADE, *COMMITTED])
def path(request: pytest.FixtureRequest) -> Path:
    """Every page: those that a verb has just made, and those in reports/."""
    name: str = request.param
    if name in COMMITTED:
        return REPORTS / name
    folder: Path = request.getfixturevalue(name)
    return folder / "report.html"


@pytest.fixture
def page(browser: Browser, path: Path) -> Iterator[Page]:
    with browser.open(path) as opened:
        yield opened
