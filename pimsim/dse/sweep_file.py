"""The sweep file: which designs, which workloads, how they are sampled and judged.

Which question this module answers: *what does this sweep ask for, and can all of it be asked?*

::

    schema_version: 1
    name: converter_levels
    description: how coarse may the converters be?
    architecture: rap
    workloads: [vit_digits]
    overrides: {pvt.temperature_degc: 25.0}
    axes:
      macros.mram.adc.levels: [5, 9, 17]
      chip.clock_ghz: {from: 0.5, to: 2.0, points: 4}
    sampler: {model: grid}
    constraints: {area_mm2: {max: 700}}
    objectives: {energy_uj: minimize, accuracy: maximize}
    samples: 64
    chips: 2

Everything is checked before anything runs: every path and every value of every axis against the
architecture file, with file and line.
"""

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from pimsim.config import overrides as overriding
from pimsim.config import yaml_loader
from pimsim.config.architecture import Architecture
from pimsim.config.base import Config
from pimsim.config.bundled import architecture_path, sweep_path, workload_path
from pimsim.config.document import Document, KeyPath, Place, Problem
from pimsim.config.problems import in_order, translate
from pimsim.dse.axes import Axis, Setting, override, read_axes
from pimsim.dse.metrics import HEADLINES, OF_SAMPLES
from pimsim.dse.pareto import Direction
from pimsim.errors import ConfigError, NotFoundError, nearest
from pimsim.workload.files import SAMPLES_FILE

SWEEP_SCHEMA_VERSION: Final = 1

SETTINGS_CHECKED_MAX: Final = 2000
"""Values of all axes together that are checked one by one before a sweep starts."""


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _known_metric(metrics: dict[str, Any]) -> dict[str, Any]:
    for name in metrics:
        if name not in HEADLINES:
            raise ValueError(f"{name}: unknown metric '{name}'{nearest(name, HEADLINES)}")
    return metrics


def _default_objectives() -> dict[str, Direction]:
    return {"energy_uj": "minimize", "latency_us": "minimize"}


class Bounds(Config):
    """What a metric must keep to."""

    min: float | None = None
    """Smallest value allowed."""
    max: float | None = None
    """Largest value allowed."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) must not exceed max ({self.max})")
        return self


class Sampler(Config):
    """How designs are chosen among the axes' values."""

    model: Literal["grid", "random", "sobol", "nsga2"]
    """``grid``: every combination. ``random``: independent uniform draws. ``sobol``: a scrambled
    Sobol sequence, which fills the space more evenly. ``nsga2``: an evolutionary search for the
    Pareto front of the objectives; needs the extra ``optuna``."""
    points: int | None = Field(default=None, ge=1, le=1_000_000)
    """Designs of ``random`` and ``sobol``."""
    population: int | None = Field(default=None, ge=2, le=10_000)
    """Designs of each generation of ``nsga2``."""
    generations: int | None = Field(default=None, ge=1, le=10_000)
    """Generations of ``nsga2``."""
    seed: int = Field(default=0, ge=0)
    """Of the draws."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        wanted = {"random": {"points"}, "sobol": {"points"}, "nsga2": {"population", "generations"}}
        needed = wanted.get(self.model, set())
        given = {
            name
            for name in ("points", "population", "generations")
            if getattr(self, name) is not None
        }
        if given != needed:
            needs = " and ".join(sorted(needed)) or "no other key but seed"
            found = ", ".join(sorted(given)) or "none"
            raise ValueError(f"model '{self.model}' takes {needs} (found {found})")
        return self


class SweepFile(Config):
    """A sweep file; ``axes`` is read apart."""

    schema_version: Literal[1]
    """Version of this format, first in the file."""
    name: Name
    """Name of the sweep: lower-case letters, digits, underscores."""
    description: str = ""
    """One line for ``pimsim list``."""
    architecture: str
    """Name or path of the architecture that the axes change."""
    workloads: list[str] = Field(min_length=1)
    """Names or paths of workloads; every design runs all of them."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Fixed settings of all designs: dotted path → value."""
    axes: dict[str, Any]
    """Name or dotted path → values, a range, values in step, or labelled options."""
    sampler: Sampler = Sampler(model="grid")
    """How designs are chosen."""
    constraints: Annotated[dict[str, Bounds], AfterValidator(_known_metric)] = Field(
        default_factory=dict
    )
    """Metric → bounds; a design outside is marked, and never on the front."""
    objectives: Annotated[dict[str, Direction], AfterValidator(_known_metric)] = Field(
        default_factory=_default_objectives
    )
    """Metric → ``minimize`` or ``maximize``."""
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[0], min_length=1)
    """Seeds of variation and noise; every design runs all of them."""
    samples: int | None = Field(default=None, ge=1)
    """Evaluation samples; absent: as many as a run takes."""
    chips: int = Field(default=1, ge=1, le=10_000)
    """Monte Carlo chips of every design."""
    batch: int = Field(default=1, ge=1)
    """Inputs per inference."""
    seq: int | None = Field(default=None, ge=1)
    """Tokens per input, where the workload leaves them open."""
    phase: Literal["prefill", "decode"] | None = None
    """Phase of a causal decoder."""
    context: int | None = Field(default=None, ge=0)
    """Tokens of its cache."""

    @field_validator("workloads", "seeds")
    @classmethod
    def _not_twice(cls, values: list[Any]) -> list[Any]:
        repeated = next((value for value in values if values.count(value) > 1), None)
        if repeated is not None:
            raise ValueError(f"{repeated!r} is there twice; keep one of them")
        return values

    @model_validator(mode="after")
    def _searches_for_something(self) -> Self:
        if self.sampler.model == "nsga2" and not self.objectives:
            raise ValueError("objectives: sampler 'nsga2' needs at least one")
        return self


