"""What the data sheet of a GPU says, number by number, each with its source.

Which question this module answers: *which GPUs are known, and what is their hardware?*

A GPU is one file of ``data/gpus/``: its data sheet, its sources, and the runs that others published
(:mod:`.runs`). Every number says whether it was read in its source, recalled of it or assumed.
Peaks are dense: structured sparsity is off.
"""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from pimsim.baselines.runs import (
    SCHEMA_VERSION,
    Mark,
    Precision,
    Reference,
    Run,
    RunGroup,
    check_sources,
    expand,
)
from pimsim.config.base import Config
from pimsim.config.yaml_loader import check_version, read, validate
from pimsim.errors import NotFoundError, nearest

PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "tf32", "fp16", "bf16", "fp8", "int8")
BYTES_PER_VALUE: Final = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}
"""What weights, activations and the cache take in memory."""

_FOLDER: Final = files("pimsim.baselines") / "data" / "gpus"


class Number(Config):
    """A positive number of a data sheet."""

    value: float = Field(gt=0)
    source: str
    """A key of the file's ``sources``."""
    mark: Mark


class Multiprocessors(Config):
    """How many multiprocessors are switched on."""

    value: int = Field(ge=1)
    source: str
    mark: Mark


class Specification(Config):
    """The hardware, as its data sheet has it."""

    node_nm: Number
    die_area_mm2: Number
    multiprocessors: Multiprocessors
    memory_bytes: Number
    memory_bytes_per_ns: Number
    cache_bytes: Number
    """Last-level cache."""
    board_power_mw: Number
    """Thermal design power of board or module, memory included."""
    idle_power_mw: Number
    """With a context and no work."""
    peak_ops_per_s: dict[Precision, Number] = Field(min_length=1)
    """Dense, one multiply-accumulate being two operations."""

    @model_validator(mode="after")
    def _more_than_idle(self) -> "Specification":
        if self.idle_power_mw.value >= self.board_power_mw.value:
            raise ValueError(
                f"idle_power_mw: {self.idle_power_mw.value:g} must be below board_power_mw, "
                f"{self.board_power_mw.value:g}"
            )
        return self


class Gpu(Config):
    """One GPU: specification, sources and rows."""

    schema_version: int
    name: str = Field(min_length=1)
    architecture: Literal["volta", "turing", "ampere", "ada", "hopper"]
    aliases: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), strict=False)
    """Shorter names that mean this GPU."""
    nearest: tuple[Annotated[str, Field(min_length=1)], ...] = Field(strict=False)
    """Whose calibration is used where this GPU has none, the nearest first."""
    notes: str = ""
    sources: dict[str, Reference]
    specification: Specification
    runs: tuple[RunGroup, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _sources_known(self) -> "Gpu":
        for name, number in numbers(self.specification).items():
            if number.source not in self.sources:
                raise ValueError(
                    f"specification.{name}.source: {number.source!r} is not among the file's "
                    f"sources ({', '.join(self.sources)})"
                )
        check_sources(self.runs, self.sources)
        return self


def numbers(specification: Specification) -> dict[str, Number | Multiprocessors]:
    """Every number of a specification by its dotted name."""
    found: dict[str, Number | Multiprocessors] = {}
    for name in type(specification).model_fields:
        value = getattr(specification, name)
        if isinstance(value, dict):
            found |= {f"{name}.{key}": number for key, number in value.items()}
        else:
            found[name] = value
    return found


# Part of the package: neither names nor content change while it runs.
@cache
def known_gpus() -> tuple[str, ...]:
    """Names of all GPUs, sorted.

    Examples
    --------
    >>> len(known_gpus()) >= 11, "t4" in known_gpus()
    (True, True)
    """
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


@cache
def canonical(name: str) -> str:
    """Return the name of a GPU's file, given that name or an alias, in upper or lower case.

    Raises
    ------
    NotFoundError
        If there is no such GPU; the nearest name is given.

    Examples
    --------
    >>> canonical("A100"), canonical("RTX 4090"), canonical("t4")
    ('a100_40gb_sxm', 'rtx_4090', 't4')
    """
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    if plain in known_gpus():
        return plain
    for known in known_gpus():
        if plain in load_gpu(known).aliases:
            return known
    raise NotFoundError(f"unknown GPU {name!r}{nearest(name, known_gpus())}")


@cache
def load_gpu(name: str) -> Gpu:
    """Return a GPU by the name of its file.

    Raises
    ------
    NotFoundError
        If there is none of this name; the nearest one is named.

    Examples
    --------
    >>> load_gpu("t4").specification.peak_ops_per_s["int8"].value
    130000000000000.0
    """
    if name not in known_gpus():
        raise NotFoundError(f"unknown GPU {name!r}{nearest(name, known_gpus())}")
    with as_file(_FOLDER / f"{name}.yaml") as path:
        return read_gpu(path)


def read_gpu(path: Path) -> Gpu:
    """Read the file of a GPU.

    Raises
    ------
    ConfigError
        With file, line and key of everything that is wrong.
    """
    document = read(path)
    check_version(document, SCHEMA_VERSION)
    return validate(document, Gpu)


def rows_of(name: str) -> tuple[Run, ...]:
    """Every row of a GPU's file, in order."""
    gpu = load_gpu(name)
    return expand(name, gpu.runs, gpu.sources)


def check_precision(name: str, precision: str) -> Precision:
    """Return the precision, if the GPU has it.

    Raises
    ------
    NotFoundError
        If not; those that it has are named.
    """
    have = load_gpu(name).specification.peak_ops_per_s
    for known in PRECISIONS:
        if known == precision and known in have:
            return known
    title = load_gpu(name).name
    if precision in PRECISIONS:
        raise NotFoundError(f"{title} has no {precision}; it has {', '.join(have)}")
    raise NotFoundError(f"unknown precision {precision!r}; {title} has {', '.join(have)}")
