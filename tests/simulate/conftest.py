"""Runs of the bundled demo that several tests look at, made once per worker."""

import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.passes import Passes
from pimsim.records import Result
from pimsim.request import Request
from pimsim.simulate import simulate
from pimsim.summarize import ChipRun
from pimsim.workload import Workload
from pimsim.workload.files import load

NOISY = (
    "macros.mram.crossbar.cell.sigma_on_ratio=0.2",
    "macros.sram.crossbar.cell.sigma_on_ratio=0.2",
    "macros.sram.adc.noise_ratio=0.01",
)
"""Overrides of rap.yaml with which reads do err; its own reads hardly ever do."""


@pytest.fixture(scope="session")
def vit() -> Workload:
    return load(workload_path("vit_digits"))


@pytest.fixture(scope="session")
def demo(vit: Workload) -> Result:
    """rap and its opponent, 8 samples, 2 chips."""
    return simulate("rap_int8", vit, samples=8, chips=2)


@pytest.fixture(scope="session")
def in_pairs(vit: Workload) -> Result:
    """The same samples in batches of 2."""
    return simulate("rap_int8", vit, samples=8, chips=2, batch=2, compare=())


@pytest.fixture(scope="session")
def passes(vit: Workload) -> ChipRun:
    """What the passes on rap found: 4 samples, 1 chip."""
    return Passes(Request(vit, 4, 1, 0, 1, None, (), None)).run(load_architecture("rap_int8"))