@dataclass(frozen=True, slots=True)
class Sweep:
    """A checked sweep."""

    file: SweepFile
    axes: tuple[Axis, ...]
    architecture_path: Path

    @property
    def fixed(self) -> tuple[str, ...]:
        """Overrides of all designs."""
        return _overrides(self.file.overrides)

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """Metric → direction."""
        return self.file.objectives

    @property
    def seeds(self) -> Sequence[int]:
        """Every design runs all of them."""
        return self.file.seeds


def load_sweep(name_or_path: str | os.PathLike[str]) -> Sweep:
    """Read and check a sweep file.

    Parameters
    ----------
    name_or_path
        A path, or the name of a bundled sweep.

    Raises
    ------
    NotFoundError
        If there is no such file or name, or the architecture or a workload that it names.
    ConfigError
        With every problem of the file, one line each: of axes, also what the architecture objects
        to in their paths and values.
    """
    document = yaml_loader.read(sweep_path(name_or_path))
    yaml_loader.check_version(document, SWEEP_SCHEMA_VERSION)
    axes = read_axes(document, document.problems)
    file = yaml_loader.validate(document, SweepFile)
    with _named_at(document, ("architecture",)):
        base = architecture_path(file.architecture)
    for place, workload in enumerate(file.workloads):
        with _named_at(document, ("workloads", place)):
            workload_path(workload)
    sweep = Sweep(file, axes, base)
    problems = [
        *_unmeasured(file, document), *_set_twice(sweep, document),
        *_architecture_problems(sweep, document),
    ]  # fmt: skip
    if problems:
        raise ConfigError(dict.fromkeys(str(problem) for problem in in_order(problems)))
    return sweep


