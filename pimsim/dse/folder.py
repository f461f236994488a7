"""The folder of a sweep: what lies in it, and how it is written.

Which question this module answers: *how does a sweep keep what it found on disk?*

=================== ==============================================================================
``store.sqlite``    every outcome, as it ends (:mod:`pimsim.dse.store`)
``points.parquet``  the frame, refreshed while the sweep runs and written at its end
``points.csv``      the same as text
``sweep.json``      what was asked, read by :func:`pimsim.dse.record.open_sweep`
``sweep.yaml``      copy of the sweep file
``architecture.yaml`` copy of the architecture file that the axes change
``knee/``           a result folder for the knee design of each workload
=================== ==============================================================================

Each file is written in one step: whoever reads it sees the old one or the new one, whole.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pimsim.config.bundled import sweep_path
from pimsim.dse.points import count_of
from pimsim.dse.store import FILE
from pimsim.dse.sweep_file import Sweep
from pimsim.errors import OutputError
from pimsim.provenance import VERSION

if TYPE_CHECKING:
    import pandas as pd

FRAME: Final = "points"
"""Stem of the files that hold the frame."""
DESCRIPTION: Final = "sweep.json"
SWEEP_COPY: Final = "sweep.yaml"
ARCHITECTURE_COPY: Final = "architecture.yaml"
KNEE_FOLDER: Final = "knee"

FORMAT_VERSION: Final = 1
"""Of ``sweep.json``."""


def prepare(folder: Path, asked: Sweep, file: str | os.PathLike[str], *, resume: bool) -> Path:
    """Make the folder of a sweep, or check that it is one to go on with; describe the sweep there.

    Raises
    ------
    OutputError
        If the folder holds something else, holds this sweep and ``resume`` is not set, or cannot be
        written.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; give a folder")
    described = folder / DESCRIPTION
    knees: Mapping[str, Any] = {}
    if described.exists():
        before = _described(described)
        if before["name"] != asked.file.name:
            raise OutputError(
                f"{folder}: holds the sweep {before['name']!r}, not {asked.file.name!r}; give "
                "another --output"
            )
        if not resume:
            raise OutputError(
                f"{folder}: holds results of this sweep; add --resume to go on with them, or give "
                "another --output"
            )
        knees = before.get("knees", {})
    elif folder.exists() and _holds_other(folder, resume=resume):
        raise OutputError(f"{folder}: is not empty and holds no sweep; give another --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from None
    _write_json(described, {**_description(asked), "complete": False, "knees": knees})
    _copy(sweep_path(file), folder / SWEEP_COPY)
    _copy(asked.architecture_path, folder / ARCHITECTURE_COPY)
    return folder


def note(folder: Path, **entries: object) -> None:
    """Change entries of the description."""
    described = folder / DESCRIPTION
    _write_json(described, {**_described(described), **entries})


def noted(folder: Path, entry: str) -> Any:
    """Return an entry of the description; ``None`` if there is none."""
    return _described(folder / DESCRIPTION).get(entry)


def write_frame(frame: "pd.DataFrame", asked: Sweep, folder: Path) -> None:
    """Write the frame as CSV and Parquet, each in one step."""
    shown = frame.copy()
    for axis in asked.axes:
        if shown[axis.name].map(type).nunique() > 1:  # Parquet holds one type per column
            shown[axis.name] = shown[axis.name].map(str)
    _in_one_step(folder / f"{FRAME}.csv", lambda path: shown.to_csv(path, index=False))
    _in_one_step(folder / f"{FRAME}.parquet", lambda path: shown.to_parquet(path, index=False))


def _description(asked: Sweep) -> dict[str, object]:
    file = asked.file
    return {
        "format_version": FORMAT_VERSION,
        "pimsim_version": VERSION,
        "name": file.name,
        "description": file.description,
        "architecture": file.architecture,
        "workloads": file.workloads,
        "overrides": list(asked.fixed),
        "axes": [axis.name for axis in asked.axes],
        "sampler": file.sampler.model_dump(exclude_none=True),
        "points": count_of(asked),
        "objectives": file.objectives,
        "constraints": {
            name: bounds.model_dump(exclude_none=True) for name, bounds in file.constraints.items()
        },
        "seeds": file.seeds,
        "samples": file.samples,
        "chips": file.chips,
        "batch": file.batch,
        "seq": file.seq,
        "phase": file.phase,
        "context": file.context,
    }


def _described(described: Path) -> dict[str, Any]:
    """Return what a folder's description says."""
    try:
        found = json.loads(described.read_text(encoding="utf-8"))
        _ = found["name"]
    except (ValueError, LookupError, TypeError):
        raise OutputError(
            f"{described}: is not what pimsim wrote; remove it and add --resume to go on with the "
            "results beside it, or give another --output"
        ) from None
    return dict(found)


def _holds_other(folder: Path, *, resume: bool) -> bool:
    """Whether a folder without a description holds something that is not a sweep's to go on."""
    if resume and (folder / FILE).exists():
        return False
    return any(entry.suffix != ".tmp" for entry in folder.iterdir())


def _copy(source: Path, target: Path) -> None:
    """Copy a file in one step; it may be the copy of an earlier run."""
    _in_one_step(target, lambda path: shutil.copyfile(source, path))


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    _in_one_step(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _in_one_step(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the file first; what is written then takes its place."""
    temporary = path.with_suffix(f"{path.suffix}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
