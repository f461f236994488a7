"""What a sweep's folder holds, read back.

Which question this module answers: *what was swept here, what came out, and where is more of it?*
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pimsim.dse.folder import (
    ARCHITECTURE_COPY,
    DESCRIPTION,
    FORMAT_VERSION,
    FRAME,
)
from pimsim.dse.pareto import Direction
from pimsim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_LEADING: Final = ("point", "design", "workload", "seed")


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep that was run, whole or in part."""

    folder: Path
    frame: "pd.DataFrame"
    """One row per point that has ended; columns as :func:`pimsim.sweep` returns them."""
    name: str
    description: str
    pimsim_version: str
    architecture: Path
    """Copy of the architecture file that the axes change."""
    architecture_name: str
    """As the sweep file names it."""
    workloads: tuple[str, ...]
    """As the sweep file names them, and as column ``workload`` has them."""
    overrides: tuple[str, ...]
    """``PATH=VALUE`` of all designs."""
    axes: tuple[str, ...]
    """Their columns."""
    sampler: Mapping[str, Any]
    points: int
    """Of the whole sweep."""
    complete: bool
    """Whether every point has ended."""
    objectives: Mapping[str, Direction]
    constraints: Mapping[str, Mapping[str, float]]
    """Metric → ``min``, ``max`` or both."""
    seeds: tuple[int, ...]
    samples: int | None
    chips: int
    batch: int
    seq: int | None
    phase: str | None
    context: int | None
    knees: Mapping[str, Path]
    """Workload → result folder of its knee design, for :func:`pimsim.load_result`; only of a
    complete sweep whose workload has a front."""
    knee_points: Mapping[str, int]
    """Workload → number of that point, as in column ``point``."""
    without_knee: Mapping[str, str]
    """Workload → why it has none."""


def open_sweep(folder: str | os.PathLike[str]) -> SweepRecord:
    """Read the folder that a sweep wrote.

    Parameters
    ----------
    folder
        ``--output`` of ``pimsim sweep``, or ``output`` of :func:`pimsim.sweep`. A sweep that still
        runs is read as far as it was written.

    Raises
    ------
    InputError
        If there is no sweep, or one of its files is missing or is not what pimsim wrote.
    """
    place = Path(folder)
    described = _read_description(place)
    try:
        return _record(place, described, _read_frame(place))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_ours(place / DESCRIPTION, f"{type(error).__name__}: {error}") from None


def is_sweep(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a sweep, whatever its state."""
    return (Path(folder) / DESCRIPTION).is_file()


def _record(place: Path, described: Mapping[str, Any], frame: "pd.DataFrame") -> SweepRecord:
    axes = tuple(described["axes"])
    missing = [name for name in (*_LEADING, *axes, "overrides") if name not in frame.columns]
    if missing:
        raise _not_ours(place / f"{FRAME}.parquet", f"no column {missing[0]!r}")
    complete = bool(described["complete"]) and len(frame) == described["points"]
    knees = {
        workload: about
        for workload, about in described["knees"].items()
        if complete and (place / about["folder"]).is_dir()
    }
    return SweepRecord(
        folder=place,
        frame=frame,
        name=described["name"],
        description=described["description"],
        pimsim_version=described["pimsim_version"],
        architecture=place / ARCHITECTURE_COPY,
        architecture_name=described["architecture"],
        workloads=tuple(described["workloads"]),
        overrides=tuple(described["overrides"]),
        axes=axes,
        sampler=described["sampler"],
        points=described["points"],
        complete=complete,
        objectives=described["objectives"],
        constraints=described["constraints"],
        seeds=tuple(described["seeds"]),
        samples=described["samples"],
        chips=described["chips"],
        batch=described["batch"],
        seq=described["seq"],
        phase=described["phase"],
        context=described["context"],
        knees={workload: place / about["folder"] for workload, about in knees.items()},
        knee_points={workload: about["point"] for workload, about in knees.items()},
        without_knee=_without_knee(described, knees) if complete else {},
    )


def _without_knee(described: Mapping[str, Any], knees: Mapping[str, Any]) -> dict[str, str]:
    """Why each workload that has no knee has none, folders that are gone included."""
    gone = {
        workload: f"{about['folder']} is not there; run the sweep again with --resume"
        for workload, about in described["knees"].items()
        if workload not in knees
    }
    return gone | dict(described.get("without_knee", {}))


def _read_description(place: Path) -> dict[str, Any]:
    described = place / DESCRIPTION
    if not described.is_file():
        if place.exists() and not place.is_dir():
            raise InputError(f"{place}: is a file; name the folder that 'pimsim sweep' wrote")
        there = f"it has no {DESCRIPTION}" if place.is_dir() else "there is no such folder"
        if (place / "result.json").is_file():
            there = "it holds the result of one run"
        raise InputError(f"no sweep in {place}: {there}")
    try:
        found = json.loads(described.read_text(encoding="utf-8"))
        version = found.get("format_version", 0)
    except (ValueError, AttributeError) as error:
        raise _not_ours(described, str(error)) from None
    if version != FORMAT_VERSION:
        raise InputError(
            f"{described}: has format_version {version}, this pimsim reads {FORMAT_VERSION}; run "
            f"the sweep again with --output {place} --resume, which computes nothing twice"
        )
    return dict(found)


def _read_frame(place: Path) -> "pd.DataFrame":
    import pandas as pd

    path = place / f"{FRAME}.parquet"
    if not path.is_file():
        raise InputError(
            f"{place}: the sweep was stopped before it wrote {path.name}; go on with it with "
            f"--output {place} --resume"
        )
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _not_ours(path, str(error).splitlines()[0]) from None


def _not_ours(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: is not what pimsim wrote ({what}); run the sweep again with --output "
        f"{path.parent} --resume, which computes nothing twice"
    )