@contextmanager
def _named_at(document: Document, where: KeyPath) -> Iterator[None]:
    """A name that nothing has is told with its place."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(str(Problem(document.place(where), where, str(error)))) from None


def _overrides(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(override(path, value) for path, value in settings.items())


def _unmeasured(file: SweepFile, document: Document) -> Iterator[Problem]:
    """Goals and constraints that no design can have a value of."""
    if any((workload_path(name) / SAMPLES_FILE).is_file() for name in file.workloads):
        return
    for section in ("objectives", "constraints"):
        for name in getattr(file, section):
            if name in OF_SAMPLES:
                where: KeyPath = (section, name)
                message = (
                    "no workload here has weights and samples, so that no design has a value of "
                    "it; leave it out"
                )
                yield Problem(document.place(where), where, message)


def _set_twice(sweep: Sweep, document: Document) -> Iterator[Problem]:
    """Axes with a setting that undoes what all settings of an earlier one set, or the reverse."""
    earlier = [("'overrides'", {_paths(sweep.fixed)})]
    for axis in sweep.axes:
        own = {_paths(setting.overrides) for setting in axis.settings}
        for name, others in earlier:
            path = _undone(others, own)
            if path is not None:
                where: KeyPath = ("axes", axis.name)
                message = f"sets {'.'.join(path)}, which {name} sets, too; keep one of them"
                yield Problem(document.place(where), where, message)
        earlier.append((f"axis '{axis.name}'", own))


Paths = tuple[tuple[str, ...], ...]


def _paths(overrides: Sequence[str]) -> Paths:
    return tuple(tuple(text.partition("=")[0].split(".")) for text in overrides)


def _undone(earlier: Set[Paths], later: Set[Paths]) -> tuple[str, ...] | None:
    """A key or section that is set twice in every design of one of the settings."""
    for one in earlier:
        paths = [_clash(one, other) for other in later]
        if all(paths):
            return paths[0]
    for other in later:
        paths = [_clash(one, other) for one in earlier]
        if all(paths):
            return paths[0]
    return None


def _clash(earlier: Paths, later: Paths) -> tuple[str, ...] | None:
    """A later path that holds an earlier one; the reverse completes a section, and may be."""
    return next(
        (path for path in later if any(each[: len(path)] == path for each in earlier)), None
    )


def _architecture_problems(sweep: Sweep, document: Document) -> Iterator[Problem]:
    """What the architecture objects to, put at the line of the axis or override to blame.

    Each value of an axis is tried with the first values of the others. Rules between keys of
    several axes are left to the runs: a design that breaks one is recorded as failed.
    """
    base = yaml_loader.read(sweep.architecture_path)
    yaml_loader.check_version(base, 1)
    first = [override for axis in sweep.axes for override in axis.settings[0].overrides]
    for path, text in zip(sweep.file.overrides, sweep.fixed, strict=True):
        place: KeyPath = ("overrides", path)
        found = list(_own_problems(base, [text], place, document))
        if not found:
            own = Setting(None, (text,))
            found = list(_value_problems(base, [*sweep.fixed, *first], own, place, document))
        yield from found
    count = sum(len(axis.settings) for axis in sweep.axes)
    for axis in sweep.axes:
        settings = axis.settings if count <= SETTINGS_CHECKED_MAX else axis.settings[:1]
        others = [text for text in first if text not in axis.settings[0].overrides]
        for index, setting in enumerate(settings):
            where: KeyPath = ("axes", axis.name, index)
            found = list(_own_problems(base, setting.overrides, where, document))
            if not found:
                tried = [*sweep.fixed, *others, *setting.overrides]
                found = list(_value_problems(base, tried, setting, where, document))
            yield from found


def _own_problems(
    base: Document, overrides: Sequence[str], where: KeyPath, document: Document
) -> Iterator[Problem]:
    """Overrides that name no place of the architecture."""
    for problem in overriding.apply(base, overrides, Architecture).problems:
        if problem not in base.problems:
            yield Problem(document.place(where), where[:2], f"{problem_text(problem)}")


def _value_problems(
    base: Document, overrides: Sequence[str], setting: Setting, where: KeyPath, document: Document
) -> Iterator[Problem]:
    """Values that their own key does not allow."""
    changed = overriding.apply(base, overrides, Architecture)
    try:
        Architecture.model_validate(changed.data)
    except ValidationError as error:
        details = [dict(detail) for detail in error.errors(include_url=False)]
        own = {tuple(text.partition("=")[0].split(".")) for text in setting.overrides}
        for problem in translate(details, changed, Architecture):
            if any(problem.path[: len(path)] == path for path in own):
                yield Problem(document.place(where), where[:2], problem_text(problem))


def problem_text(problem: Problem) -> str:
    """A problem of the architecture without the place, which is the sweep file's."""
    return str(Problem(Place(""), problem.path, problem.message))
