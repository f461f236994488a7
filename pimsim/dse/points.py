"""The points of a sweep: designs, and the runs of each.

Which question this module answers: *which runs does a sweep consist of, in which order?*

A *design* is one setting of every axis; a *point* is a design on one workload with one seed. Points
are numbered design by design, so that a sweep that is cut short has whole designs.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pimsim import rng
from pimsim.dse.axes import Axis, Setting
from pimsim.dse.sweep_file import Sweep
from pimsim.errors import InputError


@dataclass(frozen=True, slots=True)
class Design:
    """One setting of every axis."""

    number: int
    """Counted from 0."""
    settings: tuple[Setting, ...]
    """In the order of the axes."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """What it changes of the architecture."""
        return tuple(text for setting in self.settings for text in setting.overrides)


@dataclass(frozen=True, slots=True)
class Point:
    """A design on one workload with one seed."""

    number: int
    design: Design
    workload: str
    seed: int

    def labels(self, axes: Sequence[Axis]) -> dict[str, Any]:
        """The first columns of its row in a frame."""
        own = {
            axis.name: setting.label
            for axis, setting in zip(axes, self.design.settings, strict=True)
        }
        return {
            "point": self.number, "design": self.design.number, "workload": self.workload,
            "seed": self.seed, **own,
        }  # fmt: skip


def designs(sweep: Sweep) -> tuple[Design, ...]:
    """All designs of a sampler that does not look at results.

    Raises
    ------
    InputError
        If the sampler is adaptive.
    """
    sampler, axes = sweep.file.sampler, sweep.axes
    if sampler.model == "grid":
        chosen: Iterator[tuple[Setting, ...]] = itertools.product(*(axis.settings for axis in axes))
    elif sampler.model == "nsga2":
        raise InputError("sampler 'nsga2' chooses designs from results, generation by generation")
    else:
        shares = _shares(sampler.model, sampler.points or 0, len(axes), sampler.seed)
        chosen = (
            tuple(axis.at(float(share)) for axis, share in zip(axes, row, strict=True))
            for row in shares
        )
    return tuple(Design(number, settings) for number, settings in enumerate(chosen))


def _shares(model: str, points: int, axes: int, seed: int) -> np.ndarray:
    """Places along the axes, (points, axes), each from 0 to below 1."""
    if model == "random":
        return rng.for_(seed, "sweep", "random").random((points, axes))
    from scipy.stats import qmc

    sequence = qmc.Sobol(axes, scramble=True, seed=np.random.default_rng([seed, 0x50B01]))
    drawn: np.ndarray = sequence.random_base2(max(0, math.ceil(math.log2(points))))[:points]
    return drawn


def points_of(sweep: Sweep, chosen: Sequence[Design], first: int = 0) -> tuple[Point, ...]:
    """The runs of some designs, numbered from ``first``."""
    file = sweep.file
    runs = itertools.product(chosen, file.workloads, file.seeds)
    return tuple(
        Point(number, design, workload, seed)
        for number, (design, workload, seed) in enumerate(runs, start=first)
    )


def count_of(sweep: Sweep) -> int:
    """Number of points of the whole sweep."""
    sampler = sweep.file.sampler
    if sampler.model == "grid":
        chosen = math.prod(len(axis.settings) for axis in sweep.axes)
    elif sampler.model == "nsga2":
        chosen = (sampler.population or 0) * (sampler.generations or 0)
    else:
        chosen = sampler.points or 0
    return chosen * len(sweep.file.workloads) * len(sweep.file.seeds)
